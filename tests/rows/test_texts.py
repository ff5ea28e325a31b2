import numpy as np
import pandas as pd
import polars as pl
import pytest

from sklearn_bade.rows import Texts, as_row_of_texts, open_texts, take_rows

TEXTS = ["one text", "", "another ünïcode text"]


@pytest.mark.parametrize(
    "X",
    [
        TEXTS,
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        pd.Series(TEXTS, index=[5, 3, 1]),
        pd.Series(TEXTS, dtype="string"),
        pd.Series(TEXTS, dtype="category"),
        pd.Index(TEXTS),
        pd.array(TEXTS, dtype="string"),
        pl.Series(TEXTS),
    ],
    ids=lambda X: f"{type(X).__module__}.{type(X).__name__}",
)
def test_texts_become_a_column_and_a_row_again(X):
    column = open_texts(X)
    assert isinstance(column, Texts)
    assert column.shape == (3, 1)
    row = as_row_of_texts(take_rows(column, np.array([2, 0])))
    assert row.tolist() == [TEXTS[2], TEXTS[0]]
    assert all(type(text) is str for text in row)


@pytest.mark.parametrize(
    "X", [[1, 2], [["a"], ["b"]], np.array([1.0, 2.0]), pd.DataFrame({"a": TEXTS}), []]
)
def test_everything_else_stays_as_it_is(X):
    assert open_texts(X) is X


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, 3])
@pytest.mark.parametrize("position", [0, 1, 30])
def test_what_is_no_text_is_named(missing, position):
    X = ["text"] * 40
    X[position] = missing
    message = f"X holds texts, and in row {position} {missing!r}.*''"
    for given in (X, pd.Series(X, dtype=object)):
        with pytest.raises(ValueError, match=message):
            open_texts(given)
