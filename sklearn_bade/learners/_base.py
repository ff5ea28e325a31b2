"""What teacher and student have in common, whichever kind of classifier they are."""

import os
from abc import ABCMeta, abstractmethod
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from pickle import PicklingError

import numpy as np
from scipy.special import softmax
from sklearn.utils.validation import check_memory

from .._outcomes import count_codes
from .._path import Sketch
from .._reversal import Views
from .._widening import Decisions
from ..exceptions import VanishedClassWarning
from ..preprocessing import join_pipeline
from ..rows import LazyRows, StoredRows, compute_rows, read_all, row_slices
from ..utils import seeded, warn_user
from ._cache_key import code_of, estimator_identity
from ._folds import draw_positions
from ._group_model import PROBED_ROWS, cell_signal, find_memberships, group_signal

# A classifier is looked at on so many rows, and a class only if it has some of these.
JUDGED_ROWS, LEAST_ROWS_OF_CLASS = 10_000, 500
# Predictions of a class, for each row of it, below which it has vanished. Not tuned.
VANISHED_SHARE = 0.01


@dataclass(frozen=True)
class Distillation:
    """What a user says of the fifth step; :meth:`Learner.settle` fills what is open."""

    student_init: str = "auto"
    student_epochs: int | None = None
    temperature: float = 1.0
    hard_label_weight: float = 0.0
    averages: bool = True

    def settled(self, student_init, epochs):
        """Decide what was left open; `epochs` hold where the user gave none."""
        epochs = epochs if self.student_epochs is None else self.student_epochs
        return replace(self, student_init=student_init, student_epochs=epochs)


