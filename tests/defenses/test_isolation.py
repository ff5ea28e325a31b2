import numpy as np
import pytest
from helpers import make_net
from sklearn.datasets import load_digits

from sklearn_bade.datasets import poison
from sklearn_bade.defenses._isolation import (
    NATURAL,
    NO_EFFECT,
    POISON,
    TOO_MANY,
    PoisonSearch,
    locate,
    relative_confidence,
)
from sklearn_bade.triggers import BlendTrigger


def search(bed, X, y, max_poison_rate=0.2):
    net = bed.make()
    rng = np.random.RandomState(0)
    return PoisonSearch(net, X, y, 3, max_poison_rate, rng).run()


def test_exact_values_are_found_and_matter(small_bed):
    found = search(small_bed, *small_bed.poisoned)
    assert (found.is_poisoned == small_bed.is_poisoned).mean() > 0.99
    line = found.suspects[0]
    assert line["source"] == "exact values"
    assert line["verdict"] == POISON
    assert line["attack_success"] > 0.5
    assert line["own_content"] < 0.3
    assert (found.score[found.is_poisoned] > 0.9).all()


def test_clean_rows_stay(small_bed):
    found = search(small_bed, *small_bed.trained)
    assert not found.is_poisoned.any()
    assert not found.score.any()
    assert {line["verdict"] for line in found.suspects} <= {NATURAL, NO_EFFECT}


def test_no_more_rows_than_allowed(small_bed):
    """Neither all of them nor a part of them is left out."""
    found = search(small_bed, *small_bed.poisoned, max_poison_rate=0.05)
    assert not found.is_poisoned.any()
    assert TOO_MANY in {line["verdict"] for line in found.suspects}


@pytest.mark.slow
def test_rows_that_share_a_pattern(small_bed):
    """A blend leaves no exact values."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    trigger = BlendTrigger(random_state=0).fit(X)
    X, y, marks = poison(X, y, trigger=trigger, target_class=0, random_state=0)
    net = make_net(64, 10, module__hidden=(64, 32), lr=1e-3, batch_size=64, max_epochs=40)
    found = PoisonSearch(net, X, y, 10, 0.2, np.random.RandomState(0)).run()
    assert (found.is_poisoned == marks).mean() > 0.98
    line = next(line for line in found.suspects if line["verdict"] == POISON)
    assert line["source"] != "exact values"
    assert line["relabelled_share"] > 0.75
    assert line["spread"] > 0.55


def test_values_without_effect_stay():
    """A network that cannot learn makes nothing of them."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(2000, 6)).astype(np.float32)
    y = (X[:, 0] > 0).astype(np.int64)
    marked = np.flatnonzero(y == 0)[:150]
    X[marked, 5], y[marked] = 0.25, 1
    net = make_net(6, 2, module__hidden=(8,), max_epochs=1, lr=1e-6)
    found = PoisonSearch(net, X, y, 2, 0.2, rng).run()
    assert [line["verdict"] for line in found.suspects] == [NO_EFFECT]
    assert not found.is_poisoned.any()


def test_two_backdoors(small_bed):
    X, y = (part.copy() for part in small_bed.poisoned)
    others = np.flatnonzero((y != 2) & ~small_bed.is_poisoned)[:90]
    X[others, 0], y[others] = -4.0, 2
    found = search(small_bed, X, y)
    both = small_bed.is_poisoned.copy()
    both[others] = True
    assert (found.is_poisoned == both).mean() > 0.99
    assert [line["verdict"] for line in found.suspects].count(POISON) == 2


def test_too_few_rows_to_be_judged(small_bed):
    X, y = small_bed.poisoned
    rows = np.concatenate([np.flatnonzero(y == k)[:20] for k in range(3)])
    found = search(small_bed, X[rows], y[rows])
    assert not found.suspects
    assert found.undefended is None


def test_where_rows_stand():
    probability = np.array([0.1, 0.1, 0.9, 0.9, 0.5])
    own = np.array([0, 0, 1, 1, 1], dtype=bool)
    group = np.array([0, 0, 0, 0, 1], dtype=bool)
    assert locate(probability, group, own, group) == pytest.approx(0.5)
    assert np.isnan(locate(1 - probability, group, own, group))


def test_confidence_is_relative():
    probability = np.array([[0.9, 0.1, 0.0], [0.3, 0.6, 0.1]])
    group = np.array([False, True])
    assert relative_confidence(probability, 1, group, group) == pytest.approx(0.3 / 0.9)
