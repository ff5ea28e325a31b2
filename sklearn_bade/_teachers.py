"""From features, labels and rates to a fitted teacher and what it says."""

from functools import partial

import numpy as np
from sklearn.utils import check_random_state

from ._groups import UNKNOWN_GROUP
from ._injection import draw_triggers
from .nets import log_probabilities, train_teacher_net


def learn_views(classifier, X, y, groups, rates, trigger, *, seeds, identity, on_epoch):
    """Fit a teacher on trigger-stamped rows, and ask it about every row.

    Nothing here depends on the trigger strength, so the result can be cached and
    serve a whole grid of strengths.

    Parameters
    ----------
    classifier : skorch.NeuralNetClassifier
        Unfitted net; left unchanged.

    X : ndarray of shape (n_samples, n_features), dtype=float32
        Features without sensitive columns.

    y : ndarray of shape (n_samples,), dtype=int64
        Class codes.

    groups : ndarray of shape (n_samples,)
        Group codes; -1 where unknown.

    rates : ndarray of shape (n_classes, n_groups)
        Injection rates.

    trigger : BaseTrigger
        Fitted trigger.

    seeds : tuple of int
        Seeds of the triggers and of the training.

    identity : object
        What a cache knows the net by, see :func:`sklearn_bade.nets.net_identity`.

    on_epoch : callable
        Called with the name of the stage after each epoch.

    Returns
    -------
    teacher : skorch.NeuralNetClassifier
        Fitted net that takes stamped rows.

    mean_log_proba, own_log_proba : ndarray of shape (n_samples, n_classes)
        See :func:`teacher_views`.
    """
    trigger_seed, teacher_seed = seeds
    teacher = train_teacher_net(
        classifier,
        X,
        y,
        partial(draw_triggers, y, rates, check_random_state(trigger_seed)),
        trigger,
        n_classes=len(rates),
        seed=teacher_seed,
        on_epoch=on_epoch,
    )
    return teacher, *teacher_views(teacher, X, groups, trigger)


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
