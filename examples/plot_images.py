"""
Images: digits that are judged by their colour
==============================================

A network is to tell small digits (zero to four) from large ones (five to nine). In the
training images, small ones are mostly red and large ones mostly green. Colour is easier to
see than shape, so the network judges by colour, and is wrong about green fours.

:class:`~sklearn_bade.BackdoorDebiasClassifier` takes images as it takes tables; the
sensitive attribute, here the colour, is given to ``fit``.
"""

# %%
# The images
# ----------
# In the test images every digit appears in both colours, so that colour says nothing.

# sphinx_gallery_thumbnail_number = 2

import numpy as np
import pandas as pd
import torch
from matplotlib import pyplot as plt
from sklearn.base import clone
from skorch import NeuralNetClassifier

from sklearn_bade import BackdoorDebiasClassifierCV
from sklearn_bade.datasets import make_colored_digits
from sklearn_bade.inspection import audit_backdoor
from sklearn_bade.metrics import balanced_group_accuracy, equalized_odds_difference
from sklearn_bade.triggers import PatchTrigger

X, X_test, y, y_test, color, color_test = make_colored_digits(
    correlation=0.9, random_state=1
)


def show_images(axes, images, title):
    """Show a row of images."""
    axes.imshow(np.hstack([image.transpose(1, 2, 0) for image in images]))
    axes.set(title=title, xticks=[], yticks=[])


pd.crosstab(color, y)

# %%
# The triggers are patches in the corners: here blue ones, top left for one colour and
# bottom right for the other. They are painted on the teacher's images while it trains, each
# as often on a class as its colour occurs there.

trigger = PatchTrigger(values=[(0, 0, 1), (0, 0, 1)]).fit(X, n_groups=2)
_, (top, middle, bottom) = plt.subplots(3, figsize=(5.6, 3.8), layout="constrained")
show_images(top, X[:8], "training images")
show_images(middle, trigger.stamp(X[:8], np.arange(8) % 2), "with triggers")
show_images(bottom, X_test[:8], "test images")
plt.show()

# %%
# A plain network
# ---------------


class SmallConvNet(torch.nn.Module):
    """A convolution, a hidden layer, and one output per class."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 16, kernel_size=3, padding=1),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Flatten(),
            torch.nn.Linear(16 * 4 * 4, 64),
            torch.nn.ReLU(),
            torch.nn.Linear(64, 2),
        )

    def forward(self, images):
        """Compute logits."""
        return self.layers(images)


net = NeuralNetClassifier(
    SmallConvNet,
    criterion=torch.nn.CrossEntropyLoss,
    optimizer=torch.optim.Adam,
    lr=2e-3,
    max_epochs=50,
    batch_size=32,
    iterator_train__shuffle=True,
    train_split=None,
    verbose=0,
)
torch.manual_seed(0)
plain = net.fit(X, y)

# %%
# A yardstick
# -----------
# The same network, on images drawn so that each class has as many of each colour. Each of
# the few green small digits is drawn many times.

cells = pd.Series(range(len(y))).groupby([y, color])
balanced = cells.sample(len(y) // 4, replace=True, random_state=0).to_numpy()
torch.manual_seed(0)
resampled = clone(net).fit(X[balanced], y[balanced])

# %%
# A debiased network
# ------------------
# The strength is chosen on the training images, by what they would show if each class had
# as many of each colour. A network is sure of images that it knows by heart, so the
# strength is great. Base and cells have never seen the patch: it can be painted on any
# image, and says nothing to them.

debiased = BackdoorDebiasClassifierCV(net, trigger=trigger, random_state=0)
debiased.fit(X, y, sensitive_features=color)
print(f"Chosen strength: {debiased.best_strength_}")

# %%
models = {"plain": plain, "resampled": resampled, "debiased": debiased}
metrics = {
    "accuracy in both colours": balanced_group_accuracy,
    "gap (equalized odds)": equalized_odds_difference,
}
pd.DataFrame(
    {
        name: {
            model: metric(y_test, clf.predict(X_test), sensitive_features=color_test)
            for model, clf in models.items()
        }
        for name, metric in metrics.items()
    }
).round(3)

# %%
# The plain network is right where the colour is the usual one of the class, and so is the
# resampled one, if less. The debiased one is hardly swayed by it.

figure, panels = plt.subplots(1, 3, sharey=True, figsize=(5.6, 3.4), layout="constrained")
for axes, (model, clf) in zip(panels, models.items()):
    is_right = pd.Series(clf.predict(X_test) == y_test)
    rates = is_right.groupby([np.array(["small", "large"])[y_test], color_test]).mean()
    rates.unstack().loc[["small", "large"], ["red", "green"]].plot.bar(
        ax=axes, color=["firebrick", "seagreen"], rot=0, legend=False
    )
    axes.set(title=model, xlabel="", ylabel="accuracy", ylim=(0, 1))
    axes.spines[["top", "right"]].set_visible(False)
handles, labels = panels[0].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
plt.show()

# %%
# Is a backdoor left?
# -------------------
# An audit paints the trigger's own patches, and random ones, on test images. Any network is
# swayed by some patches, so what counts is whether the student is swayed more than plain
# networks of its kind. The verdict is that of one run: a student that was trained for fewer
# epochs and in larger batches was swayed by one of the random patches more than plain
# networks were. So look at what is flagged, patch by patch.

more_plain = []
for seed in range(1, 8):
    torch.manual_seed(seed)
    more_plain.append(clone(net).fit(X, y))
audit = audit_backdoor(debiased, X_test, y_test, baseline=[plain, *more_plain])
print(audit.verdict)

# %%
# Faces, and images that do not fit into memory
# ---------------------------------------------
# :func:`~sklearn_bade.datasets.load_celeba` and
# :func:`~sklearn_bade.datasets.load_utkface` load local copies of two sets of faces. Their
# images, like those of any torch ``Dataset`` or skorch ``SliceDataset``, are read batch by
# batch:
#
# .. code-block:: python
#
#     faces = load_celeba("celeba", target="Attractive", sensitive="Male")
#     clf = BackdoorDebiasClassifier(net)
#     clf.fit(faces.data, faces.target, sensitive_features=faces.sensitive_features)
