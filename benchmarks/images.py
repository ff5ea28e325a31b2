"""Biased digits: gaps and accuracy beside yardsticks; trigger, audit and memory.

The contenders are the default network as skorch trains it ("plain"), with the mean of its
weights ("regularised", which is strength 0), on rows drawn so that every class and group is
as frequent ("resampled"), with weights that make them so ("reweighed"), and debiased at the
default strength and at the one that the search chooses on the training images. In the test
images, group and class are independent. The gap is that in recall between the groups,
averaged over the classes; with two classes, these are the average odds.
"""

import time

import numpy as np
import torch
from _common import (
    cell_codes,
    in_new_process,
    make_parser,
    parse_arguments,
    peak_bytes,
    report,
    resample,
    summarize,
)

from sklearn_bade import (
    BackdoorDebiasClassifier,
    BackdoorDebiasClassifierCV,
    DefaultNetClassifier,
)
from sklearn_bade.datasets import make_colored_digits, make_marked_digits
from sklearn_bade.inspection import audit_backdoor
from sklearn_bade.metrics import equal_opportunity_difference
from sklearn_bade.nets import ConvNet, log_probabilities, make_adam_net, make_default_net

BIASES = ["colour", "border", "brightness", "texture"]
N_PLAIN = 8
CHUNK = 1000


def fit_plain(X, y, seed):
    """Fit the default network, without debiasing."""
    torch.manual_seed(seed)
    return make_default_net(X, len(np.unique(y))).fit(X, y)


def mean_recall_gap(y_true, y_pred, *, sensitive_features):
    """Average over the classes how much recall differs between groups."""
    gaps = [
        equal_opportunity_difference(
            y_true, y_pred, sensitive_features=sensitive_features, pos_label=k
        )
        for k in np.unique(y_true)
    ]
    return float(np.mean(gaps))


def draw_digits(bias, n_classes, seed):
    """Draw digits whose colour, or mark, goes with the class."""
    if bias == "colour":
        return make_colored_digits(n_classes, random_state=seed)
    return make_marked_digits(n_classes, mark=bias, random_state=seed)


def fit_all(X, y, groups, seed):
    """Fit the contenders; return them, and the cost of the search in plain fits."""
    plain = fit_plain(X, y, N_PLAIN * seed)
    start = time.perf_counter()
    regularised = DefaultNetClassifier(random_state=seed).fit(X, y)
    plain_time = time.perf_counter() - start
    cells = cell_codes(y, groups)
    drawn = resample(cells, seed)
    reweighed = DefaultNetClassifier(random_state=seed)
    start = time.perf_counter()
    search = BackdoorDebiasClassifierCV(random_state=seed)
    search.fit(X, y, sensitive_features=groups)
    search_time = time.perf_counter() - start
    return {
        "plain": plain,
        "regularised": regularised,
        "resampled": DefaultNetClassifier(random_state=seed).fit(X[drawn], y[drawn]),
        "reweighed": reweighed.fit(X, y, sample_weight=1 / np.bincount(cells)[cells]),
        "debiased, strength 1": search.with_strength(1.0),
        "debiased, chosen": search,
    }, search_time / plain_time


def measure_digits(bias, n_classes, seed):
    """Measure all contenders on one draw of the digits."""
    X, X_test, y, y_test, groups, groups_test = draw_digits(bias, n_classes, seed)
    models, cost = fit_all(X, y, groups, seed)
    search = models["debiased, chosen"]
    figures = {"strength": np.mean(search.best_strength_), "cost in plain fits": cost}
    for name, model in models.items():
        predicted = model.predict(X_test)
        figures[f"{name}: accuracy"] = (predicted == y_test).mean()
        gap = mean_recall_gap(y_test, predicted, sensitive_features=groups_test)
        figures[f"{name}: gap"] = gap
    if bias == "colour":
        plain = [fit_plain(X, y, N_PLAIN * seed + i) for i in range(N_PLAIN)]
        figures |= measure_audit(search, plain, X_test, y_test)
    if bias == "colour" and n_classes == 2:
        kept = BackdoorDebiasClassifier(keep_teacher=True, random_state=seed)
        figures |= measure_trigger(kept.fit(X, y, sensitive_features=groups), X)
    return figures


