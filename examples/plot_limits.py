"""
Know when it cannot help
========================

Two hopes, tried on generated data: that a model is fair once the columns that give the
group away are gone, and that debiasing closes a gap whatever the columns say. Neither comes
true, and each for its own reason.
"""

# %%
# Take the telltale columns away
# ------------------------------
# Half of group B's deserving applicants were turned down in the records. Eight columns
# describe an applicant, and as in life each says something of both: of merit, and of the
# group. The first ones say most of the group, the last ones most of merit.

import textwrap
import warnings

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.exceptions import FaintSignalWarning
from sklearn_bade.metrics import average_absolute_odds_difference

rng = np.random.default_rng(0)
n_rows, n_columns = 16_000, 8
is_b = rng.uniform(size=n_rows) < 0.5
merit = rng.normal(size=n_rows)
of_merit, of_group = np.linspace(0.3, 0.9, n_columns), np.linspace(1.2, 0, n_columns)
columns = [f"column_{i}" for i in range(n_columns)]
X = pd.DataFrame(
    np.outer(merit, of_merit)
    + np.outer(np.where(is_b, -0.5, 0.5), of_group)
    + rng.normal(size=(n_rows, n_columns)),
    columns=columns,
)
X["group"] = np.where(is_b, "B", "A")
y_fair = (merit > 0.3).astype(int)
y = np.where(is_b & (rng.uniform(size=n_rows) < 0.5), 0, y_fair)
X_train, X_test, y_train, y_test, _, y_fair_test = train_test_split(
    X, y, y_fair, test_size=0.5, random_state=0
)


def judge(y_pred):
    """Compute the gap and both accuracies of decisions about the test rows."""
    gap = average_absolute_odds_difference(
        y_test, y_pred, sensitive_features=X_test["group"]
    )
    return gap, (y_pred == y_test).mean(), (y_pred == y_fair_test).mean()


# %%
# One way is to take the columns away, those that say most of the group first. The other is
# to leave them and raise the strength.

without = [
    judge(LogisticRegression().fit(X_train[kept], y_train).predict(X_test[kept]))
    for kept in (columns[n_gone:] for n_gone in range(7))
]
debiased = BackdoorDebiasClassifier(
    LogisticRegression(), sensitive_columns="group", random_state=0
).fit(X_train, y_train)
strengths = np.arange(0, 3.6, 0.5)
along = [judge(debiased.with_strength(strength).predict(X_test)) for strength in strengths]

figure, panels = plt.subplots(2, 1, sharex=True, figsize=(5.6, 6.4), layout="constrained")
for axes, position, kind in zip(panels, (1, 2), ("recorded", "deserved")):
    for found, color, marker, label in (
        (without, "#CC79A7", "s", "columns taken away (numbers: how many)"),
        (along, "#009E73", "o", "strength raised"),
    ):
        gaps, accuracies = np.array(found)[:, [0, position]].T
        axes.plot(gaps, accuracies, color=color, marker=marker, label=label)
    for n_gone, each in enumerate(without):
        place = (each[0], each[position])
        axes.annotate(n_gone, place, (0, -14), textcoords="offset points", ha="center")
    axes.set(title=f"accuracy on {kind} decisions", ylabel="accuracy")
    axes.margins(y=0.15)
    axes.spines[["top", "right"]].set_visible(False)
panels[1].set_xlabel("average odds (0 is equal)")
handles, labels = panels[0].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", frameon=False)
plt.show()

# %%
# The model never sees the group, and without the first two columns its gap is still wide:
# the others tell the rest. By the records, both ways cost about the same. By the decisions
# that people deserved, they do not: each column that goes takes along what it knew of
# merit, while the strength takes away what belongs to the group and leaves the merit.
#
# Where the columns say nothing of the group
# ------------------------------------------
# A model that may not see the group can only treat groups differently by what columns tell
# of it. The four curves are data whose proxies set the groups more or less clearly apart,
# in standard deviations. Where they tell nothing, no strength changes anything, and a
# warning says so. The gap that is left there comes from the records themselves, which turn
# deserving people down at random: no model of these columns can know whom.

figure, axes = plt.subplots(figsize=(5.6, 3.8), layout="constrained")
strengths = np.linspace(0, 3, 13)
shades = plt.get_cmap("viridis")(np.linspace(0.85, 0.1, 4))
for proxy, shade in zip((0.0, 0.5, 1.5, 3.0), shades):
    X, y, _ = make_biased_classification(n_samples=16_000, proxy=proxy, random_state=0)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        clf = BackdoorDebiasClassifier(
            LogisticRegression(), sensitive_columns="group", random_state=0
        ).fit(X_train, y_train)
    for each in said:
        assert issubclass(each.category, FaintSignalWarning)
        print(textwrap.fill(f"proxies {proxy} apart: {each.message}"))
    gaps = [
        average_absolute_odds_difference(
            y_test,
            clf.with_strength(strength).predict(X_test),
            sensitive_features=X_test["group"],
        )
        for strength in strengths
    ]
    axes.plot(strengths, gaps, color=shade, linewidth=2, label=f"{proxy:g}")
axes.set(xlabel="strength", ylabel="average odds (0 is equal)", ylim=(0, None))
axes.spines[["top", "right"]].set_visible(False)
figure.legend(title="how far proxies set groups apart", loc="outside lower center", ncols=4)
plt.show()

# %%
# ``keep_sensitive=True`` lets the model see the group, and then it can act. It also treats
# two people differently who differ in nothing else, which many laws forbid:
# :doc:`/guide/groups` says more.
