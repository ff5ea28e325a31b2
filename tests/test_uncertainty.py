"""Figures of noise, beside closed forms, loops that spell them out, and simulations."""

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, chi2, chi2_contingency, fisher_exact, norm
from scipy.stats.contingency import relative_risk

from sklearn_bade import _uncertainty
from sklearn_bade._outcomes import DISPARITIES, RATES_OF_DISPARITY, Outcomes
from sklearn_bade._uncertainty import (
    check_confidence,
    compared_rates,
    difference_limits,
    equality_p_value,
    expected_disparity,
    interval,
    rate_limits,
    ratio_limits,
    two_proportion_test,
    upper_limit,
)

NAMES = sorted(DISPARITIES)
# Rows of each group that have class 1 and class 0, and the rates of the groups themselves.
TWO_GROUPS = {"n_rows": [200, 100], "tpr": [0.8, 0.65], "fpr": [0.2, 0.3]}
FOUR_GROUPS = {
    "n_rows": [200, 100, 150, 100],
    "tpr": [0.8, 0.7, 0.6, 0.8],
    "fpr": [0.2, 0.2, 0.3, 0.35],
}
few = settings(max_examples=30)
counts = st.lists(st.tuples(*[st.integers(1, 60)] * 4), min_size=2, max_size=5)


def make_outcomes(tables):
    """Make outcomes of two classes from a, b, c, d of each group: [[a, b], [c, d]]."""
    return Outcomes(np.array(tables, dtype=float).reshape(-1, 2, 2))


def draw(rng, n_rows, tpr, fpr):
    """Draw what is decided of so many rows of each class in each group."""
    tables = []
    for n, true_positive, false_positive in zip(n_rows, tpr, fpr):
        hits, alarms = rng.binomial(n, true_positive), rng.binomial(n, false_positive)
        tables.append([n - alarms, alarms, n - hits, hits])
    return make_outcomes(tables)


def draw_many(groups, n_draws, seed=0):
    rng = np.random.RandomState(seed)
    return [draw(rng, **groups) for _ in range(n_draws)]


def true_disparity(name, n_rows, tpr, fpr):
    """Compute the disparity of the groups themselves, which have as many of each class."""
    gaps = {
        "true_positive": np.ptp(tpr),
        "false_positive": np.ptp(fpr),
        "selection": np.ptp((np.array(tpr) + fpr) / 2),
    }
    return DISPARITIES[name](gaps)


def make_equal(n_groups, n=150):
    return {"n_rows": [n] * n_groups, "tpr": [0.75] * n_groups, "fpr": [0.2] * n_groups}


class TestComparedRates:
    @few
    @given(counts, st.sampled_from(NAMES))
    def test_they_are_the_rates_that_the_disparity_compares(self, tables, name):
        outcomes = make_outcomes(tables)
        found = compared_rates(outcomes, name)
        assert set(found) == set(RATES_OF_DISPARITY[name])
        for kind, (rate, variance) in found.items():
            np.testing.assert_array_equal(rate, outcomes.rates()[kind][:, [1]])
            size = outcomes.rate_sizes()[kind][:, [1]]
            plain = rate * (1 - rate) / size
            # One success and one failure more move a rate by 1 / (n + 2) at most.
            assert (np.abs(variance - plain) <= 1 / (size * (size + 2)) + 1e-12).all()

    @pytest.mark.parametrize("n", [1, 5, 1000])
    def test_no_rate_is_certain(self, n):
        """All of five rows say less than all of a thousand, and neither everything."""
        outcomes = make_outcomes([[n, 0, 0, n], [n, 0, 0, n]])
        _, variance = compared_rates(outcomes, "equal_opportunity")["true_positive"]
        smoothed = (n + 1) / (n + 2)
        np.testing.assert_allclose(variance, smoothed * (1 - smoothed) / n)

    def test_rates_without_rows_are_nan(self):
        outcomes = make_outcomes([[5, 5, 0, 0], [5, 5, 5, 5]])
        rate, variance = compared_rates(outcomes, "average_odds")["true_positive"]
        np.testing.assert_array_equal(np.isnan(rate[:, 0]), [True, False])
        np.testing.assert_array_equal(np.isnan(variance[:, 0]), [True, False])

    def test_all_classes_of_three_or_those_that_are_asked_for(self):
        outcomes = Outcomes(np.full((2, 3, 3), 7))
        assert (
            compared_rates(outcomes, "equal_opportunity")["true_positive"][0].shape[1] == 3
        )
        asked = compared_rates(outcomes, "equal_opportunity", [0, 2])
        assert asked["true_positive"][1].shape == (2, 2)


