"""How far from the best that is possible: references for two classes and the average odds.

Both are fitted and judged on the same rows, which flatters them: they say what could be
reached there, and are no models. The average odds are the mean, over the true classes, of
the widest gap between groups in how often class 1 is predicted.
"""

import numpy as np

# Multipliers tried along each of two directions, as many below zero as above it. The
# greatest moves the threshold of a typical row by `GREATEST_MOVE`, further than any chance
# is from 1/2.
N_MULTIPLIERS, GREATEST_MOVE = 65, 2.0
# The best multipliers are refined where a unit of average odds may cost so much accuracy.
PRICES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
# Multipliers that are tried on each side of the best ones, and times that their distance is
# halved.
N_BESIDE, N_REFINEMENTS = 3, 6
# Rules that are judged at once, for the sake of memory.
CHUNK = 64
# Points that show the line of the post-processor.
N_MIXTURES = 11
# How far chances are from 1/2, typically, of rows whose decision changes.
CLOSE = 0.15
# Mean square of what multipliers are applied to that is taken for nothing.
SMALLEST_BRACKET = 1e-12


def closed_form_front(
    cells, y, groups, weights=None, n_multipliers=N_MULTIPLIERS, *, return_multipliers=False
):
    """Judge the rule that is optimal where the group may not be seen.

    Predict 1 where p(1|x) - 1/2 exceeds the sum over the classes k of a multiplier times
    p(k, 1|x) / P(k, 1) - p(k, 0|x) / P(k, 0), with two multipliers of either sign
    (arXiv:2310.05725, arXiv:2405.04025). A grid of pairs is tried that is denser around
    zero, and more pairs around those that are best at several prices of the average odds.

    Parameters
    ----------
    cells : ndarray of shape (n_samples, 2, 2)
        Chance of each class and group.

    y, groups : ndarray of shape (n_samples,)
        Class and group codes; each group has rows of each class.

    weights : ndarray of shape (n_samples,), default=None
        Weights of the rows.

    n_multipliers : int, default=65
        Number of multipliers on each axis of the grid.

    return_multipliers : bool, default=False
        Whether to return the multipliers, too.

    Returns
    -------
    accuracy, disparity : ndarray of shape (n_points,)
        The points that no other is better than in both, in the order of their disparity.

    multipliers : ndarray of shape (n_points, 2)
        Multipliers of the two classes, as :func:`apply_multipliers` takes them. Only if
        `return_multipliers` is True.

    Raises
    ------
    ValueError
        If a group has no rows of a class.
    """
    weights = _check_weights(y, groups, weights)
    axes = _independent_axes(cells, y, groups, weights)

    def judge_places(places):
        """Judge places between -1 and 1, where the multipliers grow as their squares."""
        multipliers = GREATEST_MOVE * (places * np.abs(places)) @ axes
        figures = []
        for start in range(0, len(places), CHUNK):
            chunk = multipliers[start : start + CHUNK]
            decided = apply_multipliers(chunk, cells, y, groups, weights)
            figures.append(judge_decisions(decided, y, groups, weights[None]))
        accuracy, disparity = (np.concatenate(part)[:, 0] for part in zip(*figures))
        return np.column_stack([accuracy, disparity, multipliers]), places

    axis = np.linspace(-1, 1, n_multipliers)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    points, places = judge_places(grid)
    step = 2 / max(n_multipliers - 1, 1)
    found = [points]
    found += [
        beside
        for price in PRICES
        for beside in _refine(judge_places, points, places, price, step)
    ]
    found = np.concatenate(found)
    kept = found[_front(found[:, 0], found[:, 1])]
    front = kept[:, 0], kept[:, 1]
    return (*front, kept[:, 2:]) if return_multipliers else front


def apply_multipliers(multipliers, cells, y, groups, weights=None):
    """Decide by the rule of :func:`closed_form_front`.

    Parameters
    ----------
    multipliers : ndarray of shape (n_points, 2)
        Multipliers of the two classes.

    cells, y, groups, weights
        See :func:`closed_form_front`; what the rule is fitted to.

    Returns
    -------
    decided : ndarray of shape (n_points, n_samples)
        Whether class 1 is predicted.
    """
    margin, bracket = _margin_and_bracket(
        cells, y, groups, _check_weights(y, groups, weights)
    )
    taken = multipliers[:, :1] * bracket[:, 0] + multipliers[:, 1:] * bracket[:, 1]
    return margin > taken


