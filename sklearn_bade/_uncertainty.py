"""How much of a gap between groups is noise: tests, expectations and limits.

Rates of groups are proportions of independent rows. Everything here is NumPy and works on
:class:`~sklearn_bade._outcomes.Outcomes`, or on rates and numbers of rows of equal weight.
"""

from itertools import combinations, permutations
from numbers import Real

import numpy as np
from scipy.stats import chi2, fisher_exact, norm

from ._outcomes import DISPARITIES, RATES_OF_DISPARITY

# Two groups say too little of how widely groups spread for their rates to be pooled.
LEAST_GROUPS_TO_POOL = 3
# Combinations of pairs, of two kinds of rates, that are looked at one by one: those of 30
# groups, within a tenth of a second. Not tuned.
MOST_COMBINATIONS = 10**6
# Pearson's test of two proportions is trusted where so many rows are expected in each of
# its four cells (Cochran, Biometrics 10, 1954); Fisher's is exact below.
LEAST_EXPECTED = 5


def check_confidence(confidence):
    """Refuse a level of confidence that is none."""
    if not isinstance(confidence, Real) or not 0 < confidence < 1:
        raise ValueError(
            "confidence must be a number between 0 and 1, such as 0.95, got "
            f"{confidence!r}."
        )


def rate_limits(rate, size, confidence):
    """Compute Wilson's limits of rates; NaN where a rate is.

    They keep their confidence in few rows and for rates near 0 and 1, where a normal
    interval is too short (Wilson, Journal of the American Statistical Association, 1927).
    """
    return _wilson_limits(rate, size, norm.ppf((1 + confidence) / 2))


def _wilson_limits(rate, size, z):
    rate, size = np.asarray(rate, dtype=float), np.asarray(size, dtype=float)
    rate = np.where(size > 0, rate, np.nan)
    centre = (rate * size + z**2 / 2) / (size + z**2)
    half = z / (size + z**2) * np.sqrt(rate * (1 - rate) * size + z**2 / 4)
    # Rounding must not leave a rate of 0 or 1 outside.
    lower = np.where(rate == 0, 0, np.maximum(centre - half, 0))
    return lower, np.where(rate == 1, 1, np.minimum(centre + half, 1))


def difference_limits(first, second, confidence):
    """Compute limits of the difference of two rates, each given as (rate, size).

    Newcombe's tenth method (Statistics in Medicine 17, 1998): limits of the single rates,
    squared and added.
    """
    (p, q), (p_low, p_high), (q_low, q_high) = _with_limits(first, second, confidence)
    below, above = np.hypot(p - p_low, q_high - q), np.hypot(p_high - p, q - q_low)
    return p - q - below, p - q + above


def ratio_limits(first, second, confidence):
    """Compute limits of the ratio of two rates, each given as (rate, size).

    The same idea for ratios (MOVER-R: Donner and Zou, Statistical Methods in Medical
    Research 21, 2012). A ratio to a rate of zero has no upper limit.
    """
    (p, q), (p_low, p_high), (q_low, q_high) = _with_limits(first, second, confidence)
    of_first = p_low * (2 * p - p_low), p_high * (2 * p - p_high)
    of_second = q_low * (2 * q - q_low), q_high * (2 * q - q_high)
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt((p * q) ** 2 - of_first[0] * of_second[1])
        low = np.where(p == 0, 0, of_first[0] / (p * q + root))
        root = np.sqrt((p * q) ** 2 - of_first[1] * of_second[0])
        high = np.where(q_low == 0, np.inf, (p * q + root) / of_second[0])
    is_known = np.isfinite(p) & np.isfinite(q)
    return np.where(is_known, low, np.nan), np.where(is_known, high, np.nan)


def _with_limits(first, second, confidence):
    rates = [np.asarray(rate, dtype=float) for rate, _ in (first, second)]
    return rates, rate_limits(*first, confidence), rate_limits(*second, confidence)


