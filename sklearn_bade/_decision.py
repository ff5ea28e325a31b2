"""What is decided of probabilities: the greatest, a threshold, costs, or a share of rows.

Everything here is NumPy; a logit is a log-probability up to a constant per row.
"""

import numpy as np
from scipy.special import softmax

from .exceptions import SmallSelectionWarning, TiedSelectionWarning
from .utils import warn_user

# Ties at the end of a selection are broken by lot, the same one each time: the order of
# the rows may say something of their groups.
LOT = 0
# Log-odds by which logarithms may miss a threshold that a probability meets.
ROUNDING = 1e-9


class Decision:
    """The class of the greatest probability is decided."""

    # Whether scores are the logits themselves.
    is_linear = True

    def decide(self, logits, warns=False):
        """Return class codes of rows, of shape (n_samples,)."""
        return logits.argmax(axis=1)

    def decide_proba(self, proba, warns=False):
        """Return class codes of rows, given probabilities."""
        with np.errstate(divide="ignore"):
            return self.decide(np.log(proba), warns)

    def scores(self, logits):
        """Return what is greatest for the class that is decided."""
        return logits

    def cut(self, margins, weights):
        """Return the log-odds above which the greater of two classes is decided."""
        return 0.0


class ThresholdDecision(Decision):
    """The greater of two classes is decided where its probability is high enough."""

    def __init__(self, threshold):
        with np.errstate(divide="ignore"):
            self.margin = float(np.log(threshold) - np.log1p(-threshold))

    def decide(self, logits, warns=False):
        return (_margins(logits) >= self.margin - ROUNDING).astype(int)

    def cut(self, margins, weights):
        return self.margin


class CostDecision(Decision):
    """The class of the least expected cost is decided."""

    is_linear = False

    def __init__(self, costs):
        self.costs = costs

    def decide(self, logits, warns=False):
        return self.scores(logits).argmax(axis=1)

    def scores(self, logits):
        # In units of the greatest difference that a decision can make.
        return -softmax(logits, axis=1) @ self.costs / np.ptp(self.costs, axis=1).max()


class SelectionDecision(Decision):
    """The rows that are likeliest of the greater of two classes are selected."""

    def __init__(self, rate):
        self.rate = rate

    def decide(self, logits, warns=False):
        margins = _margins(logits)
        n_samples = len(margins)
        n_selected = int(np.floor(self.rate * n_samples + 0.5))
        lot = np.random.RandomState(LOT).permutation(n_samples)
        order = np.lexsort((lot, -margins))
        selected = np.zeros(n_samples, dtype=int)
        selected[order[:n_selected]] = 1
        if warns and n_samples and n_selected in (0, n_samples):
            self._warn_of_one_answer(n_samples, n_selected)
        elif warns and n_samples:
            self._warn_of_ties(margins, margins[order[n_selected - 1]], selected)
        return selected

    def _warn_of_one_answer(self, n_samples, n_selected):
        """Say so where rounding leaves nothing to select."""
        warn_user(
            f"selection_rate={self.rate:g} of {n_samples} row(s) is {n_selected}, so all "
            "get one answer. A selection is one of the rows given to predict at once: give "
            "all that compete, or use a threshold to decide row by row.",
            SmallSelectionWarning,
        )

    def _warn_of_ties(self, margins, last, selected):
        """Say so where equal rows are decided differently."""
        is_tied = margins == last
        n_tied, n_taken = is_tied.sum(), selected[is_tied].sum()
        if n_taken < n_tied:
            warn_user(
                f"selection_rate={self.rate:g} of {len(margins)} rows is {selected.sum()}, "
                f"and {n_tied} rows share the probability at which the selection ends; "
                f"{n_taken} of these were selected, by lot. Select more or fewer rows to "
                "treat them alike.",
                TiedSelectionWarning,
            )

    def cut(self, margins, weights):
        order = np.argsort(margins)
        shares = np.cumsum(weights[order]) / weights.sum()
        return float(np.interp(1 - self.rate, shares, margins[order]))


def make_decision(threshold, cost_matrix, selection_rate, n_classes):
    """Make the decision that a user asked for, at most one of three."""
    given = {
        "threshold": threshold,
        "cost_matrix": cost_matrix,
        "selection_rate": selection_rate,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if not given:
        return Decision()
    if len(given) > 1:
        raise ValueError(
            f"Give at most one of {', '.join(given)}: each says by itself what is decided."
        )
    if cost_matrix is not None:
        return _make_cost_decision(cost_matrix, n_classes)
    ((name, value),) = given.items()
    if n_classes != 2:
        raise ValueError(
            f"{name}={value!r} is about the greater of two classes, and y has {n_classes}. "
            "Leave it out; what wrong decisions cost can be given as cost_matrix."
        )
    return ThresholdDecision(value) if threshold is not None else SelectionDecision(value)


def _make_cost_decision(cost_matrix, n_classes):
    """Check a cost matrix; with two classes it comes down to a threshold."""
    costs = np.asarray(cost_matrix, dtype=float)
    if costs.shape != (n_classes, n_classes) or not np.isfinite(costs).all():
        raise ValueError(
            f"cost_matrix must hold one finite cost for each true class (row) and decided "
            f"class (column), so have the shape {(n_classes, n_classes)}; got an array of "
            f"shape {costs.shape}"
            + ("." if costs.shape != (n_classes, n_classes) else " with NaN or infinity.")
        )
    excess = costs - np.diag(costs)[:, None]
    is_off_diagonal = ~np.eye(n_classes, dtype=bool)
    if (excess[is_off_diagonal] <= 0).any():
        raise ValueError(
            "cost_matrix must charge more for a wrong decision than for the right one; in "
            f"the rows of {costs.tolist()} the diagonal has to be the least."
        )
    if n_classes > 2:
        return CostDecision(costs)
    wrong = excess[is_off_diagonal]  # of a false positive, and of a false negative
    return ThresholdDecision(wrong[0] / wrong.sum())


def _margins(logits):
    with np.errstate(invalid="ignore"):
        return logits[:, 1] - logits[:, 0]
