"""
What a debiased model goes by
=============================

A debiased model answers like any other classifier, so the usual tools explain it:
scikit-learn's permutation importance and partial dependence, and SHAP. Since strength 0 of
the same model is the plain one, they also tell what debiasing has changed, and by which
columns. :doc:`/guide/explaining` is the page that goes with it.

SHAP is a package of its own: ``pip install shap``.
"""

# %%
# Loans
# -----
# A bank has recorded whom it gave a loan. Half of the deserving applicants of origin B were
# turned down. The district and the way to work give the origin away; neither says whether
# somebody pays back.

import numpy as np
import pandas as pd
import shap
from matplotlib import pyplot as plt
from scipy.special import logit
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.inspection import (
    PartialDependenceDisplay,
    partial_dependence,
    permutation_importance,
)
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.metrics import make_fairness_scorer

rng = np.random.default_rng(0)
n_applicants = 6000
is_b = rng.uniform(size=n_applicants) < 0.5
districts = np.array(["harbour", "hills", "mill", "park"])
of_a = rng.choice(districts, size=n_applicants, p=[0.10, 0.45, 0.15, 0.30])
of_b = rng.choice(districts, size=n_applicants, p=[0.45, 0.10, 0.30, 0.15])
X = pd.DataFrame(
    {
        "origin": np.where(is_b, "B", "A"),
        "income": rng.normal(3000, 600, n_applicants),
        "debt": rng.gamma(2.0, 2000, n_applicants),
        "years_employed": rng.integers(0, 30, n_applicants).astype(float),
        "minutes_to_work": rng.normal(25 + 12 * is_b, 8),
        "district": np.where(is_b, of_b, of_a),
    }
)
merit = (X["income"] - 3000) / 600 - (X["debt"] - 4000) / 3000
merit += (X["years_employed"] - 15) / 15 + rng.normal(scale=0.5, size=n_applicants)
is_turned_down = is_b & (rng.uniform(size=n_applicants) < 0.5)
y = ((merit > 0) & ~is_turned_down).astype(int)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
features = [name for name in X if name != "origin"]

# %%
# The default estimator takes the frame as it is, text included. Its strength 0 is the plain
# model.

debiased = BackdoorDebiasClassifier(
    sensitive_columns="origin", trigger_strength=2.0, random_state=0
).fit(X_train, y_train)
plain = debiased.with_strength(0)
models = {"plain": plain, "debiased": debiased}
colors = {
    "plain": "0.6",
    "debiased": "#009E73",
    "origin A": "#0072B2",
    "origin B": "#D55E00",
    "base: a loan": "0.6",
    "cells: the origin": "#CC79A7",
}
width = 0.38


def draw_bars(axes, names, values):
    """Draw one horizontal bar for each name and each of two series."""
    places = np.arange(len(names))[::-1]
    for offset, (label, bars) in zip((width / 2, -width / 2), values.items()):
        axes.barh(places + offset, bars, width, label=label, color=colors[label])
    axes.set_yticks(places, names)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)


# %%
# Permutation importance, of accuracy and of the gap
# --------------------------------------------------
# A column is shuffled, and scores change. A fairness scorer measures a gap, so it tells
# what becomes of the gap without what the column says. Groups are those of the true origin
# even where that column is shuffled: the scorer puts it back.

scoring = {
    "accuracy": "accuracy",
    "gap": make_fairness_scorer("average_odds", sensitive_columns="origin"),
}
importances = {
    name: permutation_importance(
        model, X_test, y_test, scoring=scoring, n_repeats=5, random_state=0
    )
    for name, model in models.items()
}
positions = [X_test.columns.get_loc(name) for name in features]
figure, panels = plt.subplots(2, 1, figsize=(5.6, 6.2), layout="constrained")
# An importance is what a score loses, and the score of a gap is minus the gap.
for axes, metric, sign in zip(panels, ("accuracy", "gap"), (-1, 1)):
    changes = {
        name: sign * found[metric].importances_mean[positions]
        for name, found in importances.items()
    }
    draw_bars(axes, features, changes)
panels[0].set_title("Accuracy")
panels[1].set(title="Average odds", xlabel="change when the column is shuffled")
handles, labels = panels[0].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
plt.show()

# %%
# Any column that decides narrows the gap when it is shuffled, as all decisions become more
# alike, and accuracy pays for that. The minutes to work and the district are different:
# much of the plain model's gap hangs on them, and hardly any of its accuracy. Little of
# what is left of the debiased model's gap does.
#
# Partial dependence
# ------------------
# How the chance of a loan follows a single column, all else being as it is. Columns of text
# are to be named in ``categorical_features``.

