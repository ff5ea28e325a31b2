import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy.sparse import csr_array

from sklearn_bade._containers import append_columns, stack_rows

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
def test_rows_are_stacked(name):
    rows = stack_rows(MAKERS[name](X), [np.array([2, 0]), np.array([0])])
    np.testing.assert_array_equal(to_array(rows), X[[2, 0, 0]])
