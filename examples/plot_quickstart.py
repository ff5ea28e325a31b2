"""
Make a network fairer by changing one line
==========================================

An office has decided about applicants, and half of the deserving applicants of group B
were turned down. A network trained on these decisions learns the bias: it never sees
the group, but other columns give it away. :class:`~sklearn_bade.BackdoorDebiasClassifier`
takes the same network and removes what the decisions owe to the group.

The data are generated, so the fair decisions are known too. No model sees them; they
tell at the end which model is right.
"""

# %%
# The data
# --------
# Half for training, half for testing. `y` are the recorded, biased decisions, `y_fair`
# the decisions that applicants deserved.

import numpy as np
import pandas as pd
import torch
from matplotlib import pyplot as plt
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skorch import NeuralNetClassifier

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.metrics import (
    average_absolute_odds_difference,
    balanced_group_accuracy,
    demographic_parity_difference,
    group_rates,
)

X, y, y_fair = make_biased_classification(n_samples=12_000, random_state=0)
X_train, X_test, y_train, y_test, _, y_fair_test = train_test_split(
    X, y, y_fair, test_size=0.5, random_state=0
)
group_test = X_test["group"]

# %%
# A network as you may have it
# ----------------------------


class Network(torch.nn.Module):
    """Two hidden layers."""

    def __init__(self, n_features=10):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(n_features, 64),
            torch.nn.ReLU(),
            torch.nn.Linear(64, 32),
            torch.nn.ReLU(),
            torch.nn.Linear(32, 2),
        )

    def forward(self, X):
        """Compute logits."""
        return self.layers(X)


net = make_pipeline(
    StandardScaler(),
    FunctionTransformer(np.float32),
    NeuralNetClassifier(
        Network,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        max_epochs=20,
        batch_size=128,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    ),
)

# %%
# Plain and debiased
# ------------------
# The plain network must be kept from the group by hand. The debiased one takes the
# frame as it is; at prediction, the column may be there or not.

torch.manual_seed(0)
plain = clone(net).fit(X_train.drop(columns="group"), y_train)

debiased = BackdoorDebiasClassifier(
    net, sensitive_columns="group", trigger_strength=1.5, random_state=0, verbose=1
).fit(X_train, y_train)

# Strength 0 is the control: the debiased classifier's own base, with nothing reversed.
control = debiased.with_strength(0.0)

X_new = X_test.drop(columns="group")
predictions = {
    "plain": plain.predict(X_new),
    "strength 0": control.predict(X_new),
    "debiased": debiased.predict(X_new),
}

# %%
# The result
# ----------
# "average odds" is the mean of the gaps in true and false positive rate between the
# groups. The last row compares with the decisions that applicants deserved.


def summarize(y_pred):
    """Compute one column of the table."""
    rates = group_rates(y_test, y_pred, sensitive_features=group_test)
    by_group = {
        f"{rate.replace('_', ' ')}, group {group}": rates.loc[group, rate]
        for rate in ["selection_rate", "true_positive_rate", "false_positive_rate"]
        for group in rates.index
    }
    return {
        "accuracy": (y_pred == y_test).mean(),
        "bACC": balanced_group_accuracy(y_test, y_pred, sensitive_features=group_test),
        "average odds": average_absolute_odds_difference(
            y_test, y_pred, sensitive_features=group_test
        ),
        "demographic parity difference": demographic_parity_difference(
            y_test, y_pred, sensitive_features=group_test
        ),
        **by_group,
        "accuracy on fair decisions": (y_pred == y_fair_test).mean(),
    }


table = pd.DataFrame({name: summarize(y_pred) for name, y_pred in predictions.items()})
print(table.round(3).to_string())

# %%
# The picture
# -----------
# Above: the share of each group that gets a positive decision, against the share that
# deserves it. Below: what fairness costs on the recorded decisions, and what it gains on
# the fair ones.

figure, (top, bottom) = plt.subplots(2, 1, figsize=(6, 6.4), layout="constrained")
colors = {"plain": "0.55", "strength 0": "0.8", "debiased": "#009E73"}
# Figures stand above the dots, or below, where two dots lie close together.
heights = {"plain": 0.14, "strength 0": -0.28, "debiased": 0.14}
width = 0.28
for offset, name in zip((-width, 0, width), colors):
    shares = pd.Series(predictions[name]).groupby(group_test.to_numpy()).mean()
    bars = top.bar(np.arange(2) + offset, shares, width, color=colors[name], label=name)
    top.bar_label(bars, fmt="%.2f")
    accuracies = table.loc[["accuracy on fair decisions", "accuracy"], name]
    bottom.scatter(accuracies, [0, 1], s=120, color=colors[name], zorder=2)
    for position, accuracy in enumerate(accuracies):
        place = (accuracy, position + heights[name])
        bottom.annotate(f"{accuracy:.3f}", place, ha="center")
deserved = y_fair_test.groupby(group_test).mean()
for position, share in enumerate(deserved):
    label = "deserved" if position == 0 else None
    top.hlines(share, position - 0.45, position + 0.45, "black", "dashed", label=label)
top.set(title="Who gets a positive decision", ylabel="share of the group")
top.set_xticks([0, 1], ["group A", "group B"])
bottom.set(title="How often the decision is right", xlabel="accuracy", ylim=(-0.5, 1.5))
bottom.set_yticks([0, 1], ["on fair\ndecisions", "on recorded\ndecisions"])
bottom.margins(x=0.15)
bottom.grid(axis="y", linestyle=":", zorder=0)
for axes in (top, bottom):
    axes.spines[["top", "right"]].set_visible(False)
figure.legend(loc="outside lower center", ncols=4, frameon=False)
figure.savefig("quickstart.png", dpi=120)
