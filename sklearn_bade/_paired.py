"""Two models on the same rows: how sure it is that one decides better than the other.

Everything here is NumPy; a table of counts holds no row.
"""

from typing import NamedTuple

import numpy as np

from ._outcomes import DISPARITIES, RATES_OF_DISPARITY, Outcomes, effective_size
from ._uncertainty import interval, rate_limits

# Rows that draws suppose to have been seen of each group and class beforehand, decided
# alike by both models and for any class, so that no rate is certain in few rows and models
# that agree on every row go together wholly.
ROWS_SUPPOSED = 1.0


class Change(NamedTuple):
    """A figure of two models, and the limits of the second less the first."""

    before: object
    after: object
    lower: object
    upper: object


class PairedOutcomes:
    """Rows, or their weights, of each group and true class, by what two models decide.

    `counts`, of shape (n_groups, n_classes, n_classes, n_classes), have the axes group,
    true class, class decided before and class decided after; `squares` are sums of squared
    weights. `classes` are those to compare, see :class:`~sklearn_bade._outcomes.Outcomes`.
    """

    def __init__(self, counts, n_rows=None, squares=None, *, classes=None):
        self.counts = counts
        self.squares = counts if squares is None else squares
        n_rows = counts if n_rows is None else n_rows
        self.before, self.after = (
            Outcomes(
                *(table.sum(axis=axis) for table in (counts, n_rows, self.squares)),
                classes=classes,
            )
            for axis in (3, 2)
        )

    @classmethod
    def count(cls, y, before, after, groups, n_classes, n_groups, weights=None, **compared):
        """Count class codes by group code; rows of group -1 are left out."""
        known = groups >= 0 if weights is None else (groups >= 0) & (weights > 0)
        shape = n_groups, n_classes, n_classes, n_classes
        codes = groups[known], y[known], before[known], after[known]
        cells, n_cells = np.ravel_multi_index(codes, shape), int(np.prod(shape))
        n_rows = np.bincount(cells, minlength=n_cells).reshape(shape)
        if weights is None:
            return cls(n_rows, **compared)
        counts, squares = (
            np.bincount(cells, weights[known] ** power, n_cells).reshape(shape)
            for power in (1, 2)
        )
        return cls(counts, n_rows, squares, **compared)

    def rate_changes(self, confidence):
        """Compute changes of rates, each :class:`Change` in arrays as `Outcomes.rates`."""
        sizes, together = self.before.rate_sizes(), self._decided_by_both()
        before, after = self.before.rates(), self.after.rates()
        return {
            kind: _rate_change(
                before[kind], after[kind], together[kind], sizes[kind], confidence
            )
            for kind in before
        }

    def _decided_by_both(self):
        """Compute how often both models decide for a class, as `Outcomes.rates`."""
        n_classes = self.counts.shape[1]
        both = np.einsum("gtkk->gtk", self.counts)
        hits = np.einsum("gkk->gk", both)
        of_class = self.counts.sum(axis=(2, 3))
        everybody = of_class.sum(axis=1, keepdims=True) + np.zeros(n_classes)
        parts = {
            "selection": (both.sum(axis=1), everybody),
            "true_positive": (hits, of_class),
            "false_positive": (both.sum(axis=1) - hits, everybody - of_class),
        }
        with np.errstate(invalid="ignore"):
            return {kind: part / whole for kind, (part, whole) in parts.items()}

    def accuracy_change(self, confidence):
        """Compute the change in accuracy, over all groups."""
        total = self.counts.sum()
        size = effective_size(total, self.squares.sum())
        both = np.einsum("gkkk->", self.counts) / total
        before, after = (
            np.trace(outcomes.counts, axis1=1, axis2=2).sum() / total
            for outcomes in (self.before, self.after)
        )
        return Change(*map(float, _rate_change(before, after, both, size, confidence)))

    def disparity_changes(self, names, *, confidence, n_resamples, rng):
        """Compute changes of disparities.

        The two disparities have limits of their own, which know that a gap between equal
        groups is never seen as zero. How far the two go together is seen in draws of the
        rows, within each group and the same for both models (a Bayesian bootstrap: Rubin,
        Annals of Statistics 9, 1981).
        """
        draws = self._draw(n_resamples, rng)
        drawn = [self._disparities(draws.sum(axis=axis), names) for axis in (4, 3)]
        changes, rates = {}, self.rate_changes(confidence)
        for name in names:
            before, after = self.before.disparity(name), self.after.disparity(name)
            limits = [interval(o, name, confidence) for o in (self.before, self.after)]
            correlation = _correlate(*(figures[name] for figures in drawn))
            # Chance widens a gap that may be none, and what it adds does not cancel where
            # only one of the two may be: of 95% intervals, .91 to .93 hold then, without
            # this .86 to .92 (simulated).
            if (limits[0][0] == 0) != (limits[1][0] == 0):
                correlation = min(correlation, 0.0)
            change = _change(before, after, *limits, correlation)
            most = self._greatest_change(name, rates)
            changes[name] = change._replace(
                lower=np.maximum(change.lower, -most), upper=np.minimum(change.upper, most)
            )
        return changes

    def _greatest_change(self, name, changes):
        """Compute how far a disparity can change at most, by the limits of the rates.

        A gap changes by no more than one rate rises and another one falls.
        """
        spans = {}
        for kind in RATES_OF_DISPARITY[name]:
            lower, upper = changes[kind].lower, changes[kind].upper
            span = np.fmax.reduce(upper, axis=0) - np.fmin.reduce(lower, axis=0)
            spans[kind] = span[self.before.compared_classes()]
        return DISPARITIES[name](spans).max()

    def _draw(self, n_resamples, rng):
        """Draw tables, of shape (n_resamples, n_groups, ...)."""
        totals = self.counts.sum(axis=(1, 2, 3), keepdims=True)
        sizes = effective_size(totals, self.squares.sum(axis=(1, 2, 3), keepdims=True))
        per_weight = np.divide(sizes, totals, out=np.zeros_like(sizes), where=totals > 0)
        n_classes = self.counts.shape[-1]
        supposed = np.eye(n_classes) * ROWS_SUPPOSED / n_classes
        shape = n_resamples, *self.counts.shape
        return rng.gamma(self.counts * per_weight + supposed, size=shape)

    def _disparities(self, tables, names):
        """Compute disparities of many tables, from rates that the rows themselves have."""
        n_tables, n_groups, n_classes = tables.shape[:3]
        flat = tables.reshape(-1, n_classes, n_classes)
        rates = Outcomes(flat, n_rows=np.ones_like(flat)).rates()  # draws are no rows
        classes, gaps = self.before.compared_classes(), {}
        for kind, known in self.before.rates().items():
            rate = rates[kind].reshape(n_tables, n_groups, n_classes)
            gaps[kind] = np.full((n_tables, n_classes), np.nan)
            for k in classes:
                seen = np.flatnonzero(np.isfinite(known[:, k]))
                if len(seen) >= 2:
                    gaps[kind][:, k] = np.ptp(rate[:, seen, k], axis=1)
            gaps[kind] = gaps[kind][:, classes]
        return {
            name: DISPARITIES[name](
                {kind: gaps[kind] for kind in RATES_OF_DISPARITY[name]}
            ).max(axis=1)
            for name in names
        }


