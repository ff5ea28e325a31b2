"""What is done to rows in any container: select, cut, append and set columns."""

import narwhals as nw
import numpy as np
import pandas as pd
from scipy.sparse import issparse

from .._compat import is_tensor, safe_indexing
from ._columnar import ColumnarRows
from ._lazy import LazyRows
from ._stored import StoredRows

COLUMN_PREFIX = "trigger_"
# Slices of rows that pass through a network at once: at most 8 MiB of float64, and few
# enough rows of a narrow table that a wide hidden layer fits beside them. Not tuned.
ROWS_AT_ONCE = 8192
VALUES_AT_ONCE = 2**20


def is_frame(X):
    """Tell whether `X` is a table with named columns (pandas, polars, pyarrow, ...)."""
    return isinstance(X, pd.DataFrame) or nw.dependencies.is_into_dataframe(X)


def column_names(X):
    """List the names of a frame's columns; None for other containers."""
    if isinstance(X, (pd.DataFrame, ColumnarRows)):
        return list(X.columns)
    return nw.from_native(X, eager_only=True).columns if is_frame(X) else None


def frame_to_pandas(X):
    """Turn a frame of any library into pandas' own; pandas frames stay as they are."""
    if isinstance(X, pd.DataFrame):
        return X
    frame = nw.from_native(X, eager_only=True)
    return pd.DataFrame({name: frame[name].to_numpy() for name in frame.columns})


def read_all(X):
    """Read rows that lie elsewhere into memory; leave everything else as it is."""
    if isinstance(X, ColumnarRows):
        return X.read_rows()
    return np.asarray(X) if isinstance(X, (LazyRows, StoredRows)) else X


