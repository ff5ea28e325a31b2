"""Weights of rows, among them those that a classifier's class weights stand for."""

from numbers import Real

import numpy as np
from sklearn.base import clone
from sklearn.utils.class_weight import compute_class_weight
from skorch import NeuralNetClassifier

from ._containers import take_rows

BALANCED = ("balanced", "balanced_subsample")
INSTEAD = (
    "Leave it out and give fit the sample_weight that it stands for, see "
    "sklearn.utils.class_weight.compute_sample_weight."
)


def drop_weightless(X, y, sensitive_features, sample_weight):
    """Leave out rows of weight zero, as if they had not been there.

    Parameters
    ----------
    X : {ndarray, sparse matrix, dataframe, LazyRows} of shape (n_samples, ...)
        Features.

    y : ndarray of shape (n_samples,)
        Labels.

    sensitive_features : pandas.DataFrame of shape (n_samples, n_columns) or None
        Sensitive values.

    sample_weight : ndarray of shape (n_samples,)
        Weights of the rows.

    Returns
    -------
    X, y, sensitive_features, sample_weight : same types
        The rows that weigh anything.

    Raises
    ------
    ValueError
        If there are none.
    """
    kept = np.flatnonzero(sample_weight)
    if not len(kept):
        raise ValueError("sample_weight is zero in every row; nothing is left to learn.")
    if len(kept) == len(y):
        return X, y, sensitive_features, sample_weight
    if sensitive_features is not None:
        sensitive_features = sensitive_features.iloc[kept]
    return take_rows(X, kept), y[kept], sensitive_features, sample_weight[kept]


def as_frequencies(sample_weight):
    """Make weights that are no numbers of rows comparable to such.

    Weights that add up to one, say, would drown in the pseudo-rows that smooth rates.

    Parameters
    ----------
    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the rows.

    Returns
    -------
    sample_weight : ndarray of shape (n_samples,) or None
        The same, divided by their mean if that is less than one.
    """
    if sample_weight is None:
        return None
    return sample_weight / min(sample_weight.mean(), 1.0)


def take_over_class_weight(classifier, y, classes, sample_weight):
    """Turn a classifier's class weights into weights of rows.

    The classifier itself would see class codes instead of labels, and weigh the classes
    twice: in the teacher and, on soft targets, in the student.

    Parameters
    ----------
    classifier : estimator object
        Unfitted classifier without its preprocessing; left unchanged.

    y : ndarray of shape (n_samples,)
        Class codes.

    classes : ndarray of shape (n_classes,)
        Class labels, which class weights go by.

    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the rows.

    Returns
    -------
    classifier : estimator object
        The same, or a clone without class weights.

    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the rows, times those of their classes.

    Raises
    ------
    ValueError
        If an estimator inside the classifier has class weights, or if they are unknown or
        not positive.
    """
    names = _class_weight_names(classifier)
    if not names:
        return classifier, sample_weight
    _refuse_inner_class_weight(classifier, names)
    row_weight = np.ones(len(y)) if sample_weight is None else sample_weight
    params = classifier.get_params(deep=False)
    for name in names:
        per_class = _weigh_classes(params[name], y, classes, row_weight)
        if not (np.isfinite(per_class) & (per_class > 0)).all():
            raise ValueError(
                f"{name}={params[name]!r} must give every class a positive weight, and "
                f"gives {dict(zip(classes.tolist(), per_class.tolist()))}."
            )
        row_weight = row_weight * per_class[y]
    neutral = {"class_weight": None, "scale_pos_weight": 1}
    without = clone(classifier).set_params(**{name: neutral[name] for name in names})
    return without, row_weight


def refuse_class_weight(teacher):
    """Refuse class weights of a teacher that the student would not have."""
    names = _class_weight_names(teacher)
    if names:
        raise ValueError(
            f"The teacher has {names[0]}={teacher.get_params()[names[0]]!r}, which the "
            f"student would not have. {INSTEAD}"
        )


def _class_weight_names(classifier):
    """Name the parameters that weigh classes, those of inner estimators included."""
    if isinstance(classifier, NeuralNetClassifier):
        return []
    return [
        name
        for name, value in classifier.get_params().items()
        if (name.split("__")[-1] == "class_weight" and value is not None)
        or (name.split("__")[-1] == "scale_pos_weight" and value not in (None, 1))
    ]


def _refuse_inner_class_weight(classifier, names):
    for name in names:
        if "__" in name:
            raise ValueError(
                f"{name}={classifier.get_params()[name]!r} would act twice, in the teacher "
                f"and in the student, and meet class codes instead of labels. {INSTEAD}"
            )


def _weigh_classes(class_weight, y, classes, sample_weight):
    """Compute one weight per class, as scikit-learn does."""
    if isinstance(class_weight, str) and class_weight in BALANCED:
        totals = np.bincount(y, sample_weight, minlength=len(classes))
        return totals.sum() / (len(classes) * totals)
    if isinstance(class_weight, Real):  # scale_pos_weight, of the second of two
        return np.array([1.0, class_weight]) if len(classes) == 2 else np.ones(len(classes))
    if not isinstance(class_weight, dict):
        raise ValueError(
            f"class_weight={class_weight!r} is neither 'balanced' nor a dict of weights by "
            "label."
        )
    return compute_class_weight(class_weight, classes=classes, y=classes[y])
