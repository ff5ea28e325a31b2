"""Accuracy against average odds, cross-fitted on training rows: our front beside others."""

import warnings

import numpy as np
from _common import load, make_net, make_parser, parse_arguments, report
from fairlearn.reductions import EqualizedOdds, ExponentiatedGradient
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.validation import has_fit_parameter

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade.inspection._reference import attribute_aware_front, closed_form_front

REAL = ("Adult / race", "Adult / sex", "MEPS / race")
N_GENERATED, N_FOLDS = 12_000, 5
BOUNDS = (0.01, 0.03, 0.1)


def make_thin_files(seed):
    """Make gaps of opposite sign that no feature tells the group of."""
    rng = np.random.default_rng(seed)
    thin = rng.uniform(size=N_GENERATED) < 0.35
    y = rng.uniform(size=N_GENERATED) < np.where(thin, 0.6, 0.4)
    signal = rng.normal(size=N_GENERATED) + 0.8 * (2 * y - 1)
    share_of_b = np.where(thin, np.where(y, 0.1, 0.9), 0.5)
    groups = (rng.uniform(size=N_GENERATED) < share_of_b).astype(int)
    X = np.column_stack([signal * ~thin, signal * thin, 2 * thin - 1])
    return X.astype(np.float32), y.astype(int), groups


def make_proxy(seed):
    """Make gaps from unequal base rates, where a proxy tells the group."""
    rng = np.random.default_rng(seed)
    groups = (rng.uniform(size=N_GENERATED) < 0.35).astype(int)
    y = (rng.uniform(size=N_GENERATED) < np.where(groups, 0.35, 0.55)).astype(int)
    proxy = rng.normal(size=N_GENERATED) + 1.2 * groups
    merit = rng.normal(size=N_GENERATED) + (2 * y - 1) * np.where(groups, 0.5, 0.9)
    other = rng.normal(size=N_GENERATED) + 0.6 * groups * (2 * y - 1)
    return np.column_stack([merit, proxy, other]).astype(np.float32), y, groups


GENERATED = {"thin files": make_thin_files, "proxy": make_proxy}
ESTIMATORS = {
    "boosting": lambda n_features: HistGradientBoostingClassifier(random_state=0),
    "logistic": lambda n_features: LogisticRegression(max_iter=1000),
    "net": make_net,
}


def read_task(name, seed):
    """Load the training rows of a task, groups as codes."""
    if name in GENERATED:
        return GENERATED[name](seed)
    (X, y, sensitive), _ = load(name)
    return X, y, np.unique(sensitive, return_inverse=True)[1]


def answer_out_of_fold(estimator, X, y, groups, seed):
    """Ask base and cells about rows that they have not learned from."""
    log_proba, cells = np.empty((len(y), 2)), np.empty((len(y), 2, 2))
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(X, 2 * y + groups):
        clf = BackdoorDebiasClassifier(estimator, trigger_strength=0.0, random_state=seed)
        clf.fit(X[train], y[train], sensitive_features=groups[train])
        answers = clf.student_.answer(clf.student_.transform(X[test]))
        log_proba[test] = answers.log_proba
        cells[test] = answers.cells.reshape(-1, 2, 2)
    return log_proba, cells


def reduce_out_of_fold(estimator, X, y, groups, seed, bound):
    """Predict rows by reductions that have not learned from them."""
    predicted = np.empty(len(y), dtype=int)
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(X, 2 * y + groups):
        reduction = ExponentiatedGradient(clone(estimator), EqualizedOdds(bound))
        reduction.fit(X[train], y[train], sensitive_features=groups[train])
        predicted[test] = reduction.predict(X[test], random_state=seed)
    return predicted


def judge(predicted, y, groups):
    """Compute accuracy and average odds."""
    rates = [[predicted[(y == k) & (groups == g)].mean() for g in (0, 1)] for k in (0, 1)]
    return (predicted == y).mean(), np.ptp(rates, axis=1).mean()


