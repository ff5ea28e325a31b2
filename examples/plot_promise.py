"""
Promise a bound, or a floor
===========================

"The gap is at most ten points" can mean two things. It was so on the rows at hand, or it
will be so on others. The first is a figure, the second a promise, and a promise needs rows
that had no part in anything. This page asks for both, and for a third thing that groups
may care for more than for gaps: that nobody's recall falls below a floor.
"""

# %%
# The data
# --------
# Generated decisions, biased against group B. Half of the rows are kept as "others": they
# are many, so that what they say of a gap is hardly noise.

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from sklearn_bade import BackdoorDebiasClassifierCV
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.metrics import average_absolute_odds_difference, group_rates

BOUND = 0.1
REPEATS = 8

X, y, _ = make_biased_classification(n_samples=160_000, random_state=0)
X, X_new, y, y_new = train_test_split(X, y, test_size=0.5, random_state=0)


def search(X, y, **rule):
    """Search for a strength by a rule."""
    return BackdoorDebiasClassifierCV(
        LogisticRegression(),
        sensitive_columns="group",
        random_state=0,
        per_class=False,
        **rule,
    ).fit(X, y)


# %%
# A bound that holds with confidence
# ----------------------------------
# With ``confidence=0.9``, a third of the rows is held out and chooses nothing. Candidates
# are tried on it until one whose upper limit lies below the bound; ``upper_limit_`` is that
# limit. The search is repeated on ten samples of 6,000 rows, and each result judged on
# the many rows that no search has seen.

rules = {
    "in cross-validation": {"max_disparity": BOUND},
    "with confidence": {"max_disparity": BOUND, "confidence": 0.9},
}
found = []
for repeat in range(REPEATS):
    rows = slice(10_000 * repeat, 10_000 * (repeat + 1))
    for name, rule in rules.items():
        clf = search(X[rows], y[rows], **rule)
        y_pred = clf.predict(X_new)
        gap = average_absolute_odds_difference(
            y_new, y_pred, sensitive_features=X_new["group"]
        )
        accuracy = (y_pred == y_new).mean()
        kept = gap <= BOUND
        found.append({"bound": name, "gap": gap, "kept": kept, "accuracy": accuracy})
found = pd.DataFrame(found)
found.groupby("bound").mean().round(3)

# %%
# The first rule stops as soon as the bound is met, so that among others the gap lies now
# below it and now above. The second stays clear of the line, and pays for that in accuracy.
# Where the rows are too few to promise anything, a warning says so and names what could be
# promised.

figure, axes = plt.subplots(figsize=(5.6, 2.8), layout="constrained")
for place, (name, color) in enumerate(zip(rules, ("#CC79A7", "#009E73"))):
    gaps = found.loc[found["bound"] == name, "gap"]
    heights = 1 - place + np.linspace(-0.2, 0.2, REPEATS)
    axes.scatter(gaps, heights, s=45, color=color)
axes.axvline(BOUND, color="black", linestyle="dashed", linewidth=1)
axes.text(BOUND, 1.42, "the bound", ha="center", va="bottom")
axes.set_yticks([1, 0], rules)
axes.set(ylim=(-0.5, 1.4), xlim=(0, None), xlabel="average odds among others")
axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# A floor
# -------
# ``min_recall`` levels up: of those who deserve a yes, at least six in ten of each group
# are to get one. As nobody is to be pulled down for it, more people get a yes, and more of
# them wrongly. The rule finds out how many that takes.

levelled = search(X[:12_000], y[:12_000], min_recall=0.6)
models = {"plain": levelled.with_strength(0), "floor": levelled}
names = {
    "true_positive_rate": "the deserving\nwho get a yes",
    "false_positive_rate": "the others\nwho get a yes",
}
figure, panels = plt.subplots(1, 2, sharey=True, figsize=(5.6, 3.4), layout="constrained")
for axes, (model, clf) in zip(panels, models.items()):
    rates = group_rates(y_new, clf.predict(X_new), sensitive_features=X_new["group"])
    for shift, group, color in ((-0.2, "A", "#0072B2"), (0.2, "B", "#D55E00")):
        values = rates.loc[group, list(names)].astype(float)
        bars = axes.bar(np.arange(2) + shift, values, 0.38, color=color, label=group)
        axes.bar_label(bars, fmt="%.2f", padding=2)
    axes.axhline(0.6, color="black", linestyle="dashed", linewidth=1)
    axes.set_xticks([0, 1], names.values())
    axes.set(title=model, ylim=(0, 0.85))
    axes.spines[["top", "right"]].set_visible(False)
panels[0].set_ylabel("rate")
panels[0].legend(title="group", frameon=False)
plt.show()