class TestEqualityPValue:
    @few
    @given(counts, st.sampled_from(NAMES))
    def test_it_is_that_of_a_chi_square_test(self, tables, name):
        outcomes = make_outcomes(tables)
        of_class = outcomes.counts.transpose(1, 0, 2)
        hits = {
            "selection": of_class.sum(axis=0),
            "true_positive": of_class[1],
            "false_positive": of_class[0],
        }
        statistic, freedom = 0.0, 0
        for kind in RATES_OF_DISPARITY[name]:
            table = hits[kind]
            freedom += len(table) - 1
            if table.sum(axis=0).all():
                statistic += chi2_contingency(table, correction=False).statistic
        expected = chi2.sf(statistic, freedom)
        assert equality_p_value(outcomes, name) == pytest.approx(expected, abs=1e-9)

    @pytest.mark.parametrize(("n_groups", "n"), [(4, 15), (8, 15), (8, 30)])
    def test_many_small_groups_raise_no_more_alarms_than_its_level(self, n_groups, n):
        draws = draw_many(make_equal(n_groups, n), 1500)
        p_values = np.array([equality_p_value(o, "average_odds") for o in draws])
        assert np.mean(p_values < 0.01) < 0.01 + 3 * np.sqrt(0.01 / 1500)

    @pytest.mark.parametrize("n_groups", [2, 4])
    @pytest.mark.parametrize("level", [0.01, 0.05, 0.2])
    def test_equal_groups_are_told_apart_no_more_often_than_its_level(
        self, n_groups, level
    ):
        draws = draw_many(make_equal(n_groups), 400)
        share = np.mean([equality_p_value(o, "average_odds") < level for o in draws])
        assert abs(share - level) < 3 * np.sqrt(level * (1 - level) / 400) + 0.005

    @pytest.mark.parametrize("n", [5, 15])
    def test_few_rows_raise_no_alarm(self, n):
        draws = draw_many(make_equal(2, n), 300)
        assert np.mean([equality_p_value(o, "average_odds") < 0.01 for o in draws]) < 0.025

    @pytest.mark.parametrize("groups", [TWO_GROUPS, FOUR_GROUPS])
    def test_groups_that_differ_are_told_apart(self, groups):
        wide = {**groups, "n_rows": [5 * n for n in groups["n_rows"]]}
        p_values = [equality_p_value(o, "average_odds") for o in draw_many(wide, 50)]
        assert max(p_values) < 0.01

    @few
    @given(counts, st.sampled_from(NAMES), st.randoms())
    def test_the_order_of_the_groups_does_not_matter(self, tables, name, random):
        shuffled = random.sample(tables, len(tables))
        assert equality_p_value(make_outcomes(tables), name) == pytest.approx(
            equality_p_value(make_outcomes(shuffled), name), abs=1e-9
        )

    @pytest.mark.parametrize("name", NAMES)
    def test_one_of_several_classes_has_to_stand_out_from_all(self, name):
        rng = np.random.RandomState(0)
        outcomes = Outcomes(rng.randint(1, 60, size=(3, 3, 3)))
        singly = [equality_p_value(outcomes, name, [k]) for k in range(3)]
        together = equality_p_value(outcomes, name)
        assert together == pytest.approx(min(1, 3 * min(singly)))
        assert len(set(singly)) == 3

    def test_groups_without_rows_say_nothing(self):
        two = [[30, 10, 5, 35], [20, 20, 15, 25]]
        p_value = equality_p_value(make_outcomes(two), "average_odds")
        with_empty = make_outcomes([*two, [0, 0, 0, 0]])
        assert equality_p_value(with_empty, "average_odds") == pytest.approx(p_value)
        alone = make_outcomes([two[0], [0, 0, 0, 0]])
        assert equality_p_value(alone, "average_odds") == 1


