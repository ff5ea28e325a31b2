"""
Choose what fair shall mean
===========================

"Equally fair to both groups" can be meant in several ways, which contradict each other as
soon as groups differ in what they deserve. The software cannot choose among them. It can
show what each choice does, so that those who answer for the model can. Here is one table,
one classifier, and the same search for three notions:

- *average odds*: those who deserve a yes get it as often in either group, and those who do
  not as rarely;
- *equal opportunity*: only the first half of that;
- *demographic parity*: as many of either group get a yes, whoever deserves it.
"""

# %%
# Two groups that differ
# ----------------------
# An office has turned down some of group B's deserving applicants, and group B has fewer
# of these to begin with: the recorded decisions hold both, a bias and a difference.

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from sklearn_bade import BackdoorDebiasClassifierCV
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.metrics import group_rates

X, y, y_fair = make_biased_classification(
    n_samples=40_000, merit_gap=0.5, label_bias=0.35, random_state=0
)
X_train, X_test, y_train, y_test, _, y_fair_test = train_test_split(
    X, y, y_fair, test_size=0.5, random_state=0
)
group_test = X_test["group"]
shares = pd.DataFrame({"recorded as yes": y_test, "deserved a yes": y_fair_test})
print(shares.groupby(group_test).mean().round(3).to_string())

# %%
# The same search, three notions
# ------------------------------
# ``disparity`` says what is to be kept small, and ``max_disparity`` how small: each search
# takes the most accurate candidate whose cross-validated gap is at most three points.

notions = {
    "average odds": "average_odds",
    "equal opportunity": "equal_opportunity",
    "demographic parity": "demographic_parity",
}
searches = {
    name: BackdoorDebiasClassifierCV(
        LogisticRegression(),
        sensitive_columns="group",
        disparity=notion,
        max_disparity=0.03,
        random_state=0,
    ).fit(X_train, y_train)
    for name, notion in notions.items()
}
models = {"none": searches["average odds"].with_strength(0), **searches}
for name, search in searches.items():
    print(f"{name}: strength {search.best_strength_}")

# %%
# What each of them does
# ----------------------
# The length of a line is a gap. Average odds and equal opportunity nearly agree on these
# rows. Demographic parity goes further: to give both groups as many a yes, it has to favour
# group B among those with the same recorded decision, which the two lower panels show by
# squares to the right of dots. On new rows, gaps are a little wider or narrower than the
# folds said, as they rest on other people.

figure, panels = plt.subplots(3, 1, sharex=True, figsize=(5.6, 6.2), layout="constrained")
titles = {
    "selection_rate": "who gets a yes (demographic parity)",
    "true_positive_rate": "of those recorded as yes (equal opportunity)",
    "false_positive_rate": "of those recorded as no",
}
places = np.arange(len(models))[::-1]
rates = {
    name: group_rates(y_test, model.predict(X_test), sensitive_features=group_test)
    for name, model in models.items()
}
for axes, (rate, title) in zip(panels, titles.items()):
    of_a, of_b = ([each.loc[g, rate] for each in rates.values()] for g in "AB")
    axes.hlines(places, of_a, of_b, color="0.75", linewidth=4)
    axes.scatter(of_a, places, s=70, color="#0072B2", label="group A", zorder=2)
    axes.scatter(of_b, places, s=70, color="#D55E00", marker="s", label="group B", zorder=2)
    axes.set(title=title, ylim=(-0.6, len(models) - 0.4))
    axes.set_yticks(places, models)
    axes.spines[["top", "right"]].set_visible(False)
panels[-1].set_xlabel("share that gets a yes")
handles, labels = panels[0].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
plt.show()

# %%
# What it costs
# -------------
# The table has the gaps of the picture, the accuracy on the decisions that were recorded,
# and that on those which were deserved. The last one is only known because the data are
# generated.
#
# Which one to take is a question to those who know the decision. If the recorded labels
# are trustworthy, as whether a loan was paid back, a gap in the share of yes may be a
# difference in what is predicted, and average odds leave it alone. If the labels are
# themselves decisions of people, rates among "those recorded as yes" are rates among those
# whom the office favoured, and demographic parity does not rest on them. A law may have
# chosen already: the rule of four fifths goes by the share that gets a yes.

table = {}
for name, model in models.items():
    y_pred = model.predict(X_test)
    of_a, of_b = rates[name].loc["A"], rates[name].loc["B"]
    gaps = {f"gap in {rate.replace('_', ' ')}": of_a[rate] - of_b[rate] for rate in titles}
    table[name] = {
        **gaps,
        "accuracy, recorded": (y_pred == y_test).mean(),
        "accuracy, deserved": (y_pred == y_fair_test).mean(),
    }
pd.DataFrame(table).round(3)
