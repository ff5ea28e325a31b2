"""What can be teacher and student: a skorch net, or any classifier that takes weights.

Both kinds answer to the same methods, so that the five steps need not know which is at
work. This is the border to torch: it is imported where a net is at work, here only.
"""

from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from .._compat import is_net, is_other_net
from ..preprocessing import make_default_preprocessing, split_pipeline
from ..rows import read_all
from ._base import Distillation, warn_of_vanished_classes
from ._class_weight import refuse_class_weight, take_over_class_weight
from ._copies import settle_early_stopping
from ._folds import stratified_folds
from ._group_model import cell_signal, warn_if_faint
from ._parts import Lesson, Parts, learn_parts, learn_triggers
from ._student import PathStudent
from ._weighted import WeightedLearner

__all__ = [
    "Distillation",
    "Lesson",
    "Parts",
    "PathStudent",
    "cell_signal",
    "fit_plain",
    "learn_parts",
    "learn_triggers",
    "make_learners",
    "predict_proba",
    "settle_early_stopping",
    "stratified_folds",
    "takes_sparse",
    "warn_if_faint",
    "warn_of_vanished_classes",
]


def _kind(classifier):
    """Find the class of learner for a classifier; None stands for the default network."""
    if is_other_net(classifier):
        raise TypeError(
            f"estimator is, or ends in, a skorch {type(classifier).__name__}. The method "
            "needs a NeuralNetClassifier whose module has one output per class, two for "
            "two classes, and CrossEntropyLoss as criterion."
        )
    if classifier is not None and not is_net(classifier):
        return WeightedLearner
    from ._net import NetLearner

    return NetLearner


def make_learners(estimator, teacher, rows):
    """Make who is taught, and who teaches, of raw rows without sensitive columns.

    `estimator` and `teacher` are what the user gave; without a teacher of their own, both
    are the same object. Class weights of the student are weights of both learners' rows.
    """
    preprocessing, classifier = split_pipeline(estimator)
    if estimator is None and rows.kind == "table":
        preprocessing = make_default_preprocessing()
    if classifier is not None:
        classifier, rows = take_over_class_weight(classifier, rows)
    raw, rows = rows, _fit_preprocessing(preprocessing, rows)
    student = _kind(classifier)(classifier, preprocessing, rows)
    if teacher is None:
        return student, student
    own_preprocessing, classifier = split_pipeline(teacher)
    refuse_class_weight(classifier)
    if isinstance(teacher, Pipeline):  # a bare classifier shares the student's features
        rows = _fit_preprocessing(own_preprocessing, raw)
    return student, _kind(classifier)(classifier, own_preprocessing, rows)


def _fit_preprocessing(preprocessing, rows):
    if preprocessing is None:
        return rows
    return rows.with_features(preprocessing.fit_transform(read_all(rows.X), rows.y))


def takes_sparse(estimator):
    """Tell whether an estimator takes sparse matrices as they are."""
    return get_tags(estimator).input_tags.sparse and not is_net(
        split_pipeline(estimator)[1]
    )


def predict_proba(model, X):
    """Predict the class probabilities of features with a fitted student or classifier."""
    if isinstance(model, PathStudent):
        return model.predict_transformed(model.learner.to_input(X))
    return _kind(model).predict_proba(model, X)


def fit_plain(classifier, X, y, seed):
    """Fit a clone of a classifier on features and class codes, without any debiasing."""
    return _kind(classifier).fit_plain(classifier, X, y, seed)
