"""How far from the best that is possible: references for two classes and the average odds.

Both are fitted and judged on the same rows, which flatters them: they say what could be
reached there, and are no models.
"""

import numpy as np
from scipy.spatial import ConvexHull, QhullError

# Multipliers tried on each axis, in units that make the bracket of the rule about one; the
# best ones lie within .2 on every table that was looked at.
N_MULTIPLIERS, GREATEST_MULTIPLIER = 33, 0.6
# Rates of false positives at which the post-processor is sought.
N_RATES = 1001


def closed_form_front(cells, y, groups):
    """Judge the rule that is optimal where the group may not be seen.

    Predict 1 where p(1|x) - 1/2 exceeds the sum over the classes k of a multiplier times
    p(k, 1|x) / P(k, 1) - p(k, 0|x) / P(k, 0), with two multipliers of either sign
    (arXiv:2310.05725, arXiv:2405.04025).

    Parameters
    ----------
    cells : ndarray of shape (n_samples, 2, 2)
        Chance of each class and group.

    y, groups : ndarray of shape (n_samples,)
        Class and group codes.

    Returns
    -------
    accuracy, disparity : ndarray of shape (n_points,)
        The front, in the order of its disparity.
    """
    shares = np.bincount(2 * y + groups, minlength=4).reshape(2, 2) / len(y)
    bracket = cells[:, :, 1] / shares[:, 1] - cells[:, :, 0] / shares[:, 0]
    margin = cells[:, 1].sum(axis=1) - 0.5
    # Denser near zero, where the front is.
    grid = np.linspace(-1, 1, N_MULTIPLIERS)
    grid = GREATEST_MULTIPLIER * grid * np.abs(grid)
    figures = [
        _judge(margin > bracket @ (pair * shares.min(axis=1)), y, groups)
        for pair in np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    ]
    return _front(np.array(figures))


def attribute_aware_front(score, y, groups):
    """Judge the post-processor that is told the group of each row.

    It draws from thresholds of the group's own so that groups meet at one rate of true and
    one of false positives (Hardt, Price and Srebro, arXiv:1610.02413); the front mixes it
    with the best thresholds without any demand.

    Parameters
    ----------
    score : ndarray of shape (n_samples,)
        The greater, the likelier class 1.

    y, groups : ndarray of shape (n_samples,)
        Class and group codes.

    Returns
    -------
    accuracy, disparity : ndarray of shape (2,)
        Ends of the front, which is the line between them.
    """
    base_rate, false_positive = y.mean(), np.linspace(0, 1, N_RATES)
    common, free_accuracy, free_rates = np.full(N_RATES, np.inf), 0.0, []
    for group in np.unique(groups):
        member = groups == group
        x, true_positive = _roc_hull(score[member], y[member])
        common = np.minimum(common, np.interp(false_positive, x, true_positive))
        rate = y[member].mean()
        accuracies = rate * true_positive + (1 - rate) * (1 - x)
        best = accuracies.argmax()
        free_accuracy += member.mean() * accuracies[best]
        free_rates.append((x[best], true_positive[best]))
    equal = base_rate * common + (1 - base_rate) * (1 - false_positive)
    gap = np.ptp(free_rates, axis=0).mean()
    return np.array([equal.max(), free_accuracy]), np.array([0.0, gap])


def _judge(predicted, y, groups):
    """Compute accuracy and average odds of decisions."""
    rates = [
        [predicted[(y == k) & (groups == g)].mean() for g in np.unique(groups)]
        for k in (0, 1)
    ]
    return (predicted == y).mean(), np.ptp(rates, axis=1).mean()


def _front(figures):
    """Keep what no other point is better than in both figures."""
    accuracy, disparity = figures[np.lexsort((-figures[:, 0], figures[:, 1]))].T
    is_kept = accuracy > np.concatenate([[-np.inf], np.maximum.accumulate(accuracy)[:-1]])
    return accuracy[is_kept], disparity[is_kept]


def _roc_hull(score, y):
    """Compute the upper hull of a group's curve of true over false positives."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(y) - 1)
    hits = np.concatenate([[0], np.cumsum(y[order])[ends]]) / max(y.sum(), 1)
    false = np.concatenate([[0], np.cumsum(1 - y[order])[ends]]) / max((1 - y).sum(), 1)
    points = np.column_stack([false, hits])
    try:
        points = np.vstack([points, [1, 0]])  # so that all other corners are upper ones
        corners = points[ConvexHull(points).vertices]
    except QhullError:
        corners = points
    corners = np.unique(np.vstack([corners, [0, 0], [1, 1]]), axis=0)
    x = np.unique(corners[:, 0])
    best = [corners[corners[:, 0] == each, 1].max() for each in x]
    return x, np.array(best)
