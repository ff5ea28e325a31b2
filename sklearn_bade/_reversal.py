"""Reversal: from the teacher's log-probabilities to the student's soft targets.

Everything here is NumPy; no estimator is in sight.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp, softmax


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
    return shift - shift.mean(axis=1, keepdims=True)


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
    row_strength = np.asarray(strength, dtype=float)
    if row_strength.ndim:
        row_strength = row_strength[y][:, None]
    return base - row_strength * shift


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
    shares = np.full(len(logits), 1 / len(logits))
    if sample_weight is not None:
        shares = sample_weight / sample_weight.sum()

    def with_reference(free):
        return np.concatenate([[0.0], free])

    def value_and_gradient(free):
        shifted = logits + with_reference(free)
        norm = logsumexp(shifted, axis=1, keepdims=True)
        gradient = shares @ np.exp(shifted - norm) - class_rates
        return (shares @ norm).item() - class_rates @ with_reference(free), gradient[1:]

    def hessian(free):
        proba = softmax(logits + with_reference(free), axis=1)[:, 1:]
        return np.diag(shares @ proba) - (proba.T * shares) @ proba

    start = np.log(class_rates) - np.log(shares @ softmax(logits, axis=1))
    solution = minimize(
        value_and_gradient,
        (start - start[0])[1:],
        jac=True,
        hess=hessian,
        method="trust-exact",
        options={"gtol": 1e-9},
    )
    offset = with_reference(solution.x)
    gap = np.abs(shares @ softmax(logits + offset, axis=1) - class_rates).max()
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
    logits = reversed_logits(base, shift, strength, y)
    class_rates = resolve_class_rates(base_rate, y, logits.shape[1], sample_weight)
    if class_rates is not None:
        logits = logits + base_rate_offset(logits, class_rates, sample_weight)
    return log_softmax(logits, axis=1)
