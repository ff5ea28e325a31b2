"""Folds and draws of rows that leave no class out."""

import warnings

import numpy as np
from sklearn.model_selection import StratifiedKFold

from .._injection import FEW_ROWS


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
    order = np.random.RandomState(seed).permutation(len(y))
    some_of_each = [order[y[order] == k][:FEW_ROWS] for k in np.unique(y)]
    return np.unique(np.concatenate([order[:n_rows], *some_of_each]))
