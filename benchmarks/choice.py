"""What the default rule chooses, on splits of the training rows alone.

Three fifths of the training rows search, the others judge: accuracy and average odds of
strength 0 and of what was chosen, out of fold and on the rows that took no part. ``--rates
given`` leaves out the base rates that the rule tries by itself.
"""

import numpy as np
from _common import load, make_net, make_parser, parse_arguments, report
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import train_test_split

from sklearn_bade import BackdoorDebiasClassifierCV
from sklearn_bade.metrics import average_absolute_odds_difference

TASKS = ("Adult / race", "Adult / sex", "MEPS / race")
SHARE_THAT_JUDGES = 0.4
ESTIMATORS = {
    "boosting": lambda n_features: HistGradientBoostingClassifier(),
    "logistic": lambda n_features: LogisticRegression(max_iter=1000),
    "net": make_net,
}
RATES = {"auto": "auto", "given": ["keep", "drift"]}
FIGURES = ("accuracy", "odds", "recall of class 1")


def judge(model, X, y, groups):
    """Compute the figures of one model on rows that took no part."""
    predicted = model.predict(X)
    return (
        (predicted == y).mean(),
        average_absolute_odds_difference(y, predicted, sensitive_features=groups),
        recall_score(y, predicted),
    )


def search_and_judge(estimator, rows, seed, base_rates):
    """Search on some of the training rows, and judge by the others."""
    X, y, groups = rows
    own, others = train_test_split(
        np.arange(len(y)), test_size=SHARE_THAT_JUDGES, stratify=y, random_state=seed
    )
    search = BackdoorDebiasClassifierCV(
        estimator, base_rates=base_rates, random_state=seed
    ).fit(X[own], y[own], sensitive_features=groups[own])
    control = search.with_strength(0.0, base_rate="keep")
    table = search.comparison_
    return {
        name: (
            table["accuracy"][i],
            table["disparity"][i],
            *judge(model, X[others], y[others], groups[others]),
        )
        for i, (name, model) in enumerate((("strength 0", control), ("chosen", search)), 1)
    }


def main():
    """Search every task with every seed, and average."""
    parser = make_parser(__doc__)
    parser.add_argument("--estimator", choices=ESTIMATORS, default="boosting")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--rates", choices=RATES, default="auto")
    arguments = parse_arguments(parser)
    make, table = ESTIMATORS[arguments.estimator], []
    labels = ("out-of-fold accuracy", "out-of-fold odds", *FIGURES)
    for task in arguments.tasks:
        rows, _ = load(task)
        found = [
            search_and_judge(make(rows[0].shape[1]), rows, seed, RATES[arguments.rates])
            for seed in range(arguments.repeat)
        ]
        for name in found[0]:
            values = np.array([each[name] for each in found])
            row = {"task": task, "model": name}
            for label, m, sd in zip(labels, values.mean(axis=0), values.std(axis=0)):
                row |= {label: round(m, 4), f"{label} sd": round(sd, 4)}
            table.append(row)
    report(table, arguments.csv)


if __name__ == "__main__":
    main()
