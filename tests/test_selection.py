import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_bade import metrics
from sklearn_bade._selection import (
    COUNT_DISPARITIES,
    check_rule,
    choose_candidate,
    count_outcomes,
    named_disparity,
)

PUBLIC = {
    "odd": metrics.mean_odds_gap,
    "equalized_odds": metrics.equalized_odds_difference,
    "demographic_parity": metrics.demographic_parity_difference,
    "equal_opportunity": metrics.equal_opportunity_difference,
}

ACCURACY = np.array([0.90, 0.89, 0.88, 0.80])
DISPARITY = np.array([0.10, 0.04, 0.03, 0.01])


def test_every_named_disparity_has_a_public_twin():
    assert set(COUNT_DISPARITIES) == set(PUBLIC)


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 4), st.integers(2, 4), st.integers(0, 1000))
def test_disparities_from_counts_equal_the_public_metrics(n_classes, n_groups, seed):
    rng = np.random.RandomState(seed)
    y, predicted = rng.randint(n_classes, size=(2, 500))
    groups = rng.randint(n_groups, size=500)
    counts = count_outcomes(y, predicted, groups, n_classes, n_groups)
    for name, function in PUBLIC.items():
        expected = function(y, predicted, sensitive_features=groups)
        assert named_disparity(name, counts) == pytest.approx(expected)


def test_unknown_groups_are_not_counted():
    counts = count_outcomes(np.array([0, 1]), np.array([1, 1]), np.array([-1, 1]), 2, 2)
    assert counts.sum() == 1
    assert counts[1, 1, 1] == 1


def test_most_accurate_below_the_bound():
    assert choose_candidate(ACCURACY, DISPARITY, 0.05, None) == 1


def test_least_disparate_within_the_loss():
    assert choose_candidate(ACCURACY, DISPARITY, None, 0.02) == 2
    assert choose_candidate(ACCURACY, DISPARITY, None, 0.0) == 0


def test_nothing_below_the_bound_warns():
    with pytest.warns(UserWarning, match=r"at most 0.001.*0.0100.*larger"):
        assert choose_candidate(ACCURACY, DISPARITY, 0.001, None) == 3


@pytest.mark.parametrize("bounds_of_rule", [(None, 0.01), (0.2, None)])
def test_nan_is_never_chosen(bounds_of_rule):
    accuracy, disparity = np.array([0.8, np.nan, 0.85]), np.array([0.1, 0.0, 0.05])
    assert choose_candidate(accuracy, disparity, *bounds_of_rule) == 2
    with pytest.raises(ValueError, match="finite"):
        choose_candidate(np.full(2, np.nan), np.ones(2), *bounds_of_rule)


@pytest.mark.parametrize("bounds", [(None, None), (0.1, 0.1)])
def test_exactly_one_bound(bounds):
    with pytest.raises(ValueError, match="exactly one of max_disparity"):
        check_rule(*bounds)
