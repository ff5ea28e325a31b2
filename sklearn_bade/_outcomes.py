"""Outcomes: who was decided how, and everything that is counted from it.

Metrics and searches both stand on this table of group by true by predicted class: rates,
gaps, disparities and the rule of choice. Everything here is NumPy.
"""

from dataclasses import dataclass

import numpy as np

from .exceptions import UndefinedDisparityWarning, UnreachedBoundWarning
from .utils import warn_user

# How the gaps in the rates of one class make up a disparity.
DISPARITIES = {
    "average_odds": lambda gaps: (gaps["true_positive"] + gaps["false_positive"]) / 2,
    "equalized_odds": lambda gaps: np.maximum(
        gaps["true_positive"], gaps["false_positive"]
    ),
    "demographic_parity": lambda gaps: gaps["selection"],
    "equal_opportunity": lambda gaps: gaps["true_positive"],
}

# How the disparities of several classes make up one.
MULTICLASS = {"worst": np.max, "mean": np.mean}

# The rates whose gaps each disparity is made of.
RATES_OF_DISPARITY = {
    "average_odds": ("true_positive", "false_positive"),
    "equalized_odds": ("true_positive", "false_positive"),
    "demographic_parity": ("selection",),
    "equal_opportunity": ("true_positive",),
}


def count_codes(y, predicted, n_classes):
    """Count the rows of each class, and for how many each is predicted."""
    return [np.bincount(codes, minlength=n_classes) for codes in (y, predicted)]