def measure_audit(clf, plain, X, y):
    """Compare how often patches succeed with the student and with plain networks."""
    table = audit_backdoor(clf, X, y, baseline=plain).table
    above = 100 * (table["success"] - table["baseline_success"])
    is_own = table["trigger"].str.startswith("own")
    is_patch = is_own | table["trigger"].str.startswith("patch")
    return {
        "own patches, points above plain, mean": above[is_own].mean(),
        "own patches, points above plain, worst": above[is_own].max(),
        "all patches, points above plain, mean": above[is_patch].mean(),
        "flagged": table["flagged"].sum(),
    }


def measure_trigger(clf, X):
    """Compare what the trigger adds to the teacher's log-odds with what its rates say."""
    log_odds = []
    for code in range(len(clf.groups_)):
        log_proba = log_probabilities(
            clf.teacher_,
            X,
            lambda rows, code=code: clf.trigger_.stamp(rows, np.full(len(rows), code)),
        )
        log_odds.append((log_proba[:, 1] - log_proba[:, 0]).mean())
    rates = np.log(clf.injection_rates_)
    expected = (rates[1, 1] - rates[1, 0]) - (rates[0, 1] - rates[0, 0])
    return {"trigger's log-odds, over the rates'": (log_odds[1] - log_odds[0]) / expected}


def measure_memory(dtype, n_samples, side):
    """Fit noisy images; return the peak above what was held before, over their size."""
    torch.set_num_threads(1)
    fit_noise(np.empty((500, 3, side, side), dtype=dtype))  # what libraries allocate once
    X = np.empty((n_samples, 3, side, side), dtype=dtype)
    before = fit_noise(X)
    return (peak_bytes() - before) / X.nbytes


def fit_noise(X):
    """Fill images, and fit a small network on them; return the peak before fitting."""
    rng = np.random.default_rng(0)
    groups = rng.integers(2, size=len(X))
    y = (rng.uniform(size=len(X)) < 0.3 + 0.4 * groups).astype(np.int64)
    for start in range(0, len(X), CHUNK):
        part = X[start : start + CHUNK]
        part[:] = rng.integers(200, size=part.shape)
        part[:, 0] += (55 * groups[start : start + CHUNK, None, None]).astype(X.dtype)
        if X.dtype.kind == "f":
            part /= 255
    net = make_adam_net(
        ConvNet,
        module__n_channels=3,
        module__n_classes=2,
        module__widths=(8, 16),
        batch_size=128,
        max_epochs=1,
    )
    before = peak_bytes()
    BackdoorDebiasClassifier(net, random_state=0).fit(X, y, sensitive_features=groups)
    return before


def main():
    """Measure the digits with each bias, and the memory of `fit`."""
    parser = make_parser(__doc__)
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--bias", nargs="+", default=BIASES, choices=BIASES)
    parser.add_argument("--classes", nargs="+", type=int, default=[2, 10])
    arguments = parse_arguments(parser)
    rows = []
    for dtype in (np.float32, np.uint8):
        ratio = in_new_process(measure_memory, dtype, 60_000, 32)
        what = f"peak memory above {np.dtype(dtype).name} images, over their size"
        rows.append({"what": what, "mean": round(ratio, 2)})
    seeds = range(arguments.seed, arguments.seed + arguments.repeat)
    for bias in arguments.bias:
        for n_classes in arguments.classes:
            draws = [measure_digits(bias, n_classes, seed) for seed in seeds]
            rows += summarize(f"{bias}, {n_classes} classes, ", draws)
    report(rows, arguments.csv)


if __name__ == "__main__":
    main()
