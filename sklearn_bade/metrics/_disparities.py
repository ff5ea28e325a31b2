"""Disparities between groups, for any labels and any number of groups.

With more than two classes each class is compared with the rest, and the disparities of
the classes are reduced to the worst or to their mean.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import type_of_target

from .._groups import Groups, find_groups, sensitive_table
from .._outcomes import DISPARITIES, MULTICLASS, Outcomes
from .._uncertainty import check_confidence, rate_limits
from ..exceptions import UndefinedDisparityWarning
from ..rows import as_plain_labels, check_same_order, check_weights
from ..utils import warn_user

LABELS = ("binary", "multiclass")


@dataclass
class Judged:
    """Outcomes of labelled rows, and what their axes stand for."""

    outcomes: Outcomes
    labels: np.ndarray
    groups: Groups

    @classmethod
    def from_rows(cls, y_true, y_pred, sensitive_features, sample_weight):
        """Check rows, and count those of known group."""
        check_same_order(
            y_true=y_true,
            y_pred=y_pred,
            sensitive_features=sensitive_features,
            sample_weight=sample_weight,
        )
        table = sensitive_table(sensitive_features)
        y_true, y_pred = check_labels(y_true, "y_true"), check_labels(y_pred, "y_pred")
        weights = None if sample_weight is None else check_weights(sample_weight)
        check_consistent_length(y_true, y_pred, table, weights)
        check_shared_labels(y_true, y_pred)
        groups = find_groups(table, least=1)
        known = groups.is_known
        labels, codes = np.unique(
            np.concatenate([y_true[known], y_pred[known]]), return_inverse=True
        )
        weights = None if weights is None else weights[known]
        sizes = len(labels), len(groups)
        outcomes = Outcomes.count(*np.split(codes, 2), groups.codes[known], *sizes, weights)
        return cls(outcomes, labels, groups)

    def positions(self, pos_label):
        """Find the labels to compare with the rest, one after the other."""
        if pos_label is None:
            return self.outcomes.compared_classes()
        if pos_label not in self.labels:
            raise ValueError(
                f"pos_label={pos_label!r} is not among the labels {self.labels.tolist()}."
            )
        return [int(np.flatnonzero(self.labels == pos_label)[0])]

    def warn_of_left_out(self, name, positions, min_rows, consequence):
        """Warn where groups have too few rows for a rate that a disparity compares."""
        several = len(positions) > 1
        left_out = [
            f"{kind}_rate of group {self.groups.names[g]!r}"
            + (f" for label {self.labels.tolist()[k]!r}" if several else "")
            for kind, g, k in self.outcomes.left_out(name, positions, min_rows)
        ]
        few = "No rows" if min_rows == 1 else f"Fewer than {min_rows} rows"
        if left_out:
            reason = f"{few} to compute {', '.join(left_out)} from"
        elif len(self.groups) < 2:
            reason = f"There is only one group, {self.groups.names[0]!r}"
        else:
            return
        warn_user(f"{reason}; {consequence}.", UndefinedDisparityWarning)


def check_labels(labels, name):
    """Check that these are class labels, one per row, and none of them missing."""
    labels = column_or_1d(as_plain_labels(labels, name))
    if not len(labels):
        raise ValueError(f"{name} has no rows.")
    if labels.dtype.kind == "O" and pd.isna(labels).any():
        raise ValueError(f"{name} has missing values; leave these rows out.")
    assert_all_finite(labels, input_name=name)
    kind = type_of_target(labels, input_name=name)
    if kind not in LABELS:
        raise ValueError(
            f"{name} must hold class labels, got {kind} values such as "
            f"{labels[:3].tolist()}. If these are scores, turn them into decisions first."
        )
    return labels


def check_shared_labels(y_true, y_pred):
    """Refuse predictions that are coded otherwise than the truth."""
    true, predicted = np.unique(y_true), np.unique(y_pred)
    are_texts = [isinstance(labels.tolist()[0], str) for labels in (true, predicted)]
    shared = set(true.tolist()) & set(predicted.tolist())
    n_labels = len({*true.tolist(), *predicted.tolist()})
    recoded = max(len(true), len(predicted)) <= 2 < n_labels
    if are_texts[0] != are_texts[1] or (not shared and n_labels > 2) or recoded:
        raise ValueError(
            f"y_true has the labels {true.tolist()[:10]} and y_pred "
            f"{predicted.tolist()[:10]}; they must be labels of the same kind and have "
            "some in common. Predictions may be codes where the truth is text: turn them "
            "into labels first."
        )


def group_rates(
    y_true,
    y_pred,
    *,
    sensitive_features,
    pos_label=None,
    sample_weight=None,
    min_rows=1,
    confidence=None,
):
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
        left out. Columns of many numbers that are not whole are cut at the median, with a
        warning.

    pos_label : label, default=None
        Label whose rates are computed. None takes the greater of two labels; with
        more than two, every label is compared with the rest.

    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows; finite and not negative.

    min_rows : int, default=1
        A rate that rests on fewer rows is NaN.

    confidence : float, default=None
        Level of an interval for each rate, Wilson's. None computes none.

    Returns
    -------
    rates : pandas.DataFrame of shape (n_groups, 5) or (n_groups, 13)
        Columns "count", "accuracy", "selection_rate", "true_positive_rate" and
        "false_positive_rate". With `confidence`, there are columns "accuracy_lower",
        "accuracy_upper" and so on too. With several labels, the index has two levels, label
        and group. A rate that has no rows to be computed from is NaN. Groups whose values
        look alike, 1 and "1" for instance, are named by their representation.

    Raises
    ------
    ValueError
        If lengths differ, pandas objects have the same row labels in another order, truth
        and predictions have no label in common or are no labels, or `pos_label` does not
        occur.

    Examples
    --------
    >>> from sklearn_bade.metrics import group_rates
    >>> y_true, y_pred = ["no", "yes", "no", "yes"], ["no", "yes", "yes", "no"]
    >>> rates = group_rates(y_true, y_pred, sensitive_features=["a", "a", "b", "b"])
    >>> rates["true_positive_rate"].to_dict()
    {'a': 1.0, 'b': 0.0}
    """
    if confidence is not None:
        check_confidence(confidence)
    judged = Judged.from_rows(y_true, y_pred, sensitive_features, sample_weight)
    tables = {
        judged.labels[k]: _tabulate(judged, k, min_rows, confidence)
        for k in judged.positions(pos_label)
    }
    if len(tables) == 1:
        return next(iter(tables.values()))
    return pd.concat(tables, names=["label", "group"])


