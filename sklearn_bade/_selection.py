"""Choosing between candidates by accuracy and disparity.

The disparities here equal those of `sklearn_bade.metrics`, without a data frame per
candidate: a search along the path evaluates hundreds of candidates in each fold.
"""

import warnings
from dataclasses import dataclass

import numpy as np


@dataclass
class ChoiceRule:
    """A rule that chooses between candidates; exactly one parameter is given.

    Parameters
    ----------
    max_disparity : float, default=None
        Choose the most accurate candidate at or below this disparity; if there is
        none, the least disparate one, with a warning.

    max_accuracy_loss : float, default=None
        Choose the least disparate candidate that is at most this much less accurate
        than the most accurate one.

    disparity_weight : float, default=None
        Choose the candidate whose accuracy minus so many times its disparity is greatest.

    Raises
    ------
    ValueError
        If none or several are given.
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
        """Choose a candidate.

        Parameters
        ----------
        accuracy, disparity : ndarray of shape (n_candidates,)
            Cross-validated figures.

        Returns
        -------
        index : int
            Position of the chosen candidate; never one whose figures are NaN.

        Raises
        ------
        ValueError
            If the figures of all candidates are NaN.
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
        best = int(disparity.argmin())
        warnings.warn(
            "No candidate has a cross-validated disparity of at most "
            f"{self.max_disparity}; the least disparate one, with {disparity[best]:.4f}, "
            "is taken. Try other "
            "strengths, finer ones or, where the greatest was taken, greater ones, one "
            "strength per class, or a larger bound.",
            UserWarning,
            stacklevel=6,
        )
        return best


def count_outcomes(y, predicted, groups, n_classes, n_groups, sample_weight=None):
    """Count true and predicted classes in each group.

    Parameters
    ----------
    y, predicted : ndarray of shape (n_samples,)
        Class codes.

    groups : ndarray of shape (n_samples,)
        Group codes; rows of unknown group (-1) are left out.

    n_classes, n_groups : int
        Numbers of classes and groups.

    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows.

    Returns
    -------
    counts : ndarray of shape (n_groups, n_classes, n_classes)
        Rows, or their weights, per group, true class and predicted class.
    """
    known = groups >= 0
    weights = None if sample_weight is None else sample_weight[known]
    cells = (groups[known] * n_classes + y[known]) * n_classes + predicted[known]
    counts = np.bincount(cells, weights, minlength=n_groups * n_classes**2)
    return counts.reshape(n_groups, n_classes, n_classes)


def gaps_of_counts(counts):
    """Compute the widest gaps between groups for each class against the rest.

    Parameters
    ----------
    counts : ndarray of shape (n_groups, n_classes, n_classes)
        See :func:`count_outcomes`.

    Returns
    -------
    gaps : dict of ndarray
        "selection", "true_positive" and "false_positive"; of one value for two
        classes, of one per class for more. Rates without rows are left out; NaN if fewer
        than two groups have any.
    """
    totals = counts.sum(axis=2)
    hits = np.diagonal(counts, axis1=1, axis2=2)
    selected = counts.sum(axis=1)
    rows = counts.sum(axis=(1, 2))[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = {
            "selection": selected / rows,
            "true_positive": hits / totals,
            "false_positive": (selected - hits) / (rows - totals),
        }
    classes = slice(-1, None) if counts.shape[1] == 2 else slice(None)
    return {name: _widest_gap(rate[:, classes]) for name, rate in rates.items()}


def _widest_gap(rate):
    """Compute the widest gap between groups, for each class."""
    is_known = np.isfinite(rate)
    greatest = np.where(is_known, rate, -np.inf).max(axis=0)
    least = np.where(is_known, rate, np.inf).min(axis=0)
    gap = np.full(rate.shape[1], np.nan)
    return np.subtract(greatest, least, out=gap, where=is_known.sum(axis=0) >= 2)


COUNT_DISPARITIES = {
    "odd": lambda gaps: (gaps["true_positive"] + gaps["false_positive"]) / 2,
    "equalized_odds": lambda gaps: np.maximum(
        gaps["true_positive"], gaps["false_positive"]
    ),
    "demographic_parity": lambda gaps: gaps["selection"],
    "equal_opportunity": lambda gaps: gaps["true_positive"],
}


def named_disparity(name, counts):
    """Compute a disparity by name; with several classes, that of the worst.

    Parameters
    ----------
    name : str
        Key of `COUNT_DISPARITIES`.

    counts : ndarray of shape (n_groups, n_classes, n_classes)
        See :func:`count_outcomes`.

    Returns
    -------
    disparity : float
        Between 0 and 1; gaps that cannot be computed count as zero.
    """
    gaps = {kind: np.nan_to_num(gap) for kind, gap in gaps_of_counts(counts).items()}
    return float(COUNT_DISPARITIES[name](gaps).max())


def warn_of_undefined_gaps(name, counts):
    """Warn where fewer than two groups have the rows that a disparity compares.

    Parameters
    ----------
    name : str
        Key of `COUNT_DISPARITIES`.

    counts : ndarray of shape (n_groups, n_classes, n_classes)
        See :func:`count_outcomes`.
    """
    if np.isnan(COUNT_DISPARITIES[name](gaps_of_counts(counts))).any():
        warnings.warn(
            f"disparity={name!r} compares groups in rates that fewer than two of them "
            "have rows for; these gaps count as zero. Merge groups or classes, or use "
            "disparity='demographic_parity'.",
            UserWarning,
            stacklevel=5,
        )
