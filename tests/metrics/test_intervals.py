"""Intervals of disparities and gaps, beside the tables they are made of."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact, norm

from sklearn_bade._outcomes import DISPARITIES
from sklearn_bade.exceptions import UndefinedDisparityWarning
from sklearn_bade.metrics import (
    average_absolute_odds_difference,
    demographic_parity_difference,
    disparity_interval,
    equal_opportunity_difference,
    equalized_odds_difference,
    group_gaps,
    group_rates,
)

METRICS = {
    "average_odds": average_absolute_odds_difference,
    "equalized_odds": equalized_odds_difference,
    "equal_opportunity": equal_opportunity_difference,
    "demographic_parity": demographic_parity_difference,
}
few = settings(max_examples=15)


def make_decisions(n_samples=400, groups="ab", rates=(0.75, 0.75), n_classes=2, seed=0):
    """Make labels, decisions that are right so often in each group, and groups."""
    rng = np.random.RandomState(seed)
    y = rng.randint(n_classes, size=n_samples)
    g = rng.randint(len(groups), size=n_samples)
    is_right = rng.rand(n_samples) < np.array(rates)[g]
    wrong = (y + 1 + rng.randint(n_classes - 1, size=n_samples)) % n_classes
    return y, np.where(is_right, y, wrong), np.array(list(groups))[g]


def selection_gap(y_true, y_pred, sensitive_features, sample_weight=None):
    """Compute a signed gap, as a user's own metric."""
    is_a = np.asarray(sensitive_features) == "a"
    weights = np.ones(len(is_a)) if sample_weight is None else sample_weight
    return np.average(y_pred[is_a], weights=weights[is_a]) - np.average(
        y_pred[~is_a], weights=weights[~is_a]
    )


class TestDisparityInterval:
    @pytest.mark.parametrize("name", sorted(DISPARITIES))
    @pytest.mark.parametrize("groups", ["ab", "abcd"])
    def test_the_value_is_that_of_the_metric(self, name, groups):
        y, p, g = make_decisions(groups=groups, rates=[0.8] * len(groups))
        found = disparity_interval(y, p, sensitive_features=g, disparity=name)
        assert found.value == METRICS[name](y, p, sensitive_features=g)
        assert 0 <= found.lower <= found.value <= found.upper <= 1

    def test_more_confidence_makes_it_wider(self):
        y, p, g = make_decisions(rates=(0.9, 0.6))
        narrow, wide = (
            disparity_interval(y, p, sensitive_features=g, confidence=c)
            for c in (0.5, 0.99)
        )
        assert wide.lower < narrow.lower < narrow.upper < wide.upper

    def test_more_rows_make_it_shorter(self):
        y, p, g = make_decisions(rates=(0.9, 0.6))
        once, often = (
            disparity_interval(
                np.tile(y, k), np.tile(p, k), sensitive_features=np.tile(g, k)
            )
            for k in (1, 9)
        )
        np.testing.assert_allclose(once.value, often.value)
        assert often.upper - often.lower < 0.5 * (once.upper - once.lower)

    def test_whole_weights_are_repeated_rows_in_value(self):
        y, p, g = make_decisions()
        weights = np.random.RandomState(0).randint(4, size=400)
        repeated = np.repeat(np.arange(400), weights)
        weighed = disparity_interval(y, p, sensitive_features=g, sample_weight=weights)
        plain = disparity_interval(y[repeated], p[repeated], sensitive_features=g[repeated])
        np.testing.assert_allclose(weighed.value, plain.value)
        assert weighed.upper - weighed.lower > plain.upper - plain.lower

    @pytest.mark.parametrize("scale", [1e-3, 1 / 400, 50.0])
    def test_the_unit_of_weights_does_not_matter(self, scale):
        y, p, g = make_decisions()
        one, other = (
            disparity_interval(y, p, sensitive_features=g, sample_weight=np.full(400, w))
            for w in (1.0, scale)
        )
        np.testing.assert_allclose(one, other)

    def test_of_three_labels_it_is_the_worst_or_one(self):
        y, p, g = make_decisions(n_classes=3)
        worst = disparity_interval(y, p, sensitive_features=g)
        single = [
            disparity_interval(y, p, sensitive_features=g, pos_label=k) for k in range(3)
        ]
        np.testing.assert_allclose(worst.value, max(each.value for each in single))

    @pytest.mark.parametrize("groups", ["a", "ab"])
    def test_what_cannot_be_computed_is_nan_with_a_warning(self, groups):
        y, p, g = make_decisions(groups=groups, rates=[0.8] * len(groups))
        y[g == "b"] = 0
        with pytest.warns(UndefinedDisparityWarning, match="NaN"):
            found = disparity_interval(y, p, sensitive_features=g)
        assert np.isnan(found).all()

    def test_too_few_rows_leave_a_group_out(self):
        y, p, g = make_decisions(groups="abc", rates=[0.8] * 3)
        g[np.flatnonzero(g == "c")[5:]] = "a"
        with pytest.warns(UndefinedDisparityWarning, match="other groups"):
            found = disparity_interval(
                y, p, sensitive_features=g, min_rows=10, disparity="demographic_parity"
            )
        kept = g != "c"
        without = disparity_interval(
            y[kept], p[kept], sensitive_features=g[kept], disparity="demographic_parity"
        )
        np.testing.assert_allclose(found.value, without.value)
        assert found.upper == pytest.approx(without.upper)

    @pytest.mark.parametrize("confidence", [0, 1, -0.5, 95, "0.95", None, np.nan])
    def test_a_level_of_confidence_lies_between_0_and_1(self, confidence):
        y, p, g = make_decisions()
        for function in (disparity_interval, group_gaps):
            with pytest.raises(ValueError, match="confidence"):
                function(y, p, sensitive_features=g, confidence=confidence)

    def test_a_name_must_be_known(self):
        y, p, g = make_decisions()
        with pytest.raises(ValueError, match="disparity must be"):
            disparity_interval(y, p, sensitive_features=g, disparity="odds")


