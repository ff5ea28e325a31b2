"""Ours beside plain models and the mitigations of other packages, by one protocol.

Written down before a test set was read:

- Each method learns from the training rows alone. Where it has a dial (a bound, a strength,
  a price), that is chosen there: all candidates and the plain classifier learn from half of
  the training rows, and the other half judges them by the rule of
  ``BackdoorDebiasClassifierCV``: the greatest accuracy minus expected disparity, at no more
  than two points of accuracy and two fifths of the recall of either class below the plain
  classifier. What was chosen learns from all training rows. Ours chooses by its own
  cross-validation on all training rows, by the same rule, and first asks whether the gap
  is within noise.
- Post-processors (ThresholdOptimizer, OxonFair, the plug-in rule) get answers out of fold
  of all rows that they learn from, so that neither answers nor rows are wasted.
- Each method is run for average odds and for demographic parity, or once if it knows of
  neither. Classifiers are the default network, and scikit-learn's logistic regression and
  boosting as they are.
- The test rows are read once, by ``predict``, which draws lots where the method does. A
  seed stands for the split, the folds and the learner; of generated tables, also for the
  rows.
- Intervals are those of Student's t over seeds, at 95%: how far the mean may be off that
  more seeds would give. On real data, all seeds share the test rows; what these leave open
  is the standard error beside, that of a difference of proportions.
- Cost is processor time of choosing and fitting over that of one plain fit of the same
  learner in the same process. Parts that several methods use count for each; only our
  search for demographic parity takes what that for average odds has trained, so that its
  cost says nothing.

Results are appended to ``--csv`` one by one, and what is there is not run again.
``--tables`` writes the tables of the documentation from them. A table of your own is named
by a loader, ``--loader mymodule:load``, which returns training and test rows::

    def load():
        frame = pd.read_csv("loans.csv").dropna()
        X = frame[["income", "debt"]].to_numpy("float32")     # numbers, scaled
        rows = X, frame["repaid"].to_numpy(), frame["sex"].to_numpy()
        is_test = frame["year"] == 2025
        return [tuple(part[where] for part in rows) for where in (~is_test, is_test)]
"""

import csv
import tempfile
import warnings
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
from _common import make_parser, parse_arguments
from _peers.methods import list_methods
from _peers.protocol import ANY, NOTIONS, Workbench, run_method
from _peers.tables import tabulate, write_tables
from _peers.tasks import GENERATED, TASKS, load_task
from threadpoolctl import threadpool_limits

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "peers.csv"
# Rounds of ExponentiatedGradient in a run that only shows that all works.
QUICK_ROUNDS = 2
KEY = ["task", "method", "learner", "notion", "seed"]


def read_results(path):
    """Read what has been found before."""
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=KEY)


def list_missing(methods, notions, task, seed, results):
    """List methods and notions of which there is no result yet."""
    known = set(results[KEY].itertuples(index=False, name=None))
    return [
        (method, notion)
        for method in methods
        for notion in method.notions
        if notion in notions
        and (task, method.name, method.learner, notion, seed) not in known
    ]


def keep(path, row):
    """Append one result."""
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row, lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def keep_runnable(methods):
    """Leave out methods whose package is not here, and name them."""
    absent = {m.package for m in methods if m.package and not find_spec(m.package)}
    for package in sorted(absent):
        names = {m.name for m in methods if m.package == package}
        print(f"Left out, as {package} is not installed: {', '.join(sorted(names))}")
    return [m for m in methods if m.package not in absent]


def run_task(task, seed, missing, path, *, is_quick=False):
    """Run methods on one task with one seed, and keep each result."""
    train, test = load_task(task, seed, is_quick=is_quick)
    n_groups = train.groups.max() + 1
    with tempfile.TemporaryDirectory() as memory:
        limit = {"max_iter": QUICK_ROUNDS} if is_quick else {}
        bench = Workbench(train, test, seed, memory, **limit)
        for method, notion in missing:
            what = f"{task}, {method.name}, {method.learner}, {notion}, seed {seed}"
            if n_groups > 2 and not method.takes_many_groups:
                print(f"Left out, as there are {n_groups} groups: {what}")
                continue
            key = dict(zip(KEY, (task, method.name, method.learner, notion, seed)))
            found = run_method(bench, method, notion)
            keep(path, key | found)
            shown = {k: found[k] for k in ("dial", "seconds", "cost")}
            print(f"  {what}: {shown}", flush=True)


def run_all(arguments, path):
    """Run what is missing: all of one seed before the next one."""
    methods = keep_runnable(
        [m for m in list_methods() if not arguments.methods or m.name in arguments.methods]
    )
    if arguments.learners:
        methods = [m for m in methods if m.learner in arguments.learners]
    if arguments.quick:
        methods = [replace(method, dials=method.dials[:1]) for method in methods]
    tasks = [arguments.loader] if arguments.loader else arguments.tasks
    for seed in range(arguments.seed, arguments.seed + arguments.repeat):
        for task in tasks:
            results = read_results(path)
            missing = list_missing(methods, arguments.notions, task, seed, results)
            if missing:
                run_task(task, seed, missing, path, is_quick=arguments.quick)


def parse():
    """Read the command line."""
    parser = make_parser(__doc__)
    parser.set_defaults(repeat=5, csv=RESULTS)
    notions = (ANY, *NOTIONS)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--loader", help='a table of your own, "module:function"')
    parser.add_argument("--methods", nargs="+", help="all, unless named")
    parser.add_argument("--learners", nargs="+", help="all, unless named")
    parser.add_argument("--notions", nargs="+", choices=notions, default=notions)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--tables", help="folder to write the documentation's tables to")
    parser.add_argument(
        "--quick", action="store_true", help="few generated rows, one seed, nothing kept"
    )
    arguments = parse_arguments(parser)
    if arguments.loader and Path(arguments.csv) == RESULTS:
        parser.error("--loader needs a file of its own for its results: add --csv FILE")
    return arguments


def main():
    """Run what is missing, and print what there is; or only write the tables."""
    arguments = parse()
    if arguments.tables:
        write_tables(read_results(Path(arguments.csv)), Path(arguments.tables))
        return
    warnings.filterwarnings("ignore")  # gaps that stay wide are what is measured here
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(arguments.threads):
        path = Path(arguments.csv)
        if arguments.quick:
            arguments.tasks, arguments.repeat = [next(iter(GENERATED))], 1
            path = Path(folder) / "quick.csv"
        run_all(arguments, path)
        print(tabulate(read_results(path)).to_string(index=False))


if __name__ == "__main__":
    main()
