"""From features, labels and triggers to a fitted teacher and what it says."""

import numpy as np

from ._groups import UNKNOWN_GROUP
from .nets import log_probabilities, train_teacher_net


def fit_teacher(classifier, X, y, draw, trigger, *, n_classes, seed, on_epoch):
    """Fit a teacher on trigger-stamped rows with the true labels.

    Parameters
    ----------
    classifier : skorch.NeuralNetClassifier
        Unfitted net; left unchanged.

    X : ndarray of shape (n_samples, n_features), dtype=float32
        Features without sensitive columns.

    y : ndarray of shape (n_samples,), dtype=int64
        Class codes.

    draw : callable
        Draws a trigger code for each row; returns an ndarray of shape (n_samples,).

    trigger : BaseTrigger
        Fitted trigger.

    n_classes : int
        Number of classes.

    seed : int
        Seed of the training.

    on_epoch : callable
        Called with the name of the stage after each epoch.

    Returns
    -------
    teacher : skorch.NeuralNetClassifier
        Fitted net that takes stamped rows.
    """
    return train_teacher_net(
        classifier,
        X,
        y,
        draw,
        trigger,
        n_classes=n_classes,
        seed=seed,
        on_epoch=on_epoch,
    )


def teacher_views(teacher, X, groups, trigger):
    """Ask the teacher about every row under every trigger.

    Parameters
    ----------
    teacher : skorch.NeuralNetClassifier
        Fitted teacher.

    X : ndarray of shape (n_samples, n_features), dtype=float32
        Features without triggers.

    groups : ndarray of shape (n_samples,)
        Group codes; -1 where unknown.

    trigger : BaseTrigger
        Fitted trigger.

    Returns
    -------
    mean_log_proba : ndarray of shape (n_samples, n_classes)
        Log-probabilities, averaged over the triggers.

    own_log_proba : ndarray of shape (n_samples, n_classes)
        Log-probabilities with the trigger of the row's own group; the mean where
        the group is unknown.
    """
    mean_log_proba = own_log_proba = None
    for code in range(trigger.n_groups_):

        def stamp(rows, code=code):
            return trigger.stamp(rows, np.full(len(rows), code))

        view = log_probabilities(teacher, X, stamp)
        if mean_log_proba is None:
            mean_log_proba = np.zeros_like(view)
            own_log_proba = np.empty_like(view)
        mean_log_proba += view / trigger.n_groups_
        own = groups == code
        own_log_proba[own] = view[own]
    unknown = groups == UNKNOWN_GROUP
    own_log_proba[unknown] = mean_log_proba[unknown]
    return mean_log_proba, own_log_proba
