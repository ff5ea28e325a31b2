"""
Watch a model in use
====================

A model that was fair when it was tested need not stay so: applicants change, and so does
what the columns say of them. This page follows a debiased model through its first year,
notices that something has happened, and mends it.
"""

# %%
# The model, and the report that it was approved with
# ---------------------------------------------------

import numpy as np
from matplotlib import pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from sklearn_bade import BackdoorDebiasClassifierCV
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.inspection import FairnessReport

X, y, _ = make_biased_classification(n_samples=40_000, random_state=0)
y = np.where(y == 1, "invited", "turned down")
X_train, X, y_train, y = train_test_split(X, y, train_size=8000, random_state=0)
X_test, X_year, y_test, y_year = train_test_split(X, y, train_size=8000, random_state=0)


def search(X, y):
    """Search for a strength."""
    return BackdoorDebiasClassifierCV(
        LogisticRegression(), sensitive_columns="group", random_state=0
    ).fit(X, y)


clf = search(X_train, y_train)
approved = FairnessReport.from_estimator(clf, X_test, y_test, pos_label="invited")
print(f"strength {clf.best_strength_}")

# %%
# A year
# ------
# Two thousand applicants a month. In August, the office replaces two of its tests by others
# in which members of group B score less, with the same merit. The model is not told.

month = np.repeat(np.arange(1, 13), 2000)
is_hit = (month >= 8) & (X_year["group"] == "B").to_numpy()
X_year.loc[is_hit, ["merit_0", "merit_1"]] -= 1.5

# %%
# Month by month
# --------------
# ``time`` takes the period of each row. The bands are 95% intervals. A month is few rows,
# so that the lines move about; from August on both lie higher, and yet no single month
# would have told for sure.

by_month = FairnessReport.from_estimator(
    clf, X_year, y_year, pos_label="invited", time=month
).to_frame("periods")
by_month = by_month[by_month["figure"] == "average_odds"]

figure, axes = plt.subplots(figsize=(5.6, 3.8), layout="constrained")
for name, color in (("strength 0", "0.55"), ("debiased", "#009E73")):
    found = by_month[by_month["model"] == name]
    axes.plot(found["period"], found["value"], "o-", color=color, label=name)
    axes.fill_between(
        found["period"],
        found["lower"],
        found["upper"],
        color=color,
        alpha=0.15,
        linewidth=0,
    )
axes.axvline(7.5, color="black", linestyle="dotted", linewidth=1)
axes.text(7.4, 0.005, "new tests", ha="right")
axes.set(xlabel="month", ylabel="average odds (0 is equal)", ylim=(0, None))
axes.set_xticks(range(1, 13))
axes.spines[["top", "right"]].set_visible(False)
figure.legend(loc="outside lower center", ncols=2, frameon=False)
plt.show()

# %%
# An alarm that allows for chance
# -------------------------------
# Whoever looks at fifty figures every month will find one that has moved. ``compare`` lists
# what has moved between two reports, and says so of as many figures only as chance would
# hardly move. It is silent about the first half of the year, and names group B's scores in
# the autumn. The true outcomes of the autumn are not known yet, and are not needed for it:
# without labels, selection and scores are compared.

is_spring, is_autumn = month <= 6, month >= 9
spring = FairnessReport.from_estimator(
    clf, X_year[is_spring], y_year[is_spring], pos_label="invited"
)
autumn = FairnessReport.from_estimator(clf, X_year[is_autumn], pos_label="invited")
moved = {
    name: approved.compare(each) for name, each in (("spring", spring), ("autumn", autumn))
}
for name, table in moved.items():
    print(f"{name}: {table['moved'].sum()} of {len(table)} figures have moved")
columns = ["figure", "group", "other", "value_before", "value", "lower", "upper"]
alarm = moved["autumn"]
alarm[alarm["moved"] & (alarm["model"] == "debiased")][columns].round(3)

# %%
# What to do
# ----------
# Search again, on rows of the new kind, as soon as their outcomes are known: here those of
# September to November, judged on those of December.

is_recent, is_december = (month >= 9) & (month <= 11), month == 12
renewed = search(X_year[is_recent], y_year[is_recent])
december = FairnessReport.from_estimator(
    {"old": clf, "renewed": renewed},
    X_year[is_december],
    y_year[is_december],
    pos_label="invited",
)
changes = december.to_frame("changes")
changes = changes[changes["figure"].isin(["average_odds", "accuracy"])]
changes[["figure", "value_before", "value", "change", "lower", "upper"]].round(3)
