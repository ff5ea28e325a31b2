"""Columns of X that hold the sensitive attribute, although the student will see them."""

import numpy as np
import pandas as pd

from ._groups import UNKNOWN_GROUP, sensitive_table, sensitive_values
from .exceptions import VisibleAttributeWarning
from .rows import column_names, is_frame, take_rows
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
    X : frame or ndarray
        The rows. Other containers are not looked into.

    table : pandas.DataFrame of shape (n_samples, n_attributes)
        The sensitive values.

    hidden_columns : list of int
        Positions of the columns that the student does not see.
    """
    is_table = is_frame(X) or (isinstance(X, np.ndarray) and X.ndim == 2)
    if not is_table or len(table) < LEAST_ROWS:
        return
    copies = [i for i in _find_copies(X, table) if i not in hidden_columns]
    if copies:
        names = column_names(X) or range(X.shape[1])
        warn_user(
            f"The sensitive attribute is still a feature: {[names[i] for i in copies]} of "
            "X tell it of every row. The student sees them, needs them to predict, and "
            "treats people by them. Name such columns in sensitive_columns, which takes "
            "them away, or leave them out of X.",
            VisibleAttributeWarning,
        )


def _find_copies(X, table):
    """Find the positions of columns of X that go one to one with a sensitive column."""
    first = np.arange(min(N_PROBED, len(table)))
    probe, attributes = sensitive_table(take_rows(X, first)), table.iloc[first]
    found = []
    for i in range(probe.shape[1]):
        for j in range(table.shape[1]):
            if _go_together(probe.iloc[:, i], attributes.iloc[:, j]) and _go_together(
                sensitive_table(sensitive_values(X, [i])).iloc[:, 0], table.iloc[:, j]
            ):
                found.append(i)
                break
    return found


def _go_together(values, others):
    """Tell whether each value stands for another one, where both are known and repeat."""
    codes = np.column_stack([pd.factorize(each)[0] for each in (values, others)])
    codes = codes[(codes != UNKNOWN_GROUP).all(axis=1)]
    if len(codes) < LEAST_ROWS:
        return False
    n_distinct = [len(np.unique(each)) for each in codes.T]
    most = len(codes) / LEAST_ROWS_OF_VALUE
    if n_distinct[0] != n_distinct[1] or not 2 <= n_distinct[0] <= most:
        return False
    return len(np.unique(codes, axis=0)) == n_distinct[0]
