"""Accuracy against average odds, cross-fitted on training rows: our front beside others.

Each method is judged by the best accuracy minus odds on its front. What it is compared
with, the closed-form rule, is fitted and judged on the very rows, and so is the
post-processor, which is also told the group of each row: both are optimistic. The
difference to the closed-form rule is that on the same answers of base and cells, row by
row; its standard error is that of a bootstrap over rows, in which each front is free to
choose anew. Boosting and linear models answer as they did in the search. Networks of other
seeds do not, so that candidates were not chosen for these answers, as the rule is: their
difference is a little too low.
"""

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _common import load, make_net, make_parser, parse_arguments, report
from fairlearn.reductions import EqualizedOdds, ExponentiatedGradient
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.validation import has_fit_parameter

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade._path import Answers
from sklearn_bade.inspection._reference import (
    apply_multipliers,
    attribute_aware_front,
    closed_form_front,
    judge_decisions,
)
from sklearn_bade.learners import settle_early_stopping
from sklearn_bade.learners._weighted import with_seed

REAL = ("Adult / race", "Adult / sex", "MEPS / race")
N_GENERATED, N_FOLDS, N_RESAMPLES = 8000, 5, 200
BOUNDS = (0.01, 0.03, 0.1)
OURS, CLOSED_FORM, TOLD = "path", "closed form", "post-processor, told the group"


def make_thin_files(seed):
    """Make gaps of opposite sign where features do not tell the group.

    Among thin files, most of the deserving belong to A, and most of the others to B; see
    docs/guide/choosing.rst.
    """
    rng = np.random.default_rng(seed)
    thin = rng.uniform(size=N_GENERATED) < 0.35
    y = (rng.uniform(size=N_GENERATED) < np.where(thin, 0.6, 0.4)).astype(int)
    signal = rng.normal(size=N_GENERATED) + 0.8 * (2 * y - 1)
    share_of_b = np.where(thin, np.where(y, 0.1, 0.9), 0.5)
    groups = (rng.uniform(size=N_GENERATED) < share_of_b).astype(int)
    X = np.column_stack([signal * ~thin, signal * thin, 2 * thin - 1])
    return X.astype(np.float32), y, groups


def make_noisy_proxy(seed):
    """Make gaps of opposite sign where a noisy proxy tells the group.

    B is of class 1 more often, which lifts its false positives; its signal is weaker, which
    lowers its true positives.
    """
    rng = np.random.default_rng(seed)
    groups = (rng.uniform(size=N_GENERATED) < 0.4).astype(int)
    y = (rng.uniform(size=N_GENERATED) < np.where(groups, 0.5, 0.4)).astype(int)
    signal = rng.normal(size=N_GENERATED) + np.where(groups, 0.8, 1) * (2 * y - 1)
    proxy = groups + 0.7 * rng.normal(size=N_GENERATED)
    return np.column_stack([signal, proxy]).astype(np.float32), y, groups


GENERATED = {"thin files": make_thin_files, "noisy proxy": make_noisy_proxy}


def make_boosting(n_features):
    """Make scikit-learn's gradient boosting as it is."""
    return HistGradientBoostingClassifier()


def make_logistic(n_features):
    """Make logistic regression with enough steps to converge."""
    return LogisticRegression(max_iter=1000)


ESTIMATORS = {"boosting": make_boosting, "logistic": make_logistic, "net": make_net}


class Front(NamedTuple):
    """Accuracy and average odds of several points.

    `decided`, of shape (n_points, n_samples), says how likely class 1 is predicted; None
    where there are figures only.
    """

    accuracy: np.ndarray
    disparity: np.ndarray
    decided: np.ndarray | None = None

    @classmethod
    def of(cls, decided, y, groups):
        """Judge decisions."""
        figures = judge_decisions(decided, y, groups, np.ones((1, len(y))))
        return cls(*(each[:, 0] for each in figures), decided)

    @property
    def best(self):
        """Position of the best accuracy minus odds."""
        return int(np.nanargmax(self.accuracy - self.disparity))

    def undominated(self):
        """Keep the points that no other is better than in both figures, by their odds."""
        kept, most = [], -np.inf
        for i in np.lexsort((-self.accuracy, self.disparity)):
            if self.accuracy[i] > most:
                kept.append(i)
                most = self.accuracy[i]
        return Front(*(None if each is None else each[kept] for each in self))


