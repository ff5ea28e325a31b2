"""Disparities between groups, for any labels and any number of groups.

Rates per group come from :class:`fairlearn.metrics.MetricFrame`. With more than two
classes each class is compared with the rest, and the disparities of the classes are
reduced to the worst or to their mean.
"""

import warnings

import numpy as np
import pandas as pd
from fairlearn.metrics import (
    MetricFrame,
    count,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)
from sklearn.metrics import accuracy_score
from sklearn.utils import check_consistent_length, column_or_1d

from .._groups import DEFAULT_BINS, UNKNOWN_GROUP, encode_groups, sensitive_table

MULTICLASS = {"worst": np.max, "mean": np.mean}


def _check_inputs(y_true, y_pred, sensitive_features, sample_weight):
    """Check lengths and leave out the rows of unknown group."""
    y_true, y_pred = column_or_1d(y_true), column_or_1d(y_pred)
    table = sensitive_table(sensitive_features)
    weight = np.ones(len(y_true)) if sample_weight is None else column_or_1d(sample_weight)
    check_consistent_length(y_true, y_pred, table, weight)
    codes, labels = encode_groups(table, DEFAULT_BINS)
    known = codes != UNKNOWN_GROUP
    names = np.array([_name(label) for label in labels])
    return y_true[known], y_pred[known], names[codes[known]], weight[known]


def _name(label):
    """Name a group, which may be a combination of values."""
    if isinstance(label, tuple):
        return ", ".join(str(value) for value in label)
    return label


def _positive_labels(y_true, y_pred, pos_label):
    """List the labels to compare with the rest, one after the other."""
    labels = np.unique(np.concatenate([y_true, y_pred]))
    if pos_label is None:
        return list(labels[-1:]) if len(labels) <= 2 else list(labels)
    if pos_label not in labels:
        raise ValueError(
            f"pos_label={pos_label!r} is not among the labels {labels.tolist()}."
        )
    return [pos_label]


def _defined_where(true_label, rate):
    """Make a rate NaN for a group that has no row of the given true label."""

    def defined_rate(y_true, y_pred, sample_weight):
        if not sample_weight[y_true == true_label].sum() > 0:
            return np.nan
        return rate(y_true, y_pred, pos_label=1, sample_weight=sample_weight)

    return defined_rate


RATES = {
    "selection_rate": selection_rate,
    "true_positive_rate": _defined_where(1, true_positive_rate),
    "false_positive_rate": _defined_where(0, false_positive_rate),
}


def _by_group(metrics, y_true, y_pred, groups, weight):
    """Evaluate metrics on each group, as a frame with one row per group."""
    unweighted = {"count"}
    return MetricFrame(
        metrics=metrics,
        y_true=y_true,
        y_pred=y_pred,
        sensitive_features=groups,
        sample_params={
            name: {"sample_weight": weight} for name in metrics if name not in unweighted
        },
    ).by_group.astype(float)


def _rates_of_label(y_true, y_pred, groups, weight, label):
    """Compute the rates of each group for one label against the rest."""
    is_true, is_pred = (y_true == label).astype(int), (y_pred == label).astype(int)
    return _by_group(RATES, is_true, is_pred, pd.Series(groups, name="group"), weight)


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
    y_true, y_pred, groups, weight = _check_inputs(
        y_true, y_pred, sensitive_features, sample_weight
    )
    groups = pd.Series(groups, name="group")
    overall = {"count": count, "accuracy": accuracy_score}
    general = _by_group(overall, y_true, y_pred, groups, weight).astype({"count": int})
    tables = {
        label: general.join(_rates_of_label(y_true, y_pred, groups, weight, label))
        for label in _positive_labels(y_true, y_pred, pos_label)
    }
    if len(tables) == 1:
        return next(iter(tables.values()))
    return pd.concat(tables, names=["label", "group"])


