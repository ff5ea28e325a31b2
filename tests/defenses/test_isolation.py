import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from sklearn_bade.defenses._isolation import (
    activation_clusters,
    draw_partners,
    find_poison,
    flipped_by_edit,
    grow,
    may_be_poison,
    mixing_survival,
    surviving_rows,
)


@given(y=st.lists(st.integers(0, 3), min_size=4, max_size=60), seed=st.integers(0, 99))
@settings(max_examples=50)
def test_partners_are_of_other_classes(y, seed):
    y = np.array([0, 1, *y])
    partners = draw_partners(y, np.random.RandomState(seed))
    assert (y[partners] != y).all()


def test_survival_is_a_probability(small_bed):
    X, y = small_bed.poisoned
    survival = mixing_survival(X, y, 3, np.random.RandomState(0))
    assert ((survival >= 0) & (survival <= 1)).all()


def test_activation_clusters_divide_the_class(small_net, small_bed):
    X, y = small_bed.poisoned
    clusters = list(activation_clusters(small_net, X, y, 1, np.random.RandomState(0)))
    assert ((clusters[0] ^ clusters[1]) == (y == 1)).all()
    purity = [small_bed.is_poisoned[cluster].mean() for cluster in clusters]
    assert max(purity) > 0.9


def test_suspects_are_few_and_of_the_class():
    y = np.repeat([0, 1], [900, 100])
    survival = np.linspace(0, 1, 1000)
    assert np.flatnonzero(surviving_rows(survival, y, 0)).tolist() == list(range(870, 900))
    assert surviving_rows(survival, y, 1).sum() == 25


def test_rows_that_an_edit_flips_are_of_the_class(small_net, small_bed):
    X, y = small_bed.poisoned
    suspected = flipped_by_edit(small_net, X, y, 1, np.random.RandomState(0))
    assert suspected.any()
    assert (y[suspected] == 1).all()


def test_a_group_grows_to_all_rows_with_the_trigger(small_bed):
    X, y = small_bed.poisoned
    rng = np.random.RandomState(0)
    seeds = small_bed.is_poisoned & (rng.uniform(size=len(y)) < 0.4)
    group, probability = grow(StandardScaler().fit_transform(X), y, 1, seeds, rng)
    assert (group == small_bed.is_poisoned).mean() > 0.99
    assert ((probability > 0.5) & (y == 1) == group).all()


def test_a_random_group_dies_or_takes_over():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(600, 5)), np.repeat([0, 1], 300)
    seeds = (y == 1) & (rng.uniform(size=600) < 0.1)
    group, _ = grow(X, y, 1, seeds, rng)
    assert group.sum() < 8 or group.sum() > 200


@pytest.mark.parametrize(
    ("n_rows", "expected"), [(3, False), (8, True), (150, True), (201, False)]
)
def test_groups_of_a_size_that_can_be_judged(n_rows, expected):
    y = np.repeat([0, 1], [700, 300])
    group = np.arange(1000) >= 1000 - n_rows
    assert may_be_poison(group, y, 1) == expected


def test_small_classes_are_not_searched(small_bed):
    X, y = (data[:60] for data in small_bed.poisoned)
    rng = np.random.RandomState(0)
    score, is_poisoned, suspects = find_poison(small_bed.make(), X, y, 3, rng)
    assert not score.any()
    assert not is_poisoned.any()
    assert not suspects
