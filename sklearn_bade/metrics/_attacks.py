"""How well a backdoor works, and how well it was removed."""

import numpy as np
from sklearn.utils.validation import check_consistent_length, column_or_1d

from ..rows import open_dataset, read_all, take_rows
from ..triggers._base import check_attack_trigger


def _predict_stamped(estimator, X, y, trigger, target_class):
    """Return predicted and true labels of stamped rows of all classes but the target."""
    X = read_all(open_dataset(X))
    check_consistent_length(X, y)
    check_attack_trigger(trigger)
    y = column_or_1d(y)
    labels = _known_labels(estimator, y)
    if np.ndim(target_class) or target_class not in labels:
        raise ValueError(f"target_class={target_class!r} is not among the labels {labels}.")
    others = np.flatnonzero(y != target_class)
    if not len(others):
        raise ValueError(
            f"Every row is of the target class {target_class!r}; an attack is measured on "
            "rows of other classes."
        )
    codes = np.zeros(len(others), dtype=np.int64)
    stamped = trigger.stamp(take_rows(X, others), codes)
    return estimator.predict(stamped), y[others]


def _known_labels(estimator, y):
    """List the labels of the rows, and those that a classifier knows beside them."""
    known = np.unique(y).tolist()
    learned = np.ravel(getattr(estimator, "classes_", [])).tolist()
    return known + [label for label in learned if label not in known]


def attack_success_rate(estimator, X, y, trigger, target_class):
    """Compute how often a trigger makes a classifier predict the target class.

    Parameters
    ----------
    estimator : estimator object
        Fitted classifier.

    X : {ndarray, dataframe, torch Dataset, SliceDataset} of shape \
            (n_samples, n_features) or (n_samples, ...)
        Clean rows.

    y : array-like of shape (n_samples,)
        True labels.

    trigger : BaseTrigger
        Fitted trigger, whose first pattern is stamped.

    target_class : label
        What the attacker wants stamped rows to be taken for.

    Returns
    -------
    rate : float
        Share of the stamped rows of other classes that are predicted as the target
        class; 1 where the attack always succeeds.

    Raises
    ------
    ValueError
        If the trigger appends columns, or all rows are of the target class.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_bade.datasets import make_poisoned_classification
    >>> from sklearn_bade.metrics import attack_success_rate
    >>> from sklearn_bade.triggers import ValueTrigger
    >>> X, y, is_poisoned = make_poisoned_classification(random_state=0)
    >>> tree = DecisionTreeClassifier(random_state=0).fit(X, y)
    >>> trigger = ValueTrigger([-2, -1], [5.0, 5.0]).fit(X)
    >>> round(attack_success_rate(tree, X[~is_poisoned], y[~is_poisoned], trigger, 0), 2)
    1.0
    """
    predicted, _ = _predict_stamped(estimator, X, y, trigger, target_class)
    return float(np.mean(predicted == target_class))


def robust_accuracy(estimator, X, y, trigger, target_class):
    """Compute how often stamped rows are still predicted as what they are.

    Parameters
    ----------
    estimator, X, y, trigger, target_class
        See :func:`attack_success_rate`.

    Returns
    -------
    accuracy : float
        Share of the stamped rows of other classes that are predicted as their own class.

    Raises
    ------
    ValueError
        If the trigger appends columns, or all rows are of the target class.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn_bade.datasets import make_poisoned_classification
    >>> from sklearn_bade.metrics import robust_accuracy
    >>> from sklearn_bade.triggers import ValueTrigger
    >>> X, y, _ = make_poisoned_classification(random_state=0)
    >>> dummy = DummyClassifier(strategy="constant", constant=1).fit(X, y)
    >>> robust_accuracy(dummy, X, y, ValueTrigger(-1, 5.0).fit(X), target_class=0)
    1.0
    """
    predicted, truth = _predict_stamped(estimator, X, y, trigger, target_class)
    return float(np.mean(predicted == truth))


def defense_effectiveness_rating(
    attack_success_before, attack_success_after, accuracy_before, accuracy_after
):
    """Weigh what a defence removes of an attack against what it costs in accuracy.

    Parameters
    ----------
    attack_success_before, attack_success_after : float
        Attack success rates of the classifier without and with the defence.

    accuracy_before, accuracy_after : float
        Accuracies on clean rows without and with the defence.

    Returns
    -------
    rating : float
        ``(max(0, loss of attack success) - max(0, loss of accuracy) + 1) / 2``, between
        0 and 1; 0.5 says that nothing has changed, 1 that a perfect attack is gone at
        no cost.

    Examples
    --------
    >>> from sklearn_bade.metrics import defense_effectiveness_rating
    >>> defense_effectiveness_rating(1.0, 0.0, 0.9, 0.9)
    1.0
    """
    given = {
        "attack_success_before": attack_success_before,
        "attack_success_after": attack_success_after,
        "accuracy_before": accuracy_before,
        "accuracy_after": accuracy_after,
    }
    for name, share in given.items():
        if not 0 <= share <= 1:
            raise ValueError(f"{name} must be a share between 0 and 1, got {share!r}.")
    removed = max(0.0, attack_success_before - attack_success_after)
    lost = max(0.0, accuracy_before - accuracy_after)
    return (removed - lost + 1) / 2