def attribute_aware_front(score, y, groups, weights=None):
    """Judge the post-processor that is told the group of each row.

    It draws from thresholds of the group's own so that groups meet at one rate of true and
    one of false positives (Hardt, Price and Srebro, arXiv:1610.02413). The front mixes it
    with the best thresholds without any demand; there may be better compromises between
    the two, but not at its ends.

    Parameters
    ----------
    score : ndarray of shape (n_samples,)
        The greater, the likelier class 1.

    y, groups : ndarray of shape (n_samples,)
        Class and group codes; each of any number of groups has rows of both classes.

    weights : ndarray of shape (n_samples,), default=None
        Weights of the rows.

    Returns
    -------
    accuracy, disparity : ndarray of shape (n_points,)
        What is expected of the mixtures, from equal odds to the best thresholds; equal odds
        alone, if they cost nothing.

    Raises
    ------
    ValueError
        If a group has no rows of a class.
    """
    weights = _check_weights(y, groups, weights)
    hulls, shares = [], []
    for group in range(groups.max() + 1):
        member = groups == group
        hulls.append(_roc_hull(score[member], y[member], weights[member]))
        shares.append([weights[member & (y == k)].sum() for k in (0, 1)])
    shares = np.array(shares) / weights.sum()

    def expected_accuracy(rates):
        """Compute that of rates of false and true positives of each group."""
        return (shares[:, 0] * (1 - rates[:, 0]) + shares[:, 1] * rates[:, 1]).sum()

    free = []
    for (false, true), (negatives, positives) in zip(hulls, shares):
        best = (positives * true - negatives * false).argmax()
        free.append((false[best], true[best]))
    free, equal = np.array(free), _best_common_rates(hulls, shares.sum(axis=0))
    part = np.linspace(0, 1, N_MIXTURES)[:, None, None]
    mixtures = (1 - part) * equal + part * free
    accuracy = np.array([expected_accuracy(rates) for rates in mixtures])
    disparity = np.ptp(mixtures, axis=1).mean(axis=1)
    kept = _front(accuracy, disparity)
    return accuracy[kept], disparity[kept]


def judge_decisions(decided, y, groups, weights):
    """Compute accuracy and average odds of several decisions, with several weights.

    Parameters
    ----------
    decided : ndarray of shape (n_points, n_samples)
        Whether class 1 is predicted, or how likely that is.

    y, groups : ndarray of shape (n_samples,)
        Class and group codes.

    weights : ndarray of shape (n_draws, n_samples)
        Weights of the rows.

    Returns
    -------
    accuracy, disparity : ndarray of shape (n_points, n_draws)
        Figures of each decision with each weight.
    """
    right, rates = 0.0, []
    for k in (0, 1):
        for group in range(groups.max() + 1):
            member = np.flatnonzero((y == k) & (groups == group))
            counted = weights[:, member].astype(float)
            total, ones = counted.sum(axis=1), decided[:, member] @ counted.T
            right = right + (ones if k else total - ones)
            rates.append(ones / total)
    rates = np.reshape(rates, (2, -1, *right.shape))
    return right / weights.sum(axis=1), np.ptp(rates, axis=1).mean(axis=0)


def _check_weights(y, groups, weights):
    """Make weights of one, and refuse groups whose rates nobody could compare."""
    weights = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=float)
    sizes = np.bincount(2 * groups + y, weights, minlength=2 * (groups.max() + 1))
    empty = np.flatnonzero(sizes <= 0)
    if len(empty):
        lacking = ", ".join(f"class {cell % 2} in group {cell // 2}" for cell in empty)
        raise ValueError(
            "References compare the rates of all groups in both classes, and there are no "
            f"rows of {lacking}."
        )
    return weights