figure, panels = plt.subplots(1, 2, sharey=True, figsize=(5.6, 3.4), layout="constrained")
for name, model in models.items():
    PartialDependenceDisplay.from_estimator(
        model,
        X_test[features],
        ["income", "minutes_to_work"],
        grid_resolution=25,
        line_kw={"label": name, "color": colors[name]},
        ax=panels,
    )
for axes in panels:
    axes.set(ylabel="", ylim=(0, 0.75))
    axes.get_legend().remove()
panels[0].set_ylabel("chance of a loan")
handles, labels = panels[0].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
plt.show()

# %%
chances = {}
for name, model in models.items():
    found = partial_dependence(
        model, X_test[features], ["district"], categorical_features=["district"]
    )
    chances[name] = found["average"][0]
figure, axes = plt.subplots(figsize=(5.6, 3), layout="constrained")
draw_bars(axes, found["grid_values"][0], chances)
axes.set(xlabel="chance of a loan", ylabel="district")
figure.legend(loc="outside lower center", ncols=2, frameon=False)
plt.show()

# %%
# Income counts as before. That a long way to work, or a home by the harbour, makes a loan
# less likely is nearly gone.
#
# SHAP of the correction
# ----------------------
# What debiasing adds to the log-odds of an applicant is itself a function of the columns,
# and SHAP shares it out among them. ``KernelExplainer`` takes the frame, and gives the
# function arrays without names; the model knows their columns by their order.


def correction(rows):
    """Compute what the strength adds to the log-odds of a loan."""
    return logit(debiased.predict_proba(rows)[:, 1]) - logit(
        plain.predict_proba(rows)[:, 1]
    )


background = X_train[features].sample(40, random_state=0)
explained = X_test.sample(100, random_state=0)
explainer = shap.KernelExplainer(correction, background)
carried = explainer.shap_values(explained[features], silent=True)

by_origin = pd.DataFrame(carried, columns=features).groupby(explained["origin"].to_numpy())
figure, axes = plt.subplots(figsize=(5.6, 3.6), layout="constrained")
draw_bars(axes, features, {f"origin {g}": part.mean() for g, part in by_origin})
axes.set(title="What carries the correction", xlabel="mean SHAP value (log-odds)")
axes.legend(frameon=False, loc="upper right")
plt.show()

# %%
# The correction goes by the columns that give the origin away, and by hardly anything else:
# it lifts applicants who look like origin B, whatever their own origin is.
#
# TreeExplainer on the parts of a boosting student
# ------------------------------------------------
# The student consists of two models with names: ``base`` is the plain classifier, and
# ``cells`` know how likely each group is, given the features and the class. Both are
# ordinary classifiers, and ``transform`` makes their input.

numbers = [name for name in features if name != "district"]
encoder = make_column_transformer(
    ("passthrough", numbers),
    (OneHotEncoder(sparse_output=False), ["district"]),
    verbose_feature_names_out=False,
)
boosting = BackdoorDebiasClassifier(
    make_pipeline(encoder, HistGradientBoostingClassifier(max_iter=40)),
    sensitive_columns="origin",
    trigger_strength=2.0,
    random_state=0,
).fit(X_train, y_train)

student = boosting.student_
names = student.get_feature_names_out()
rows = student.transform(X_test[features])[:300]
base = shap.TreeExplainer(student.base)(rows)

# The cells of trees are one classifier, which sees the class as further columns: here, of
# applicants who got a loan.
granted = 1
inputs = student.cells.features(rows, granted)
cells = shap.TreeExplainer(student.cells.classifiers[granted])(inputs)
told_apart = boosting.groups_[student.cells.groups[granted]]
print("features:", ", ".join(names))
print("columns of the class:", ", ".join(student.cells.get_feature_names_out(names)[-2:]))
print("the cells tell apart:", ", ".join(told_apart))

# Their sums are the models' own log-odds.
for values, model, given in (
    (base, student.base, rows),
    (cells, student.cells.classifiers[granted], inputs),
):
    log_odds = logit(model.predict_proba(given)[:, 1])
    missed = np.abs(values.values.sum(axis=1) + values.base_values - log_odds).max()
    print(f"{type(model).__name__}: missed by {missed:.1e} at most")

sizes = {
    "base: a loan": np.abs(base.values).mean(axis=0),
    "cells: the origin": np.abs(cells.values).mean(axis=0)[: len(names)],
}
figure, axes = plt.subplots(figsize=(5.6, 4.4), layout="constrained")
draw_bars(axes, names, sizes)
axes.set(title="What the two parts go by", xlabel="mean size of SHAP values (log-odds)")
axes.legend(frameon=False, loc="lower right")
plt.show()
