"""The network used when the user brings none."""

from itertools import pairwise

import numpy as np
import torch
from skorch import NeuralNetClassifier

GRADIENT_STEPS = 2000


class MLP(torch.nn.Module):
    """Multi-layer perceptron with ReLU units; it returns logits.

    Parameters
    ----------
    n_features : int
        Number of input columns.

    n_classes : int
        Number of outputs.

    hidden : tuple of int, default=(64, 32)
        Widths of the hidden layers.

    Examples
    --------
    >>> import torch
    >>> from sklearn_bade.nets import MLP
    >>> MLP(n_features=5, n_classes=3)(torch.zeros(2, 5)).shape
    torch.Size([2, 3])
    """

    def __init__(self, n_features, n_classes, hidden=(64, 32)):
        super().__init__()
        widths = [n_features, *hidden]
        layers = []
        for n_in, n_out in pairwise(widths):
            layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
        self.layers = torch.nn.Sequential(*layers, torch.nn.Linear(widths[-1], n_classes))

    def forward(self, X):
        """Compute logits.

        Parameters
        ----------
        X : torch.Tensor of shape (n_samples, n_features)
            Features.

        Returns
        -------
        logits : torch.Tensor of shape (n_samples, n_classes)
            Unnormalised log-probabilities.
        """
        return self.layers(X)


def make_mlp_net(n_features, n_classes, **settings):
    """Make a skorch net of an :class:`MLP` that is trained on all rows by Adam.

    Parameters
    ----------
    n_features, n_classes : int
        Numbers of inputs and outputs.

    **settings
        Further settings of the net.

    Returns
    -------
    net : skorch.NeuralNetClassifier
        The unfitted network.
    """
    return NeuralNetClassifier(
        MLP,
        module__n_features=n_features,
        module__n_classes=n_classes,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        **settings,
    )


def make_default_net(n_samples, n_features, n_classes):
    """Size a network and its training by the data.

    Small data gets small batches and many epochs, large data large batches and few,
    so that training takes about `GRADIENT_STEPS` steps but at least ten epochs.

    Parameters
    ----------
    n_samples, n_features, n_classes : int
        Size of the training data.

    Returns
    -------
    net : skorch.NeuralNetClassifier
        The unfitted network.
    """
    batch_size = int(np.clip(2 ** round(np.log2(n_samples / 50)), 16, 256))
    batches_per_epoch = int(np.ceil(n_samples / batch_size))
    return make_mlp_net(
        n_features,
        n_classes,
        module__hidden=(64, 32) if n_samples < 10_000 else (128, 64),
        lr=2e-3,
        batch_size=batch_size,
        max_epochs=int(np.clip(GRADIENT_STEPS // batches_per_epoch, 10, 100)),
    )
