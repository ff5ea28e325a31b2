"""Debiased predictions of every strength: along a line, or student by student."""

import numpy as np
import torch
from sklearn.utils import _safe_indexing
from skorch import NeuralNetRegressor

from ._reversal import base_rate_offset, resolve_class_rates, reversed_logits
from ._students import draw_rows, fit_student
from .nets import MLP, log_probabilities, predict_values, train_net

OFFSET_ROWS = 10_000
MAX_STUDENTS = 7


class LinearPath:
    """Students of all trigger strengths at once, for networks.

    A base student z is distilled from the base view of the teacher, and a shift
    network u learns, for each class k, what the own trigger adds to rows of class k
    (and zero elsewhere). The logits of strength w, with one value per class, are

    ``z(x) - sum_k w[k] * u_k(x)``.

    Parameters
    ----------
    case : object
        Training data on their way through `fit`, with `base` and `shift`.

    teacher : skorch.NeuralNetClassifier
        Fitted teacher, from whose weights the base student may start.

    seed : int
        Seed of both trainings.
    """

    def __init__(self, case, teacher, seed):
        n_classes = case.shift.shape[1]
        self.base = fit_student(
            case.learner,
            case.features,
            case.y,
            case.base,
            teacher=teacher if case.from_teacher else None,
            **plain_distillation(case, seed),
        )
        of_class = np.eye(n_classes, dtype=np.float32)[case.y]
        shift = case.shift.astype(np.float32)
        targets = (of_class[:, :, None] * shift[:, None, :]).reshape(len(case.y), -1)
        net = make_shift_net(*case.features.shape, n_classes**2)
        self.shift = train_net(
            net, case.features, targets, seed=seed, sample_weight=case.sample_weight
        )

    def prepare(self, X):
        """Compute what all strengths share.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features), dtype=float32
            Features.

        Returns
        -------
        base : ndarray of shape (n_samples, n_classes)
            Logits of strength 0.

        shifts : ndarray of shape (n_samples, n_classes, n_classes)
            What the trigger adds to rows of each class (second axis).
        """
        base = log_probabilities(self.base, X)
        n_samples, n_classes = base.shape
        shifts = predict_values(self.shift, X).reshape(n_samples, n_classes, n_classes)
        return base, shifts

    def logits(self, prepared, strength):
        """Compute the logits of one strength.

        Parameters
        ----------
        prepared : tuple of ndarray
            What :meth:`prepare` made of some rows.

        strength : float or array-like of shape (n_classes,)
            Trigger strength.

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes)
            Unnormalised log-probabilities, without offset.
        """
        base, shifts = prepared
        strength = np.broadcast_to(np.asarray(strength, dtype=float), shifts.shape[1])
        return base - np.einsum("k,nkc->nc", strength, shifts)


class SeparateStudents:
    """Students of a few strengths, for classifiers that have no linear path.

    Between two strengths that have a student, log-probabilities are interpolated: in
    theory they are linear in the strength. Strengths per class are not interpolated.
    A student is distilled without offset, which is added to its logits: the base
    rates of a strength share one student. Only the last two are kept, so strengths
    are best asked for in order.

    Parameters
    ----------
    case : object
        Training data on their way through `fit`, with `base` and `shift`.

    seed : int
        Seed of the trainings.

    strengths : list of float or of tuple
        What will be asked for; of many numbers, `MAX_STUDENTS` get a student.
    """

    def __init__(self, case, seed, strengths):
        self.case = case
        self.seed = seed
        self.knots = None if np.ndim(strengths[0]) else choose_knots(strengths)
        self.students = {}

    def prepare(self, X):
        """Keep the rows, and what students will say of them.

        Parameters
        ----------
        X : {ndarray, sparse matrix, dataframe} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        X : same as given
            The rows.

        answers : dict
            Log-probabilities by strength; empty so far.
        """
        return X, {}

    def logits(self, prepared, strength):
        """Compute the logits of one strength.

        Parameters
        ----------
        prepared : tuple
            What :meth:`prepare` made of some rows.

        strength : float or tuple of shape (n_classes,)
            Trigger strength.

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes)
            Unnormalised log-probabilities, without offset.
        """
        if self.knots is None or strength in self.knots:
            return self._ask(prepared, strength)
        above = np.searchsorted(self.knots, strength)
        low, high = self.knots[above - 1], self.knots[above]
        share = (strength - low) / (high - low)
        return (1 - share) * self._ask(prepared, low) + share * self._ask(prepared, high)

    def _ask(self, prepared, strength):
        """Ask the student of one strength, once."""
        X, answers = prepared
        if strength not in answers:
            student = self._student(strength)
            answers[strength] = self.case.learner.log_probabilities(student, X)
        return answers[strength]

    def _student(self, strength):
        """Train the student of one strength, unless it is still there."""
        case = self.case
        if strength not in self.students:
            log_targets = reversed_logits(case.base, case.shift, strength, case.y)
            settings = plain_distillation(case, self.seed)
            student = fit_student(
                case.learner, case.features, case.y, log_targets, **settings
            )
            while len(self.students) > 1:
                self.students.pop(next(iter(self.students)))
            self.students[strength] = student
        return self.students[strength]


