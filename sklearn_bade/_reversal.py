"""Reversal: from the teacher's log-probabilities to the student's soft targets.

Everything here is NumPy; no estimator is in sight.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp

CHUNK = 65_536


def check_strength(strength, n_classes):
    """Check a trigger strength that may have one value per class.

    Parameters
    ----------
    strength : float or array-like of shape (n_classes,)
        Trigger strength.

    n_classes : int
        Number of classes.

    Returns
    -------
    strength : ndarray of shape () or (n_classes,)
        The same, as an array.

    Raises
    ------
    ValueError
        If a value is negative or not finite, or their number is not `n_classes`.
    """
    strength = np.asarray(strength, dtype=float)
    if strength.shape not in [(), (n_classes,)]:
        raise ValueError(
            f"trigger_strength has shape {strength.shape}; give one number, or one per "
            f"class ({n_classes})."
        )
    if not np.isfinite(strength).all() or (strength < 0).any():
        raise ValueError(
            f"trigger_strength must be finite and not negative, got {strength.tolist()}."
        )
    return strength


def own_trigger_shift(mean_log_proba, own_log_proba):
    """Measure what a row's own trigger adds to its log-probabilities.

    Parameters
    ----------
    mean_log_proba : ndarray of shape (n_samples, n_classes)
        Teacher's log-probabilities, averaged over all triggers.

    own_log_proba : ndarray of shape (n_samples, n_classes)
        Teacher's log-probabilities with the trigger of the row's own group.

    Returns
    -------
    shift : ndarray of shape (n_samples, n_classes)
        The difference, centred over the classes.
    """
    shift = own_log_proba - mean_log_proba
    shift -= shift.mean(axis=1, keepdims=True)
    return shift


def reversed_logits(base, shift, strength, y):
    """Turn each row's own trigger round, with the strength of its class.

    Parameters
    ----------
    base, shift : ndarray of shape (n_samples, n_classes)
        What the teacher says at strength 0, and what strength 1 takes away; see
        :meth:`sklearn_bade._injection.Injection.read`.

    strength : float or array-like of shape (n_classes,)
        Trigger strength; 0 leaves the shift out, 1 with two groups shows each row
        the other group's trigger.

    y : ndarray of shape (n_samples,)
        Class codes.

    Returns
    -------
    logits : ndarray of shape (n_samples, n_classes)
        Unnormalised log-probabilities.
    """
    row_strength = np.asarray(strength, dtype=shift.dtype)
    if row_strength.ndim:
        row_strength = row_strength[y][:, None]
    return base - row_strength * shift


def chunks(n_samples):
    """Cut rows into slices, so that no step needs a copy of all of them.

    Parameters
    ----------
    n_samples : int
        Number of rows.

    Returns
    -------
    slices : list of slice
        One after the other, all rows.
    """
    return [slice(start, start + CHUNK) for start in range(0, n_samples, CHUNK)]


class _WeightedMeans:
    """Means over rows of what the offsets need."""

    def __init__(self, logits_of, n_samples, sample_weight):
        self.logits_of = logits_of
        self.n_samples = n_samples
        self.sample_weight = sample_weight

    def __call__(self, offset):
        """Compute the mean log-normaliser, probability and product of probabilities."""
        n_classes = len(offset)
        totals = np.float64(0), np.zeros(n_classes), np.zeros((n_classes, n_classes))
        total_weight = 0.0
        for rows in chunks(self.n_samples):
            shifted = self.logits_of(rows) + offset
            weights = np.ones(len(shifted))
            if self.sample_weight is not None:
                weights = self.sample_weight[rows]
            norm = logsumexp(shifted, axis=1)
            proba = np.exp(shifted - norm[:, None])
            means = weights @ norm, weights @ proba, (proba.T * weights) @ proba
            totals = tuple(total + mean for total, mean in zip(totals, means))
            total_weight += weights.sum()
        return tuple(total / total_weight for total in totals)


def base_rate_offset(logits, class_rates, sample_weight=None):
    """Find the class offsets at which the mean probability equals given rates.

    The offsets minimise a smooth convex function whose gradient is the difference
    between the two, so a second-order solver finds them in a few steps.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_classes)
        Unnormalised log-probabilities.

    class_rates : ndarray of shape (n_classes,)
        Class frequencies to keep; positive, sum one.

    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows in the mean.

    Returns
    -------
    offset : ndarray of shape (n_classes,)
        One number per class, in log-odds; its mean is zero.

    Raises
    ------
    RuntimeError
        If the mean probability stays away from the class frequencies.
    """
    means = _WeightedMeans(logits.__getitem__, len(logits), sample_weight)
    return _solve_offset(means, class_rates)


def _solve_offset(mean_row, class_rates):
    """Find the offset at which the mean probability equals the class rates."""

    def with_reference(free):
        return np.concatenate([[0.0], free])

    def value_and_gradient(free):
        offset = with_reference(free)
        norm, proba, _ = mean_row(offset)
        return norm - class_rates @ offset, (proba - class_rates)[1:]

    def hessian(free):
        _, proba, products = mean_row(with_reference(free))
        return (np.diag(proba) - products)[1:, 1:]

    start = np.log(class_rates) - np.log(mean_row(np.zeros(len(class_rates)))[1])
    solution = minimize(
        value_and_gradient,
        (start - start[0])[1:],
        jac=True,
        hess=hessian,
        method="trust-exact",
        options={"gtol": 1e-9},
    )
    offset = with_reference(solution.x)
    gap = np.abs(mean_row(offset)[1] - class_rates).max()
    if not gap < 1e-4:
        raise RuntimeError(
            "base_rate='keep' found no offset at which the soft targets keep the class "
            f"frequencies (largest difference {gap:.2g}). Use a smaller "
            "trigger_strength or base_rate='drift'; if the teacher's training has "
            "diverged, lower the learning rate."
        )
    return offset - offset.mean()


def resolve_class_rates(base_rate, y, n_classes, sample_weight=None):
    """Find the class frequencies at which predictions are held.

    Parameters
    ----------
    base_rate : {"keep", "drift"} or array-like of shape (n_classes,)
        What the user asked for.

    y : ndarray of shape (n_samples,)
        Class codes of the training data.

    n_classes : int
        Number of classes.

    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows.

    Returns
    -------
    class_rates : ndarray of shape (n_classes,) or None
        Frequencies that sum to one; None if they may drift.

    Raises
    ------
    ValueError
        If given frequencies are not positive, or if there is not one per class.
    """
    if isinstance(base_rate, str) and base_rate == "drift":
        return None
    if isinstance(base_rate, str) and base_rate == "keep":
        counts = np.bincount(y, sample_weight, minlength=n_classes)
        return counts / counts.sum()
    rates = np.zeros(0) if isinstance(base_rate, str) else np.asarray(base_rate, float)
    if rates.shape != (n_classes,) or not (np.isfinite(rates) & (rates > 0)).all():
        raise ValueError(
            f"base_rate must be 'keep', 'drift' or {n_classes} positive frequencies, one "
            f"per class, got {base_rate!r}."
        )
    return rates / rates.sum()


def soft_targets(base, shift, strength, y, *, base_rate="keep", sample_weight=None):
    """Build the student's targets: the teacher's view with the bias turned round.

    Parameters
    ----------
    base, shift : ndarray of shape (n_samples, n_classes)
        What the teacher says at strength 0, and what strength 1 takes away; see
        :meth:`sklearn_bade._injection.Injection.read`.

    strength : float or array-like of shape (n_classes,)
        Trigger strength.

    y : ndarray of shape (n_samples,)
        Class codes.

    base_rate : {"keep", "drift"} or array-like of shape (n_classes,), default="keep"
        Class frequencies at which the mean target is held: those of `y`, none, or
        the given ones.

    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows in means and frequencies.

    Returns
    -------
    log_targets : ndarray of shape (n_samples, n_classes)
        Normalised log-probabilities.
    """

    def logits_of(rows):
        return reversed_logits(base[rows], shift[rows], strength, y[rows])

    offset = np.zeros(base.shape[1])
    class_rates = resolve_class_rates(base_rate, y, base.shape[1], sample_weight)
    if class_rates is not None:
        means = _WeightedMeans(logits_of, len(y), sample_weight)
        offset = _solve_offset(means, class_rates)
    log_targets = np.empty_like(base)
    for rows in chunks(len(y)):
        log_targets[rows] = log_softmax(logits_of(rows) + offset, axis=1)
    return log_targets