class Learner(metaclass=ABCMeta):
    """A classifier behind its preprocessing, with the rows that it learns from.

    The classifier is unfitted and left unchanged, the preprocessing fitted or None, and
    the X of `rows` what the preprocessing has made.
    """

    is_distributed = False  # whether rows lie on a cluster

    def __init__(self, classifier, preprocessing, rows):
        self.classifier = classifier
        self.preprocessing = preprocessing
        self.rows = rows.with_features(self.to_input(rows.X))

    @staticmethod
    @abstractmethod
    def to_input(X):
        """Cast features to what the classifier takes."""

    @property
    @abstractmethod
    def epochs(self):
        """Units of progress of training the classifier."""

    def teacher_epochs(self, trigger, *, starts_from_base):
        """Count the units of progress of training a teacher."""
        return self.epochs

    @abstractmethod
    def check_weights(self):
        """Refuse weights of rows where the classifier would not see them."""

    @abstractmethod
    def settle(self, distillation, trigger, *, teaches_itself):
        """Check the settings of the fifth step, and fill what the user left open."""

    @abstractmethod
    def fit_teacher(self, plan, trigger, *, start=None, seeds, on_epoch):
        """Fit the classifier on rows with triggers, and true labels.

        It may start from a fitted plain one, or learn at least as long as that.
        """

    @abstractmethod
    def _fit_student(self, targets, distillation, *, teacher, seed, on_epoch):
        """Fit the classifier on plain rows, and soft targets."""

    @abstractmethod
    def log_proba(self, model, X, stamp=None):
        """Compute log-probabilities, of stamped rows where `stamp` is given."""

    @abstractmethod
    def fit_base(self, *, seed, on_epoch):
        """Fit the classifier as it is on the labels."""

    @abstractmethod
    def fit_cells(self, base, *, seed):
        """Fit what says how likely each group is, given the features and the class."""

    @staticmethod
    @abstractmethod
    def answer(base, cells, X):
        """Ask base and cells about features, see :class:`~sklearn_bade._path.Answers`."""

    @property
    def kind(self):
        """What a row is to the classifier."""
        return self.rows.kind

    def fit_trigger(self, trigger):
        """Fit a trigger that the classifier shall be shown as a teacher."""
        X = self.rows.X
        if isinstance(X, StoredRows):  # some rows show what values columns have
            X = read_all(X.take(draw_positions(len(X), JUDGED_ROWS, 0)))
        trigger.fit(X, len(self.rows.groups))

    def forest_features(self):
        """Make of the rows what a forest can tell groups by."""
        return self.rows.X

    def plain_log_proba(self, base, answers, X):
        """Answer as the classifier would by itself: as the base has."""
        return answers.log_proba

    def count_offset_folds(self, base):
        """Count the folds that offsets are found out of; 1 for the learner's own rows."""
        return 1

    def answered_rows(self, parts):
        """Select the rows that the answers are about; their features are not asked for."""
        return self.rows.without_features().take(parts.answered)

    def sketch(self, parts, answered):
        """Summarise the answers about rows."""
        return Sketch.of(parts.answers, answered.weights)

    def count_decisions(self, parts, answered, path, strength, offset):
        """Count what is decided of the answers about rows."""
        logits = path.logits(parts.answers, strength) + offset
        predicted = path.decision.decide(logits)
        codes = answered.y, answered.groups.codes
        return Decisions.count(predicted, *codes, *path.shift.shape, answered.weights)

    @property
    def kind_in_memory(self):
        """The kind of learner that a fitted student asks."""
        return type(self)

    def group_signal(self, parts=None, answered=None):
        """Measure what the features say of the group.

        The cells tell it for nothing, where their answers are about rows (`answered`) that
        they have not seen, or too many to know by heart. Else a forest has to learn it.
        """
        rows = self.rows
        if parts is not None and (parts.are_unseen or len(rows) > PROBED_ROWS):
            return cell_signal(parts.answers, answered)
        return group_signal(self.forest_features(), rows.groups.codes)

    def take(self, positions):
        """Return a learner of some of the rows."""
        part = copy(self)
        part.rows = self.rows.take(positions)
        return part

    def transform(self, X):
        """Make the classifier's input from raw rows without sensitive columns."""
        if self.preprocessing is not None:
            X = self.preprocessing.transform(read_all(X))
        return self.to_input(X)

    def join(self, model):
        """Put a fitted classifier behind the preprocessing, where there is any."""
        if self.preprocessing is None:
            return model
        return join_pipeline(self.preprocessing, self.to_input, model)

    def teach(self, plan, trigger, *, seeds, memory=None, on_epoch):
        """Fit a teacher on stamped rows, and ask it about every row under every trigger.

        Nothing here depends on the trigger strength, so the result can be cached and
        serve a whole grid of strengths. `seeds` are those of the triggers, of the training
        and of what follows; `on_epoch` is called with the name of the stage.

        Returns
        -------
        model : estimator object
            Fitted classifier that takes stamped rows.

        views : Views
            What it says of each row.
        """
        memory, learn = open_cache(memory, _learn, ["learner", "on_epoch"])
        rows, groups = self.rows, self.rows.groups
        memberships = find_memberships(self.forest_features(), groups, seeds[0])
        with explaining_pickle_errors(memory.location):
            model, base, shift = learn(
                self,
                rows.X,
                rows.y,
                groups.codes,
                memberships,
                plan,
                trigger,
                seeds=tuple(seeds[:2]),
                weights=rows.weights,
                identity=self._identity(trigger) if memory.location else None,
                on_epoch=on_epoch,
            )
        return model, Views(base, shift, rows.y, memberships, rows.weights)

    def fit_control(self, *, seed, on_epoch):
        """Fit the classifier on the labels, as it would be without any debiasing."""
        classes = np.eye(self.rows.n_classes, dtype=np.float32)
        targets = compute_rows(
            self.rows.X,
            len(classes),
            classes.dtype,
            "targets",
            lambda part: classes[self.rows.y[part]],
        )
        control = Distillation(
            "scratch", self.epochs, hard_label_weight=1.0, averages=False
        )
        return self._fit_student(
            targets, control, teacher=None, seed=seed, on_epoch=on_epoch
        )

    def warn_of_vanished_classes(self, model, decision):
        """Warn where a classifier hardly ever predicts a class that it was trained on."""
        rows = self.rows
        seen = rows.take(draw_positions(len(rows), JUDGED_ROWS, 0))
        warn_of_vanished_classes(seen, decision.decide(self.log_proba(model, seen.X)))

    def _identity(self, trigger):
        """Collect what a cache knows the training by, beside the data."""
        dataset = getattr(self.rows.X, "dataset", None)
        return estimator_identity(self.classifier), code_of(trigger, dataset)

    def distil(self, log_targets, distillation, *, teacher, seed, on_epoch):
        """Fit a fresh classifier, without triggers, on soft targets.

        `log_targets`, of shape (n_samples, n_classes), are their logarithms up to a
        constant per row; `distillation` is settled; a student may start from the weights
        of the fitted `teacher`.
        """

        def compute(part):
            return softmax(log_targets[part] / distillation.temperature, axis=1)

        n_classes = log_targets.shape[1]
        targets = compute_rows(
            log_targets, n_classes, log_targets.dtype, "targets", compute
        )
        return self._fit_student(
            targets, distillation, teacher=teacher, seed=seed, on_epoch=on_epoch
        )