class Found(NamedTuple):
    """What was found with one seed."""

    fronts: dict
    y: np.ndarray
    groups: np.ndarray


def read_task(name, seed):
    """Load the training rows of a task, or generate them; groups are codes."""
    if name in GENERATED:
        return GENERATED[name](seed)
    (X, y, sensitive), _ = load(name)
    return X, y, np.unique(sensitive, return_inverse=True)[1]


def answer_out_of_fold(estimator, X, y, groups, folds, seed):
    """Let base and cells answer about rows that they have not learned from."""
    answers = []
    for train, test in folds:
        clf = BackdoorDebiasClassifier(estimator, trigger_strength=0.0, random_state=seed)
        student = clf.fit(X[train], y[train], sensitive_features=groups[train]).student_
        answers.append(student.answer(student.transform(X[test])))
    order = np.concatenate([test for _, test in folds])
    return Answers.concatenate(answers).take(np.argsort(order))


def reduce_out_of_fold(estimator, X, y, groups, folds, bound):
    """Let reductions decide rows that they have not learned from: chances of class 1."""
    chance = np.empty(len(y))
    for train, test in folds:
        reduction = ExponentiatedGradient(estimator, EqualizedOdds(difference_bound=bound))
        reduction.fit(X[train], y[train], sensitive_features=groups[train])
        chance[test] = reduction._pmf_predict(X[test])[:, 1]
    return chance


def decide_by_path(search, answers):
    """Decide as each candidate of a search does, given answers about any rows."""
    path = search.estimator_.student_.path
    return np.stack(
        [
            (path.logits(answers, each["trigger_strength"]) + each["offset"]).argmax(axis=1)
            for each in search.cv_results_["params"]
        ]
    )


def find_fronts(estimator, X, y, groups, seed, *, with_peers):
    """Find the front of each method on the same folds.

    Returns
    -------
    found : Found
        The fronts; ours has the figures of the search, and decisions on the answers that
        the closed-form rule is fitted to.
    """
    splitter = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    folds = list(splitter.split(X, 2 * y + groups))
    # One seed, and one decision to stop early or not, make equal models of equal folds.
    estimator = with_seed(settle_early_stopping(estimator, len(y)), seed)
    search = BackdoorDebiasClassifierCV(
        estimator, disparity_weight=1.0, cv=folds, random_state=seed
    ).fit(X, y, sensitive_features=groups)
    results = search.cv_results_
    answers = answer_out_of_fold(estimator, X, y, groups, folds, seed)
    margin = answers.log_proba[:, 1] - answers.log_proba[:, 0]
    cells = answers.cells.reshape(len(y), 2, 2)
    *figures, multipliers = closed_form_front(cells, y, groups, return_multipliers=True)
    fronts = {
        "plain": Front.of((margin > 0)[None], y, groups),
        OURS: Front(
            results["mean_test_accuracy"],
            results["pooled_test_disparity"],
            decide_by_path(search, answers),
        ),
        CLOSED_FORM: Front(*figures, apply_multipliers(multipliers, cells, y, groups)),
        TOLD: Front(*attribute_aware_front(margin, y, groups)),
    }
    if with_peers and has_fit_parameter(estimator, "sample_weight"):
        fronts["ExponentiatedGradient"] = Front.of(
            np.stack(
                [
                    reduce_out_of_fold(estimator, X, y, groups, folds, bound)
                    for bound in BOUNDS
                ]
            ),
            y,
            groups,
        )
    return Found({name: front.undominated() for name, front in fronts.items()}, y, groups)


def draw_weights(n_samples):
    """Draw how often each row is in each resample; the first holds each row once.

    Seeds that share their rows share their resamples.
    """
    rng = np.random.default_rng(0)
    shares = np.full(n_samples, 1 / n_samples)
    return np.vstack(
        [np.ones(n_samples), rng.multinomial(n_samples, shares, size=N_RESAMPLES)]
    )


