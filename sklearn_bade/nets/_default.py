"""The networks used when the user brings none: for tables, and for images."""

from itertools import pairwise

import numpy as np
import torch
from skorch import NeuralNetClassifier

# Steps of a default network: more over-trained on validation rows of Adult. The size of
# steps and layers is not tuned.
GRADIENT_STEPS = 2000
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
    """Make a skorch net that is trained on all rows by Adam."""
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


def make_default_net(shape, n_classes, scale=1.0):
    """Size a network and its training by the data.

    Small data gets small batches and many epochs, large data large batches and few,
    so that training takes about `GRADIENT_STEPS` steps but at least ten epochs. `shape` is
    (n_samples, n_features) for a table, (n_samples, n_channels, height, width) for images,
    and `scale` the greatest absolute value in images of floats.
    """
    if len(shape) not in (2, 4):
        raise ValueError(
            f"X has shape {shape}; there are default networks for tables and for images "
            "(n_samples, n_channels, height, width). Give a network as estimator; or, to "
            "images without channels, a channel by X[:, None]."
        )
    n_samples = shape[0]
    batch_size = int(np.clip(2 ** round(np.log2(n_samples / 50)), 16, 256))
    batches_per_epoch = int(np.ceil(n_samples / batch_size))
    settings = {
        "lr": 2e-3,
        "batch_size": batch_size,
        "max_epochs": int(np.clip(GRADIENT_STEPS // batches_per_epoch, 10, 100)),
    }
    if len(shape) == 2:
        hidden = (64, 32) if n_samples < 10_000 else (128, 64)
        return make_mlp_net(shape[1], n_classes, module__hidden=hidden, **settings)
    n_halvings = int(np.clip(np.log2(min(shape[2:]) / POOLED_SIDE), 1, 4))
    return make_adam_net(
        ConvNet,
        module__n_channels=shape[1],
        module__n_classes=n_classes,
        module__widths=(16, 32, 64, 64)[:n_halvings],
        module__scale=scale,
        **settings,
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
        of_class = blocks[torch.arange(len(input)), target // self.n_groups]
        return super().forward(of_class, target % self.n_groups)


def make_group_net(n_samples, n_features, n_classes, n_groups, device):
    """Size by the data the network that tells the groups of each class apart."""
    # About a thousand steps, but 4 to 30 passes. Not tuned.
    batch_size = int(np.clip(n_samples // 100, 16, 256))
    return make_mlp_net(
        n_features,
        n_classes * n_groups,
        module__hidden=(64, 32),
        criterion=GroupLoss,
        criterion__n_groups=n_groups,
        lr=3e-3,
        batch_size=batch_size,
        max_epochs=int(np.clip(1000 * batch_size // n_samples, 4, 30)),
        device=device,
    )