def warn_of_vanished_classes(rows, predicted):
    """Warn where predicted codes hardly ever name a class that rows belong to."""
    warn_of_vanished_counts(*count_codes(rows.y, predicted, rows.n_classes), rows.classes)


def warn_of_vanished_counts(n_rows, n_predicted, classes):
    """Warn where a class is hardly ever predicted that rows belong to."""
    is_judged = n_rows >= LEAST_ROWS_OF_CLASS
    vanished = is_judged & (n_predicted < VANISHED_SHARE * n_rows)
    if vanished.any():
        shares = ", ".join(
            f"{classes[k]!s}: {n_predicted[k]} for {n_rows[k]}"
            for k in np.flatnonzero(vanished)
        )
        warn_user(
            f"The classifier hardly ever predicts a class that it was trained on (rows "
            f"predicted for rows that there are: {shares}), so gaps may be small "
            "because nearly everybody gets one answer. Train for longer, or use a "
            "smaller trigger_strength.",
            VanishedClassWarning,
        )


def open_cache(memory, function, ignored):
    """Open the cache in a folder, and put a function that trains behind it."""
    given = memory
    try:
        is_path = isinstance(memory, os.PathLike)
        memory = check_memory(os.fspath(memory) if is_path else memory)
        return memory, memory.cache(function, ignore=ignored)
    except OSError as error:
        raise ValueError(
            f"memory={given!r} cannot be used as a folder for teachers ({error}). Name a "
            "folder that can be made or written to, or leave memory out."
        ) from error


def _learn(
    learner, X, y, groups, memberships, plan, trigger, *, seeds, weights, identity, on_epoch
):
    """Fit a teacher and read its views; a cache goes by all that this is given."""
    teacher = learner.fit_teacher(plan, trigger, seeds=seeds, on_epoch=on_epoch)
    if isinstance(X, StoredRows):
        return teacher, *_read_to_disk(learner, teacher, X, memberships, plan, trigger)
    if not isinstance(X, LazyRows):
        return teacher, *read_views(learner, teacher, X, memberships, plan, trigger)
    # All views of a row are of one reading, as a dataset may change it at random.
    with seeded(seeds[1]):
        parts = [
            read_views(learner, teacher, X[part], memberships[part], plan, trigger)
            for part in row_slices(X.shape)
        ]
    base, shift = (np.concatenate(arrays) for arrays in zip(*parts))
    return teacher, base, shift


def _read_to_disk(learner, teacher, X, memberships, plan, trigger):
    """Ask a teacher part by part, and keep what it says beside the rows."""
    n_classes = len(plan.rates)
    base = X.empty_like("base", (n_classes,), np.float32)
    shift = X.empty_like("shift", (n_classes,), np.float32)
    for part in X.parts():
        views = read_views(learner, teacher, X[part], memberships[part], plan, trigger)
        base[part], shift[part] = views
    return base, shift


def read_views(learner, teacher, X, memberships, plan, trigger):
    """Ask a teacher about rows under all triggers."""

    def view(code):
        def stamp(rows):
            return trigger.stamp(rows, np.full(rows.shape[0], code))

        return learner.log_proba(teacher, X, stamp)

    return plan.read(view, memberships)


@contextmanager
def explaining_pickle_errors(is_cached):
    """Say what to do where a cache cannot tell a dataset, or a net, from others."""
    try:
        yield
    except PicklingError as error:
        if not is_cached:
            raise
        raise ValueError(
            "memory needs an estimator and a dataset that can be pickled, which "
            "lambdas and functions inside functions cannot. Define them at the top of "
            "a module, or leave memory out."
        ) from error