def _margin_and_bracket(cells, y, groups, weights):
    """Compute p(1|x) - 1/2, and for each class what multipliers are applied to."""
    shares = np.bincount(2 * y + groups, weights, minlength=4).reshape(2, 2)
    shares = shares / weights.sum()
    bracket = cells[:, :, 1] / shares[:, 1] - cells[:, :, 0] / shares[:, 0]
    return cells[:, 1].sum(axis=1) - 0.5, bracket


def _independent_axes(cells, y, groups, weights):
    """Find pairs of multipliers that move chances by one and have little to do together.

    What is applied to the two classes is much alike where the features tell the group, and
    the best multipliers then lie along a narrow ridge. Rows close to 1/2 count most.
    """
    margin, bracket = _margin_and_bracket(cells, y, groups, weights)
    weights = weights * np.exp(-((margin / CLOSE) ** 2) / 2)
    moments = (weights[:, None] * bracket).T @ bracket / weights.sum()
    values, vectors = np.linalg.eigh(moments)
    sizes = np.sqrt(np.maximum(values, SMALLEST_BRACKET))
    return vectors / sizes @ vectors.T


def _refine(judge_places, points, places, price, step):
    """Judge the places around the best one, ever nearer to it."""

    def worth(points):
        return points[:, 0] - price * points[:, 1]

    axis = np.arange(-N_BESIDE, N_BESIDE + 1)
    moves = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    best = worth(points).argmax()
    place, most = places[best], worth(points)[best]
    for _ in range(N_REFINEMENTS):
        step = step / 2
        points, places = judge_places(place + step * moves)
        yield points
        best = worth(points).argmax()
        if worth(points)[best] > most:
            place, most = places[best], worth(points)[best]


def _front(accuracy, disparity):
    """Find the points that no other is better than in both figures, by disparity."""
    order = np.lexsort((-accuracy, disparity))
    so_far = np.maximum.accumulate(accuracy[order])
    return order[accuracy[order] > np.concatenate([[-np.inf], so_far[:-1]])]


def _roc_hull(score, y, weights):
    """Compute the upper hull of a group's curve of true over false positives.

    Returns
    -------
    false, true : ndarray of shape (n_corners,)
        Rates at the corners, from left to right, which random thresholds lie between.
    """
    order = np.argsort(-score, kind="stable")
    score, y, weights = score[order], y[order], weights[order]
    ends = np.append(np.flatnonzero(score[1:] != score[:-1]), len(y) - 1)
    true, false = (np.cumsum(weights * (y == k))[ends] for k in (1, 0))
    corners = [(0.0, 0.0)]
    for point in zip(false / false[-1], true / true[-1]):
        while len(corners) > 1 and not _turns_right(*corners[-2:], point):
            corners.pop()
        corners.append(point)
    # No rule would stop short of true positives that cost nothing.
    corners = corners[1:] if corners[1][0] == 0 else corners
    return tuple(np.array(corners).T)


def _turns_right(first, second, third):
    """Tell whether the way through three points turns right at the second."""
    (x, y), (dx, dy) = first, (second[0] - first[0], second[1] - first[1])
    return dx * (third[1] - y) < dy * (third[0] - x)


def _best_common_rates(hulls, class_shares):
    """Find the rates that all groups can have, and that are right most often.

    What all can reach is bounded by straight lines, so that the best is one of the corners,
    or lies where the hulls of two groups cross.
    """
    false = np.unique(np.concatenate([corners for corners, _ in hulls]))
    reached = np.array([np.interp(false, *hull) for hull in hulls])
    crossings = [false]
    for i in range(len(hulls)):
        gap = reached[i] - reached[i + 1 :]
        before, after = gap[:, :-1], gap[:, 1:]
        row, place = np.nonzero(before * after < 0)
        part = before[row, place] / (before[row, place] - after[row, place])
        crossings.append(false[place] + part * (false[place + 1] - false[place]))
    false = np.unique(np.concatenate(crossings))
    true = np.min([np.interp(false, *hull) for hull in hulls], axis=0)
    best = (class_shares[1] * true - class_shares[0] * false).argmax()
    return np.array([false[best], true[best]])
