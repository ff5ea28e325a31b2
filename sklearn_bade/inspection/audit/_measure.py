"""How much more an attack does to a classifier than to plain ones, and by chance."""

import numpy as np
from scipy.stats import t as student_t

from ._subject import predict_codes

# Makes the median absolute value of normal numbers their standard deviation.
NORMAL_SPREAD = 1.4826


def measure(attack, truth, classes, baselines):
    """Compute the figures of one attack for each target class."""
    before, after = attack.predict(attack.unstamped), attack.predict(attack.stamped)
    plain = [
        [predict_codes(model, part[rows]) for part in attack.plain]
        for model, rows in baselines
    ]
    for k, label in enumerate(classes):
        others = truth != k
        if not others.any():
            continue
        gain = gain_of(before, after, k)
        plain_gains = [gain_of(*pair, k) for pair in plain]
        excess, variance, freedom = compare(gain, plain_gains, others, baselines)
        reached = [
            after_plain[others[rows]] == k
            for (_, after_plain), rows in zip(plain, baselines.rows)
        ]
        yield attack.names | {
            "target": label,
            "success": (after[others] == k).mean(),
            "baseline_success": np.concatenate(reached).mean(),
            "excess": excess,
            "variance": variance,
            "freedom": freedom,
            "is_random": attack.is_random,
            "is_blend": attack.is_blend,
        }


def gain_of(before, after, k):
    """Tell what stamping changes in taking each row for class k: 1, 0 or -1."""
    return (after == k).astype(int) - (before == k)


def compare(gain, plain_gains, others, baselines):
    """Compute the mean excess over plain classifiers, its variance and its freedom."""
    total, seen = np.zeros(len(gain)), np.zeros(len(gain))
    for plain, rows in zip(plain_gains, baselines.rows):
        total[rows] += plain
        seen[rows] += 1
    judged = others & (seen > 0)
    paired = gain[judged] - total[judged] / seen[judged]
    excesses, noise = [], []
    for plain, rows in zip(plain_gains, baselines.rows):
        one = (gain[rows] - plain)[others[rows]]
        if len(one):
            excesses.append(one.mean())
            noise.append(one.var() / len(one))
    # On rows of its own, a classifier's excess differs from that of others by chance.
    by_chance = 0.0 if baselines.share_rows else np.mean(noise)
    return paired.mean(), *combine_variances(paired, np.array(excesses), by_chance)


def combine_variances(paired, excesses, by_chance=0.0):
    """Add up what rows and plain classifiers contribute to the variance of an excess.

    Plain classifiers are few, so the degrees of freedom, by the formula of Welch and
    Satterthwaite, are few where they differ much.
    """
    n_rows, n_plain = len(paired), len(excesses)
    of_rows, of_classifiers = paired.var() / n_rows, 0.0
    if n_plain > 1:
        between = max(excesses.var(ddof=1) - by_chance, 0.0)
        of_classifiers = between * (1 + 1 / n_plain)
    variance = of_rows + of_classifiers
    share = of_classifiers / variance if variance else 0.0
    per_freedom = (1 - share) ** 2 / max(n_rows - 1, 1) + share**2 / max(n_plain - 1, 1)
    return variance, 1 / per_freedom


def add_intervals(table, margin, confidence):
    """Add confidence intervals that hold jointly, and the flags."""
    add_own_ways(table)
    level = 1 - (1 - confidence) / (2 * max(len(table), 1))
    quantile = student_t.ppf(level, table["freedom"])
    half = quantile * np.sqrt(table["variance"])
    table["low"] = (table["excess"] - half).clip(-2, 2)
    table["high"] = (table["excess"] + half).clip(-2, 2)
    table["flagged"] = table["low"] > margin


def add_own_ways(table):
    """Add to the variance how much a model differs from plain ones without a backdoor.

    It may have been trained on more rows, or debiased, and then takes any change of its
    rows differently. Random triggers, hardly any of which is a backdoor's, show how
    differently, blends and others apart; their median does, which a real one among them
    does not move.
    """
    for (model, is_blend), part in table.groupby(["model", "is_blend"]):
        innocent = part[part["is_random"]]
        if len(innocent):
            spread = NORMAL_SPREAD * innocent["excess"].abs().median()
            extra = max(spread**2 - innocent["variance"].median(), 0.0)
            same = (table["model"] == model) & (table["is_blend"] == is_blend)
            table.loc[same, "variance"] += extra
