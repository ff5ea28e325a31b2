"""What a report keeps of rows: counts, by attribute and model; no row is kept."""

from dataclasses import dataclass, field

import numpy as np

from ..._outcomes import Outcomes, effective_size
from ..._paired import PairedOutcomes


@dataclass
class Judgements:
    """What models say of labelled rows; it lives only while a report is made.

    Attributes
    ----------
    labels : ndarray of shape (n_classes,)
        Labels, in sorted order.

    y : ndarray of shape (n_samples,) or None
        True class codes; None where they are not known.

    decided : dict of str to ndarray of shape (n_samples,)
        Class codes that each model decides for.

    scores : dict of str to ndarray of shape (n_samples, n_classes)
        Probabilities or scores, where a model has any.

    weights : ndarray of shape (n_samples,) or None
        Weights of the rows.

    compared : list of int
        Classes that are compared with the rest.
    """

    labels: np.ndarray
    y: np.ndarray | None
    decided: dict
    scores: dict
    weights: np.ndarray | None
    compared: list

    def take(self, rows):
        """Select rows."""
        return Judgements(
            self.labels,
            None if self.y is None else self.y[rows],
            {name: codes[rows] for name, codes in self.decided.items()},
            {name: scores[rows] for name, scores in self.scores.items()},
            None if self.weights is None else self.weights[rows],
            self.compared,
        )


@dataclass
class ScoreBins:
    """Scores of one class by group, in bins; arrays have the shape (n_groups, n_bins).

    `score_sums` and `positives` are weighed sums, `sizes` rows of equal weight that say as
    much; `above` and `above_sizes`, of shape (n_groups,), are about scores above the median
    of all rows.
    """

    weights: np.ndarray
    score_sums: np.ndarray
    square_sums: np.ndarray
    positives: np.ndarray | None
    sizes: np.ndarray
    above: np.ndarray
    above_sizes: np.ndarray


@dataclass
class Counts:
    """Counts of one attribute.

    Attributes
    ----------
    attribute : str
        Name of the attribute.

    groups : list
        Names of the groups.

    n_unknown : int
        Rows whose group is unknown.

    cut_points : dict
        Where columns were cut.

    outcomes : dict of str to Outcomes
        By model.

    pairs : dict of str to PairedOutcomes
        By model, beside the first one.

    bins : dict of (str, int) to ScoreBins
        By model and class.

    has_truth : bool
        Whether true labels are known.
    """

    attribute: str
    groups: list
    n_unknown: int
    cut_points: dict
    outcomes: dict
    has_truth: bool
    pairs: dict = field(default_factory=dict)
    bins: dict = field(default_factory=dict)

    @property
    def n_rows(self):
        """Rows of each group."""
        return next(iter(self.outcomes.values())).n_rows.sum(axis=(1, 2))


def count(attribute, judgements, score_bins):
    """Count what models say of the groups of an attribute.

    `score_bins` are the ends of the bins of scores.
    """
    groups, codes = attribute.groups, attribute.groups.codes
    sizes = len(judgements.labels), len(groups)
    weights = judgements.weights
    has_truth = judgements.y is not None
    y = judgements.y if has_truth else np.zeros(len(codes), dtype=int)
    compared = {"classes": judgements.compared}
    counts = Counts(
        attribute.name,
        groups.names,
        attribute.n_unknown,
        groups.cut_points,
        {},
        has_truth,
    )
    first = next(iter(judgements.decided))
    for model, decided in judgements.decided.items():
        counts.outcomes[model] = Outcomes.count(
            y, decided, codes, *sizes, weights, **compared
        )
        if model != first:
            counts.pairs[model] = PairedOutcomes.count(
                y, judgements.decided[first], decided, codes, *sizes, weights, **compared
            )
    for model, scores in judgements.scores.items():
        for k in judgements.compared:
            is_of_class = judgements.y == k if has_truth else None
            counts.bins[model, k] = _bin(
                scores[:, k], is_of_class, codes, len(groups), weights, score_bins
            )
    return counts


def _bin(scores, is_of_class, codes, n_groups, weights, ends):
    """Sum up scores of each group in each bin."""
    weights = np.ones(len(codes)) if weights is None else weights
    is_above = scores > _median(scores[codes >= 0], weights[codes >= 0])
    known = codes >= 0
    n_bins = len(ends) - 1
    bins = np.clip(np.searchsorted(ends, scores, side="right") - 1, 0, n_bins - 1)
    cells = (codes * n_bins + bins)[known]

    def total(values):
        sums = np.bincount(cells, values[known], n_groups * n_bins)
        return sums.reshape(n_groups, n_bins)

    totals, squares = total(weights), total(weights**2)
    all_weights = totals.sum(axis=1)
    above = np.bincount(codes[known], (weights * is_above)[known], n_groups)
    return ScoreBins(
        totals,
        total(weights * scores),
        total(weights * scores**2),
        None if is_of_class is None else total(weights * is_of_class),
        effective_size(totals, squares),
        np.divide(above, all_weights, where=all_weights > 0, out=np.full(n_groups, np.nan)),
        effective_size(all_weights, squares.sum(axis=1)),
    )


def _median(values, weights):
    """Compute the weighed median: half the weight lies at or below it."""
    if not weights.any():
        return np.nan
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return values[order][np.searchsorted(below, below[-1] / 2)]
