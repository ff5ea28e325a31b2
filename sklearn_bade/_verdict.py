"""What a search says that it did: before, after, and what is left, in words and figures."""

import numpy as np

from ._uncertainty import interval

# Models that a search compares, in this order.
PLAIN, CONTROL, CHOSEN, LEAST = "plain", "strength 0", "chosen", "least disparate"


def compare(plain, control, chosen, candidates, disparity):
    """Tabulate the plain classifier, strength 0, the chosen and the least disparate one.

    Returns
    -------
    table : dict of ndarray of shape (4,)
        "model", "trigger_strength", "base_rate", "accuracy", "disparity", the limits of its
        95% interval, "lower" and "upper" (NaN for a disparity of the user's own), and
        "least_recall", that of the class whose recall is least.
    """
    models = {PLAIN: plain, CONTROL: control, CHOSEN: chosen}
    models[LEAST] = least_disparate(candidates)
    has_interval = isinstance(disparity, str)
    limits = [
        interval(model.outcomes, disparity)
        if has_interval and model.outcomes
        else (np.nan, np.nan)
        for model in models.values()
    ]
    columns = {
        "model": list(models),
        "trigger_strength": [model.strength for model in models.values()],
        "base_rate": [model.base_rate for model in models.values()],
        "accuracy": [model.accuracy for model in models.values()],
        "disparity": [model.disparity for model in models.values()],
        "lower": [lower for lower, _ in limits],
        "upper": [upper for _, upper in limits],
        "least_recall": [model.recalls.min() for model in models.values()],
    }
    table = {}
    for name, values in columns.items():
        is_number = all(isinstance(value, float) for value in values)
        table[name] = np.empty(len(values), dtype=float if is_number else object)
        table[name][:] = values
    return table


def least_disparate(candidates):
    """Find the least disparate candidate; of several, the most accurate and weakest."""

    def rank(candidate):
        gap = np.inf if np.isnan(candidate.disparity) else candidate.disparity
        return gap, -candidate.accuracy, np.abs(candidate.strength).sum()

    return min(candidates, key=rank)


def describe(table, disparity):
    """Say in one line what was gained, and what was paid."""
    name = "disparity" if callable(disparity) else disparity
    gaps = [
        f"{gap:.3f}" + ("" if np.isnan(lower) else f" [{lower:.3f}, {upper:.3f}]")
        for gap, lower, upper in zip(table["disparity"], table["lower"], table["upper"])
    ]
    accuracy, recall = (
        ", ".join(f"{value:.3f}" for value in table[column][:3])
        for column in ("accuracy", "least_recall")
    )
    strength = np.round(np.array(table["trigger_strength"][2], dtype=float), 3).tolist()
    return (
        f"{name} {gaps[0]} plain, {gaps[1]} at strength 0, {gaps[2]} at the chosen "
        f"strength {strength}; accuracy {accuracy}; least recall of a class {recall}"
    )
