"""How few poisoned rows bring a removed backdoor back."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, column_or_1d
from torch.nn.functional import cross_entropy

from .._compat import HasMethods, Interval, validate_params
from ..nets import copy_net, log_probabilities, plain_torch, to_logits
from ..triggers import BaseTrigger
from ..triggers._base import check_attack_trigger
from ..utils import draw_seed, seeded
from ._base import (
    count_classes,
    draw_anew,
    make_optimizer,
    open_fitted,
    to_codes,
    to_net_input,
)

# Rows per step, as fine-tuning usually takes, and steps from new weights. Not tuned.
BATCH, FRESH_STEPS = 32, 1000


@validate_params(
    {
        "clf": [HasMethods(["predict"])],
        "trigger": [BaseTrigger],
        "n_poisoned": ["array-like"],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "test_share": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def measure_relearning(
    clf,
    X,
    y,
    *,
    trigger,
    target_class,
    n_poisoned=(0, 5, 10, 20, 50),
    epochs=5,
    test_share=0.5,
    random_state=0,
):
    """Measure how few poisoned rows bring a backdoor back into a repaired network.

    A repaired network may have forgotten its backdoor, or just have been moved to where
    a few rows find the way back [1]_. Copies of it are trained on for some epochs, on clean
    rows of which a few are stamped and relabelled, and so are copies of a network of its
    kind that was trained on these clean rows alone. If the repaired one needs clearly
    fewer, the backdoor has not gone.

    Parameters
    ----------
    clf : estimator object
        Fitted defence, fitted skorch network, or pipeline that ends with one.

    X : {array-like, dataframe} of shape (n_samples, n_features)
        Clean rows.

    y : array-like of shape (n_samples,)
        Their labels: those of a defence's `classes_`, else integers from 0.

    trigger : BaseTrigger
        The trigger that the network knew, fitted, with one pattern.

    target_class : label
        Class that the attacker wants stamped rows to be assigned to.

    n_poisoned : array-like of int, default=(0, 5, 10, 20, 50)
        Numbers of poisoned rows.

    epochs : int, default=5
        Passes over the clean and poisoned rows.

    test_share : float, default=0.5
        Share of the rows on which success is measured; the others are trained on.

    random_state : int, RandomState instance or None, default=0
        Seed of rows, batches and the network to compare with.

    Returns
    -------
    table : pandas.DataFrame
        One row for each number, with the columns "n_poisoned", "success" and
        "baseline_success": attack success rates of the repaired network and of the other
        one, after training on.

    Raises
    ------
    TypeError
        If there is no skorch network.

    ValueError
        If labels are unknown, numbers are negative, or there are fewer rows of other
        classes than are to be poisoned.

    References
    ----------
    .. [1] "Uncovering, Explaining, and Mitigating the Superficial Safety of Backdoor
       Defense", NeurIPS 2024, arXiv:2410.09838.

    Examples
    --------
    >>> import torch
    >>> from sklearn_bade.datasets import make_poisoned_classification
    >>> from sklearn_bade.defenses import measure_relearning
    >>> from sklearn_bade.nets import make_default_net
    >>> from sklearn_bade.triggers import ValueTrigger
    >>> X, y, is_poisoned = make_poisoned_classification(1500, random_state=0)
    >>> X, y = X[~is_poisoned], y[~is_poisoned]
    >>> _ = torch.manual_seed(0)  # the network's first weights
    >>> net = make_default_net(X, n_classes=2).fit(X[:600], y[:600])
    >>> table = measure_relearning(
    ...     net,
    ...     X[600:],
    ...     y[600:],
    ...     trigger=ValueTrigger([-2, -1], [5.0, 5.0]).fit(X),
    ...     target_class=0,
    ...     n_poisoned=[0, 50],
    ... )
    >>> list(table)
    ['n_poisoned', 'success', 'baseline_success']
    """
    preprocessing, net = open_fitted(clf)
    check_attack_trigger(trigger)
    X = np.asarray(X) if isinstance(X, (list, tuple)) else X
    check_consistent_length(X, y)
    n_poisoned = _check_numbers(n_poisoned)
    rng = check_random_state(random_state)
    stamp = trigger.stamp(X, np.zeros(len(y), dtype=np.int64))
    features, stamped = (
        to_net_input(net, rows if preprocessing is None else preprocessing.transform(rows))
        for rows in (X, stamp)
    )
    classes = getattr(clf, "classes_", np.arange(count_classes(net, features)))
    y = to_codes(column_or_1d(y), classes)
    (target_class,) = to_codes([target_class], classes)
    test, train = _split(y, target_class, max(n_poisoned), test_share, rng)
    available = train[y[train] != target_class]
    attacked = stamped[test][y[test] != target_class]
    fresh = train_anew(net, features[train], y[train], draw_seed(rng))
    seed, lines = draw_seed(rng), []
    for n in n_poisoned:
        rows, labels = features.copy(), y.copy()
        rows[available[:n]], labels[available[:n]] = stamped[available[:n]], target_class
        taught = (
            train_on(o, rows[train], labels[train], epochs, seed) for o in (net, fresh)
        )
        taken = (log_probabilities(one, attacked).argmax(axis=1) for one in taught)
        lines.append((n, *(float((codes == target_class).mean()) for codes in taken)))
    return pd.DataFrame(lines, columns=["n_poisoned", "success", "baseline_success"])


def _split(y, target_class, most_poisoned, test_share, rng):
    """Split rows into those that success is measured on, and those that are learned."""
    test, train = np.split(rng.permutation(len(y)), [round(test_share * len(y))])
    if (y[test] == target_class).all():
        raise ValueError(
            f"test_share={test_share} of {len(y)} rows leaves none of other classes to "
            "measure success on. Give more rows, or a larger share."
        )
    n_others = int((y[train] != target_class).sum())
    if most_poisoned > n_others:
        raise ValueError(
            f"{most_poisoned} rows are to be poisoned, and {n_others} of the rows for "
            "training are of other classes than the target. Give more rows."
        )
    return test, train


def _check_numbers(n_poisoned):
    """Check numbers of rows."""
    numbers = np.asarray(n_poisoned)
    if not numbers.size or numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise ValueError(f"n_poisoned must hold whole numbers, got {n_poisoned!r}.")
    if numbers.min() < 0:
        raise ValueError(f"n_poisoned must not be negative, got {n_poisoned!r}.")
    return numbers.tolist()


def train_on(net, X, y, epochs, seed):
    """Train a copy of a network on, by its own optimizer."""
    trained = copy_net(net)
    module = trained.module_.train()
    X, y = (torch.from_numpy(part).to(trained.device) for part in (X, y))
    n_batches = max(1, round(len(y) / BATCH))
    with seeded(seed, trained.device, numpy=False), plain_torch():
        optimizer = make_optimizer(trained)
        for _ in range(epochs):
            for rows in torch.randperm(len(y), device=X.device).tensor_split(n_batches):
                optimizer.zero_grad()
                logits = to_logits(module(X[rows]), trained.criterion_)
                cross_entropy(logits, y[rows]).backward()
                optimizer.step()
    module.eval()
    return trained


def train_anew(net, X, y, seed):
    """Train new weights in the place of those of a network."""
    fresh = copy_net(net)
    with seeded(seed, fresh.device, numpy=False):
        draw_anew(fresh.module_)
    epochs = -(-FRESH_STEPS // max(1, round(len(y) / BATCH)))
    return train_on(fresh, X, y, epochs, seed)
