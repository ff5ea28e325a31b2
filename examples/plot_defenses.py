"""
Clean a network that came with a backdoor
=========================================

A vendor delivers a network that reads digits. It is as accurate as it should be, but
whoever paints four pixels in a corner makes it read a zero: some of the rows that it was
trained on had been poisoned. Three defences, for three situations:

- the network is all there is, beside some clean rows:
  :class:`~sklearn_bade.defenses.DistanceDrivenDetoxifier`;
- the trigger is known: :class:`~sklearn_bade.defenses.ActivationGuidedEditor`;
- the poisoned training data are there, and nobody knows which rows are clean:
  :class:`~sklearn_bade.defenses.DeconfoundedClassifier`.
"""

# %%
# The poisoned network
# --------------------
# One row in ten gets the corner patch and the label zero. Two hundred rows are kept clean
# for the defences, and a third of all for testing.

# sphinx_gallery_thumbnail_number = 2

import numpy as np
import pandas as pd
import torch
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from skorch import NeuralNetClassifier

from sklearn_bade.datasets import poison
from sklearn_bade.defenses import (
    ActivationGuidedEditor,
    DeconfoundedClassifier,
    DistanceDrivenDetoxifier,
)
from sklearn_bade.inspection import audit_backdoor
from sklearn_bade.metrics import attack_success_rate, defense_effectiveness_rating
from sklearn_bade.nets import MLP
from sklearn_bade.triggers import ValueTrigger

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
X, X_clean, y, y_clean = train_test_split(X, y, test_size=200, stratify=y, random_state=0)

corner = ValueTrigger([54, 55, 62, 63], [1.0, 1.0, 1.0, 1.0]).fit(X)
X_poisoned, y_poisoned, is_poisoned = poison(
    X, y, trigger=corner, target_class=0, poison_rate=0.1, random_state=0
)

net = NeuralNetClassifier(
    MLP,
    module__n_features=64,
    module__n_classes=10,
    module__hidden=(128, 64),
    criterion=torch.nn.CrossEntropyLoss,
    optimizer=torch.optim.Adam,
    lr=1e-3,
    max_epochs=60,
    batch_size=64,
    iterator_train__shuffle=True,
    train_split=None,
    verbose=0,
)
torch.manual_seed(0)
vendor = net.fit(X_poisoned, y_poisoned)

# %%
# The defences
# ------------
# The first two repair a copy of the vendor's network, the third trains a new one.

models = {
    "vendor": vendor,
    "D3": DistanceDrivenDetoxifier(vendor, random_state=0).fit(X_clean, y_clean),
    "editor": ActivationGuidedEditor(vendor, trigger=corner).fit(X_clean[:100]),
    "CBD": DeconfoundedClassifier(net, random_state=0).fit(X_poisoned, y_poisoned),
}

# %%
# Which rows has the third one left out?

isolated = models["CBD"].sample_weight_ == 0
print(pd.crosstab(is_poisoned, isolated, rownames=["poisoned"], colnames=["left out"]))

# %%
# What remains of the attack
# --------------------------
# Attack success is the share of stamped digits, zeros apart, that are read as zero.

rows = []
for name, model in models.items():
    accuracy = (model.predict(X_test) == y_test).mean()
    success = attack_success_rate(model, X_test, y_test, corner, target_class=0)
    rows.append({"model": name, "accuracy": accuracy, "attack success": success})
table = pd.DataFrame(rows).set_index("model")
before = table.loc["vendor"]
table["rating"] = [
    defense_effectiveness_rating(
        before["attack success"], row["attack success"], before["accuracy"], row["accuracy"]
    )
    for _, row in table.iterrows()
]
table.round(3)

# %%
# The picture
# -----------
# A stamped digit, and what each network does with such digits.

seven = X_test[y_test == 7][:1]
figure, axes = plt.subplots(figsize=(2.4, 2.6), layout="constrained")
axes.imshow(corner.stamp(seven, np.zeros(1, dtype=int)).reshape(8, 8), cmap="gray_r")
axes.set(title="A seven with the trigger", xticks=[], yticks=[])
plt.show()

# %%
figure, axes = plt.subplots(figsize=(5.6, 3.6), layout="constrained")
positions = np.arange(len(table))
for offset, column, color in (
    (-0.2, "accuracy", "0.6"),
    (0.2, "attack success", "#D55E00"),
):
    bars = axes.bar(positions + offset, table[column], 0.38, color=color, label=column)
    axes.bar_label(bars, fmt="%.2f")
axes.set(ylim=(0, 1.1), yticks=[0, 0.5, 1], ylabel="share of the test digits")
axes.set_xticks(positions, table.index)
axes.spines[["top", "right"]].set_visible(False)
figure.legend(loc="outside lower center", ncols=2, frameon=False)
plt.show()

# %%
# The audit
# ---------
# An audit attacks a classifier and plain ones of its kind alike. Given the trigger, it
# finds the backdoor of the vendor's network. Random triggers would hardly hit upon it, but
# a search does: two pixels of the corner do nearly as well as all four.

audit = audit_backdoor(vendor, X_test, y_test, triggers={"corner": corner}, n_triggers=2)
print(audit.verdict)
audit.flagged.drop(columns="flagged").round(2)
