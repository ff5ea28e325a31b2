"""
From a model to a report
========================

Somebody has to answer for a model: a compliance officer, a works council, a court. They ask
who is decided how, whether a difference may be chance, and what debiasing has changed and
for whom. :class:`~sklearn_bade.inspection.FairnessReport` answers with one file.
:doc:`plot_monitoring` asks whether all that still holds a year later.
"""

# %%
# A model, fitted and debiased
# ----------------------------
# Two columns are sensitive; in a few rows the age is unknown. The strength is chosen on the
# training rows, and what the search has left because it would cost too much, it says.

# sphinx_gallery_thumbnail_number = 2

import tempfile
import textwrap
import warnings
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from sklearn_bade import BackdoorDebiasClassifierCV
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.inspection import (
    FairnessReport,
    correction_importance,
    decided_otherwise,
)

rng = np.random.default_rng(0)
X, y, _ = make_biased_classification(n_samples=8000, random_state=0)
y = np.where(y == 1, "invited", "turned down")
ages = ["under 30", "30 to 50", "over 50", None]
X["age"] = rng.choice(ages, size=len(X), p=[0.35, 0.5, 0.14, 0.01])
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    clf = BackdoorDebiasClassifierCV(
        LogisticRegression(), sensitive_columns=["group", "age"], random_state=0
    ).fit(X_train, y_train)
for each in said:
    print(textwrap.fill(str(each.message)))

# %%
# The report
# ----------
# Strength 0 is the control: the same model, with nothing reversed. Which label is the
# favourable one is said, since the alphabet does not know.

models = {"strength 0": clf.with_strength(0.0), "chosen": clf}
report = FairnessReport.from_estimator(models, X_test, y_test, pos_label="invited")

folder = Path(tempfile.mkdtemp())
report.save(folder / "report.html")
print(f"one file of {(folder / 'report.html').stat().st_size / 1e3:.0f} kB")

# %%
# In a notebook, the report shows itself. Each sensitive column is an attribute, and so is
# their intersection; small groups are marked.

report

# %%
# Every figure is in a table too. Impact ratios compare selection rates with that of the
# most selected group; under four fifths, and hardly by chance, they are taken for evidence
# of adverse impact.

impact = report.to_frame("impact")
impact = impact[(impact["attribute"] == "group") & (impact["rate"] == "selection")]
columns = ["model", "group", "value", "impact_ratio", "lower", "upper", "four_fifths"]
impact[columns].round(3)

# %%
# What has changed is judged on the same rows, which is far more certain than the difference
# of two reports.

changes = report.to_frame("changes")
changes = changes[(changes["attribute"] == "group") & changes["group"].isna()]
columns = ["figure", "value_before", "value", "change", "lower", "upper"]
changes[columns].round(3)

# %%
# The rates before (hollow) and after (filled), with their intervals:

report.plot(attribute="group")
plt.show()

# %%
# Who is decided otherwise
# ------------------------
# The rows themselves are not in the report. Whoever has them can list those whose decision
# changed, with both probabilities.

changed = decided_otherwise(models["strength 0"], clf, X_test, pos_label="invited")
print(changed.groupby(["group", "outcome"]).size().unstack(fill_value=0))
changed.head(4).round(3)

# %%
# They are people near the line, before and after. To the left of the dashed line are those
# who were turned down before, above the other one those who are invited now.

figure, axes = plt.subplots(figsize=(5.6, 4.6), layout="constrained")
groups = X_test.loc[changed.index, "group"]
for name, color, marker in (("A", "#0072B2", "o"), ("B", "#D55E00", "s")):
    rows = changed[groups == name]
    axes.scatter(
        rows["proba_before"],
        rows["proba_after"],
        s=25,
        color=color,
        marker=marker,
        label=f"group {name}",
    )
for draw in (axes.axvline, axes.axhline):
    draw(0.5, color="black", linestyle="dashed", linewidth=1)
axes.set(title="Who is decided otherwise", xlabel="chance of an invitation, before")
axes.set_ylabel("chance of an invitation, after")
axes.spines[["top", "right"]].set_visible(False)
figure.legend(loc="outside lower center", ncols=2, frameon=False)
plt.show()

# %%
# Which features carried it: how much the correction, in log-odds, changes when a column is
# shuffled among these rows.

importance = correction_importance(
    models["strength 0"], clf, X_test.loc[changed.index], pos_label="invited"
)
figure, axes = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
axes.barh(importance.index[::-1], importance["importance"][::-1], color="#009E73")
axes.set(title="What carries the correction", xlabel="change of the log-odds")
axes.spines[["top", "right"]].set_visible(False)
plt.show()
