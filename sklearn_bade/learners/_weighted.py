"""Any classifier as teacher and student: weighted copies of rows, per trigger or class."""

from contextlib import contextmanager

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from ..exceptions import LostConstraintWarning
from ..preprocessing import to_numbers
from ..rows import frame_to_pandas, is_frame, take_rows
from ..utils import warn_user
from ._base import Learner
from ._cells import is_additive, make_cells, widen_settings
from ._copies import fit_on_copies, settle_early_stopping, train_as_long
from ._folds import draw_rows
from ._group_model import cell_signal
from ._student import answer_rows

# What errors of scikit-learn, NumPy, LightGBM and XGBoost say of other columns.
SIGNS_OF_OTHER_THAN_NUMBERS = (
    "could not convert string",
    "dtypes must be int",
    "DateTime64",
    "Datetime",
    "Timestamp",
    "TimeDelta64",
    "Timedelta",
)
# Forests answer with zeros, whose logarithm would drown everything else. Not tuned.
LEAST_PROBABILITY = 1e-4
# Folds that offsets are found out of: a classifier may know its rows by heart. Two cost one
# more fit of each part, and what is found, a share of decisions relative to another, is
# robust.
OFFSET_FOLDS = 2
# Rows that show a teacher triggers, where it has nothing else to learn. Not tuned.
TRIGGER_ROWS = 10_000
# Demands on how the prediction follows single features.
CONSTRAINTS = ("monotonic_cst", "monotone_constraints")
# Probabilities are not below it, so that logarithms are finite.
TINY = np.finfo(float).tiny


class WeightedLearner(Learner):
    """Train any classifier whose `fit` takes `sample_weight`.

    Copies weighted by the chances of the triggers give the expected loss over all
    draws, so nothing is left to chance and a row of weight two equals two rows, unless the
    classifier itself draws rows or counts them without their weights.
    """

    to_input = staticmethod(to_numbers)
    epochs = 1

    def __init__(self, classifier, preprocessing, rows):
        if not has_fit_parameter(classifier, "sample_weight"):
            raise TypeError(
                f"estimator is, or ends in, a {type(classifier).__name__}, whose fit takes "
                "no sample_weight, so that it cannot learn soft targets. Use a "
                "classifier that takes it (LogisticRegression, "
                "HistGradientBoostingClassifier, ...) or a skorch.NeuralNetClassifier."
            )
        if not hasattr(classifier, "predict_proba"):
            raise TypeError(
                f"estimator is, or ends in, a {type(classifier).__name__}, which has no "
                "predict_proba; the method works on probabilities."
            )
        super().__init__(classifier, preprocessing, rows)
        self.n_rows = len(rows)

    def fit_trigger(self, trigger):
        """Fit a trigger, without negative values where the classifier bans them."""
        super().fit_trigger(trigger)
        if trigger.n_columns_ and get_tags(self.classifier).input_tags.positive_only:
            trigger.patterns_ = trigger.patterns_ - trigger.patterns_.min()

    def check_weights(self):
        """Take any weights."""

    def settle(self, distillation, trigger, *, teaches_itself):
        """Refuse settings of networks, and count the one fit as an epoch."""
        neutral = {"temperature": (1.0,), "student_epochs": (None,)}
        neutral["student_init"] = ("auto", "scratch")
        for name, values in neutral.items():
            value = getattr(distillation, name)
            if value not in values:
                raise ValueError(
                    f"{name}={value!r} is a setting of networks, and the estimator is, or "
                    f"ends in, a {type(self.classifier).__name__}. Leave it out."
                )
        return distillation.settled("scratch", 1)

    def fit_base(self, *, seed, on_epoch):
        """Fit on the labels as they are, where the classifier takes them."""
        rows, classifier = self.rows, self._settled(seed)
        base = _fit(classifier, rows.X, rows.labels, rows.weights, rows.y)
        on_epoch("plain classifier")
        return base

    def fit_cells(self, base, *, seed):
        """Fit clones on the groups."""
        self._warn_of_constraints()
        return make_cells(self._settled(seed), base, self.rows, _fit)

    def _warn_of_constraints(self):
        """Say so where the sum of base and cells does not keep what the base does."""
        settings = self.classifier.get_params(deep=False)
        given = [name for name in CONSTRAINTS if settings.get(name) is not None]
        if given:
            warn_user(
                f"{given[0]}={settings[given[0]]!r} holds for the base of the student, and "
                "not for what is taken from it at strengths other than 0. A student that "
                "keeps such constraints is distilled with student='single'.",
                LostConstraintWarning,
            )

    def count_offset_folds(self, base):
        """Count few, or one for classifiers that cannot know their rows by heart."""
        return 1 if is_additive(base) else OFFSET_FOLDS

    def group_signal(self, parts=None, answered=None):
        """Measure what the features say of the group, as the cells have learned it."""
        if parts is not None and is_additive(parts.base):
            # What sums of features fit by chance is known, where these are not too many.
            n_parameters = self.rows.X.shape[1] * self.rows.n_classes
            if 2 * n_parameters < len(answered):
                return cell_signal(parts.answers, answered, n_parameters)
        return super().group_signal(parts, answered)

    def _settled(self, seed):
        """Seed the classifier, and decide what it would decide by the number of rows."""
        return with_seed(settle_early_stopping(self.classifier, self.n_rows), seed)

    @staticmethod
    def answer(base, cells, X):
        """Ask base and cells about features."""
        X = _named(base, X)
        log_proba = np.log(np.maximum(base.predict_proba(X), TINY))
        return answer_rows(log_proba, cells.group_proba(X))

    def fit_teacher(self, plan, trigger, *, start=None, seeds, on_epoch):
        """Fit on copies of all rows under all triggers, weighted by their chances.

        To learn triggers alone, some rows are enough: each is seen under every trigger, so
        that what these say is exact in any number of rows.
        """
        shown = self
        if start is not None and len(self.rows) > TRIGGER_ROWS:
            shown = self.take(draw_rows(self.rows.y, TRIGGER_ROWS, seeds[0]))
        teacher = shown._fit_on_stamped_rows(
            plan, trigger, train_as_long(self.classifier, start), seeds[1]
        )
        on_epoch("teacher")
        return teacher

    def _fit_on_stamped_rows(self, plan, trigger, classifier, seed):
        """Fit a classifier on copies of all rows of this learner."""
        X, y = self.rows.X, self.rows.y

        def stamp_copies(selections):
            codes = np.repeat(plan.codes, [len(selected) for selected in selections])
            labels = np.concatenate([y[selected] for selected in selections])
            return trigger.stamp(_stack(X, selections), codes), labels

        cells = plan.cells(y, self.rows.groups.codes)
        weights = plan.chances[cells].T * self._weights_or_ones()
        seeded = with_seed(classifier, seed)
        widen_settings(seeded, X.shape[1], trigger.n_columns_)
        with _explaining_columns(self.classifier, X):
            return fit_on_copies(seeded, weights, stamp_copies, y)

    def _fit_student(self, targets, distillation, *, teacher, seed, on_epoch):
        """Fit on copies of all rows with all labels, weighted by the soft targets."""
        X, y, n_classes = self.rows.X, self.rows.y, targets.shape[1]

        def label_copies(selections):
            sizes = [len(selected) for selected in selections]
            return _stack(X, selections), np.repeat(np.arange(n_classes), sizes)

        hard = distillation.hard_label_weight
        is_class = y == np.arange(n_classes)[:, None]
        weights = (1 - hard) * targets.T + hard * is_class
        weights = weights * self._weights_or_ones()
        student = fit_on_copies(with_seed(self.classifier, seed), weights, label_copies, y)
        on_epoch("student")
        return student

    def _weights_or_ones(self):
        weights = self.rows.weights
        return np.ones(len(self.rows)) if weights is None else weights

    @staticmethod
    def log_proba(model, X, stamp=None):
        """Compute log-probabilities, of stamped rows where `stamp` is given."""
        proba = model.predict_proba(X if stamp is None else stamp(X))
        return np.log(np.clip(proba, LEAST_PROBABILITY, None))

    @staticmethod
    def predict_proba(model, X):
        """Predict class probabilities, under the names that the model has learned."""
        return model.predict_proba(_named(model, to_numbers(X)))

    @staticmethod
    def fit_plain(classifier, X, y, seed):
        """Fit a seeded clone."""
        plain = clone(classifier)
        if "random_state" in plain.get_params(deep=False):
            plain.set_params(random_state=seed)
        return plain.fit(X, y)


