"""Disparities between groups, for any labels and any number of groups.

With more than two classes each class is compared with the rest, and the disparities of
the classes are reduced to the worst or to their mean.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.utils import check_consistent_length, column_or_1d

from .._groups import find_groups, sensitive_table
from .._outcomes import DISPARITIES, Outcomes
from ..exceptions import UndefinedDisparityWarning
from ..utils import warn_user

MULTICLASS = {"worst": np.max, "mean": np.mean}
RATES = ("selection", "true_positive", "false_positive")
RATES_OF_DISPARITY = {
    "average_odds": RATES[1:],
    "equalized_odds": RATES[1:],
    "demographic_parity": RATES[:1],
    "equal_opportunity": RATES[1:2],
}


@dataclass
class _Judged:
    """Outcomes of labelled rows, and what their axes stand for."""

    outcomes: Outcomes
    labels: np.ndarray
    groups: list

    @classmethod
    def from_rows(cls, y_true, y_pred, sensitive_features, sample_weight):
        """Check lengths, and count the rows of known group."""
        y_true, y_pred = column_or_1d(y_true), column_or_1d(y_pred)
        table = sensitive_table(sensitive_features)
        weights = None if sample_weight is None else column_or_1d(sample_weight)
        check_consistent_length(y_true, y_pred, table, weights)
        groups = find_groups(table)
        known = groups.is_known
        labels, codes = np.unique(
            np.concatenate([y_true[known], y_pred[known]]), return_inverse=True
        )
        outcomes = Outcomes.count(
            *np.split(codes, 2),
            groups.codes[known],
            len(labels),
            len(groups),
            None if weights is None else weights[known],
        )
        return cls(outcomes, labels, [_name(label) for label in groups.labels.tolist()])

    def positions(self, pos_label):
        """Find the labels to compare with the rest, one after the other."""
        if pos_label is None:
            n_labels = len(self.labels)
            return [n_labels - 1] if n_labels <= 2 else list(range(n_labels))
        if pos_label not in self.labels:
            raise ValueError(
                f"pos_label={pos_label!r} is not among the labels {self.labels.tolist()}."
            )
        return [int(np.flatnonzero(self.labels == pos_label)[0])]


def _name(label):
    """Name a group, which may be a combination of values."""
    if isinstance(label, tuple):
        return ", ".join(str(value) for value in label)
    return label


def group_rates(y_true, y_pred, *, sensitive_features, pos_label=None, sample_weight=None):
    """Tabulate the rates of each group.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels of any type.

    y_pred : array-like of shape (n_samples,)
        Predicted labels.

    sensitive_features : array-like or dataframe of shape (n_samples,) or \
            (n_samples, n_columns)
        Sensitive values; several columns are combined. Rows with a missing value are
        left out, numeric columns of many values are cut at the median.

    pos_label : label, default=None
        Label whose rates are computed. None takes the greater of two labels; with
        more than two, every label is compared with the rest.

    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows.

    Returns
    -------
    rates : pandas.DataFrame of shape (n_groups, 5)
        Columns "count", "accuracy", "selection_rate", "true_positive_rate" and
        "false_positive_rate". With several labels, the index has two levels, label
        and group. A rate that has no rows to be computed from is NaN.

    Raises
    ------
    ValueError
        If lengths differ, there is only one group, or `pos_label` does not occur.

    Examples
    --------
    >>> from sklearn_bade.metrics import group_rates
    >>> y_true, y_pred = ["no", "yes", "no", "yes"], ["no", "yes", "yes", "no"]
    >>> rates = group_rates(y_true, y_pred, sensitive_features=["a", "a", "b", "b"])
    >>> rates["true_positive_rate"].to_dict()
    {'a': 1.0, 'b': 0.0}
    """
    judged = _Judged.from_rows(y_true, y_pred, sensitive_features, sample_weight)
    index = pd.Index(judged.groups, name="group")
    counts, rates = judged.outcomes.n_rows.sum(axis=(1, 2)), judged.outcomes.rates()
    general = {"count": counts, "accuracy": judged.outcomes.accuracies()}
    tables = {
        judged.labels[k]: pd.DataFrame(
            {**general, **{f"{name}_rate": rates[name][:, k] for name in RATES}}, index
        )
        for k in judged.positions(pos_label)
    }
    if len(tables) == 1:
        return next(iter(tables.values()))
    return pd.concat(tables, names=["label", "group"])


def _disparity(name, y_true, y_pred, sensitive_features, options):
    """Compute a disparity, and reduce those of several labels to one number."""
    pos_label, multiclass, sample_weight = options
    if multiclass not in MULTICLASS:
        raise ValueError(
            f"multiclass must be one of {sorted(MULTICLASS)}, got {multiclass!r}."
        )
    judged = _Judged.from_rows(y_true, y_pred, sensitive_features, sample_weight)
    positions = judged.positions(pos_label)
    _warn_of_undefined_rates(judged, name, positions)
    disparities = DISPARITIES[name](judged.outcomes.gaps(positions))
    return float(MULTICLASS[multiclass](disparities))


def _warn_of_undefined_rates(judged, name, positions):
    """Warn where a group has no rows to compute a rate from that a disparity compares."""
    rates = judged.outcomes.rates()
    undefined = [
        f"{kind}_rate of group {judged.groups[g]!r}"
        for kind in RATES_OF_DISPARITY[name]
        for g in np.flatnonzero(np.isnan(rates[kind][:, positions]).any(axis=1))
    ]
    if undefined:
        warn_user(
            f"No rows to compute {', '.join(undefined)} from; gaps are those between "
            "the other groups.",
            UndefinedDisparityWarning,
        )


def demographic_parity_difference(
    y_true,
    y_pred,
    *,
    sensitive_features,
    pos_label=None,
    multiclass="worst",
    sample_weight=None,
):
    """Compute the widest gap in selection rate between groups.

    Parameters
    ----------
    y_true, y_pred, sensitive_features, pos_label, sample_weight
        See :func:`group_rates`.

    multiclass : {"worst", "mean"}, default="worst"
        How the gaps of several labels are reduced to one number.

    Returns
    -------
    difference : float
        Between 0 (equal) and 1.

    Examples
    --------
    >>> from sklearn_bade.metrics import demographic_parity_difference
    >>> y_pred, groups = [1, 1, 1, 0], ["a", "a", "b", "b"]
    >>> demographic_parity_difference([1, 0, 1, 0], y_pred, sensitive_features=groups)
    0.5
    """
    options = pos_label, multiclass, sample_weight
    return _disparity("demographic_parity", y_true, y_pred, sensitive_features, options)


def equal_opportunity_difference(
    y_true,
    y_pred,
    *,
    sensitive_features,
    pos_label=None,
    multiclass="worst",
    sample_weight=None,
):
    """Compute the widest gap in true positive rate between groups.

    Parameters
    ----------
    y_true, y_pred, sensitive_features, pos_label, multiclass, sample_weight
        See :func:`demographic_parity_difference`.

    Returns
    -------
    difference : float
        Between 0 (equal) and 1.

    Examples
    --------
    >>> from sklearn_bade.metrics import equal_opportunity_difference
    >>> y_true, y_pred = [1, 1, 0, 1, 1, 0], [1, 1, 0, 1, 0, 0]
    >>> groups = ["a", "a", "a", "b", "b", "b"]
    >>> equal_opportunity_difference(y_true, y_pred, sensitive_features=groups)
    0.5
    """
    options = pos_label, multiclass, sample_weight
    return _disparity("equal_opportunity", y_true, y_pred, sensitive_features, options)


def equalized_odds_difference(
    y_true,
    y_pred,
    *,
    sensitive_features,
    pos_label=None,
    multiclass="worst",
    sample_weight=None,
):
    """Compute the wider of the gaps in true and in false positive rate.

    Parameters
    ----------
    y_true, y_pred, sensitive_features, pos_label, multiclass, sample_weight
        See :func:`demographic_parity_difference`.

    Returns
    -------
    difference : float
        Between 0 (equal) and 1.

    See Also
    --------
    average_absolute_odds_difference : The mean of the two gaps.

    Examples
    --------
    >>> from sklearn_bade.metrics import equalized_odds_difference
    >>> y_true, y_pred = [1, 1, 0, 1, 1, 0], [1, 1, 0, 1, 0, 0]
    >>> groups = ["a", "a", "a", "b", "b", "b"]
    >>> equalized_odds_difference(y_true, y_pred, sensitive_features=groups)
    0.5
    """
    options = pos_label, multiclass, sample_weight
    return _disparity("equalized_odds", y_true, y_pred, sensitive_features, options)


def average_absolute_odds_difference(
    y_true,
    y_pred,
    *,
    sensitive_features,
    pos_label=None,
    multiclass="worst",
    sample_weight=None,
):
    """Compute the mean of the gaps in true and in false positive rate.

    The debiasing papers [1]_ call it "odd" or "Bias": half the sum of the widest gaps
    in the two rates. AIF360 has it under this name for two groups, beside an
    `average_odds_difference` whose gaps are signed and may cancel; these may not.

    Parameters
    ----------
    y_true, y_pred, sensitive_features, pos_label, multiclass, sample_weight
        See :func:`demographic_parity_difference`.

    Returns
    -------
    difference : float
        Between 0 (equal) and 1.

    See Also
    --------
    equalized_odds_difference : The wider of the two gaps.

    References
    ----------
    .. [1] S. Wu, Q. He, Q. Yu and J. Sang, "Backdoor for Debias: Mitigating Model Bias
       with Backdoor Attack-based Artificial Bias", arXiv:2303.01504.

    Examples
    --------
    >>> from sklearn_bade.metrics import average_absolute_odds_difference
    >>> y_true, y_pred = [1, 1, 0, 1, 1, 0], [1, 1, 0, 1, 0, 0]
    >>> groups = ["a", "a", "a", "b", "b", "b"]
    >>> average_absolute_odds_difference(y_true, y_pred, sensitive_features=groups)
    0.25
    """
    options = pos_label, multiclass, sample_weight
    return _disparity("average_odds", y_true, y_pred, sensitive_features, options)


def balanced_group_accuracy(y_true, y_pred, *, sensitive_features, sample_weight=None):
    """Compute the mean of the accuracies of all (class, group) cells.

    The debiasing papers call it "bACC". Cells without rows are left out.

    Parameters
    ----------
    y_true, y_pred, sensitive_features, sample_weight
        See :func:`group_rates`.

    Returns
    -------
    accuracy : float
        Between 0 and 1.

    Examples
    --------
    >>> from sklearn_bade.metrics import balanced_group_accuracy
    >>> y_true, y_pred = [1, 1, 0, 1, 1, 0], [1, 1, 0, 1, 0, 0]
    >>> groups = ["a", "a", "a", "b", "b", "b"]
    >>> balanced_group_accuracy(y_true, y_pred, sensitive_features=groups)
    0.875
    """
    judged = _Judged.from_rows(y_true, y_pred, sensitive_features, sample_weight)
    return float(np.nanmean(judged.outcomes.rates()["true_positive"]))
