"""Disparities and gaps with their intervals."""

from itertools import combinations
from numbers import Integral
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils import check_consistent_length, check_random_state

from .._groups import find_groups, sensitive_table
from .._outcomes import DISPARITIES
from .._uncertainty import (
    check_confidence,
    difference_limits,
    interval,
    ratio_limits,
    two_proportion_test,
)
from ..rows import check_same_order, check_weights
from ._disparities import (
    Judged,
    average_absolute_odds_difference,
    check_labels,
    demographic_parity_difference,
    equal_opportunity_difference,
    equalized_odds_difference,
)

# Resamples of a metric of one's own that may fail, as one without a row of some class does,
# before its interval would be that of other problems. Not tuned.
MOST_UNDEFINED = 0.05


# The package's own functions have their intervals in closed form.
NAMES_OF_FUNCTIONS = {
    average_absolute_odds_difference: "average_odds",
    demographic_parity_difference: "demographic_parity",
    equal_opportunity_difference: "equal_opportunity",
    equalized_odds_difference: "equalized_odds",
}


class DisparityInterval(NamedTuple):
    """A disparity and the limits that it lies between.

    Attributes
    ----------
    value : float
        The disparity of the rows.

    lower, upper : float
        Limits of the disparity of the population that the rows are drawn from.
    """

    value: float
    lower: float
    upper: float


def disparity_interval(
    y_true,
    y_pred,
    *,
    sensitive_features,
    disparity="average_odds",
    pos_label=None,
    sample_weight=None,
    min_rows=1,
    confidence=0.95,
    n_resamples=1000,
    random_state=0,
):
    """Compute a disparity between groups, with a confidence interval.

    The interval of a named disparity is in closed form: limits of the single rates
    (Wilson's), squared and added [1]_ [2]_, the upper one the greatest over all pairs of
    groups, the lower one with an allowance for the pairs that the widest gap was picked
    from. A bootstrap would not do: rows drawn again show a gap between equal groups as
    certainly as between unequal ones, since an absolute gap is never below zero. For a
    callable, rows are drawn again within each group and class, and quantiles are taken.

    Parameters
    ----------
    y_true, y_pred, sensitive_features, pos_label, sample_weight, min_rows
        See :func:`demographic_parity_difference`. With more than two labels, the disparity
        is that of the worst.

    disparity : {"average_odds", "equalized_odds", "equal_opportunity", \
            "demographic_parity"} or callable, default="average_odds"
        What to compute. A callable, other than this package's own, is called as
        ``disparity(y_true, y_pred, sensitive_features=...)``, with `sample_weight` if that
        is given, and returns a float. `y_pred` may then be whatever it takes, scores for
        instance.

    confidence : float, default=0.95
        Level of the interval, between 0 and 1.

    n_resamples : int, default=1000
        How often rows are drawn again for a callable.

    random_state : int, RandomState instance or None, default=0
        What the draws depend on.

    Returns
    -------
    interval : DisparityInterval
        A tuple (value, lower, upper). NaN where the disparity cannot be computed, with a
        warning.

    Raises
    ------
    ValueError
        If arguments are invalid, see :func:`group_rates`, or a callable fails to give a
        number for more than a twentieth of the resamples.

    References
    ----------
    .. [1] R. G. Newcombe, "Interval estimation for the difference between independent
       proportions", Statistics in Medicine 17, 1998.
    .. [2] G. Y. Zou and A. Donner, "Construction of confidence limits about effect
       measures", Statistics in Medicine 27, 2008.

    Examples
    --------
    >>> from sklearn_bade.metrics import disparity_interval
    >>> y_pred, groups = [1, 1, 1, 0] * 20, ["a", "a", "b", "b"] * 20
    >>> value, lower, upper = disparity_interval(
    ...     [1, 0, 1, 0] * 20, y_pred, sensitive_features=groups,
    ...     disparity="demographic_parity",
    ... )
    >>> value, round(lower, 2), round(upper, 2)
    (0.5, 0.3, 0.65)
    """
    check_confidence(confidence)
    if callable(disparity):
        disparity = NAMES_OF_FUNCTIONS.get(disparity, disparity)
    if callable(disparity):
        if pos_label is not None or min_rows != 1:
            raise ValueError(
                "pos_label and min_rows are for the named disparities; give a callable "
                "what it needs by functools.partial."
            )
        rows = y_true, y_pred, sensitive_features, sample_weight
        return _resampled_interval(disparity, rows, confidence, n_resamples, random_state)
    if disparity not in DISPARITIES:
        raise ValueError(
            f"disparity must be a function or one of {sorted(DISPARITIES)}, got "
            f"{disparity!r}."
        )
    judged = Judged.from_rows(y_true, y_pred, sensitive_features, sample_weight)
    outcomes, classes = judged.outcomes, judged.positions(pos_label)
    outcomes.classes, outcomes.min_rows = classes, min_rows
    value = outcomes.disparity(disparity)
    consequence = "the gap is that between the other groups"
    if np.isnan(value):
        consequence = "fewer than two groups can be compared, so the result is NaN"
    judged.warn_of_left_out(disparity, classes, min_rows, consequence)
    return DisparityInterval(value, *map(float, interval(outcomes, disparity, confidence)))


