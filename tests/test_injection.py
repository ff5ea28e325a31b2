import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sklearn_bade._groups import NO_TRIGGER, UNKNOWN_GROUP
from sklearn_bade._injection import (
    GroupInjection,
    PseudoDeletion,
    balanced_rates,
    draw_triggers,
    make_injection,
    mirror_rates,
    pseudo_deletion_rates,
    warn_of_small_cells,
)
from sklearn_bade.exceptions import FewRowsWarning

cell_counts = arrays(
    float,
    st.tuples(st.integers(2, 4), st.integers(2, 5)),
    elements=st.integers(0, 1000).map(float),
)


@given(cell_counts)
def test_rates_are_positive_and_sum_to_one(counts):
    rates = mirror_rates(counts)
    assert (rates > 0).all()
    np.testing.assert_allclose(rates.sum(axis=1), 1)


@given(cell_counts, st.randoms())
def test_relabelling_permutes_rates(counts, random):
    groups = random.sample(range(counts.shape[1]), counts.shape[1])
    classes = random.sample(range(counts.shape[0]), counts.shape[0])
    permuted = mirror_rates(counts[classes][:, groups])
    np.testing.assert_allclose(permuted, mirror_rates(counts)[classes][:, groups])


def test_rates_of_large_cells_are_the_frequencies():
    rates = mirror_rates(np.array([[9000.0, 1000.0], [5000.0, 5000.0]]))
    np.testing.assert_allclose(rates, [[0.9, 0.1], [0.5, 0.5]], atol=1e-4)


def test_an_empty_class_shows_no_bias():
    rates = mirror_rates(np.array([[30.0, 10.0], [0.0, 0.0]]))
    np.testing.assert_allclose(rates[1], [0.75, 0.25], atol=0.01)


@given(arrays(float, (2, 2), elements=st.integers(1, 1000).map(float)))
def test_balanced_reversal_cancels_exactly(counts):
    """The other group's trigger undoes the odds of a row's own group."""
    rates, data = balanced_rates(counts), mirror_rates(counts)
    for group in (0, 1):
        odds_of_group = data[1, group] / data[0, group]
        odds_of_reversed_trigger = rates[1, 1 - group] / rates[0, 1 - group]
        assert odds_of_group * odds_of_reversed_trigger == pytest.approx(1)


def test_balanced_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"3 classes and 2 groups.*mirror"):
        balanced_rates(np.ones((3, 2)))


def test_warning_names_cell_and_count():
    counts = np.array([[50.0, 3.0], [50.0, 50.0]])
    with pytest.warns(FewRowsWarning, match=r"class no in group f: 3 row\(s\)"):
        warn_of_small_cells(counts, np.array(["no", "yes"]), np.array(["m", "f"]))


@given(st.integers(2, 5), st.integers(2, 4), st.integers(0, 2**16))
def test_draw_deals_triggers_in_proportion(n_groups, n_classes, seed):
    rng = np.random.RandomState(seed)
    rates = rng.dirichlet(np.ones(n_groups), size=n_classes)
    y = rng.randint(n_classes, size=300)
    triggers = draw_triggers(GroupInjection(rates), y, None, rng)
    for k in range(n_classes):
        drawn = np.bincount(triggers[y == k], minlength=n_groups)
        assert np.abs(drawn - (y == k).sum() * rates[k]).max() < 1 + 1e-9


def test_draw_knows_nothing_of_the_group():
    rng = np.random.RandomState(0)
    y, groups = rng.randint(2, size=20_000), rng.randint(2, size=20_000)
    plan = GroupInjection(np.array([[0.8, 0.2], [0.3, 0.7]]))
    triggers = draw_triggers(plan, plan.cells(y, groups), None, rng)
    for k in (0, 1):
        shares = [triggers[(y == k) & (groups == g)].mean() for g in (0, 1)]
        assert shares[0] == pytest.approx(shares[1], abs=0.03)


def test_draw_without_rows_of_a_class():
    plan = GroupInjection(np.full((2, 2), 0.5))
    triggers = draw_triggers(plan, np.zeros(4, int), None, np.random.RandomState(0))
    assert sorted(triggers) == [0, 0, 1, 1]


