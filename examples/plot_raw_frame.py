"""
Start from the table that you have
==================================

Tables come with dates, numbers of customers, text and holes. The default estimator takes
them as they are; a pipeline of your own goes as well, and scikit-learn's ``GridSearchCV``
tunes its steps together with the strength, with the gap in view.
"""

# %%
# A table as it comes
# -------------------
# Loans of a bank: a number that identifies the customer, the day of the application, text,
# and holes in several columns. In its past decisions, the bank was harder on women.

import tempfile
import textwrap
import warnings

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.inspection import GroupRatesDisplay
from sklearn_bade.metrics import (
    average_absolute_odds_difference,
    make_fairness_scorer,
    select_fair,
)

rng = np.random.default_rng(0)
n_rows = 5000
is_woman = rng.uniform(size=n_rows) < 0.45
income = rng.lognormal(8.0 - 0.1 * is_woman, 0.3)
years = rng.integers(0, 30, n_rows).astype(float)
trades = np.array(["building", "care", "office", "retail"])
of_women = rng.choice(trades, size=n_rows, p=[0.05, 0.60, 0.20, 0.15])
of_men = rng.choice(trades, size=n_rows, p=[0.60, 0.05, 0.20, 0.15])
solvency = np.log(income) - 8 + years / 60 + rng.normal(scale=0.25, size=n_rows)
is_granted = (solvency > 0.2) & ~(is_woman & (rng.uniform(size=n_rows) < 0.5))

X = pd.DataFrame(
    {
        "customer": [f"C{number:06d}" for number in rng.permutation(10**6)[:n_rows]],
        "applied_on": pd.Timestamp("2025-01-01")
        + pd.to_timedelta(rng.integers(0, 365, n_rows), unit="D"),
        "sex": np.where(is_woman, "woman", "man"),
        "trade": np.where(is_woman, of_women, of_men),
        "hours": np.where(rng.uniform(size=n_rows) < 0.1 + 0.5 * is_woman, 20.0, 40.0),
        "income": income.round(),
        "years_employed": years,
    }
)
for name in ("trade", "income", "years_employed"):
    X[name] = X[name].mask(rng.uniform(size=n_rows) < 0.05)
y = np.where(is_granted, "granted", "refused")
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
X_train.head()

# %%
# One call
# --------
# Without an estimator, the default takes the frame as it is: it fills holes, encodes text,
# reads dates as numbers, and trains a network sized by the data. The sensitive column
# leaves the frame first. Nothing can be learned from the number of a customer, which is
# another one in each row, and a warning says so.

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    default = BackdoorDebiasClassifier(sensitive_columns="sex", random_state=0).fit(
        X_train, y_train
    )
print(textwrap.fill(f"{said[0].category.__name__}: {said[0].message}"))

# %%
# A pipeline of your own
# ----------------------
# Any pipeline that ends in a classifier can stand inside. It is written as if the sensitive
# column did not exist, since that is gone before the first step.

columns = make_column_transformer(
    (
        make_pipeline(SimpleImputer(), StandardScaler()),
        ["hours", "income", "years_employed"],
    ),
    (OneHotEncoder(handle_unknown="ignore"), ["trade"]),
)
pipeline = make_pipeline(columns, LogisticRegression())

# %%
# ``GridSearchCV`` searches over its steps and over the strength at once. The scorer reads
# the sensitive column from the frame, and ``select_fair`` is the rule: the narrowest gap
# among all candidates that cost at most a point of accuracy. With ``memory``, candidates
# that differ in their strength alone train once.

with tempfile.TemporaryDirectory() as folder:
    grid = GridSearchCV(
        BackdoorDebiasClassifier(
            pipeline, sensitive_columns="sex", memory=folder, random_state=0
        ),
        {
            "trigger_strength": [0.0, 0.5, 1.0, 1.5, 2.0],
            "estimator__columntransformer__pipeline__simpleimputer__strategy": [
                "mean",
                "median",
            ],
            "estimator__logisticregression__C": [0.1, 1.0],
        },
        scoring={
            "accuracy": "accuracy",
            "gap": make_fairness_scorer("average_odds", sensitive_columns="sex"),
        },
        refit=select_fair(max_accuracy_loss=0.01, disparity="gap"),
        cv=3,
    ).fit(X_train, y_train)
for name, value in grid.best_params_.items():
    print(f"{name.split('__')[-1]}: {value}")

# %%
# All candidates, and the chosen one. Those of one strength lie close together: how holes
# are filled hardly matters here, and the strength does.

results = pd.DataFrame(grid.cv_results_)
strengths = results["param_trigger_strength"].astype(float)
figure, axes = plt.subplots(figsize=(5.6, 3.8), layout="constrained")
dots = axes.scatter(
    -results["mean_test_gap"], results["mean_test_accuracy"], c=strengths, s=45
)
figure.colorbar(dots, ax=axes, label="trigger strength")
chosen = results.loc[grid.best_index_]
axes.scatter(
    -chosen["mean_test_gap"],
    chosen["mean_test_accuracy"],
    s=180,
    facecolors="none",
    edgecolors="black",
    linewidths=1.5,
    label="chosen",
)
axes.set(xlabel="average odds (0 is equal), mean of folds", ylabel="accuracy")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
plt.show()

# %%
# New customers
# -------------
# At prediction the sensitive column may be missing, and holes, unknown trades and new dates
# may occur.

chosen = grid.best_estimator_
new = X_test.drop(columns="sex").head(3)
new.assign(decision=chosen.predict(new))

# %%
# Before and after
# ----------------
# Both models on the test rows. Strength 0 is the same model without debiasing.

models = {
    "default, strength 0": default.with_strength(0),
    "default, debiased": default,
    "pipeline, strength 0": chosen.with_strength(0),
    "pipeline, debiased": chosen,
}
pd.DataFrame(
    {
        name: {
            "accuracy": model.score(X_test, y_test),
            "average odds": average_absolute_odds_difference(
                y_test, model.predict(X_test), sensitive_features=X_test["sex"]
            ),
        }
        for name, model in models.items()
    }
).T.round(3)

# %%
# The rates of the pipeline, before (hollow) and after (filled), with their intervals:

GroupRatesDisplay.from_estimator(
    {"strength 0": chosen.with_strength(0), "debiased": chosen},
    X_test,
    y_test,
    pos_label="granted",
)
plt.show()
