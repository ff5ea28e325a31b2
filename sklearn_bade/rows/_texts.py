"""Texts: one string a row, where other rows have columns."""

import narwhals as nw
import numpy as np
import pandas as pd

# Items at the beginning by which a list is taken for one of texts. Not tuned.
TRIED_FOR_TEXT = 20


class Texts(np.ndarray):
    """A column of texts, which remembers that vectorizers want them without columns.

    Groups, folds and slices treat it as a table of one column.
    """


def open_texts(X):
    """Make a column of a list, an array or a series of strings; leave all else as it is."""
    if isinstance(X, pd.Series) or nw.dependencies.is_into_series(X):
        X = np.asarray(X, dtype=object)
    is_flat = isinstance(X, (list, tuple)) or (isinstance(X, np.ndarray) and X.ndim == 1)
    if not is_flat or not any(isinstance(item, str) for item in X[:TRIED_FOR_TEXT]):
        return X
    odd = next((i for i, item in enumerate(X) if not isinstance(item, str)), None)
    if odd is not None:
        raise ValueError(
            f"X holds texts, and in row {odd} {X[odd]!r}. Leave out rows without a text, "
            "or give them an empty one, ''."
        )
    return np.array(X, dtype=object).reshape(-1, 1).view(Texts)


def as_row_of_texts(X):
    """Turn a column of texts into what vectorizers take; a list of texts may stay one."""
    return np.ravel(np.asarray(X, dtype=object))
