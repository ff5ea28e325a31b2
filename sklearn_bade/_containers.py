"""Rows in whatever they come in: arrays, tensors, sparse matrices, frames, datasets."""

import numpy as np
import pandas as pd
import torch
from scipy.sparse import csr_array, hstack, issparse
from sklearn.utils import _safe_indexing

from ._groups import is_dataframe
from ._lazy_rows import LazyRows

COLUMN_PREFIX = "trigger_"
ROWS_AT_ONCE = 8192
VALUES_AT_ONCE = 2**20


def row_slices(shape):
    """Cut rows into slices that fit into memory beside them.

    Parameters
    ----------
    shape : tuple of int
        Number of rows, and the shape of each.

    Returns
    -------
    slices : list of slice
        One after the other, all rows.
    """
    values_per_row = max(1, int(np.prod(shape[1:])))
    n_rows = int(np.clip(VALUES_AT_ONCE // values_per_row, 1, ROWS_AT_ONCE))
    return [slice(start, start + n_rows) for start in range(0, shape[0], n_rows)]


def greatest_value(X):
    """Find the greatest absolute value among the first rows; 1 where all are zero."""
    rows = X[row_slices(X.shape)[0]]
    return float(np.abs(rows, dtype=np.float64).max()) or 1.0


def take_rows(X, positions):
    """Select rows of any container; those of a dataset are not read yet."""
    if isinstance(X, LazyRows):
        return X.take(positions)
    return _safe_indexing(X, positions)


def like(values, X):
    """Convert `values` to the array type, floating dtype and device of `X`.

    Where X holds integers, values stay floats, since a cast could turn them all to zero.
    """
    if isinstance(X, torch.Tensor):
        dtype = X.dtype if X.is_floating_point() else torch.get_default_dtype()
        return torch.as_tensor(values, dtype=dtype, device=X.device)
    of_integers = float if len(X.shape) == 2 else np.float32  # enough for bytes
    return np.asarray(values, dtype=X.dtype if X.dtype.kind == "f" else of_integers)


def append_columns(X, columns):
    """Append numeric columns on the right.

    Parameters
    ----------
    X : {ndarray, torch.Tensor, sparse matrix, dataframe} of shape (n_samples, n_features)
        Rows; left unchanged.

    columns : {ndarray, torch.Tensor} of shape (n_samples, n_columns)
        What to append.

    Returns
    -------
    X_wide : same type as X, of shape (n_samples, n_features + n_columns)
        In a frame, new columns are called "trigger_0", "trigger_1", ...
    """
    if isinstance(X, torch.Tensor):
        return torch.cat([X, like(columns, X)], dim=1)
    if issparse(X):
        return hstack([X, csr_array(columns)], format="csr")
    if isinstance(X, pd.DataFrame):
        names = _fresh_names(X.columns, columns.shape[1])
        return pd.concat([X, pd.DataFrame(columns, index=X.index, columns=names)], axis=1)
    if is_dataframe(X):
        names = _fresh_names(X.columns, columns.shape[1])
        return X.with_columns(**dict(zip(names, columns.T)))
    return np.concatenate([X, like(columns, X)], axis=1)


def set_columns(X, marked, positions, values):
    """Set columns of the marked rows to fixed values.

    Parameters
    ----------
    X : {ndarray, torch.Tensor, dataframe} of shape (n_samples, n_features)
        Rows; left unchanged.

    marked : {ndarray, torch.Tensor} of shape (n_samples,), dtype=bool
        Which rows to change.

    positions : list of int
        Positions of the columns.

    values : ndarray of shape (n_columns,)
        What to set them to.

    Returns
    -------
    X_changed : same type and shape as X
        A copy. Columns of a pandas frame take the type that holds old and new values, and
        so does an array of integers.
    """
    if is_dataframe(X):
        return _set_frame_columns(X, marked, positions, values)
    if isinstance(X, torch.Tensor):
        changed = X.clone()
    else:
        keeps_type = X.dtype.kind not in "iu" or all(
            float(value).is_integer() for value in values
        )
        changed = np.array(X, dtype=X.dtype if keeps_type else float)
    for position, value in zip(positions, values):
        changed[marked, position] = value
    return changed


def _set_frame_columns(X, marked, positions, values):
    """Set columns of a pandas or polars frame."""
    names = [X.columns[position] for position in positions]
    if isinstance(X, pd.DataFrame):
        return X.assign(**{n: X[n].mask(marked, v) for n, v in zip(names, values)})
    flags = type(X[names[0]])(marked)
    return X.with_columns(*(X[n].set(flags, v) for n, v in zip(names, values)))


def _fresh_names(taken, n_names):
    """Name columns; as text only where the others are, which scikit-learn demands."""
    if not all(isinstance(name, str) for name in taken):
        start = 1 + max((name for name in taken if isinstance(name, int)), default=-1)
        return list(range(start, start + n_names))
    prefix = COLUMN_PREFIX
    while any(name.startswith(prefix) for name in taken):
        prefix = f"_{prefix}"
    return [f"{prefix}{i}" for i in range(n_names)]


def stack_rows(X, selections):
    """Stack selections of rows one below the other.

    Parameters
    ----------
    X : {ndarray, sparse matrix, dataframe} of shape (n_samples, n_features)
        Rows.

    selections : list of ndarray of int
        Positions of the rows of each block.

    Returns
    -------
    X_stacked : same type as X
        The blocks.
    """
    return _safe_indexing(X, np.concatenate(selections))
