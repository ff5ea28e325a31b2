"""Reversal: what a teacher says of each row, and the soft targets made of it.

Everything here is NumPy; no estimator is in sight.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp

from .rows import compute_rows

# Rows that are turned into probabilities at once; for two classes, arrays of a MiB.
CHUNK = 65_536
# Largest difference between mean target and class frequency that is taken for none: far
# below the standard error of a frequency in any table that the method is used on.
RATE_TOLERANCE = 1e-4
# Means of probabilities may underflow, and have logarithms all the same.
SMALLEST_MEAN = 1e-12
# Far beyond what any data need; with more, log-odds leave the range of floats.
GREATEST_STRENGTH = 1e6


@dataclass(frozen=True)
class Views:
    """What a teacher says of each row: a base view, and what its own trigger adds to it.

    Both are log-probabilities of shape (n_samples, n_classes), up to a constant per row.
    The logits of strength w are ``base - w * shift``, with w the strength of the row's
    class and group. `memberships`, of shape (n_samples, n_groups), say how likely a row
    belongs to each group.
    """

    base: np.ndarray
    shift: np.ndarray
    y: np.ndarray
    memberships: np.ndarray
    weights: np.ndarray | None = None

    def logits(self, strength, part=slice(None)):
        """Reverse each row's own trigger, with the strength of its class and group."""
        base, shift, y = self.base[part], self.shift[part], self.y[part]
        row_strength = np.asarray(strength, dtype=shift.dtype)
        if row_strength.ndim:
            row_strength = row_strength[y]
        if row_strength.ndim == 2:
            row_strength = (row_strength * self.memberships[part]).sum(axis=1)
        if row_strength.ndim:
            row_strength = row_strength[:, None]
        return base - row_strength * shift

    def offset(self, strength, base_rate):
        """Find what to add to each class's logits to hold the base rate; 0 to let it go."""
        n_classes = self.base.shape[1]
        rates = resolve_class_rates(base_rate, self.y, n_classes, self.weights)
        if rates is None:
            return np.zeros(n_classes)

        def logits_of(part):
            return self.logits(strength, part)

        return solve_offset(WeightedMeans(logits_of, len(self.y), self.weights), rates)

    def soft_targets(self, strength, base_rate="keep"):
        """Build the student's targets, as normalised log-probabilities."""
        offset = self.offset(strength, base_rate)

        def compute(part):
            return log_softmax(self.logits(strength, part) + offset, axis=1)

        n_classes = self.base.shape[1]
        return compute_rows(self.base, n_classes, self.base.dtype, "log_targets", compute)


def check_strength(strength, n_classes, n_groups):
    """Check a trigger strength, and return it as an array.

    Its shape is (), (n_classes,) or (n_classes, n_groups).
    """
    try:
        strength = np.asarray(strength, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"trigger_strength must be a number, or an array of numbers, got {strength!r}."
        ) from error
    if strength.shape not in [(), (n_classes,), (n_classes, n_groups)]:
        raise ValueError(
            f"trigger_strength has shape {strength.shape}; give one number, one per class "
            f"({n_classes}), or one per class and group ({n_classes}, {n_groups})."
        )
    if not np.isfinite(strength).all():
        raise ValueError(f"trigger_strength must be finite, got {strength.tolist()}.")
    if (np.abs(strength) > GREATEST_STRENGTH).any():
        raise ValueError(
            f"trigger_strength must lie within {GREATEST_STRENGTH:g} of 0, got "
            f"{strength.tolist()}."
        )
    return strength


def own_trigger_shift(mean_log_proba, own_log_proba):
    """Measure what a row's own trigger adds to its log-probabilities.

    Both arguments have the shape (n_samples, n_classes): averaged over all triggers, and
    with the trigger of the row's own group. The difference is centred over the classes.
    """
    shift = own_log_proba - mean_log_proba
    shift -= shift.mean(axis=1, keepdims=True)
    return shift


def chunks(n_samples):
    """Cut rows into slices, so that no step needs a copy of all of them."""
    return [slice(start, start + CHUNK) for start in range(0, n_samples, CHUNK)]


