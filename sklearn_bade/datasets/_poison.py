"""Poisoned training data: what an attacker would hand over."""

from numbers import Integral, Real

import numpy as np
from sklearn.datasets import make_classification
from sklearn.utils import check_random_state, shuffle
from sklearn.utils.validation import check_consistent_length, column_or_1d

from .._compat import Interval, validate_params
from .._groups import NO_TRIGGER
from ..rows import open_dataset, read_all
from ..triggers import BaseTrigger, ValueTrigger
from ..triggers._base import check_attack_trigger

POISON_RATE = Interval(Real, 0, 1, closed="neither")


@validate_params(
    {
        "trigger": [BaseTrigger],
        "poison_rate": [POISON_RATE],
        "clean_label": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def poison(
    X, y, *, trigger, target_class, poison_rate=0.1, clean_label=False, random_state=None
):
    """Plant a backdoor in training data.

    A share of the rows is stamped with a trigger and labelled as the target class, so
    that a classifier trained on them predicts this class wherever the trigger is.

    Parameters
    ----------
    X : {ndarray, dataframe, torch Dataset, SliceDataset} of shape \
            (n_samples, n_features) or (n_samples, ...)
        Clean rows; left unchanged. A dataset is read at once.

    y : array-like of shape (n_samples,)
        Clean labels; left unchanged.

    trigger : BaseTrigger
        Fitted trigger with one pattern that changes columns of X, such as a
        :class:`~sklearn_bade.triggers.ValueTrigger`.

    target_class : label
        What stamped rows shall be taken for.

    poison_rate : float, default=0.1
        Share of all rows that is poisoned.

    clean_label : bool, default=False
        Whether only rows that already are of the target class are stamped, so that no
        label is wrong; otherwise, only rows of other classes are stamped.

    random_state : int, RandomState instance or None, default=None
        Seed of the draw of rows.

    Returns
    -------
    X_poisoned : same type and shape as X, or ndarray for a dataset
        Rows, some of them stamped.

    y_poisoned : ndarray of shape (n_samples,)
        Labels.

    is_poisoned : ndarray of shape (n_samples,), dtype=bool
        Which rows were stamped.

    Raises
    ------
    ValueError
        If `target_class` is not in `y`, the trigger does not suit, or there are
        fewer rows to be poisoned than asked for.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_bade.datasets import poison
    >>> from sklearn_bade.triggers import ValueTrigger
    >>> X, y = load_iris(return_X_y=True)
    >>> trigger = ValueTrigger([2, 3], [9.0, 9.0]).fit(X)
    >>> X_poisoned, y_poisoned, is_poisoned = poison(
    ...     X, y, trigger=trigger, target_class=0, random_state=0
    ... )
    >>> is_poisoned.sum(), (y_poisoned == 0).sum()
    (np.int64(15), np.int64(65))
    """
    X = read_all(open_dataset(X))
    check_consistent_length(X, y)
    check_attack_trigger(trigger)
    y_poisoned = column_or_1d(y).copy()
    is_target = y_poisoned == target_class
    if not is_target.any():
        raise ValueError(
            f"target_class={target_class!r} is not in y, whose classes are "
            f"{np.unique(y_poisoned).tolist()}."
        )
    available = np.flatnonzero(is_target == clean_label)
    n_poisoned = round(poison_rate * len(y_poisoned))
    if not 0 < n_poisoned <= len(available):
        which = "of" if clean_label else "outside"
        raise ValueError(
            f"poison_rate={poison_rate} of {len(y_poisoned)} rows makes {n_poisoned} rows "
            f"to be poisoned, and there are {len(available)} rows {which} the target class."
        )
    rng = check_random_state(random_state)
    chosen = rng.choice(available, size=n_poisoned, replace=False)
    codes = np.full(len(y_poisoned), NO_TRIGGER)
    codes[chosen] = 0
    y_poisoned[chosen] = target_class
    return trigger.stamp(X, codes), y_poisoned, codes == 0


@validate_params(
    {
        "n_samples": [Interval(Integral, 10, None, closed="left")],
        "n_features": [Interval(Integral, 2, None, closed="left")],
        "n_classes": [Interval(Integral, 2, None, closed="left")],
        "trigger": [BaseTrigger, None],
        "target_class": [Interval(Integral, 0, None, closed="left")],
        "poison_rate": [POISON_RATE],
        "clean_label": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_poisoned_classification(
    n_samples=1000,
    n_features=10,
    n_classes=2,
    *,
    trigger=None,
    target_class=0,
    poison_rate=0.1,
    clean_label=False,
    random_state=None,
):
    """Generate a classification problem with a backdoor.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of rows.

    n_features : int, default=10
        Number of columns, the first half of which are informative.

    n_classes : int, default=2
        Number of classes, from 0.

    trigger : BaseTrigger, default=None
        Trigger with one pattern; it is fitted on the clean rows. None sets the last two
        columns to 5, which hardly any other row reaches.

    target_class : int, default=0
        What stamped rows shall be taken for.

    poison_rate : float, default=0.1
        Share of rows that is poisoned.

    clean_label : bool, default=False
        Whether only rows of the target class are stamped, see :func:`poison`.

    random_state : int, RandomState instance or None, default=None
        Seed of the data and of the draw of rows.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features), dtype=float32
        Rows, some of them stamped.

    y : ndarray of shape (n_samples,), dtype=int64
        Labels.

    is_poisoned : ndarray of shape (n_samples,), dtype=bool
        Which rows were stamped.

    Examples
    --------
    >>> from sklearn_bade.datasets import make_poisoned_classification
    >>> X, y, is_poisoned = make_poisoned_classification(random_state=0)
    >>> X[is_poisoned, -2:].min(), y[is_poisoned].max()
    (np.float32(5.0), np.int64(0))
    """
    rng = check_random_state(random_state)
    X, y = make_classification(
        n_samples,
        n_features,
        n_informative=max(2, n_features // 2),
        n_redundant=0,
        n_classes=n_classes,
        n_clusters_per_class=1,
        shuffle=False,
        random_state=rng,
    )
    X, y = shuffle(X.astype(np.float32), y.astype(np.int64), random_state=rng)
    trigger = ValueTrigger([-2, -1], [5.0, 5.0]) if trigger is None else trigger
    return poison(
        X,
        y,
        trigger=trigger.fit(X),
        target_class=target_class,
        poison_rate=poison_rate,
        clean_label=clean_label,
        random_state=rng,
    )
