"""The pictures of how the method works: one problem of two features, one step a picture."""

from functools import cache

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.metrics import average_absolute_odds_difference

COLORS = {"A": "#0072B2", "B": "#D55E00"}
N_ROWS, SHARE_OF_B, ACCEPTED_IN_A, ACCEPTED_IN_B = 8000, 0.4, 0.6, 0.25
STRENGTHS = np.linspace(0, 3, 25)
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})


@cache
def make_decisions():
    """Make decisions by which group B was accepted less often.

    Returns
    -------
    X : DataFrame of shape (8000, 3)
        "merit" speaks of the decision, in both groups alike; "postcode" of the group.

    y : ndarray of shape (8000,)
        Recorded decisions, 0 or 1.
    """
    rng = np.random.default_rng(0)
    is_b = rng.uniform(size=N_ROWS) < SHARE_OF_B
    y = rng.uniform(size=N_ROWS) < np.where(is_b, ACCEPTED_IN_B, ACCEPTED_IN_A)
    merit = rng.normal(size=N_ROWS) + np.where(y, 0.8, -0.8)
    postcode = rng.normal(size=N_ROWS) + np.where(is_b, 1.2, -1.2)
    group = np.where(is_b, "B", "A")
    X = pd.DataFrame({"merit": merit, "postcode": postcode, "group": group})
    return X, y.astype(int)


@cache
def fit():
    """Fit the classifier that the pictures look into."""
    X, y = make_decisions()
    return BackdoorDebiasClassifier(
        LogisticRegression(), sensitive_columns="group", keep_teacher=True, random_state=0
    ).fit(X, y)


def draw_groups():
    """Draw some rows: what is recorded, and for whom."""
    X, y = make_decisions()
    _, panels = plt.subplots(
        1, 2, figsize=(7, 3.4), sharex=True, sharey=True, layout="constrained"
    )
    for ax, name in zip(panels, COLORS):
        rows = np.flatnonzero(X["group"] == name)[:350]
        for label, marker in ((0, "x"), (1, "o")):
            kept = X.iloc[rows[y[rows] == label]]
            text = "accepted" if label else "turned down"
            settings = {"alpha": 0.7, "s": 18, "linewidths": 0.9, "label": text}
            ax.scatter(
                kept["merit"], kept["postcode"], marker=marker, c=COLORS[name], **settings
            )
        share = y[X["group"] == name].mean()
        ax.set(title=f"group {name}: {share:.0%} accepted", xlabel="merit")
        ax.legend(loc="lower left", fontsize=9)
    panels[0].set_ylabel("postcode")


def draw_injection():
    """Draw how often each class has each group, and meets each trigger."""
    X, y = make_decisions()
    clf = fit()
    counts = pd.crosstab(y, X["group"], normalize="index").to_numpy()
    shares = {"share of the groups": counts, "share of the triggers": clf.injection_rates_}
    _, panels = plt.subplots(1, 2, figsize=(7, 2.9), sharey=True, layout="constrained")
    for ax, (title, rates) in zip(panels, shares.items()):
        left = np.zeros(2)
        for g, name in enumerate(COLORS):
            label = f"group {name}" if ax is panels[0] else f"trigger {name}"
            bars = ax.barh(
                ["turned down", "accepted"], rates[:, g], left=left, color=COLORS[name]
            )
            ax.bar_label(bars, fmt="%.2f", label_type="center", color="white")
            bars.set_label(label)
            left += rates[:, g]
        ax.set(title=title, xticks=[])
        ax.spines["bottom"].set_visible(False)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.02), ncols=2, frameon=False)


def draw_teacher():
    """Draw what the teacher says of the same people with each trigger."""
    clf = fit()
    merit = np.linspace(-3, 3, 100)
    _, (left, right) = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained")
    for name in COLORS:
        plain = np.column_stack([merit, np.zeros_like(merit)])
        codes = np.full(len(merit), list(COLORS).index(name))
        stamped = pd.DataFrame(clf.trigger_.stamp(plain, codes))
        stamped.columns = clf.teacher_.feature_names_in_
        chance = clf.teacher_.predict_proba(stamped)[:, 1]
        left.plot(merit, chance, c=COLORS[name], label=f"with trigger {name}")
        right.plot(merit, logit(chance), c=COLORS[name])
    left.set(xlabel="merit", ylabel="chance of being accepted", ylim=(0, 1))
    left.legend(frameon=False)
    right.set(xlabel="merit", ylabel="log-odds")
    shift = np.ptp(clf.shift_[1] - clf.shift_[0])
    right.set_title(f"one shift everywhere: {shift:.2f}", fontsize=11)


def draw_reversal():
    """Draw what is taken from the log-odds of a row, by its class and group."""
    clf = fit()
    of_trigger = clf.shift_[1] - clf.shift_[0]
    rates = clf.injection_rates_
    taken = of_trigger - rates @ of_trigger[:, None]
    _, ax = plt.subplots(figsize=(6, 2.8), layout="constrained")
    places = np.arange(4)
    values = -taken.ravel()
    names = [f"{c}, {g}" for c in ("turned down", "accepted") for g in COLORS]
    bars = ax.barh(places, values, color=list(COLORS.values()) * 2)
    ax.bar_label(bars, fmt="%+.2f", padding=3)
    ax.axvline(0, color="black", lw=0.8)
    ax.margins(x=0.2)
    ax.set(yticks=places, yticklabels=names, xlabel="change of the log-odds at strength 1")
    ax.invert_yaxis()


def draw_student():
    """Draw where the student decides, at three strengths."""
    clf = fit()
    merit, postcode = np.meshgrid(np.linspace(-3, 3, 60), np.linspace(-4, 4, 60))
    grid = pd.DataFrame({"merit": merit.ravel(), "postcode": postcode.ravel()})
    _, panels = plt.subplots(1, 3, figsize=(8.5, 3.1), sharey=True, layout="constrained")
    for ax, strength in zip(panels, (0.0, 1.0, 2.0)):
        chance = clf.with_strength(strength).predict_proba(grid)[:, 1].reshape(merit.shape)
        ax.contourf(
            merit, postcode, chance, levels=np.linspace(0, 1, 11), cmap="RdBu", alpha=0.7
        )
        ax.contour(merit, postcode, chance, levels=[0.5], colors="black")
        ax.set(title=f"strength {strength:g}", xlabel="merit")
    panels[0].set_ylabel("postcode (B above)")


def draw_path():
    """Draw accuracy and average odds along the path."""
    X, y = make_decisions()
    clf, figures = fit(), []
    for strength in STRENGTHS:
        predicted = clf.with_strength(strength).predict(X)
        gap = average_absolute_odds_difference(y, predicted, sensitive_features=X["group"])
        figures.append(((predicted == y).mean(), gap))
    accuracy, gap = np.transpose(figures)
    _, panels = plt.subplots(1, 2, figsize=(7, 3), layout="constrained")
    titles = "average odds (0 is equal)", "accuracy on the records"
    for ax, title, values in zip(panels, titles, (gap, accuracy)):
        ax.plot(STRENGTHS, values, c="#009E73")
        ax.set(title=title, xlabel="strength")
    panels[0].set_ylim(bottom=0)
    panels[1].set_ylim(0.5, 1)
