import numpy as np
import pytest

from sklearn_bade.defenses._look_alikes import (
    Group,
    drop_overlaps,
    find_groups,
    grow,
    last_features,
    reduce_inputs,
    suspect,
)


def test_clusters_divide_the_class(small_net, small_bed):
    X, y = small_bed.poisoned
    features = last_features(small_net, X)
    own = y == 1
    suspected = list(suspect(features, own, np.random.RandomState(0)))
    clusters = [rows for source, rows in suspected if source == "activation cluster"]
    assert ((clusters[0] ^ clusters[1]) == own).all()
    assert max(small_bed.is_poisoned[cluster].mean() for cluster in clusters) > 0.7


def test_signatures_are_few_and_of_the_class():
    rng = np.random.RandomState(0)
    features = rng.normal(size=(1000, 5))
    own = np.arange(1000) < 100
    source, rows = next(suspect(features, own, rng))
    assert source == "spectral signature"
    assert rows.sum() == 25
    assert own[rows].all()


def test_a_group_grows_to_all_rows_with_the_trigger(small_bed):
    X, y = small_bed.poisoned
    rng = np.random.RandomState(0)
    seeds = small_bed.is_poisoned & (rng.uniform(size=len(y)) < 0.4)
    group, probability = grow(reduce_inputs(X, rng), y == 1, seeds, 300, rng)
    assert (group == small_bed.is_poisoned).mean() > 0.99
    assert ((probability > 0.5) & (y == 1) == group).all()


def test_a_random_group_dies_or_takes_over():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(600, 5)), np.repeat([0, 1], 300)
    seeds = (y == 1) & (rng.uniform(size=600) < 0.1)
    group, _ = grow(X, y == 1, seeds, 200, rng)
    assert group.sum() < 8 or group.sum() > 200


def test_groups_that_are_worth_more_evidence(small_net, small_bed):
    X, y = small_bed.poisoned
    rng = np.random.RandomState(0)
    Z, features = reduce_inputs(X, rng), last_features(small_net, X)
    groups = find_groups(Z, features, y, y == 1, 300, rng)
    assert any(small_bed.is_poisoned[group.rows].mean() > 0.95 for group in groups)
    assert all(group.linear_relabelled >= 0.4 for group in groups)


def test_overlapping_groups_count_once():
    rows = np.arange(10) < np.array([[4], [6], [2]])
    groups = [Group(0, "", marked, marked.astype(float)) for marked in (*rows, ~rows[1])]
    assert [group.n_rows for group in drop_overlaps(groups)] == [4, 4]


@pytest.mark.parametrize(("shape", "width"), [((50, 7), 7), ((300, 1, 12, 12), 100)])
def test_inputs_are_reduced(shape, width):
    rng = np.random.RandomState(0)
    Z = reduce_inputs(rng.normal(size=shape), rng)
    assert Z.shape == (shape[0], width)
