"""Debiased predictions of every strength: along a line, or between students."""

import numpy as np
import torch
from skorch import NeuralNetRegressor

from ._containers import take_rows
from ._reversal import base_rate_offset, resolve_class_rates, reversed_logits
from ._students import draw_rows, fit_student
from .nets import MLP, log_probabilities, predict_values, train_net

OFFSET_ROWS = 10_000


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
    """A student for each strength, for classifiers and rows that have no linear path.

    Where fewer strengths are given to train at, the log-probabilities of those between
    are interpolated. A student is distilled without offset, which is added to its
    logits: the base rates of a strength share one student. That of strength 0 finds out
    how long to train, where that is left open.

    Parameters
    ----------
    case : object
        Training data on their way through `fit`, with `base` and `shift`.

    seed : int
        Seed of the trainings.

    trained_strengths : ndarray of shape (n_strengths,), default=None
        Strengths to train students at, in ascending order; the least and the greatest
        one bound all others. None trains at every strength that is asked for.
    """

    def __init__(self, case, seed, trained_strengths=None):
        self.case = case
        self.seed = seed
        self.trained_strengths = trained_strengths
        self.learner = None
        self.students = {}

    def prepare(self, X):
        """Make room for what each student says of the rows, so that it is asked once.

        Parameters
        ----------
        X : {ndarray, sparse matrix, dataframe} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        X : same type
            The same.

        recent : dict
            What the last students said, by strength.
        """
        return X, {}

    def logits(self, prepared, strength):
        """Compute the logits of one strength.

        Parameters
        ----------
        prepared : tuple
            What :meth:`prepare` made of some rows.

        strength : float or tuple of float of shape (n_classes,)
            Trigger strength.

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes)
            Unnormalised log-probabilities, without offset.
        """
        if self.trained_strengths is None:
            return self._ask(prepared, strength)
        position = np.searchsorted(self.trained_strengths, strength)
        above = self.trained_strengths[position]
        if strength == above:
            return self._ask(prepared, strength)
        below = self.trained_strengths[position - 1]
        share = (strength - below) / (above - below)
        lower, upper = (self._ask(prepared, each) for each in (below, above))
        return (1 - share) * lower + share * upper

    def _ask(self, prepared, strength):
        """Ask the student of one strength, unless it has spoken of these rows."""
        X, recent = prepared
        return _remember(
            recent,
            strength,
            lambda: self.case.learner.log_probabilities(self._train(strength), X),
        )

    def _train(self, strength):
        """Train the student of one strength, unless that was done just now."""
        case = self.case
        if self.learner is None:
            self._find_out_how_long()
        return _remember(
            self.students,
            strength,
            lambda: fit_student(
                self.learner,
                case.features,
                case.y,
                reversed_logits(case.base, case.shift, strength, case.y),
                **plain_distillation(case, self.seed),
            ),
        )

    def _find_out_how_long(self):
        """Train all students as long as that of strength 0, if it is left open."""
        self.learner = self.case.learner
        if self.learner.finds_out_how_long:
            self.learner = self.learner.train_as_long(self._train(0.0))


def _remember(recent, key, make):
    """Look a value up or make it, and keep two: between two students lie the others."""
    if key not in recent:
        if len(recent) == 2:
            del recent[next(iter(recent))]
        recent[key] = make()
    return recent[key]


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
        self.prepared = path.prepare(take_rows(case.features, rows))
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


def fit_path(case, teacher, seed, trained_strengths=None):
    """Find the students of all strengths on a case whose teacher has spoken.

    Parameters
    ----------
    case : object
        Training data on their way through `fit`, with `base` and `shift`.

    teacher : estimator object
        Fitted teacher.

    seed : int
        Seed of the trainings.

    trained_strengths : ndarray of shape (n_strengths,), default=None
        Where to train students if there is no line; None trains at every strength.

    Returns
    -------
    path : LinearPath or SeparateStudents
        Students of all strengths.
    """
    if case.learner.hands_weights_on and len(case.features.shape) == 2:
        return LinearPath(case, teacher, seed)
    return SeparateStudents(case, seed, trained_strengths)


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
