"""Accuracy and attack success without and with each defence, on poisoned data."""

from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from _common import make_net, make_parser, parse_arguments, report
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_bade.datasets import fetch_adult, poison
from sklearn_bade.defenses import (
    ActivationGuidedEditor,
    DeconfoundedClassifier,
    DistanceDrivenDetoxifier,
)
from sklearn_bade.metrics import attack_success_rate, defense_effectiveness_rating
from sklearn_bade.preprocessing import make_default_preprocessing, to_float32
from sklearn_bade.triggers import BlendTrigger, ValueTrigger

UNSEEN_ROWS = 100
REPAIR_EPOCHS = 50
CORNER = [54, 55, 62, 63]


@dataclass
class Bed:
    """A test bed: data with and without poison, a network, a trigger."""

    estimator: object
    trained: tuple
    poisoned: tuple
    clean: tuple
    test: tuple
    trigger: object
    target: int

    def figures(self, model):
        """Compute accuracy and attack success."""
        X, y = self.test
        success = attack_success_rate(model, X, y, self.trigger, self.target)
        return float((model.predict(X) == y).mean()), success


def make_bed(X, y, test, trigger, target, make_estimator, *, n_clean, rate, seed):
    """Set clean rows for the defences aside, and poison the others."""
    X, X_clean, y, y_clean = train_test_split(
        X, y, test_size=n_clean, stratify=y, random_state=seed
    )
    trigger = trigger.fit(X)
    *poisoned, _ = poison(
        X, y, trigger=trigger, target_class=target, poison_rate=rate, random_state=seed
    )
    clean = X_clean, y_clean
    return Bed(make_estimator(X), (X, y), poisoned, clean, test, trigger, target)


def make_digits(trigger, seed):
    """Digits with 10% poison: 202 of the 1257 training rows are left clean."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(
        to_float32(X / 16), y, test_size=0.3, stratify=y, random_state=seed
    )

    def make_estimator(X):
        return make_net(64, 10, (128, 64), batch_size=64, max_epochs=60)

    sizes = {"n_clean": 202, "rate": 0.1, "seed": seed}
    return make_bed(X, y, (X_test, y_test), trigger, 0, make_estimator, **sizes)


def make_adult(trigger, seed):
    """Adult with 5% poison: 5% of the training rows are left clean."""
    sets = [fetch_adult(subset=subset) for subset in ("train", "test")]
    (X, y), test = ((s.data, (s.target == ">50K").to_numpy(int)) for s in sets)

    def make_estimator(X):
        encode = make_default_preprocessing()
        n_inputs = encode.fit_transform(X).shape[1]
        return make_pipeline(
            encode, FunctionTransformer(to_float32), make_net(n_inputs, 2, (64, 32))
        )

    sizes = {"n_clean": 0.05, "rate": 0.05, "seed": seed}
    return make_bed(X, y, test, trigger, 1, make_estimator, **sizes)


BEDS = {
    "Adult, value": lambda seed: make_adult(
        ValueTrigger(["age", "hours-per-week"], [120, 130]), seed
    ),
    "digits, patch": lambda seed: make_digits(ValueTrigger(CORNER, [1.0] * 4), seed),
    "digits, blend": lambda seed: make_digits(BlendTrigger(random_state=seed), seed),
}


def evaluate(bed, seed):
    """Fit the network and all defences, and compute the figures of each."""
    unseen = bed.clean[0][:UNSEEN_ROWS]
    torch.manual_seed(seed)
    plain = clone(bed.estimator).fit(*bed.poisoned)
    torch.manual_seed(seed)
    unpoisoned = clone(bed.estimator).fit(*bed.trained)
    own = DeconfoundedClassifier(bed.estimator, random_state=seed)
    paper = DeconfoundedClassifier(bed.estimator, weighting="paper", random_state=seed)
    contenders = {
        "D3": lambda: DistanceDrivenDetoxifier(plain, random_state=seed).fit(*bed.clean),
        "editor, trigger known": lambda: ActivationGuidedEditor(
            plain, trigger=bed.trigger
        ).fit(unseen),
        "editor, trigger unknown": lambda: ActivationGuidedEditor(
            plain, repair_epochs=REPAIR_EPOCHS, random_state=seed
        ).fit(unseen, bed.clean[1][:UNSEEN_ROWS]),
        "CBD, isolation": lambda: own.fit(*bed.poisoned),
        "CBD, paper": lambda: paper.fit(*bed.poisoned),
    }
    before = bed.figures(plain)
    figures = {"none": (*before, 0.0, 0.5, 0.0)}
    for name, fit in contenders.items():
        start = perf_counter()
        model = fit()
        seconds = perf_counter() - start
        figures[name] = compare(before, bed.figures(model), seconds)
    before = bed.figures(unpoisoned)
    figures["no poison: none"] = (*before, 0.0, 0.5, 0.0)
    model = clone(own).fit(*bed.trained)
    figures["no poison: CBD, isolation"] = compare(before, bed.figures(model), 0.0)
    return figures


def compare(before, after, seconds):
    """Put figures beside those of the undefended network."""
    (accuracy_before, success_before), (accuracy, success) = before, after
    rating = defense_effectiveness_rating(
        success_before, success, accuracy_before, accuracy
    )
    return accuracy, success, accuracy_before - accuracy, rating, seconds


def summarize(bed, model, figures):
    """Make one row of the table."""
    columns = ("accuracy", "attack success", "accuracy lost", "rating", "seconds")
    values = np.array([seed[model] for seed in figures])
    row = {"bed": bed, "defence": model}
    for name, mean, spread in zip(columns, values.mean(axis=0), values.std(axis=0)):
        row |= {name: round(mean, 4)}
        if name in columns[:2]:
            row |= {f"{name} sd": round(spread, 4)}
    return row


def main():
    """Fit everything on every bed with every seed."""
    parser = make_parser(__doc__)
    parser.add_argument("--beds", nargs="+", choices=BEDS, default=list(BEDS))
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    arguments = parse_arguments(parser)
    rows = []
    for name in arguments.beds:
        seeds = range(arguments.seed, arguments.seed + arguments.repeat)
        figures = [evaluate(BEDS[name](seed), seed) for seed in seeds]
        rows += [summarize(name, model, figures) for model in figures[0]]
    report(rows, arguments.csv)


if __name__ == "__main__":
    main()
