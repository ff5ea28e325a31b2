"""Finding poisoned rows: suspicion, detection of a common trigger, and confirmation."""

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier

from ..nets import MLP, layer_inputs, log_probabilities, train_net, weighted_layers
from ._base import copy_net
from ._editing import (
    DEFAULT_RIDGE,
    DEFAULT_SPARSITY,
    ESTIMATED,
    find_layer,
    invert_trigger,
    make_deaf,
    stamp_estimate,
)

CONFOUNDER_STEPS = 300
CONFOUNDER_BATCH = 64
CONFOUNDER_SPLITS = 3
MIXING_PARTNERS = 8
SUSPECTED_SHARE = 0.03
INVERSION_ROWS = 500
LEAST_ROWS = 8
LEAST_CLASS_ROWS = 30
GROWTH_ROUNDS = 6
GROWTH_WEIGHT = 0.1
PURIFICATION_ROUNDS = 3
PURIFICATION_WEIGHT = 0.3
DETECTOR_PENALTY = 0.1
SETTLED_SHARE = 0.001
MAX_CLASS_SHARE = 2 / 3
MIN_RELABELLED_SHARE = 0.5


def find_poison(net, X, y, n_classes, rng):
    """Find groups of rows that owe their label to a trigger.

    For each class, rows under suspicion are collected in two ways. A detector then
    learns what they have in common and other rows have not, and picks all rows of the
    class that have it. They are poison if a network that never saw them takes most of
    them for something else; rows that merely look alike stay what they are.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The user's unfitted net.

    X : ndarray of shape (n_samples, n_features), dtype=float32
        Rows.

    y : ndarray of shape (n_samples,), dtype=int64
        Class codes.

    n_classes : int
        Number of classes.

    rng : RandomState
        Source of all seeds.

    Returns
    -------
    score : ndarray of shape (n_samples,)
        The detectors' probability that a row is poisoned, zero where no group was
        confirmed.

    is_poisoned : ndarray of shape (n_samples,), dtype=bool
        Rows of confirmed groups.

    suspects : list of dict
        What became of each group.
    """
    score, is_poisoned = np.zeros(len(y)), np.zeros(len(y), dtype=bool)
    suspects = []
    counts = np.bincount(y, minlength=n_classes)
    if counts.max() < LEAST_CLASS_ROWS:
        return score, is_poisoned, suspects
    scaled = StandardScaler().fit_transform(X)
    undefended = train_net(net, X, y, seed=draw_seed(rng), n_outputs=n_classes)
    survival = mixing_survival(X, y, n_classes, rng)
    for k in np.flatnonzero(counts >= LEAST_CLASS_ROWS):
        suspected = {
            "trigger inversion": flipped_by_edit(undefended, X, y, k, rng),
            "mixing": surviving_rows(survival, y, k),
        }
        for source, seeds in suspected.items():
            group, detected = grow(scaled, y, k, seeds, rng)
            row = {"class": k, "source": source, "n_rows": int(group.sum())}
            row |= {"share_of_class": group.sum() / counts[k]}
            relabelled = relabel_without(net, X, y, group, n_classes, rng)
            if relabelled is not None:
                wrong = relabelled[group] != k
                row["relabelled_share"] = float(wrong.mean())
                if wrong.mean() >= MIN_RELABELLED_SHARE:
                    group, detected = purify(scaled, y, k, group, relabelled, rng)
                    is_poisoned |= group
                    score = np.maximum(score, np.where(group, detected, 0))
            suspects.append(row)
    return score, is_poisoned, suspects


def draw_seed(rng):
    """Draw a seed."""
    return int(rng.randint(2**31 - 1))


def split_halves(y, rng):
    """Split rows into two halves; classes with a single row may miss in one."""
    splitter = StratifiedKFold(2, shuffle=True, random_state=draw_seed(rng))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return list(splitter.split(y, y))


