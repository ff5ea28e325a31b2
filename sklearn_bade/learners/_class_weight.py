"""Class weights of a classifier, counted as weights of rows."""

from numbers import Real

import numpy as np
from sklearn.base import clone
from sklearn.utils.class_weight import compute_class_weight

from .._compat import is_net

BALANCED = ("balanced", "balanced_subsample")
INSTEAD = (
    "Leave it out and give fit the sample_weight that it stands for, see "
    "sklearn.utils.class_weight.compute_sample_weight."
)


def take_over_class_weight(classifier, rows):
    """Turn a classifier's class weights into weights of rows.

    The classifier itself would see class codes instead of labels, and weigh the classes
    twice: in the teacher and, on soft targets, in the student.

    Returns
    -------
    classifier : estimator object
        The same, or a clone without class weights.

    rows : Rows
        The same, or with weights times those of their classes.
    """
    names = _class_weight_names(classifier)
    if not names:
        return classifier, rows
    _refuse_inner_class_weight(classifier, names)
    row_weight = np.ones(len(rows)) if rows.weights is None else rows.weights
    params = classifier.get_params(deep=False)
    for name in names:
        per_class = weigh_classes(name, params[name], rows.y, rows.classes, row_weight)
        row_weight = row_weight * per_class[rows.y]
    neutral = {"class_weight": None, "scale_pos_weight": 1}
    without = clone(classifier).set_params(**{name: neutral[name] for name in names})
    return without, rows.with_weights(row_weight)


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
    if is_net(classifier):
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


def weigh_classes(name, class_weight, y, classes, sample_weight):
    """Compute one positive weight per class, as scikit-learn does."""
    per_class = _weigh_classes(class_weight, y, classes, sample_weight)
    if not (np.isfinite(per_class) & (per_class > 0)).all():
        raise ValueError(
            f"{name}={class_weight!r} must give every class a positive weight, and "
            f"gives {dict(zip(classes.tolist(), per_class.tolist()))}."
        )
    return per_class


def _weigh_classes(class_weight, y, classes, sample_weight):
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
