"""The networks used when the user brings none: for tables, and for images."""

from itertools import pairwise

import numpy as np
import torch
from skorch import NeuralNetClassifier

from ..rows import greatest_value
from ._piecewise import PiecewiseLinearNet, find_edges

# Passes over a table: with more, large and small parts of Adult, MEPS and most generated
# tables over-train. Few rows make few steps, so that a few hundred are taken at least. As
# the mean of the weights is kept, nothing is gained where steps grow smaller in the end.
EPOCHS, LEAST_STEPS = 10, 300
# Steps shrink with the root of the batch.
LEARNING_RATE, LEARNED_BATCH = 3e-3, 256
# By how many powers of e weights decay in the whole training if nothing holds them, however
# many steps it has. On validation rows, twice as much is better for few rows of many
# columns, and worse for smooth tables of few columns. AdamW's decay of .1, whatever the
# steps, is as good on Adult, and worse where rows are few and columns many.
TOTAL_DECAY = 1.0
# Steps of a default network for images. The size of steps and layers is not tuned.
IMAGE_STEPS = 2000
# Rows of which one pass is enough for the network of groups, and its steps from then on: as
# many as four passes over 250,000 rows take, beyond which there are fewer passes.
ROWS_OF_ONE_PASS, STEPS_OF_MANY_ROWS = 1_000_000, 4000
# Side of the grid that images are pooled to, so that the last layers fit any size.
POOLED_SIDE = 4


class MLP(torch.nn.Module):
    """Multi-layer perceptron with ReLU units; it returns logits.

    Parameters
    ----------
    n_features, n_classes : int
        Numbers of input columns and of outputs.

    hidden : tuple of int, default=(64, 32)
        Widths of the hidden layers.
    """

    def __init__(self, n_features, n_classes, hidden=(64, 32)):
        super().__init__()
        widths = [n_features, *hidden]
        layers = []
        for n_in, n_out in pairwise(widths):
            layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
        self.layers = torch.nn.Sequential(*layers, torch.nn.Linear(widths[-1], n_classes))

    def forward(self, X):
        """Compute logits."""
        return self.layers(X)


class ConvNet(torch.nn.Module):
    """Small convolutional network for images of any size; it returns logits.

    `widths` are the channels of the convolutions, each of which halves height and width;
    floats are divided by `scale`, bytes by 255.
    """

    def __init__(self, n_channels, n_classes, widths=(16, 32), scale=1.0):
        super().__init__()
        self.scale = scale
        layers = []
        for n_in, n_out in pairwise([n_channels, *widths]):
            convolution = torch.nn.Conv2d(n_in, n_out, kernel_size=3, padding=1)
            halving = torch.nn.MaxPool2d(2, ceil_mode=True)
            layers += [convolution, torch.nn.ReLU(), halving]
        self.convolutions = torch.nn.Sequential(
            *layers, torch.nn.AdaptiveAvgPool2d(POOLED_SIDE), torch.nn.Flatten()
        )
        self.classify = MLP(widths[-1] * POOLED_SIDE**2, n_classes, hidden=(64,))

    def forward(self, X):
        """Compute logits."""
        X = X.float() / 255 if X.dtype == torch.uint8 else X / self.scale
        return self.classify(self.convolutions(X))


def make_adam_net(module, **settings):
    """Make a skorch net that is trained on all rows, by Adam unless told otherwise."""
    defaults = {
        "criterion": torch.nn.CrossEntropyLoss,
        "optimizer": torch.optim.Adam,
        "iterator_train__shuffle": True,
        "train_split": None,
        "verbose": 0,
    }
    return NeuralNetClassifier(module, **(defaults | settings))


def make_mlp_net(n_features, n_classes, **settings):
    """Make a skorch net of an :class:`MLP`, see :func:`make_adam_net`."""
    return make_adam_net(
        MLP, module__n_features=n_features, module__n_classes=n_classes, **settings
    )


def make_default_net(X, n_classes):
    """Size a network and its training by the data.

    Small data get small batches. `X` holds the training rows: a table, of shape
    (n_samples, n_features), or images, of shape (n_samples, n_channels, height, width).
    """
    if len(X.shape) not in (2, 4):
        raise ValueError(
            f"X has shape {X.shape}; there are default networks for tables and for images "
            "(n_samples, n_channels, height, width). Give a network as estimator; or, to "
            "images without channels, a channel by X[:, None]."
        )
    make = _make_table_net if len(X.shape) == 2 else _make_image_net
    n_samples = X.shape[0]
    batch_size = int(np.clip(2 ** round(np.log2(n_samples / 50)), 16, 256))
    return make(X, n_classes, batch_size, int(np.ceil(n_samples / batch_size)))


def _make_table_net(X, n_classes, batch_size, batches_per_epoch):
    """Make the network of a table, at any size one of two hidden layers."""
    measured, edges = find_edges(X)
    lr = float(LEARNING_RATE * np.sqrt(batch_size / LEARNED_BATCH))
    max_epochs = max(EPOCHS, int(np.ceil(LEAST_STEPS / batches_per_epoch)))
    return make_adam_net(
        PiecewiseLinearNet,
        module__n_features=X.shape[1],
        module__n_classes=n_classes,
        module__measured=measured,
        module__edges=edges,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=TOTAL_DECAY / (lr * max_epochs * batches_per_epoch),
        lr=lr,
        batch_size=batch_size,
        max_epochs=max_epochs,
    )


def _make_image_net(X, n_classes, batch_size, batches_per_epoch):
    """Make the network of images, which halves them to about the side of its last grid."""
    n_halvings = int(np.clip(np.log2(min(X.shape[2:]) / POOLED_SIDE), 1, 4))
    return make_adam_net(
        ConvNet,
        module__n_channels=X.shape[1],
        module__n_classes=n_classes,
        module__widths=(16, 32, 64, 64)[:n_halvings],
        module__scale=greatest_value(X),
        lr=2e-3,
        batch_size=batch_size,
        max_epochs=int(np.clip(IMAGE_STEPS // batches_per_epoch, 10, 100)),
    )


class GroupLoss(torch.nn.CrossEntropyLoss):
    """Cross-entropy of the group, among the outputs of the row's own class.

    Targets number the cells: ``class * n_groups + group``.
    """

    def __init__(self, n_groups=2, **settings):
        super().__init__(**settings)
        self.n_groups = n_groups

    def forward(self, input, target):
        """Compare the block of outputs of each row's class with its group."""
        blocks = input.reshape(len(input), -1, self.n_groups)
        rows = torch.arange(len(input), device=input.device)
        of_class = blocks[rows, target // self.n_groups]
        return super().forward(of_class, target % self.n_groups)


def make_group_net(n_samples, n_features, n_classes, n_groups, device):
    """Size by the data the network that tells the groups of each class apart."""
    # About a thousand steps, but 4 to 30 passes. Not tuned.
    batch_size = int(np.clip(n_samples // 100, 16, 256))
    least_passes = int(np.clip(np.ceil(ROWS_OF_ONE_PASS / n_samples), 1, 4))
    # Beyond a million rows batches grow, up to a size that is fast, instead of steps.
    batch_size = int(np.clip(n_samples // STEPS_OF_MANY_ROWS, batch_size, 4096))
    return make_mlp_net(
        n_features,
        n_classes * n_groups,
        module__hidden=(64, 32),
        criterion=GroupLoss,
        criterion__n_groups=n_groups,
        lr=3e-3,
        batch_size=batch_size,
        max_epochs=int(np.clip(1000 * batch_size // n_samples, least_passes, 30)),
        device=device,
    )
