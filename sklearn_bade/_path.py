"""The path: the model of every trigger strength, by arithmetic on two models' answers.

Everything here is NumPy; no estimator is in sight.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax, softmax

from ._decision import Decision
from ._reversal import base_rate_offset, given_class_rates

# A point of a sketch is the mean of at least so many rows, so that none is kept. In 400
# rows a share of decisions is then missed by .02, in 1000 by .01: about its standard error.
LEAST_ROWS_OF_POINT = 5
# Points at most: the share of rows beyond a threshold is then known to a thousandth.
MOST_POINTS = 2048
# Log-odds beyond it decide nothing, and forests' are infinite.
GREATEST_MARGIN = 20.0
# Rows that differ by less than a fraction of the spread are one atom of a sketch.
STEPS_PER_SPREAD, SMALLEST_SPREAD = 256, 1e-12
# Logits are divided by it where several classes share the decisions: smoothed decisions can
# be solved for, and differ from hard ones only within a twentieth of a logit of a tie.
DECISION_TEMPERATURE = 0.05
GREATEST_EXPONENT = 300.0
# Decisions that are sought for a class at least, where it has none at all at strength 0.
LEAST_RATE = 1e-6
# Steps of the search for an offset where decisions go by cost. A hundred leave less than a
# thousandth of the rows misplaced in problems of three to five classes.
N_MATCHING_STEPS = 100


@dataclass(frozen=True)
class Path:
    """The classifiers of all strengths.

    With z the log-probabilities of the base, p(k, g | x) the chance of each cell (class k
    and group g) and d the trigger's shift, the logits of strength w are::

        z(x) - sum_kg w[k, g] * p(k, g | x) * (d[:, g] - mean of d over the groups in k) + c

    They are the expectation, given the features, of what the reversal does to a row whose
    class and group are known. Where strengths differ between groups, what is taken is
    centred again, so that it says nothing of the class alone.

    Attributes
    ----------
    shift : ndarray of shape (n_classes, n_groups)
        What each group's trigger adds to the log-probability of each class, as measured on
        the teacher.

    group_rates : ndarray of shape (n_classes, n_groups)
        Frequencies of the groups in each class; rows sum to one.

    sketch : Sketch
        Answers that offsets are found on.

    decision : Decision
        What is decided of the logits, and so has a rate to keep.
    """

    shift: np.ndarray
    group_rates: np.ndarray
    sketch: "Sketch" = field(repr=False)
    decision: Decision = field(default_factory=Decision)

    def logits(self, answers, strength):
        """Compute the logits of a strength, of shape (n_samples, n_classes), no offset."""
        n_classes = self.shift.shape[0]
        reversal = self._reversal(strength).reshape(-1, n_classes)
        return answers.log_proba - answers.cells @ reversal

    def _reversal(self, strength):
        """Compute what is taken from each logit (last axis) of each class and group."""
        shape = self.shift.shape
        strength = np.asarray(strength, dtype=float)
        if strength.ndim == 1:
            strength = strength[:, None]
        by_group = np.broadcast_to(self.shift.T, (shape[0], *self.shift.T.shape))
        # Centred twice: what all groups of a class share is no matter of groups.
        centred = by_group - self._mean_of_class(by_group)
        weighed = np.broadcast_to(strength, shape)[:, :, None] * centred
        return weighed - self._mean_of_class(weighed)

    def _mean_of_class(self, by_group):
        return np.einsum("kg,kgj->kj", self.group_rates, by_group)[:, None, :]

    def offset(self, strength, base_rate):
        """Find what to add to the logits so that decisions are as frequent as wanted.

        `base_rate` is "keep" for as frequent as at strength 0, "drift" for an offset of
        zero, or frequencies of shape (n_classes,).
        """
        n_classes = self.shift.shape[0]
        is_zero = not np.any(strength)
        if isinstance(base_rate, str) and (base_rate == "drift" or is_zero):
            return np.zeros(n_classes)
        rates = given_class_rates(base_rate, n_classes)
        solve = _binary_offset if n_classes == 2 else _smooth_offset
        at_zero, weights = self.sketch.answers.log_proba, self.sketch.weights
        logits = self.logits(self.sketch.answers, strength)
        return solve(logits, rates, at_zero, weights, self.decision)

    @property
    def reach(self):
        """How far a strength of one moves the log-odds of a row of known class and group.

        The standard deviation of what is reversed, over the groups of the class in which it
        is greatest.
        """
        reversal = self._reversal(1.0)
        variances = np.einsum("kg,kgj->kj", self.group_rates, reversal**2)
        return float(np.sqrt(variances.max()))


@dataclass(frozen=True)
class Answers:
    """What base and cells say of rows: all that a strength needs to know of them.

    Attributes
    ----------
    log_proba : ndarray of shape (n_samples, n_classes)
        Log-probabilities of the base.

    group_proba : ndarray of shape (n_samples, n_classes, n_groups)
        Chance of each group, if the row belonged to each class.
    """

    log_proba: np.ndarray
    group_proba: np.ndarray

    @cached_property
    def cells(self):
        """Chance of each class and group, of shape (n_samples, n_cells)."""
        proba = np.exp(self.log_proba)[:, :, None] * self.group_proba
        return proba.reshape(len(proba), -1)

    def __reduce__(self):
        """Pickle what cannot be computed."""
        return Answers, (self.log_proba, self.group_proba)

    def take(self, positions):
        """Select rows."""
        return Answers(self.log_proba[positions], self.group_proba[positions])

    @classmethod
    def concatenate(cls, answers):
        """Put several below one another."""
        return cls(
            np.concatenate([each.log_proba for each in answers]),
            np.concatenate([each.group_proba for each in answers]),
        )


@dataclass(frozen=True)
class Sketch:
    """A summary of answers that holds no row: each point is the mean of several.

    Attributes
    ----------
    answers : Answers
        The points.

    weights : ndarray of shape (n_points,)
        How much each counts.
    """

    answers: Answers
    weights: np.ndarray

    @classmethod
    def of(cls, answers, weights=None):
        """Summarise answers by the means of rows that lie close together."""
        return Points.of(answers, weights).summary().sketch()


class Points(NamedTuple):
    """Points of a sketch in the making, which know how many rows each is the mean of.

    Summaries of several parts of the rows can so be summarised in their turn.
    """

    answers: Answers
    weights: np.ndarray
    n_rows: np.ndarray

    @classmethod
    def of(cls, answers, weights=None):
        """Take each row for a point."""
        ones = np.ones(len(answers.log_proba))
        return cls(answers, ones if weights is None else weights, ones)

    @classmethod
    def concatenate(cls, points):
        """Put several below one another."""
        answers, weights, n_rows = zip(*points)
        return cls(
            Answers.concatenate(answers), np.concatenate(weights), np.concatenate(n_rows)
        )

    def sketch(self):
        """Take the points for a summary of all rows."""
        return Sketch(self.answers, self.weights)

    def summary(self):
        """Summarise points by the means of those that lie close together."""
        answers, weights, n_rows = self
        # Distances are those of what decides: margins, and chances of cells.
        margins = answers.log_proba - answers.log_proba.max(axis=1, keepdims=True)
        margins = np.maximum(margins, -GREATEST_MARGIN)
        margins -= margins.mean(axis=1, keepdims=True)
        # Single precision places points; what they hold is averaged in double.
        places = np.column_stack([margins, answers.cells]).astype(np.float32)
        atoms = _find_atoms(places, weights)
        labels = _group_neighbours(places, atoms, weights, n_rows)
        totals = np.bincount(labels, weights)

        def average(values):
            flat = values.reshape(len(weights), -1)
            sums = [np.bincount(labels, weights * column) for column in flat.T]
            return (np.array(sums) / totals).T.reshape(-1, *values.shape[1:])

        log_proba = log_softmax(average(margins), axis=1)
        means = Answers(log_proba, average(answers.group_proba))
        return Points(means, totals, np.bincount(labels, n_rows))


def _find_atoms(places, weights):
    """Give rows that fall together one number, and scale places by their spread.

    Equal rows fall together first, so that a weight of two equals two rows.
    """
    # One number a row tells rows apart: two of 2**64 are hardly ever equal by chance.
    factors = np.random.RandomState(0).randint(2**62, size=places.shape[1], dtype=int)
    numbers = np.zeros(len(places), dtype=np.int64)
    for column, factor in zip(places.T, 2 * factors + 1):
        spread = np.sqrt(np.average(np.square(column, dtype=float), weights=weights))
        column /= spread + SMALLEST_SPREAD
        numbers += factor * np.round(column * STEPS_PER_SPREAD).astype(np.int64)
    return np.unique(numbers, return_inverse=True)[1].ravel()


def _group_neighbours(places, atoms, weights, n_rows):
    """Halve atoms along the widest axis while halves are large enough.

    A part is the mean of several different rows, or of rows that several share: a row that
    weighs much is one row. All parts of one size are halved at once.
    """
    atom_weights, n_rows = np.bincount(atoms, weights), np.bincount(atoms, n_rows)
    centres = np.empty((len(atom_weights), places.shape[1]), dtype=places.dtype)
    for j, column in enumerate(places.T):
        centres[:, j] = np.bincount(atoms, weights * column) / atom_weights
    least_weight = atom_weights.sum() / MOST_POINTS
    labels, n_labels = np.zeros(len(centres), dtype=int), 0
    members, starts = np.arange(len(centres)), np.array([0])
    while len(members):
        members = _sort_within(members, starts, centres)
        halves = _find_halves(np.cumsum(atom_weights[members]), starts)
        is_large = _are_large(members, halves, n_rows, atom_weights, least_weight)
        is_split = is_large.reshape(-1, 2).all(axis=1)
        sizes = np.diff(starts, append=len(members))
        goes_on = np.repeat(is_split, sizes)
        done = np.repeat(np.cumsum(~is_split) - 1, sizes)[~goes_on]
        labels[members[~goes_on]] = n_labels + done
        n_labels += (~is_split).sum()
        members = members[goes_on]
        left = np.diff(halves, append=len(goes_on))[np.repeat(is_split, 2)]
        starts = np.cumsum(left) - left
    return labels[atoms]


def _sort_within(members, starts, centres):
    """Sort the atoms of each part along the axis in which the part is widest."""
    values = centres[members]
    widths = np.maximum.reduceat(values, starts) - np.minimum.reduceat(values, starts)
    parts = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(members)))
    along = values[np.arange(len(members)), widths.argmax(axis=1)[parts]]
    return members[np.lexsort((along, parts))]


def _find_halves(ends, starts):
    """Return where the halves of each part start, of which the first half the weight."""
    before = np.concatenate([[0.0], ends])[starts]
    lasts = np.append(starts[1:], len(ends)) - 1
    middles = np.searchsorted(ends, (before + ends[lasts]) / 2) + 1
    return np.column_stack([starts, np.minimum(middles, lasts + 1)]).ravel()


def _are_large(members, halves, n_rows, atom_weights, least_weight):
    """Tell which halves are means of enough rows, and weigh enough."""
    sizes = np.diff(halves, append=len(members))
    safe = np.minimum(halves, len(members) - 1)  # an empty half at the end has no start
    is_shared = np.minimum.reduceat(n_rows[members], safe) >= LEAST_ROWS_OF_POINT
    ends = np.concatenate([[0.0], np.cumsum(atom_weights[members])])
    totals = np.diff(ends[np.append(halves, len(members))])
    is_mean = sizes >= LEAST_ROWS_OF_POINT
    return (sizes > 0) & (is_mean | is_shared) & (totals >= least_weight)


def _binary_offset(logits, rates, at_zero, weights, decision):
    """Shift the margin so that the share of rows beyond the cut is as wanted."""
    cut = decision.cut(at_zero[:, 1] - at_zero[:, 0], weights)
    margins, shares = _distribution(logits, weights, cut)
    if rates is None:
        share = 1 - np.interp(0, *_distribution(at_zero, weights, cut))
    else:
        share = rates[1]
    threshold = np.interp(1 - share, shares, margins)
    return np.array([threshold, -threshold]) / 2


def _distribution(logits, weights, cut):
    """Sort margins beyond a cut, and find the share of rows below each.

    The ends lie beyond zero, so that decisions which are all alike stay as they are.
    """
    margins = logits[:, 1] - logits[:, 0] - cut
    order = np.argsort(margins, kind="stable")
    margins, weights = margins[order], weights[order]
    shares = (np.cumsum(weights) - weights / 2) / weights.sum()
    ends = min(margins[0], 0) - 1, max(margins[-1], 0) + 1
    return np.array([ends[0], *margins, ends[1]]), np.array([0, *shares, 1])


def _smooth_offset(logits, rates, at_zero, weights, decision):
    """Solve for shares of decisions, which are smoothed a little."""
    if rates is None:
        decided = softmax(decision.scores(at_zero) / DECISION_TEMPERATURE, axis=1)
        rates = np.maximum(np.average(decided, axis=0, weights=weights), LEAST_RATE)
        rates = rates / rates.sum()
    if not decision.is_linear:
        return _matched_offset(logits, rates, weights, decision)
    # Great strengths make logits that an exponential cannot take.
    temperature = max(
        DECISION_TEMPERATURE, np.ptp(logits, axis=1).max() / GREATEST_EXPONENT
    )
    scaled = base_rate_offset(logits / temperature, rates, weights, is_exact=False)
    return scaled * temperature


def _matched_offset(logits, rates, weights, decision):
    """Move logits of classes until decisions by cost are as frequent as wanted.

    What is added to a logit makes its class more frequent, though not in a convex way:
    steps in proportion to what is missing, which shrink.
    """
    offset, best, least = np.zeros(len(rates)), np.zeros(len(rates)), np.inf
    for step in np.geomspace(1, 0.01, N_MATCHING_STEPS):
        scores = decision.scores(logits + offset) / DECISION_TEMPERATURE
        decided = np.average(softmax(scores, axis=1), axis=0, weights=weights)
        missing = np.abs(decided - rates).max()
        if missing < least:
            least, best = missing, offset
        offset = offset + step * np.log(rates / np.maximum(decided, LEAST_RATE))
        offset = offset - offset.mean()
    return best
