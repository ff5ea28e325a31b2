"""Changes between two models on the same rows, beside loops and simulations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_bade._outcomes import DISPARITIES
from sklearn_bade._paired import PairedOutcomes
from sklearn_bade.metrics import (
    average_absolute_odds_difference,
    demographic_parity_difference,
    equal_opportunity_difference,
    equalized_odds_difference,
)

METRICS = {
    "average_odds": average_absolute_odds_difference,
    "equalized_odds": equalized_odds_difference,
    "equal_opportunity": equal_opportunity_difference,
    "demographic_parity": demographic_parity_difference,
}
NAMES = sorted(DISPARITIES)
few = settings(max_examples=20)
binary_rows = st.lists(
    st.tuples(*[st.integers(0, 1)] * 3, st.integers(-1, 2), st.integers(0, 3)),
    min_size=1,
    max_size=40,
)


def make_rows_of_two(n_samples=600, n_groups=2, seed=0, *, of=(0.8, 0.85)):
    """Make true classes, decisions that agree often, and groups."""
    rng = np.random.RandomState(seed)
    y, groups = rng.randint(2, size=n_samples), rng.randint(n_groups, size=n_samples)
    before = np.where(rng.rand(n_samples) < of[0], y, 1 - y)
    after = np.where(rng.rand(n_samples) < of[1], before, 1 - before)
    return y, before, after, groups


def count(y, before, after, groups, weights=None):
    n_groups = int(groups.max()) + 1
    return PairedOutcomes.count(y, before, after, groups, 2, n_groups, weights)


def changes_of(paired, names=NAMES, *, seed=0, confidence=0.95, n_resamples=200):
    rng = np.random.RandomState(seed)
    options = {"confidence": confidence, "n_resamples": n_resamples, "rng": rng}
    return paired.disparity_changes(names, **options)


class TestCount:
    @few
    @given(binary_rows)
    def test_cells_hold_what_a_loop_counts(self, rows):
        y, before, after, groups, weights = map(np.array, zip(*rows))
        paired = PairedOutcomes.count(y, before, after, groups, 2, 3, weights.astype(float))
        counts, squares = np.zeros((3, 2, 2, 2)), np.zeros((3, 2, 2, 2))
        for truth, one, other, group, weight in rows:
            if group >= 0:
                counts[group, truth, one, other] += weight
                squares[group, truth, one, other] += weight**2
        np.testing.assert_array_equal(paired.counts, counts)
        np.testing.assert_array_equal(paired.squares, squares)
        np.testing.assert_array_equal(paired.before.counts, counts.sum(axis=3))
        np.testing.assert_array_equal(paired.after.counts, counts.sum(axis=2))

    def test_weights_of_one_are_none(self):
        rows = make_rows_of_two()
        plain, weighed = count(*rows), count(*rows, np.ones(600))
        np.testing.assert_array_equal(plain.counts, weighed.counts)
        np.testing.assert_array_equal(plain.squares, weighed.squares)


class TestRateChanges:
    @few
    @given(binary_rows)
    def test_figures_are_those_of_loops_and_lie_within_their_limits(self, rows):
        y, before, after, groups, _ = map(np.array, zip(*rows))
        paired = PairedOutcomes.count(y, before, after, groups, 2, 3)
        members = {
            "selection": lambda truth, k: True,
            "true_positive": lambda truth, k: truth == k,
            "false_positive": lambda truth, k: truth != k,
        }
        for kind, change in paired.rate_changes(0.95).items():
            for g in range(3):
                for k in range(2):
                    said = [
                        (one == k, other == k)
                        for truth, one, other, group, _ in rows
                        if group == g and members[kind](truth, k)
                    ]
                    found = [each[g, k] for each in change]
                    if not said:
                        assert np.isnan(found).all()
                        continue
                    expected = np.mean(said, axis=0)
                    np.testing.assert_allclose(found[:2], expected)
                    difference = expected[1] - expected[0]
                    assert -1 <= found[2] <= difference + 1e-9
                    assert difference - 1e-9 <= found[3] <= 1

    @few
    @given(binary_rows)
    def test_the_other_order_of_models_mirrors_them(self, rows):
        y, before, after, groups, _ = map(np.array, zip(*rows))
        there = PairedOutcomes.count(y, before, after, groups, 2, 3).rate_changes(0.9)
        back = PairedOutcomes.count(y, after, before, groups, 2, 3).rate_changes(0.9)
        for kind, change in there.items():
            np.testing.assert_allclose(change.lower, -back[kind].upper, atol=1e-12)
            np.testing.assert_allclose(change.before, back[kind].after)

    @pytest.mark.parametrize("scale", [1 / 600, 1e-3, 20.0])
    def test_the_unit_of_weights_does_not_matter(self, scale):
        rows = make_rows_of_two()
        weights = 1 + np.random.RandomState(1).rand(600)
        one, other = (
            count(*rows, w).rate_changes(0.95) for w in (weights, scale * weights)
        )
        for kind, change in one.items():
            np.testing.assert_allclose(change, other[kind])

    def test_pairs_that_agree_have_shorter_limits(self):
        y, before, _, groups = make_rows_of_two(2000)
        rng = np.random.RandomState(1)
        near = np.where(rng.rand(2000) < 0.02, 1 - before, before)
        far = rng.permutation(before)
        one, other = (
            count(y, before, after, groups).rate_changes(0.95)["selection"]
            for after in (near, far)
        )
        assert ((one.upper - one.lower) < 0.5 * (other.upper - other.lower)).all()

    @pytest.mark.parametrize(
        ("n", "cells"),
        [
            # Shares of rows decided for by neither, the second, the first and both models.
            (400, [0.3, 0.1, 0.05, 0.55]),
            (100, [0.4, 0.1, 0.1, 0.4]),
            (50, [0.25, 0.25, 0.15, 0.35]),
            (50, [0.4, 0.2, 0.2, 0.2]),
        ],
    )
    def test_their_limits_hold_as_often_as_they_say(self, n, cells):
        """2,000 draws, each of them a group of its own."""
        drawn = np.random.RandomState(0).multinomial(n, cells, size=2000)
        counts = np.zeros((2000, 2, 2, 2))
        counts[:, 1] = drawn.reshape(-1, 2, 2)
        change = PairedOutcomes(counts).rate_changes(0.95)["true_positive"]
        truth = cells[1] - cells[2]
        holds = (change.lower[:, 1] <= truth) & (truth <= change.upper[:, 1])
        assert 0.93 <= holds.mean() <= 0.98


class TestAccuracyChange:
    def test_it_is_that_of_all_rows(self):
        y, before, after, groups = make_rows_of_two()
        change = count(y, before, after, groups).accuracy_change(0.95)
        np.testing.assert_allclose(change.before, (before == y).mean())
        np.testing.assert_allclose(change.after, (after == y).mean())
        assert change.lower < change.after - change.before < change.upper

    def test_rows_of_unknown_group_do_not_count(self):
        y, before, after, groups = make_rows_of_two()
        groups[:100] = -1
        change = count(y, before, after, groups).accuracy_change(0.95)
        np.testing.assert_allclose(change.before, (before == y)[100:].mean())

    def test_its_limits_hold_as_often_as_they_say(self):
        rng = np.random.RandomState(0)
        cells = np.array([[0.3, 0.06, 0.04, 0.1], [0.1, 0.05, 0.05, 0.3]])
        truth = sum(sign * cells[c] for sign, c in ((1, (0, 2)), (-1, (0, 1)),
                                                    (1, (1, 1)), (-1, (1, 2))))  # fmt: skip
        holds = []
        for drawn in rng.multinomial(300, cells.ravel(), size=600):
            change = PairedOutcomes(drawn.reshape(1, 2, 2, 2)).accuracy_change(0.95)
            holds.append(change.lower <= truth <= change.upper)
        assert 0.925 <= np.mean(holds) <= 0.98


class TestDisparityChanges:
    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("n_groups", [2, 4])
    def test_figures_are_those_of_the_metrics(self, name, n_groups):
        y, before, after, groups = make_rows_of_two(n_groups=n_groups)
        change = changes_of(count(y, before, after, groups))[name]
        for value, predicted in ((change.before, before), (change.after, after)):
            expected = METRICS[name](y, predicted, sensitive_features=groups)
            np.testing.assert_allclose(value, expected)
        assert change.lower <= change.after - change.before <= change.upper

    def test_they_are_seeded(self):
        paired = count(*make_rows_of_two())
        assert changes_of(paired) == changes_of(paired)

    def test_a_closed_gap_is_seen(self):
        """A gap of .4 that the second model has not."""
        rng = np.random.RandomState(0)
        groups, y = np.arange(4000) % 2, rng.randint(2, size=4000)
        after = (rng.rand(4000) < 0.5).astype(int)
        before = np.where((groups == 1) & (rng.rand(4000) < 0.8), 0, after)
        change = changes_of(count(y, before, after, groups))["demographic_parity"]
        assert change.upper < -0.25

    def test_another_name_of_the_groups_changes_no_figure(self):
        y, before, after, groups = make_rows_of_two(n_groups=3)
        one, other = (
            changes_of(count(y, before, after, g), n_resamples=3000)
            for g in (groups, 2 - groups)
        )
        for name in NAMES:
            np.testing.assert_allclose(one[name], other[name], atol=0.01)

    @pytest.mark.parametrize("n_groups", [1, 2])
    def test_what_cannot_be_computed_is_nan(self, n_groups):
        y, before, after, groups = make_rows_of_two(n_groups=n_groups)
        y[groups == 1] = 0
        change = changes_of(count(y, before, after, groups))["average_odds"]
        assert np.isnan(change).all()

    def test_the_unit_of_weights_does_not_matter(self):
        rows = make_rows_of_two()
        weights = 1 + np.random.RandomState(1).rand(600)
        one, other = (changes_of(count(*rows, w)) for w in (weights, weights / 1000))
        for name in NAMES:
            np.testing.assert_allclose(one[name], other[name], rtol=1e-6)

    def test_their_limits_hold_as_often_as_they_say(self):
        """A wide gap that half closes; 93% of 300 draws, with room for chance."""
        rng = np.random.RandomState(0)
        cells = np.array(
            [
                [[[0.32, 0.03], [0.03, 0.12]], [[0.1, 0.03], [0.02, 0.35]]],
                [[[0.40, 0.06], [0.01, 0.03]], [[0.2, 0.12], [0.01, 0.17]]],
            ]
        )
        truth = changes_of(PairedOutcomes(1e9 * cells))["equal_opportunity"]
        difference = truth.after - truth.before
        holds = []
        for _ in range(300):
            drawn = [rng.multinomial(300, c.ravel()).reshape(2, 2, 2) for c in cells]
            change = changes_of(
                PairedOutcomes(np.array(drawn)), ["equal_opportunity"], n_resamples=100
            )["equal_opportunity"]
            holds.append(change.lower <= difference <= change.upper)
        assert np.mean(holds) >= 0.93 - 1.64 * np.sqrt(0.93 * 0.07 / 300)
        assert np.mean(holds) <= 0.99
