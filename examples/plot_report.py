"""
From a model to a report
========================

Somebody has to answer for a model: a compliance officer, a works council, a court. They ask
who is decided how, whether a difference may be chance, what debiasing has changed and for
whom, and whether all that still holds a year later. :class:`~sklearn_bade.inspection.
FairnessReport` answers with one file.
"""

# %%
# A model, fitted and debiased
# ----------------------------
# Decisions about applicants of two years. Two columns are sensitive; in a few rows the age
# is unknown. The strength is chosen on the first year's training rows.

import tempfile
from pathlib import Path

import numpy as np
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
X, y, _ = make_biased_classification(n_samples=16_000, random_state=0)
y = np.where(y == 1, "invited", "turned down")
ages = ["under 30", "30 to 50", "over 50", None]
X["age"] = rng.choice(ages, size=len(X), p=[0.35, 0.5, 0.14, 0.01])
X["year"] = np.repeat([2025, 2026], len(X) // 2)

is_first = X.pop("year") == 2025
X_train, X_test, y_train, y_test = train_test_split(
    X[is_first], y[is_first], test_size=0.5, random_state=0
)
clf = BackdoorDebiasClassifierCV(
    LogisticRegression(),
    sensitive_columns=["group", "age"],
    random_state=0,
).fit(X_train, y_train)

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
print(impact[columns].round(3).to_string(index=False))

# %%
# What has changed is judged on the same rows, which is far more certain than the difference
# of two reports.

changes = report.to_frame("changes")
changes = changes[(changes["attribute"] == "group") & changes["group"].isna()]
columns = ["figure", "value_before", "value", "change", "lower", "upper"]
print(changes[columns].round(3).to_string(index=False))

# %%
# The rates before (hollow) and after (filled), with their intervals:

report.plot(attribute="group")

# %%
# Who is decided otherwise
# ------------------------
# The rows themselves are not in the report. Whoever has them can list those whose decision
# changed, with both probabilities.

changed = decided_otherwise(models["strength 0"], clf, X_test, pos_label="invited")
print(changed.head(4).round(3).to_string())
print(changed.groupby(["group", "outcome"]).size().unstack(fill_value=0))

# %%
# Which features carried it: how much the correction, in log-odds, changes when a column is
# shuffled among these rows.

importance = correction_importance(
    models["strength 0"], clf, X_test.loc[changed.index], pos_label="invited"
)
print(importance.head(4).round(3))

# %%
# A year later
# ------------
# The second year is another one: what the columns say of group B's merits has fallen. The
# second report is compared with the first. Figures that moved beyond noise come first, with
# an allowance for how many there are.

X_later, y_later = X[~is_first].copy(), y[~is_first]
is_b = X_later["group"] == "B"
X_later.loc[is_b, [f"merit_{i}" for i in range(6)]] -= 0.25
later = FairnessReport.from_estimator(models, X_later, y_later, pos_label="invited")

moved = report.compare(later)
moved = moved[moved["moved"] & (moved["model"] == "chosen")]
columns = ["attribute", "figure", "group", "value_before", "value", "lower", "upper"]
print(moved[columns].head(8).round(3).to_string(index=False))

# %%
# Figures by time need the period of each row:

months = rng.choice(["2026-01", "2026-02", "2026-03"], size=len(X_later))
by_month = FairnessReport.from_estimator(
    clf, X_later, y_later, pos_label="invited", time=months
).to_frame("periods")
by_month = by_month[
    (by_month["figure"] == "average_odds")
    & (by_month["attribute"] == "group")
    & (by_month["model"] == "debiased")
]
print(by_month[["period", "value", "lower", "upper"]].round(3).to_string(index=False))