class TestExpectedDisparity:
    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("gap", [0.0, 0.04, 0.4])
    def test_of_two_groups_it_is_the_mean_of_what_they_could_be(self, name, gap):
        """Normal draws around the rates, of which the absolute differences are averaged."""
        outcomes = make_outcomes([[60, 20, 20, 60], [50, 30, 20 + 80 * gap, 60 - 80 * gap]])
        rng, drawn = np.random.RandomState(0), {}
        for kind, (rate, variance) in compared_rates(outcomes, name).items():
            values = rate[:, 0] + np.sqrt(variance[:, 0]) * rng.normal(size=(200_000, 2))
            drawn[kind] = np.abs(np.diff(values, axis=1)).mean()
        expected = DISPARITIES[name](drawn)
        assert expected_disparity(outcomes, name) == pytest.approx(expected, abs=2e-3)

    @few
    @given(st.lists(st.tuples(*[st.integers(1, 60)] * 4), min_size=2, max_size=2))
    def test_noise_only_adds_to_the_gap_of_two_groups(self, tables):
        outcomes = make_outcomes(tables)
        for name in NAMES:
            assert expected_disparity(outcomes, name) >= outcomes.disparity(name) - 1e-9

    @pytest.mark.parametrize("n_groups", [2, 5])
    @pytest.mark.parametrize("name", NAMES)
    def test_many_rows_leave_no_doubt(self, n_groups, name):
        rng = np.random.RandomState(0)
        outcomes = Outcomes(rng.randint(1, 9, size=(n_groups, 2, 2)) * 1_000_000)
        expected = outcomes.disparity(name)
        assert expected_disparity(outcomes, name) == pytest.approx(expected, abs=2e-3)

    def test_equal_groups_are_pooled_the_more_the_more_there_are(self):
        """The widest of many gaps is noise, and pooling knows it."""
        observed, expected = (
            np.mean([figure(o) for o in draw_many(make_equal(8), 100)])
            for figure in (
                lambda o: o.disparity("average_odds"),
                lambda o: expected_disparity(o, "average_odds"),
            )
        )
        assert expected < 0.5 * observed

    def test_groups_that_differ_by_more_than_noise_are_hardly_pooled(self):
        groups = {"n_rows": [400] * 4, "tpr": [0.9, 0.7, 0.5, 0.3], "fpr": [0.2] * 4}
        for outcomes in draw_many(groups, 10):
            observed = outcomes.disparity("equal_opportunity")
            expected = expected_disparity(outcomes, "equal_opportunity")
            assert 0.95 * observed < expected <= observed

    def test_pooling_is_that_of_dersimonian_and_laird(self):
        outcomes = make_outcomes(
            [[9, 1, 3, 17], [9, 1, 12, 28], [9, 1, 20, 15], [9, 1, 9, 41]]
        )
        rate, variance = compared_rates(outcomes, "equal_opportunity")["true_positive"]
        y, v = rate[:, 0], variance[:, 0]
        w = 1 / v
        q = (w * (y - (w * y).sum() / w.sum()) ** 2).sum()
        between = (q - 3) / (w.sum() - (w**2).sum() / w.sum())
        assert between > 0
        mean = (y / (between + v)).sum() / (1 / (between + v)).sum()
        share = between / (between + v)
        y, v = share * y + (1 - share) * mean, share * v
        gaps = []
        for i, j in combinations(range(4), 2):
            folded = norm.expect(np.abs, loc=y[i] - y[j], scale=np.sqrt(v[i] + v[j]))
            gaps.append(folded)
        found = expected_disparity(outcomes, "equal_opportunity")
        assert found == pytest.approx(max(gaps), abs=1e-6)

    @pytest.mark.parametrize("name", ["average_odds", "equal_opportunity"])
    def test_it_is_nan_where_only_one_group_has_rows(self, name):
        outcomes = make_outcomes([[5, 5, 0, 0], [5, 5, 5, 5]])
        assert np.isnan(expected_disparity(outcomes, name))
        assert np.isfinite(expected_disparity(outcomes, "demographic_parity"))

    def test_of_several_groups_those_with_rows_are_compared(self):
        three = [[5, 5, 0, 0], [10, 10, 5, 15], [10, 10, 15, 5]]
        found = expected_disparity(make_outcomes(three), "equal_opportunity")
        two = expected_disparity(make_outcomes(three[1:]), "equal_opportunity")
        assert found == pytest.approx(two)


