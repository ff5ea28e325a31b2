"""Artificial bias: how often each class meets each group's trigger.

Everything here is NumPy; no estimator is in sight.
"""

import warnings

import numpy as np

from ._groups import UNKNOWN_GROUP

FEW_ROWS = 5
PSEUDO_ROWS = 1.0


def count_cells(y, groups, n_classes, n_groups):
    """Count the rows of each class in each group.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Class codes.

    groups : ndarray of shape (n_samples,)
        Group codes; rows of unknown group (-1) are left out.

    n_classes, n_groups : int
        Numbers of classes and groups.

    Returns
    -------
    counts : ndarray of shape (n_classes, n_groups)
        Numbers of rows.
    """
    known = groups != UNKNOWN_GROUP
    counts = np.zeros((n_classes, n_groups))
    np.add.at(counts, (y[known], groups[known]), 1)
    return counts


def warn_of_small_cells(counts, classes, group_labels):
    """Warn of the (class, group) cells from which little can be learned.

    Parameters
    ----------
    counts : ndarray of shape (n_classes, n_groups)
        Rows per cell.

    classes : ndarray of shape (n_classes,)
        Class labels, to name the cells.

    group_labels : ndarray of shape (n_groups,)
        Group labels, to name the cells.
    """
    small = [
        f"class {classes[k]!s} in group {group_labels[g]!s}: {int(counts[k, g])} row(s)"
        for k, g in np.argwhere(counts < FEW_ROWS)
    ]
    if small:
        warnings.warn(
            f"Few rows (fewer than {FEW_ROWS}) in: {'; '.join(small)}. Their injection "
            "rates are smoothed and uncertain; consider merging groups.",
            UserWarning,
            stacklevel=3,
        )


def group_rates(counts):
    """Estimate P(group | class), with no entry equal to zero.

    One pseudo-row per class, spread over the groups as all rows are, keeps empty
    cells positive and leaves well-filled cells as they are. A group with no row at
    all shares in the spread through a pseudo-row of its own.

    Parameters
    ----------
    counts : ndarray of shape (n_classes, n_groups)
        Rows per cell.

    Returns
    -------
    rates : ndarray of shape (n_classes, n_groups)
        Rates; each row sums to one.
    """
    spread = counts.sum(axis=0) + PSEUDO_ROWS / counts.shape[1]
    smoothed = counts + PSEUDO_ROWS * spread / spread.sum()
    return smoothed / smoothed.sum(axis=1, keepdims=True)


def mirror_rates(counts):
    """Let triggers meet classes as the groups do: the paper's active rule.

    Parameters
    ----------
    counts : ndarray of shape (n_classes, n_groups)
        Rows per cell.

    Returns
    -------
    rates : ndarray of shape (n_classes, n_groups)
        ``P(group | class)``.
    """
    return group_rates(counts)


def balanced_rates(counts):
    """Choose rates whose reversal cancels the data's bias exactly.

    With two classes and two groups, trigger ``g`` meets class ``k`` as often as the
    *other* group occurs in the *other* class. Reversed, it multiplies the odds of
    both groups by the inverse of what group membership does, and no base rate moves.

    Parameters
    ----------
    counts : ndarray of shape (2, 2)
        Rows per cell.

    Returns
    -------
    rates : ndarray of shape (2, 2)
        Rates; each row sums to one.

    Raises
    ------
    ValueError
        If there are more than two classes or more than two groups.
    """
    if counts.shape != (2, 2):
        n_classes, n_groups = counts.shape
        raise ValueError(
            "injection='balanced' is defined for two classes and two groups only, got "
            f"{n_classes} classes and {n_groups} groups. Use injection='mirror'."
        )
    return group_rates(counts)[::-1, ::-1].copy()


INJECTIONS = {"mirror": mirror_rates, "balanced": balanced_rates}


def draw_triggers(y, rates, random_state):
    """Draw a trigger for each row from the rates of its class.

    Inside a class the triggers are dealt out in exact proportion to the rates (up
    to rounding) and in random order, so that the draw adds no noise to the rates.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Class codes.

    rates : ndarray of shape (n_classes, n_groups)
        Injection rates.

    random_state : numpy.random.RandomState
        Source of randomness.

    Returns
    -------
    triggers : ndarray of shape (n_samples,), dtype=int64
        Trigger codes, independent of the rows' real groups given their class.
    """
    triggers = np.empty(len(y), dtype=np.int64)
    for k, class_rates in enumerate(rates):
        rows = np.flatnonzero(y == k)
        quantiles = (np.arange(len(rows)) + random_state.uniform()) / max(len(rows), 1)
        dealt = np.searchsorted(np.cumsum(class_rates)[:-1], quantiles, side="right")
        triggers[rows] = random_state.permutation(dealt)
    return triggers
