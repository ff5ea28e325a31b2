"""
Close two gaps of opposite signs
================================

Sometimes it is not that a model favours one group. Among people with a thin file, a model
may be too kind to those of group A who deserve a loan, and too kind to those of group B who
do not. Then A has the higher true positive rate and B the higher false positive rate. One
strength pushes both gaps the same way: it closes one and opens the other. A strength for
each class, one of them negative, can close both.
"""

# %%
# Thick files and thin files
# --------------------------
# Half of the applicants have a thin file. Of these, nearly all who deserve a loan belong to
# group A, and nearly all others to group B. Among thick files, groups are mixed evenly. The
# distance to the next branch says a little of the group, and nothing of who deserves what.

# sphinx_gallery_thumbnail_number = 2

import textwrap
import warnings

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from sklearn_bade import BackdoorDebiasClassifierCV
from sklearn_bade.exceptions import WideningStrengthWarning
from sklearn_bade.metrics import average_absolute_odds_difference, group_rates

rng = np.random.default_rng(0)
n_rows = 16_000
is_thin = rng.uniform(size=n_rows) < 0.5
y = (rng.uniform(size=n_rows) < np.where(is_thin, 0.6, 0.4)).astype(int)
signal = rng.normal(size=n_rows) + 0.8 * (2 * y - 1)
share_of_b = np.where(is_thin, np.where(y == 1, 0.05, 0.95), 0.5)
X = pd.DataFrame(
    {
        "group": np.where(rng.uniform(size=n_rows) < share_of_b, "B", "A"),
        "thick_file": signal * ~is_thin,
        "thin_file": signal * is_thin,
        "is_thin": is_thin.astype(float),
    }
)
X["distance"] = np.where(X["group"] == "B", 0.15, -0.15) + rng.normal(size=n_rows)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
groups = X_test["group"]

# %%
# One strength, and one per class
# -------------------------------
# ``per_class=False`` keeps one strength for both classes. The default, ``"auto"``, also
# looks for one per class, and takes them where they gain more than noise. Either gives as
# many a loan as the plain model does (``base_rates=["keep"]``), so that the strengths are
# all that differs. The first search has to admit that it could do little.


def search(**settings):
    """Search for strengths on the training rows."""
    return BackdoorDebiasClassifierCV(
        LogisticRegression(),
        sensitive_columns="group",
        base_rates=["keep"],
        random_state=0,
        **settings,
    ).fit(X_train, y_train)


with warnings.catch_warnings(record=True) as admitted:
    warnings.simplefilter("always")
    one = search(per_class=False)
two = search()
models = {"plain": two.with_strength(0), "one strength": one, "one per class": two}
print("one strength:", one.best_strength_)
print("one per class:", two.best_strength_)
print(textwrap.fill(f"warning: {admitted[0].message}"))

# %%
# Both gaps, with their signs
# ---------------------------
# Bars show group A's rate less group B's.

gaps = {}
for name, model in models.items():
    y_pred = model.predict(X_test)
    rates = group_rates(y_test, y_pred, sensitive_features=groups)
    gaps[name] = {
        "true positive rate": rates["true_positive_rate"].diff().iloc[-1] * -1,
        "false positive rate": rates["false_positive_rate"].diff().iloc[-1] * -1,
        "average odds": average_absolute_odds_difference(
            y_test, y_pred, sensitive_features=groups
        ),
        "accuracy": (y_pred == y_test).mean(),
    }
gaps = pd.DataFrame(gaps).T

figure, axes = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
places = np.arange(len(gaps))
for shift, column, color in (
    (-0.2, "true positive rate", "#0072B2"),
    (0.2, "false positive rate", "#E69F00"),
):
    axes.bar(places + shift, gaps[column], 0.38, color=color, label=column)
axes.axhline(0, color="black", linewidth=0.8)
axes.set_xticks(places, gaps.index)
axes.set(title="Two gaps", ylabel="rate of A less rate of B")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
plt.show()
gaps.round(3)

# %%
# A map of all strengths
# ----------------------
# Every point is a pair of strengths, and pale is fair. Whoever keeps one strength for both
# classes walks along the dashed line, which passes the pale region by. With a strength for
# each class, one may leave the line. Nothing is trained for the map; the warning that a
# negative strength alone adds to the bias is left out, since the map is there to show it.

strengths = np.linspace(-3, 6, 19)
average_odds = np.empty((len(strengths), len(strengths)))
with warnings.catch_warnings():
    warnings.simplefilter("ignore", WideningStrengthWarning)
    for i, of_yes in enumerate(strengths):
        for j, of_no in enumerate(strengths):
            y_pred = two.with_strength((of_no, of_yes)).predict(X_test)
            average_odds[i, j] = average_absolute_odds_difference(
                y_test, y_pred, sensitive_features=groups
            )

figure, axes = plt.subplots(figsize=(5.6, 4.8), layout="constrained")
picture = axes.contourf(strengths, strengths, average_odds, 12, cmap="viridis_r")
figure.colorbar(picture, ax=axes, label="average odds, test rows")
axes.plot(strengths, strengths, color="black", linestyle="dashed", linewidth=1)
for marker, (name, model) in zip("Ds", list(models.items())[1:]):
    point = np.broadcast_to(model.best_strength_, 2)
    axes.scatter(*point, s=90, marker=marker, color="white", edgecolor="black", label=name)
axes.scatter(0, 0, s=90, color="black", label="plain")
axes.set(xlabel="strength of class 0 (no)", ylabel="strength of class 1 (yes)")
figure.legend(loc="outside lower center", ncols=3, frameon=False)
plt.show()
