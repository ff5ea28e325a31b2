"""
Look after small groups and intersections
=========================================

A model may treat women and men alike, and the young and the old, and still be unfair to
old women. With several sensitive columns, groups are the combinations that occur, and some
of them are small. Of a small group, little is known: its rates come with wide intervals,
and the widest of many gaps is wide by chance alone.
"""

# %%
# Two columns, six groups
# -----------------------
# The records turned down half of the deserving women over 50, and hardly anybody else. Two
# further columns give sex and age away in part.

import textwrap
import warnings

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_bade import BackdoorDebiasClassifierCV
from sklearn_bade.metrics import disparity_interval, group_gaps, group_rates

rng = np.random.default_rng(0)
n_rows = 20_000
sex = rng.choice(["man", "woman"], size=n_rows)
age = rng.choice(["under 30", "30 to 50", "over 50"], size=n_rows, p=[0.35, 0.55, 0.10])
merit = rng.normal(size=n_rows)
X = pd.DataFrame(
    {
        "sex": sex,
        "age": age,
        "test": merit + rng.normal(scale=0.6, size=n_rows),
        "hours": (sex == "man") + rng.normal(scale=0.4, size=n_rows),
        "years_employed": pd.Series(age).map({"under 30": 4, "30 to 50": 15, "over 50": 30})
        + rng.normal(scale=4, size=n_rows),
    }
)
X["old_and_part_time"] = X["years_employed"] * (X["hours"] < 0.5)
is_hit = (sex == "woman") & (age == "over 50") & (rng.uniform(size=n_rows) < 0.6)
y = np.where((merit > 0.3) & ~is_hit, "yes", "no")
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
pd.crosstab(X_test["sex"], X_test["age"])

# %%
# One search for all six
# ----------------------
# ``min_rows`` leaves rates out of the comparison that rest on fewer rows than that. Their
# groups are learned from all the same. Smaller gaps may remain that would cost more than
# they are worth to the default rule; a warning then names what is left.

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    clf = BackdoorDebiasClassifierCV(
        make_pipeline(StandardScaler(), LogisticRegression()),
        sensitive_columns=["sex", "age"],
        disparity="equal_opportunity",
        min_rows=50,
        random_state=0,
    ).fit(X_train, y_train)
models = {"plain": clf.with_strength(0), "debiased": clf}
for each in said:
    print(textwrap.fill(str(each.message)))

# %%
# Each column by itself hides it
# ------------------------------
# The widest gap in recall, by sex, by age, and by both. By sex alone there is hardly any:
# few women are over 50. Limits are those of 95% intervals. The lower one allows for the
# number of pairs that the widest gap was picked from.


def combine(names):
    """Join the values of some columns of the test rows."""
    return X_test[names].agg(", ".join, axis=1)


rows = []
for name, model in models.items():
    for names in (["sex"], ["age"], ["sex", "age"]):
        found = disparity_interval(
            y_test,
            model.predict(X_test),
            sensitive_features=combine(names),
            disparity="equal_opportunity",
            pos_label="yes",
        )
        rows.append({"model": name, "groups by": " and ".join(names), **found._asdict()})
pd.DataFrame(rows).set_index(["groups by", "model"]).sort_index().round(3)

# %%
# Group by group
# --------------
# Of those who were recorded as a yes, the share that gets one, with 95% intervals, before
# (hollow) and after (filled). The number is that of the rows it rests on. An interval as
# wide as that of the smallest group says: look at these people one by one.

groups = combine(["sex", "age"])
rates = {
    name: group_rates(
        y_test,
        model.predict(X_test),
        sensitive_features=groups,
        pos_label="yes",
        confidence=0.95,
    )
    for name, model in models.items()
}
counts = groups[y_test == "yes"].value_counts()
names = counts.index[::-1]
figure, axes = plt.subplots(figsize=(5.6, 4.2), layout="constrained")
for name, shift, face in (("plain", 0.14, "white"), ("debiased", -0.14, "#009E73")):
    table = rates[name].loc[names]
    recall = table["true_positive_rate"]
    below = recall - table["true_positive_rate_lower"]
    above = table["true_positive_rate_upper"] - recall
    axes.errorbar(
        recall,
        np.arange(len(names)) + shift,
        xerr=[below, above],
        fmt="o",
        markersize=8,
        color="#009E73",
        markerfacecolor=face,
        label=name,
    )
axes.set_yticks(range(len(names)), [f"{name} ({counts[name]})" for name in names])
axes.set(xlabel="share of the deserving who get a yes")
axes.spines[["top", "right"]].set_visible(False)
figure.legend(loc="outside lower center", ncols=2, frameon=False)
plt.show()

# %%
# Which pairs differ
# ------------------
# All pairs of groups are compared in a table. These are what is left after debiasing, the
# most certain differences first. With fifteen pairs, one in twenty comparisons is "certain"
# by chance, so p values are worth as much as the number of pairs leaves of them.

gaps = group_gaps(y_test, clf.predict(X_test), sensitive_features=groups, pos_label="yes")
gaps = gaps[gaps["rate"] == "true_positive"].sort_values("p_value")
columns = ["group", "other", "gap", "gap_lower", "gap_upper", "p_value"]
gaps[columns].head(5).round(3).reset_index(drop=True)
