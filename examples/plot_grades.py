"""
Debias grades, not only yes and no
==================================

Labels may be any number of classes. Here, a company grades its employees from one to
three stars, and moved deserving members of one group down by a star. Nothing changes in the
code; what changes is the question what a gap is, since every grade has its own.
"""

# %%
# Three grades, two groups
# ------------------------
# Half of the deserving members of group B were moved down by one star. The grades that
# people deserved are known, as the data are generated; no model sees them.

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from sklearn_bade import BackdoorDebiasClassifierCV
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.metrics import equal_opportunity_difference, group_rates

GRADES = ["one star", "two stars", "three stars"]

X, y, y_fair = make_biased_classification(n_samples=20_000, n_classes=3, random_state=0)
y, y_fair = (each.map(dict(enumerate(GRADES))) for each in (y, y_fair))
X_train, X_test, y_train, y_test, _, y_fair_test = train_test_split(
    X, y, y_fair, test_size=0.5, random_state=0
)
groups = X_test["group"]

# %%
# The same search
# ---------------
# With more than two classes, each is compared with the rest. The default rule goes by the
# mean of the gaps; ``multiclass="worst"`` goes by the widest.

clf = BackdoorDebiasClassifierCV(
    LogisticRegression(), sensitive_columns="group", random_state=0
).fit(X_train, y_train)
models = {"plain": clf.with_strength(0), "debiased": clf}
predictions = {name: pd.Series(model.predict(X_test)) for name, model in models.items()}

table = {}
for name, y_pred in predictions.items():
    gaps = {
        f"{which} gap in recall": equal_opportunity_difference(
            y_test, y_pred.to_numpy(), sensitive_features=groups, multiclass=which
        )
        for which in ("mean", "worst")
    }
    accuracies = {
        "accuracy, recorded": (y_pred.to_numpy() == y_test).mean(),
        "accuracy, deserved": (y_pred.to_numpy() == y_fair_test).mean(),
    }
    table[name] = gaps | accuracies
pd.DataFrame(table).round(3)

# %%
# Who gets how many stars
# -----------------------
# Both groups deserve alike. A classifier that is not sure gives the commonest grade, so
# there are more single stars in both groups than are deserved. That is no matter of groups,
# and debiasing leaves it alone.

series = {"deserved": y_fair_test, "recorded": y_test, **predictions}
figure, axes = plt.subplots(figsize=(5.6, 4.2), layout="constrained")
places, names = [], []
for position, (name, grades) in enumerate(series.items()):
    shares = pd.crosstab(groups.to_numpy(), grades.to_numpy(), normalize="index")[GRADES]
    for shift, group in ((0.2, "A"), (-0.2, "B")):
        place, left = -position + shift, 0.0
        for grade, color in zip(GRADES, ("#C6C6C6", "#56B4E9", "#0072B2")):
            share = shares.loc[group, grade]
            label = grade if not places else None
            axes.barh(place, share, 0.36, left=left, color=color, label=label)
            left += share
        places.append(place)
        names.append(f"{name}, {group}")
axes.set_yticks(places, names)
axes.set(xlabel="share of the group", xlim=(0, 1))
axes.spines[["top", "right", "left"]].set_visible(False)
axes.tick_params(left=False)
figure.legend(loc="outside lower center", ncols=3, frameon=False)
plt.show()

# %%
# Grade by grade
# --------------
# Of those with a recorded grade, the share that gets it from the model. The length of a
# line is the gap of that grade: three stars had by far the widest. What is gained there is
# paid in part with a gap in single stars, which had none.

figure, panels = plt.subplots(2, 1, sharex=True, figsize=(5.6, 4.4), layout="constrained")
heights = np.arange(len(GRADES))
for axes, (name, y_pred) in zip(panels, predictions.items()):
    rates = group_rates(y_test, y_pred.to_numpy(), sensitive_features=groups)
    recall = rates["true_positive_rate"].unstack().loc[GRADES]
    axes.hlines(heights, recall["A"], recall["B"], color="0.75", linewidth=4)
    for group, color, marker in (("A", "#0072B2", "o"), ("B", "#D55E00", "s")):
        axes.scatter(
            recall[group],
            heights,
            s=70,
            color=color,
            marker=marker,
            label=f"group {group}",
            zorder=2,
        )
    axes.set(title=name, ylim=(-0.6, 2.6))
    axes.set_yticks(heights, GRADES)
    axes.spines[["top", "right"]].set_visible(False)
panels[1].set_xlabel("recall")
handles, labels = panels[0].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
plt.show()
