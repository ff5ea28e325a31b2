"""Sensitive columns: where they are, what groups they make.

A group is a combination of the values of one or several sensitive columns.
Rows with a missing value belong to no group and get the code -1.
"""

from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from ._compat import is_tensor, safe_indexing
from .exceptions import CutGroupsWarning
from .rows import (
    ColumnarRows,
    column_names,
    frame_to_pandas,
    is_frame,
    open_features,
    read_all,
)
from .utils import warn_user

# Where a column must be cut and the user has not said into how many groups: the fewest.
DEFAULT_BINS = 2
# Numeric columns with more distinct values may be cut into bins. Not tuned: ages in years
# and incomes lie above it, codes of a survey's answers mostly below.
MAX_DISTINCT_VALUES = 10
# With more groups than this, or than half of the rows, an attribute is an identifier.
MANY_GROUPS = 50
# Combinations of values that are counted without sorting, in 8 MB.
MOST_COUNTED = 10**6
# Rows that are counted at once, in 8 MB.
COUNTED_AT_ONCE = 2**20
UNKNOWN_GROUP = -1  # what pandas.factorize gives to missing values
NO_TRIGGER = -1  # the mark of no group


@dataclass(frozen=True)
class Groups:
    """The group of each row, as a position in `labels`; -1 where it is unknown.

    `memberships`, of shape (n_samples, n_groups), says how likely each row belongs to each
    group; None where nobody has asked yet. `cut_points` holds, by the position of the
    sensitive column, the ends of the intervals that a column of many numbers was cut into.
    """

    codes: np.ndarray
    labels: np.ndarray
    cut_points: dict
    memberships: np.ndarray | None = None

    def __len__(self):
        return len(self.labels)

    @property
    def is_known(self):
        """Which rows have a known group."""
        return self.codes != UNKNOWN_GROUP

    @property
    def values(self):
        """Label of each row's group; only for rows of known group."""
        return self.labels[self.codes]

    @property
    def names(self):
        """What to call the groups in tables and pictures: unique, values where possible."""
        labels = self.labels.tolist()
        plain = [
            ", ".join(map(str, label)) if isinstance(label, tuple) else label
            for label in labels
        ]
        shown = [str(name) for name in plain]
        return [
            name if shown.count(text) == 1 else repr(label)
            for name, text, label in zip(plain, shown, labels)
        ]

    def take(self, positions):
        """Select rows."""
        memberships = None if self.memberships is None else self.memberships[positions]
        return replace(self, codes=self.codes[positions], memberships=memberships)

    def with_memberships(self, memberships):
        """Return the same groups, with what is believed of rows of unknown group."""
        return replace(self, memberships=memberships)


def locate_columns(X, columns, parameter="sensitive_columns"):
    """Find the positions of columns in `X`, given by name or position, or a list of these.

    Messages call them `parameter`, as the user does, and list what X has.
    """
    names = column_names(X)
    is_one = isinstance(columns, tuple) and names is not None and columns in names
    listed = columns if isinstance(columns, (list, tuple)) and not is_one else [columns]
    if not listed:
        raise ValueError(f"{parameter} is an empty list; name at least one column.")
    positions = [_locate_column(X, names, one, parameter) for one in listed]
    if len(set(positions)) < len(positions):
        raise ValueError(f"{parameter}={columns!r} names a column twice.")
    return positions


def _locate_column(X, names, column, parameter):
    if isinstance(column, Integral) and not isinstance(column, (bool, np.bool_)):
        return _locate_position(X, names, int(column), parameter)
    if not isinstance(column, (str, tuple)):
        raise ValueError(
            f"{parameter}={column!r} is neither the name of a column nor its position, an "
            f"integer; it is of type {type(column).__name__}."
        )
    if names is None:
        raise ValueError(
            f"{parameter}={column!r} is a column name, but X is a "
            f"{type(X).__name__} without column names. Give the position of the "
            f"column (0 to {X.shape[1] - 1}) or pass a dataframe."
        )
    if names.count(column) == 1:
        return names.index(column)
    if column in names:
        raise ValueError(
            f"{parameter}={column!r} names {names.count(column)} columns of X, at the "
            f"positions {[i for i, n in enumerate(names) if n == column]}. Give the "
            "position."
        )
    if column in getattr(getattr(X, "index", None), "names", []):
        raise ValueError(
            f"{parameter}={column!r} is a level of the row index and not a column of X. "
            f"Make it one, X.reset_index({column!r}), or read it by a callable, "
            f"{parameter}=lambda X: X.index.get_level_values({column!r})."
        )
    raise ValueError(
        f"{parameter}={column!r} is not a column of X. The columns are: {names}. Values "
        "that are no column of X are given as sensitive_features."
    )


