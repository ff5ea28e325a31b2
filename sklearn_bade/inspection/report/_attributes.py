"""The sensitive attributes of a report: each column by itself, and all together."""

from dataclasses import dataclass

import numpy as np

from ..._groups import Groups, find_groups, sensitive_table, sensitive_values
from ...preprocessing import open_fitted
from ...rows import check_same_order

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


def read_attributes(values, cut_points=None):
    """Make groups of each sensitive column, and of all columns together.

    `cut_points` says where other rows were cut, by the position of the column.
    """
    table = sensitive_table(values)
    names = [_name(column, i, table.shape[1]) for i, column in enumerate(table.columns)]
    given = cut_points or {}
    attributes = []
    for i, name in enumerate(names):
        ends = {0: given[i]} if i in given else None
        groups = find_groups(table.iloc[:, [i]], cut_points=ends, least=1)
        attributes.append(Attribute(name, groups))
    if len(names) > 1:
        ends = {
            **given,
            **{
                i: a.groups.cut_points[0]
                for i, a in enumerate(attributes)
                if a.groups.cut_points
            },
        }
        groups = find_groups(table, cut_points=ends, least=1)
        attributes.append(Attribute(INTERSECTION.join(names), groups))
    return attributes


def _name(column, position, n_columns):
    """Name an attribute after its column, if that has a name."""
    if isinstance(column, str):
        return column
    return "sensitive attribute" + (f" {position}" if n_columns > 1 else "")


def find_sensitive_values(estimators, X, y, sensitive_features, sensitive_columns):
    """Find sensitive values of rows, and where training has cut them.

    They are those given, or columns of X, named here or by the first of the estimators that
    names any.
    """
    opened = [open_fitted(estimator, None)[0] for estimator in estimators]
    cut_points = next(
        (e.cut_points_ for e in opened if getattr(e, "cut_points_", None)), None
    )
    if sensitive_features is None:
        columns = sensitive_columns
        if columns is None:
            named = (getattr(each, "sensitive_columns", None) for each in opened)
            columns = next((each for each in named if each is not None), None)
        sensitive_features = sensitive_values(X, columns)
    if sensitive_features is None:
        raise ValueError(
            "No sensitive attribute was given; pass sensitive_features, or name columns of "
            "X by sensitive_columns."
        )
    check_same_order(X=X, y=y, sensitive_features=sensitive_features)
    return sensitive_features, cut_points
