"""How the time of `fit` grows with rows, features and groups."""

from time import perf_counter

import numpy as np
import torch
from _common import make_net, make_parser, parse_arguments, report

from sklearn_bade import BackdoorDebiasClassifier

ROWS = (10_000, 31_623, 100_000, 316_228, 1_000_000)
FEATURES = (10, 32, 100, 316, 1000)
GROUPS = (2, 5, 10, 20, 50)


def make_data(n_samples, n_features, n_groups):
    """Make rows whose labels and groups depend on them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, n_features)).astype(np.float32)
    score = X[:, 0] + 0.5 * rng.normal(size=n_samples)
    groups = np.searchsorted(
        np.quantile(score, np.linspace(0, 1, n_groups + 1)[1:-1]), score
    )
    y = (X[:, 1] + groups / n_groups + rng.normal(size=n_samples) > 0.5).astype(int)
    return X, y, groups


def seconds(n_samples, n_features, n_groups, epochs):
    """Time one fit."""
    X, y, groups = make_data(n_samples, n_features, n_groups)
    net = make_net(n_features).set_params(batch_size=512, max_epochs=epochs)
    clf = BackdoorDebiasClassifier(net, random_state=0)
    start = perf_counter()
    clf.fit(X, y, sensitive_features=groups)
    return perf_counter() - start


def main():
    """Grow one thing at a time, in turns, and fit the exponents."""
    arguments = parse_arguments(make_parser(__doc__))
    torch.manual_seed(0)
    settings = {
        "rows": [(n, 50, 2, 1) for n in ROWS],
        "features": [(20_000, n, 2, 2) for n in FEATURES],
        "groups": [(100_000, 50, n, 10) for n in GROUPS],
    }
    seconds(1000, 10, 2, 1)  # what is loaded only once
    rows = []
    for name, cases in settings.items():
        times = np.array(
            [[seconds(*case) for case in cases] for _ in range(arguments.repeat)]
        )
        print(f"  {name}: {np.median(times, axis=0).round(2).tolist()} s", flush=True)
        sizes = np.array({"rows": ROWS, "features": FEATURES, "groups": GROUPS}[name])
        relative = np.median(times / times[:, :1], axis=0)
        exponent = np.polyfit(np.log(sizes), np.log(relative), 1)[0]
        rows.append(
            {
                "what grows": name,
                "from": sizes[0],
                "to": sizes[-1],
                "time grows by": round(relative[-1], 2),
                "exponent": round(exponent, 2),
            }
        )
    report(rows, arguments.csv)


if __name__ == "__main__":
    main()