def _locate_position(X, names, position, parameter):
    """Check a position, which may look like the name of another column."""
    n_features = X.shape[1]
    if names is not None and names != list(range(n_features)) and position in names:
        inside = -n_features <= position < n_features
        at_position = f"the one called {names[position]!r}" if inside else "none"
        raise ValueError(
            f"{parameter}={position} could mean the column that is called {position}, at "
            f"position {names.index(position)}, or the column at position {position}, "
            f"{at_position}. Give the columns of X names that are text, or number them "
            "from 0 in their order."
        )
    if not -n_features <= position < n_features:
        raise ValueError(
            f"{parameter}={position} is out of range: X has "
            f"{n_features} feature(s), so positions run from 0 to "
            f"{n_features - 1}."
        )
    return position % n_features


def locate_sensitive_columns(X, columns):
    """Find the sensitive columns to remove: none where a callable reads the values."""
    if columns is None or callable(columns):
        return []
    if len(X.shape) > 2:
        raise ValueError(
            f"sensitive_columns={columns!r} names a column, and X has "
            f"shape {X.shape}. Leave it out, and give the sensitive values as "
            "fit(X, y, sensitive_features=...)."
        )
    return locate_columns(X, columns)


def sensitive_values(X, columns):
    """Read the values of named columns, or what a callable makes of X; None without."""
    if columns is None:
        return None
    X = open_features(X)
    if isinstance(X, ColumnarRows):
        return _read_sensitive(X, columns)
    if callable(columns):
        return columns(read_all(X))
    return safe_indexing(X, locate_sensitive_columns(X, columns), axis=1)


def _read_sensitive(X, columns):
    """Read the sensitive values of rows that are read batch by batch."""
    if callable(columns):
        parts = [call_on_part(columns, frame) for frame in X.frames()]
        return pd.concat(parts, ignore_index=True)
    positions = locate_sensitive_columns(X, columns)
    return X.read([X.columns[position] for position in positions])


def call_on_part(function, frame):
    """Read the sensitive values of some rows, which must not depend on the others."""
    table, half = sensitive_table(function(frame)), len(frame) // 2
    if not half:
        return table
    # By value: types may follow from what other rows hold.
    of_all = table[:half].astype(object).to_numpy()
    alone = sensitive_table(function(frame[:half])).astype(object).to_numpy()
    is_equal = (of_all == alone) | (pd.isna(of_all) & pd.isna(alone))
    if not is_equal.all():
        raise ValueError(
            "sensitive_columns is a callable that says something else of a row where other "
            "rows come along, as quantiles and means do. It gets some rows of X at a time, "
            "a batch or a partition: name the column, and give n_bins to have it cut."
        )
    return table


def sensitive_table(values):
    """Put sensitive values of any container into a pandas frame with a fresh index."""
    if isinstance(values, (pd.DataFrame, pd.Series, pd.Index)):
        return pd.DataFrame(values).reset_index(drop=True).infer_objects()
    if is_frame(values):
        return frame_to_pandas(values)
    if issparse(values):
        values = values.toarray()
    if isinstance(values, dict):
        return pd.DataFrame(values).infer_objects()
    if isinstance(values, np.ma.MaskedArray):  # what is masked is missing
        values = np.where(np.ma.getmaskarray(values), None, values.data.astype(object))
    if is_tensor(values):
        values = values.detach().cpu().numpy()
    if not hasattr(values, "__array__") and hasattr(values, "__iter__"):
        values = values if isinstance(values, str) else list(values)
    if isinstance(values, list):  # NumPy would turn mixed ones into strings
        return pd.DataFrame(values).infer_objects()
    values = np.asarray(values)
    if values.ndim == 0:
        raise ValueError(
            f"sensitive_features={values.item()!r} is no array of one value per row. To "
            "name a column of X, give it to the constructor, sensitive_columns=..."
        )
    if values.ndim > 2:
        raise ValueError(
            "sensitive_features must have one or two dimensions, got an array of "
            f"shape {values.shape}."
        )
    return pd.DataFrame(values).infer_objects()


