"""A network and its predictions from Parquet to Parquet: time and memory as rows grow."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import torch
from _common import (
    in_new_process,
    make_net,
    make_parser,
    parse_arguments,
    peak_bytes,
    report,
)
from sklearn.compose import make_column_selector as columns
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.metrics import average_absolute_odds_difference
from sklearn_bade.scale import predict_parquet

ROWS_PER_FILE, ROWS_PER_GROUP = 1_000_000, 100_000
# 26 measurements, age, occupation, sex and the label: thirty columns.
N_MEASURED, JOBS, N_COLUMNS = 26, ["clerk", "cook", "driver", "nurse", "smith"], 30
# Of float64, as pandas would hold numbers.
BYTES_PER_VALUE = 8
JUDGED_ROWS = 200_000


def make_rows(n_rows, seed):
    """Generate rows of two groups, one of which is recorded too low."""
    rng = np.random.default_rng(seed)
    sex = rng.integers(2, size=n_rows)
    table = {f"x{i}": rng.standard_normal(n_rows) for i in range(N_MEASURED)}
    for i in range(3):
        table[f"x{i}"] += 0.8 * sex
    table["age"] = rng.integers(18, 90, size=n_rows)
    table["job"] = np.array(JOBS)[rng.integers(len(JOBS), size=n_rows)]
    score = table["x0"] + table["x3"] + 0.8 * sex + rng.logistic(size=n_rows)
    table["sex"] = np.array(["female", "male"])[sex]
    table["label"] = np.where(score > 1, "yes", "no")
    return pa.table(table)


def write(folder, n_rows):
    """Write files of a million rows."""
    folder.mkdir()
    for i, start in enumerate(range(0, n_rows, ROWS_PER_FILE)):
        table = make_rows(min(ROWS_PER_FILE, n_rows - start), i)
        path = folder / f"part-{i:04d}.parquet"
        pq.write_table(table, path, row_group_size=ROWS_PER_GROUP)


def make_debiaser(student):
    """Make a pipeline that ends in a small network, which passes over the rows once."""
    steps = make_column_transformer(
        (StandardScaler(), columns(dtype_include="number")),
        (OneHotEncoder(), columns(dtype_exclude="number")),
        sparse_threshold=0,
    )
    n_features = N_MEASURED + 1 + len(JOBS)
    net = make_net(n_features, hidden=(32,), batch_size=4096, max_epochs=1)
    return BackdoorDebiasClassifier(
        make_pipeline(steps, net), sensitive_columns="sex", student=student, random_state=0
    )


def measure(folder, student, threads):
    """Fit and predict where nothing else is in memory, beside what libraries allocate."""
    torch.set_num_threads(threads)
    make_debiaser(student).fit(ds.InMemoryDataset(make_rows(5000, 10**6 + 1)), "label")
    before = peak_bytes()
    rows = ds.dataset(folder / "rows", format="parquet")
    start = time.perf_counter()
    debiaser = make_debiaser(student).fit(rows, "label")
    fitted, peak = time.perf_counter(), peak_bytes()
    predict_parquet(debiaser, rows, folder / f"predicted-{student}", keep=["label"])
    predicted = time.perf_counter()
    test = make_rows(JUDGED_ROWS, 10**6).to_pandas()
    decided = debiaser.predict(test.drop(columns="label"))
    size = rows.count_rows() * N_COLUMNS * BYTES_PER_VALUE
    return {
        "rows": rows.count_rows(),
        "student": student,
        "fit, s": fitted - start,
        "fit, MiB": (peak - before) / 2**20,
        "of the data": (peak - before) / size,
        "predict, s": predicted - fitted,
        "both, MiB": (peak_bytes() - before) / 2**20,
        "accuracy": np.mean(decided == test["label"]),
        "average odds": average_absolute_odds_difference(
            test["label"], decided, sensitive_features=test["sex"]
        ),
    }


def main():
    """Measure some sizes."""
    parser = make_parser(__doc__)
    parser.add_argument("--rows", type=float, nargs="+", default=[1e6, 2e6])
    parser.add_argument("--students", nargs="+", default=["path", "single"])
    arguments = parse_arguments(parser)
    results = []
    for n_rows in arguments.rows:
        with TemporaryDirectory() as folder:
            # A process begins with the peak of the one that has started it.
            in_new_process(write, Path(folder) / "rows", int(n_rows))
            for student in arguments.students:
                results.append(
                    in_new_process(measure, Path(folder), student, arguments.threads)
                )
    report(results, arguments.csv)


if __name__ == "__main__":
    main()
