"""Rows of a class that look alike in what a network makes of them, and to a detector."""

from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from ..nets import last_layer, layer_inputs, weighted_layers
from ..utils import draw_seed
from ._linear import CONTENT_PENALTY, CONTENT_ROWS, CONTENT_STEPS, fit_quickly, standardize

# Rows that are all the same differ by the rounding of float32.
LEAST_ACTIVATION = 1e-3
# As many as Chen et al. (2018) take in their experiments.
CLUSTERED_COMPONENTS = 10
# Spectral signatures point out so many of all rows: fewer than attacks need, so that the
# suspects are mostly poison, but at most a quarter of a class.
SUSPECTED_SHARE, MOST_SUSPECTED = 0.03, 1 / 4
# The detector sees inputs by so many principal components, which hold a pattern that a
# network can learn, and so many rows outside of the group.
DETECTED_COMPONENTS, DETECTED_ROWS = 100, 2000
# A network that judges a group must not have seen any row that the detector is unsure of:
# a dozen of them teach it a pattern.
UNSURE_PROBABILITY = 0.1
# Fewer rows than these teach a detector nothing.
LEAST_ROWS = 8
# Of growing a group: rounds, and the weight of the other rows of its class, some of which
# may belong to it. With the penalty, chosen on seeds 0-2 of benchmarks/defenses.py.
GROWTH_ROUNDS, GROWTH_WEIGHT = 3, 0.1
DETECTOR_PENALTY, DETECTOR_STEPS = 0.1, 50
# A group that changes by fewer rows has settled.
SETTLED_SHARE = 0.001


# Look-alikes are judged if the detector finds hardly any rows of other classes among
# them, and if they are as many as attacks by patterns need: smaller natural groups, such as
# an odd way of writing a 1, look as foreign to their class.
LEAST_PURITY, LEAST_SHARE = 0.8, 0.025
# The rest of the class must be able to show what the class is.
MOST_OF_CLASS = 2 / 3
# Groups that share more of the rows of the smaller one are one.
SAME_SHARE = 0.5
# A group goes on if a linear model that never saw it takes that many for other classes:
# less than the networks ask for, which know more of what a class is.
LEAST_RELABELLED = 0.4


@dataclass
class Group:
    """Rows of a class that look alike."""

    class_code: int
    source: str
    rows: np.ndarray
    probability: np.ndarray
    linear_relabelled: float = 0.0

    @property
    def n_rows(self):
        """Number of rows."""
        return int(self.rows.sum())

    @property
    def purity(self):
        """Share of the class among all rows that look like these."""
        return self.rows.sum() / max((self.probability > 0.5).sum(), 1)


def find_groups(Z, features, y, own, most_rows, rng):
    """Find groups of rows of one class that a linear model takes for other classes.

    Parameters
    ----------
    Z : ndarray of shape (n_samples, n_components)
        What networks receive, see :func:`reduce_inputs`.

    features : ndarray of shape (n_samples, n_inputs)
        What the last layer of a network receives that was trained on all rows.

    y : ndarray of shape (n_samples,)
        Class codes.

    own : ndarray of shape (n_samples,), dtype=bool
        Rows of the class in question.

    most_rows : float
        Number of rows above which a group is left alone.

    rng : RandomState instance
        Seed of clusters and detectors.

    Returns
    -------
    groups : list of Group
        Those that more evidence is worth while for.
    """
    k = int(y[own][0])
    most = min(MOST_OF_CLASS * own.sum(), most_rows)
    least = max(LEAST_ROWS, LEAST_SHARE * len(y))
    found = []
    for source, seeds in suspect(features, own, rng):
        group = Group(k, source, *grow(Z, own, seeds, most, rng))
        if not least <= group.n_rows <= most or group.purity < LEAST_PURITY:
            continue
        found.append(group)
    found = drop_overlaps(sorted(found, key=lambda group: -group.purity))
    for group in found:
        group.linear_relabelled = relabel_linearly(Z, y, group, rng)
    return [group for group in found if group.linear_relabelled >= LEAST_RELABELLED]


def drop_overlaps(groups):
    """Keep the first of groups that share most rows of the smaller one."""
    kept = []
    for group in groups:
        common = [(group.rows & other.rows).sum() for other in kept]
        sizes = [min(group.n_rows, other.n_rows) for other in kept]
        if all(n <= SAME_SHARE * size for n, size in zip(common, sizes)):
            kept.append(group)
    return kept


