"""Students of every strength that are not on a line, and the offsets of a path.

A path answers `prepare(X)`, which computes what all strengths share, and
`logits(prepared, strength)`, of shape (n_samples, n_classes) and without offset.
"""

import numpy as np

from .._reversal import base_rate_offset, resolve_class_rates
from ..rows import take_rows

# Rows that offsets are found on: the mean of a probability is then known to .005.
OFFSET_ROWS = 10_000


class SeparateStudents:
    """A student for each strength, for classifiers and rows that have no linear path.

    Where fewer strengths are given to train at, in ascending order, the
    log-probabilities of those between are interpolated. A student is distilled without
    offset, which is added to its logits: the base rates of a strength share one student.
    That of strength 0 finds out how long to train, where that is left open.
    """

    def __init__(self, learner, views, distillation, *, seed, trained_strengths=None):
        self.learner = learner
        self.views = views
        self.distillation = distillation
        self.seed = seed
        self.trained_strengths = trained_strengths
        self.students = {}
        self.has_settled_length = False

    def prepare(self, X):
        """Make room for what each student says of the rows, so that it is asked once."""
        return X, {}

    def logits(self, prepared, strength):
        """Ask the student of a strength, or the two that it lies between."""
        if self.trained_strengths is None:
            return self._ask(prepared, strength)
        position = np.searchsorted(self.trained_strengths, strength)
        above = self.trained_strengths[position]
        if strength == above:
            return self._ask(prepared, strength)
        below = self.trained_strengths[position - 1]
        share = (strength - below) / (above - below)
        lower, upper = (self._ask(prepared, each) for each in (below, above))
        return (1 - share) * lower + share * upper

    def _ask(self, prepared, strength):
        """Ask the student of one strength, unless it has spoken of these rows."""
        X, recent = prepared
        return _remember(
            recent, strength, lambda: self.learner.log_proba(self._student(strength), X)
        )

    def _student(self, strength):
        """Train the student of one strength, unless that was done just now."""
        if not self.has_settled_length:
            self.has_settled_length = True
            self.learner = self.learner.with_settled_length(lambda: self._student(0.0))
        return _remember(self.students, strength, lambda: self._train(strength))

    def _train(self, strength):
        return self.learner.distil(
            self.views.logits(strength),
            self.distillation,
            teacher=None,
            seed=self.seed,
            on_epoch=lambda stage: None,
        )


def _remember(recent, key, make):
    """Look a value up or make it, and keep two: between two students lie the others."""
    if key not in recent:
        if len(recent) == 2:
            del recent[next(iter(recent))]
        recent[key] = make()
    return recent[key]


class OffsetFinder:
    """Find the offsets that hold base rates, on a draw of the training rows."""

    def __init__(self, path, rows, seed):
        drawn = np.random.RandomState(seed).permutation(len(rows))[:OFFSET_ROWS]
        drawn = np.sort(drawn)
        self.path = path
        self.rows = rows
        self.prepared = path.prepare(take_rows(rows.X, drawn))
        self.weights = None if rows.weights is None else rows.weights[drawn]

    def __call__(self, trigger_strength, base_rate):
        """Return what to add to the logits of each class, or 0.0 to let rates drift."""
        rows = self.rows
        rates = resolve_class_rates(base_rate, rows.y, rows.n_classes, rows.weights)
        if rates is None:
            return 0.0
        logits = self.path.logits(self.prepared, trigger_strength)
        return base_rate_offset(logits, rates, self.weights)
