"""Time of the search along the path over the time of one plain skorch fit."""

from time import perf_counter

import numpy as np
import torch
from _common import load, make_net, make_parser, parse_arguments, report
from sklearn.base import clone

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV


def main():
    """Alternate plain fits, debiased fits and searches."""
    arguments = parse_arguments(make_parser(__doc__))
    (X, y, sensitive), _ = load("Adult / race")
    net = make_net(X.shape[1])
    settings = {"random_state": 0}
    contenders = {
        "plain skorch fit": lambda: clone(net).fit(X, y),
        "debiased fit": lambda: BackdoorDebiasClassifier(net, **settings).fit(
            X, y, sensitive_features=sensitive
        ),
        "search, 20 strengths, 5 folds": lambda: BackdoorDebiasClassifierCV(
            net, max_accuracy_loss=0.01, **settings
        ).fit(X, y, sensitive_features=sensitive),
    }
    times = {name: [] for name in contenders}
    for round_number in range(arguments.repeat):
        for name, run in contenders.items():
            torch.manual_seed(round_number)
            start = perf_counter()
            run()
            times[name].append(perf_counter() - start)
    plain = np.array(times["plain skorch fit"])
    rows = [
        {
            "what": name,
            "ratio to plain (median)": round(float(np.median(values / plain)), 2),
            "least": round(float(np.min(values / plain)), 2),
            "greatest": round(float(np.max(values / plain)), 2),
        }
        for name, values in ((name, np.array(values)) for name, values in times.items())
    ]
    report(rows, arguments.csv)


if __name__ == "__main__":
    main()
