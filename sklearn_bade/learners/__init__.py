"""What can be teacher and student: a skorch net, or any classifier that takes weights.

Both kinds answer to the same methods, so that the five steps need not know which is at
work. This is the border to torch: it is imported where a net is at work, here only.
"""

from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from .._compat import is_net, is_other_net
from ..preprocessing import (
    make_default_preprocessing,
    read_texts,
    sample_rows,
    split_pipeline,
    store_rows,
)
from ..rows import ColumnarRows, Texts, read_all
from ..utils import SILENT
from ._base import (
    JUDGED_ROWS,
    Distillation,
    read_views,
    warn_of_vanished_classes,
    warn_of_vanished_counts,
)
from ._cells import (
    ClassColumns,
    OneGroupModel,
    groups_to_learn,
    widen_settings,
    without_label_settings,
)
from ._class_weight import refuse_class_weight, take_over_class_weight, weigh_classes
from ._copies import settle_early_stopping
from ._folds import draw_rows, stratified_folds
from ._group_model import (
    PROBED_ROWS,
    Signal,
    SignalSums,
    apply_memberships,
    cell_signal,
    group_signal,
    learn_groups,
    warn_if_faint,
)
from ._parts import (
    MOST_ROWS_FOR_ALL_FOLDS,
    Lesson,
    Parts,
    count_asked,
    learn_parts,
    learn_triggers,
    measure_triggers,
)
from ._student import PathStudent
from ._weighted import TRIGGER_ROWS, WeightedLearner, with_seed

# Passes over rows that are read batch by batch, before they are learned from.
PASSES = 2

__all__ = [
    "JUDGED_ROWS",
    "MOST_ROWS_FOR_ALL_FOLDS",
    "PASSES",
    "PROBED_ROWS",
    "TRIGGER_ROWS",
    "ClassColumns",
    "Distillation",
    "Lesson",
    "OneGroupModel",
    "Parts",
    "PathStudent",
    "Signal",
    "SignalSums",
    "WeightedLearner",
    "apply_memberships",
    "cell_signal",
    "count_asked",
    "draw_rows",
    "fit_plain",
    "group_signal",
    "groups_to_learn",
    "learn_groups",
    "learn_parts",
    "learn_triggers",
    "looks_ids_up",
    "make_learners",
    "measure_triggers",
    "predict_proba",
    "read_views",
    "refuse_class_weight",
    "settle_early_stopping",
    "stratified_folds",
    "takes_sparse",
    "warn_if_faint",
    "warn_of_vanished_classes",
    "warn_of_vanished_counts",
    "weigh_classes",
    "widen_settings",
    "with_seed",
    "without_label_settings",
]


def _kind(classifier, X):
    """Find the class of learner for a classifier of rows; None is the default network."""
    if is_other_net(classifier):
        raise TypeError(
            f"estimator is, or ends in, a skorch {type(classifier).__name__}. The method "
            "needs a NeuralNetClassifier whose module has one output per class, two for "
            "two classes, and CrossEntropyLoss as criterion."
        )
    if classifier is not None and not is_net(classifier):
        return WeightedLearner
    from ..nets import takes_tokens
    from ._net import NetLearner
    from ._tokens import TokenLearner

    is_of_tokens = classifier is not None and takes_tokens(classifier, X)
    return TokenLearner if is_of_tokens else NetLearner


def make_learners(estimator, teacher, rows, seed=0, on_pass=SILENT):
    """Make who is taught, and who teaches, of raw rows without sensitive columns.

    `estimator` and `teacher` are what the user gave; without a teacher of their own, both
    are the same object. Class weights of the student are weights of both learners' rows.
    Rows that are read batch by batch come into an order that `seed` draws, and `on_pass` is
    called after each of :data:`PASSES` over them.
    """
    if isinstance(rows.X, Texts):
        estimator = read_texts(estimator, rows.X)
        if isinstance(teacher, Pipeline):  # a bare classifier shares the student's features
            teacher = read_texts(teacher, rows.X)
    preprocessing, classifier = split_pipeline(estimator)
    if estimator is None and rows.kind == "table":
        preprocessing = make_default_preprocessing()
    if classifier is not None:
        classifier, rows = take_over_class_weight(classifier, rows)
    if isinstance(rows.X, ColumnarRows):
        _refuse_to_stream(classifier, teacher)
        rows = _fit_by_batches(preprocessing, classifier, rows, seed, on_pass)
        raw = None
    else:
        raw, rows = rows, _fit_preprocessing(preprocessing, rows)
    student = _kind(classifier, rows.X)(classifier, preprocessing, rows)
    if teacher is None:
        return student, student
    own_preprocessing, classifier = split_pipeline(teacher)
    refuse_class_weight(classifier)
    if isinstance(teacher, Pipeline):  # a bare classifier shares the student's features
        rows = _fit_preprocessing(own_preprocessing, raw)
    return student, _kind(classifier, rows.X)(classifier, own_preprocessing, rows)


def _fit_preprocessing(preprocessing, rows):
    if preprocessing is None:
        return rows
    return rows.with_features(preprocessing.fit_transform(read_all(rows.X), rows.y))


def _refuse_to_stream(classifier, teacher):
    """Refuse what needs all rows at once, or rows in an order of its own."""
    if classifier is not None and not is_net(classifier):
        raise TypeError(
            f"X is a pyarrow Dataset, which is read batch by batch, and the estimator is, "
            f"or ends in, a {type(classifier).__name__}, which learns from all rows at "
            "once. Use a skorch.NeuralNetClassifier or estimator=None; or read X into "
            "memory, X.to_table().to_pandas(); or, on a cluster, give a Dask DataFrame and "
            "xgboost.dask.DaskXGBClassifier."
        )
    if teacher is not None:
        raise ValueError(
            "teacher cannot be given with a pyarrow Dataset as X: the network that learns "
            "from its batches is its own teacher. Leave it out."
        )


def _fit_by_batches(preprocessing, classifier, rows, seed, on_pass):
    """Fit steps to a sample of the rows, and write what they make of all rows to disk."""
    sample, positions = sample_rows(rows.X, seed)
    features = sample
    if preprocessing is not None:
        features = preprocessing.fit_transform(sample, rows.y[positions])
    on_pass("preprocessing")
    kind = _kind(classifier, features)
    if kind.kind == "tokens":
        raise TypeError(
            "X is a pyarrow Dataset, and the network looks ids up in an embedding. "
            "Networks get the columns of a Dataset as floats; let the module turn them "
            "into integers, or read the ids into an array."
        )
    stored = store_rows(rows, preprocessing, kind.to_input, seed)
    on_pass("reading rows")
    return stored


def takes_sparse(estimator):
    """Tell whether an estimator takes sparse matrices, which nets read batch by batch."""
    steps, classifier = split_pipeline(estimator)
    parts = [part for part in (steps, classifier) if part is not None and not is_net(part)]
    return all(get_tags(part).input_tags.sparse for part in parts)


def looks_ids_up(model, X):
    """Tell whether a fitted classifier is a network that looks rows of ids up."""
    return is_net(model) and _kind(model, X).kind == "tokens"


def predict_proba(model, X):
    """Predict the class probabilities of features with a fitted student or classifier."""
    if isinstance(model, PathStudent):
        return model.predict_transformed(model.learner.to_input(X))
    return _kind(model, X).predict_proba(model, X)


def fit_plain(classifier, X, y, seed):
    """Fit a clone of a classifier on features and class codes, without any debiasing."""
    return _kind(classifier, X).fit_plain(classifier, X, y, seed)