@contextmanager
def _explaining_columns(classifier, X):
    """Say what to do where a classifier meets text or dates that it does not take."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if not any(sign in str(error) for sign in SIGNS_OF_OTHER_THAN_NUMBERS):
            raise
        names = _columns_without_numbers(X)
        held = f"text or dates, in {names}" if names else "text or dates"
        raise ValueError(
            f"{type(classifier).__name__} needs numbers, and X holds {held} ({error}). Put "
            "the classifier at the end of a Pipeline that encodes text and makes numbers "
            "of dates, or turn text into categories where it takes these; estimator=None "
            "does all of that by itself."
        ) from error


def _columns_without_numbers(X):
    """Name the columns of a frame that hold neither numbers nor categories."""
    if not is_frame(X):
        return []
    frame = frame_to_pandas(X)
    kept = frame.select_dtypes(["number", "bool", "category"])
    return [name for name in frame if name not in kept]


def _fit(classifier, X, y, weights=None, codes=None):
    """Fit on labels, or on codes where the classifier takes no such labels."""
    options = {} if weights is None else {"sample_weight": weights}
    with _explaining_columns(classifier, X):
        try:
            return classifier.fit(X, y, **options)
        except ValueError:
            if codes is None or np.array_equal(codes, y):
                raise
        return clone(classifier).fit(X, codes, **options)


def _named(model, X):
    """Give an array the names that a fitted model has learned."""
    names = getattr(model, "feature_names_in_", None)
    return X if names is None or is_frame(X) else pd.DataFrame(X, columns=names)


def _stack(X, selections):
    """Stack selections of rows, given by their positions, one below the other."""
    return take_rows(X, np.concatenate(selections))


def with_seed(classifier, seed):
    """Clone a classifier and seed every `random_state` that is None."""
    seeded = clone(classifier)
    open_seeds = {
        name: seed
        for name, value in seeded.get_params().items()
        if name.split("__")[-1] == "random_state" and value is None
    }
    return seeded.set_params(**open_seeds)