def compare(found):
    """Compute the difference of each method to the closed-form rule, in each resample."""
    weights, most = draw_weights(len(found.y)), {}
    for name, front in found.fronts.items():
        if front.decided is not None:
            accuracy, disparity = judge_decisions(
                front.decided, found.y, found.groups, weights
            )
            most[name] = (accuracy - disparity).max(axis=0)
    return {name: each - most[CLOSED_FORM] for name, each in most.items()}


def tabulate(runs):
    """Average over seeds: a row of the table for each method."""
    differences = [compare(found) for found in runs]
    rows = []
    for name in runs[0].fronts:
        fronts = [found.fronts[name] for found in runs]
        best = np.array(
            [(f.accuracy[f.best], f.disparity[f.best]) for f in fronts], dtype=float
        )
        worth = best[:, 0] - best[:, 1]
        row = {"method": name}
        figures = *best.mean(axis=0), worth.mean(), worth.std()
        labels = "accuracy", "average odds", "accuracy - odds", "sd"
        if name in differences[0] and name != CLOSED_FORM:
            mean = np.mean([each[name] for each in differences], axis=0)
            figures += mean[0], mean[1:].std(ddof=1)
            labels += "to closed form", "standard error"
        rows.append(row | {k: round(float(v), 4) for k, v in zip(labels, figures)})
    return rows


def draw(found, title, path):
    """Draw the fronts; bars at the best points are their standard errors."""
    from matplotlib import pyplot as plt

    weights = draw_weights(len(found.y))
    figure, ax = plt.subplots(layout="constrained")
    for i, (name, front) in enumerate(found.fronts.items()):
        style = {CLOSED_FORM: ":", TOLD: "--"}.get(name, "-")
        marker = "" if style != "-" else "."
        settings = {"linestyle": style, "marker": marker, "label": name, "color": f"C{i}"}
        ax.plot(front.disparity, front.accuracy, **settings)
        if front.decided is not None:
            best = front.best
            figures = judge_decisions(
                front.decided[[best]], found.y, found.groups, weights[1:]
            )
            yerr, xerr = (each.std(ddof=1) for each in figures)
            point = front.disparity[best], front.accuracy[best]
            ax.errorbar(*point, yerr, xerr, color=f"C{i}", capsize=2, elinewidth=0.8)
    ax.set(xlabel="average odds (0 is equal)", ylabel="accuracy", title=title)
    ax.set_xlim(left=0)
    ax.legend(frameon=False)
    figure.savefig(path)
    plt.close(figure)


def main():
    """Find the fronts of every task and classifier with every seed."""
    parser = make_parser(__doc__)
    tasks, defaults = (*REAL, *GENERATED), ("boosting", "logistic")
    parser.add_argument("--tasks", nargs="+", choices=tasks, default=tasks)
    parser.add_argument("--estimators", nargs="+", choices=ESTIMATORS, default=defaults)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--peers", action="store_true", help="fit reductions, too: slow")
    parser.add_argument("--plot", help="folder for pictures of the first seed's fronts")
    arguments = parse_arguments(parser)
    warnings.filterwarnings("ignore")  # faint signals are what some of the tasks are about
    rows = []
    for task in arguments.tasks:
        for name in arguments.estimators:
            runs = []
            for seed in range(arguments.seed, arguments.seed + arguments.repeat):
                X, y, groups = read_task(task, seed)
                estimator = ESTIMATORS[name](X.shape[1])
                runs.append(
                    find_fronts(estimator, X, y, groups, seed, with_peers=arguments.peers)
                )
                print(f"  {task}, {name}, seed {seed}", flush=True)
            rows += [{"task": task, "classifier": name, **row} for row in tabulate(runs)]
            if arguments.plot:
                folder = Path(arguments.plot)
                folder.mkdir(parents=True, exist_ok=True)
                file = f"{task} {name}.png".replace(" / ", "_").replace(" ", "_")
                draw(runs[0], f"{task}, {name}", folder / file)
    report(rows, arguments.csv)


if __name__ == "__main__":
    main()
