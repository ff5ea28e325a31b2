"""Columns of X that hold the sensitive attribute, although the student will see them."""

import numpy as np
import pandas as pd

from ._compat import safe_indexing
from ._groups import UNKNOWN_GROUP, sensitive_table
from .exceptions import VisibleAttributeWarning
from .rows import ColumnarRows, column_names, is_frame, take_rows
from .utils import warn_user

# Rows that rule out most columns before any is read as a whole. Not tuned.
N_PROBED = 1000
# With fewer rows, columns may go together by chance: two of two values do so in one of
# half a thousand million draws of thirty.
LEAST_ROWS = 30
# Rows for each value, on average: columns of values that hardly repeat go together by
# nature. Not tuned.
LEAST_ROWS_OF_VALUE = 5


def warn_of_copies(X, table, hidden_columns):
    """Warn of columns that tell a sensitive column of every row, and are not hidden.

    Measurements whose values hardly repeat are not looked at.

    Parameters
    ----------
    X : frame, ndarray or ColumnarRows
        The rows. Other containers are not looked into.

    table : pandas.DataFrame of shape (n_samples, n_attributes)
        The sensitive values.

    hidden_columns : list of int
        Positions of the columns that the student does not see.
    """
    has_columns = is_frame(X) or isinstance(X, ColumnarRows)
    if not has_columns and not (isinstance(X, np.ndarray) and X.ndim == 2):
        return
    if len(table) < LEAST_ROWS:
        return
    first = _first_rows(X)
    copies = [
        i
        for i in possible_copies(first, table.iloc[: first.shape[0]])
        if i not in hidden_columns and _is_copy(X, i, table)
    ]
    names = column_names(X) or range(X.shape[1])
    tell_of_copies([names[i] for i in copies])


def tell_of_copies(names):
    """Warn of the columns of these names, if there are any."""
    if names:
        warn_user(
            f"The sensitive attribute is still a feature: {names} of X tell it of every "
            "row. The student sees them, needs them to predict, and treats people by them. "
            "Name such columns in sensitive_columns, which takes them away, or leave them "
            "out of X.",
            VisibleAttributeWarning,
        )


def possible_copies(rows, table):
    """Find the positions of columns that some rows do not rule out as copies.

    Where these are of one group, as in sorted files, a column of one value is not.
    """
    rows = sensitive_table(rows)
    return [
        i
        for i in range(rows.shape[1])
        if any(_is_one_to_one(pairs) for pairs in count_pairs(rows.iloc[:, i], table))
    ]


def count_pairs(values, table):
    """Count which values of a column go with which of each sensitive one.

    For each of these, a frame of the columns "value", "other" and "n_rows"; rows where one
    of the two is missing are left out.
    """
    return [_count_pairs(values, each) for _, each in table.items()]


def go_together(parts):
    """Tell whether two columns are one to one, and not by chance or by nature.

    `parts` are counts of pairs in some of the rows each.
    """
    pairs = pd.concat(parts, ignore_index=True)
    n_rows = pairs["n_rows"].sum()
    pairs = pairs.drop_duplicates(["value", "other"])
    is_repeated = 2 <= pairs["value"].nunique() <= n_rows / LEAST_ROWS_OF_VALUE
    return n_rows >= LEAST_ROWS and is_repeated and _is_one_to_one(pairs)


def _is_copy(X, position, table):
    parts, stop = [], 0
    for values in _read_column(X, position):
        start, stop = stop, stop + len(values)
        parts.append(count_pairs(values, table.iloc[start:stop]))
    return any(map(go_together, zip(*parts)))


def _first_rows(X):
    """Take some of the first rows; of those that lie in files, no others are read."""
    if isinstance(X, ColumnarRows):
        return next(X.frames()).iloc[:N_PROBED]
    return take_rows(X, np.arange(min(N_PROBED, X.shape[0])))


def _read_column(X, position):
    """Read a column, in parts where it lies in files."""
    if isinstance(X, ColumnarRows):
        for frame in X.select([X.columns[position]]).frames():
            yield frame.iloc[:, 0]
    else:  # by its position: numbers that are names would be taken for either
        yield sensitive_table(safe_indexing(X, [position], axis=1)).iloc[:, 0]


def _count_pairs(values, others):
    (codes, values), (other_codes, others) = map(pd.factorize, (values, others))
    known = (codes != UNKNOWN_GROUP) & (other_codes != UNKNOWN_GROUP)
    cells = codes[known] * len(others) + other_codes[known]
    cells, n_rows = np.unique(cells, return_counts=True)
    first, second = np.divmod(cells, max(len(others), 1))
    # As objects, values of several parts are equal whatever types these have.
    values, others = (np.asarray(each, dtype=object) for each in (values, others))
    pairs = {"value": values[first], "other": others[second], "n_rows": n_rows}
    return pd.DataFrame(pairs).astype({"value": object, "other": object})


def _is_one_to_one(pairs):
    return all(pairs[name].is_unique for name in ("value", "other"))
