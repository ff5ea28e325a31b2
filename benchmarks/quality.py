"""Accuracy and average odds on real data, by the default rule on the training data.

Yardsticks are the classifier as it is, strength 0, and two lines that need no package:
training on rows drawn so that every class and group is as frequent, and with weights that
make them so.
"""

import numpy as np
import torch
from _common import (
    cell_codes,
    load,
    make_net,
    make_parser,
    parse_arguments,
    report,
    resample,
)
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from skorch import NeuralNetClassifier

from sklearn_bade import BackdoorDebiasClassifierCV, DefaultNetClassifier
from sklearn_bade.learners._weighted import with_seed
from sklearn_bade.metrics import average_absolute_odds_difference, balanced_group_accuracy

TASKS = ("Adult / race", "Adult / sex", "MEPS / race")


def evaluate(model, test):
    """Compute the figures of one fitted model."""
    X, y, sensitive = test
    predicted = model.predict(X)
    return (
        (predicted == y).mean(),
        log_loss(y, model.predict_proba(X)),
        average_absolute_odds_difference(y, predicted, sensitive_features=sensitive),
        balanced_group_accuracy(y, predicted, sensitive_features=sensitive),
    )


def make_boosting(n_features):
    """Make scikit-learn's gradient boosting as it is."""
    return HistGradientBoostingClassifier()


def make_default_net(n_features):
    """Make the network of estimator=None, by itself."""
    return DefaultNetClassifier()


ESTIMATORS = {"net": make_net, "boosting": make_boosting, "default": make_default_net}


def fit_all(make, train, seed):
    """Fit the classifier as it is, the yardsticks, and a search by the default rule.

    Returns
    -------
    models : dict
        "plain", "resampled", "reweighed" (of classifiers that take weights), "strength 0"
        and "debiased". Strength 0 is the control: what the debiaser is without any
        debiasing.
    """
    X, y, sensitive = train

    def fit(X, y, **weights):
        torch.manual_seed(seed)
        return with_seed(make(X.shape[1]), seed).fit(X, y, **weights)

    cells = cell_codes(y, sensitive)
    drawn = resample(cells, seed)
    models = {"plain": fit(X, y), "resampled": fit(X[drawn], y[drawn])}
    estimator = make(X.shape[1])
    if not isinstance(estimator, NeuralNetClassifier):
        models["reweighed"] = fit(X, y, sample_weight=1 / np.bincount(cells)[cells])
    if isinstance(estimator, DefaultNetClassifier):
        estimator = None
    search = BackdoorDebiasClassifierCV(estimator, random_state=seed)
    search.fit(X, y, sensitive_features=sensitive)
    print(f"  seed {seed}: {search.best_params_}", flush=True)
    models["strength 0"] = search.with_strength(0.0, base_rate="keep")
    return {**models, "debiased": search}


def tabulate(task, figures):
    """Average the figures of one task over seeds."""
    labels, rows = ("accuracy", "log-loss", "average odds", "bACC"), []
    for name in figures[0]:
        values = np.array([each[name] for each in figures])
        row = {"task": task, "model": name}
        for label, mean, spread in zip(labels, values.mean(axis=0), values.std(axis=0)):
            row |= {label: round(mean, 4), f"{label} sd": round(spread, 4)}
        rows.append(row)
    return rows


def main():
    """Fit all models on every task with every seed."""
    parser = make_parser(__doc__)
    parser.add_argument("--estimator", choices=ESTIMATORS, default="net")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    arguments = parse_arguments(parser)
    make, first = ESTIMATORS[arguments.estimator], arguments.seed
    rows = []
    for task in arguments.tasks:
        train, test = load(task)
        figures = []
        for seed in range(first, first + arguments.repeat):
            models = fit_all(make, train, seed)
            figures.append({name: evaluate(m, test) for name, m in models.items()})
        rows += tabulate(task, figures)
    report(rows, arguments.csv)


if __name__ == "__main__":
    main()