def two_proportion_test(first, second):
    """Test whether two rates, each given as (rate, size), are equal.

    Returns
    -------
    p_value : float
        NaN where a rate cannot be computed.

    name : {"Pearson", "Fisher", "none"}
        The test, which is Fisher's exact one in few rows.
    """
    (p, n), (q, m) = first, second
    if not (np.isfinite(p) and np.isfinite(q)):
        return np.nan, "none"
    mean = (n * p + m * q) / (n + m)
    if min(n, m) * min(mean, 1 - mean) < LEAST_EXPECTED:
        hits, misses = np.round([n * p, m * q]), np.round([n * (1 - p), m * (1 - q)])
        return float(fisher_exact([hits, misses]).pvalue), "Fisher"
    z = (p - q) / np.sqrt(mean * (1 - mean) * (1 / n + 1 / m))
    return float(2 * norm.sf(abs(z))), "Pearson"


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

    Pearson's chi-square test, over the kinds of rates together; with several classes, the
    least p value times their number. 1 where fewer than two groups have rates.
    """
    classes = outcomes.compared_classes() if classes is None else classes
    rates, sizes = outcomes.rates(), outcomes.rate_sizes()
    p_values = []
    for k in classes:
        statistic, freedom = 0.0, 0
        for kind in RATES_OF_DISPARITY[name]:
            known = np.isfinite(rates[kind][:, k])
            if known.sum() < 2:
                continue
            rate, size = rates[kind][known, k], sizes[kind][known, k]
            mean = np.average(rate, weights=size)
            freedom += known.sum() - 1
            if 0 < mean < 1:
                statistic += np.sum(size * (rate - mean) ** 2) / (mean * (1 - mean))
        p_values.append(chi2.sf(statistic, freedom) if freedom else 1.0)
    return float(min(1.0, min(p_values, default=1.0) * len(classes)))


def expected_disparity(outcomes, name, classes=None, *, over_classes=None):
    """Estimate a disparity of the groups themselves, not of the rows that were drawn.

    Rates of three or more groups are pooled in part: the less a rate is certain, the
    nearer it is taken to that of all groups, as far as these differ no more than noise
    would make them. A gap is then the expectation of the absolute difference of two rates,
    which stays near its noise where there is none: closing a gap further than one can see
    gains nothing. `over_classes` makes one figure of those of several classes; by default,
    that of the outcomes.
    """
    gaps = {}
    for kind, (rate, variance) in compared_rates(outcomes, name, classes).items():
        rate, variance = _pool_partially(rate, variance)
        difference, error = _differences(rate, variance)
        gaps[kind] = np.fmax.reduce(_folded_mean(difference, error))
    gaps = DISPARITIES[name](gaps)
    if over_classes is None:
        return outcomes.over_classes(gaps)
    return float(over_classes(gaps)) if gaps.size else np.nan


def upper_limit(outcomes, name, confidence, classes=None):
    """Compute what a disparity lies below, with the given (one-sided) confidence.

    Each pair of groups could be the one that is furthest apart, so the greatest of their
    limits holds for all. NaN where a gap cannot be computed.
    """
    return _limit(outcomes, name, classes, confidence, 1)


def interval(outcomes, name, confidence=0.95, classes=None):
    """Compute a confidence interval of a disparity, (NaN, NaN) without one.

    The widest of many gaps is wide by chance alone, so the lower limit allows for the
    number of pairs that it was picked from (Bonferroni).
    """
    tail = (1 - confidence) / 2
    classes = outcomes.compared_classes() if classes is None else classes
    n_pairs = len(outcomes.counts) * (len(outcomes.counts) - 1)
    if name == "average_odds":
        n_pairs **= 2
    n_picked = max(1, n_pairs * len(classes) * (2 if name == "equalized_odds" else 1))
    lower = _limit(outcomes, name, classes, 1 - tail / n_picked, -1)
    return float(np.maximum(0, lower)), upper_limit(outcomes, name, 1 - tail, classes)


def _limit(outcomes, name, classes, confidence, sign):
    """Compute the greatest upper (1) or lower (-1) limit of differences between groups.

    A difference of two rates, and a mean of two differences, have the limits of their parts
    squared and added (MOVER: Newcombe, Statistics in Medicine 17, 1998, and Zou and Donner,
    27, 2008); those of single rates are Wilson's.
    """
    classes = outcomes.compared_classes() if classes is None else classes
    gaps = DISPARITIES[name](outcomes.gaps(classes))
    if not gaps.size or not np.isfinite(gaps).all():
        return np.nan
    rates, sizes = outcomes.rates(), outcomes.rate_sizes()
    limits = []
    for k in classes:
        parts = [
            _differences_within(rates[kind][:, k], sizes[kind][:, k], confidence, sign)
            for kind in RATES_OF_DISPARITY[name]
        ]
        if name == "average_odds":
            limits.append(_mean_limit(*parts, sign))
        else:
            ends = [np.max(difference + sign * error) for difference, error in parts]
            limits.append(max(ends))
    return outcomes.over_classes(limits)


def _differences_within(rate, size, confidence, sign):
    """Compute differences of all ordered pairs, and how far they are from their limits."""
    known = np.isfinite(rate)
    rate, size = rate[known], size[known]
    lower, upper = _wilson_limits(rate, size, norm.ppf(confidence))
    above, below = upper - rate, rate - lower
    first, second = np.array(list(permutations(range(len(rate)), 2))).T
    more, less = (above, below) if sign > 0 else (below, above)
    return rate[first] - rate[second], np.hypot(more[first], less[second])


def _mean_limit(one, other, sign):
    """Find the greatest limit of the mean of two differences, each of any pair."""
    (first, first_error), (second, second_error) = one, other
    if len(first) * len(second) > MOST_COMBINATIONS:  # a little wider, and quick
        sums = [np.max(d + sign * e) for d, e in (one, other)]
        return sum(sums) / 2
    means = (first[:, None] + second[None]) / 2
    return np.max(means + sign * np.hypot(first_error[:, None], second_error[None]) / 2)


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
