"""From soft targets to a fitted student."""

import numpy as np
from scipy.special import softmax
from skorch import NeuralNetClassifier

from .nets import check_net, train_student_net

TEACHER_START_SHARE = 0.2


def check_classifier(classifier):
    """Check that a student can be fitted on soft targets.

    Parameters
    ----------
    classifier : estimator object
        Classifier without its preprocessing.

    Raises
    ------
    TypeError
        If there is no way to fit it on soft targets.
    """
    if not isinstance(classifier, NeuralNetClassifier):
        raise TypeError(
            f"estimator is, or ends in, a {type(classifier).__name__}; this version "
            "fits skorch.NeuralNetClassifier, a Pipeline that ends in one, or None for "
            "the default network."
        )
    check_net(classifier)


def starts_from_teacher(student_init, trigger):
    """Decide whether the student starts from the teacher's weights.

    Parameters
    ----------
    student_init : {"auto", "teacher", "scratch"}
        The user's choice; "auto" starts from the teacher where that is safe.

    trigger : BaseTrigger
        Fitted trigger.

    Returns
    -------
    from_teacher : bool
        True if the student is the teacher without its trigger columns.

    Raises
    ------
    ValueError
        If "teacher" is asked for and the trigger is stamped on the features
        themselves, since the student would then carry the backdoor.
    """
    if student_init == "teacher" and not trigger.n_columns_:
        raise ValueError(
            f"student_init='teacher' with trigger={trigger} would hand the backdoor on "
            "to the student: this trigger is stamped on the features themselves. Use "
            "student_init='scratch', or a ColumnTrigger."
        )
    return student_init != "scratch" and trigger.n_columns_ > 0


def choose_epochs(student_epochs, max_epochs, from_teacher):
    """Choose how long a student trains.

    Parameters
    ----------
    student_epochs : int or None
        The user's choice.

    max_epochs : int
        Epochs of the teacher.

    from_teacher : bool
        Whether the student starts from the teacher's weights.

    Returns
    -------
    epochs : int
        The user's choice, or else a fifth of the teacher's epochs from the
        teacher's weights and as many as the teacher from scratch.
    """
    if student_epochs is not None:
        return student_epochs
    if not from_teacher:
        return max_epochs
    return max(1, round(TEACHER_START_SHARE * max_epochs))


def fit_student(
    classifier,
    X,
    y,
    log_targets,
    *,
    teacher,
    hard_label_weight,
    temperature,
    epochs,
    seed,
    on_epoch,
):
    """Distil soft targets into a fresh clone of the classifier.

    Parameters
    ----------
    classifier : skorch.NeuralNetClassifier
        Unfitted net; left unchanged.

    X : ndarray of shape (n_samples, n_features), dtype=float32
        Features without sensitive columns and without triggers.

    y : ndarray of shape (n_samples,), dtype=int64
        Class codes.

    log_targets : ndarray of shape (n_samples, n_classes)
        Logarithms of the soft targets.

    teacher : skorch.NeuralNetClassifier or None
        Fitted teacher to start from; None starts afresh.

    hard_label_weight, temperature, epochs, seed, on_epoch
        See :func:`sklearn_bade.nets.train_student_net`.

    Returns
    -------
    student : skorch.NeuralNetClassifier
        Fitted net without triggers.
    """
    targets = softmax(log_targets / temperature, axis=1).astype(np.float32)
    return train_student_net(
        classifier,
        X,
        y,
        targets,
        teacher_state=None if teacher is None else teacher.module_.state_dict(),
        hard_label_weight=hard_label_weight,
        temperature=temperature,
        epochs=epochs,
        seed=seed,
        on_epoch=on_epoch,
    )
