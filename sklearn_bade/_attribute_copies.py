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
        if i not in hidden_columns and is_copy(_read_column(X, i), table)
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
        if any(
            _is_one_to_one(_known_codes(rows.iloc[:, i], each)) for _, each in table.items()
        )
    ]


def is_copy(values, table, n_rows=None):
    """Tell whether each value stands for one of a sensitive column, and the reverse.

    Rows that are alike may be given once, if `n_rows` says how many there are.
    """
    return any(
        _go_together(_known_codes(values, each), n_rows) for _, each in table.items()
    )


def _first_rows(X):
    """Take some of the first rows; of those that lie in files, no others are read."""
    if isinstance(X, ColumnarRows):
        return next(X.frames()).iloc[:N_PROBED]
    return take_rows(X, np.arange(min(N_PROBED, X.shape[0])))


def _read_column(X, position):
    if isinstance(X, ColumnarRows):
        return X.read([X.columns[position]]).iloc[:, 0]
    # By its position: numbers that are names would be taken for either.
    return sensitive_table(safe_indexing(X, [position], axis=1)).iloc[:, 0]


def _known_codes(values, others):
    """Give numbers to the values of two columns; leave out rows where one is missing."""
    codes = np.column_stack([pd.factorize(each)[0] for each in (values, others)])
    return codes[(codes != UNKNOWN_GROUP).all(axis=1)]


def _go_together(codes, n_rows):
    """Tell whether two columns are one to one, and not by chance or by nature."""
    n_rows = len(codes) if n_rows is None else n_rows
    if n_rows < LEAST_ROWS:
        return False
    n_distinct = len(np.unique(codes[:, 0]))
    return 2 <= n_distinct <= n_rows / LEAST_ROWS_OF_VALUE and _is_one_to_one(codes)


def _is_one_to_one(codes):
    n_pairs = len(np.unique(codes, axis=0))
    return all(len(np.unique(each)) == n_pairs for each in codes.T)