def choose_knots(strengths):
    """Choose the strengths that get a student of their own.

    Parameters
    ----------
    strengths : list of float
        Strengths of a search.

    Returns
    -------
    knots : list of float
        The distinct strengths in order, or `MAX_STUDENTS` of them, with both ends.
    """
    distinct = np.unique(strengths)
    n_students = min(len(distinct), MAX_STUDENTS)
    positions = np.linspace(0, len(distinct) - 1, n_students).round().astype(int)
    return distinct[positions].tolist()


class OffsetFinder:
    """Find the offsets that hold base rates, on a draw of the training rows.

    Parameters
    ----------
    case : object
        Training data on their way through `fit`.

    path : LinearPath or SeparateStudents
        Students of all strengths.
    """

    def __init__(self, case, path):
        rows = draw_rows(len(case.y), OFFSET_ROWS, case.seeds[2])
        self.case = case
        self.path = path
        self.prepared = path.prepare(_safe_indexing(case.features, rows))
        self.sample_weight = None
        if case.sample_weight is not None:
            self.sample_weight = case.sample_weight[rows]

    def __call__(self, trigger_strength, base_rate):
        """Find the offset of one candidate.

        Parameters
        ----------
        trigger_strength : float or array-like of shape (n_classes,)
            Trigger strength.

        base_rate : {"keep", "drift"} or array-like of shape (n_classes,)
            Class frequencies to hold.

        Returns
        -------
        offset : ndarray of shape (n_classes,) or 0.0
            What to add to logits.
        """
        case = self.case
        n_classes = case.shift.shape[1]
        rates = resolve_class_rates(base_rate, case.y, n_classes, case.sample_weight)
        if rates is None:
            return 0.0
        logits = self.path.logits(self.prepared, trigger_strength)
        return base_rate_offset(logits, rates, self.sample_weight)


def plain_distillation(case, seed):
    """Make the settings of a student that learns from soft targets alone."""
    return {
        "hard_label_weight": 0.0,
        "temperature": 1.0,
        "epochs": case.student_epochs,
        "seed": seed,
        "sample_weight": case.sample_weight,
        "on_epoch": lambda stage: None,
    }


def fit_path(case, teacher, seed, strengths):
    """Find the students of all strengths on a case whose teacher has spoken.

    Parameters
    ----------
    case : object
        Training data on their way through `fit`, with `base` and `shift`.

    teacher : estimator object
        Fitted teacher.

    seed : int
        Seed of the trainings.

    strengths : list of float or of tuple
        What the path will be asked for.

    Returns
    -------
    path : LinearPath or SeparateStudents
        Students of all strengths.
    """
    if case.learner.hands_weights_on:
        return LinearPath(case, teacher, seed)
    return SeparateStudents(case, seed, strengths)


def make_shift_net(n_samples, n_features, n_outputs):
    """Size the shift network by the data.

    Parameters
    ----------
    n_samples, n_features, n_outputs : int
        Size of the training data.

    Returns
    -------
    net : skorch.NeuralNetRegressor
        The unfitted network.
    """
    batch_size = int(np.clip(n_samples // 100, 16, 256))
    return NeuralNetRegressor(
        MLP,
        module__n_features=n_features,
        module__n_classes=n_outputs,
        module__hidden=(64, 32),
        optimizer=torch.optim.Adam,
        lr=3e-3,
        batch_size=batch_size,
        max_epochs=int(np.clip(1000 * batch_size // n_samples, 4, 30)),
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )
