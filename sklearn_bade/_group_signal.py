"""What the features say of the group."""

import warnings

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils import _safe_indexing
from torch.nn.functional import adaptive_avg_pool2d

from ._containers import row_slices
from ._groups import UNKNOWN_GROUP, is_dataframe
from ._preprocessing import make_default_preprocessing, to_pandas
from .nets import seeded

FAINT_SIGNAL = 0.02
PROBED_ROWS = 10_000
COARSE_SIDE = 8
# Forests take single precision, and no infinity.
FOREST_RANGE = np.finfo(np.float32).min, np.finfo(np.float32).max


def _make_forest(features, seed):
    """Make a small forest that predicts groups from such features."""
    forest = RandomForestClassifier(30, min_samples_leaf=10, random_state=seed)
    if is_dataframe(features):
        return make_pipeline(make_default_preprocessing(), forest)
    return forest


def _summarize(features, positions, seed):
    """Select rows for a forest; rows of several axes are averaged on a coarse grid."""
    if len(features.shape) <= 2:
        return _without_infinity(_safe_indexing(features, positions))
    parts = row_slices((len(positions), *features.shape[1:]))
    with seeded(seed, "cpu"):  # a dataset may change its rows at random
        return np.concatenate([_coarsen(features[positions[part]]) for part in parts])


def _without_infinity(table):
    """Cut what forests do not take, and classifiers may."""
    if isinstance(table, np.ndarray):
        return np.clip(table, *FOREST_RANGE)
    if not is_dataframe(table):
        return table
    table = to_pandas(table).copy()
    floats = table.select_dtypes("float").replace([np.inf, -np.inf], np.nan)
    table[floats.columns] = floats.clip(*FOREST_RANGE)
    return table


def _coarsen(images):
    """Average the last two axes on a grid, and flatten all."""
    height, width = images.shape[-2:]
    grid = min(height, COARSE_SIDE), min(width, COARSE_SIDE)
    pixels = torch.from_numpy(images).float().reshape(len(images), -1, height, width)
    return adaptive_avg_pool2d(pixels, grid).flatten(1).numpy()


def find_memberships(features, groups, seed):
    """Find how likely each row belongs to each group.

    Parameters
    ----------
    features : {ndarray, sparse matrix, dataframe, LazyRows} of shape (n_samples, ...)
        Features as a learner makes them.

    groups : ndarray of shape (n_samples,)
        Group codes; -1 where unknown.

    seed : int
        Seed of the forest that learns the groups from rows where they are known.

    Returns
    -------
    memberships : ndarray of shape (n_samples, n_groups), dtype=float32
        Rows sum to one; of known groups, they hold a one and zeros.
    """
    n_groups = groups.max() + 1
    unknown = groups == UNKNOWN_GROUP
    memberships = (groups[:, None] == np.arange(n_groups)).astype(np.float32)
    if unknown.any():
        known = np.flatnonzero(~unknown)
        forest = _make_forest(features, seed)
        forest.fit(_summarize(features, known, seed), groups[known])
        rest = _summarize(features, np.flatnonzero(unknown), seed)
        memberships[unknown] = forest.predict_proba(rest)
    return memberships


def group_signal(features, groups, seed):
    """Measure how well features predict the group.

    A small forest learns the groups from half of the rows (at most `PROBED_ROWS` are
    looked at) and predicts the other half.

    Parameters
    ----------
    features : {ndarray, sparse matrix, dataframe, LazyRows} of shape (n_samples, ...)
        Features without sensitive columns.

    groups : ndarray of shape (n_samples,)
        Group codes; rows of unknown group (-1) are left out.

    seed : int
        Seed of the choice of rows and of the forest.

    Returns
    -------
    signal : float
        Brier skill score: 1 if the features tell the group, 0 if they say no more
        than its frequency; little below 0 by chance.
    """
    known = np.flatnonzero(groups != UNKNOWN_GROUP)
    rows = np.random.RandomState(seed).permutation(known)[:PROBED_ROWS]
    learn, judge = np.array_split(rows, 2)
    forest = _make_forest(features, seed)
    forest.fit(_summarize(features, learn, seed), groups[learn])
    proba = forest.predict_proba(_summarize(features, judge, seed))
    frequencies = np.mean(groups[learn][:, None] == forest.classes_, axis=0)
    is_group = groups[judge][:, None] == forest.classes_
    error, least = ((p - is_group) ** 2 for p in (proba, frequencies))
    return 1 - error.sum() / max(least.sum(), np.finfo(float).tiny)


def warn_of_faint_signal(features, groups, seed):
    """Warn the user whose features let the student correct next to nothing.

    Parameters
    ----------
    features, groups, seed
        See :func:`group_signal`.
    """
    signal = group_signal(features, groups, seed)
    if signal < FAINT_SIGNAL:
        advice = (
            "Add features that tell more, or, where the law allows, let the student see "
            "the attribute with keep_sensitive=True."
        )
        if len(features.shape) > 2:
            advice = "This was judged at low resolution; finer traits may say more."
        warnings.warn(
            "The features say little of the group (of its variance, they explain "
            f"{max(signal, 0):.1%}), so a student that may not see the group can hardly "
            f"change the gaps. {advice}",
            UserWarning,
            stacklevel=4,
        )
