"""Whether what belongs together lies in the same order."""

from itertools import combinations

import pandas as pd

from ..exceptions import RowOrderWarning
from ..utils import warn_user


def check_same_order(**given):
    """Check that pandas objects whose labels are the same have them in the same order.

    Rows are taken by position, as in scikit-learn, so labels in another order would mix up
    rows in silence. Labels that differ wholly say nothing of the order; those that differ
    in part earn a warning. Arguments are named as the user knows them; others than pandas
    objects have no labels and are left out.
    """
    labelled = {
        name: value.index
        for name, value in given.items()
        if isinstance(value, (pd.Series, pd.DataFrame))
    }
    for (one, index), (other, other_index) in combinations(labelled.items(), 2):
        if len(index) == len(other_index) and not index.equals(other_index):
            _compare(one, index, other, other_index)


def _compare(one, index, other, other_index):
    n_shared = int(index.isin(other_index).sum())
    if n_shared == len(index) and other_index.isin(index).all():
        raise ValueError(
            f"{one} and {other} have the same row labels in another order (first "
            f"{index[:3].tolist()} against {other_index[:3].tolist()}), and rows are taken "
            f"by position. Bring them into one order, {other}.loc[{one}.index], or, if the "
            f"labels do not matter, give {other}.to_numpy()."
        )
    if n_shared:
        warn_user(
            f"{n_shared} of {len(index)} row labels of {one} are also labels of {other}, "
            f"and the others are not. Rows are taken by position; if that is meant, give "
            f"{other}.to_numpy().",
            RowOrderWarning,
        )
