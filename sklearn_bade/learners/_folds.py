"""Folds and draws of rows that leave no class out."""

import warnings

import numpy as np
from sklearn.model_selection import StratifiedKFold

from .._injection import FEW_ROWS

# Positions that are shuffled in full, in 16 MB. Of more rows, the same number is drawn, of
# which a few in a hundred come twice.
MOST_PERMUTED = 2_000_000


def stratified_folds(rows, n_folds, seed):
    """Split rows into folds, stratified by class and group together.

    Returns
    -------
    folds : list of (ndarray, ndarray)
        Positions of training and test rows; an empty list if a class has too few rows.
    """
    if np.bincount(rows.y, minlength=rows.n_classes).min() < n_folds:
        return []
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    strata = rows.y * (len(rows.groups) + 1) + rows.groups.codes + 1
    cells, inverse, counts = np.unique(strata, return_inverse=True, return_counts=True)
    # Cells that are too small to be split go by class alone.
    strata = np.where(counts[inverse] < n_folds, -1 - rows.y, cells[inverse])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return list(splitter.split(strata, strata))


def draw_rows(y, n_rows, seed):
    """Draw positions of about `n_rows` rows, and of some rows of each class."""
    order = random_order(len(y), seed)
    drawn = [order[:n_rows]]
    for k in np.unique(y):
        members = order[y[order] == k][:FEW_ROWS]
        drawn.append(members if len(members) else np.flatnonzero(y == k)[:FEW_ROWS])
    return np.unique(np.concatenate(drawn))


def draw_positions(n_rows, n_drawn, seed):
    """Draw positions of so many rows, or take all where there are no more; they ascend."""
    if n_rows <= n_drawn:
        return np.arange(n_rows)
    return np.unique(random_order(n_rows, seed)[:n_drawn])


def random_order(n_rows, seed):
    """Bring positions into random order; of very many rows, draw some instead."""
    rng = np.random.RandomState(seed)
    if n_rows > MOST_PERMUTED:
        return rng.randint(n_rows, size=MOST_PERMUTED)
    return rng.permutation(n_rows)