def _gaps(rates):
    """Compute the widest gaps between groups, with a warning where one is undefined."""
    undefined = [
        f"{column} of group {group!r}"
        for column in rates
        for group in rates.index[rates[column].isna()]
    ]
    if undefined:
        warnings.warn(
            f"No rows to compute {', '.join(undefined)} from; gaps are those between "
            "the other groups.",
            UserWarning,
            stacklevel=4,
        )
    return (rates.max() - rates.min()).to_numpy()


def _disparity(columns, reduce_gaps, y_true, y_pred, sensitive_features, options):
    """Reduce the gaps of the given rates, and of the labels, to one number."""
    pos_label, multiclass, sample_weight = options
    if multiclass not in MULTICLASS:
        raise ValueError(
            f"multiclass must be one of {sorted(MULTICLASS)}, got {multiclass!r}."
        )
    inputs = _check_inputs(y_true, y_pred, sensitive_features, sample_weight)
    disparities = [
        reduce_gaps(_gaps(_rates_of_label(*inputs, label)[columns]))
        for label in _positive_labels(*inputs[:2], pos_label)
    ]
    return float(MULTICLASS[multiclass](disparities))


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
    columns = ["selection_rate"]
    return _disparity(columns, np.max, y_true, y_pred, sensitive_features, options)


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
    >>> from sklearn_bade.metrics import equal_opportunity_difference
    >>> y_true, y_pred = [1, 1, 0, 1, 1, 0], [1, 1, 0, 1, 0, 0]
    >>> groups = ["a", "a", "a", "b", "b", "b"]
    >>> equal_opportunity_difference(y_true, y_pred, sensitive_features=groups)
    0.5
    """
    options = pos_label, multiclass, sample_weight
    columns = ["true_positive_rate"]
    return _disparity(columns, np.max, y_true, y_pred, sensitive_features, options)


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
    y_true, y_pred, sensitive_features, pos_label, sample_weight
        See :func:`group_rates`.

    multiclass : {"worst", "mean"}, default="worst"
        How the gaps of several labels are reduced to one number.

    Returns
    -------
    difference : float
        Between 0 (equal) and 1.

    See Also
    --------
    mean_odds_gap : The mean of the two gaps.

    Examples
    --------
    >>> from sklearn_bade.metrics import equalized_odds_difference
    >>> y_true, y_pred = [1, 1, 0, 1, 1, 0], [1, 1, 0, 1, 0, 0]
    >>> groups = ["a", "a", "a", "b", "b", "b"]
    >>> equalized_odds_difference(y_true, y_pred, sensitive_features=groups)
    0.5
    """
    options = pos_label, multiclass, sample_weight
    columns = ["true_positive_rate", "false_positive_rate"]
    return _disparity(columns, np.max, y_true, y_pred, sensitive_features, options)


def mean_odds_gap(
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
    in the two rates.

    Parameters
    ----------
    y_true, y_pred, sensitive_features, pos_label, sample_weight
        See :func:`group_rates`.

    multiclass : {"worst", "mean"}, default="worst"
        How the gaps of several labels are reduced to one number.

    Returns
    -------
    gap : float
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
    >>> from sklearn_bade.metrics import mean_odds_gap
    >>> y_true, y_pred = [1, 1, 0, 1, 1, 0], [1, 1, 0, 1, 0, 0]
    >>> mean_odds_gap(y_true, y_pred, sensitive_features=["a", "a", "a", "b", "b", "b"])
    0.25
    """
    options = pos_label, multiclass, sample_weight
    columns = ["true_positive_rate", "false_positive_rate"]
    return _disparity(columns, np.mean, y_true, y_pred, sensitive_features, options)


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
    y_true, y_pred, groups, weight = _check_inputs(
        y_true, y_pred, sensitive_features, sample_weight
    )
    cells = pd.DataFrame({"class": y_true, "group": groups})
    accuracy = _by_group({"accuracy": accuracy_score}, y_true, y_pred, cells, weight)
    return float(accuracy["accuracy"].mean())
