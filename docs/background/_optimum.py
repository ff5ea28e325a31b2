"""The picture of the optimum: a problem whose probabilities are known, solved exactly."""

from functools import cache

import numpy as np
from matplotlib import pyplot as plt
from scipy.optimize import linprog
from scipy.special import logit
from scipy.stats import norm

# Share of group B in each class, and what its features are: base rates differ, and so does
# how much merit tells, which gives gaps of opposite signs.
SHARES_OF_B = (0.6, 0.35)
SPREADS = (1.0, 1.25)
BOUNDS = np.linspace(0, 0.1, 11)
STRENGTHS = np.linspace(-6, 12, 181)


@cache
def make_problem():
    """Compute what is known of each point of a grid over two features.

    Returns
    -------
    cells : ndarray of shape (n_points, 2, 2)
        Chance of each class and group there.

    mass : ndarray of shape (n_points,)
        How likely the point is.
    """
    axes = np.linspace(-6, 6, 81), np.linspace(-4, 4, 31)
    merit, proxy = (each.ravel() for each in np.meshgrid(*axes))
    joint = np.empty((len(merit), 2, 2))
    for label in (0, 1):
        for group in (0, 1):
            share = SHARES_OF_B[label] if group else 1 - SHARES_OF_B[label]
            of_merit = norm.pdf(merit, 2 * label - 1, SPREADS[group])
            joint[:, label, group] = share * of_merit * norm.pdf(proxy, 1.4 * group - 0.7)
    joint /= joint.sum()
    mass = joint.sum(axis=(1, 2))
    return joint / mass[:, None, None], mass


def find_optimum(bounds):
    """Solve the linear program: the best accuracy within each bound on the average odds."""
    cells, mass = make_problem()
    joint = cells * mass[:, None, None]
    rates = joint / joint.sum(axis=0)
    gaps = (rates[:, :, 1] - rates[:, :, 0]).T
    gain = joint[:, 1].sum(axis=1) - joint[:, 0].sum(axis=1)
    # The mean of two absolute values is the greatest of four sums.
    sides = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]) / 2
    best = [
        -linprog(-gain, A_ub=sides @ gaps, b_ub=np.full(4, bound), bounds=(0, 1)).fun
        for bound in bounds
    ]
    return joint[:, 0].sum() + np.array(best)


def judge_path(strengths):
    """Compute accuracy and average odds of pairs of strengths, one for each class."""
    cells, mass = make_problem()
    joint = cells * mass[:, None, None]
    rates = joint.sum(axis=0) / joint.sum(axis=(0, 2))[:, None]
    of_trigger = np.log(rates[1] / rates[0])
    beyond_usual = of_trigger - (rates @ of_trigger)[:, None]
    taken = (cells * beyond_usual).sum(axis=2)
    decided = logit(cells[:, 1].sum(axis=1)) > strengths @ taken.T
    positive = np.tensordot(decided, joint, axes=1) / joint.sum(axis=0)
    disparity = np.abs(positive[:, :, 1] - positive[:, :, 0]).mean(axis=1)
    right = np.where(decided, joint[:, 1].sum(axis=1), joint[:, 0].sum(axis=1))
    return right.sum(axis=1), disparity


def best_within(bounds, accuracy, disparity):
    """Find the best accuracy among the points that lie within each bound."""
    kept = disparity[:, None] <= bounds
    best = accuracy[:, None].repeat(len(bounds), axis=1).max(axis=0, initial=0, where=kept)
    return np.where(kept.any(axis=0), best, np.nan)


def draw():
    """Draw the best that is possible beside what the path reaches."""
    pairs = np.stack(np.meshgrid(STRENGTHS, STRENGTHS), axis=-1).reshape(-1, 2)
    per_class = best_within(BOUNDS, *judge_path(pairs))
    accuracy, disparity = judge_path(np.column_stack([STRENGTHS, STRENGTHS]))
    _, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
    ax.plot(BOUNDS, find_optimum(BOUNDS), c="black", lw=2, label="best possible")
    ax.plot(
        BOUNDS, per_class, "o", c="#009E73", mfc="none", label="path, a strength per class"
    )
    ax.plot(disparity, accuracy, c="#8c8c8c", ls="--", label="path, one strength")
    ax.set(
        xlabel="average odds (0 is equal)",
        ylabel="accuracy",
        ylim=(0.75, 0.83),
        xlim=(-0.002, 0.1),
    )
    ax.legend(frameon=False, loc="lower right")