def _tabulate(judged, k, min_rows, confidence):
    """Tabulate the rates of one label."""
    outcomes = judged.outcomes
    rates, sizes = outcomes.rates(min_rows), outcomes.rate_sizes()
    figures = {"accuracy": (outcomes.accuracies(), sizes["selection"][:, k])}
    for kind, rate in rates.items():
        figures[f"{kind}_rate"] = rate[:, k], sizes[kind][:, k]
    table = {"count": outcomes.n_rows.sum(axis=(1, 2))}
    table.update({name: rate for name, (rate, _) in figures.items()})
    if confidence is not None:
        for name, (rate, size) in figures.items():
            limits = rate_limits(rate, size, confidence)
            table[f"{name}_lower"], table[f"{name}_upper"] = limits
    return pd.DataFrame(table, pd.Index(judged.groups.names, name="group"))


def _disparity(name, y_true, y_pred, sensitive_features, options):
    """Compute a disparity, and reduce those of several labels to one number."""
    pos_label, multiclass, sample_weight, min_rows = options
    if multiclass not in MULTICLASS:
        raise ValueError(
            f"multiclass must be one of {sorted(MULTICLASS)}, got {multiclass!r}."
        )
    judged = Judged.from_rows(y_true, y_pred, sensitive_features, sample_weight)
    positions = judged.positions(pos_label)
    disparities = DISPARITIES[name](judged.outcomes.gaps(positions, min_rows))
    consequence = "the gap is that between the other groups"
    if np.isnan(disparities).any():
        consequence = "fewer than two groups can be compared, so the result is NaN"
    judged.warn_of_left_out(name, positions, min_rows, consequence)
    return float(MULTICLASS[multiclass](disparities))