def make_confounder(n_samples, n_features, n_classes):
    """Make a network that is trained too briefly to learn more than shortcuts.

    Parameters
    ----------
    n_samples, n_features, n_classes : int
        Size of the training data.

    Returns
    -------
    net : skorch.NeuralNetClassifier
        The unfitted network.
    """
    steps_per_epoch = -(-n_samples // CONFOUNDER_BATCH)
    return NeuralNetClassifier(
        MLP,
        module__n_features=n_features,
        module__n_classes=n_classes,
        module__hidden=(128, 64),
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=CONFOUNDER_BATCH,
        max_epochs=max(1, round(CONFOUNDER_STEPS / steps_per_epoch)),
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )


def mixing_survival(X, y, n_classes, rng):
    """Compute how well labels survive when rows are mixed with those of other classes.

    A trigger outlives the mixing better than the content that it goes with.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), dtype=float32
        Rows.

    y : ndarray of shape (n_samples,), dtype=int64
        Class codes.

    n_classes : int
        Number of classes.

    rng : RandomState
        Source of all seeds.

    Returns
    -------
    survival : ndarray of shape (n_samples,)
        Probability of the row's label, by confounded networks that were trained on
        other rows, for the mean of the row and a row of another class.
    """
    partners = [draw_partners(y, rng) for _ in range(MIXING_PARTNERS)]
    balanced = (len(y) / np.bincount(y, minlength=n_classes).clip(1))[y]
    survival = np.zeros(len(y))
    for _ in range(CONFOUNDER_SPLITS):
        for train, test in split_halves(y, rng):
            net = train_net(
                make_confounder(len(train), X.shape[1], n_classes),
                X[train],
                y[train],
                seed=draw_seed(rng),
                n_outputs=n_classes,
                sample_weight=balanced[train],
            )
            for partner in partners:
                log_proba = log_probabilities(net, (X[test] + X[partner[test]]) / 2)
                survival[test] += np.exp(log_proba[np.arange(len(test)), y[test]])
    return survival / (CONFOUNDER_SPLITS * MIXING_PARTNERS)


def draw_partners(y, rng):
    """Draw, for each row, the position of a row of another class."""
    partners = np.empty(len(y), dtype=np.int64)
    for k in np.unique(y):
        own = y == k
        partners[own] = rng.choice(np.flatnonzero(~own), size=own.sum())
    return partners


def surviving_rows(survival, y, k):
    """Suspect the rows of a class whose labels survive mixing best."""
    rows = np.flatnonzero(y == k)
    n_suspected = min(round(SUSPECTED_SHARE * len(y)), len(rows) // 4)
    suspected = np.zeros(len(y), dtype=bool)
    suspected[rows[np.argsort(-survival[rows])[:n_suspected]]] = True
    return suspected


def flipped_by_edit(net, X, y, k, rng):
    """Suspect the rows of a class that leave it when its likeliest trigger is removed.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        Net that was fitted on all rows.

    X : ndarray of shape (n_samples, n_features), dtype=float32
        Rows.

    y : ndarray of shape (n_samples,), dtype=int64
        Class codes.

    k : int
        The class.

    rng : RandomState
        Source of the draw of rows.

    Returns
    -------
    suspected : ndarray of shape (n_samples,), dtype=bool
        Suspected rows.
    """
    others = np.flatnonzero(log_probabilities(net, X).argmax(axis=1) != k)
    if len(others) < LEAST_ROWS:
        return np.zeros(len(y), dtype=bool)
    rows = X[rng.permutation(others)[:INVERSION_ROWS]]
    stamped = stamp_estimate(rows, *invert_trigger(net, rows, k, DEFAULT_SPARSITY))
    edited = copy_net(net)
    layer = weighted_layers(edited.module_)[find_layer(edited, ESTIMATED)]
    inputs = layer_inputs(edited, layer, rows).astype(float)
    shift = (layer_inputs(edited, layer, stamped) - inputs).mean(axis=0)
    make_deaf(layer, inputs, shift, ESTIMATED.alpha, DEFAULT_RIDGE)
    return (y == k) & (log_probabilities(edited, X).argmax(axis=1) != k)


def detect(X, y, k, group, weight, rng):
    """Learn what tells a group from all other rows, out of fold.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Standardised rows.

    y : ndarray of shape (n_samples,), dtype=int64
        Class codes.

    k : int
        Class of the group.

    group : ndarray of shape (n_samples,), dtype=bool
        The group.

    weight : float
        Weight of the other rows of class `k`, some of which may belong to the group.

    rng : RandomState
        Source of the split.

    Returns
    -------
    probability : ndarray of shape (n_samples,)
        Probability that a row belongs to the group.
    """
    sample_weight = np.where((y == k) & ~group, weight, 1.0)
    probability = np.zeros(len(y))
    for train, test in split_halves(2 * group + (y == k), rng):
        detector = LogisticRegression(C=DETECTOR_PENALTY)
        with warnings.catch_warnings():
            # Where it stops early, it is good enough to tell on which side a row is.
            warnings.simplefilter("ignore", ConvergenceWarning)
            detector.fit(X[train], group[train], sample_weight=sample_weight[train])
        probability[test] = detector.predict_proba(X[test])[:, 1]
    return probability


def grow(X, y, k, group, rng, rounds=GROWTH_ROUNDS, weight=GROWTH_WEIGHT):
    """Replace a group by what looks like it, until it settles, dies or takes over.

    Returns
    -------
    group : ndarray of shape (n_samples,), dtype=bool
        The group.

    probability : ndarray of shape (n_samples,)
        Probability that a row belongs to it.
    """
    own, probability = y == k, group.astype(float)
    for _ in range(rounds):
        if not LEAST_ROWS <= group.sum() <= MAX_CLASS_SHARE * own.sum():
            break
        probability = detect(X, y, k, group, weight, rng)
        previous, group = group, own & (probability > 0.5)
        if (group != previous).mean() < SETTLED_SHARE:
            break
    return group, probability


def purify(X, y, k, group, relabelled, rng):
    """Find all rows that look like those of a group which were taken for other classes."""
    confirmed = group & (relabelled != k)
    return grow(X, y, k, confirmed, rng, PURIFICATION_ROUNDS, PURIFICATION_WEIGHT)


def relabel_without(net, X, y, group, n_classes, rng):
    """Predict all rows by a net that was trained without a group.

    Returns
    -------
    predicted : ndarray of shape (n_samples,) or None
        Class codes; None if the group is too small, or too large a part of its class
        for the rest to show what the class is.
    """
    if group.sum() < LEAST_ROWS:
        return None
    k = y[group][0]
    if group.sum() > MAX_CLASS_SHARE * (y == k).sum():
        return None
    trained = train_net(net, X[~group], y[~group], seed=draw_seed(rng), n_outputs=n_classes)
    return log_probabilities(trained, X).argmax(axis=1)
