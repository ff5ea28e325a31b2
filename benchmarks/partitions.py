"""A simulation of partitions: what each sends, and what merging them costs in precision.

No cluster is needed: the package's own functions, which workers run, are called here on one
partition after the other, and what they return is pickled and merged as on a cluster.
"""

import pickle
from dataclasses import replace
from time import perf_counter

import numpy as np
import pandas as pd
from _common import make_parser, parse_arguments, report
from cluster import make_partition
from xgboost import XGBClassifier

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade._path import Answers, Sketch
from sklearn_bade.cluster._features import (
    Answered,
    FeatureMaker,
    ask,
    condense,
    draw,
    summarise,
)
from sklearn_bade.cluster._learner import (
    MOST_ANSWERED,
    ROWS_OF_SUMMARY,
    SUMMARIES_AT_ONCE,
)
from sklearn_bade.cluster._reading import _count, _Encoder, _summarise, _tabulate
from sklearn_bade.cluster._rows import N_FOLDS, Keys, Pick, fold_starts
from sklearn_bade.cluster._values import ColumnCoder, Spread
from sklearn_bade.learners import TRIGGER_ROWS

# Rows that base, cells and teacher learn from, and rows made and asked about at once.
TAUGHT_ROWS, CHUNK = 50_000, 2**17
STRENGTHS = (-1.0, 1.0, 2.0, [1.5, 0.5])
# Of more partitions, counting says nothing new, and takes long in one process.
MOST_COUNTED = 1000
# Values of a feature that xgboost tells apart, and bytes of the two sums of each.
N_BINS, BYTES_OF_BIN = 256, 16


def teach(arguments):
    """Fit base and cells in memory, as all workers would have them."""
    rows = make_partition(2**20, TAUGHT_ROWS, arguments.features)
    classifier = XGBClassifier(
        n_estimators=arguments.trees, max_depth=arguments.depth, n_jobs=1
    )
    debiaser = BackdoorDebiasClassifier(
        classifier, sensitive_columns="group", random_state=0
    )
    return debiaser.fit(rows.drop(columns="y"), rows["y"]).student_


def ask_all(student, arguments):
    """Answer about all rows; return answers, keys, and a measurement that may be cut."""
    nothing = Pick(2)
    maker, models = FeatureMaker(["group", "y"]), (student.base, student.cells)
    asked, measured = [], []
    for i, start in enumerate(range(0, arguments.rows, CHUNK)):
        n_rows = min(CHUNK, arguments.rows - start)
        x = make_partition(i, n_rows, arguments.features)
        keys = Keys(x["y"].to_numpy(np.int16), x["group"].to_numpy(np.int8))
        asked.append(ask(x, keys, nothing, n_rows, maker, models))
        measured.append(x["x0"].to_numpy())
    answers = Answers.concatenate([each.answers for each in asked])
    y, groups = (
        np.concatenate([getattr(each.rows, name) for each in asked])
        for name in ("y", "groups")
    )
    return answers, Keys(y, groups), np.concatenate(measured)


def size(thing):
    """Count the bytes of what is sent."""
    return len(pickle.dumps(thing, protocol=pickle.HIGHEST_PROTOCOL))


def merge(points):
    """Summarise summaries as the workers do; return all bytes of them too."""
    n_bytes = 0
    while len(points) > 1:
        n_bytes += sum(map(size, points))
        points = [
            condense(points[i : i + SUMMARIES_AT_ONCE])
            for i in range(0, len(points), SUMMARIES_AT_ONCE)
        ]
    return points[0], n_bytes + size(points[0])


def share_missed(path, answers, n_rows):
    """Find the greatest error of the offset, and of the share of decisions it keeps.

    Both are compared with what one row after the other, without any sketch, says.
    """
    everybody = replace(path, sketch=Sketch(answers, np.ones(n_rows)))
    kept = path.decision.decide(answers.log_proba).mean()
    moved, missed = [], []
    for strength in STRENGTHS:
        offset = path.offset(strength, "keep")
        moved.append(np.abs(offset - everybody.offset(strength, "keep")).max())
        decided = path.decision.decide(path.logits(answers, strength) + offset)
        missed.append(abs(decided.mean() - kept))
    return max(moved), max(missed)


