"""Ten groups of Adult (race by sex): widest gaps, strength chosen on the training data.

Gaps are those between groups with at least 100 test rows in each class.
"""

import numpy as np
import torch
from _common import make_net, make_parser, parse_arguments, report
from sklearn.base import clone

from sklearn_bade import BackdoorDebiasClassifierCV
from sklearn_bade.datasets import fetch_adult
from sklearn_bade.metrics import (
    average_absolute_odds_difference,
    demographic_parity_difference,
)
from sklearn_bade.preprocessing import make_default_preprocessing, to_float32

LEAST_ROWS = 100


def load():
    """Load the features without both columns, the labels, and the two columns."""
    sets = [fetch_adult(subset=subset) for subset in ("train", "test")]
    sensitive = [s.data[["race", "sex"]] for s in sets]
    features = [s.data.drop(columns=["race", "sex"]) for s in sets]
    preprocessing = make_default_preprocessing().fit(features[0])
    return [
        (to_float32(preprocessing.transform(X)), (s.target == ">50K").to_numpy(int), groups)
        for X, s, groups in zip(features, sets, sensitive)
    ]


def between_large_groups(metric, least_rows):
    """Restrict a metric to groups with enough rows in each class."""

    def restricted(y_true, y_pred, *, sensitive_features):
        groups = np.asarray([str(group) for group in sensitive_features])
        large = [
            group
            for group in np.unique(groups)
            if np.bincount(y_true[groups == group], minlength=2).min() >= least_rows
        ]
        kept = np.isin(groups, large)
        return metric(y_true[kept], y_pred[kept], sensitive_features=groups[kept])

    return restricted


def main():
    """Compare the plain with the debiased network, for two notions of fairness."""
    arguments = parse_arguments(make_parser(__doc__))
    (X, y, groups), (X_test, y_test, groups_test) = load()
    groups_test = list(groups_test.itertuples(index=False, name=None))
    # The training data are twice as many rows as the test data.
    share = len(y) / len(y_test)
    rows = []
    for name, metric in {
        "demographic parity": demographic_parity_difference,
        "average odds": average_absolute_odds_difference,
    }.items():
        measure = between_large_groups(metric, LEAST_ROWS)
        figures = []
        for seed in range(arguments.repeat):
            torch.manual_seed(seed)
            plain = clone(make_net(X.shape[1])).fit(X, y)
            fair = BackdoorDebiasClassifierCV(
                make_net(X.shape[1]),
                disparity=between_large_groups(metric, share * LEAST_ROWS),
                max_accuracy_loss=0.01,
                random_state=seed,
            ).fit(X, y, sensitive_features=groups)
            print(f"  {name}, seed {seed}: {fair.best_params_}", flush=True)
            figures.append(
                [
                    figure
                    for predicted in (plain.predict(X_test), fair.predict(X_test))
                    for figure in (
                        (predicted == y_test).mean(),
                        measure(y_test, predicted, sensitive_features=groups_test),
                    )
                ]
            )
        for i, model in enumerate(("plain", "debiased")):
            mean, spread = np.mean(figures, axis=0), np.std(figures, axis=0)
            rows.append(
                {
                    "gap": name,
                    "model": model,
                    "accuracy": round(mean[2 * i], 4),
                    "accuracy sd": round(spread[2 * i], 4),
                    "widest gap": round(mean[2 * i + 1], 4),
                    "gap sd": round(spread[2 * i + 1], 4),
                }
            )
    report(rows, arguments.csv)


if __name__ == "__main__":
    main()
