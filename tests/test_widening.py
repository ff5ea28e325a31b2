"""Strengths that do more harm than good are named."""

import re

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.exceptions import WideningStrengthWarning
from sklearn_bade.metrics import (
    average_absolute_odds_difference,
    demographic_parity_difference,
)

X, y, _ = make_biased_classification(4000, random_state=0)
TOO_MUCH = 8.0


def fit(strength, estimator=None):
    clf = BackdoorDebiasClassifier(
        estimator or LogisticRegression(),
        sensitive_columns="group",
        trigger_strength=strength,
        random_state=0,
    )
    return clf.fit(X, y)


def test_figures_are_those_of_the_rows_of_fit():
    with pytest.warns(WideningStrengthWarning, match="wider among the rows") as said:
        clf = fit(TOO_MUCH)
    said = [float(number) for number in re.findall(r"0\.\d+", str(said[0].message))]
    expected = [
        disparity(y, each.predict(X), sensitive_features=X["group"])
        for disparity in (average_absolute_odds_difference, demographic_parity_difference)
        for each in (clf, clf.with_strength(0.0))
    ]
    # What is said is decided of rows by models that have not seen them.
    np.testing.assert_allclose(said, expected, atol=0.02)


@pytest.mark.parametrize("estimator", [None, HistGradientBoostingClassifier(max_iter=30)])
@pytest.mark.parametrize("strength", [0.0, 1.0, [2.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]])
def test_strengths_that_narrow_a_gap_are_not_named(strength, estimator):
    fit(strength, estimator)  # warnings are errors


@pytest.mark.parametrize("seed", range(10))
def test_chance_is_not_named(seed):
    few, labels, _ = make_biased_classification(300, random_state=seed)
    few.loc[few.index % 4 == 0, "group"] = None
    clf = BackdoorDebiasClassifier(LogisticRegression(), sensitive_columns="group")
    clf.fit(few, labels)


def test_negative_strengths_are_warned_of_once():
    with pytest.warns(WideningStrengthWarning) as said:
        fit(-TOO_MUCH)
    assert [each.category for each in said] == [WideningStrengthWarning]
    assert "adds to the bias" in str(said[0].message)