def relabel_linearly(Z, y, group, rng):
    """Tell how many of a group a linear model that never saw it takes for other classes."""
    seen = np.flatnonzero(group.probability <= UNSURE_PROBABILITY)
    seen = rng.permutation(seen)[:CONTENT_ROWS]
    if len(np.unique(y[seen])) < 2:
        return 0.0
    model = fit_quickly(CONTENT_PENALTY, CONTENT_STEPS, Z[seen], y[seen])
    return float((model.predict(Z[group.rows]) != group.class_code).mean())


def last_features(net, X):
    """Compute what the layer receives that runs last."""
    layer = weighted_layers(net.module_)[last_layer(net, X)]
    return layer_inputs(net, layer, X).reshape(len(X), -1)


def reduce_inputs(X, rng):
    """Standardise inputs, and keep their first principal components."""
    X = X.reshape(len(X), -1)
    Z = standardize(X)
    if X.shape[1] <= DETECTED_COMPONENTS or not Z.any():
        return Z[:, :DETECTED_COMPONENTS]
    n_components = min(DETECTED_COMPONENTS, len(Z))
    pca = PCA(n_components, svd_solver="randomized", random_state=draw_seed(rng))
    return pca.fit_transform(Z)


def suspect(features, own, rng):
    """Suspect rows of one class, by what a network trained on all rows makes of them.

    Stamped rows come from other classes and meet in their label at the end of the network
    only, so that they form a cluster of their own there, or stand out along one direction;
    see Chen et al., "Detecting Backdoor Attacks on Deep Neural Networks by Activation
    Clustering", arXiv:1811.03728, and Tran et al., "Spectral Signatures in Backdoor
    Attacks", arXiv:1811.00636.
    """
    rows = np.flatnonzero(own)
    activations = standardize(features[rows])
    if np.abs(activations).max() < LEAST_ACTIVATION:
        return
    n_components = min(CLUSTERED_COMPONENTS, *activations.shape)
    pca = PCA(n_components, svd_solver="randomized", random_state=draw_seed(rng))
    components = pca.fit_transform(activations)
    yield "spectral signature", mark(own, rows[outlying(components, len(own))])
    kmeans = KMeans(2, n_init=3, random_state=draw_seed(rng))
    labels = kmeans.fit_predict(components)
    for label in range(2):
        yield "activation cluster", mark(own, rows[labels == label])


def outlying(components, n_samples):
    """Find the rows that lie farthest out along the first component."""
    most = min(round(SUSPECTED_SHARE * n_samples), int(MOST_SUSPECTED * len(components)))
    return np.argsort(-np.abs(components[:, 0]), kind="stable")[:most]


def mark(own, rows):
    """Turn positions into a mask."""
    marked = np.zeros(len(own), dtype=bool)
    marked[rows] = True
    return marked


def detect(Z, own, group, rng):
    """Learn what tells a group from all other rows, and look for it in rows out of fold."""
    others = rng.permutation(np.flatnonzero(~group))[:DETECTED_ROWS]
    weight = np.where(own & ~group, GROWTH_WEIGHT, 1.0)
    # Rows that are left out stand behind those that are taken.
    weight[others] *= (~group).sum() / max(len(others), 1)
    learned = np.concatenate([others, np.flatnonzero(group)])
    fold = rng.permutation(len(own)) % 2
    probability = np.zeros(len(own))
    for test in range(2):
        rows = learned[fold[learned] != test]
        if group[rows].all() or not group[rows].any():
            continue
        detector = fit_quickly(
            DETECTOR_PENALTY, DETECTOR_STEPS, Z[rows], group[rows], weight[rows]
        )
        probability[fold == test] = detector.predict_proba(Z[fold == test])[:, 1]
    return probability


def grow(Z, own, group, most_rows, rng, rounds=GROWTH_ROUNDS):
    """Replace a group by what looks like it, until it settles, dies or takes over.

    Returns
    -------
    group : ndarray of shape (n_samples,), dtype=bool
        Rows of the class that look alike.

    probability : ndarray of shape (n_samples,)
        How much each row, of any class, looks like them.
    """
    probability = group.astype(float)
    for _ in range(rounds):
        if not LEAST_ROWS <= group.sum() <= most_rows:
            break
        probability = detect(Z, own, group, rng)
        previous, group = group, own & (probability > 0.5)
        if (group != previous).mean() < SETTLED_SHARE:
            break
    return group, probability
