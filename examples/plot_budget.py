"""
Decide by a budget, a threshold or a cost
=========================================

Few decisions are made at a probability of one half. A programme has places for three
applicants in ten; a lender loses more by a default than by a refusal; a rule of the house
says 0.3. A model that was made fair at one half need not be fair there. So the decision is
told to the classifier: ``selection_rate``, ``cost_matrix`` or ``threshold``. Predictions,
gaps and the choice of the strength are then those of this decision.
"""

# %%
# Applicants
# ----------
# Half of group B's deserving applicants were turned down in the records.

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from sklearn_bade import BackdoorDebiasClassifierCV
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.metrics import equal_opportunity_difference, group_rates

X, y, _ = make_biased_classification(n_samples=16_000, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
groups = X_test["group"]

# %%
# Three decisions
# ---------------
# In a cost matrix, the row is what is true and the column what is decided. Here, to turn
# down somebody who should have got a yes costs three times as much as the contrary.

decisions = {
    "one half": {},
    "three in ten": {"selection_rate": 0.3},
    "a wrong no costs 3": {"cost_matrix": [[0, 1], [3, 0]]},
}
searches = {
    name: BackdoorDebiasClassifierCV(
        LogisticRegression(),
        sensitive_columns="group",
        disparity="equal_opportunity",
        random_state=0,
        **decision,
    ).fit(X_train, y_train)
    for name, decision in decisions.items()
}

# %%
# A decision chooses its own strength. "Yes" is the share of the test rows that gets one:
# the budget is kept to the row, before debiasing and after.

rows = []
for name, search in searches.items():
    for model, clf in {"plain": search.with_strength(0), "debiased": search}.items():
        y_pred = clf.predict(X_test)
        gap = equal_opportunity_difference(y_test, y_pred, sensitive_features=groups)
        rows.append(
            {
                "decision": name,
                "model": model,
                "strength": 0.0 if model == "plain" else search.best_strength_,
                "yes": y_pred.mean(),
                "gap": gap,
                "accuracy": (y_pred == y_test).mean(),
            }
        )
table = pd.DataFrame(rows).set_index(["decision", "model"])
table.round(3)

# %%
# Who gets a yes
# --------------
# Of those who were recorded as deserving, the share that gets one, before debiasing
# (hollow) and after (filled).


def recall_of(clf, group):
    """Compute the share of a group's deserving test rows that get a yes."""
    rates = group_rates(y_test, clf.predict(X_test), sensitive_features=groups)
    return rates.loc[group, "true_positive_rate"]


figure, axes = plt.subplots(figsize=(5.6, 3.8), layout="constrained")
places = np.arange(len(searches))[::-1]
for group, color, marker, height in (
    ("A", "#0072B2", "o", places + 0.12),
    ("B", "#D55E00", "s", places - 0.12),
):
    before = [recall_of(each.with_strength(0), group) for each in searches.values()]
    after = [recall_of(each, group) for each in searches.values()]
    axes.hlines(height, before, after, color=color, zorder=1)
    for name, recalls, face in (("plain", before, "white"), ("debiased", after, color)):
        label = f"group {group}, {name}"
        axes.scatter(
            recalls, height, s=80, marker=marker, color=face, edgecolor=color, label=label
        )
axes.set_yticks(places, searches)
axes.set(xlabel="share of the deserving who get a yes", ylim=(-0.5, len(searches) - 0.5))
axes.spines[["top", "right"]].set_visible(False)
figure.legend(loc="outside lower center", ncols=2, frameon=False)
plt.show()

# %%
# A gap belongs to a decision
# ---------------------------
# The model for three in ten, and its plain sibling, if other shares of the likeliest
# applicants were taken. The dotted line is the budget that the strength was chosen for. The
# same model has a narrow gap at one budget and a wider one at another: measure where you
# decide, and search again when the budget changes.


def gap_of_the_likeliest(clf, share):
    """Select the likeliest rows and measure the gap of that selection."""
    chances = clf.predict_proba(X_test)[:, 1]
    selected = (chances >= np.quantile(chances, 1 - share)).astype(int)
    return equal_opportunity_difference(y_test, selected, sensitive_features=groups)


budgets = np.linspace(0.05, 0.6, 12)
chosen = searches["three in ten"]
figure, axes = plt.subplots(figsize=(5.6, 3.6), layout="constrained")
for name, clf, color in (
    ("plain", chosen.with_strength(0), "0.55"),
    ("debiased", chosen, "#009E73"),
):
    gaps = [gap_of_the_likeliest(clf, share) for share in budgets]
    axes.plot(budgets, gaps, "o-", color=color, label=name)
axes.axvline(0.3, color="black", linewidth=0.8, linestyle="dotted")
axes.set(xlabel="share of applicants who get a yes", ylabel="gap in recall", ylim=(0, None))
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
plt.show()