class TestOwnMetric:
    def test_it_is_close_to_the_closed_form(self):
        y, p, g = make_decisions(1000, rates=(0.85, 0.7))
        found = disparity_interval(y, p, sensitive_features=g, disparity=selection_gap)
        error = np.sqrt(sum(p[g == k].var() / (g == k).sum() for k in "ab"))
        assert found.value == pytest.approx(p[g == "a"].mean() - p[g == "b"].mean())
        # Rows are drawn within groups and classes, so the error is at most that.
        assert found.value - 2.3 * error < found.lower < found.value < found.upper
        assert found.upper < found.value + 2.3 * error
        assert found.upper - found.lower > error

    @pytest.mark.parametrize("make", [list, pd.Series, pl.Series, np.asarray])
    def test_rows_may_come_in_any_container(self, make):
        y, p, g = make_decisions(100)
        expected = disparity_interval(
            y, p, sensitive_features=g, disparity=selection_gap, n_resamples=20
        )
        found = disparity_interval(
            make(y.tolist()),
            make(p.tolist()),
            sensitive_features=make(g.tolist()),
            disparity=selection_gap,
            n_resamples=20,
        )
        assert found == expected

    def test_it_is_seeded_and_leaves_the_global_state_alone(self):
        y, p, g = make_decisions(100)
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        one, other, third = (
            disparity_interval(
                y,
                p,
                sensitive_features=g,
                disparity=selection_gap,
                n_resamples=50,
                random_state=seed,
            )
            for seed in (1, 1, 2)
        )
        assert one == other != third
        np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002

    @pytest.mark.parametrize("shuffled", ["y_pred", "sensitive_features"])
    def test_the_same_labels_in_another_order_are_refused(self, shuffled):
        y, p, g = make_decisions(100)
        given = {"y_pred": pd.Series(p), "sensitive_features": pd.Series(g)}
        given[shuffled] = given[shuffled].sample(frac=1, random_state=0)
        with pytest.raises(ValueError, match="another order"):
            disparity_interval(
                pd.Series(y), **given, disparity=selection_gap, n_resamples=20
            )

    def test_weights_reach_it(self):
        y, p, g = make_decisions(100)
        weights = np.where(p == 1, 2.0, 1.0)
        found = disparity_interval(
            y,
            p,
            sensitive_features=g,
            disparity=selection_gap,
            sample_weight=weights,
            n_resamples=20,
        )
        assert found.value == selection_gap(y, p, g, weights)

    def test_scores_may_stand_for_decisions(self):
        y, _, g = make_decisions(100)
        scores = np.random.RandomState(0).rand(100)
        found = disparity_interval(
            y, scores, sensitive_features=g, disparity=selection_gap, n_resamples=50
        )
        assert found.lower < found.value < found.upper

    def test_a_failing_metric_has_no_interval(self):
        y, p, g = make_decisions(100)

        def fragile(y_true, y_pred, sensitive_features):
            return 0.1 if np.array_equal(y_pred, p) else np.nan

        with pytest.raises(ValueError, match="'fragile' gave no finite number"):
            disparity_interval(
                y, p, sensitive_features=g, disparity=fragile, n_resamples=20
            )

    @pytest.mark.parametrize("n_resamples", [0, -1, 1.5])
    def test_some_resamples_there_must_be(self, n_resamples):
        y, p, g = make_decisions(100)
        with pytest.raises(ValueError, match="n_resamples"):
            disparity_interval(
                y,
                p,
                sensitive_features=g,
                disparity=selection_gap,
                n_resamples=n_resamples,
            )

    def test_the_name_of_a_column_is_free(self):
        y, p, g = make_decisions(200)

        def of_column(y_true, y_pred, sensitive_features):
            return selection_gap(y_true, y_pred, sensitive_features)

        one, other = (
            disparity_interval(
                y,
                p,
                sensitive_features=pd.DataFrame({name: g}),
                disparity=of_column,
                n_resamples=20,
            )
            for name in ("_y", "sex")
        )
        assert one == other

    @pytest.mark.parametrize("n_rows", [99, 101])
    def test_lengths_must_agree(self, n_rows):
        y, p, _ = make_decisions(100)
        groups = (["a", "b"] * 51)[:n_rows]
        with pytest.raises(ValueError, match=r"inconsistent|[Ll]ength"):
            disparity_interval(
                y, p, sensitive_features=groups, disparity=selection_gap, n_resamples=5
            )


