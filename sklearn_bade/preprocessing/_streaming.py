"""Rows that are read batch by batch become features on disk."""

from contextlib import ExitStack
from dataclasses import replace

import numpy as np
from sklearn.utils.random import sample_without_replacement

from ..rows import Rows, RowWriter, dense_rows

# Rows that steps are fitted to: means and quantiles are then known to a few thousandths of
# a standard deviation, and a frame of thirty columns takes 50 MB.
FITTED_ROWS = 200_000
# Types of class codes and of groups, of which there are as many as rows.
CODE_TYPES = (np.int16, np.int32, np.int64)


def sample_rows(X, seed):
    """Read the rows that steps are fitted to, in their order, and their positions."""
    positions = np.arange(len(X))
    if len(X) > FITTED_ROWS:
        drawn = sample_without_replacement(len(X), FITTED_ROWS, random_state=seed)
        positions = np.sort(drawn)
    return X.take(positions).read_rows(), positions


def store_rows(rows, preprocessing, to_input, seed):
    """Read rows once, and write what a network takes of them to disk, in random order.

    Parameters
    ----------
    rows : Rows
        Their X is a :class:`~sklearn_bade.rows.ColumnarRows`.

    preprocessing : Pipeline or None
        Fitted steps.

    to_input : callable
        Casts features to what the network takes.

    seed : int
        Who comes where.

    Returns
    -------
    stored : Rows
        The same rows in another order, with features on disk.
    """
    stored, order = _write(rows.X, preprocessing, to_input, seed)
    n_cells = rows.n_classes * (len(rows.groups) + 1)
    small = next(t for t in CODE_TYPES if n_cells <= np.iinfo(t).max)
    groups = replace(rows.groups, codes=rows.groups.codes.astype(small)).take(order)
    weights = None if rows.weights is None else rows.weights[order]
    return Rows(stored, rows.y.astype(small)[order], rows.classes, groups, weights)


def _write(X, preprocessing, to_input, seed):
    """Write features; return them, and the position that each row of them had before."""
    writer = None
    with ExitStack() as stack:
        for frame in X.frames():
            features = frame if preprocessing is None else preprocessing.transform(frame)
            features = dense_rows(to_input(features), slice(None))
            _check_shape(features, len(frame), writer)
            if writer is None:
                rng = np.random.RandomState(seed)
                writer = RowWriter(len(X), features.shape[1:], features.dtype, rng)
                stack.enter_context(writer)
            writer.write(features)
        return writer.close()


def _check_shape(features, n_rows, writer):
    """Refuse steps whose rows and columns are not those of the batches."""
    if len(features) != n_rows:
        raise ValueError(
            f"The steps of the pipeline make {len(features)} rows of {n_rows}. Groups and "
            "labels would no longer belong to them: leave rows out before fit."
        )
    if writer is not None and features.shape[1:] != writer.row_shape:
        raise ValueError(
            f"The steps of the pipeline make {features.shape[1]} columns of one batch of "
            f"rows, and {writer.row_shape[0]} of another. Columns must follow from what "
            "was learned in fit, as with OneHotEncoder, and not from each batch."
        )
