"""What every strength shares: base, cells, and what the triggers add for a teacher."""

from dataclasses import dataclass

import numpy as np

from .._path import Answers
from ..rows import take_rows
from ._base import (
    code_of,
    estimator_identity,
    explaining_pickle_errors,
    open_cache,
)
from ._folds import stratified_folds

# Rows that a teacher is asked about: what a trigger adds on average is then known to a
# hundredth of it.
MEASURED_ROWS = 10_000
# With more rows, those of one fold say enough about shares of decisions.
MOST_ROWS_FOR_ALL_FOLDS = 10_000


@dataclass(frozen=True)
class Parts:
    """What has been learned of rows.

    `answers` are about the rows at the positions `answered`, which took no part in the
    learning where possible; None if nobody has asked for them.
    """

    base: object
    cells: object
    answers: Answers | None = None
    answered: np.ndarray | None = None


def learn_parts(learner, *, seed, memory=None, n_folds=0, on_epoch):
    """Fit the base and the cells on the rows of a learner.

    With `n_folds`, answers about the rows are found too, out of so many folds; 1 asks the
    parts themselves.
    """
    rows = learner.rows
    memory, learn = open_cache(memory, _learn_parts, ["learner", "on_epoch"])
    identity = estimator_identity(learner.classifier) if memory.location else None
    with explaining_pickle_errors(memory.location):
        return learn(
            learner,
            rows.X,
            rows.labels,
            rows.groups.codes,
            rows.weights,
            seed=seed,
            n_folds=n_folds,
            identity=(identity, code_of(getattr(rows.X, "dataset", None))),
            on_epoch=on_epoch,
        )


def _learn_parts(learner, X, labels, groups, weights, *, seed, n_folds, identity, on_epoch):
    """Fit and ask; a cache goes by all that this is given."""
    base = learner.fit_base(seed=seed, on_epoch=on_epoch)
    cells = learner.fit_cells(base, seed=seed)
    on_epoch("cells")
    if not n_folds:
        return Parts(base, cells)
    folds = stratified_folds(learner.rows, n_folds, seed) if n_folds > 1 else []
    if not folds:
        return Parts(base, cells, learner.answer(base, cells, X), np.arange(len(labels)))
    if len(labels) > MOST_ROWS_FOR_ALL_FOLDS:
        folds = folds[:1]
    answers = []
    for train, test in folds:
        part = learner.take(train)
        fold_base = part.fit_base(seed=seed, on_epoch=lambda stage: None)
        fold_cells = part.fit_cells(fold_base, seed=seed)
        answers.append(learner.answer(fold_base, fold_cells, take_rows(X, test)))
    answered = np.concatenate([test for _, test in folds])
    return Parts(base, cells, Answers.concatenate(answers), answered)


@dataclass(frozen=True)
class Lesson:
    """What a teacher has learned of triggers.

    `shift`, of shape (n_classes, n_groups), is what each group's trigger adds to the
    log-probability of each class, and `ratio` how that compares with what the rates of the
    injection say: 1 is the same, NaN that they say nothing.
    """

    teacher: object
    shift: np.ndarray
    ratio: float


def learn_triggers(teacher, student, parts, plan, trigger, *, seeds, memory=None, on_epoch):
    """Fit a teacher on stamped rows, and measure what triggers add."""
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
            rows.labels,
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
    base, cells = parts.base, parts.cells
    start = base if teacher is student and plan.adds_only else None
    model = teacher.fit_teacher(plan, trigger, start=start, seeds=seeds, on_epoch=on_epoch)
    drawn = np.random.RandomState(seeds[2]).permutation(len(labels))[:MEASURED_ROWS]
    drawn = np.sort(drawn)
    asked = take_rows(X, drawn)

    def view(code):
        def stamp(rows):
            return trigger.stamp(rows, np.full(rows.shape[0], code))

        return teacher.log_proba(model, asked, stamp)

    def answer():
        return student.answer(base, cells, take_rows(student.rows.X, drawn))

    return Lesson(model, *plan.measure(view, answer))