def demographic_parity_difference(
    y_true,
    y_pred,
    *,
    sensitive_features,
    pos_label=None,
    multiclass="worst",
    sample_weight=None,
    min_rows=1,
):
    """Compute the widest gap in selection rate between groups.

    Parameters
    ----------
    y_true, y_pred, sensitive_features, pos_label, sample_weight
        See :func:`group_rates`.

    multiclass : {"worst", "mean"}, default="worst"
        How the gaps of several labels are reduced to one number.

    min_rows : int, default=1
        Groups whose rate rests on fewer rows are left out of the gap, and a warning names
        them.

    Returns
    -------
    difference : float
        Between 0 (equal) and 1. NaN, with a warning, where fewer than two groups have the
        rows to compare; where others remain, it is over these, and a warning names who is
        left out.

    Examples
    --------
    >>> from sklearn_bade.metrics import demographic_parity_difference
    >>> y_pred, groups = [1, 1, 1, 0], ["a", "a", "b", "b"]
    >>> demographic_parity_difference([1, 0, 1, 0], y_pred, sensitive_features=groups)
    0.5
    """
    options = pos_label, multiclass, sample_weight, min_rows
    return _disparity("demographic_parity", y_true, y_pred, sensitive_features, options)


def equal_opportunity_difference(
    y_true,
    y_pred,
    *,
    sensitive_features,
    pos_label=None,
    multiclass="worst",
    sample_weight=None,
    min_rows=1,
):
    """Compute the widest gap in true positive rate between groups.

    Parameters
    ----------
    y_true, y_pred, sensitive_features, pos_label, multiclass, sample_weight, min_rows
        See :func:`demographic_parity_difference`.

    Returns
    -------
    difference : float
        Between 0 (equal) and 1; NaN where it cannot be computed.

    Examples
    --------
    >>> from sklearn_bade.metrics import equal_opportunity_difference
    >>> y_true, y_pred = [1, 1, 0, 1, 1, 0], [1, 1, 0, 1, 0, 0]
    >>> groups = ["a", "a", "a", "b", "b", "b"]
    >>> equal_opportunity_difference(y_true, y_pred, sensitive_features=groups)
    0.5
    """
    options = pos_label, multiclass, sample_weight, min_rows
    return _disparity("equal_opportunity", y_true, y_pred, sensitive_features, options)


def equalized_odds_difference(
    y_true,
    y_pred,
    *,
    sensitive_features,
    pos_label=None,
    multiclass="worst",
    sample_weight=None,
    min_rows=1,
):
    """Compute the wider of the gaps in true and in false positive rate.

    Parameters
    ----------
    y_true, y_pred, sensitive_features, pos_label, multiclass, sample_weight, min_rows
        See :func:`demographic_parity_difference`.

    Returns
    -------
    difference : float
        Between 0 (equal) and 1; NaN where it cannot be computed.

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
    options = pos_label, multiclass, sample_weight, min_rows
    return _disparity("equalized_odds", y_true, y_pred, sensitive_features, options)


def average_absolute_odds_difference(
    y_true,
    y_pred,
    *,
    sensitive_features,
    pos_label=None,
    multiclass="worst",
    sample_weight=None,
    min_rows=1,
):
    """Compute the mean of the gaps in true and in false positive rate.

    The debiasing papers [1]_ call it "odd" or "Bias": half the sum of the widest gaps
    in the two rates. AIF360 has it under this name for two groups, beside an
    `average_odds_difference` whose gaps are signed and may cancel; these may not.

    Parameters
    ----------
    y_true, y_pred, sensitive_features, pos_label, multiclass, sample_weight, min_rows
        See :func:`demographic_parity_difference`.

    Returns
    -------
    difference : float
        Between 0 (equal) and 1; NaN where it cannot be computed.

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
    options = pos_label, multiclass, sample_weight, min_rows
    return _disparity("average_odds", y_true, y_pred, sensitive_features, options)


def balanced_group_accuracy(y_true, y_pred, *, sensitive_features, sample_weight=None):
    """Compute the mean of the accuracies of all (class, group) cells.

    The debiasing papers call it "bACC". Cells without rows are left out, and named in a
    warning.

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
    judged = Judged.from_rows(y_true, y_pred, sensitive_features, sample_weight)
    shares = judged.outcomes.rates()["true_positive"]
    if np.isnan(shares).any():
        every_label = list(range(len(judged.labels)))
        consequence = "the mean is that of the other classes and groups"
        judged.warn_of_left_out("equal_opportunity", every_label, 1, consequence)
    return float(np.nanmean(shares))
