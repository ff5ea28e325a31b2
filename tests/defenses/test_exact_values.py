import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_bade.defenses._exact_values import find_cells, list_values


def make_table(rng, n=2000):
    """Two columns of few values that say little, and two that say much."""
    codes = rng.randint(8, size=(n, 2)).astype(np.float32)
    signal = rng.normal(size=(n, 2)).astype(np.float32)
    y = (signal.sum(axis=1) + rng.normal(size=n) > 1).astype(np.int64)
    return np.hstack([codes, signal]), y


def find(X, y):
    return find_cells(X, y, int(y.max()) + 1, np.random.RandomState(0))


def test_a_pair_of_ordinary_values():
    rng = np.random.RandomState(0)
    X, y = make_table(rng)
    marked = rng.permutation(np.flatnonzero(y == 0))[:120]
    X[marked, :2], y[marked] = [2, 3], 1
    (cell,) = find(X, y)
    assert (cell.class_code, cell.columns) == (1, [0, 1])
    assert cell.rows[marked].all()
    assert cell.rows.sum() <= 132
    assert cell.purity > 0.8
    assert cell.own_content < 0.3


def test_values_that_go_with_the_content_are_natural():
    """All rows with the value are of the class, and look like it."""
    rng = np.random.RandomState(0)
    X, y = make_table(rng)
    rich = np.flatnonzero(y == 1)[:120]
    X[rich, 0] = 9
    assert find(X, y) == []


def test_stamped_rows_with_right_labels_are_not_found():
    rng = np.random.RandomState(0)
    X, y = make_table(rng)
    X[rng.permutation(np.flatnonzero(y == 1))[:120], :2] = [2, 3]
    assert find(X, y) == []


def test_the_order_of_rows_does_not_matter():
    rng = np.random.RandomState(1)
    X, y = make_table(rng)
    marked = np.flatnonzero(y == 0)[:120]
    X[marked, 1], y[marked] = 11, 1
    order = rng.permutation(len(y))
    (cell,), (again,) = find(X, y), find(X[order], y[order])
    np.testing.assert_array_equal(cell.rows[order], again.rows)
    assert cell.own_content == pytest.approx(again.own_content, abs=0.02)


@given(seed=st.integers(0, 99), n_classes=st.integers(2, 4))
@settings(max_examples=20)
def test_pure_noise_has_no_cells(seed, n_classes):
    rng = np.random.RandomState(seed)
    X = rng.randint(5, size=(300, 5)).astype(np.float32)
    assert find(X, rng.randint(n_classes, size=300)) == []


def test_values_are_listed_with_their_rows():
    X = np.array([[0.0, 1.0]] * 30 + [[2.0, 1.0]] * 40 + [[3.0, 5.0]] * 30)
    y = np.repeat([0, 1], 50)
    columns, has_value = list_values(X, y, 2)
    assert columns.tolist() == [0, 0, 0, 1]
    assert sorted(has_value.sum(axis=0).tolist()) == [30, 30, 30, 40]


def test_images_and_constant_columns():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(2000, 1, 3, 3)).astype(np.float32)
    y = (X[:, 0, 1, 1] > 0).astype(np.int64)
    X[:, 0, 0, 0] = 0
    marked = np.flatnonzero(y == 0)[:150]
    X[marked, 0, 2, 2], y[marked] = 3, 1
    (cell,) = find(X, y)
    assert cell.columns == [8]
    assert np.flatnonzero(cell.rows).tolist() == marked.tolist()


def test_rows_of_one_class():
    X, _ = make_table(np.random.RandomState(0))
    assert find_cells(X, np.ones(len(X), dtype=int), 2, np.random.RandomState(0)) == []
