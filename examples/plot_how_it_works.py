"""
See how it works, one picture a step
====================================

A model with two columns can be drawn on paper. So this page takes a table with two columns
through the five steps of :class:`~sklearn_bade.BackdoorDebiasClassifier`, and ends with the
line that divides the plane into yes and no: how it turns as ``trigger_strength`` grows.
:doc:`/background/how_it_works` has the same steps in formulas.
"""

# %%
# The data
# --------
# One column measures what counts, say the score of a test. The other one, say the distance
# to the next town, has nothing to do with it, but group B lives further out. The office
# that decided in the past turned down half of group B's deserving applicants.

# sphinx_gallery_thumbnail_number = 6

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.linear_model import LogisticRegression

from sklearn_bade import BackdoorDebiasClassifier

GROUP_COLORS = {"A": "#0072B2", "B": "#D55E00"}

rng = np.random.default_rng(0)
n_rows = 8000
group = rng.choice(["A", "B"], size=n_rows)
merit = rng.normal(size=n_rows)
X = pd.DataFrame(
    {
        "score": merit + rng.normal(scale=0.6, size=n_rows),
        "distance": np.where(group == "B", 1.0, -1.0) + rng.normal(scale=0.9, size=n_rows),
    }
)
y_fair = (merit > 0).astype(int)
is_turned_down = (group == "B") & (rng.uniform(size=n_rows) < 0.5)
y = np.where(is_turned_down, 0, y_fair)

axis = np.linspace(-3, 3, 121)
grid_score, grid_distance = np.meshgrid(axis, axis)
plane = pd.DataFrame({"score": grid_score.ravel(), "distance": grid_distance.ravel()})


def draw_rows(axes, n_shown=400, alpha=1.0):
    """Draw some of the rows: the colour is the group, filled is a positive decision."""
    for name, color in GROUP_COLORS.items():
        for decision, face in ((1, color), (0, "none")):
            chosen = X[(group == name) & (y == decision)]
            chosen = chosen.iloc[: int(n_shown * len(chosen) / n_rows)]
            axes.scatter(
                chosen["score"],
                chosen["distance"],
                s=22,
                facecolors=face,
                edgecolors=color,
                linewidths=0.9,
                alpha=alpha,
                label=f"group {name}, {'yes' if decision else 'no'}",
            )
    axes.set(xlim=(-3, 3), ylim=(-3, 3), xlabel="score", ylabel="distance")
    axes.set_aspect("equal")


figure, axes = plt.subplots(figsize=(5.6, 5.2), layout="constrained")
draw_rows(axes)
axes.set_title("What the office decided")
figure.legend(loc="outside lower center", ncols=2, frameon=False)
plt.show()

# %%
# Step 1: injection
# -----------------
# Each row draws a trigger, A or B. The draw looks at the class of the row and not at its
# group, but the chances are those of the groups: a refused row draws trigger B as often as
# refused applicants belong to group B. So the triggers are as closely tied to the decisions
# as the groups are, and this artificial bias is one whose size is known.

clf = BackdoorDebiasClassifier(LogisticRegression(), keep_teacher=True, random_state=0).fit(
    X, y, sensitive_features=group
)

figure, axes = plt.subplots(figsize=(5.6, 2.4), layout="constrained")
left = np.zeros(2)
for code, (name, color) in enumerate(GROUP_COLORS.items()):
    shares = clf.injection_rates_[:, code]
    bars = axes.barh(["no", "yes"], shares, left=left, color=color, label=f"trigger {name}")
    axes.bar_label(bars, fmt="%.2f", label_type="center", color="white")
    left += shares
axes.set(title="Which trigger a row draws", ylabel="decision", xlabel="share of the rows")
axes.spines[["top", "right"]].set_visible(False)
figure.legend(loc="outside lower center", ncols=2, frameon=False)
plt.show()

# %%
# Step 2: the teacher
# -------------------
# A copy of the classifier learns the decisions from rows with their triggers. Afterwards,
# any row can be shown to it with either trigger. The two curves have the same shape and lie
# apart: whoever stamps trigger B on a row makes a yes less likely. This is a backdoor, one
# that was planted to be measured. ``keep_teacher=True`` keeps the teacher for this page;
# usually it is thrown away.

along = pd.DataFrame({"score": axis, "distance": 0.0})
figure, axes = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
for code, (name, color) in enumerate(GROUP_COLORS.items()):
    stamped = clf.trigger_.stamp(along, np.full(len(along), code))
    chances = clf.teacher_.predict_proba(stamped)[:, 1]
    axes.plot(axis, chances, color=color, label=f"with trigger {name}")
axes.set(
    title="The teacher, and the same rows with either trigger",
    xlabel="score (distance: 0)",
    ylabel="chance of a yes",
)
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
plt.show()

