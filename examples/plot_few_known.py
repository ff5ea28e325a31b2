"""
Debias where the group is known of a few people only
====================================================

Often the sensitive attribute was asked of some, and most did not answer, or were never
asked. That is enough: the classifier learns from all rows, and how likely each group is
from those whose group is known. Missing values are left missing.
"""

# %%
# One in twenty has answered
# --------------------------
# Recorded decisions, biased against group B. Of ten thousand rows, five hundred say to
# which group they belong.

import textwrap
import warnings

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.metrics import average_absolute_odds_difference

X, y, _ = make_biased_classification(n_samples=20_000, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)


def forget(share, seed):
    """Keep the group of a share of the training rows, and forget that of the others."""
    is_known = np.random.default_rng(seed).uniform(size=len(X_train)) < share
    return X_train.assign(group=X_train["group"].where(is_known))


def measure(clf):
    """Measure average odds on the test rows, whose groups are all known."""
    return average_absolute_odds_difference(
        y_test, clf.predict(X_test), sensitive_features=X_test["group"]
    )


forget(0.05, seed=0)["group"].value_counts(dropna=False)

# %%
# How many it takes
# -----------------
# More and more groups are known, and each share is drawn five times. "All rows" learns from
# every row, "known rows" from those alone whose group is known, which is what is often
# done. The strength is 1, the default.

shares = [0.02, 0.05, 0.1, 0.25, 1.0]
debiaser = BackdoorDebiasClassifier(
    LogisticRegression(), sensitive_columns="group", random_state=0
)
rows = []
for share in shares:
    for seed in range(5 if share < 1 else 1):
        known = forget(share, seed)
        is_known = known["group"].notna()
        models = {
            "all rows": clone(debiaser).fit(known, y_train),
            "known rows": clone(debiaser).fit(known[is_known], y_train[is_known]),
        }
        for name, model in models.items():
            accuracy = model.score(X_test, y_test)
            rows.append((share, name, measure(model), accuracy))
table = pd.DataFrame(rows, columns=["known", "learned from", "average odds", "accuracy"])
table.groupby(["learned from", "known"]).mean().round(3)

# %%
# A few hundred known groups already narrow the gap nearly as far as ten thousand do; with
# fewer, it is a matter of luck. Learning from the known rows alone narrows it as well, but
# whoever throws rows away pays in accuracy. The dashed line is strength 0: all rows, and no
# debiasing.

plain = models["all rows"].with_strength(0)
baselines = {"average odds": measure(plain), "accuracy": plain.score(X_test, y_test)}
figure, panels = plt.subplots(2, 1, sharex=True, figsize=(5.6, 5.6), layout="constrained")
for axes, (column, baseline) in zip(panels, baselines.items()):
    for name, color, marker, shift in (
        ("all rows", "#009E73", "o", 0.95),
        ("known rows", "#CC79A7", "s", 1.05),
    ):
        found = table[table["learned from"] == name]
        axes.scatter(
            found["known"] * shift, found[column], color=color, marker=marker, label=name
        )
    axes.axhline(baseline, color="0.4", linestyle="dashed", label="strength 0")
    axes.set(xscale="log", title=column)
    axes.spines[["top", "right"]].set_visible(False)
panels[0].set_ylim(0, None)
panels[1].set_xticks(shares, [f"{share:.0%}" for share in shares])
panels[1].minorticks_off()
panels[1].set_xlabel("share of the training rows whose group is known")
handles, labels = panels[0].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
plt.show()

# %%
# What suffers is the choice
# --------------------------
# A search has to see the gap before it closes it, and can only see it in rows of known
# group. Where these are too few, it leaves the model alone and says so, with the size of
# the gap that it could not have seen. ``with_strength(1.0)`` is at hand; whether it helps
# is to be looked at on rows whose group is known, and not to be believed blindly.

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    search = BackdoorDebiasClassifierCV(
        LogisticRegression(), sensitive_columns="group", random_state=0
    ).fit(forget(0.02, seed=0), y_train)
for each in said:
    print(textwrap.fill(f"{each.category.__name__}: {each.message}"))
print(f"average odds on the test rows, chosen: {measure(search):.3f}")
print(
    f"average odds on the test rows, strength 1: {measure(search.with_strength(1.0)):.3f}"
)
