import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_bade import metrics
from sklearn_bade._outcomes import DISPARITIES, ChoiceRule, Outcomes, used_folds
from sklearn_bade.exceptions import UndefinedDisparityWarning, UnreachedBoundWarning

PUBLIC = {
    "average_odds": metrics.average_absolute_odds_difference,
    "equalized_odds": metrics.equalized_odds_difference,
    "demographic_parity": metrics.demographic_parity_difference,
    "equal_opportunity": metrics.equal_opportunity_difference,
}

ACCURACY = np.array([0.90, 0.89, 0.88, 0.80])
DISPARITY = np.array([0.10, 0.04, 0.03, 0.01])


def test_every_named_disparity_has_a_public_twin():
    assert set(DISPARITIES) == set(PUBLIC)


@settings(max_examples=15)
@given(
    st.integers(2, 4),
    st.integers(2, 4),
    st.integers(0, 1000),
    st.sampled_from(["worst", "mean"]),
)
def test_disparities_from_counts_equal_the_public_metrics(
    n_classes, n_groups, seed, multiclass
):
    rng = np.random.RandomState(seed)
    y, predicted = rng.randint(n_classes, size=(2, 500))
    groups = rng.randint(n_groups, size=500)
    sizes = n_classes, n_groups
    outcomes = Outcomes.count(y, predicted, groups, *sizes, multiclass=multiclass)
    for name, function in PUBLIC.items():
        expected = function(y, predicted, sensitive_features=groups, multiclass=multiclass)
        assert outcomes.disparity(name) == pytest.approx(expected)


def test_unknown_groups_are_not_counted():
    counts = Outcomes.count(
        np.array([0, 1]), np.array([1, 1]), np.array([-1, 1]), 2, 2
    ).counts
    assert counts.sum() == 1
    assert counts[1, 1, 1] == 1


@pytest.mark.parametrize("name", DISPARITIES)
def test_the_standard_error_of_a_mean_over_classes(name):
    """Draws of many samples vary by as much as is estimated from one."""
    rng = np.random.RandomState(0)
    truth = np.repeat(np.arange(3), 400)
    groups = np.arange(1200) % 2
    chances = np.array([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3], [0.3, 0.3, 0.4]])
    biased = np.roll(chances, 1, axis=1) * 0.3 + chances * 0.7
    row_chances = np.where(groups[:, None], chances[truth], biased[truth])

    def draw():
        steps = rng.uniform(size=(1200, 1)) > np.cumsum(row_chances, axis=1)
        predicted = steps.sum(axis=1).clip(max=2)
        return Outcomes.count(truth, predicted, groups, 3, 2, multiclass="mean")

    spread = np.std([draw().disparity(name) for _ in range(300)])
    # Gaps of several classes are taken to be independent, which they are not quite.
    assert 0.5 * spread < draw().standard_error(name) < 2 * spread


def choose(accuracy=ACCURACY, disparity=DISPARITY, **rule):
    return ChoiceRule(**rule).choose(accuracy, disparity)


def test_most_accurate_below_the_bound():
    assert choose(max_disparity=0.05) == 1


def test_least_disparate_within_the_loss():
    assert choose(max_accuracy_loss=0.02) == 2
    assert choose(max_accuracy_loss=0.0) == 0


def test_greatest_worth():
    assert choose(disparity_weight=0.0) == 0
    assert choose(disparity_weight=0.5) == 1
    assert choose(disparity_weight=1.5) == 2
    assert choose(disparity_weight=5.0) == 3


def test_nothing_below_the_bound_warns():
    rule = ChoiceRule(max_disparity=0.001)
    assert choose(max_disparity=0.001) == 3
    with pytest.warns(UnreachedBoundWarning, match=r"at most 0.001.*0.0100.*larger"):
        rule.warn_if_unreached(ACCURACY[3], DISPARITY[3], ACCURACY.max())


RULES = [{"max_accuracy_loss": 0.01}, {"max_disparity": 0.2}, {"disparity_weight": 1.0}]


@pytest.mark.parametrize("rule", RULES)
def test_nan_is_never_chosen(rule):
    accuracy, disparity = np.array([0.8, np.nan, 0.85]), np.array([0.1, 0.0, 0.05])
    assert choose(accuracy, disparity, **rule) == 2
    assert choose(np.array([0.8, 0.9]), np.array([0.1, np.nan]), **rule) == 0
    with pytest.raises(ValueError, match="finite"):
        choose(np.full(2, np.nan), np.ones(2), **rule)


@pytest.mark.parametrize("rule", [{}, {"max_disparity": 0.1, "disparity_weight": 1.0}])
def test_exactly_one_rule(rule):
    with pytest.raises(ValueError, match="exactly one of max_disparity"):
        ChoiceRule(**rule)


class TestUndefinedGaps:
    """Two groups, of which one has no positives."""

    OUTCOMES = Outcomes(np.array([[[30, 10], [5, 15]], [[20, 20], [0, 0]]]))

    @pytest.mark.parametrize(
        "name", ["average_odds", "equalized_odds", "equal_opportunity"]
    )
    def test_they_are_nan(self, name):
        assert np.isnan(self.OUTCOMES.disparity(name))
        assert ("true_positive", 1, 1) in self.OUTCOMES.left_out(name)

    def test_defined_ones_are_numbers(self):
        assert self.OUTCOMES.disparity("demographic_parity") == pytest.approx(1 / 12)
        assert self.OUTCOMES.gaps()["false_positive"] == pytest.approx(0.25)
        assert self.OUTCOMES.left_out("demographic_parity") == []

    def test_few_rows_are_as_good_as_none(self):
        gaps = self.OUTCOMES.gaps(min_rows=41)
        assert np.isnan(gaps["false_positive"]).all()
        assert np.isnan(gaps["selection"]).all()
        assert np.isfinite(self.OUTCOMES.gaps(min_rows=40)["selection"]).all()

    def test_weightless_rows_are_not_counted(self):
        ones = np.ones(4, dtype=int)
        weights = np.array([1.0, 1.0, 1.0, 0.0])
        outcomes = Outcomes.count(
            np.array([0, 1, 0, 1]), ones, np.array([0, 0, 1, 1]), 2, 2, weights
        )
        assert np.isnan(outcomes.rates()["true_positive"][1, 1])


class TestUsedFolds:
    def test_folds_without_a_figure_are_left_out_for_all(self):
        by_fold = np.array([[0.1, 0.2], [np.nan, 0.9], [0.3, 0.4]])
        with pytest.warns(UndefinedDisparityWarning, match=r"fold 1 \(no women\)"):
            used = used_folds(by_fold, "disparity", ["", "no women", ""])
        np.testing.assert_array_equal(used, by_fold[[0, 2]])

    def test_nothing_to_leave_out(self):
        by_fold = np.full((2, 2), np.nan)
        assert used_folds(by_fold, "disparity") is by_fold