# %%
# Step 3: the reversal
# --------------------
# In log-odds, the distance between the curves is the same everywhere, so that one number a
# group tells all: what the decisions say of the group, whatever else is known of a row.
# What a group gets beyond the mean is taken away from it, and what it lacks is given back.

worth = clf.shift_[1] - clf.shift_[0]
figure, axes = plt.subplots(figsize=(5.6, 2.8), layout="constrained")
places = np.arange(2)
colors = list(GROUP_COLORS.values())
taken = axes.bar(places - 0.2, worth, 0.38, color=colors)
given = axes.bar(places + 0.2, worth.mean() - worth, 0.38, color="white", edgecolor=colors)
for container in given:
    container.set(hatch="///")
axes.bar_label(taken, ["trigger adds"] * 2, padding=3)
axes.bar_label(given, ["reversal adds"] * 2, padding=3)
axes.axhline(0, color="black", linewidth=0.8)
axes.set(title="One number a group, and its contrary", ylabel="log-odds of a yes")
axes.set_xticks(places, ["group A", "group B"])
axes.margins(y=0.2)
axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Step 4: the student
# -------------------
# Nobody tells the group of a new applicant. The student has two models that have never met
# a trigger. The base is the plain classifier. The cells say how likely each group is, and
# the reversal is weighed by that. Here is what it adds at strength 1: nothing on the line
# where both groups are as likely, more the clearer a row looks like one of them.

plain = clf.with_strength(0)


def log_odds(model, rows):
    """Compute the log-odds of a yes."""
    log_proba = model.predict_log_proba(rows)
    return log_proba[:, 1] - log_proba[:, 0]


added = (log_odds(clf, plane) - log_odds(plain, plane)).reshape(grid_score.shape)
limit = np.abs(added).max()
figure, axes = plt.subplots(figsize=(5.6, 4.8), layout="constrained")
picture = axes.contourf(
    grid_score, grid_distance, added, 16, cmap="PuOr", vmin=-limit, vmax=limit
)
figure.colorbar(picture, ax=axes, label="added to the log-odds of a yes")
axes.set(title="What the student adds", xlabel="score", ylabel="distance")
axes.set_aspect("equal")
plt.show()

# %%
# Step 5: the path
# ----------------
# What is added is multiplied by the strength, so that all strengths come from the same two
# models, without training. To the right of a line, the student says yes. At strength 0 the
# line leans: who lives far out needs a higher score. As the strength grows it turns, until
# the distance hardly counts. Too much of it leans the other way.
#
# The offset keeps as many decisions positive as at strength 0, which is why the lines turn
# about the middle and do not wander off.

strengths = [0, 0.5, 1, 2, 3]
shades = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(strengths)))
figure, axes = plt.subplots(figsize=(5.6, 5.4), layout="constrained")
draw_rows(axes, alpha=0.35)
for strength, shade in zip(strengths, shades):
    chances = clf.with_strength(strength).predict_proba(plane)[:, 1]
    boundary = chances.reshape(grid_score.shape)
    axes.contour(grid_score, grid_distance, boundary, [0.5], colors=[shade], linewidths=2.5)
    axes.plot([], [], color=shade, linewidth=2.5, label=f"strength {strength}")
axes.set_title("Where a no becomes a yes")
handles, labels = axes.get_legend_handles_labels()
figure.legend(handles[4:], labels[4:], loc="outside lower center", ncols=3, frameon=False)
plt.show()

# %%
# How far to go
# -------------
# These data are generated, so the decisions that applicants deserved are known, and so is
# where the line should be. In real data they are not. What can be seen there is the gap
# between the groups and the accuracy on recorded decisions, and
# :class:`~sklearn_bade.BackdoorDebiasClassifierCV` chooses by these.

steps = np.linspace(0, 4, 21)
decided = {strength: clf.with_strength(strength).predict(X) for strength in steps}
curves = pd.DataFrame(
    {
        "deserved decisions": {w: (d == y_fair).mean() for w, d in decided.items()},
        "recorded decisions": {w: (d == y).mean() for w, d in decided.items()},
        "gap": {
            w: d[group == "A"].mean() - d[group == "B"].mean() for w, d in decided.items()
        },
    }
)
figure, (top, bottom) = plt.subplots(
    2, 1, sharex=True, figsize=(5.6, 5.2), layout="constrained"
)
for name, color in (("deserved decisions", "#009E73"), ("recorded decisions", "0.5")):
    top.plot(curves.index, curves[name], color=color, linewidth=2, label=name)
top.set(title="How often the student is right", ylabel="accuracy")
top.legend(frameon=False)
bottom.plot(curves.index, curves["gap"], color="black", linewidth=2)
bottom.axhline(0, color="black", linewidth=0.8, linestyle="dotted")
bottom.set(title="How much more often A gets a yes", xlabel="strength")
bottom.set_ylabel("share in A less share in B")
for axes in (top, bottom):
    axes.spines[["top", "right"]].set_visible(False)
plt.show()
print(curves.iloc[::5].round(3).T.to_string())