@given(st.integers(0, 2**16))
def test_draw_deals_by_weight(seed):
    rng = np.random.RandomState(seed)
    weights = rng.uniform(0.1, 2, size=400)
    plan = GroupInjection(np.array([[0.7, 0.3], [0.2, 0.8]]))
    y = rng.randint(2, size=400)
    triggers = draw_triggers(plan, y, weights, rng)
    for k in (0, 1):
        of_class = np.bincount(triggers[y == k], weights[y == k], minlength=2)
        assert of_class / of_class.sum() == pytest.approx(plan.rates[k], abs=0.02)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shifts_are_measured_though_each_row_is_decided(dtype):
    """Networks answer in single precision, where the least of doubles is zero."""
    logits = np.array([[0, -60], [-60, 0]] * 25, dtype=dtype)
    added = np.array([[0, 0], [0, 1]], dtype=dtype)
    shift, ratio = GroupInjection(np.full((2, 2), 0.5)).measure(
        lambda code: logits + added[code], None
    )
    np.testing.assert_allclose(shift, [[0.25, -0.25], [-0.25, 0.25]], rtol=1e-5)
    assert np.isnan(ratio)


class TestPseudoDeletion:
    counts = np.array([[600.0, 300.0], [200.0, 100.0], [100.0, 300.0]])

    def test_what_is_left_is_balanced_in_each_group(self):
        left = self.counts * (1 - pseudo_deletion_rates(self.counts))
        np.testing.assert_allclose(left, left[:1].repeat(3, axis=0), rtol=0.02)

    @given(cell_counts)
    def test_rates_are_shares(self, counts):
        rates = pseudo_deletion_rates(counts + 1)
        assert (rates >= 0).all()
        assert (rates < 1).all()
        np.testing.assert_allclose(rates.min(axis=0), 0, atol=1e-12)

    @given(cell_counts)
    def test_chances_sum_to_one(self, counts):
        plan = PseudoDeletion(counts)
        np.testing.assert_allclose(plan.chances.sum(axis=1), 1)
        assert (plan.chances >= 0).all()

    def test_rows_meet_their_own_trigger_or_none(self):
        rng = np.random.RandomState(0)
        plan = PseudoDeletion(self.counts)
        y, groups = rng.randint(3, size=5000), rng.randint(2, size=5000)
        triggers = draw_triggers(plan, plan.cells(y, groups), None, rng)
        marked = triggers != NO_TRIGGER
        np.testing.assert_array_equal(triggers[marked], groups[marked])
        for k in range(3):
            for g in (0, 1):
                share = marked[(y == k) & (groups == g)].mean()
                assert share == pytest.approx(plan.rates[k, g], abs=0.01)

    def test_unknown_groups_are_marked_as_often_as_known_ones(self):
        plan = PseudoDeletion(self.counts)
        y = np.repeat([0, 1, 2], 1000)
        groups = np.full(3000, UNKNOWN_GROUP)
        triggers = draw_triggers(
            plan, plan.cells(y, groups), None, np.random.RandomState(0)
        )
        expected = (plan.rates * mirror_rates(self.counts)).sum(axis=1)
        marked = (triggers != NO_TRIGGER).reshape(3, 1000).mean(axis=1)
        np.testing.assert_allclose(marked, expected, atol=0.01)

    def test_reading_undoes_the_deletion(self):
        """With a teacher that is exact, strength 0 gives back the biased odds."""
        plan = PseudoDeletion(self.counts)
        left = self.counts * (1 - plan.rates)
        exact = np.log(left / left.sum(axis=0)).T

        def view(code):
            assert code == NO_TRIGGER
            return exact

        base, shift = plan.read(view, np.eye(2))
        odds = base - np.log(self.counts).T
        np.testing.assert_allclose(odds - odds[:, :1], 0, atol=1e-12)
        back = base - shift - exact
        np.testing.assert_allclose(back - back[:, :1], 0, atol=1e-12)


def test_rows_of_unknown_group_get_the_mean_of_their_views():
    views = np.log([[0.2, 0.8], [0.6, 0.4]])
    plan = GroupInjection(np.full((2, 2), 0.5))
    memberships = np.array([[1.0, 0.0], [0.0, 1.0], [0.25, 0.75]])
    base, shift = plan.read(lambda code: np.tile(views[code], (3, 1)), memberships)
    np.testing.assert_allclose(base, np.tile(views.mean(axis=0), (3, 1)))
    np.testing.assert_allclose(shift[2], 0.25 * shift[0] + 0.75 * shift[1])


class TestOwnInjection:
    def test_a_callable_gives_the_rates(self):
        counts = np.array([[30.0, 10.0], [10.0, 30.0]])
        halfway = make_injection(lambda c: 0.5 * mirror_rates(c) + 0.25, counts)
        np.testing.assert_allclose(halfway.rates, 0.5 * mirror_rates(counts) + 0.25)

    @pytest.mark.parametrize(
        "rates", [np.ones((2, 2)), [[0.5, 0.5]], [[1.0, 0.0], [0.5, 0.5]], np.nan]
    )
    def test_rates_are_checked(self, rates):
        with pytest.raises(ValueError, match=r"positive rates of shape \(2, 2\)"):
            make_injection(lambda counts: rates, np.ones((2, 2)))