class TestUpperLimit:
    @pytest.mark.parametrize("groups", [TWO_GROUPS, FOUR_GROUPS], ids=["two", "four"])
    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("confidence", [0.8, 0.95])
    def test_it_covers_as_often_as_it_says(self, groups, name, confidence):
        truth = true_disparity(name, **groups)
        limits = [upper_limit(o, name, confidence) for o in draw_many(groups, 250)]
        noise = np.sqrt(confidence * (1 - confidence) / 250)
        assert np.mean(np.array(limits) >= truth) >= confidence - 2.5 * noise

    def test_of_one_gap_it_covers_no_more_often(self):
        groups = {**TWO_GROUPS, "n_rows": [400, 400]}
        limits = [upper_limit(o, "equal_opportunity", 0.8) for o in draw_many(groups, 400)]
        share = np.mean(np.array(limits) >= true_disparity("equal_opportunity", **groups))
        assert abs(share - 0.8) < 3 * 0.02

    @pytest.mark.parametrize("name", NAMES)
    def test_heavy_rows_are_one_row_each(self, name):
        """One row in five weighs ten times as much, so fewer rows speak."""
        rng, limits, p_values = np.random.RandomState(0), [], []
        groups, y = np.repeat([0, 1], 400), np.arange(800) % 2
        truth = true_disparity(name, [200, 200], [0.8, 0.6], [0.2, 0.3])
        for _ in range(150):
            weights = np.where(rng.uniform(size=800) < 0.2, 10.0, 1.0)
            drawn, slips = rng.uniform(size=800), y * 0.6 + 0.2
            for rate in (np.where(y, 0.8 - 0.2 * groups, 0.2 + 0.1 * groups), slips):
                predicted = (drawn < rate).astype(int)
                outcomes = Outcomes.count(y, predicted, groups, 2, 2, weights)
                limits.append(upper_limit(outcomes, name, 0.9))
                p_values.append(equality_p_value(outcomes, name))
        assert np.mean(np.array(limits[::2]) >= truth) >= 0.9 - 2.5 * 0.0245
        assert np.mean(np.array(p_values[1::2]) < 0.05) < 0.05 + 2.5 * 0.018

    @few
    @given(counts, st.floats(0.5, 0.999))
    def test_it_is_the_greatest_of_all_pairs(self, tables, confidence):
        outcomes, level = make_outcomes(tables), 2 * confidence - 1
        limits, gaps = {}, {}
        for kind, row in (("true_positive", 1), ("false_positive", 0)):
            rates, above, below = [], [], []
            for negative, positive in outcomes.counts[:, row].astype(int).tolist():
                found = binomtest(positive, negative + positive)
                low, high = found.proportion_ci(level, method="wilson")
                rates.append(found.statistic)
                above.append(high - found.statistic)
                below.append(found.statistic - low)
            gaps[kind] = [
                (rates[i] - rates[j], np.hypot(above[i], below[j]))
                for i, j in permutations(range(len(tables)), 2)
            ]
            limits[kind] = max(gap + error for gap, error in gaps[kind])
        both = max(
            (first + second) / 2 + np.hypot(v, w) / 2
            for first, v in gaps["true_positive"]
            for second, w in gaps["false_positive"]
        )
        for name, expected in {
            "equal_opportunity": limits["true_positive"],
            "equalized_odds": max(limits.values()),
            "average_odds": both,
        }.items():
            assert upper_limit(outcomes, name, confidence) == pytest.approx(expected)

    @pytest.mark.parametrize("n", [10, 20, 50, 100])
    @pytest.mark.parametrize("rates", [(0.9, 0.7), (0.95, 0.85), (0.98, 0.9)])
    def test_of_a_small_group_it_covers_nearly_as_often(self, n, rates):
        """Exactly, over all outcomes of the small group; the large one is known."""
        hits, of_large = np.arange(n + 1), int(10_000 * rates[0])
        large = [[10, 10], [10_000 - of_large, of_large]]
        limits = [
            upper_limit(
                Outcomes(np.array([large, [[10, 10], [n - k, k]]])),
                "equal_opportunity",
                0.95,
            )
            for k in hits
        ]
        covers = np.array(limits) >= rates[0] - rates[1]
        assert (binom.pmf(hits, n, rates[1]) * covers).sum() > 0.94

    @pytest.mark.parametrize("name", NAMES)
    def test_very_many_groups_are_no_more_certain(self, name, monkeypatch):
        outcomes = draw_many(make_equal(6, 40), 1)[0]
        exact = upper_limit(outcomes, name, 0.9)
        monkeypatch.setattr(_uncertainty, "MOST_COMBINATIONS", 10)
        assert exact <= upper_limit(outcomes, name, 0.9) < 1.5 * exact

    @few
    @given(counts, st.floats(0.5, 0.98), st.sampled_from(NAMES))
    def test_more_confidence_asks_for_more(self, tables, confidence, name):
        outcomes = make_outcomes(tables)
        limit = upper_limit(outcomes, name, confidence)
        assert outcomes.disparity(name) - 1e-12 <= limit
        assert limit < upper_limit(outcomes, name, confidence + 0.01)

    @few
    @given(counts, st.sampled_from(NAMES))
    def test_more_rows_ask_for_less(self, tables, name):
        tables = np.array(tables)
        few_rows, many_rows = make_outcomes(tables), make_outcomes(100 * tables)
        assert upper_limit(many_rows, name, 0.9) < upper_limit(few_rows, name, 0.9)

    def test_one_answer_for_everybody_is_not_certain_either(self):
        outcomes = make_outcomes([[30, 0, 30, 0], [30, 0, 30, 0]])
        for name in NAMES:
            assert 0.01 < upper_limit(outcomes, name, 0.95) < 0.2

    @pytest.mark.parametrize("name", ["average_odds", "equalized_odds"])
    def test_it_is_nan_where_a_gap_cannot_be_computed(self, name):
        outcomes = make_outcomes([[5, 5, 0, 0], [5, 5, 5, 5]])
        assert np.isnan(upper_limit(outcomes, name, 0.9))

    def test_the_worst_of_several_classes_counts(self):
        outcomes = Outcomes(np.random.RandomState(0).randint(1, 60, size=(3, 3, 3)))
        for name in NAMES:
            singly = [upper_limit(outcomes, name, 0.9, [k]) for k in range(3)]
            assert upper_limit(outcomes, name, 0.9) == pytest.approx(max(singly))


