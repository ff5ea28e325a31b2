"""How much of a gap between groups is noise: tests, expectations and limits.

Rates of groups are proportions of independent rows. Everything here is NumPy and works on
:class:`~sklearn_bade._outcomes.Outcomes`.
"""

from itertools import combinations

import numpy as np
from scipy.stats import chi2, norm

from ._outcomes import DISPARITIES, RATES_OF_DISPARITY

# Two groups say too little of how widely groups spread for their rates to be pooled.
LEAST_GROUPS_TO_POOL = 3


def compared_rates(outcomes, name, classes=None):
    """Collect the rates that a disparity compares, and their variances.

    Returns
    -------
    rates : dict of str to tuple of ndarray of shape (n_groups, n_classes_compared)
        For each kind of rate, the rates and their variances; NaN where there are no rows.
        A variance is that of a proportion with one success and one failure more, so that
        a rate of 0 or 1 in a few rows is not taken for certain.
    """
    classes = outcomes.compared_classes() if classes is None else classes
    sizes = outcomes.rate_sizes()
    found = {}
    for kind in RATES_OF_DISPARITY[name]:
        rate, size = outcomes.rates()[kind][:, classes], sizes[kind][:, classes]
        smoothed = (np.nan_to_num(rate) * size + 1) / (size + 2)
        variance = np.where(
            np.isfinite(rate), smoothed * (1 - smoothed) / np.maximum(size, 1), np.nan
        )
        found[kind] = rate, variance
    return found


def equality_p_value(outcomes, name, classes=None):
    """Test whether all groups have the same rates, those that a disparity compares.

    A chi-square test of homogeneity, over the kinds of rates together; with several
    classes, the least p value times their number.
    """
    p_values = []
    rates = compared_rates(outcomes, name, classes)
    n_classes = next(iter(rates.values()))[0].shape[1]
    for k in range(n_classes):
        statistic, freedom = 0.0, 0
        for rate, variance in rates.values():
            known = np.isfinite(rate[:, k])
            if known.sum() < 2:
                continue
            precision = 1 / variance[known, k]
            mean = np.average(rate[known, k], weights=precision)
            statistic += (precision * (rate[known, k] - mean) ** 2).sum()
            freedom += known.sum() - 1
        p_values.append(chi2.sf(statistic, freedom) if freedom else 1.0)
    return float(min(1.0, min(p_values, default=1.0) * n_classes))


def expected_disparity(outcomes, name, classes=None):
    """Estimate a disparity of the groups themselves, not of the rows that were drawn.

    Rates of three or more groups are pooled in part: the less a rate is certain, the
    nearer it is taken to that of all groups, as far as these differ no more than noise
    would make them. A gap is then the expectation of the absolute difference of two rates,
    which stays near its noise where there is none: closing a gap further than one can see
    gains nothing.
    """
    gaps = {}
    for kind, (rate, variance) in compared_rates(outcomes, name, classes).items():
        rate, variance = _pool_partially(rate, variance)
        difference, error = _differences(rate, variance)
        gap = np.fmax.reduce(_folded_mean(difference, error))
        gaps[kind] = gap
    return float(np.max(DISPARITIES[name](gaps)))


def upper_limit(outcomes, name, confidence, classes=None):
    """Compute what a disparity lies below, with the given (one-sided) confidence.

    Each pair of groups could be the one that is furthest apart, so the greatest of their
    limits holds for all. NaN where a gap cannot be computed.
    """
    quantile = norm.ppf(confidence)
    pairs = {
        kind: _differences(*rates)
        for kind, rates in compared_rates(outcomes, name, classes).items()
    }
    if name != "average_odds":
        gaps = {
            kind: np.fmax.reduce(difference + quantile * error)
            for kind, (difference, error) in pairs.items()
        }
        return float(np.max(DISPARITIES[name](gaps)))
    (first, first_error), (second, second_error) = pairs.values()
    mean = (first[:, None] + second[None]) / 2
    error = np.hypot(first_error[:, None], second_error[None]) / 2
    return float(np.max(np.fmax.reduce(np.fmax.reduce(mean + quantile * error))))


def interval(outcomes, name, confidence=0.95, classes=None):
    """Compute a two-sided confidence interval of a disparity, (NaN, NaN) without one."""
    limit = upper_limit(outcomes, name, (1 + confidence) / 2, classes)
    kinds = outcomes.gaps(classes)
    disparity = float(np.max(DISPARITIES[name](kinds)))
    if not np.isfinite(disparity):
        return np.nan, np.nan
    return max(0.0, 2 * disparity - limit), limit


def _pool_partially(rate, variance):
    """Shrink rates towards their mean, as far as they spread no wider than noise does.

    The variance between groups is estimated by the method of moments (DerSimonian and
    Laird, Controlled Clinical Trials 7, 1986).
    """
    rate, variance = rate.copy(), variance.copy()
    for r, v in zip(rate.T, variance.T):
        known = np.isfinite(r)
        if known.sum() < LEAST_GROUPS_TO_POOL:
            continue
        x, precision = r[known], 1 / v[known]
        total = precision.sum()
        excess = (precision * (x - np.average(x, weights=precision)) ** 2).sum()
        excess -= known.sum() - 1
        between = max(0.0, excess / (total - (precision**2).sum() / total))
        share = between / (between + v[known])
        mean = np.average(x, weights=1 / (between + v[known]))
        r[known], v[known] = mean + share * (x - mean), share * v[known]
    return rate, variance


def _differences(rate, variance):
    """Compute absolute differences of all pairs of groups, and their standard errors."""
    pairs = np.array(list(combinations(range(len(rate)), 2))).reshape(-1, 2).T
    first, second = pairs
    return np.abs(rate[first] - rate[second]), np.sqrt(variance[first] + variance[second])


def _folded_mean(mean, error):
    """Compute the expectation of the absolute value of a normal variable."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(error > 0, mean / error, np.inf)
    spread = np.sqrt(2 / np.pi) * error * np.exp(-(ratio**2) / 2)
    return spread + mean * (1 - 2 * norm.cdf(-ratio))
