"""How time and memory of `fit` grow with rows, features, groups, classes and candidates.

Seconds of a debiased fit, over those of a plain fit of the same classifier, which alternate
in one process. They are the processor's, of all threads together, so that what else it has
to do says little. Each case has a process of its own, whose peak is read. By default rows
end at 100,000; ``--rows 10000 100000 1000000`` goes on.
"""

import os
import warnings
from time import process_time

import numpy as np
import pandas as pd
import torch
from _common import in_new_process, make_parser, parse_arguments, peak_bytes, report
from scipy.stats import norm
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from sklearn_bade import (
    BackdoorDebiasClassifier,
    BackdoorDebiasClassifierCV,
    DefaultNetClassifier,
)

# Of each case, what does not grow.
USUAL = {"rows": 20_000, "features": 30, "groups": 2, "classes": 2}
GROWN = {
    "rows": (10_000, 31_623, 100_000),
    "features": (10, 30, 100, 300),
    "groups": (2, 4, 8, 16),
    "classes": (2, 4, 8),
}
STRENGTHS = (10, 40, 160)
# Rows that are made at once, so that making them is no peak.
CHUNK = 5_000
# Standard deviations of what groups and classes are cut from.
GROUP_SPREAD, CLASS_SPREAD = 1.25**0.5, (2 + 1 / 12) ** 0.5
MEBIBYTE = 2**20
PLAIN = {
    "logistic": LogisticRegression(max_iter=1000),
    # A third of the usual trees, and none fewer, so that cases are trained alike.
    "boosting": HistGradientBoostingClassifier(
        max_iter=30, early_stopping=False, random_state=0
    ),
    "default net": DefaultNetClassifier(random_state=0),
}


def _cut(values, spread, n_parts):
    """Cut normal values into parts that are about as frequent."""
    inner = norm.ppf(np.linspace(0, 1, n_parts + 1)[1:-1])
    return np.searchsorted(spread * inner, values)


def make_data(rows, features, groups, classes):
    """Make rows whose labels and groups depend on them."""
    rng = np.random.default_rng(0)
    X = np.empty((rows, features), dtype=np.float32)
    y, group = np.empty(rows, dtype=np.int64), np.empty(rows, dtype=np.int64)
    for start in range(0, rows, CHUNK):
        here = slice(start, start + CHUNK)
        chunk = rng.standard_normal(X[here].shape, dtype=np.float32)
        noise = rng.standard_normal((2, len(chunk)))
        group[here] = _cut(chunk[:, 0] + 0.5 * noise[0], GROUP_SPREAD, groups)
        score = chunk[:, 1] + (group[here] + 0.5) / groups - 0.5 + noise[1]
        y[here] = _cut(score, CLASS_SPREAD, classes)
        X[here] = chunk
    return X, y, group


def make_debiaser(name, n_strengths):
    """Make what is measured: one strength, or a search of so many."""
    estimator = None if name == "default net" else PLAIN[name]
    if n_strengths is None:
        return BackdoorDebiasClassifier(estimator, random_state=0)
    strengths = np.linspace(-2, 3, n_strengths)
    return BackdoorDebiasClassifierCV(
        estimator, trigger_strengths=strengths, random_state=0
    )


def measure(name, sizes, n_strengths, repeat):
    """Alternate both fits; return seconds of each, the peak and how many were tried."""
    warnings.filterwarnings("ignore")  # of weak triggers; times are all we want
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    debiaser = make_debiaser(name, n_strengths)

    def fit(X, y, groups):
        return clone(debiaser).fit(X, y, sensitive_features=groups)

    fit(*make_data(**sizes | {"rows": 1000}))  # what is loaded only once
    X, y, groups = make_data(**sizes)
    held, seconds = peak_bytes(), np.empty((repeat, 2))
    for each in seconds:  # the debiased fit first, since peaks never fall
        start = process_time()
        fitted = fit(X, y, groups)
        middle = process_time()
        peak = peak_bytes()
        clone(PLAIN[name]).fit(X, y)
        each[:] = process_time() - middle, middle - start
    n_tried = 1 if n_strengths is None else len(fitted.cv_results_["params"])
    return seconds, peak - held, X.nbytes, n_tried


def list_cases(arguments):
    """List what grows, how large it is, all sizes, and strengths where these are sought."""
    grown = GROWN | {"rows": arguments.rows}
    cases = [
        (what, size, USUAL | {what: size}, None)
        for what, all_sizes in grown.items()
        for size in all_sizes
    ]
    return cases + [("candidates", n, USUAL, n) for n in STRENGTHS]


def tabulate(name, what, size, measured):
    """Make a row of the table."""
    seconds, peak, n_bytes, n_tried = measured
    plain, debiased = np.median(seconds, axis=0).tolist()
    ratio = float(np.median(seconds[:, 1] / seconds[:, 0]))
    return {
        "classifier": name,
        "what grows": what,
        "size": n_tried if what == "candidates" else size,
        "plain s": round(plain, 3),
        "debiased s": round(debiased, 3),
        "ratio": round(ratio, 2),
        "peak MiB": round(peak / MEBIBYTE),
        "input MiB": round(n_bytes / MEBIBYTE, 1),
    }


def print_exponents(rows):
    """Print the power of what grows that the time of a debiased fit grows with."""
    table = pd.DataFrame(rows)
    for names, cases in table.groupby(["classifier", "what grows"], sort=False):
        if len(cases) > 1:
            logs = np.log(cases["size"]), np.log(cases["debiased s"])
            print(f"{', '.join(names)}: time ~ size ** {np.polyfit(*logs, 1)[0]:.2f}")


def main():
    """Grow one thing at a time."""
    parser = make_parser(__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=GROWN["rows"])
    parser.add_argument("--classifiers", nargs="+", choices=PLAIN, default=list(PLAIN))
    parser.add_argument("--only", nargs="+", choices=[*GROWN, "candidates"])
    arguments = parse_arguments(parser)
    # Of boosting's threads; new processes read it when they begin.
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    rows = []
    for name in arguments.classifiers:
        for what, size, sizes, n_strengths in list_cases(arguments):
            if arguments.only is None or what in arguments.only:
                case = name, sizes, n_strengths, arguments.repeat
                rows.append(tabulate(name, what, size, in_new_process(measure, *case)))
                print(f"  {rows[-1]}", flush=True)
    report(rows, arguments.csv)
    print_exponents(rows)


if __name__ == "__main__":
    main()
