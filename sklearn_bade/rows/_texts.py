"""Texts: one string a row, where other rows have columns."""

from itertools import islice

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
    own = pd.Series, pd.Index, pd.api.extensions.ExtensionArray
    if isinstance(X, own) or nw.dependencies.is_into_series(X):
        X = np.asarray(X, dtype=object)
    is_flat = isinstance(X, (list, tuple)) or (isinstance(X, np.ndarray) and X.ndim == 1)
    if not is_flat or not any(isinstance(item, str) for item in _first_values(X)):
        return X
    odd = next((i for i, item in enumerate(X) if not isinstance(item, str)), None)
    if odd is not None:
        raise ValueError(
            f"X holds texts, and in row {odd} {X[odd]!r}. Leave out rows without a text, "
            "or give them an empty one, ''."
        )
    return np.array(X, dtype=object).reshape(-1, 1).view(Texts)


def _first_values(X):
    """List the first items that are not missing."""
    return list(islice((item for item in X if not _is_missing(item)), TRIED_FOR_TEXT))


def _is_missing(item):
    return item is None or item is pd.NA or (isinstance(item, float) and np.isnan(item))


def as_row_of_texts(X):
    """Turn a column of texts into what vectorizers take; a list of texts may stay one."""
    return np.ravel(np.asarray(X, dtype=object))