def find_groups(table, n_bins=None, *, cut_points=None, least=2):
    """Divide rows into groups by their sensitive values, see :func:`sensitive_table`.

    Parameters
    ----------
    table : pandas.DataFrame of shape (n_samples, n_columns)
        Sensitive values.

    n_bins : int, default=None
        Number of quantile intervals for a numeric column of more than
        `MAX_DISTINCT_VALUES` values. None cuts those that are measurements, into two, and
        says so; whole numbers are categories then.

    cut_points : dict, default=None
        Where other data were cut, see :class:`Groups`; these columns are cut there.

    least : int, default=2
        Number of groups that there must be.

    Returns
    -------
    groups : Groups
        Labels are values, or tuples of values for several columns, in sorted order;
        intervals appear as strings such as ``"(17.0, 37.0]"``, in numeric order, of which
        the outer ones are open, as in ``"(-inf, 17.0]"``.
    """
    if not table.shape[1]:
        raise ValueError("The sensitive attribute has no column.")
    given = cut_points or {}
    columns = [
        _encode_column(table.iloc[:, i], n_bins, given.get(i))
        for i in range(table.shape[1])
    ]
    known = np.logical_and.reduce([codes != UNKNOWN_GROUP for codes, *_ in columns])
    are_known = slice(None) if known.all() else known
    combined, labels = combine_columns(
        [column[are_known] for column, *_ in columns],
        [values for _, values, _ in columns],
        known.sum(),
        least,
    )
    codes = np.full(len(table), UNKNOWN_GROUP, dtype=np.int32)
    codes[are_known] = combined
    return Groups(
        codes, labels, {i: ends for i, (*_, ends) in enumerate(columns) if ends is not None}
    )


def group_as_trained(values, estimator):
    """Cut sensitive values where those of a fitted debiaser's training data were cut.

    Values of columns that were not cut stay as they are.
    """
    cut_points = getattr(estimator, "cut_points_", None)
    if not cut_points:
        return values
    groups = find_groups(sensitive_table(values), cut_points=cut_points, least=1)
    labels = np.array([*groups.labels, None], dtype=object)  # the last is that of -1
    return labels[groups.codes]


def combine_columns(codes_per_column, values_per_column, n_known, least=2):
    """Give numbers to the combinations that occur, in the order of their columns' codes.

    `n_known` rows have any; there must be at least so many combinations.
    """
    if not n_known:
        raise ValueError(
            "The sensitive attribute is missing in every row; at least "
            f"{'two groups' if least > 1 else 'one group'} with known rows "
            f"{'are' if least > 1 else 'is'} needed."
        )
    combined, labels = _combine(codes_per_column, values_per_column)
    _check_number_of_groups(labels, n_known, least)
    return combined, labels


def _combine(codes_per_column, values_per_column):
    combined, labels, n_before = 0, [], 1
    for codes, values in zip(codes_per_column, values_per_column):
        codes = codes.astype(np.min_scalar_type(-n_before * len(values) - 1))
        combined, present = _number(combined * len(values) + codes)
        before, last = np.divmod(present, len(values))
        labels = [*(each[before] for each in labels), np.asarray(values)[last]]
        n_before = len(present)
    if len(labels) == 1:
        return combined, labels[0]
    groups = np.empty(len(present), dtype=object)
    groups[:] = list(zip(*labels))
    return combined, groups


def _number(values):
    """Replace whole numbers by their ranks; return these, and the numbers that occur.

    Where numbers are small, counting them takes less memory than sorting.
    """
    if values.max(initial=0) > MOST_COUNTED:
        return pd.factorize(values, sort=True)
    present = np.flatnonzero(_count(values, values.max(initial=-1) + 1))
    ranks = np.zeros(present.max(initial=-1) + 1, dtype=values.dtype)
    ranks[present] = np.arange(len(present))
    return ranks[values], present


def _count(codes, n_codes):
    """Count codes from 0 to `n_codes` - 1, some at a time: NumPy widens what it counts."""
    counts = np.zeros(n_codes, dtype=np.int64)
    for start in range(0, len(codes), COUNTED_AT_ONCE):
        part = codes[start : start + COUNTED_AT_ONCE]
        counts += np.bincount(part, minlength=n_codes)
    return counts


def _check_number_of_groups(labels, n_known, least):
    if len(labels) > max(MANY_GROUPS, n_known / 2):
        raise ValueError(
            f"The sensitive attribute has {len(labels)} groups among {n_known} rows; "
            "it seems to be an identifier. Give an attribute that many rows share, or, for "
            "a measurement, the number of intervals, n_bins."
        )
    if len(labels) < least:
        raise ValueError(
            "The sensitive attribute has only one group: every known row has the "
            f"value {labels[0]!r}. Debiasing compares at least two groups."
        )


def _encode_column(column, n_bins, cut_points):
    """Return codes, the values they stand for, and where the column was cut, if it was."""
    check_values(column)
    if cut_points is not None:
        return *cut_column(column, cut_points), cut_points
    if holds_numbers(column) and is_cut(column, column.nunique(), n_bins):
        cut_points = _find_cut_points(to_floats(column), n_bins or DEFAULT_BINS)
        if n_bins is None:
            warn_of_cut(column.name, column.nunique(), cut_points)
        return *cut_column(column, cut_points), cut_points
    return *factorize_column(column), None


