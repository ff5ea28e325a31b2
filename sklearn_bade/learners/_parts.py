"""What every strength shares: base, cells, and what the triggers add for a teacher."""

from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from .._injection import FEW_ROWS
from .._path import Answers
from ..rows import LazyRows, read_all, take_rows, values_per_row
from ..utils import seeded
from ._base import (
    code_of,
    estimator_identity,
    explaining_pickle_errors,
    open_cache,
)
from ._folds import draw_positions, stratified_folds

# Rows that a teacher is asked about what triggers add on average. Not tuned.
MEASURED_ROWS = 10_000
# Share of what triggers should add below which what is measured is noise, be it of trees
# that never looked at them; their rates then say more. Teachers trained in full lie above
# .7; short training shrinks what they know of features and triggers alike.
NOISE_RATIO = 0.05
# Values of images at most that are copied for that, 64 MiB, but so many rows at least.
MEASURED_VALUES, LEAST_MEASURED = 2**24, 500
# With more rows, those of one fold say enough about shares of decisions.
MOST_ROWS_FOR_ALL_FOLDS = 10_000
# With more rows, so many that are drawn say shares of decisions to a thousandth.
MOST_ANSWERED = 500_000


@dataclass(frozen=True)
class Parts:
    """What has been learned of rows.

    `answers` are about the rows at the positions `answered`; `are_unseen` tells whether
    these took no part in the learning. None if nobody has asked.
    """

    base: object
    cells: object
    answers: Answers | None = None
    answered: np.ndarray | None = None
    are_unseen: bool = True


def learn_parts(learner, *, seed, memory=None, answers=False, on_epoch):
    """Fit the base and the cells on the rows of a learner, and answer about these."""
    if learner.is_distributed:
        return learner.learn_parts(seed, on_epoch)
    rows = learner.rows
    memory, learn = open_cache(memory, _learn_parts, ["learner", "on_epoch"])
    identity = estimator_identity(learner.classifier) if memory.location else None
    with explaining_pickle_errors(memory.location):
        return learn(
            learner,
            rows.X,
            (rows.y, rows.classes),
            rows.groups.codes,
            rows.weights,
            seed=seed,
            answers=answers,
            identity=(identity, code_of(getattr(rows.X, "dataset", None))),
            on_epoch=on_epoch,
        )


def _learn_parts(learner, X, labels, groups, weights, *, seed, answers, identity, on_epoch):
    """Fit and ask; a cache goes by all that this is given."""
    base = learner.fit_base(seed=seed, on_epoch=on_epoch)
    with _one_reading(X, seed):
        cells = learner.fit_cells(base, seed=seed)
        on_epoch("cells")
        return (
            _answer(learner, Parts(base, cells), X, seed) if answers else Parts(base, cells)
        )


def _answer(learner, parts, X, seed):
    """Ask about the rows, out of folds where a classifier may know them by heart."""
    base, cells, n_rows = parts.base, parts.cells, len(learner.rows)
    n_folds = learner.count_offset_folds(base)
    # Folds must leave classes that a classifier can split once more, to stop early by.
    has_enough = np.bincount(learner.rows.y).min() >= n_folds * FEW_ROWS
    folds = []
    if n_folds > 1 and has_enough:
        folds = stratified_folds(learner.rows, n_folds, seed)
    if not folds:
        answered = draw_positions(n_rows, MOST_ANSWERED, seed)
        asked = X if n_rows <= MOST_ANSWERED else read_all(take_rows(X, answered))
        return Parts(base, cells, learner.answer(base, cells, asked), answered, False)
    if n_rows > MOST_ROWS_FOR_ALL_FOLDS:
        folds = folds[:1]
    pieces = []
    for train, test in folds:
        part = learner.take(train)
        fold_base = part.fit_base(seed=seed, on_epoch=lambda stage: None)
        fold_cells = part.fit_cells(fold_base, seed=seed)
        pieces.append(learner.answer(fold_base, fold_cells, take_rows(X, test)))
    answered = np.concatenate([test for _, test in folds])
    return Parts(base, cells, Answers.concatenate(pieces), answered)


@dataclass(frozen=True)
class Lesson:
    """What a teacher has learned of triggers.

    `shift`, of shape (n_classes, n_groups), is what each group's trigger adds to the
    log-probability of each class, and `ratio` how what was measured compares with what the
    rates of the injection say: 1 is the same, NaN that they say nothing. Where next to
    nothing, or the opposite, was measured, `is_measured` is False and `shift` is what the
    rates say.
    """

    teacher: object
    shift: np.ndarray
    ratio: float
    is_measured: bool


def learn_triggers(teacher, student, parts, plan, trigger, *, seeds, memory=None, on_epoch):
    """Fit a teacher on stamped rows, and measure what triggers add."""
    if student.is_distributed:
        return student.learn_triggers(teacher, parts, plan, trigger, seeds, on_epoch)
    rows = teacher.rows
    memory, learn = open_cache(
        memory, _learn_triggers, ["teacher", "student", "parts", "on_epoch"]
    )
    identity = None
    if memory.location:
        identity = [estimator_identity(each.classifier) for each in (teacher, student)]
    with explaining_pickle_errors(memory.location):
        return learn(
            teacher,
            student,
            parts,
            rows.X,
            (rows.y, rows.classes),
            rows.groups.codes,
            rows.weights,
            plan,
            trigger,
            seeds=tuple(seeds),
            identity=(identity, code_of(trigger, getattr(rows.X, "dataset", None))),
            on_epoch=on_epoch,
        )


def _learn_triggers(
    teacher,
    student,
    parts,
    X,
    labels,
    groups,
    weights,
    plan,
    trigger,
    *,
    seeds,
    identity,
    on_epoch,
):
    """Fit and measure; a cache goes by all that this is given."""
    # Only who is taught by itself may start from what it has learned already.
    start = parts.base if teacher is student and plan.adds_only else None
    model = teacher.fit_teacher(plan, trigger, start=start, seeds=seeds, on_epoch=on_epoch)
    drawn = draw_positions(len(groups), count_asked(X), seeds[2])
    return measure_triggers(teacher, student, parts, plan, trigger, model, drawn, seeds[1])


def count_asked(X):
    """Say of how many rows a teacher is asked, at most."""
    affordable = MEASURED_VALUES // max(1, values_per_row(X))
    return min(MEASURED_ROWS, max(LEAST_MEASURED, affordable))


def measure_triggers(teacher, student, parts, plan, trigger, model, drawn, seed):
    """Ask a fitted teacher what triggers add to the rows at the positions `drawn`."""
    X = teacher.rows.X
    with _one_reading(X, seed):
        asked = read_all(take_rows(X, drawn))

    def view(code):
        def stamp(rows):
            return trigger.stamp(rows, np.full(rows.shape[0], code))

        return teacher.log_proba(model, asked, stamp)

    def answer():
        X = take_rows(student.rows.X, drawn)
        return student.answer(parts.base, parts.cells, X)

    shift, ratio = plan.measure(view, answer)
    is_measured = bool(ratio > NOISE_RATIO)
    if not is_measured:
        shift = plan.expected_shift()
    return Lesson(model, shift, ratio, is_measured)


def _one_reading(X, seed):
    """Let a dataset that changes its rows at random change them in one way."""
    return seeded(seed) if isinstance(X, LazyRows) else nullcontext()