def row_slices(shape):
    """Cut rows of a given shape into slices that fit into memory beside them."""
    values_per_row = max(1, int(np.prod(shape[1:])))
    n_rows = int(np.clip(VALUES_AT_ONCE // values_per_row, 1, ROWS_AT_ONCE))
    return [slice(start, start + n_rows) for start in range(0, shape[0], n_rows)]


def compute_rows(like, n_columns, dtype, name, compute):
    """Compute some columns for each row, part by part: on disk where `like` lies there.

    ``compute(part)`` returns the values for a slice of rows; `name` is that of the files.
    """
    if isinstance(like, StoredRows):
        computed, parts = like.empty_like(name, (n_columns,), dtype), like.parts()
    else:
        computed = np.empty((like.shape[0], n_columns), dtype)
        parts = row_slices((like.shape[0], 1))
    for part in parts:
        computed[part] = compute(part)
    return computed


def values_per_row(X):
    """Count the values that a row takes memory for."""
    return int(X.nnz / X.shape[0] if issparse(X) else np.prod(X.shape[1:]))


def greatest_value(X):
    """Find the greatest absolute value among the first rows; 1 where all are zero."""
    first = X[row_slices(X.shape)[0]]
    return float(np.abs(first, dtype=np.float64).max()) or 1.0


def take_rows(X, positions):
    """Select rows of any container; those of a dataset are not read yet."""
    if isinstance(X, (LazyRows, ColumnarRows, StoredRows)):
        return X.take(positions)
    return safe_indexing(X, positions)


def dense_rows(X, key):
    """Index rows as those of an array; sparse ones are made dense, in single precision."""
    if not issparse(X):
        return X[key]
    if isinstance(key, (int, np.integer)):
        return dense_rows(X, [key])[0]
    return X[key].astype(np.float32, copy=False).toarray()


def drop_columns(X, positions):
    """Return `X` without the columns at `positions`, in its own container.

    Where what is left of an array lies side by side, it is not copied.
    """
    if not positions:
        return X
    if isinstance(X, ColumnarRows):
        return X.without_columns(positions)
    kept = [i for i in range(X.shape[1]) if i not in set(positions)]
    if isinstance(X, np.ndarray) and kept == list(range(kept[0], kept[-1] + 1)):
        return X[:, kept[0] : kept[-1] + 1]
    return safe_indexing(X, kept, axis=1)


def like(values, X):
    """Convert `values` to the array type, floating dtype and device of `X`.

    Where X holds integers, values stay floats, since a cast could turn them all to zero.
    """
    if is_tensor(X):
        floats = X[:0] if X.is_floating_point() else X[:0].float()
        return values.to(floats) if is_tensor(values) else floats.new_tensor(values)
    of_integers = float if len(X.shape) == 2 else np.float32  # enough for bytes
    return np.asarray(values, dtype=X.dtype if X.dtype.kind == "f" else of_integers)


def name_columns(X, names):
    """Make an array of as many columns a pandas frame; leave all else as it is."""
    if not isinstance(X, np.ndarray) or X.ndim != 2 or X.shape[1] != len(names):
        return X
    return pd.DataFrame(X, columns=names).infer_objects()


def append_columns(X, columns, prefix=COLUMN_PREFIX):
    """Append numeric columns on the right; in a frame they are called "trigger_0", ..."""
    if is_tensor(X):
        wide = X.new_empty((len(X), X.shape[1] + columns.shape[1]))
        wide[:, : X.shape[1]], wide[:, X.shape[1] :] = X, like(columns, X)
        return wide
    if issparse(X):
        return _append_to_sparse(X.tocsr(), columns)
    if isinstance(X, pd.DataFrame):
        names = _fresh_names(X.columns, columns.shape[1], prefix)
        return pd.concat([X, pd.DataFrame(columns, index=X.index, columns=names)], axis=1)
    if is_frame(X):
        frame = nw.from_native(X, eager_only=True)
        names = _fresh_names(frame.columns, columns.shape[1], prefix)
        return frame.with_columns(*_series(frame, names, columns.T)).to_native()
    return np.concatenate([X, like(columns, X)], axis=1)


def _append_to_sparse(X, columns):
    """Append columns to the values of each row, of which no other copy is made."""
    n_rows, n_columns = columns.shape
    n_before = X.shape[1]
    places = np.repeat(X.indptr[1:], n_columns)
    names = np.arange(n_before, n_before + n_columns, dtype=X.indices.dtype)
    data = X.data if X.data.dtype.kind == "f" else X.data.astype(float)
    values = np.insert(data, places, columns.ravel())
    indices = np.insert(X.indices, places, np.tile(names, n_rows))
    ends = X.indptr + n_columns * np.arange(n_rows + 1, dtype=X.indptr.dtype)
    return type(X)((values, indices, ends), shape=(n_rows, n_before + n_columns))


def set_columns(X, marked, positions, values):
    """Set the columns at `positions` of the marked rows to fixed values, in a copy.

    Columns of a pandas frame take the type that holds old and new values, and so does an
    array of integers.
    """
    if isinstance(X, pd.DataFrame):
        names = [X.columns[position] for position in positions]
        return X.assign(**{n: X[n].mask(marked, v) for n, v in zip(names, values)})
    if is_frame(X):
        return _set_frame_columns(
            nw.from_native(X, eager_only=True), marked, positions, values
        )
    if is_tensor(X):
        changed = X.clone()
    else:
        keeps_type = X.dtype.kind not in "iu" or all(
            float(value).is_integer() for value in values
        )
        changed = np.array(X, dtype=X.dtype if keeps_type else float)
    for position, value in zip(positions, values):
        changed[marked, position] = value
    return changed


def _set_frame_columns(frame, marked, positions, values):
    """Set columns of a frame that is not pandas', which keep their types."""
    names = [frame.columns[position] for position in positions]
    rows = np.flatnonzero(marked).tolist()
    changed = [_scatter(frame[name], rows, value) for name, value in zip(names, values)]
    return frame.with_columns(*changed).to_native()


def _scatter(column, rows, value):
    """Set some rows; categories by their text, which older polars makes null otherwise."""
    values = [value] * len(rows)
    if column.dtype in (nw.Categorical, nw.Enum):
        return column.cast(nw.String).scatter(rows, values).cast(column.dtype)
    return column.scatter(rows, values)


def _series(frame, names, columns):
    """Make columns of the frame's own kind."""
    return [
        nw.new_series(name, np.ascontiguousarray(column), backend=frame.implementation)
        for name, column in zip(names, columns)
    ]


def _fresh_names(taken, n_names, prefix):
    """Name columns; as text only where the others are, which scikit-learn demands."""
    if not all(isinstance(name, str) for name in taken):
        start = 1 + max((name for name in taken if isinstance(name, int)), default=-1)
        return list(range(start, start + n_names))
    while any(name.startswith(prefix) for name in taken):
        prefix = f"_{prefix}"
    return [f"{prefix}{i}" for i in range(n_names)]
