"""Small networks and real data that several test modules use."""

import os
from pathlib import Path

import numpy as np
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback

from sklearn_bade.datasets import fetch_adult, fetch_meps
from sklearn_bade.nets import MLP
from sklearn_bade.preprocessing import make_default_preprocessing, to_float32


class MatchShapes(Callback):
    """Fit the module's sizes to the data, as skorch's documentation advises."""

    def __repr__(self):
        return "MatchShapes()"

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        net.set_params(module__n_features=X.shape[1], module__n_classes=len(np.unique(y)))


class NetCount(Callback):
    """Count trainings.

    Nets train with a clone of a callback, so they are counted outside of it.
    """

    trainings = []

    def on_train_end(self, net, X=None, y=None, **kwargs):
        self.trainings.append(len(X))

    @classmethod
    def reset(cls):
        cls.trainings.clear()

    @classmethod
    def n_nets(cls):
        return len(cls.trainings)


def make_net(n_features=3, n_classes=2, **settings):
    """Make a net that trains in a fraction of a second."""
    defaults = {
        "module__n_features": n_features,
        "module__n_classes": n_classes,
        "module__hidden": (16,),
        "criterion": torch.nn.CrossEntropyLoss,
        "optimizer": torch.optim.Adam,
        "lr": 0.01,
        "max_epochs": 5,
        "batch_size": 32,
        "iterator_train__shuffle": True,
        "train_split": None,
        "verbose": 0,
    }
    module = settings.pop("module", MLP)
    return NeuralNetClassifier(module, **{**defaults, **settings})


def make_shape_matching_net(**settings):
    """Make a small net that adapts to any number of features and classes."""
    return make_net(callbacks=[("shapes", MatchShapes())], **settings)


def make_rows(n_samples=200, n_features=3, n_classes=2, n_groups=2, seed=0):
    """Make numeric features, labels and groups that depend on one another."""
    rng = np.random.RandomState(seed)
    groups = rng.randint(n_groups, size=n_samples)
    X = rng.normal(size=(n_samples, n_features)).astype(np.float32)
    X[:, 0] += groups
    score = X[:, 0] + X[:, 1] + rng.normal(size=n_samples)
    cuts = np.quantile(score, np.arange(1, n_classes) / n_classes)
    return X, np.searchsorted(cuts, score), groups


def make_opposite_gaps(n_samples, seed):
    """Make a problem whose gaps have opposite signs; see docs/guide/choosing.rst."""
    rng = np.random.RandomState(seed)
    thin = rng.uniform(size=n_samples) < 0.35
    y = (rng.uniform(size=n_samples) < np.where(thin, 0.6, 0.4)).astype(int)
    signal = rng.normal(size=n_samples) + 0.8 * (2 * y - 1)
    share_of_b = np.where(thin, np.where(y == 1, 0.1, 0.9), 0.5)
    groups = (rng.uniform(size=n_samples) < share_of_b).astype(int)
    X = np.column_stack([signal * ~thin, signal * thin, 2 * thin - 1])
    return X.astype(np.float32), y, groups


def data_folder():
    """Find the folder of the real data, or None."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SKLEARN_BADE_DATA", beside))
    return folder if (folder / "adult" / "adult.data").exists() else None


def load_real(name, data_home):
    """Load Adult ("race" or "sex" sensitive) or MEPS as arrays for a bare net.

    Returns
    -------
    train, test : tuples of (X, y, sensitive)
        Features preprocessed on the training part.
    """
    if name == "meps":
        sets = [fetch_meps(subset=s, data_home=data_home) for s in ("train", "test")]
        tables = [(s.data.copy(), s.target.to_numpy()) for s in sets]
        column = "RACE"
    else:
        sets = [fetch_adult(subset=s, data_home=data_home) for s in ("train", "test")]
        tables = [
            (s.data.copy(), (s.target == ">50K").to_numpy().astype(int)) for s in sets
        ]
        column = name
        for X, _ in tables:
            X["race"] = np.where(X["race"] == "White", "White", "other")
    sensitive = [X.pop(column).to_numpy() for X, _ in tables]
    preprocessing = make_default_preprocessing().fit(tables[0][0])
    return tuple(
        (to_float32(preprocessing.transform(X)), y, s)
        for (X, y), s in zip(tables, sensitive)
    )


def make_paper_net(n_features):
    """Make the network of the debiasing papers."""
    return make_net(
        n_features=n_features,
        module__hidden=(128, 256, 512),
        lr=1e-3,
        batch_size=128,
        max_epochs=10,
    )