class Outcomes:
    """Rows, or their weights, of each group, true class and predicted class.

    `counts`, of shape (n_groups, n_classes, n_classes), are sums of weights, `n_rows`
    numbers of rows, `squares` sums of squared weights; None says that all weights are one.
    What is compared is a matter of `classes` (None for those of :meth:`compared_classes`),
    of `min_rows`, the rows that a rate rests on at least, and of `multiclass`, how the
    disparities of several classes make up one.
    """

    def __init__(
        self,
        counts,
        n_rows=None,
        squares=None,
        *,
        classes=None,
        min_rows=1,
        multiclass="worst",
    ):
        self.classes = classes
        self.min_rows = min_rows
        self.multiclass = multiclass
        self.counts = counts
        self.n_rows = counts if n_rows is None else n_rows
        self.squares = self.n_rows if squares is None else squares

    @classmethod
    def count(cls, y, predicted, groups, n_classes, n_groups, weights=None, **compared):
        """Count class codes and predicted codes by group code.

        Rows of group -1, or of weight zero, are left out. `compared` says what is compared.
        """
        known = groups >= 0 if weights is None else (groups >= 0) & (weights > 0)
        cells = (groups[known] * n_classes + y[known]) * n_classes + predicted[known]
        shape, n_cells = (n_groups, n_classes, n_classes), n_groups * n_classes**2
        n_rows = np.bincount(cells, minlength=n_cells).reshape(shape)
        if weights is None:
            return cls(n_rows, **compared)
        counts, squares = (
            np.bincount(cells, weights[known] ** power, minlength=n_cells).reshape(shape)
            for power in (1, 2)
        )
        return cls(counts, n_rows, squares, **compared)

    @classmethod
    def add(cls, several):
        """Put the tables of several lots of rows together."""
        tables = zip(*((each.counts, each.n_rows, each.squares) for each in several))
        return cls(*map(sum, tables))

    @classmethod
    def of_rows(cls, rows, predicted, **compared):
        """Count predicted class codes of :class:`~sklearn_bade.rows.Rows`."""
        sizes = rows.n_classes, len(rows.groups)
        codes = rows.groups.codes
        return cls.count(rows.y, predicted, codes, *sizes, rows.weights, **compared)

    def rates(self, min_rows=None):
        """Compute rates of each class against the rest, of shape (n_groups, n_classes).

        "selection", "true_positive" and "false_positive"; NaN for a rate that rests on
        fewer than `min_rows` rows, by default those of the table.
        """
        min_rows = self.min_rows if min_rows is None else min_rows
        totals = self.counts.sum(axis=2)
        hits = np.diagonal(self.counts, axis1=1, axis2=2)
        selected = self.counts.sum(axis=1)
        everybody = self.counts.sum(axis=(1, 2))[:, None]
        others = everybody - totals
        n_rows = self.n_rows.sum(axis=(1, 2))[:, None]
        n_of_class = self.n_rows.sum(axis=2)
        return {
            "selection": _divide(selected, everybody, n_rows >= min_rows),
            "true_positive": _divide(hits, totals, n_of_class >= min_rows),
            "false_positive": _divide(
                selected - hits, others, n_rows - n_of_class >= min_rows
            ),
        }

    def precisions(self):
        """Compute precisions of each class, and the rows of equal weight they rest on.

        Both have the shape (n_groups, n_classes); NaN where nobody is decided for a class.
        """
        hits = np.diagonal(self.counts, axis1=1, axis2=2)
        selected = self.counts.sum(axis=1)
        sizes = effective_size(selected, self.squares.sum(axis=1))
        return _divide(hits, selected, True), sizes

    def accuracies(self):
        """Compute the accuracy of each group; NaN without rows."""
        return _divide(
            np.trace(self.counts, axis1=1, axis2=2), self.counts.sum(axis=(1, 2)), True
        )

    def gaps(self, classes=None, min_rows=None):
        """Compute the widest gaps between groups in each of :meth:`rates`.

        `classes` are those to compare with the rest. Rates without rows are left out; a gap
        is NaN if fewer than two groups have any.
        """
        classes = self.compared_classes() if classes is None else classes
        rates = self.rates(min_rows)
        return {kind: _widest_gap(rate[:, classes]) for kind, rate in rates.items()}

    def compared_classes(self):
        """List the classes to compare; by default the greater of two, and all of more."""
        if self.classes is not None:
            return self.classes
        n_classes = self.counts.shape[1]
        return [n_classes - 1] if n_classes <= 2 else list(range(n_classes))

    def disparity(self, name):
        """Compute a disparity by name; with several classes, that of the worst or the mean.

        NaN if it rests on a gap that cannot be computed.
        """
        return self.over_classes(DISPARITIES[name](self.gaps()))

    def over_classes(self, disparities):
        """Make one figure of those of several classes; NaN of none."""
        if not len(disparities):
            return np.nan
        return float(MULTICLASS[self.multiclass](disparities))

    def rate_sizes(self):
        """Compute how many rows of equal weight say as much as those of each rate.

        In the shape of :meth:`rates`; the squared sum of the weights over the sum of their
        squares (Kish, "Survey Sampling", 1965).
        """
        of_class, squares = self.counts.sum(axis=2), self.squares.sum(axis=2)
        everybody = of_class.sum(axis=1, keepdims=True) + 0 * of_class
        all_squares = squares.sum(axis=1, keepdims=True) + 0 * squares
        return {
            "selection": effective_size(everybody, all_squares),
            "true_positive": effective_size(of_class, squares),
            "false_positive": effective_size(everybody - of_class, all_squares - squares),
        }

    def standard_error(self, name):
        """Estimate the standard error of a disparity, as that of independent proportions.

        That of the worst class, or of the mean of all, and of the two groups that are
        furthest apart; NaN for a disparity that cannot be computed.
        """
        if not np.isfinite(self.disparity(name)):
            return np.nan
        classes = self.compared_classes()
        if self.multiclass == "worst":
            classes = [classes[int(DISPARITIES[name](self.gaps(classes)).argmax())]]
        variances = [self._variance_of_gaps(name, k) for k in classes]
        mean = len(RATES_OF_DISPARITY[name]) if name == "average_odds" else 1
        return float(np.sqrt(np.sum(variances)) / mean / len(classes))

    def _variance_of_gaps(self, name, k):
        """Add up the variances of the gaps that a class's disparity is made of."""
        rates, sizes, total = self.rates(), self.rate_sizes(), 0.0
        for kind in RATES_OF_DISPARITY[name]:
            rate, size = rates[kind][:, k], sizes[kind][:, k]
            ends = [np.nanargmin(rate), np.nanargmax(rate)]
            total += (rate * (1 - rate) / size)[ends].sum()
        return total

    def left_out(self, name, classes=None, min_rows=None):
        """Find the rates that a disparity compares, and that rest on too few rows.

        Returns
        -------
        left_out : list of (str, int, int)
            Kind of rate, group and class; of classes that rows of any group belong to.
        """
        classes = self.compared_classes() if classes is None else classes
        rates = self.rates(min_rows)
        return [
            (kind, int(g), classes[k])
            for kind in RATES_OF_DISPARITY[name]
            for g, k in np.argwhere(np.isnan(rates[kind][:, classes]))
        ]


