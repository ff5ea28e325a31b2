"""Finding poisoned rows: suspicion, detection of a common trigger, and confirmation."""

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

from ..nets import (
    copy_net,
    layer_inputs,
    log_probabilities,
    make_mlp_net,
    row_losses,
    train_net,
    weighted_layers,
)
from ..utils import draw_seed
from ._editing import (
    DEFAULT_RIDGE,
    DEFAULT_SPARSITY,
    ESTIMATED,
    KNOWN,
    find_layer,
    invert_trigger,
    make_deaf,
    stamp_estimate,
)

# Confounded networks see little, so that shortcuts are what they learn; several splits
# and partners average their noise out. Found on digits, see the guide to the defences.
CONFOUNDER_STEPS = 300
CONFOUNDER_BATCH = 64
CONFOUNDER_SPLITS = 3
MIXING_PARTNERS = 8
# Below the poison rates that attacks need, so that the suspects are mostly poison.
SUSPECTED_SHARE = 0.03
# For speed: a trigger is as well inverted on some hundred rows.
INVERSION_ROWS = 500
# As many as Chen et al. (2018) take in their experiments.
CLUSTERED_COMPONENTS = 10
# Fewer rows than these teach a detector nothing, or show nothing of a class. Not tuned.
LEAST_ROWS = 8
LEAST_CLASS_ROWS = 30
# Of growing and of purifying a group: rounds, and the weight of the other rows of its
# class, some of which may belong to it. With the penalty of the detector, chosen on seeds
# 0-2 of benchmarks/defenses.py.
GROWTH_ROUNDS = 6
GROWTH_WEIGHT = 0.1
PURIFICATION_ROUNDS = 3
PURIFICATION_WEIGHT = 0.3
DETECTOR_PENALTY = 0.1
# A group that changes by fewer rows has settled.
SETTLED_SHARE = 0.001
# The rest of the class must be able to show what the class is, and that of the rows what
# the others are.
MAX_CLASS_SHARE = 2 / 3
MAX_SHARE = 1 / 4
# Clean groups of the test beds reached .41 at most.
MIN_RELABELLED_SHARE = 0.5


def find_poison(net, X, y, n_classes, rng):
    """Find groups of rows that owe their label to a trigger.

    For each class, rows under suspicion are collected in several ways. A detector then
    learns what they have in common and other rows have not, and picks all rows of the
    class that have it. They are poison if a network that never saw them takes most of
    them for something else; rows that merely look alike stay what they are. Of several
    such groups in a class, which complement each other, the surest is taken.
    """
    score, is_poisoned = np.zeros(len(y)), np.zeros(len(y), dtype=bool)
    suspects = []
    counts = np.bincount(y, minlength=n_classes)
    if counts.max() < LEAST_CLASS_ROWS:
        return score, is_poisoned, suspects
    scaled = StandardScaler().fit_transform(X.reshape(len(X), -1))
    undefended = train_net(net, X, y, seed=draw_seed(rng), n_outputs=n_classes)
    survival = mixing_survival(X, y, n_classes, rng)
    for k in np.flatnonzero(counts >= LEAST_CLASS_ROWS):
        best, confirmed = MIN_RELABELLED_SHARE, None
        for source, seeds in suspect(undefended, X, y, k, survival, rng):
            group = grow(scaled, y, k, seeds, rng)[0]
            row = {"class": k, "source": source, "n_rows": int(group.sum())}
            row["share_of_class"] = group.sum() / counts[k]
            if may_be_poison(group, y, k):
                relabelled = relabel_without(net, X, y, group, n_classes, rng)
                row["relabelled_share"] = float((relabelled[group] != k).mean())
                if row["relabelled_share"] > best:
                    best, confirmed = row["relabelled_share"], group & (relabelled != k)
            suspects.append(row)
        if confirmed is not None:
            group, detected = purify(scaled, y, k, confirmed, rng)
            is_poisoned |= group
            score[group] = detected[group]
    return score, is_poisoned, suspects


def may_be_poison(group, y, k):
    """Tell whether a group is neither too small nor too large to be judged."""
    most = min(MAX_CLASS_SHARE * (y == k).sum(), MAX_SHARE * len(y))
    return LEAST_ROWS <= group.sum() <= most


def split_halves(y, rng):
    """Split rows into two halves; classes with a single row may miss in one."""
    splitter = StratifiedKFold(2, shuffle=True, random_state=draw_seed(rng))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return list(splitter.split(y, y))


