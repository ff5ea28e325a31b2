"""scikit-learn's own checks, with real torch and no expected failure."""

import pytest
from helpers import make_shape_matching_net
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_bade import BackdoorDebiasClassifier

# With a pipeline, a missing value in the sensitive column is accepted although the
# pipeline's tags say nothing of missing values; the checks put one in column 0.
ESTIMATORS = [
    BackdoorDebiasClassifier(sensitive_feature=0),
    BackdoorDebiasClassifier(make_shape_matching_net(), sensitive_feature=0),
    BackdoorDebiasClassifier(
        make_pipeline(StandardScaler(), make_shape_matching_net()), sensitive_feature=1
    ),
]


@pytest.mark.filterwarnings("ignore:Few rows:UserWarning")
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