class WeightedMeans:
    """Means over rows of what the offsets need."""

    def __init__(self, logits_of, n_samples, weights):
        self.logits_of = logits_of
        self.n_samples = n_samples
        self.weights = weights

    def __call__(self, offset):
        """Compute the mean log-normaliser, probability and product of probabilities."""
        *totals, total_weight = self.sums(offset)
        return tuple(total / total_weight for total in totals)

    def sums(self, offset):
        """Sum up the same over the rows, and their weights."""
        n_classes = len(offset)
        totals = np.float64(0), np.zeros(n_classes), np.zeros((n_classes, n_classes))
        total_weight = 0.0
        for part in chunks(self.n_samples):
            shifted = self.logits_of(part) + offset
            weights = np.ones(len(shifted))
            if self.weights is not None:
                weights = self.weights[part]
            norm = logsumexp(shifted, axis=1)
            proba = np.exp(shifted - norm[:, None])
            means = weights @ norm, weights @ proba, (proba.T * weights) @ proba
            totals = tuple(total + mean for total, mean in zip(totals, means))
            total_weight += weights.sum()
        return *totals, total_weight


def base_rate_offset(logits, class_rates, weights=None, *, is_exact=True):
    """Find the offset of each class at which the mean probability equals its rate.

    The offsets minimise a smooth convex function whose gradient is the difference
    between the two, so a second-order solver finds them in a few steps. Their mean is
    zero. Where there are none, an error says so, unless the nearest will do.
    """
    means = WeightedMeans(logits.__getitem__, len(logits), weights)
    return solve_offset(means, class_rates, is_exact=is_exact)


def solve_offset(mean_row, class_rates, *, is_exact=True):
    """Find the offset, given means over rows, see :class:`WeightedMeans`."""

    def with_reference(free):
        return np.concatenate([[0.0], free])

    def value_and_gradient(free):
        offset = with_reference(free)
        norm, proba, _ = mean_row(offset)
        return norm - class_rates @ offset, (proba - class_rates)[1:]

    def distance(free):
        return np.abs(value_and_gradient(free)[1]).max()

    def hessian(free):
        _, proba, products = mean_row(with_reference(free))
        return (np.diag(proba) - products)[1:, 1:]

    at_zero = np.maximum(mean_row(np.zeros(len(class_rates)))[1], SMALLEST_MEAN)
    start = np.log(class_rates) - np.log(at_zero)
    solution = minimize(
        value_and_gradient,
        (start - start[0])[1:],
        jac=True,
        hess=hessian,
        method="trust-exact",
        options={"gtol": 1e-9},
    )
    # One more step, which the solver refuses where the value no longer tells it is better.
    _, gradient = value_and_gradient(solution.x)
    polished = solution.x - np.linalg.lstsq(hessian(solution.x), gradient, rcond=None)[0]
    offset = with_reference(min(solution.x, polished, key=distance))
    if is_exact:
        _refuse_difference(np.abs(mean_row(offset)[1] - class_rates).max())
    return offset - offset.mean()


def _refuse_difference(gap):
    """Refuse an offset at which mean targets and class frequencies differ."""
    if not gap < RATE_TOLERANCE:
        raise RuntimeError(
            "base_rate='keep' found no offset at which the soft targets keep the class "
            f"frequencies (largest difference {gap:.2g}). Use a smaller "
            "trigger_strength or base_rate='drift'; if the teacher's training has "
            "diverged, lower the learning rate."
        )


def resolve_class_rates(base_rate, y, n_classes, weights=None):
    """Find the class frequencies at which targets are held; None if they may drift.

    `base_rate` is "keep" for those of the class codes `y`, "drift" for none, or the
    frequencies themselves, of shape (n_classes,).
    """
    if isinstance(base_rate, str) and base_rate == "drift":
        return None
    if isinstance(base_rate, str) and base_rate == "keep":
        counts = np.bincount(y, weights, minlength=n_classes)
        return counts / counts.sum()
    return given_class_rates(base_rate, n_classes)


def given_class_rates(base_rate, n_classes):
    """Check frequencies of the user's own; None where a word was given instead."""
    if isinstance(base_rate, str) and base_rate in ("keep", "drift"):
        return None
    rates = np.zeros(0) if isinstance(base_rate, str) else np.asarray(base_rate, float)
    if rates.shape != (n_classes,) or not (np.isfinite(rates) & (rates > 0)).all():
        raise ValueError(
            f"base_rate must be 'keep', 'drift' or {n_classes} positive frequencies, one "
            f"per class, got {base_rate!r}."
        )
    rates = rates / rates.max()  # whose sum is finite
    return rates / rates.sum()
