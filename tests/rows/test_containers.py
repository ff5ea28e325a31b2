import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy.sparse import csr_array

from sklearn_bade.rows import append_columns, drop_columns, set_columns, take_rows

X = np.arange(6.0).reshape(3, 2)
COLUMNS = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
MAKERS = {
    "array": lambda X: X,
    "tensor": torch.from_numpy,
    "sparse": csr_array,
    "pandas": lambda X: pd.DataFrame(X, columns=["a", "b"], index=[7, 7, 9]),
    "unnamed": lambda X: pd.DataFrame(X),
    "polars": lambda X: pl.DataFrame(X, schema=["a", "b"]),
}


def to_array(rows):
    return rows.toarray() if hasattr(rows, "toarray") else np.asarray(rows)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_columns_are_appended_on_the_right(make):
    rows = make(X)
    wide = append_columns(rows, COLUMNS)
    assert type(wide) is type(rows)
    np.testing.assert_array_equal(to_array(wide), np.hstack([X, COLUMNS]))
    np.testing.assert_array_equal(to_array(rows), X)


def test_names_are_new_and_of_one_type():
    frame = pd.DataFrame(X, columns=["trigger_0", "a"])
    names = list(append_columns(frame, COLUMNS).columns)
    assert len(set(names)) == 4
    assert all(isinstance(name, str) for name in names)
    assert list(append_columns(pd.DataFrame(X), COLUMNS).columns) == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["array", "sparse", "pandas", "polars"])
def test_rows_may_be_taken_twice(name):
    rows = take_rows(MAKERS[name](X), np.array([2, 0, 0]))
    np.testing.assert_array_equal(to_array(rows), X[[2, 0, 0]])


@pytest.mark.parametrize("name", ["array", "tensor", "pandas", "polars"])
def test_columns_are_set_in_a_copy(name):
    rows = MAKERS[name](X)
    changed = set_columns(rows, np.array([True, False, True]), [1], [9.0])
    assert type(changed) is type(rows)
    np.testing.assert_array_equal(to_array(changed), [[0, 9], [2, 3], [4, 9]])
    np.testing.assert_array_equal(to_array(rows), X)


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, pl.DataFrame])
def test_drop_columns_keeps_the_container(container):
    X = container(np.arange(6).reshape(2, 3))
    left = drop_columns(X, [1])
    assert type(left) is type(X)
    assert np.asarray(left).tolist() == [[0, 2], [3, 5]]


@pytest.mark.parametrize(("position", "is_view"), [(0, True), (3, True), (1, False)])
def test_dropping_an_outer_column_copies_nothing(position, is_view):
    X = np.arange(12.0).reshape(3, 4)
    left = drop_columns(X, [position])
    np.testing.assert_array_equal(left, np.delete(X, position, axis=1))
    assert np.shares_memory(left, X) == is_view
    assert drop_columns(X, []) is X