def put_together(pieces, n_rows):
    """Put pieces together until each has so many rows."""
    n_pieces = max(1, -(-n_rows // max(1, len(pieces[0]))))
    return [
        np.concatenate(pieces[i : i + n_pieces]) for i in range(0, len(pieces), n_pieces)
    ]


def sketch_of_partitions(student, answers, keys, n_partitions, order, together):
    """Summarise in so many partitions, merge, and compare with all rows at once.

    Answers of several partitions are summarised at once where each has fewer rows than
    `together`.
    """
    pieces = put_together(np.array_split(order, n_partitions), together)
    start = perf_counter()
    points = [summarise([Answered(answers.take(p), keys.take(p))]) for p in pieces]
    summarised = perf_counter()
    each = np.mean([size(p) for p in points])
    merged, n_bytes = merge(points)
    seconds = perf_counter() - summarised
    double = Answers(answers.log_proba.astype(float), answers.group_proba.astype(float))
    path = replace(student.path, sketch=merged.sketch())
    moved, missed = share_missed(path, double, len(order))
    return {
        "partitions": n_partitions,
        "points": len(merged.weights),
        "bytes each": round(each),
        "MB in all": round(n_bytes / 1e6, 2),
        "kB to the client": round(size(merged) / 1e3),
        "offset off by": float(f"{moved:.1e}"),
        "share off by": float(f"{missed:.1e}"),
        "s of summing up": round(summarised - start, 1),
        "s of merging": round(seconds, 2),
    }


def count_partitions(keys, measured, n_partitions, order):
    """Read and count partitions, check the sums, and return bytes of each."""
    tables = [
        (pd.DataFrame({"group": keys.groups[p]}), pd.Series(keys.y[p]))
        for p in np.array_split(order, n_partitions)
    ]
    parts = [(x, y, None, None, i) for i, (x, y) in enumerate(tables)]
    summaries = [_summarise(*part, ["group"]) for part in parts]
    coder = ColumnCoder.of([summary.spreads[0] for summary in summaries], None)
    classes = np.unique(keys.y)
    encoder = _Encoder(["group"], classes, [coder], 1.0)
    encoded = [encoder.encode(*part) for part in parts]
    counted = [_count(each) for each in encoded]
    counts, _ = _tabulate(counted, len(classes), np.arange(len(coder.values)))
    right = pd.crosstab(keys.y, keys.groups).to_numpy()
    folds, n_misdealt = deal_folds(encoded, counts)
    cuts = [measured[p] for p in np.array_split(order, n_partitions)]
    spreads = [Spread.of(pd.Series(values, name="x0")) for values in cuts]
    ends = ColumnCoder.of(spreads, 5).ends
    shares = np.searchsorted(np.sort(measured), ends[1:-1]) / len(measured)
    return {
        "partitions": n_partitions,
        "counts wrong": int(np.abs(counts.sum(axis=0)[:, :-1] - right).sum()),
        "folds wrong": n_misdealt,
        "folds differ by": int(np.abs(np.diff(folds, axis=0)).max()),
        "cuts off by": float(f"{np.abs(shares - np.arange(1, 5) / 5).max():.1e}"),
        "bytes of values": round(np.mean([size(each) for each in summaries])),
        "of numbers": round(np.mean([size(each) for each in spreads])),
        "of counts": round(np.mean([size(each) for each in counted])),
    }


def deal_folds(keys, counts):
    """Deal the rows of all partitions to folds.

    Return each fold's rows of each cell, and in how many partitions there are more or fewer
    than the client has counted on.
    """
    n_groups, starts, n_misdealt = counts.shape[2] - 1, fold_starts(counts), 0
    sizes = np.zeros((N_FOLDS, counts[0].size), dtype=int)
    for fold in range(N_FOLDS):
        for i, each in enumerate(keys):
            pick = Pick(n_groups, asked=fold, starts=starts[i], seed=(0, i))
            cells = each.take(pick.positions(each)).cells(n_groups)
            sizes[fold] += np.bincount(cells, minlength=counts[0].size)
            n_misdealt += int(pick.count(counts[i]).sum() != len(cells))
    return sizes, n_misdealt


def histogram_bytes(trees, depth, features):
    """Compute what xgboost adds up over all workers in a training, on each of them.

    Of two children the smaller is counted, and the other is what is left of the parent.
    """
    counted = 1 + sum(2**level // 2 for level in range(1, depth))
    return trees * counted * features * N_BINS * BYTES_OF_BIN


def tabulate_plan(student, answers, keys, counted, arguments):
    """Say what crosses the network for so many partitions and workers."""
    n, workers = arguments.planned_partitions, arguments.planned_workers
    n_taught = max(1, 2 * TRIGGER_ROWS // n)
    x = make_partition(0, n_taught, arguments.features)
    few = Keys(x["y"].to_numpy(np.int16), x["group"].to_numpy(np.int8))
    maker = FeatureMaker(["group", "y"])
    piece = draw(x, few, [n_taught, n_taught], (0, 0, 0), maker)
    rows = np.arange(max(1, MOST_ANSWERED // n))
    answered = Answered(answers.take(rows), keys.take(rows))
    sums = answered.signal_sums(np.full((2, 2), 0.5))
    path = replace(student.path, sketch=None)
    decided = answered.count_decisions(path, 1.0, np.zeros(2))
    training = histogram_bytes(arguments.trees, arguments.depth, arguments.features)
    sent = {
        "labels and groups": (counted["bytes of values"], n, "workers to client"),
        "or quantiles of a number": (counted["of numbers"], n, "workers to client"),
        "counts of cells": (counted["of counts"], n, "workers to client"),
        "sums of what features say of groups": (size(sums), n, "workers to client"),
        "counts of decisions": (size(decided), n, "workers to client"),
        "pieces of the teacher's sample": (size(piece), n, "workers to one worker"),
        "summaries": (size(answered.points()), n, "between workers"),
        "base and cells": (size((student.base, student.cells)), workers, "to workers"),
        "histograms of four trainings": (4 * training, workers, "computed, not measured"),
    }
    return [
        {"what": what, "bytes": each, "times": times, "MB": each * times / 1e6, "way": way}
        for what, (each, times, way) in sent.items()
    ]


def add_sizes(parser):
    """Add the sizes to what all benchmarks understand."""
    parser.add_argument("--rows", type=int, default=MOST_ANSWERED)
    parser.add_argument("--features", type=int, default=30)
    parser.add_argument("--trees", type=int, default=50)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--partitions", type=int, nargs="+", default=(1, 100, 1000, 10_000))
    parser.add_argument(
        "--together",
        type=int,
        default=ROWS_OF_SUMMARY,
        help="rows at least that are summed up at once; 0 for those of one partition",
    )
    parser.add_argument("--planned-partitions", type=int, default=1000)
    parser.add_argument("--planned-workers", type=int, default=20)
    return parser


def main():
    """Merge partitions, of rows in random order and of rows that are sorted."""
    arguments = parse_arguments(add_sizes(make_parser(__doc__)))
    student = teach(arguments)
    answers, keys, measured = ask_all(student, arguments)
    margins = answers.log_proba[:, 1] - answers.log_proba[:, 0]
    orders = {"random": np.arange(len(keys)), "sorted": np.argsort(margins)}
    rows = []
    for name, order in orders.items():
        for n in arguments.partitions:
            sketched = sketch_of_partitions(
                student, answers, keys, n, order, arguments.together
            )
            rows.append({"rows in order": name} | sketched)
            print(f"  {rows[-1]}", flush=True)
    counted = [
        {"rows in order": name} | count_partitions(keys, measured, n, order)
        for name, order in orders.items()
        for n in sorted({min(n, MOST_COUNTED) for n in arguments.partitions})
    ]
    print(pd.DataFrame(counted).to_string(index=False))
    plan = tabulate_plan(student, answers, keys, counted[-1], arguments)
    print(pd.DataFrame(plan).round(2).to_string(index=False))
    report(rows, arguments.csv)


if __name__ == "__main__":
    main()
