"""Sensitive columns: where they are, what groups they make.

A group is a combination of the values of one or several sensitive columns.
Rows with a missing value belong to no group and get the code -1.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ._compat import safe_indexing
from .rows import frame_to_pandas, is_frame, read_all

DEFAULT_BINS = 2  # the fewest groups that can be compared
# Numeric columns with more distinct values are cut into bins. Not tuned: ages in years
# and incomes lie above it, codes of a survey's answers mostly below.
MAX_DISTINCT_VALUES = 10
# With more groups than this, or than half of the rows, an attribute is an identifier.
MANY_GROUPS = 50
UNKNOWN_GROUP = -1  # what pandas.factorize gives to missing values
NO_TRIGGER = -1  # the mark of no group


@dataclass(frozen=True)
class Groups:
    """The group of each row, as a position in `labels`; -1 where it is unknown.

    `memberships`, of shape (n_samples, n_groups), says how likely each row belongs to each
    group; None where nobody has asked yet. `cut_points` holds, for each sensitive column
    of many numbers, the ends of the intervals that it was cut into.
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
    listed = columns if isinstance(columns, (list, tuple)) else [columns]
    if not listed:
        raise ValueError(f"{parameter} is an empty list; name at least one column.")
    positions = [_locate_column(X, one, parameter) for one in listed]
    if len(set(positions)) < len(positions):
        raise ValueError(f"{parameter}={columns!r} names a column twice.")
    return positions


def _locate_column(X, column, parameter):
    n_features = X.shape[1]
    if not isinstance(column, str):
        if not -n_features <= column < n_features:
            raise ValueError(
                f"{parameter}={column} is out of range: X has "
                f"{n_features} feature(s), so positions run from 0 to "
                f"{n_features - 1}."
            )
        return int(column) % n_features
    if not is_frame(X):
        raise ValueError(
            f"{parameter}={column!r} is a column name, but X is a "
            f"{type(X).__name__} without column names. Give the position of the "
            f"column (0 to {n_features - 1}) or pass a dataframe."
        )
    names = list(X.columns)
    if column not in names:
        raise ValueError(
            f"{parameter}={column!r} is not a column of X. The columns are: {names}."
        )
    return names.index(column)


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
    if callable(columns):
        return columns(read_all(X))
    return safe_indexing(X, locate_sensitive_columns(X, columns), axis=1)


def sensitive_table(values):
    """Put sensitive values of any container into a pandas frame with a fresh index."""
    if isinstance(values, (pd.DataFrame, pd.Series)):
        return pd.DataFrame(values).reset_index(drop=True).infer_objects()
    if is_frame(values):
        return frame_to_pandas(values)
    if isinstance(values, (list, tuple)):  # NumPy would turn mixed ones into strings
        return pd.DataFrame(list(values)).infer_objects()
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


def find_groups(table, n_bins=DEFAULT_BINS):
    """Divide rows into groups by their sensitive values, see :func:`sensitive_table`.

    Labels are values, or tuples of values for several columns, in sorted order. A numeric
    column of more than `MAX_DISTINCT_VALUES` values is cut into `n_bins` quantile
    intervals, which appear as strings such as ``"(17.0, 37.0]"``.
    """
    columns = [_encode_column(table[name], n_bins) for name in table.columns]
    shape = [len(values) for _, values, _ in columns]
    known = np.logical_and.reduce([codes != UNKNOWN_GROUP for codes, *_ in columns])
    if not known.any():
        raise ValueError(
            "The sensitive attribute is missing in every row; at least two groups "
            "with known rows are needed."
        )
    cells = np.ravel_multi_index([codes[known] for codes, *_ in columns], shape)
    codes = np.full(len(table), UNKNOWN_GROUP, dtype=np.int64)
    codes[known], cells = pd.factorize(cells, sort=True)
    combinations = np.column_stack(np.unravel_index(cells, shape))
    labels = _group_labels(combinations, [values for _, values, _ in columns])
    _check_number_of_groups(labels, known.sum())
    cut_points = {
        name: ends for name, (_, _, ends) in zip(table.columns, columns) if ends is not None
    }
    return Groups(codes, labels, cut_points)


def _check_number_of_groups(labels, n_known):
    if len(labels) > max(MANY_GROUPS, n_known / 2):
        raise ValueError(
            f"The sensitive attribute has {len(labels)} groups among {n_known} rows; "
            "it seems to be an identifier. Give an attribute that many rows share."
        )
    if len(labels) < 2:
        raise ValueError(
            "The sensitive attribute has only one group: every known row has the "
            f"value {labels[0]!r}. Debiasing compares at least two groups."
        )


def _group_labels(combinations, values_per_column):
    """Name each combination of column codes by its values."""
    labels = [values[codes] for values, codes in zip(values_per_column, combinations.T)]
    if len(labels) == 1:
        return np.asarray(labels[0])
    groups = np.empty(len(combinations), dtype=object)
    groups[:] = list(zip(*labels))
    return groups


def _encode_column(column, n_bins):
    """Return codes, the values they stand for, and where the column was cut, if it was."""
    _check_values(column)
    ends = None
    if _is_continuous(column):
        column, ends = pd.qcut(
            column.astype(float), n_bins, duplicates="drop", retbins=True
        )
        column = column.astype(object).map(str, na_action="ignore")
    try:
        codes, values = pd.factorize(column, sort=True)
    except TypeError:
        codes, values = _factorize_mixed(column)
    return codes, np.asarray(values), ends


def _factorize_mixed(column):
    """Factorize values that cannot be compared, ordered by their text."""
    codes, values = pd.factorize(column)
    order = sorted(range(len(values)), key=lambda i: (str(values[i]), str(type(values[i]))))
    rank = np.empty(len(values) + 1, dtype=np.int64)
    rank[order] = np.arange(len(values))
    rank[UNKNOWN_GROUP] = UNKNOWN_GROUP
    return rank[codes], np.asarray(values, dtype=object)[order]


def _is_continuous(column):
    is_number = pd.api.types.is_numeric_dtype(column)
    is_bool = pd.api.types.is_bool_dtype(column)
    return is_number and not is_bool and column.nunique() > MAX_DISTINCT_VALUES


def _check_values(column):
    if pd.api.types.is_float_dtype(column) and np.isinf(column.astype(float)).any():
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