class TestInterval:
    @pytest.mark.parametrize("name", NAMES)
    def test_of_two_groups_it_covers_as_often_as_it_says(self, name):
        truth = true_disparity(name, **TWO_GROUPS)
        limits = np.array([interval(o, name) for o in draw_many(TWO_GROUPS, 250)])
        covers = (limits[:, 0] <= truth) & (truth <= limits[:, 1])
        assert covers.mean() >= 0.95 - 2.5 * np.sqrt(0.95 * 0.05 / 250)

    @few
    @given(counts, st.sampled_from(NAMES))
    def test_it_holds_the_figure_and_nothing_below_zero(self, tables, name):
        outcomes = make_outcomes(tables)
        lower, upper = interval(outcomes, name)
        assert 0 <= lower <= outcomes.disparity(name) <= upper

    @few
    @given(counts, st.sampled_from(NAMES))
    def test_more_confidence_makes_it_wider(self, tables, name):
        outcomes = make_outcomes(tables)
        (low, high), (lower, higher) = (interval(outcomes, name, c) for c in (0.8, 0.99))
        assert lower <= low
        assert high < higher

    @pytest.mark.parametrize("n_groups", [2, 4, 10])
    @pytest.mark.parametrize("name", NAMES)
    def test_of_equal_groups_it_holds_zero(self, n_groups, name):
        """The widest of many gaps is wide by chance."""
        draws = draw_many(make_equal(n_groups, 200), 150)
        holds = np.array([interval(o, name)[0] == 0 for o in draws])
        assert holds.mean() >= 0.95 - 2.5 * np.sqrt(0.95 * 0.05 / 150)

    def test_there_is_none_of_what_cannot_be_computed(self):
        outcomes = make_outcomes([[5, 5, 0, 0], [5, 5, 5, 5]])
        assert np.isnan(interval(outcomes, "average_odds")).all()


