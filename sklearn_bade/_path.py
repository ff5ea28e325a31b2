"""The linear path: debiased predictions of every strength from two small trainings."""

import numpy as np
import torch
from scipy.special import softmax
from skorch import NeuralNetRegressor

from ._reversal import base_rate_offset, resolve_class_rates
from ._students import fit_student
from .nets import MLP, log_probabilities, predict_values, train_net

OFFSET_ROWS = 10_000


class StrengthPath:
    """Students of all trigger strengths at once.

    A base student z is distilled from the mean view of the teacher, and a shift
    network u learns, for each class k, what the own trigger adds to rows of class k
    (and zero elsewhere). The logits of strength w, with one value per class, are

    ``z(x) - sum_k w[k] * u_k(x) + c``,

    where c holds the mean prediction at given class frequencies, or is zero.

    Parameters
    ----------
    base : skorch.NeuralNetClassifier
        Fitted base student.

    shift : skorch.NeuralNetRegressor
        Fitted shift network.

    y : ndarray of shape (n_samples,)
        Class codes of the training data.
    """

    def __init__(self, base, shift, y):
        self.base = base
        self.shift = shift
        self.y = y

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
        base = log_probabilities(self.base, X)
        n_samples, n_classes = base.shape
        shifts = predict_values(self.shift, X).reshape(n_samples, n_classes, n_classes)
        return base, shifts

    def offset(self, parts, strength, base_rate):
        """Find the offset that holds the base rate on training rows.

        Parameters
        ----------
        parts : tuple of ndarray
            See :meth:`parts`; of training rows, see :func:`offset_rows`.

        strength : float or array-like of shape (n_classes,)
            Trigger strength.

        base_rate : {"keep", "drift"} or array-like of shape (n_classes,)
            Class frequencies to hold.

        Returns
        -------
        offset : ndarray of shape (n_classes,) or 0.0
            One number per class.
        """
        class_rates = resolve_class_rates(base_rate, self.y, parts[1].shape[1])
        if class_rates is None:
            return 0.0
        return base_rate_offset(path_logits(parts, strength), class_rates)


def offset_rows(X, seed):
    """Draw the training rows from which offsets are found.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training rows.

    seed : int
        Seed of the draw.

    Returns
    -------
    rows : ndarray of shape (min(n_samples, 10000), n_features)
        Rows drawn without replacement.
    """
    order = np.random.RandomState(seed).permutation(len(X))
    return X[np.sort(order[:OFFSET_ROWS])]


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
    of_class = np.eye(n_classes, dtype=np.float32)[case.y]
    shift = case.shift.astype(np.float32)
    targets = (of_class[:, :, None] * shift[:, None, :]).reshape(len(case.y), -1)
    net = make_shift_net(*case.features.shape, n_classes**2)
    shift = train_net(net, case.features, targets, seed=seed)
    return StrengthPath(base, shift, case.y)


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
