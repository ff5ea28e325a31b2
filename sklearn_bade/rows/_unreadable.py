"""Rows of a dataset that cannot be read are left out: one broken file ends no fit."""

from functools import wraps
from numbers import Integral

import numpy as np

from .._compat import is_slice_dataset
from ..exceptions import SkippedFilesWarning, UnreadableRowsError
from ..utils import warn_user
from ._containers import take_rows
from ._lazy import is_dataset, reading

# Where more cannot be read, no file is broken, but a disk, a network or a dataset.
MOST_UNREADABLE = 0.05


def leaves_unreadable_out(fit):
    """Decorate a `fit` so that it starts again without the rows that cannot be read.

    Looking for them before would mean to read everything once more, and nearly always for
    nothing. Training reads all rows within its first epoch.
    """

    @wraps(fit)
    def fit_readable(self, X, y, *rest, **given):
        try:
            return fit(self, X, y, *rest, **given)
        except UnreadableRowsError:
            _refuse_own_folds(self)
            kept = _find_readable(X)
        cut = [None if each is None else _take(each, kept) for each in (y, *rest)]
        given = {k: None if v is None else _take(v, kept) for k, v in given.items()}
        return fit(self, _take(X, kept), *cut, **given)

    return fit_readable


def _refuse_own_folds(estimator):
    """Refuse to leave rows out where folds name all of them by their positions."""
    cv = getattr(estimator, "cv", None)
    if not isinstance(cv, (Integral, type(None))) and not hasattr(cv, "split"):
        raise ValueError(
            "Items of X cannot be read, and cv lists positions of rows, which would change "
            "if they were left out. Leave broken items out of X, y and cv, or give cv as a "
            "number or a splitter."
        )


def _find_readable(X):
    """Read a dataset once, name what cannot be read, and refuse to leave much out."""
    broken = []
    for i in range(len(X)):
        try:
            with reading(X, i):
                X[i]
        except UnreadableRowsError as error:
            broken.append((i, error))
    if not broken:  # it could not be read then, and can be now
        return np.arange(len(X))
    message = (
        f"{len(broken)} of {len(X)} items of {type(X).__name__} cannot be read; the first "
        f"is {broken[0][1]}"
    )
    if len(broken) > max(1, MOST_UNREADABLE * len(X)):
        raise UnreadableRowsError(
            f"{message}. That is more than a few broken files: check that the dataset "
            "finds them."
        ) from broken[0][1]
    warn_user(f"{message}. They are left out of the fit.", SkippedFilesWarning)
    return np.setdiff1d(np.arange(len(X)), [i for i, _ in broken])


def _take(values, positions):
    """Select rows of anything that a fit is given, datasets of either kind included."""
    if not is_dataset(values):
        return take_rows(values, positions)
    if is_slice_dataset(values):
        return values[positions]
    from torch.utils.data import Subset

    return Subset(values, positions.tolist())