# Hits and rows of two groups.
pairs = st.tuples(*[st.integers(1, 80)] * 2).flatmap(
    lambda sizes: st.tuples(*[st.tuples(st.integers(0, n), st.just(n)) for n in sizes])
)
# Rows and rates of two groups; of 50 rows, these are its positives, say.
DRAWN_PAIRS = [
    ((50, 0.8), (50, 0.65)),
    ((50, 0.5), (50, 0.5)),
    ((50, 0.3), (200, 0.5)),
    ((1000, 0.543), (1000, 0.447)),
    ((400, 0.9), (50, 0.7)),
]


def as_rates(pair):
    return [(hits / n, n) for hits, n in pair]


def draw_rates(pair, n_draws=2000, seed=0):
    rng = np.random.RandomState(seed)
    return [(rng.binomial(n, p, n_draws) / n, np.full(n_draws, n)) for n, p in pair]


class TestRateLimits:
    @few
    @given(st.integers(1, 500), st.floats(0, 1), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
    def test_they_are_wilsons(self, n, share, confidence):
        hits = round(share * n)
        lower, upper = rate_limits(hits / n, n, confidence)
        expected = binomtest(hits, n).proportion_ci(confidence, method="wilson")
        np.testing.assert_allclose([lower, upper], [*expected], atol=1e-12)
        assert lower <= hits / n <= upper

    def test_of_no_rows_there_are_none(self):
        lower, upper = rate_limits([np.nan, 0.5, 0.5], [0, 0, 10], 0.95)
        assert np.isnan(lower).tolist() == np.isnan(upper).tolist() == [True, True, False]


class TestDifferenceLimits:
    def test_they_are_those_of_newcombes_table(self):
        """His contrasts (a) to (h), Statistics in Medicine 17, 1998, page 877."""
        printed = [
            ((56, 70), (48, 80), (0.0524, 0.3339)),
            ((9, 10), (3, 10), (0.1705, 0.8090)),
            ((5, 56), (0, 29), (-0.0381, 0.1926)),
            ((0, 10), (0, 20), (-0.1611, 0.2775)),
            ((10, 10), (0, 20), (0.6791, 1.0)),
            ((10, 10), (0, 10), (0.6075, 1.0)),
        ]
        for (a, n), (b, m), limits in printed:
            found = difference_limits((a / n, n), (b / m, m), 0.95)
            np.testing.assert_allclose(found, limits, atol=6e-5)

    @few
    @given(pairs)
    def test_swapping_the_rates_flips_signs(self, pair):
        first, second = as_rates(pair)
        lower, upper = difference_limits(first, second, 0.95)
        assert -1 <= lower <= first[0] - second[0] <= upper <= 1
        other = difference_limits(second, first, 0.95)
        np.testing.assert_allclose([lower, upper], [-other[1], -other[0]])

    @pytest.mark.parametrize("pair", DRAWN_PAIRS)
    def test_they_hold_in_93_to_97_of_100_draws(self, pair):
        first, second = draw_rates(pair)
        lower, upper = difference_limits(first, second, 0.95)
        truth = pair[0][1] - pair[1][1]
        assert 0.93 <= ((lower <= truth) & (truth <= upper)).mean() <= 0.97

    def test_they_are_nan_where_a_rate_is(self):
        for pair in [((np.nan, 0), (0.5, 9)), ((0.5, 9), (np.nan, 0))]:
            assert np.isnan(difference_limits(*pair, 0.95)).all()
            assert np.isnan(ratio_limits(*pair, 0.95)).all()


class TestRatioLimits:
    @few
    @given(pairs)
    def test_swapping_the_rates_turns_them_over(self, pair):
        first, second = as_rates(pair)
        lower, upper = ratio_limits(first, second, 0.95)
        assert 0 <= lower <= upper
        if second[0] > 0:
            assert lower - 1e-12 <= first[0] / second[0] <= upper + 1e-12
        if first[0] > 0 and second[0] > 0:
            other = ratio_limits(second, first, 0.95)
            np.testing.assert_allclose([lower, upper], [1 / other[1], 1 / other[0]])

    @pytest.mark.parametrize("hits", [(450, 380), (543, 447), (300, 700)])
    def test_of_many_rows_they_are_those_of_a_normal_logarithm(self, hits):
        found = ratio_limits(*as_rates([(h, 1000) for h in hits]), 0.95)
        expected = relative_risk(hits[0], 1000, hits[1], 1000).confidence_interval(0.95)
        np.testing.assert_allclose(found, [*expected], rtol=0.01)

    @pytest.mark.parametrize("pair", DRAWN_PAIRS)
    def test_they_hold_in_93_to_97_of_100_draws(self, pair):
        first, second = draw_rates(pair)
        lower, upper = ratio_limits(first, second, 0.95)
        truth = pair[0][1] / pair[1][1]
        assert 0.93 <= ((lower <= truth) & (truth <= upper)).mean() <= 0.97

    def test_a_ratio_to_zero_has_no_upper_limit(self):
        lower, upper = ratio_limits((0.5, 20), (0.0, 20), 0.95)
        assert np.isfinite(lower)
        assert lower > 1
        assert np.isposinf(upper)
        lower, upper = ratio_limits((0.0, 20), (0.5, 20), 0.95)
        assert lower == 0 < upper < 1


class TestTwoProportions:
    @few
    @given(pairs)
    def test_it_is_pearsons_or_fishers(self, pair):
        (a, n), (b, m) = pair
        p_value, name = two_proportion_test(*as_rates(pair))
        table = np.array([[a, n - a], [b, m - b]])
        expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
        if expected.min() < 5 - 1e-9:
            assert name == "Fisher"
            np.testing.assert_allclose(p_value, fisher_exact(table)[1])
        elif expected.min() > 5 + 1e-9:
            assert name == "Pearson"
            np.testing.assert_allclose(
                p_value, chi2_contingency(table, correction=False)[1], atol=1e-12
            )
        assert two_proportion_test(*as_rates(pair[::-1]))[0] == pytest.approx(p_value)

    @pytest.mark.parametrize("rate", [0.0, 1.0])
    def test_rates_of_nobody_or_everybody_do_not_differ(self, rate):
        assert two_proportion_test((rate, 5000), (rate, 3000))[0] == 1

    def test_a_rate_that_is_unknown_is_not_tested(self):
        p_value, name = two_proportion_test((np.nan, 0), (0.5, 100))
        assert np.isnan(p_value)
        assert name == "none"

    def test_of_equal_rates_one_in_twenty_is_significant(self):
        p_values = [
            two_proportion_test(first, second)[0]
            for first, second in zip(
                *[zip(*rates) for rates in draw_rates(((200, 0.4), (150, 0.4)))]
            )
        ]
        assert 0.035 <= np.mean(np.array(p_values) < 0.05) <= 0.065


class TestCheckConfidence:
    @pytest.mark.parametrize("good", [0.5, 0.95, np.float32(0.9), 1e-6])
    def test_a_number_between_0_and_1_passes(self, good):
        check_confidence(good)

    @pytest.mark.parametrize(
        "bad", [0, 1, 1.5, -0.1, 95, np.nan, np.inf, "0.95", None, [0.9], True]
    )
    def test_all_else_is_refused(self, bad):
        with pytest.raises(ValueError, match="confidence must be a number between 0 and 1"):
            check_confidence(bad)