def make_confounder(n_samples, n_features, n_classes):
    """Make a network that is trained too briefly to learn more than shortcuts."""
    steps_per_epoch = -(-n_samples // CONFOUNDER_BATCH)
    return make_mlp_net(
        n_features,
        n_classes,
        module__hidden=(128, 64),
        lr=1e-3,
        batch_size=CONFOUNDER_BATCH,
        max_epochs=max(1, round(CONFOUNDER_STEPS / steps_per_epoch)),
    )


def mixing_survival(X, y, n_classes, rng):
    """Compute how well labels survive when rows are mixed with those of other classes.

    A trigger outlives the mixing better than the content that it goes with.
    """
    partners = [draw_partners(y, rng) for _ in range(MIXING_PARTNERS)]
    balanced = (len(y) / np.bincount(y, minlength=n_classes).clip(1))[y]
    survival = np.zeros(len(y))
    X = X.reshape(len(X), -1)
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
                mixed = (X[test] + X[partner[test]]) / 2
                survival[test] += np.exp(-row_losses(net, mixed, y[test]))
    return survival / (CONFOUNDER_SPLITS * MIXING_PARTNERS)


def draw_partners(y, rng):
    """Draw, for each row, the position of a row of another class."""
    partners = np.empty(len(y), dtype=np.int64)
    for k in np.unique(y):
        own = y == k
        partners[own] = rng.choice(np.flatnonzero(~own), size=own.sum())
    return partners


def suspect(net, X, y, k, survival, rng):
    """Suspect rows of one class in several ways."""
    yield "trigger inversion", flipped_by_edit(net, X, y, k, rng)
    yield "mixing", surviving_rows(survival, y, k)
    for cluster in activation_clusters(net, X, y, k, rng):
        yield "activation cluster", cluster


def surviving_rows(survival, y, k):
    """Suspect the rows of a class whose labels survive mixing best."""
    rows = np.flatnonzero(y == k)
    n_suspected = min(round(SUSPECTED_SHARE * len(y)), len(rows) // 4)
    suspected = np.zeros(len(y), dtype=bool)
    suspected[rows[np.argsort(-survival[rows])[:n_suspected]]] = True
    return suspected


def activation_clusters(net, X, y, k, rng):
    """Divide the rows of a class in two by what they activate.

    Stamped rows come from other classes, and meet in their label only at the end of the
    network; see Chen et al., "Detecting Backdoor Attacks on Deep Neural Networks by
    Activation Clustering", arXiv:1811.03728.
    """
    own = y == k
    layer = weighted_layers(net.module_)[find_layer(net, KNOWN)]
    activations = layer_inputs(net, layer, X[own]).reshape(own.sum(), -1)
    activations = StandardScaler().fit_transform(activations)
    n_components = min(CLUSTERED_COMPONENTS, *activations.shape)
    components = PCA(n_components, random_state=draw_seed(rng)).fit_transform(activations)
    labels = KMeans(2, n_init=5, random_state=draw_seed(rng)).fit_predict(components)
    for label in range(2):
        cluster = own.copy()
        cluster[own] = labels == label
        yield cluster


def flipped_by_edit(net, X, y, k, rng):
    """Suspect the rows of a class that leave it when its likeliest trigger is removed."""
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
    """Learn what tells a group from all other rows, out of fold."""
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
    """Replace a group by what looks like it, until it settles, dies or takes over."""
    own, probability = y == k, group.astype(float)
    for _ in range(rounds):
        if not LEAST_ROWS <= group.sum() <= MAX_CLASS_SHARE * own.sum():
            break
        probability = detect(X, y, k, group, weight, rng)
        previous, group = group, own & (probability > 0.5)
        if (group != previous).mean() < SETTLED_SHARE:
            break
    return group, probability


def purify(X, y, k, confirmed, rng):
    """Find all rows that look like those which were taken for other classes."""
    return grow(X, y, k, confirmed, rng, PURIFICATION_ROUNDS, PURIFICATION_WEIGHT)


def relabel_without(net, X, y, group, n_classes, rng):
    """Predict all rows by a net that was trained without a group."""
    trained = train_net(net, X[~group], y[~group], seed=draw_seed(rng), n_outputs=n_classes)
    return log_probabilities(trained, X).argmax(axis=1)
