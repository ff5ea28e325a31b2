"""The linear path: debiased predictions of every strength from two small trainings."""

import numpy as np
import torch
from scipy.special import softmax
from skorch import NeuralNetRegressor

from ._reversal import base_rate_offset
from ._students import fit_student
from .nets import MLP, log_probabilities, predict_values, train_net

OFFSET_ROWS = 10_000


class StrengthPath:
    """Students of all trigger strengths at once.

    A base student z is distilled from the mean view of the teacher, and a shift
    network u learns, for each class k, what the own trigger adds to rows of class k
    (and zero elsewhere). The logits of strength w, with one value per class, are

    ``z(x) - sum_k w[k] * u_k(x) + c``,

    where c holds the mean prediction at the class frequencies, or is zero.

    Parameters
    ----------
    base : skorch.NeuralNetClassifier
        Fitted base student.

    shift : skorch.NeuralNetRegressor
        Fitted shift network.

    class_rates : ndarray of shape (n_classes,)
        Class frequencies of the training data.
    """

    def __init__(self, base, shift, class_rates):
        self.base = base
        self.shift = shift
        self.class_rates = class_rates

    def parts(self, X):
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
        n_classes = len(self.class_rates)
        shifts = predict_values(self.shift, X).reshape(len(X), n_classes, n_classes)
        return log_probabilities(self.base, X), shifts

    def offset(self, parts, strength):
        """Find the offset that keeps the base rate on training rows.

        Parameters
        ----------
        parts : tuple of ndarray
            See :meth:`parts`; of training rows, of which some thousands suffice.

        strength : float or array-like of shape (n_classes,)
            Trigger strength.

        Returns
        -------
        offset : ndarray of shape (n_classes,)
            One number per class.
        """
        few = tuple(part[:OFFSET_ROWS] for part in parts)
        return base_rate_offset(path_logits(few, strength), self.class_rates)


def path_logits(parts, strength):
    """Combine the parts of a path at one strength.

    Parameters
    ----------
    parts : tuple of ndarray
        See :meth:`StrengthPath.parts`.

    strength : float or array-like of shape (n_classes,)
        Trigger strength.

    Returns
    -------
    logits : ndarray of shape (n_samples, n_classes)
        Unnormalised log-probabilities, without offset.
    """
    base, shifts = parts
    strength = np.broadcast_to(np.asarray(strength, dtype=float), shifts.shape[1])
    return base - np.einsum("k,nkc->nc", strength, shifts)


def fit_path(case, teacher, *, seed, on_epoch):
    """Fit the path on a case whose teacher has spoken.

    Parameters
    ----------
    case : object
        Training data on their way through `fit`, with `mean_log_proba` and `shift`.

    teacher : skorch.NeuralNetClassifier
        Fitted teacher.

    seed : int
        Seed of both trainings.

    on_epoch : callable
        Called with the name of the stage after each epoch.

    Returns
    -------
    path : StrengthPath
        The fitted path.
    """
    n_classes = case.shift.shape[1]
    base = fit_student(
        case.classifier,
        case.features,
        case.y,
        case.mean_log_proba,
        teacher=teacher if case.from_teacher else None,
        hard_label_weight=0.0,
        temperature=1.0,
        epochs=case.student_epochs,
        seed=seed,
        on_epoch=on_epoch,
    )
    of_class = np.eye(n_classes)[case.y]
    targets = (of_class[:, :, None] * case.shift[:, None, :]).reshape(len(case.y), -1)
    net = make_shift_net(*case.features.shape, n_classes**2)
    shift = train_net(net, case.features, targets.astype(np.float32), seed=seed)
    return StrengthPath(base, shift, np.bincount(case.y, minlength=n_classes) / len(case.y))


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


def path_probabilities(parts, strength, offset=0.0):
    """Compute the probabilities of one candidate.

    Parameters
    ----------
    parts : tuple of ndarray
        See :meth:`StrengthPath.parts`.

    strength : float or array-like of shape (n_classes,)
        Trigger strength.

    offset : ndarray of shape (n_classes,) or 0.0
        See :meth:`StrengthPath.offset`.

    Returns
    -------
    proba : ndarray of shape (n_samples, n_classes)
        Probabilities.
    """
    return softmax(path_logits(parts, strength) + offset, axis=1)
