"""Accuracy and average odds on real data, by the default rule on the training data."""

import numpy as np
import torch
from _common import load, make_net, make_parser, parse_arguments, report
from sklearn.ensemble import HistGradientBoostingClassifier

from sklearn_bade import BackdoorDebiasClassifierCV
from sklearn_bade.learners._weighted import with_seed
from sklearn_bade.metrics import average_absolute_odds_difference, balanced_group_accuracy

TASKS = ("Adult / race", "Adult / sex", "MEPS / race")


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


def fit_all(make, train, seed):
    """Fit the classifier as it is, and a search by the default rule.

    Returns
    -------
    models : dict
        "plain", "strength 0" and "debiased". Strength 0 is the control: what the debiaser
        is without any debiasing.
    """
    X, y, sensitive = train
    torch.manual_seed(seed)
    plain = with_seed(make(X.shape[1]), seed).fit(X, y)
    search = BackdoorDebiasClassifierCV(make(X.shape[1]), random_state=seed)
    search.fit(X, y, sensitive_features=sensitive)
    print(f"  seed {seed}: {search.best_params_}", flush=True)
    control = search.with_strength(0.0, base_rate="keep")
    return {"plain": plain, "strength 0": control, "debiased": search}


def tabulate(task, figures):
    """Average the figures of one task over seeds."""
    labels, rows = ("accuracy", "average odds", "bACC"), []
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
