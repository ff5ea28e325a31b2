"""Data, networks and tables that the benchmarks share."""

import argparse
import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from skorch import NeuralNetClassifier

from sklearn_bade.datasets import fetch_adult, fetch_meps
from sklearn_bade.nets import MLP
from sklearn_bade.preprocessing import make_default_preprocessing, to_float32

# What ru_maxrss counts in: bytes on macOS, kilobytes on Linux.
RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def make_parser(description):
    """Make a parser of what all benchmarks understand."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--csv", help="file to write the table to")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=3, help="seeds or rounds")
    return parser


def parse_arguments(parser):
    """Read the command line and fix the number of threads."""
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    return arguments


def load(name, *, dropped=(), keep_sensitive=False):
    """Load one task: "Adult / race", "Adult / sex" or "MEPS / race".

    Parameters
    ----------
    name : str
        The task.

    dropped : sequence of str, default=()
        Columns that are left out.

    keep_sensitive : bool, default=False
        Whether the sensitive column stays among the features.

    Returns
    -------
    train, test : tuples of (X, y, sensitive)
        Features as float32 arrays, class codes, values of the sensitive column.
    """
    if name.startswith("MEPS"):
        sets = [fetch_meps(subset=subset) for subset in ("train", "test")]
        column, positive = "RACE", 1
    else:
        sets = [fetch_adult(subset=subset) for subset in ("train", "test")]
        column, positive = name.split(" / ")[1], ">50K"
    tables = [s.data.drop(columns=list(dropped)) for s in sets]
    for X in tables:
        if "race" in X:
            X["race"] = np.where(X["race"] == "White", "White", "other")
    sensitive = [X[column].to_numpy() for X in tables]
    if not keep_sensitive:
        tables = [X.drop(columns=column) for X in tables]
    preprocessing = make_default_preprocessing().fit(tables[0])
    return tuple(
        (to_float32(preprocessing.transform(X)), (s.target == positive).to_numpy(int), g)
        for X, s, g in zip(tables, sets, sensitive)
    )


def make_net(n_features, n_classes=2, hidden=(128, 256, 512), **settings):
    """Make a network; by default, that of the debiasing papers."""
    settings = {"batch_size": 128, "max_epochs": 10} | settings
    return NeuralNetClassifier(
        MLP,
        module__n_features=n_features,
        module__n_classes=n_classes,
        module__hidden=hidden,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        **settings,
    )


def cell_codes(y, groups):
    """Make one number of the class and the group of each row."""
    codes = np.unique(groups, return_inverse=True)[1]
    return y * (codes.max() + 1) + codes


def resample(cells, seed):
    """Draw rows so that every class and group is as frequent."""
    rng, names = np.random.RandomState(seed), np.unique(cells)
    each = len(cells) // len(names)
    return np.concatenate([rng.choice(np.flatnonzero(cells == c), each) for c in names])


def peak_bytes():
    """Return the most memory that this process has ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT


def in_new_process(function, *arguments):
    """Run where nothing else has been allocated."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def ratios(seconds):
    """Tabulate times over those of the first contender, round by round.

    Parameters
    ----------
    seconds : dict of list of float
        Seconds per contender and round.

    Returns
    -------
    rows : list of dict
        One row per contender.
    """
    measure = np.array(next(iter(seconds.values())))
    rows = []
    for name, values in seconds.items():
        ratio = np.array(values) / measure
        figures = {"median": np.median, "least": np.min, "greatest": np.max}
        rows.append(
            {"what": name, **{k: round(float(f(ratio)), 2) for k, f in figures.items()}}
        )
    return rows


def summarize(name, draws):
    """Tabulate means and standard deviations of figures over draws, which are dicts."""
    return [
        {
            "what": f"{name}{figure}",
            "mean": round(float(np.mean([each[figure] for each in draws])), 3),
            "deviation": round(float(np.std([each[figure] for each in draws], ddof=1)), 3),
        }
        for figure in draws[0]
    ]


def read_runs(path):
    """Read the runs of earlier calls, of which there may be none."""
    exists = path is not None and Path(path).exists()
    return pd.read_csv(path).to_dict("records") if exists else []


def append_runs(runs, path):
    """Write runs below those of earlier calls, which need not be repeated then."""
    if path is not None:
        pd.DataFrame(runs).to_csv(
            path, mode="a", header=not Path(path).exists(), index=False
        )


def report(rows, csv):
    """Print the table, and write it if told where."""
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    if csv:
        table.to_csv(csv, index=False)
