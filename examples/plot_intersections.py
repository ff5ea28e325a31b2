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

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from sklearn_bade import BackdoorDebiasClassifierCV
from sklearn_bade.inspection import GroupRatesDisplay
from sklearn_bade.metrics import disparity_interval, group_gaps

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
# groups are learned from all the same.

clf = BackdoorDebiasClassifierCV(
    LogisticRegression(),
    sensitive_columns=["sex", "age"],
    disparity="equal_opportunity",
    min_rows=50,
    random_state=0,
).fit(X_train, y_train)
models = {"plain": clf.with_strength(0), "debiased": clf}
print("strength:", clf.best_strength_)
rows={}
for name, model in models.items():
    for cols in (["sex"], ["age"], ["sex", "age"]):
        f = X_test[cols].agg(", ".join, axis=1)
        i = disparity_interval(y_test, model.predict(X_test), sensitive_features=f, disparity="equal_opportunity", pos_label="yes")
        print(name, cols, i, (model.predict(X_test)==y_test).mean())
from sklearn_bade.metrics import group_rates
print(group_rates(y_test, models["plain"].predict(X_test), sensitive_features=X_test[["sex","age"]].agg(", ".join, axis=1), pos_label="yes", confidence=.95).T)
print(group_rates(y_test, models["debiased"].predict(X_test), sensitive_features=X_test[["sex","age"]].agg(", ".join, axis=1), pos_label="yes", confidence=.95).T)
