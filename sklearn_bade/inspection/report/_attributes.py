"""The sensitive attributes of a report: each column by itself, and all together."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..._groups import Groups, find_groups, sensitive_table, sensitive_values
from ...preprocessing import open_fitted

# What joins the names of attributes whose combinations are groups.
INTERSECTION = " and "


@dataclass
class Attribute:
    """One sensitive attribute, or the intersection of several.

    Attributes
    ----------
    name : str
        What to call it.

    groups : Groups
        Its groups, and that of each row.
    """

    name: str
    groups: Groups

    @property
    def n_unknown(self):
        """Rows that belong to no group, since a value is missing."""
        return int(np.sum(~self.groups.is_known))


def read_attributes(values, cut_points=None, *, are_own=True):
    """Make groups of each sensitive column, and of all columns together.

    `cut_points` says where training has cut columns, by their position; `are_own` that
    these are the columns of training. Columns of numbers that a user has given are cut
    there too, unless they hold two values, which stand for groups of their own.
    """
    table = sensitive_table(values)
    ends = {
        i: points
        for i, points in (cut_points or {}).items()
        if i < table.shape[1] and (are_own or _may_be_cut(table.iloc[:, i]))
    }
    names = _names(table.columns)
    attributes = []
    for i, name in enumerate(names):
        own_ends = {0: ends[i]} if i in ends else None
        groups = find_groups(table.iloc[:, [i]], cut_points=own_ends, least=1)
        attributes.append(Attribute(name, groups))
    is_known = np.logical_and.reduce([each.groups.is_known for each in attributes])
    if len(names) > 1 and is_known.any():
        cuts = [each.groups.cut_points for each in attributes]
        ends = {i: each[0] for i, each in enumerate(cuts) if each}
        groups = find_groups(table, cut_points=ends, least=1)
        attributes.append(Attribute(INTERSECTION.join(names), groups))
    return attributes


def _may_be_cut(column):
    return pd.api.types.is_numeric_dtype(column) and column.nunique() > 2


def _names(columns):
    """Name attributes after their columns, if these have names, and no two alike."""
    several = len(columns) > 1
    names = [
        column
        if isinstance(column, str)
        else "sensitive attribute" + (f" {i}" if several else "")
        for i, column in enumerate(columns)
    ]
    return [
        name if names.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(names)
    ]


def find_sensitive_values(estimators, X, sensitive_features, sensitive_columns):
    """Find sensitive values of rows, and where training has cut them.

    They are those given, or columns of X, named here or by the first of the estimators that
    names any; what comes before that one in a pipeline is applied to X.

    Returns
    -------
    values, cut_points : array-like or dataframe, and dict or None
        Values, and where training has cut them.

    are_own : bool
        Whether these are the very columns of training.
    """
    opened = [open_fitted(estimator, None)[0] for estimator in estimators]
    cuts = [getattr(each, "cut_points_", None) for each in opened]
    cut_points = next(filter(None, cuts), None)
    if sensitive_features is not None:
        return sensitive_features, cut_points, False
    if sensitive_columns is not None:
        return sensitive_values(X, sensitive_columns), cut_points, False
    for estimator, debiaser, ends in zip(estimators, opened, cuts):
        columns = getattr(debiaser, "sensitive_columns", None)
        if columns is not None:
            return sensitive_values(open_fitted(estimator, X)[1], columns), ends, True
    raise ValueError(
        "No sensitive attribute was given; pass sensitive_features, or name columns of "
        "X by sensitive_columns."
    )