def find_fronts(estimator, X, y, groups, seed, *, with_reductions):
    """Compute the points of each method: lists of accuracy and average odds."""
    search = BackdoorDebiasClassifierCV(estimator, disparity_weight=1.0, random_state=seed)
    results = search.fit(X, y, sensitive_features=groups).cv_results_
    log_proba, cells = answer_out_of_fold(estimator, X, y, groups, seed)
    margin = log_proba[:, 1] - log_proba[:, 0]
    fronts = {
        "plain": ([judge(margin > 0, y, groups)[0]], [judge(margin > 0, y, groups)[1]]),
        "path": (results["mean_test_accuracy"], results["pooled_test_disparity"]),
        "closed form": closed_form_front(cells, y, groups),
        "told the group": attribute_aware_front(margin, y, groups),
    }
    if with_reductions and has_fit_parameter(estimator, "sample_weight"):
        predicted = (
            reduce_out_of_fold(estimator, X, y, groups, seed, bound) for bound in BOUNDS
        )
        points = [judge(p, y, groups) for p in predicted]
        fronts["ExponentiatedGradient"] = tuple(zip(*points))
    return fronts


def standard_error(y, groups):
    """Bound that of accuracy minus average odds: independent rates, at rates of .25."""
    sizes = np.bincount(2 * y + groups, minlength=4)
    return float(np.sqrt((0.25 * 0.75 / sizes).sum()) / 2)


def draw(fronts, title, path):
    """Draw the fronts of one task, with the standard error of a gap as bars."""
    from matplotlib import pyplot as plt

    figure, ax = plt.subplots(layout="constrained")
    for name, (accuracy, disparity, error) in fronts.items():
        style = {"told the group": "--", "closed form": ":"}.get(name, "")
        marker = "" if style else "."
        order = np.argsort(disparity)
        values = np.asarray(disparity)[order], np.asarray(accuracy)[order]
        ax.errorbar(
            *values,
            xerr=error,
            linestyle=style,
            marker=marker,
            elinewidth=0.4,
            label=name,
        )
    ax.set(xlabel="average odds (0 is equal)", ylabel="accuracy", title=title)
    ax.set_xlim(left=0)
    ax.legend(frameon=False)
    figure.savefig(path)
    plt.close(figure)


def main():
    """Find the fronts of every task and classifier with every seed."""
    parser = make_parser(__doc__)
    tasks = (*REAL, *GENERATED)
    parser.add_argument("--tasks", nargs="+", choices=tasks, default=tasks)
    parser.add_argument("--estimators", nargs="+", choices=ESTIMATORS, default=["boosting"])
    parser.add_argument("--peers", action="store_true", help="fit reductions, too")
    parser.add_argument("--plot", help="folder for a picture of each task and classifier")
    arguments = parse_arguments(parser)
    warnings.filterwarnings("ignore")  # faint signals are a point of two of the tasks
    rows = []
    for task in arguments.tasks:
        for name in arguments.estimators:
            worth = {}
            for seed in range(arguments.repeat):
                X, y, groups = read_task(task, seed)
                estimator = ESTIMATORS[name](X.shape[1])
                fronts = find_fronts(
                    estimator, X, y, groups, seed, with_reductions=arguments.peers
                )
                for method, (accuracy, disparity) in fronts.items():
                    best = np.nanmax(np.asarray(accuracy) - np.asarray(disparity))
                    worth.setdefault(method, []).append(best)
                print(f"  {task}, {name}, seed {seed}", flush=True)
            error = standard_error(y, groups)
            for method, values in worth.items():
                figures = np.mean(values), np.std(values), error
                keys = ("accuracy - odds", "sd", "standard error")
                figures = {k: round(float(v), 4) for k, v in zip(keys, figures)}
                rows.append({"task": task, "classifier": name, "method": method, **figures})
            if arguments.plot:
                drawn = {m: (*front, error) for m, front in fronts.items()}
                file = f"{task} {name}.png".replace(" / ", " ").replace(" ", "_")
                draw(drawn, f"{task}, {name}", f"{arguments.plot}/{file}")
    report(rows, arguments.csv)


if __name__ == "__main__":
    main()
