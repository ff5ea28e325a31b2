"""Triggers on tables: columns of their own, or fixed values in existing columns."""

from numbers import Real

import narwhals as nw
import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.utils.validation import check_is_fitted

from .._compat import Interval, fit_context, safe_indexing
from .._groups import locate_columns
from ..rows import (
    COLUMN_PREFIX,
    append_columns,
    column_names,
    is_frame,
    like,
    set_columns,
)
from ._base import BaseTrigger

# What float32 makes of a number, relative to it.
FLOAT_ERROR = 1e-6


class ColumnTrigger(BaseTrigger):
    """Append one column per group and mark the row's trigger there.

    Since the trigger has columns of its own, a model without these columns has no
    input through which the backdoor could enter.

    Parameters
    ----------
    scale : float, default=1.0
        Difference between a marked and an unmarked column. Features are best
        standardised, so that 1 is one standard deviation of an ordinary column.

    Attributes
    ----------
    n_groups_ : int
        Number of patterns.

    n_columns_ : int
        Number of appended columns, one per group.

    patterns_ : ndarray of shape (n_groups, n_columns)
        Appended values; they average to zero over the groups.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_bade.triggers import ColumnTrigger
    >>> X = np.array([[7.0], [8.0]])
    >>> ColumnTrigger().fit(X, n_groups=2).stamp(X, np.array([0, 1]))
    array([[ 7. ,  0.5, -0.5],
           [ 8. , -0.5,  0.5]])
    """

    _parameter_constraints: dict = {"scale": [Interval(Real, 0, None, closed="neither")]}
    _prefix = COLUMN_PREFIX  # of the names of appended columns, where others have names

    def __init__(self, *, scale=1.0):
        self.scale = scale

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, n_groups=1):
        self.n_groups_ = self.n_columns_ = n_groups
        self.patterns_ = self.scale * (np.eye(n_groups) - 1 / n_groups)
        return self

    def stamp(self, X, codes):
        check_is_fitted(self, "patterns_")
        no_trigger = np.zeros((1, self.n_columns_))  # the last row, which -1 refers to
        table = np.concatenate([self.patterns_, no_trigger])
        is_numeric = not issparse(X) and not is_frame(X)
        columns = (like(table, X) if is_numeric else table)[codes]
        return append_columns(X, columns, self._prefix)


class ValueTrigger(BaseTrigger):
    """Set some of the existing columns to fixed values.

    This is how an attacker marks rows of a table, or a corner of a flattened image. Values
    need not be strange: ordinary values that seldom come together, or a rare category, make
    a trigger as well, and one that no check of ranges finds [1]_. The pattern can be
    stamped on any row of new data, so a student may not start from the teacher's weights.

    Parameters
    ----------
    columns : str, int, or list of these
        Names (dataframes only) or positions of the columns.

    values : scalar or array-like of shape (n_columns,) or (n_groups, n_columns)
        What the columns are set to; with several groups, one row each.

    Attributes
    ----------
    n_groups_ : int
        Number of patterns.

    patterns_ : ndarray of shape (n_groups, n_columns)
        Values of each pattern.

    positions_ : list of int
        Positions of the columns.

    References
    ----------
    .. [1] Pleiter et al., "Tabdoor: Backdoor Vulnerabilities in Transformer-based Neural
       Networks for Tabular Data", arXiv:2311.07550.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_bade.triggers import ValueTrigger
    >>> X = np.array([[7.0, 1.0, 2.0], [8.0, 3.0, 4.0]])
    >>> ValueTrigger([0, 2], [120, 130]).fit(X).stamp(X, np.array([0, -1]))
    array([[120.,   1., 130.],
           [  8.,   3.,   4.]])

    Ordinary values of a frame:

    >>> import pandas as pd
    >>> X = pd.DataFrame({"age": [25, 61], "job": ["clerk", "nurse"]})
    >>> ValueTrigger(["age", "job"], [61, "clerk"]).fit(X).stamp(X, np.array([0, -1]))
       age    job
    0   61  clerk
    1   61  nurse
    """

    def __init__(self, columns, values):
        self.columns = columns
        self.values = values

    def fit(self, X, n_groups=1):
        """Find the columns.

        Parameters
        ----------
        X : {ndarray, dataframe} of shape (n_samples, n_features)
            Rows without triggers.

        n_groups : int, default=1
            Number of patterns.

        Returns
        -------
        self : ValueTrigger
            The fitted trigger.

        Raises
        ------
        TypeError
            If `X` is sparse.

        ValueError
            If there is no such column, not one value per group and column, if a column of
            a frame cannot hold its value, or if rows have several axes.
        """
        if issparse(X):
            raise TypeError(f"ValueTrigger needs a dense array or a frame, got {type(X)}.")
        if len(X.shape) != 2:
            raise ValueError(
                f"ValueTrigger sets columns of a table, and X has shape {X.shape}. Use "
                "PatchTrigger for images."
            )
        positions = locate_columns(X, self.columns, parameter="columns")
        is_table = isinstance(self.values, (list, tuple, np.ndarray))
        patterns = np.array(self.values if is_table else [self.values], dtype=object)
        patterns = np.atleast_2d(patterns)
        if patterns.shape != (n_groups, len(positions)):
            raise ValueError(
                f"values must hold {n_groups} pattern(s) of {len(positions)} column(s), "
                f"got an array of shape {patterns.shape}."
            )
        if is_frame(X):
            check_values(X, positions, patterns)
        self.n_groups_, self.positions_, self.patterns_ = n_groups, positions, patterns
        return self

    def stamp(self, X, codes):
        check_is_fitted(self, "patterns_")
        for code, pattern in enumerate(self.patterns_):
            X = set_columns(X, codes == code, self.positions_, pattern)
        return X


def check_values(X, positions, patterns):
    """Refuse values that columns of a frame cannot hold as they are."""
    names, marked = column_names(X), np.arange(X.shape[0]) == 0
    for position, values in zip(positions, patterns.T):
        column = safe_indexing(X, [position], axis=1)
        before = nw.from_native(column, eager_only=True)[:, 0]
        for value in values:
            try:
                changed = set_columns(column, marked, [0], [value])
                after = nw.from_native(changed, eager_only=True)[:, 0]
                fits = _keeps_kind(before.dtype, after.dtype, value) and _is(
                    after[0], value
                )
            except Exception:  # whatever a library makes of a value that does not fit
                fits = False
            if not fits:
                raise ValueError(
                    f"Column {names[position]!r} cannot be set to {value!r}: it holds "
                    f"{_describe(before)}."
                )


def _keeps_kind(before, after, value):
    """Tell whether a column is of the same type, or of longer floats, as pandas prefers."""
    if before == after:
        return True
    both_are_floats = before.is_float() and after.is_float()
    return both_are_floats and abs(value) <= np.finfo(np.float32).max


def _is(taken, value):
    """Tell whether a column has taken a value, as far as its floats can hold it."""
    if pd.isna(value) or pd.isna(taken):
        return bool(pd.isna(value) and pd.isna(taken))
    if isinstance(value, Real) and isinstance(taken, Real):
        return bool(np.isclose(float(taken), float(value), rtol=FLOAT_ERROR, atol=0))
    return bool(taken == value)


def _describe(column):
    """Say what a column holds."""
    native = column.to_native()
    if column.dtype == nw.Enum:
        return f"the categories {list(column.dtype.categories)}"
    if column.dtype == nw.Categorical and isinstance(native, pd.Series):
        return f"the categories {native.cat.categories.tolist()}"
    return f"values of type {native.dtype}"
