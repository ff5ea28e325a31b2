"""Asks models about rows, or reads what they have said, and checks that it fits."""

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import check_is_fitted

from ..._base import BaseDebiasClassifier
from ...exceptions import FavourableLabelWarning
from ...learners import PathStudent
from ...metrics._disparities import check_labels, check_shared_labels
from ...rows import check_same_order, check_weights
from ...utils import warn_user
from ._counts import Judgements

# What a single debiased model is called, and its control.
DEBIASED, CONTROL = "debiased", "strength 0"
# What a single model of any other kind is called.
ONLY_MODEL = "model"


def name_models(estimator):
    """Name the models to report: those of a dict, or one and its control, if it has one."""
    if isinstance(estimator, dict):
        models = dict(estimator)
        if not models:
            raise ValueError("estimator is an empty dict; give at least one model.")
    else:
        models = {ONLY_MODEL: estimator}
    _check_names(models)
    for name, model in models.items():
        if not is_classifier(model):
            raise ValueError(f"The model {name!r}, {model!r}, is not a classifier.")
        check_is_fitted(model)
    control = None if isinstance(estimator, dict) else find_control(estimator)
    return models if control is None else {CONTROL: control, DEBIASED: estimator}


def find_control(estimator):
    """Make the same model with strength 0, where arithmetic can; else None."""
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        control = find_control(last)
        return control and Pipeline([*estimator.steps[:-1], (name, control)])
    if hasattr(estimator, "best_estimator_"):
        return find_control(estimator.best_estimator_)
    if not isinstance(estimator, BaseDebiasClassifier):
        return None
    fitted = getattr(estimator, "estimator_", estimator)  # that of a search
    return estimator.with_strength(0) if isinstance(fitted.student_, PathStudent) else None


def describe_correction(estimator):
    """Say in words how far a debiased model goes; None of others."""
    if hasattr(estimator, "best_estimator_"):
        return describe_correction(estimator.best_estimator_)
    if isinstance(estimator, Pipeline):
        return describe_correction(estimator[-1])
    if not isinstance(estimator, BaseDebiasClassifier):
        return None
    chosen = getattr(estimator, "best_params_", None)
    if chosen is None:
        return f"strength {_plain(estimator.trigger_strength)}, which was given"
    aim = estimator.disparity
    aim = (
        aim if isinstance(aim, str) else getattr(aim, "__name__", "a disparity of its own")
    )
    return (
        f"strength {_plain(chosen['trigger_strength'])} and base rate "
        f"{_plain(chosen['base_rate'])}, chosen by cross-validation with a view to {aim}"
    )


def _plain(value):
    """Write a number, or several, without NumPy's names of types."""
    return value if isinstance(value, str) else np.round(value, 4).tolist()


def describe_decision(estimator):
    """Say in words how a model turns what it believes into decisions."""
    if hasattr(estimator, "best_estimator_"):
        return describe_decision(estimator.best_estimator_)
    if isinstance(estimator, Pipeline):
        return describe_decision(estimator[-1])
    if isinstance(estimator, (FixedThresholdClassifier, TunedThresholdClassifierCV)):
        return _describe_threshold(estimator)
    if not isinstance(estimator, BaseDebiasClassifier):
        return "what its predict says"
    if estimator.selection_rate is not None:
        rate = estimator.selection_rate
        return (
            f"the greater label for the {100 * rate:.4g}% of the rows that are likeliest "
            f"of it (selection_rate={rate:.4g})"
        )
    if estimator.threshold is not None:
        at_least = f"{estimator.threshold:.4g}"
        return f"the greater label where its probability is at least {at_least}"
    if estimator.cost_matrix is not None:
        return f"the least expected cost, with cost_matrix={estimator.cost_matrix!r}"
    return "the label of the greatest probability"


def _describe_threshold(estimator):
    """Describe scikit-learn's wrappers, which shift the threshold of a classifier."""
    threshold = getattr(estimator, "best_threshold_", None)
    if threshold is None:
        threshold = estimator.threshold
    if isinstance(threshold, str):
        return f"its threshold is {threshold!r}"
    label = getattr(estimator, "pos_label", None)
    label = estimator.classes_[-1] if label is None else label
    method = estimator.response_method
    if method == "auto":
        has_proba = hasattr(estimator.estimator_, "predict_proba")
        method = "predict_proba" if has_proba else "decision_function"
    return f"{label} where its {method} is at least {threshold:.4g}"


def ask(models, X, y, sample_weight, pos_label):
    """Ask models about rows."""
    check_same_order(X=X, y=y, sample_weight=sample_weight)
    predictions = {name: model.predict(X) for name, model in models.items()}
    scores = {
        name: (np.asarray(model.classes_), model.predict_proba(X))
        for name, model in models.items()
        if hasattr(model, "predict_proba")
    }
    classes = [np.asarray(m.classes_) for m in models.values() if hasattr(m, "classes_")]
    return judge(y, predictions, scores, sample_weight, pos_label, classes)


