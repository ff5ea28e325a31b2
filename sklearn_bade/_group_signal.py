"""How much the features say of the group, which bounds what a student can correct."""

import warnings

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils import _safe_indexing

from ._groups import UNKNOWN_GROUP, is_dataframe
from ._preprocessing import make_default_preprocessing

FAINT_SIGNAL = 0.02
PROBED_ROWS = 10_000


def group_signal(features, groups, seed):
    """Measure how well features predict the group.

    A small forest learns the groups from half of the rows (at most `PROBED_ROWS` are
    looked at) and predicts the other half.

    Parameters
    ----------
    features : {ndarray, sparse matrix, dataframe} of shape (n_samples, n_features)
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
    forest = RandomForestClassifier(30, min_samples_leaf=10, random_state=seed)
    model = forest
    if is_dataframe(features):
        model = make_pipeline(make_default_preprocessing(), forest)
    model.fit(_safe_indexing(features, learn), groups[learn])
    proba = model.predict_proba(_safe_indexing(features, judge))
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
        warnings.warn(
            "The features say little of the group (of its variance, they explain "
            f"{max(signal, 0):.1%}), so a student that may not see the group can hardly "
            "change the gaps. Add features that tell more, or, where the law allows, let "
            "the student see the attribute with keep_sensitive=True.",
            UserWarning,
            stacklevel=4,
        )
