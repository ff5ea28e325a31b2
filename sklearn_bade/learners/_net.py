"""Skorch nets as teacher and student: triggers and soft targets travel in the batches."""

from functools import partial

import numpy as np
from scipy.sparse import issparse
from scipy.special import softmax
from sklearn.base import clone
from sklearn.utils import check_random_state

from .._injection import draw_triggers
from ..exceptions import OwnLossWarning
from ..nets import (
    check_net,
    has_own_loss,
    learn_trigger_inputs,
    log_probabilities,
    log_probabilities_under,
    make_default_net,
    make_group_net,
    penultimate_features,
    predict_values,
    train_net,
    train_student_net,
    train_teacher_net,
)
from ..preprocessing import to_net_rows
from ..utils import warn_user
from ._base import Learner
from ._folds import draw_rows
from ._student import answer_rows

# A student that starts from the teacher's weights has little left to learn. A tenth kept
# the figures of benchmarks/quality.py that a fifth had given, in less time.
TEACHER_START_SHARE = 0.1
# Columns of sparse rows that cells take as they are. On generated biographies, features
# that the base has found leave gaps a little wider (.030 instead of .023, means of three
# splits of training texts); beyond, a first layer of their own takes most of the time.
WIDEST_SPARSE_ROWS = 4096
# Rows that show a trained network triggers. On Adult and race, five draws of 1000 spread
# what it learns by .16, of 2000 by .04.
TRIGGER_ROWS = 2000


class NetLearner(Learner):
    """Train skorch nets; None as classifier makes one that is sized by the rows."""

    to_input = staticmethod(to_net_rows)
    last_weights = None

    def __init__(self, classifier, preprocessing, rows):
        if classifier is not None:
            check_net(classifier)
        super().__init__(classifier, preprocessing, rows)
        self.is_default = classifier is None
        if self.is_default:
            self.classifier = make_default_net(self.rows.X, rows.n_classes)

    @property
    def epochs(self):
        """Epochs of a teacher."""
        return self.classifier.max_epochs

    def teacher_epochs(self, trigger, *, starts_from_base):
        """Count the epochs of a teacher: one where only columns are to be learned."""
        return (
            1 if starts_from_base and self.learns_triggers_alone(trigger) else self.epochs
        )

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
        if has_own_loss(self.classifier):
            warn_user(
                f"{type(self.classifier).__name__} has a get_loss of its own. The teacher "
                "uses it; the student learns from soft targets by plain cross-entropy.",
                OwnLossWarning,
            )
        wants_teacher = distillation.student_init == "teacher"
        if wants_teacher and not teaches_itself:
            raise ValueError(
                "student_init='teacher' needs a network that is its own teacher. Leave "
                "out the parameter teacher, or use student_init='scratch'."
            )
        may_hand_over = self.may_hand_over(trigger)
        if wants_teacher and not may_hand_over:
            raise ValueError(
                f"student_init='teacher' with trigger={trigger} would hand the backdoor "
                "on to the student: this trigger is stamped on the features themselves. "
                "Use student_init='scratch', or a ColumnTrigger."
            )
        may_start_there = teaches_itself and may_hand_over
        if distillation.student_init == "scratch" or not may_start_there:
            return distillation.settled("scratch", self.epochs)
        least = max(1, round(TEACHER_START_SHARE * self.epochs))
        return distillation.settled("teacher", least)

    def may_hand_over(self, trigger):
        """Tell whether a student may take a teacher's weights without its backdoor."""
        return trigger.n_columns_ > 0

    def learns_triggers_alone(self, trigger):
        """Tell whether a trained network has to learn what triggers add, and no more."""
        return trigger.n_columns_ > 0

    def fit_base(self, *, seed, on_epoch):
        """Train on the labels, and remember the weights that a plain net would have."""
        rows = self.rows

        def remember(weights):
            self.last_weights = weights

        return train_net(
            clone(self.classifier),
            rows.X,
            rows.y,
            seed=seed,
            n_outputs=rows.n_classes,
            sample_weight=rows.weights,
            on_epoch=on_epoch,
            on_last=remember,
        )

    def plain_log_proba(self, base, answers, X):
        """Answer as the net would by itself; None where its training was in a cache.

        The default network is trained by this package alone, so it is what the base is.
        """
        if self.is_default:
            return answers.log_proba
        if self.last_weights is None:
            return None
        return log_probabilities_under(self.last_weights, base, X)

    def fit_cells(self, base, *, seed):
        """Train a small network on the groups in rows of known group."""
        is_wide = issparse(self.rows.X) and self.rows.X.shape[1] > WIDEST_SPARSE_ROWS
        takes_rows = self.kind == "table" and not is_wide
        return NetCells(base, self.rows, seed, takes_rows=takes_rows)

    @staticmethod
    def answer(base, cells, X):
        """Ask base and cells about features."""
        return answer_rows(log_probabilities(base, X), cells.group_proba(X, base))

    def fit_teacher(self, plan, trigger, *, start=None, seeds, on_epoch):
        """Fit on stamped rows, whose triggers are drawn anew for each epoch.

        Where triggers have columns of their own, a network that has learned the rest only
        needs to learn these, and some rows are enough: each is seen under every trigger.
        """
        if start is not None and self.learns_triggers_alone(trigger):
            return self._learn_trigger_inputs(start, plan, trigger, seeds[0], on_epoch)
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

    def _learn_trigger_inputs(self, start, plan, trigger, seed, on_epoch):
        """Teach a trained network the triggers alone."""
        rows = self.rows.take(draw_rows(self.rows.y, TRIGGER_ROWS, seed))
        chances = plan.chances[plan.cells(rows.y, rows.groups.codes)]
        teacher = learn_trigger_inputs(
            start, trigger, rows.X, rows.y, chances, rows.weights
        )
        on_epoch("teacher")
        return teacher

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

    @classmethod
    def predict_proba(cls, model, X):
        """Predict class probabilities in large batches."""
        return np.exp(log_probabilities(model, cls.to_input(X)))

    @classmethod
    def fit_plain(cls, classifier, X, y, seed):
        """Train a clone as the package trains all nets."""
        return train_net(clone(classifier), cls.to_input(X), y, seed=seed)


class NetCells:
    """A small network of the groups: one output for each class and group.

    It takes the features of tables as they are, and those that the base has found in rows
    of any other shape.
    """

    def __init__(self, base, rows, seed, *, takes_rows):
        self.n_classes, self.n_groups = rows.n_classes, len(rows.groups)
        self.takes_rows = takes_rows
        # Features are chosen from, not rows: those of images are far smaller.
        rows = rows.with_features(self._features(rows.X, base))
        if not rows.groups.is_known.all():
            rows = rows.take(np.flatnonzero(rows.groups.is_known))
        X, cells = rows.X, rows.y * self.n_groups + rows.groups.codes
        self.net = train_net(
            make_group_net(*X.shape, self.n_classes, self.n_groups, base.device),
            X,
            cells,
            seed=seed,
            n_outputs=self.n_classes * self.n_groups,
            sample_weight=rows.weights,
        )

    def _features(self, X, base):
        return X if self.takes_rows else penultimate_features(base, X)

    def group_proba(self, X, base):
        """Compute the chance of each group, were the row of each class."""
        values = predict_values(self.net, self._features(X, base))
        logits = values.reshape(X.shape[0], self.n_classes, self.n_groups)
        return softmax(logits, axis=2)
