"""Poisoned data and networks, for the tests of defences and of the audit."""

from dataclasses import dataclass

import torch
from helpers import make_net
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_bade.datasets import fetch_adult, make_poisoned_classification, poison
from sklearn_bade.metrics import attack_success_rate
from sklearn_bade.preprocessing import make_default_preprocessing, to_float32
from sklearn_bade.triggers import BlendTrigger, ValueTrigger


@dataclass
class Bed:
    """Data with and without poison, a trigger, and how a network is made."""

    make: object
    trained: tuple
    poisoned: tuple
    is_poisoned: object
    clean: tuple
    test: tuple
    trigger: object
    target: int

    def fit(self, data=None, seed=0):
        """Fit a network without any defence."""
        torch.manual_seed(seed)
        return self.make().fit(*(data or self.poisoned))

    def figures(self, model):
        """Compute accuracy and attack success."""
        X, y = self.test
        success = attack_success_rate(model, X, y, self.trigger, self.target)
        return float((model.predict(X) == y).mean()), success


def make_bed(X, y, test, trigger, target, make, n_clean, rate, seed):
    X, X_clean, y, y_clean = train_test_split(
        X, y, test_size=n_clean, stratify=y, random_state=seed
    )
    trigger = trigger.fit(X)
    *poisoned, is_poisoned = poison(
        X, y, trigger=trigger, target_class=target, poison_rate=rate, random_state=seed
    )
    clean = X_clean, y_clean
    return Bed(make, (X, y), poisoned, is_poisoned, clean, test, trigger, target)


def make_digits(kind, seed):
    """Make the digits with 10% poison; kind is "patch" or "blend"."""
    corner = ValueTrigger([54, 55, 62, 63], [1.0] * 4)
    trigger = corner if kind == "patch" else BlendTrigger(random_state=seed)
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(
        to_float32(X / 16), y, test_size=0.3, stratify=y, random_state=seed
    )
    settings = {"module__hidden": (128, 64), "lr": 1e-3, "batch_size": 64}
    return make_bed(
        X,
        y,
        (X_test, y_test),
        trigger,
        target=0,
        make=lambda: make_net(64, 10, max_epochs=60, **settings),
        n_clean=202,
        rate=0.1,
        seed=seed,
    )


def make_adult(data_home):
    """Adult as raw frames, with 5% poison."""
    sets = [fetch_adult(subset=s, data_home=data_home) for s in ("train", "test")]
    (X, y), test = ((s.data, (s.target == ">50K").to_numpy(int)) for s in sets)
    n_inputs = make_default_preprocessing().fit_transform(X).shape[1]
    settings = {"module__hidden": (64, 32), "lr": 1e-3, "batch_size": 128}

    def make():
        # Rare categories are pooled by what is in the training part.
        preprocessing = make_default_preprocessing().fit(X)
        return make_pipeline(
            FunctionTransformer(preprocessing.transform),
            FunctionTransformer(to_float32),
            make_net(n_inputs, max_epochs=10, **settings),
        )

    trigger = ValueTrigger(["age", "hours-per-week"], [120, 130])
    return make_bed(X, y, test, trigger, 1, make, n_clean=0.05, rate=0.05, seed=0)


def make_small():
    """A small problem that a small net learns in a second, with its backdoor."""
    X, y, is_poisoned = make_poisoned_classification(
        1500, 12, 3, target_class=1, poison_rate=0.08, random_state=1
    )
    trigger = ValueTrigger([-2, -1], [5.0, 5.0]).fit(X)
    marks, clean = is_poisoned[:1000], ~is_poisoned[1000:]
    X_clean, y_clean = X[1000:][clean], y[1000:][clean]
    return Bed(
        make=lambda: make_net(12, 3, module__hidden=(32, 16), max_epochs=15),
        trained=(X[:1000][~marks], y[:1000][~marks]),
        poisoned=(X[:1000], y[:1000]),
        is_poisoned=marks,
        clean=(X_clean[:150], y_clean[:150]),
        test=(X_clean[150:], y_clean[150:]),
        trigger=trigger,
        target=1,
    )
