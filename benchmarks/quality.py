"""Accuracy and average odds on real data, strength chosen on the training data."""

import numpy as np
import torch
from _common import load, make_net, make_parser, parse_arguments, report
from sklearn.ensemble import HistGradientBoostingClassifier

from sklearn_bade import BackdoorDebiasClassifierCV
from sklearn_bade.learners._weighted import with_seed
from sklearn_bade.metrics import average_absolute_odds_difference, balanced_group_accuracy

TASKS = ("Adult / race", "Adult / sex", "MEPS / race")
DISPARITY_WEIGHT = 1.0
BASE_RATE_FACTORS = (0.9, 0.8, 0.7)


def evaluate(model, test):
    """Compute the figures of one fitted model."""
    X, y, sensitive = test
    predicted = model.predict(X)
    return (
        (predicted == y).mean(),
        average_absolute_odds_difference(y, predicted, sensitive_features=sensitive),
        balanced_group_accuracy(y, predicted, sensitive_features=sensitive),
    )


def make_boosting(n_features):
    """Make scikit-learn's gradient boosting as it is."""
    return HistGradientBoostingClassifier()


ESTIMATORS = {"net": make_net, "boosting": make_boosting}


def fit_plain(make, train, seed):
    """Fit the classifier as it is."""
    X, y, _ = train
    torch.manual_seed(seed)
    return with_seed(make(X.shape[1]), seed).fit(X, y)


def fit_debiased(make, train, seed):
    """Choose strength and base rate on the training data, the same way for every task."""
    X, y, sensitive = train
    shares = [factor * y.mean() for factor in BASE_RATE_FACTORS]
    clf = BackdoorDebiasClassifierCV(
        make(X.shape[1]),
        base_rates=["keep", "drift", *([1 - share, share] for share in shares)],
        disparity_weight=DISPARITY_WEIGHT,
        random_state=seed,
    ).fit(X, y, sensitive_features=sensitive)
    print(f"  seed {seed}: {clf.best_params_}", flush=True)
    return clf


def main():
    """Fit both models on every task with every seed."""
    parser = make_parser(__doc__)
    parser.add_argument("--estimator", choices=ESTIMATORS, default="net")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    arguments = parse_arguments(parser)
    make, first = ESTIMATORS[arguments.estimator], arguments.seed
    rows = []
    for task in arguments.tasks:
        train, test = load(task)
        for name, fit in {"plain": fit_plain, "debiased": fit_debiased}.items():
            seeds = range(first, first + arguments.repeat)
            figures = [evaluate(fit(make, train, seed), test) for seed in seeds]
            mean, spread = np.mean(figures, axis=0), np.std(figures, axis=0)
            row = {"task": task, "model": name}
            for label, m, s in zip(("accuracy", "average odds", "bACC"), mean, spread):
                row |= {label: round(m, 4), f"{label} sd": round(s, 4)}
            rows.append(row)
    report(rows, arguments.csv)


if __name__ == "__main__":
    main()
