"""scikit-learn's own checks, with real torch and no expected failure."""

import pytest
from helpers import make_shape_matching_net
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV

# With a pipeline, a missing value in the sensitive column is accepted although the
# pipeline's tags say nothing of missing values; the checks put one in column 0.
ESTIMATORS = [
    BackdoorDebiasClassifier(sensitive_feature=0),
    BackdoorDebiasClassifier(make_shape_matching_net(), sensitive_feature=0),
    BackdoorDebiasClassifier(
        make_pipeline(StandardScaler(), make_shape_matching_net()), sensitive_feature=1
    ),
    BackdoorDebiasClassifierCV(
        make_shape_matching_net(), sensitive_feature=0, trigger_strengths=[0.0, 1.0], cv=2
    ),
]


@pytest.mark.filterwarnings("ignore:Few rows:UserWarning")
@pytest.mark.filterwarnings("ignore:No candidate has:UserWarning")
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