def _resampled_interval(metric, rows, confidence, n_resamples, seed):
    """Draw rows again within each group and class, and take quantiles of a metric."""
    if not isinstance(n_resamples, Integral) or n_resamples < 2:
        raise ValueError(f"n_resamples must be a whole number over 1, got {n_resamples!r}.")
    compute, members = _prepare(metric, *rows)
    value = compute(np.arange(sum(map(len, members))))
    if not np.isfinite(value):
        return DisparityInterval(value, np.nan, np.nan)
    rng = check_random_state(seed)
    draws = np.array(
        [
            compute(np.concatenate([rng.choice(m, len(m)) for m in members]))
            for _ in range(n_resamples)
        ]
    )
    is_known = np.isfinite(draws)
    if is_known.mean() < 1 - MOST_UNDEFINED:
        raise ValueError(
            f"{getattr(metric, '__name__', metric)!r} gave no finite number for "
            f"{np.sum(~is_known)} of {n_resamples} resamples, so there is no interval. "
            "Some group has too few rows; leave it out, or join it with another one."
        )
    tail = (1 - confidence) / 2
    limits = np.quantile(draws[is_known], [tail, 1 - tail])
    return DisparityInterval(value, *map(float, limits))


def _prepare(metric, y_true, y_pred, sensitive_features, weights):
    """Check rows once; return a function of their positions, and those of each stratum.

    Rows of unknown group are strata too, one for each class.
    """
    check_same_order(
        y_true=y_true,
        y_pred=y_pred,
        sensitive_features=sensitive_features,
        sample_weight=weights,
    )
    table = sensitive_table(sensitive_features)
    y_true, y_pred = check_labels(y_true, "y_true"), np.asarray(y_pred)
    weights = None if weights is None else check_weights(weights)
    check_consistent_length(table, y_true, y_pred, weights)
    classes = np.unique(y_true, return_inverse=True)[1]
    strata = find_groups(table, least=1).codes * (classes.max() + 1) + classes
    is_single = table.shape[1] == 1
    values = table.iloc[:, 0].to_numpy() if is_single else table

    def compute(rows):
        given = {} if weights is None else {"sample_weight": weights[rows]}
        drawn = values[rows] if is_single else values.iloc[rows].reset_index(drop=True)
        return float(metric(y_true[rows], y_pred[rows], sensitive_features=drawn, **given))

    return compute, [np.flatnonzero(strata == s) for s in np.unique(strata)]


def group_gaps(
    y_true,
    y_pred,
    *,
    sensitive_features,
    pos_label=None,
    sample_weight=None,
    min_rows=1,
    confidence=0.95,
):
    """Compare each pair of groups: signed gaps and ratios of rates, with intervals.

    Parameters
    ----------
    y_true, y_pred, sensitive_features, pos_label, sample_weight, min_rows
        See :func:`group_rates`.

    confidence : float, default=0.95
        Level of each interval, between 0 and 1.

    Returns
    -------
    gaps : pandas.DataFrame
        One row for each label that is compared, rate and pair of groups. Columns "label",
        "rate", "group", "other", "gap" (the rate of `group` less that of `other`),
        "gap_lower", "gap_upper" (Newcombe's interval), "ratio" (of the two rates),
        "ratio_lower", "ratio_upper" (Donner and Zou's), "p_value" and "test", which is
        Pearson's test of two proportions or, in few rows, Fisher's. What cannot be computed
        is NaN. The p values are not corrected for the number of pairs.

    Raises
    ------
    ValueError
        If arguments are invalid, see :func:`group_rates`.

    Examples
    --------
    >>> from sklearn_bade.metrics import group_gaps
    >>> y_pred, groups = [1, 1, 1, 0] * 20, ["a", "a", "b", "b"] * 20
    >>> gaps = group_gaps([1, 0, 1, 0] * 20, y_pred, sensitive_features=groups)
    >>> gaps[["rate", "group", "other", "gap"]].head(1)
            rate group other  gap
    0  selection     a     b  0.5
    """
    check_confidence(confidence)
    judged = Judged.from_rows(y_true, y_pred, sensitive_features, sample_weight)
    rates = judged.outcomes.rates(min_rows)
    sizes = judged.outcomes.rate_sizes()
    tables = []
    for k in judged.positions(pos_label):
        label = judged.labels[k : k + 1].tolist()[0]
        for kind, rate in rates.items():
            gaps = compare_pairs(
                judged.groups.names, rate[:, k], sizes[kind][:, k], confidence
            )
            tables.append(gaps.assign(label=label, rate=kind))
    gaps = pd.concat(tables, ignore_index=True)
    return gaps[["label", "rate", *gaps.columns.drop(["label", "rate"])]]


def compare_pairs(names, rate, size, confidence):
    """Tabulate gaps and ratios of all pairs of groups, in one rate.

    `rate` and `size` have the shape (n_groups,).
    """
    pairs = list(combinations(range(len(names)), 2))
    first, second = (
        (rate[positions], size[positions])
        for positions in np.array(pairs, dtype=int).reshape(-1, 2).T
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = first[0] / second[0]
    tests = [two_proportion_test(*pair) for pair in zip(zip(*first), zip(*second))]
    gap_lower, gap_upper = difference_limits(first, second, confidence)
    ratio_lower, ratio_upper = ratio_limits(first, second, confidence)
    return pd.DataFrame(
        {
            "group": [names[i] for i, _ in pairs],
            "other": [names[j] for _, j in pairs],
            "gap": first[0] - second[0],
            "gap_lower": gap_lower,
            "gap_upper": gap_upper,
            "ratio": ratio,
            "ratio_lower": ratio_lower,
            "ratio_upper": ratio_upper,
            "p_value": np.array([p for p, _ in tests], dtype=float),
            "test": np.array([name for _, name in tests], dtype=object),
        }
    )
