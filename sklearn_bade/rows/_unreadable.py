"""Rows of a dataset that cannot be read are left out: one broken file ends no fit."""

from functools import wraps
from numbers import Integral

import numpy as np
import pandas as pd

from .._compat import is_slice_dataset
from ..exceptions import SkippedFilesWarning, UnreadableRowsError
from ..utils import warn_user
from ._containers import take_rows
from ._lazy import LazyRows, read_labels, reading

# Where more cannot be read, no file is broken, but a disk, a network or a dataset.
MOST_UNREADABLE = 0.05


def leaves_unreadable_out(fit):
    """Decorate a `fit` so that it starts again without the rows that cannot be read.

    Looking for them before would mean to read everything once more, and nearly always for
    nothing. Training reads all rows within its first epoch.
    """

    @wraps(fit)
    def fit_readable(self, X, y, *rest, **given):
        generator = self.random_state
        is_generator = isinstance(generator, np.random.RandomState)
        state = generator.get_state() if is_generator else None
        try:
            return fit(self, X, y, *rest, **given)
        except UnreadableRowsError:
            _refuse_own_folds(self)
            kept = _find_readable(X)
        if is_generator:  # as if the first attempt had not been
            generator.set_state(state)
        y = read_labels(X, kept) if y is None else _take(y, kept)
        rest = [_take(each, kept) for each in rest]
        given = {name: _take(each, kept) for name, each in given.items()}
        return fit(self, LazyRows(X).take(kept), y, *rest, **given)

    return fit_readable


def _refuse_own_folds(estimator):
    """Refuse to leave rows out where folds may name all of them by their positions."""
    cv = getattr(estimator, "cv", None)
    is_known = type(cv).__module__.startswith("sklearn.") and hasattr(cv, "n_splits")
    if not isinstance(cv, (Integral, type(None))) and not is_known:
        raise ValueError(
            "Items of X cannot be read, and cv may know rows by their positions, which "
            "would change if they were left out. Leave broken items out of X, y and cv, or "
            "give cv as a number or a splitter of scikit-learn with n_splits."
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
    """Select rows of what a fit is given, if it is there and has any."""
    if values is None or np.isscalar(values):
        return values
    if isinstance(values, dict):
        values = pd.DataFrame(values)
    if isinstance(values, (pd.Index, pd.api.extensions.ExtensionArray)):
        return values[positions]
    return values[positions] if is_slice_dataset(values) else take_rows(values, positions)