def read(y_true, predictions, y_score, sample_weight, pos_label):
    """Read what models have said of rows."""
    if not isinstance(predictions, dict):
        predictions = {ONLY_MODEL: predictions}
        y_score = {} if y_score is None else {ONLY_MODEL: y_score}
    if not predictions:
        raise ValueError("y_pred is an empty dict; give the predictions of one model.")
    _check_names(predictions)
    unknown = set(y_score or {}) - set(predictions)
    if unknown:
        raise ValueError(
            f"y_score has the models {sorted(map(str, unknown))}, which y_pred has not; "
            f"that has {list(predictions)}."
        )
    scores = {name: (None, values) for name, values in (y_score or {}).items()}
    return judge(y_true, predictions, scores, sample_weight, pos_label, [])


def judge(y_true, predictions, scores, sample_weight, pos_label, classes):
    """Check what was said, and put it into codes.

    `scores` are pairs of labels, or None for all of them in order, and their scores;
    `classes` further labels that models know.
    """
    check_same_order(
        y_true=y_true,
        sample_weight=sample_weight,
        **{f"the predictions of {name!r}": rows for name, rows in predictions.items()},
        **{f"the scores of {name!r}": rows for name, (_, rows) in scores.items()},
    )
    truth = None if y_true is None else check_labels(y_true, "y_true")
    said = {
        name: check_labels(values, f"the predictions of {name!r}")
        for name, values in predictions.items()
    }
    weights = None if sample_weight is None else check_weights(sample_weight)
    all_scores = [rows for _, rows in scores.values()]
    check_consistent_length(truth, weights, *said.values(), *all_scores)
    if weights is not None and not weights.any():
        raise ValueError("sample_weight is zero in every row; nothing can be counted.")
    labels = _unite_labels(truth, said.values(), classes)
    compared = find_compared(labels, pos_label)
    return Judgements(
        labels,
        None if truth is None else np.searchsorted(labels, truth),
        {name: np.searchsorted(labels, codes) for name, codes in said.items()},
        {name: _align(name, *pair, labels, compared) for name, pair in scores.items()},
        weights,
        compared,
    )


def _unite_labels(truth, said, classes):
    """List all labels in sorted order; refuse those that are coded differently."""
    known = [] if truth is None else [truth]
    values = [*known, *classes, *said]
    for other in values[1:]:
        _check_kind(values[0], other)
    for labels in said if known else []:
        check_shared_labels(truth, labels)
    return np.unique(np.concatenate(values))


def find_compared(labels, pos_label):
    """Find the classes to compare with the rest; say so where the alphabet decides."""
    known = labels.tolist()
    if pos_label is not None:
        if pos_label not in known:
            raise ValueError(f"pos_label={pos_label!r} is not among the labels {known}.")
        return [known.index(pos_label)]
    if len(known) > 2:
        return list(range(len(known)))
    if len(known) == 1:
        warn_user(
            f"{known[0]!r} is the only label that occurs, and is taken for the favourable "
            "one. Name the favourable label by pos_label.",
            FavourableLabelWarning,
        )
    elif isinstance(known[-1], str):
        warn_user(
            f"The favourable label is taken to be {known[-1]!r}, which is the last of "
            f"{known} in the alphabet. Name it by pos_label.",
            FavourableLabelWarning,
        )
    return [len(known) - 1]


def _align(name, score_labels, scores, labels, compared):
    """Give scores one column per label."""
    scores = check_array(scores, ensure_2d=False, dtype=float, input_name="y_score")
    aligned = np.zeros((len(scores), len(labels)))
    if scores.ndim == 1:
        if len(compared) > 1:
            raise ValueError(
                f"The scores of {name!r} are those of one label, and {len(compared)} "
                "labels are compared. Give one column for each label, in sorted order, or "
                "name one label by pos_label."
            )
        aligned[:, compared[0]] = scores
        return aligned
    score_labels = labels if score_labels is None else score_labels
    if scores.shape[1] != len(score_labels):
        raise ValueError(
            f"The scores of {name!r} have {scores.shape[1]} columns, and there are "
            f"{len(score_labels)} labels: {score_labels.tolist()}."
        )
    aligned[:, np.searchsorted(labels, score_labels)] = scores
    return aligned


def _check_kind(some, others):
    """Refuse labels of which some are text and others are not."""
    are_texts = [isinstance(labels.tolist()[0], str) for labels in (some, others)]
    if are_texts[0] != are_texts[1]:
        raise ValueError(
            f"There are labels of different kinds, {some.tolist()[0]!r} and "
            f"{others.tolist()[0]!r}. "
            "Predictions may be codes where others are text: turn them into labels first."
        )


def _check_names(given):
    """Refuse names of models that tables and pages could not show."""
    wrong = [name for name in given if not isinstance(name, str)]
    if wrong:
        raise ValueError(f"Names of models must be text, got {wrong[0]!r}.")
