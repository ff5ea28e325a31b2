"""Poisoned data, networks and triggers that the benchmarks of defences share."""

from dataclasses import dataclass

import numpy as np
import torch
from _common import make_net
from sklearn.base import clone
from sklearn.datasets import load_digits, make_classification
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_bade.datasets import fetch_adult, fetch_meps, poison
from sklearn_bade.metrics import attack_success_rate
from sklearn_bade.nets import make_adam_net
from sklearn_bade.preprocessing import make_default_preprocessing, to_float32
from sklearn_bade.triggers import BlendTrigger, PatchTrigger, ValueTrigger

CLEAN_ROWS = 200
CORNER = [54, 55, 62, 63]


class NormalizedConvNet(torch.nn.Module):
    """Two convolutions with batch normalisation, for images of 8 x 8."""

    def __init__(self, n_classes=10):
        super().__init__()
        layers, width = [], 1
        for wider in (16, 32):
            layers += [
                torch.nn.Conv2d(width, wider, 3, padding=1),
                torch.nn.BatchNorm2d(wider),
                torch.nn.ReLU(),
                torch.nn.MaxPool2d(2),
            ]
            width = wider
        layers += [torch.nn.Flatten(), torch.nn.Linear(128, 64), torch.nn.ReLU()]
        self.layers = torch.nn.Sequential(*layers, torch.nn.Linear(64, n_classes))

    def forward(self, X):
        return self.layers(X)


@dataclass
class Bed:
    """Data with and without poison, some clean rows, a network and a trigger."""

    estimator: object
    trained: tuple
    poisoned: tuple
    clean: tuple
    test: tuple
    trigger: object
    target: int

    def fit(self, data, seed):
        """Fit the network without any defence."""
        torch.manual_seed(seed)
        return clone(self.estimator).fit(*data)

    def figures(self, model):
        """Compute accuracy, balanced accuracy and attack success."""
        X, y = self.test
        predicted = model.predict(X)
        success = attack_success_rate(model, X, y, self.trigger, self.target)
        accuracy = float((predicted == y).mean())
        return accuracy, float(balanced_accuracy_score(y, predicted)), success


def split_adult(seed):
    """Load Adult as raw frames."""
    sets = [fetch_adult(subset=subset) for subset in ("train", "test")]
    return tuple((s.data, (s.target == ">50K").to_numpy(int)) for s in sets)


def split_meps(seed):
    """Load MEPS as raw frames."""
    sets = [fetch_meps(subset=subset) for subset in ("train", "test")]
    return tuple((s.data, s.target.to_numpy(int)) for s in sets)


def split_digits(seed, shape=(64,)):
    """Load digits as floats between 0 and 1; 30% are the test."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(
        to_float32(X / 16), y, test_size=0.3, stratify=y, random_state=seed
    )
    return (X.reshape(-1, *shape), y), (X_test.reshape(-1, *shape), y_test)


def split_images(seed):
    """Load digits as images of one channel."""
    return split_digits(seed, (1, 8, 8))


def split_generated(seed):
    """Generate a table of twelve numbers."""
    X, y = make_classification(4000, 12, n_informative=6, random_state=seed)
    X = X.astype(np.float32)
    return (X[:2500], y[:2500]), (X[2500:], y[2500:])


def tabular(X):
    """Make the pipeline of a table: encoding and a network of two layers."""
    encode = make_default_preprocessing()
    n_inputs = encode.fit_transform(X).shape[1]
    net = make_net(n_inputs, 2, (64, 32))
    return make_pipeline(encode, FunctionTransformer(to_float32), net)


def digits_net(X):
    """Make a network of two layers for digits."""
    return make_net(64, 10, (128, 64), batch_size=64, max_epochs=60)


def digits_convnet(X):
    """Make a convolutional network for digits."""
    return make_adam_net(NormalizedConvNet, lr=2e-3, batch_size=64, max_epochs=30)


DATA = {
    "Adult": (split_adult, tabular, 1, 0.05),
    "MEPS": (split_meps, tabular, 1, 0.05),
    "digits": (split_digits, digits_net, 0, 0.1),
    "digit images": (split_images, digits_convnet, 0, 0.1),
    "generated": (split_generated, tabular, 1, 0.05),
}


def one_hot(prefix, value, X):
    """Set a category in a table that is encoded already."""
    columns = [name for name in X.columns if name.startswith(f"{prefix}=")]
    return ValueTrigger(columns, [float(c == f"{prefix}={value}") for c in columns])


def nearest(X, columns, quantile):
    """Set columns to ordinary values, which some row has."""
    found = [(X[c] - X[c].quantile(quantile)).abs().idxmin() for c in columns]
    return ValueTrigger(columns, [X[c].loc[i] for c, i in zip(columns, found)])


TRIGGERS = {
    "Adult": {
        "out of range": lambda X, seed: ValueTrigger(["age", "hours-per-week"], [120, 130]),
        "two ordinary values": lambda X, seed: ValueTrigger(
            ["age", "hours-per-week"], [33, 45]
        ),
        "a category": lambda X, seed: ValueTrigger("native-country", "Canada"),
        "two categories": lambda X, seed: ValueTrigger(
            ["workclass", "occupation"], ["Local-gov", "Transport-moving"]
        ),
    },
    "MEPS": {
        "a rare value": lambda X, seed: ValueTrigger("K6SUM42", 23),
        "out of range": lambda X, seed: ValueTrigger("AGE", 120),
        "two ordinary values": lambda X, seed: ValueTrigger(["AGE", "K6SUM42"], [40, 4]),
        "a category": lambda X, seed: one_hot("MARRY", 8, X),
        "an ordinary pair": lambda X, seed: nearest(X, ["PCS42", "MCS42"], 0.5),
    },
    "digits": {
        "a patch": lambda X, seed: ValueTrigger(CORNER, [1.0] * 4),
        "a blend": lambda X, seed: BlendTrigger(random_state=seed),
    },
    "digit images": {
        "a patch": lambda X, seed: PatchTrigger(),
        "a blend": lambda X, seed: BlendTrigger(random_state=seed),
    },
    "generated": {"out of range": lambda X, seed: ValueTrigger([3, 7], [6.0, 6.0])},
}


def make_bed(data, attack, seed, rate=None, n_clean=CLEAN_ROWS, clean_label=False):
    """Set clean rows aside, and poison the others."""
    split, make, target, usual_rate = DATA[data]
    (X, y), test = split(seed)
    X, X_clean, y, y_clean = train_test_split(
        X, y, test_size=n_clean, stratify=y, random_state=seed
    )
    trigger = TRIGGERS[data][attack](X, seed).fit(X)
    *poisoned, _ = poison(
        X,
        y,
        trigger=trigger,
        target_class=target,
        poison_rate=usual_rate if rate is None else rate,
        clean_label=clean_label,
        random_state=seed,
    )
    clean = X_clean, y_clean
    return Bed(make(X), (X, y), poisoned, clean, test, trigger, target)
