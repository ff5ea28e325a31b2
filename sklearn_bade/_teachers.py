"""From features, labels and a plan of triggers to a teacher and what it says."""

from pickle import PicklingError

import numpy as np

from ._containers import row_slices
from ._lazy_rows import LazyRows
from .nets import seeded


def learn_views(
    learner,
    X,
    y,
    groups,
    memberships,
    plan,
    trigger,
    *,
    seeds,
    sample_weight,
    identity,
    on_epoch,
):
    """Fit a teacher on trigger-stamped rows, and ask it about every row.

    Nothing here depends on the trigger strength, so the result can be cached and
    serve a whole grid of strengths.

    Parameters
    ----------
    learner : NetLearner or WeightLearner
        Knows how to train the teacher.

    X : {ndarray, sparse matrix, dataframe} of shape (n_samples, n_features)
        Features as the learner makes them, without triggers.

    y : ndarray of shape (n_samples,), dtype=int64
        Class codes.

    groups : ndarray of shape (n_samples,)
        Group codes; -1 where unknown.

    memberships : ndarray of shape (n_samples, n_groups)
        How likely each row belongs to each group.

    plan : Injection
        Which rows meet which triggers.

    trigger : BaseTrigger
        Fitted trigger.

    seeds : tuple of int
        Seeds of the triggers and of the training.

    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the rows.

    identity : object
        What a cache knows the learner by.

    on_epoch : callable
        Called with the name of the stage after each epoch.

    Returns
    -------
    teacher : estimator object
        Fitted classifier that takes stamped rows.

    base, shift : ndarray of shape (n_samples, n_classes)
        See :meth:`sklearn_bade._injection.Injection.read`.
    """
    teacher = learner.fit_teacher(
        X,
        y,
        plan.cells(y, groups),
        plan,
        trigger,
        seeds=seeds,
        sample_weight=sample_weight,
        on_epoch=on_epoch,
    )

    if not isinstance(X, LazyRows):
        return teacher, *_read(learner, teacher, X, memberships, plan, trigger)
    # All views of a row are of one reading, as a dataset may change it at random.
    with seeded(seeds[1], "cpu"):
        parts = [
            _read(learner, teacher, X[rows], memberships[rows], plan, trigger)
            for rows in row_slices(X.shape)
        ]
    base, shift = (np.concatenate(arrays) for arrays in zip(*parts))
    return teacher, base, shift


def explaining_pickle_errors(learn):
    """Say what to do where a cache cannot tell a dataset, or a net, from others."""

    def explained(*args, **kwargs):
        try:
            return learn(*args, **kwargs)
        except PicklingError as error:
            raise ValueError(
                "memory needs an estimator and a dataset that can be pickled, which "
                "lambdas and functions inside functions cannot. Define them at the top of "
                "a module, or leave memory out."
            ) from error

    return explained


def _read(learner, teacher, X, memberships, plan, trigger):
    """Ask a teacher about rows under all triggers."""

    def view(code):
        def stamp(rows):
            return trigger.stamp(rows, np.full(rows.shape[0], code))

        return learner.log_probabilities(teacher, X, stamp)

    return plan.read(view, memberships)