def _rate_change(before, after, both, size, confidence):
    """Compute the change in a rate, given how often both models decide for the class.

    Newcombe's tenth method for pairs (Statistics in Medicine 17, 1998, page 2635).
    """
    variance = before * (1 - before) * after * (1 - after)
    correlation = np.zeros(np.shape(before))
    np.divide(
        both - before * after,
        np.sqrt(np.maximum(variance, 0)),
        out=correlation,
        where=variance > 0,
    )
    with np.errstate(invalid="ignore"):
        limits = [rate_limits(rate, size, confidence) for rate in (before, after)]
    return _change(before, after, *limits, correlation)


def _change(before, after, before_limits, after_limits, correlation):
    """Combine the limits of two figures into those of their difference (MOVER)."""
    (low_before, high_before), (low_after, high_after) = before_limits, after_limits
    down = _combine(after - low_after, high_before - before, correlation)
    up = _combine(high_after - after, before - low_before, correlation)
    return Change(before, after, after - before - down, after - before + up)


def _combine(one, other, correlation):
    return np.sqrt(np.maximum(one**2 + other**2 - 2 * correlation * one * other, 0))


def _correlate(one, other):
    """Compute a correlation; zero where nothing varies or nothing is known."""
    one, other = one - one.mean(), other - other.mean()
    scale = np.sqrt((one**2).sum() * (other**2).sum())
    return float((one * other).sum() / scale) if scale > 0 else 0.0
