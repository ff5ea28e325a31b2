"""From soft targets to a fitted student."""

import numpy as np
from scipy.special import softmax

from ._reversal import chunks

TEACHER_START_SHARE = 0.1


def check_settings(learner, settings):
    """Refuse settings of nets where the student is no net.

    Parameters
    ----------
    learner : NetLearner or WeightLearner
        Trains the student.

    settings : dict
        The user's `temperature`, `student_init` and `student_epochs`.

    Raises
    ------
    ValueError
        If one of them is set and would have no effect.
    """
    if learner.hands_weights_on:
        return
    neutral = {"temperature": (1.0,), "student_epochs": (None,)}
    neutral["student_init"] = ("auto", "scratch")
    for name, value in settings.items():
        if value not in neutral[name]:
            raise ValueError(
                f"{name}={value!r} is a setting of networks, and the estimator is, or "
                f"ends in, a {type(learner.classifier).__name__}. Leave it out."
            )


def starts_from_teacher(student_init, trigger, *, same_net):
    """Decide whether the student starts from the teacher's weights.

    Parameters
    ----------
    student_init : {"auto", "teacher", "scratch"}
        The user's choice; "auto" starts from the teacher where that is safe.

    trigger : BaseTrigger
        Fitted trigger.

    same_net : bool
        Whether teacher and student are networks of one kind.

    Returns
    -------
    from_teacher : bool
        True if the student is the teacher without its trigger columns.

    Raises
    ------
    ValueError
        If "teacher" is asked for and there are no such weights; or if the trigger is
        stamped on the features themselves, since the student would then carry the
        backdoor.
    """
    if student_init == "teacher" and not same_net:
        raise ValueError(
            "student_init='teacher' needs a network that is its own teacher. Leave out "
            "the parameter teacher, or use student_init='scratch'."
        )
    if student_init == "teacher" and not trigger.n_columns_:
        raise ValueError(
            f"student_init='teacher' with trigger={trigger} would hand the backdoor on "
            "to the student: this trigger is stamped on the features themselves. Use "
            "student_init='scratch', or a ColumnTrigger."
        )
    return same_net and student_init != "scratch" and trigger.n_columns_ > 0


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
        The user's choice, or else a tenth of the teacher's epochs from the
        teacher's weights and as many as the teacher from scratch.
    """
    if student_epochs is not None:
        return student_epochs
    if not from_teacher:
        return max_epochs
    return max(1, round(TEACHER_START_SHARE * max_epochs))


def fit_student(learner, X, y, log_targets, *, temperature, **settings):
    """Distil soft targets into a fresh classifier.

    Parameters
    ----------
    learner : NetLearner or WeightLearner
        Knows how to train the student.

    X : {ndarray, sparse matrix, dataframe} of shape (n_samples, n_features)
        Features as the learner makes them, without triggers.

    y : ndarray of shape (n_samples,), dtype=int64
        Class codes.

    log_targets : ndarray of shape (n_samples, n_classes)
        Logarithms of the soft targets, up to a constant per row.

    temperature : float
        Divisor of the logits in the distillation loss.

    **settings : dict
        `teacher`, `hard_label_weight`, `epochs`, `seed`, `sample_weight`, `on_epoch`:
        see :func:`sklearn_bade.nets.train_student_net`.

    Returns
    -------
    student : estimator object
        Fitted classifier without triggers.
    """
    targets = np.empty_like(log_targets)
    for rows in chunks(len(targets)):
        targets[rows] = softmax(log_targets[rows] / temperature, axis=1)
    return learner.fit_student(X, y, targets, temperature=temperature, **settings)


def draw_rows(n_samples, n_rows, seed):
    """Draw positions of rows without replacement, in increasing order.

    Parameters
    ----------
    n_samples, n_rows : int
        How many rows there are, and how many are wanted at most.

    seed : int
        Seed of the draw.

    Returns
    -------
    positions : ndarray of shape (min(n_samples, n_rows),)
        Positions.
    """
    order = np.random.RandomState(seed).permutation(n_samples)
    return np.sort(order[:n_rows])
