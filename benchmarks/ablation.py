"""What each part of the method is worth, on splits of the training rows alone.

Three fifths of the training rows fit, the others judge; no test set is read. Three parts of
the table change one thing at a time:

- *path*: strength 1, as it is computed between base and cells; injection and base rate.
- *single*: strength 1, distilled into one estimator; also hard labels, where its weights
  start, and the papers' settings.
- *search*: a strength that is chosen by cross-validation; also the rules of choice.

Each setting is compared with the first of its part, the default, by accuracy minus average
odds on the same split. Runs that the file of ``--runs`` holds are not repeated, so that a
call that was stopped goes on where it was, and tasks or seeds can be added.
"""

import tempfile
import warnings

import numpy as np
import pandas as pd
from _common import append_runs, load, make_parser, parse_arguments, read_runs, report
from choice import ESTIMATORS, FIGURES, SHARE_THAT_JUDGES, TASKS, judge
from sklearn.model_selection import train_test_split

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV

# What the papers use with a single student: no base rate is held, a tenth of the loss goes
# by labels, and the student starts afresh.
PAPERS = {"base_rate": "drift", "hard_label_weight": 0.1, "student_init": "scratch"}
PATH = {
    "default": {},
    "drift": {"base_rate": "drift"},
    "balanced": {"injection": "balanced"},
    "balanced, drift": {"injection": "balanced", "base_rate": "drift"},
    "pseudo_deletion": {"injection": "pseudo_deletion"},
    "pseudo_deletion, drift": {"injection": "pseudo_deletion", "base_rate": "drift"},
    "strength 0": {"trigger_strength": 0.0},
}
SINGLE = {
    "default": {},
    "drift": {"base_rate": "drift"},
    "balanced": {"injection": "balanced"},
    "pseudo_deletion": {"injection": "pseudo_deletion"},
    "hard labels .1": {"hard_label_weight": 0.1},
    "hard labels .5": {"hard_label_weight": 0.5},
    "from scratch": {"student_init": "scratch"},
    "the papers' BaDe": PAPERS,
}
SEARCH = {
    "default rule": {},
    "balanced": {"injection": "balanced"},
    "pseudo_deletion": {"injection": "pseudo_deletion"},
    "keep alone": {"base_rates": ["keep"]},
    "drift alone": {"base_rates": ["drift"]},
    "one strength": {"per_class": False},
    "disparity_weight=1": {"disparity_weight": 1.0},
    "max_accuracy_loss=.01": {"max_accuracy_loss": 0.01},
    "max_disparity=.02": {"max_disparity": 0.02},
    "single student in the end": {"student": "single"},
}
PARTS = {"path": PATH, "single": SINGLE, "search": SEARCH}
KEYS = ["classifier", "task", "seed", "part", "setting"]


def make_debiaser(part, settings, estimator, seed, memory):
    """Make the debiaser of one setting; models that settings share come from a cache."""
    shared = {"random_state": seed, "memory": memory}
    if part == "search":
        return BackdoorDebiasClassifierCV(estimator, **shared, **settings)
    return BackdoorDebiasClassifier(estimator, student=part, **shared, **settings)


def settings_of(classifier, part):
    """List the settings of a part; only networks have weights to start from."""
    return {
        name: settings
        for name, settings in PARTS[part].items()
        if classifier == "net" or "student_init" not in settings
    }


def run_split(classifier, task, seed, parts, done, path):
    """Fit and judge what is missing on one split."""
    X, y, groups = load(task)[0]
    own, others = train_test_split(
        np.arange(len(y)), test_size=SHARE_THAT_JUDGES, stratify=y, random_state=seed
    )
    estimator, runs = ESTIMATORS[classifier](X.shape[1]), []
    with tempfile.TemporaryDirectory() as memory:
        for part in parts:
            for name, settings in settings_of(classifier, part).items():
                key = classifier, task, seed, part, name
                if key in done:
                    continue
                model = make_debiaser(part, settings, estimator, seed, memory)
                model.fit(X[own], y[own], sensitive_features=groups[own])
                figures = judge(model, X[others], y[others], groups[others])
                run = dict(zip(KEYS, key)) | dict(zip(FIGURES, figures))
                append_runs([run], path)
                runs.append(run)
                print(run, flush=True)
    return runs


def tabulate(runs):
    """Average over seeds, and compare with the default of each part on the same splits.

    What differs is accuracy minus odds. Its standard error is that over the splits of all
    tasks; splits of one task share rows, so it is somewhat low.
    """
    table = pd.DataFrame(runs)
    table["worth"] = table["accuracy"] - table["odds"]
    rows = []
    for (classifier, part), block in table.groupby(["classifier", "part"], sort=False):
        default = block[block["setting"] == next(iter(PARTS[part]))]
        default = default.set_index(["task", "seed"])["worth"]
        for name, own in block.groupby("setting", sort=False):
            row = {"classifier": classifier, "part": part, "setting": name}
            for task, each in own.groupby("task", sort=False):
                row[task] = f"{each['accuracy'].mean():.4f} / {each['odds'].mean():.4f}"
            difference = (own.set_index(["task", "seed"])["worth"] - default).dropna()
            row["difference"] = round(difference.mean(), 4)
            row["standard error"] = round(difference.sem(), 4)
            row["recall"] = round(own["recall of class 1"].mean(), 3)
            row["splits"] = len(own)
            rows.append(row)
    return rows


def main():
    """Run what is missing, and tabulate everything."""
    parser = make_parser(__doc__)
    parser.add_argument("--estimator", choices=ESTIMATORS, default="net")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--runs", help="file to add the figures of each fit to")
    arguments = parse_arguments(parser)
    warnings.filterwarnings("ignore")  # settings that fall short are what this is about
    runs = read_runs(arguments.runs)
    done = {tuple(run[key] for key in KEYS) for run in runs}
    for seed in range(arguments.repeat):
        for task in arguments.tasks:
            runs += run_split(
                arguments.estimator, task, seed, arguments.parts, done, arguments.runs
            )
    report(tabulate(runs), arguments.csv)


if __name__ == "__main__":
    main()