def factorize_column(column):
    """Return codes, and the sorted values that they stand for."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.cat.remove_unused_categories()
        return column.cat.codes.to_numpy(), np.asarray(column.cat.categories)
    try:
        codes, values = pd.factorize(column, sort=True)
    except TypeError:
        codes, values = _factorize_mixed(column)
    return codes, np.asarray(values)


def holds_numbers(column):
    """Tell whether a column could be cut into intervals."""
    is_number = pd.api.types.is_numeric_dtype(column)
    return is_number and not pd.api.types.is_bool_dtype(column)


def is_cut(column, n_distinct, n_bins):
    """Tell whether numbers are measurements, or such as the user wants cut.

    Of the column, some of the `n_distinct` values will do, among them one that is no whole
    number if there is any.
    """
    if n_bins is not None or n_distinct <= MAX_DISTINCT_VALUES:
        return n_distinct > MAX_DISTINCT_VALUES
    if pd.api.types.is_integer_dtype(column):
        return False
    # Whole numbers are floats where some are missing.
    are_whole = (to_floats(column.dropna()) % 1 == 0).all()
    return not are_whole or n_distinct > MANY_GROUPS


def to_floats(column):
    """Turn a numeric column of any kind into floats, missing values into NaN."""
    return column.to_numpy(dtype=float, na_value=np.nan)


def _find_cut_points(values, n_bins):
    """Find quantiles; where one value is so frequent that they tie, cut beside it.

    The outer intervals are open: the least and the greatest value are those of single rows,
    which a fitted model does not keep.
    """
    values = values[~np.isnan(values)]
    quantiles = np.quantile(values, np.linspace(0, 1, n_bins + 1))
    return place_cuts(quantiles, *np.unique(values, return_counts=True))


def place_cuts(quantiles, distinct, counts):
    """Cut at quantiles of sorted values, which occur so often, or beside a frequent one."""
    ends = np.unique(quantiles)
    if len(ends) > 2:
        return np.array([-np.inf, *ends[1:-1], np.inf])
    frequent = min(int(counts.argmax()), len(distinct) - 2)
    least = distinct[0] if frequent == 0 else -np.inf
    return np.array([least, distinct[frequent], np.inf])


def cut_column(column, ends):
    """Cut numbers into intervals, the outer ones of which take all that lies beyond."""
    if not pd.api.types.is_numeric_dtype(column):
        column = pd.to_numeric(column)
    values = to_floats(column)
    codes = np.searchsorted(ends[1:-1], values, side="left")
    codes[np.isnan(values)] = UNKNOWN_GROUP
    return codes, interval_names(ends)


def interval_names(ends):
    """Name intervals as pandas does; one of a single value by that value."""
    if ends[0] == ends[1]:
        return np.array([f"{ends[0]:g}", *interval_names(ends[1:])], dtype=object)
    intervals = pd.cut(pd.Series(ends), ends, include_lowest=len(ends) > 2)
    return np.array([str(interval) for interval in intervals.cat.categories], dtype=object)


def warn_of_cut(name, n_distinct, ends):
    """Say where a column was cut that nobody asked to be cut."""
    named = f"column {name!r} of the " if isinstance(name, str) else ""
    warn_user(
        f"The {named}sensitive attribute has {n_distinct} different numbers and was "
        f"cut into the groups {', '.join(interval_names(ends))}. Give text for "
        "groups of your own, or, to a debiaser, n_bins for more of them.",
        CutGroupsWarning,
    )


def _factorize_mixed(column):
    """Factorize values that cannot be compared, ordered by their text."""
    codes, values = pd.factorize(column)
    order = sorted(range(len(values)), key=lambda i: (str(values[i]), str(type(values[i]))))
    rank = np.empty(len(values) + 1, dtype=np.int64)
    rank[order] = np.arange(len(values))
    rank[UNKNOWN_GROUP] = UNKNOWN_GROUP
    return rank[codes], np.asarray(values, dtype=object)[order]


def check_values(column):
    if pd.api.types.is_float_dtype(column) and np.isinf(to_floats(column)).any():
        raise ValueError(
            "The sensitive attribute contains infinity. Missing values may be NaN "
            "or None; infinite values have no group."
        )
    if pd.api.types.is_object_dtype(column):
        for value in column:
            if isinstance(value, (dict, list, set, np.ndarray)):
                raise TypeError(
                    "A sensitive attribute's argument must be a string or a number "
                    f"in every row, got {value!r} of type {type(value).__name__}."
                )