class TestGroupGaps:
    @few
    @given(
        st.lists(
            st.tuples(st.integers(0, 1), st.integers(0, 1), st.sampled_from("abc")),
            min_size=6,
            max_size=60,
        )
    )
    def test_gaps_and_tests_are_those_of_loops_over_rows(self, rows):
        y, p, g = map(list, zip(*rows))
        if len({*y, *p}) < 2:
            y[0], p[0] = 0, 1
        table = group_gaps(y, p, sensitive_features=g, pos_label=1)
        n_groups = len(set(g))
        assert len(table) == 3 * n_groups * (n_groups - 1) / 2
        for _, row in table.iterrows():
            counts = []
            for group in (row["group"], row["other"]):
                counted = {"selection": {0, 1}, "true_positive": {1}, "false_positive": {0}}
                said = [
                    b
                    for a, b, c in zip(y, p, g)
                    if c == group and a in counted[row["rate"]]
                ]
                counts.append((sum(said), len(said)))
            (hits, n), (others, m) = counts
            if not n or not m:
                assert np.isnan(
                    row[["gap", "ratio", "p_value", "gap_lower"]].astype(float)
                ).all()
                assert row["test"] == "none"
                continue
            np.testing.assert_allclose(row["gap"], hits / n - others / m)
            assert row["gap_lower"] <= row["gap"] <= row["gap_upper"]
            if others:
                np.testing.assert_allclose(row["ratio"], (hits / n) / (others / m))
                assert row["ratio_lower"] <= row["ratio"] <= row["ratio_upper"] + 1e-12
            mean = (hits + others) / (n + m)
            if min(n, m) * min(mean, 1 - mean) < 5:
                expected = fisher_exact([[hits, others], [n - hits, m - others]])[1]
                assert row["test"] == "Fisher"
            else:
                z = (hits / n - others / m) / np.sqrt(mean * (1 - mean) * (1 / n + 1 / m))
                expected = 2 * norm.sf(abs(z))
                assert row["test"] == "Pearson"
            np.testing.assert_allclose(row["p_value"], expected)

    def test_another_order_of_the_rows_changes_nothing(self):
        y, p, g = make_decisions(groups="abc", rates=[0.8] * 3)
        order = np.random.RandomState(0).permutation(400)
        pd.testing.assert_frame_equal(
            group_gaps(y, p, sensitive_features=g),
            group_gaps(y[order], p[order], sensitive_features=g[order]),
        )

    def test_too_few_rows_are_nan(self):
        y, p, g = make_decisions()
        g[np.flatnonzero(g == "b")[8:]] = "a"
        table = group_gaps(y, p, sensitive_features=g, min_rows=20)
        assert table.iloc[:, 4:-1].isna().all(axis=None)
        assert (table["test"] == "none").all()

    def test_a_single_group_has_none(self):
        y, p, _ = make_decisions()
        table = group_gaps(y, p, sensitive_features=["a"] * 400)
        assert table.shape == (0, 12)

    def test_of_three_labels_each_is_compared(self):
        y, p, g = make_decisions(n_classes=3)
        assert group_gaps(y, p, sensitive_features=g)["label"].unique().tolist() == [
            0,
            1,
            2,
        ]
        single = group_gaps(y, p, sensitive_features=g, pos_label=2)
        rates = group_rates(y, p, sensitive_features=g, pos_label=2)["selection_rate"]
        gap = single.loc[single["rate"] == "selection", "gap"].item()
        assert gap == rates["a"] - rates["b"]

    def test_the_same_labels_in_another_order_are_refused(self):
        y, p, g = make_decisions()
        shuffled = pd.Series(g).sample(frac=1, random_state=0)
        with pytest.raises(ValueError, match="another order"):
            group_gaps(pd.Series(y), p, sensitive_features=shuffled)

    @pytest.mark.parametrize("weight", [1e-180, 1e180])
    def test_weights_of_any_unit_have_limits(self, weight):
        y, p, g = make_decisions()
        plain = group_gaps(y, p, sensitive_features=g)
        found = group_gaps(y, p, sensitive_features=g, sample_weight=np.full(400, weight))
        numbers = plain.columns[4:-1]
        np.testing.assert_allclose(
            found[numbers].astype(float), plain[numbers].astype(float)
        )


class TestLimitsOfGroupRates:
    def test_they_are_wilsons(self):
        y, p, g = make_decisions()
        table = group_rates(y, p, sensitive_features=g, confidence=0.9)
        z = norm.ppf(0.95)
        for group, row in table.iterrows():
            n, rate = (g == group).sum(), p[g == group].mean()
            half = z * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
            centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
            np.testing.assert_allclose(row["selection_rate_lower"], centre - half)
            np.testing.assert_allclose(row["selection_rate_upper"], centre + half)

    def test_without_a_level_there_are_none(self):
        y, p, g = make_decisions()
        plain = group_rates(y, p, sensitive_features=g)
        limited = group_rates(y, p, sensitive_features=g, confidence=0.95)
        assert plain.shape == (2, 5)
        assert limited.shape == (2, 13)
        pd.testing.assert_frame_equal(limited[plain.columns], plain)

    def test_they_are_nan_where_a_rate_is(self):
        y, p, g = make_decisions()
        y[g == "b"] = 0
        table = group_rates(y, p, sensitive_features=g, confidence=0.95).loc["b"]
        assert np.isnan(table.filter(like="true_positive")).all()
        assert np.isfinite(table.drop(table.filter(like="true_positive").index)).all()
