"""A fit on a Dask cluster of two workers, beside one in memory on a tenth of the rows."""

import time
from pathlib import Path

import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster
from xgboost import XGBClassifier
from xgboost.dask import DaskXGBClassifier

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.metrics import average_absolute_odds_difference

N_PROXIES, N_MERITS = 4, 6
# What a worker of the two may hold; the question is whether the fit stays below.
MEMORY_LIMIT = "1.5GB"
STRENGTHS = {"0": 0.0, "1": 1.0, "per class": [1.5, 0.5]}


def make_partition(index, n_rows, n_features):
    """Generate rows of two groups, one of which is recorded too low, by their number."""
    rng = np.random.default_rng([7, index])
    X = rng.standard_normal((n_rows, n_features), dtype=np.float32)
    group = rng.integers(2, size=n_rows)
    merit = rng.standard_normal(n_rows, dtype=np.float32)
    X[:, :N_PROXIES] += 0.8 * group[:, None].astype(np.float32)
    X[:, N_PROXIES : N_PROXIES + N_MERITS] += merit[:, None]
    deserves = merit + 0.5 * rng.standard_normal(n_rows) > 0
    y = deserves & ~((group == 1) & (rng.random(n_rows) < 0.4))
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(n_features)], copy=False)
    return frame.assign(group=group.astype(np.int8), y=y.astype(np.int8))


def make_rows(n_rows, n_features, rows_per_partition):
    """Plan all rows, which workers generate whenever they need them."""
    n_partitions = -(-n_rows // rows_per_partition)
    return dd.from_map(
        make_partition,
        range(n_partitions),
        n_rows=rows_per_partition,
        n_features=n_features,
        meta=make_partition(0, 2, n_features)[:0],
        enforce_metadata=False,
    )


def fit(estimator, X, y):
    """Fit a debiaser, and measure the time."""
    debiaser = BackdoorDebiasClassifier(
        estimator, sensitive_columns="group", random_state=0
    )
    start = time.perf_counter()
    debiaser.fit(X, y)
    return debiaser, time.perf_counter() - start


def judge(what, debiaser, test):
    """Tabulate accuracy and average odds of some strengths on new rows."""
    rows = []
    X, y, groups = test.drop(columns=["group", "y"]), test["y"], test["group"]
    for name, strength in STRENGTHS.items():
        predicted = debiaser.with_strength(strength).predict(X)
        odds = average_absolute_odds_difference(y, predicted, sensitive_features=groups)
        accuracy = np.mean(predicted == y)
        rows.append(
            {"what": f"{what}, strength {name}", "accuracy": accuracy, "odds": odds}
        )
    return rows


def peak_mebibytes():
    """Read the most memory that a process has held since it began, where Linux says so.

    What getrusage says is that of the parent, where this was larger.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def add_sizes(parser):
    """Add the sizes to what all benchmarks understand."""
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=30)
    parser.add_argument("--rows-per-partition", type=int, default=50_000)
    parser.add_argument("--trees", type=int, default=50)
    parser.add_argument("--depth", type=int, default=6)
    return parser


def main():
    """Fit both, and print what they took and what they are worth."""
    # Workers import this file too; torch would fill a sixth of their memory.
    from _common import make_parser, parse_arguments, report

    arguments = parse_arguments(add_sizes(make_parser(__doc__)))
    sizes = arguments.features, arguments.rows_per_partition
    settings = {"n_estimators": arguments.trees, "max_depth": arguments.depth}
    rows = make_rows(arguments.rows, *sizes)
    test = pd.concat(
        make_partition(2**20 + i, 100_000, arguments.features) for i in range(3)
    )
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, memory_limit=MEMORY_LIMIT, dashboard_address=None
    )
    with cluster, Client(cluster) as client:
        debiaser, seconds = fit(DaskXGBClassifier(**settings), rows, "y")
        peaks = list(client.run(peak_mebibytes).values())
        tenth = dd.from_map(
            make_partition,
            range(max(1, rows.npartitions // 10)),
            n_rows=arguments.rows_per_partition,
            n_features=arguments.features,
        ).compute()
    print(f"cluster: {seconds:.0f} s, peaks of the workers {peaks} MiB")
    in_memory, seconds = fit(XGBClassifier(**settings), tenth.drop(columns="y"), tenth["y"])
    print(f"in memory, {len(tenth)} rows: {seconds:.0f} s")
    table = judge("cluster", debiaser, test) + judge("in memory", in_memory, test)
    report([{**row, "odds": round(row["odds"], 4)} for row in table], arguments.csv)


if __name__ == "__main__":
    main()
