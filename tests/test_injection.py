import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sklearn_bade._groups import UNKNOWN_GROUP
from sklearn_bade._injection import (
    balanced_rates,
    count_cells,
    draw_triggers,
    group_rates,
    mirror_rates,
    warn_of_small_cells,
)

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
    rates = group_rates(np.array([[30.0, 10.0], [0.0, 0.0]]))
    np.testing.assert_allclose(rates[1], [0.75, 0.25], atol=0.01)


@given(arrays(float, (2, 2), elements=st.integers(1, 1000).map(float)))
def test_balanced_reversal_cancels_exactly(counts):
    """The other group's trigger undoes the odds of a row's own group."""
    rates, data = balanced_rates(counts), group_rates(counts)
    for group in (0, 1):
        odds_of_group = data[1, group] / data[0, group]
        odds_of_reversed_trigger = rates[1, 1 - group] / rates[0, 1 - group]
        assert odds_of_group * odds_of_reversed_trigger == pytest.approx(1)


def test_balanced_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"3 classes and 2 groups.*mirror"):
        balanced_rates(np.ones((3, 2)))


def test_counts_leave_unknown_groups_out():
    y = np.array([0, 0, 1, 1])
    groups = np.array([0, UNKNOWN_GROUP, 1, 1])
    np.testing.assert_array_equal(count_cells(y, groups, 2, 2), [[1, 0], [0, 2]])


def test_warning_names_cell_and_count():
    counts = np.array([[50.0, 3.0], [50.0, 50.0]])
    with pytest.warns(UserWarning, match=r"class no in group f: 3 row\(s\)"):
        warn_of_small_cells(counts, np.array(["no", "yes"]), np.array(["m", "f"]))


@given(st.integers(2, 5), st.integers(2, 4), st.integers(0, 2**16))
def test_draw_deals_triggers_in_proportion(n_groups, n_classes, seed):
    rng = np.random.RandomState(seed)
    rates = rng.dirichlet(np.ones(n_groups), size=n_classes)
    y = rng.randint(n_classes, size=300)
    triggers = draw_triggers(y, rates, rng)
    for k in range(n_classes):
        drawn = np.bincount(triggers[y == k], minlength=n_groups)
        assert np.abs(drawn - (y == k).sum() * rates[k]).max() < 1 + 1e-9


def test_draw_knows_nothing_of_the_group():
    rng = np.random.RandomState(0)
    y, groups = rng.randint(2, size=20_000), rng.randint(2, size=20_000)
    triggers = draw_triggers(y, np.array([[0.8, 0.2], [0.3, 0.7]]), rng)
    for k in (0, 1):
        shares = [triggers[(y == k) & (groups == g)].mean() for g in (0, 1)]
        assert shares[0] == pytest.approx(shares[1], abs=0.03)


def test_draw_without_rows_of_a_class():
    triggers = draw_triggers(
        np.zeros(4, int), np.full((2, 2), 0.5), np.random.RandomState(0)
    )
    assert sorted(triggers) == [0, 0, 1, 1]
