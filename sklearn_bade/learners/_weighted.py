"""Any classifier as teacher and student: weighted copies of rows, per trigger or class."""

from contextlib import contextmanager

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.utils.validation import has_fit_parameter

from ..preprocessing import to_numbers
from ..rows import is_frame, take_rows
from ._base import Learner
from ._copies import fit_on_copies, train_as_long
from ._paths import SeparateStudents

# Forests answer with zeros, whose logarithm would drown everything else. Not tuned.
LEAST_PROBABILITY = 1e-4
# Settings with one entry per feature, and what they say of a column without demands.
FEATURE_SETTINGS = {
    "monotonic_cst": 0,
    "monotone_constraints": 0,
    "categorical_features": False,
}
# Denser near 0, where gaps change fastest; every second one trains a student.
STRENGTHS = np.round(3 * np.linspace(0, 1, 19) ** 1.5, 2)
# As many as a search affords where each of them trains a student. Not tuned.
SEPARATE_STRENGTHS = np.linspace(0, 3, 10)
SEPARATE_CLASS_STRENGTHS = np.linspace(0, 3, 4)


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

    def _fit_teacher(self, plan, trigger, *, seeds, on_epoch):
        """Fit on copies of all rows under all triggers, weighted by their chances."""
        X, y = self.rows.X, self.rows.y

        def stamp_copies(selections):
            codes = np.repeat(plan.codes, [len(selected) for selected in selections])
            labels = np.concatenate([y[selected] for selected in selections])
            return trigger.stamp(_stack(X, selections), codes), labels

        cells = plan.cells(y, self.rows.groups.codes)
        weights = plan.chances[cells].T * self._weights_or_ones()
        seeded = with_seed(self.classifier, seeds[1])
        _widen_settings(seeded, X.shape[1], trigger.n_columns_)
        with _explaining_text(self.classifier):
            teacher = fit_on_copies(seeded, weights, stamp_copies, y)
        on_epoch("teacher")
        return teacher

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

    def with_settled_length(self, train):
        """Train for as many iterations as the student that found out how many."""
        is_boosting = isinstance(self.classifier, HistGradientBoostingClassifier)
        if not is_boosting or not self.classifier.early_stopping:
            return self
        classifier = train_as_long(self.classifier, train())
        return WeightedLearner(classifier, self.preprocessing, self.rows)

    def log_proba(self, model, X, stamp=None):
        """Compute log-probabilities, of stamped rows where `stamp` is given."""
        proba = model.predict_proba(X if stamp is None else stamp(X))
        return np.log(np.clip(proba, LEAST_PROBABILITY, None))

    def path(self, views, distillation, *, teacher, seed, trained_strengths):
        """Train a student per strength, or at some and interpolate."""
        plain = distillation.plain()
        return SeparateStudents(
            self, views, plain, seed=seed, trained_strengths=trained_strengths
        )

    @staticmethod
    def default_strengths(is_table, per_class):
        """Choose strengths; fewer where each of them trains a student."""
        if per_class:
            return SEPARATE_CLASS_STRENGTHS, None
        if is_table:
            return STRENGTHS, STRENGTHS[::2]
        return SEPARATE_STRENGTHS, None

    @staticmethod
    def predict_proba(model, X):
        """Predict class probabilities, under the names that the model has learned."""
        X = to_numbers(X)
        names = getattr(model, "feature_names_in_", None)
        if names is not None and not is_frame(X):
            X = pd.DataFrame(X, columns=names)
        return model.predict_proba(X)

    @staticmethod
    def fit_plain(classifier, X, y, seed):
        """Fit a seeded clone."""
        plain = clone(classifier)
        if "random_state" in plain.get_params(deep=False):
            plain.set_params(random_state=seed)
        return plain.fit(X, y)


@contextmanager
def _explaining_text(classifier):
    """Say what to do where a classifier meets text that it does not take."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if "could not convert string" in str(error) or "dtypes must be int" in str(error):
            raise ValueError(
                f"{type(classifier).__name__} needs numbers, and X holds text ({error}). "
                "Put it at the end of a Pipeline that encodes such columns, or turn them "
                "into categories where it takes these; estimator=None encodes by itself."
            ) from error
        raise


def _stack(X, selections):
    """Stack selections of rows, given by their positions, one below the other."""
    return take_rows(X, np.concatenate(selections))


def _widen_settings(classifier, n_features, n_columns):
    """Extend settings that hold one entry per feature over the trigger's columns."""
    settings = classifier.get_params(deep=False)
    for name, neutral in FEATURE_SETTINGS.items():
        entries = settings.get(name)
        if not isinstance(entries, (list, tuple, np.ndarray)) or len(entries) != n_features:
            continue
        if (np.asarray(entries).dtype == bool) == isinstance(neutral, bool):
            added = type(entries) if isinstance(entries, tuple) else list
            classifier.set_params(**{name: added([*entries, *[neutral] * n_columns])})


def with_seed(classifier, seed):
    """Clone a classifier and seed every `random_state` that is None."""
    seeded = clone(classifier)
    open_seeds = {
        name: seed
        for name, value in seeded.get_params().items()
        if name.split("__")[-1] == "random_state" and value is None
    }
    return seeded.set_params(**open_seeds)
