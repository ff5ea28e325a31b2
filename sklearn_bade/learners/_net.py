"""Skorch nets as teacher and student: triggers and soft targets travel in the batches."""

from functools import partial

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from .._injection import draw_triggers
from ..nets import (
    check_net,
    has_own_loss,
    log_probabilities,
    make_default_net,
    make_shift_net,
    predict_values,
    train_net,
    train_student_net,
    train_teacher_net,
)
from ..preprocessing import to_net_rows
from ..rows import greatest_value
from ._base import Learner
from ._paths import SeparateStudents
from ._weighted import SEPARATE_CLASS_STRENGTHS, SEPARATE_STRENGTHS

# A student that starts from the teacher's weights has little left to learn. A tenth kept
# the figures of benchmarks/quality.py that a fifth had given, in less time.
TEACHER_START_SHARE = 0.1
# Along a line, strengths cost next to nothing. How far and how dense is not tuned.
LINE_STRENGTHS = np.linspace(0, 3, 20)
LINE_CLASS_STRENGTHS = np.linspace(0, 3, 9)


class NetLearner(Learner):
    """Train skorch nets; None as classifier makes one that is sized by the rows."""

    to_input = staticmethod(to_net_rows)

    def __init__(self, classifier, preprocessing, rows):
        if classifier is not None:
            check_net(classifier)
        super().__init__(classifier, preprocessing, rows)
        if classifier is None:
            X = self.rows.X
            self.classifier = make_default_net(X.shape, rows.n_classes, greatest_value(X))

    @property
    def epochs(self):
        """Epochs of a teacher."""
        return self.classifier.max_epochs

    def check_weights(self):
        """Refuse sample weights that the net's own loss would not see."""
        if has_own_loss(self.classifier):
            raise ValueError(
                f"{type(self.classifier).__name__} has a get_loss of its own, which "
                "sample_weight cannot reach. Fit without sample_weight, or use skorch's "
                "get_loss."
            )

    def settle(self, distillation, trigger, *, teaches_itself):
        """Choose where the student starts, and for how long it trains."""
        wants_teacher = distillation.student_init == "teacher"
        if wants_teacher and not teaches_itself:
            raise ValueError(
                "student_init='teacher' needs a network that is its own teacher. Leave "
                "out the parameter teacher, or use student_init='scratch'."
            )
        if wants_teacher and not trigger.n_columns_:
            raise ValueError(
                f"student_init='teacher' with trigger={trigger} would hand the backdoor "
                "on to the student: this trigger is stamped on the features themselves. "
                "Use student_init='scratch', or a ColumnTrigger."
            )
        may_start_there = teaches_itself and trigger.n_columns_ > 0
        if distillation.student_init == "scratch" or not may_start_there:
            return distillation.settled("scratch", self.epochs)
        least = max(1, round(TEACHER_START_SHARE * self.epochs))
        return distillation.settled("teacher", least)

    def _fit_teacher(self, plan, trigger, *, seeds, on_epoch):
        """Fit on stamped rows, whose triggers are drawn anew for each epoch."""
        rows = self.rows
        draw_weight = rows.weights
        if draw_weight is not None and np.ptp(draw_weight) == 0:
            draw_weight = None
        cells = plan.cells(rows.y, rows.groups.codes)
        rng = check_random_state(seeds[0])
        return train_teacher_net(
            self.classifier,
            rows.X,
            rows.y,
            partial(draw_triggers, plan, cells, draw_weight, rng),
            trigger,
            n_classes=len(plan.rates),
            seed=seeds[1],
            sample_weight=rows.weights,
            on_epoch=on_epoch,
        )

    def _fit_student(self, targets, distillation, *, teacher, seed, on_epoch):
        """Fit on soft targets, from the teacher's weights if it shall start there."""
        starts_there = distillation.student_init == "teacher"
        return train_student_net(
            self.classifier,
            self.rows.X,
            self.rows.y,
            targets.astype(np.float32, copy=False),
            teacher_state=teacher.module_.state_dict() if starts_there else None,
            hard_label_weight=distillation.hard_label_weight,
            temperature=distillation.temperature,
            averages=distillation.averages,
            epochs=distillation.student_epochs,
            seed=seed,
            sample_weight=self.rows.weights,
            on_epoch=on_epoch,
        )

    def log_proba(self, model, X, stamp=None):
        """Compute log-probabilities, of stamped rows where `stamp` is given."""
        return log_probabilities(model, X, stamp)

    def path(self, views, distillation, *, teacher, seed, trained_strengths):
        """Find a line of students, or train one per strength where rows are no table."""
        plain = distillation.plain()
        if self.rows.kind == "table":
            return LinearPath(self, views, plain, teacher, seed)
        return SeparateStudents(
            self, views, plain, seed=seed, trained_strengths=trained_strengths
        )

    @staticmethod
    def default_strengths(is_table, per_class):
        """Choose strengths; fewer where each of them trains a student."""
        if is_table:
            return LINE_CLASS_STRENGTHS if per_class else LINE_STRENGTHS, None
        return SEPARATE_CLASS_STRENGTHS if per_class else SEPARATE_STRENGTHS, None

    @staticmethod
    def predict_proba(model, X):
        """Predict class probabilities in large batches."""
        return np.exp(log_probabilities(model, to_net_rows(X)))

    @staticmethod
    def fit_plain(classifier, X, y, seed):
        """Train a clone as the package trains all nets."""
        return train_net(clone(classifier), to_net_rows(X), y, seed=seed)


class LinearPath:
    """Students of all trigger strengths at once.

    A base student z is distilled from the base view of the teacher, and a shift
    network u learns, for each class k, what the own trigger adds to rows of class k
    (and zero elsewhere). The logits of strength w, with one value per class, are

    ``z(x) - sum_k w[k] * u_k(x)``.
    """

    def __init__(self, learner, views, distillation, teacher, seed):
        rows, n_classes = learner.rows, views.shift.shape[1]
        self.base = learner.distil(
            views.base,
            distillation,
            teacher=teacher,
            seed=seed,
            on_epoch=lambda stage: None,
        )
        of_class = np.eye(n_classes, dtype=np.float32)[rows.y]
        shift = views.shift.astype(np.float32)
        targets = (of_class[:, :, None] * shift[:, None, :]).reshape(len(rows), -1)
        net = make_shift_net(*rows.X.shape, n_classes**2)
        self.shift = train_net(net, rows.X, targets, seed=seed, sample_weight=rows.weights)

    def prepare(self, X):
        """Compute the logits of strength 0, and what a trigger adds to each class's rows.

        The latter has the shape (n_samples, n_classes, n_classes), classes of rows second.
        """
        base = log_probabilities(self.base, X)
        n_samples, n_classes = base.shape
        shifts = predict_values(self.shift, X).reshape(n_samples, n_classes, n_classes)
        return base, shifts

    def logits(self, prepared, strength):
        """Compute the logits of one strength, without offset."""
        base, shifts = prepared
        strength = np.broadcast_to(np.asarray(strength, dtype=float), shifts.shape[1])
        return base - np.einsum("k,nkc->nc", strength, shifts)