def effective_size(weight, squares):
    """Compute the number of rows of equal weight; zero where nothing weighs anything."""
    size = np.zeros(np.shape(weight))
    return np.divide(weight**2, squares, out=size, where=np.asarray(squares) > 0)


def _divide(part, whole, is_defined):
    """Divide, and return NaN where the whole weighs nothing or is declared undefined."""
    share = np.full(np.broadcast_shapes(np.shape(part), np.shape(whole)), np.nan)
    return np.divide(part, whole, out=share, where=(whole > 0) & is_defined)


def _widest_gap(rate):
    """Compute the widest gap between groups, for each class."""
    is_known = np.isfinite(rate)
    greatest = np.where(is_known, rate, -np.inf).max(axis=0)
    least = np.where(is_known, rate, np.inf).min(axis=0)
    gap = np.full(rate.shape[1], np.nan)
    return np.subtract(greatest, least, out=gap, where=is_known.sum(axis=0) >= 2)


@dataclass
class ChoiceRule:
    """A rule that chooses between candidates; exactly one of the three is given.

    Within `max_disparity`, the most accurate candidate is chosen; if none keeps the bound,
    the least disparate one, with a warning. Within `max_accuracy_loss` of the most accurate
    candidate, the least disparate one. With `disparity_weight`, that whose accuracy minus
    so many times its disparity is greatest.
    """

    max_disparity: float | None = None
    max_accuracy_loss: float | None = None
    disparity_weight: float | None = None

    def __post_init__(self):
        given = {name: value for name, value in vars(self).items() if value is not None}
        if len(given) != 1:
            raise ValueError(
                "Give exactly one of max_disparity, max_accuracy_loss and "
                f"disparity_weight, got {given or 'none'}."
            )

    def choose(self, accuracy, disparity):
        """Return the position of the chosen candidate; never one whose figures are NaN.

        Both arguments have the shape (n_candidates,).
        """
        usable = np.isfinite(accuracy) & np.isfinite(disparity)
        if not usable.any():
            raise ValueError(
                "No candidate has a finite accuracy and disparity. Scores are NaN where a "
                "scorer has failed, and warnings tell why; a fairness scorer that names no "
                "column gets the sensitive features in scikit-learn's searches only after "
                "sklearn.set_config(enable_metadata_routing=True)."
            )
        accuracy = np.where(usable, accuracy, -np.inf)
        disparity = np.where(usable, disparity, np.inf)
        if self.disparity_weight is not None:
            worth = accuracy - self.disparity_weight * np.where(usable, disparity, 0)
            return int(worth.argmax())
        if self.max_accuracy_loss is not None:
            allowed = accuracy >= accuracy.max() - self.max_accuracy_loss
            return int(np.where(allowed, disparity, np.inf).argmin())
        return self._choose_within_bound(accuracy, disparity)

    def _choose_within_bound(self, accuracy, disparity):
        allowed = disparity <= self.max_disparity
        if allowed.any():
            return int(np.where(allowed, accuracy, -np.inf).argmax())
        return int(disparity.argmin())

    def warn_if_unreached(self, accuracy, disparity, most_accuracy):
        """Say so where the chosen candidate does not keep the bound, and what it pays."""
        if self.max_disparity is None or disparity <= self.max_disparity:
            return
        warn_user(
            "No candidate has a cross-validated disparity of at most "
            f"{self.max_disparity:g}. The least that was found, {disparity:.4f}, is taken; "
            f"its accuracy is {accuracy:.4f}, where the most accurate candidate has "
            f"{most_accuracy:.4f}. If that is too much to pay, use a larger max_disparity, "
            "or disparity_weight=1, which weighs one against the other.",
            UnreachedBoundWarning,
        )


def used_folds(by_fold, name, reasons=None):
    """Select the folds that have a figure for every candidate, and name the others."""
    is_used = np.isfinite(by_fold).all(axis=1)
    if is_used.all() or not is_used.any():
        return by_fold
    reasons = reasons or [""] * len(by_fold)
    left_out = [
        f"fold {i}" + (f" ({reasons[i]})" if reasons[i] else "")
        for i in np.flatnonzero(~is_used)
    ]
    warn_user(
        f"No {name} could be computed in {', '.join(left_out)}; the mean is that of the "
        "other folds.",
        UndefinedDisparityWarning,
    )
    return by_fold[is_used]
