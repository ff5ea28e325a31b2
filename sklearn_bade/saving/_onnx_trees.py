"""Trees of scikit-learn's classifiers, as one operator for any number of them."""

from dataclasses import dataclass, field

import numpy as np

from ._onnx_graph import DOUBLE, FLOAT, ML_DOMAIN, to_tensor

# Asked for where only missing values go left: no category has it.
NO_CODE = -1
BITS = 32  # of a word of the sets of categories that a histogram tree splits by


@dataclass(frozen=True)
class Leaf:
    """What a tree adds to its targets, by position."""

    values: dict


@dataclass(frozen=True)
class Split:
    """A split by a threshold, or by a set of codes; left is where it holds."""

    feature: int
    threshold: float
    codes: tuple | None
    missing_goes_left: bool
    left: object
    right: object

    def goes_left(self, value):
        """Tell where a value goes that is not missing."""
        return value <= self.threshold if self.codes is None else value in self.codes


def histogram_tree(predictor, target):
    """Read a tree of HistGradientBoosting."""
    nodes, bitsets = predictor.nodes, predictor.raw_left_cat_bitsets

    def read(i):
        node = nodes[i]
        if node["is_leaf"]:
            return Leaf({target: float(node["value"])})
        codes = None
        if node["is_categorical"]:
            words = bitsets[node["bitset_idx"]]
            codes = tuple(
                code
                for code in range(BITS * len(words))
                if int(words[code // BITS]) >> (code % BITS) & 1
            )
        return Split(
            int(node["feature_idx"]),
            float(node["num_threshold"]),
            codes,
            bool(node["missing_go_to_left"]),
            read(node["left"]),
            read(node["right"]),
        )

    return read(0)


def forest_tree(tree, scale):
    """Read a tree of a forest, whose leaves hold shares of the classes."""
    shares = tree.value[:, 0, :]
    shares = scale * shares / shares.sum(axis=1, keepdims=True)

    def read(i):
        if tree.children_left[i] == tree.children_right[i]:
            return Leaf({k: float(x) for k, x in enumerate(shares[i]) if x})
        return Split(
            int(tree.feature[i]),
            float(tree.threshold[i]),
            None,
            bool(tree.missing_go_to_left[i]),
            read(tree.children_left[i]),
            read(tree.children_right[i]),
        )

    return read(0)


def prune(tree, known):
    """Cut the branches that a tree never takes where some features are known."""
    while isinstance(tree, Split) and tree.feature in known:
        tree = tree.left if tree.goes_left(known[tree.feature]) else tree.right
    if isinstance(tree, Leaf):
        return tree
    left, right = prune(tree.left, known), prune(tree.right, known)
    return Split(
        tree.feature, tree.threshold, tree.codes, tree.missing_goes_left, left, right
    )


@dataclass
class _Nodes:
    """Attributes of the operator, one entry per node or value of a leaf."""

    trees: list = field(default_factory=list)
    ids: list = field(default_factory=list)
    features: list = field(default_factory=list)
    modes: list = field(default_factory=list)
    values: list = field(default_factory=list)
    missing: list = field(default_factory=list)
    left: list = field(default_factory=list)
    right: list = field(default_factory=list)
    leaf_trees: list = field(default_factory=list)
    leaf_ids: list = field(default_factory=list)
    targets: list = field(default_factory=list)
    weights: list = field(default_factory=list)

    def add(self, tree, number):
        """Append a node and all below it; return its id."""
        if isinstance(tree, Leaf):
            return self._add_leaf(tree, number)
        if tree.codes is None:
            i = self._open(number, tree.feature, "BRANCH_LEQ", tree.threshold)
            self.missing[i] = int(tree.missing_goes_left)
            self.left[i] = self.add(tree.left, number) - self._first
            self.right[i] = self.add(tree.right, number) - self._first
            return i
        return self._add_members(tree, number)

    def start(self):
        """Begin a tree; ids are counted within it."""
        self._first = len(self.ids)

    def _open(self, number, feature, mode, value):
        self.trees.append(number)
        self.ids.append(len(self.ids) - self._first)
        for entries, entry in (
            (self.features, feature),
            (self.modes, mode),
            (self.values, value),
            (self.missing, 0),
            (self.left, 0),
            (self.right, 0),
        ):
            entries.append(entry)
        return len(self.ids) - 1

    def _add_members(self, tree, number):
        """Ask for one code after the other; where one is met, all lead to the same node."""
        chain = [
            self._open(number, tree.feature, "BRANCH_EQ", float(code))
            for code in tree.codes or [NO_CODE]
        ]
        left = self.add(tree.left, number) - self._first
        right = self.add(tree.right, number) - self._first
        for i, after in zip(chain, [*chain[1:], None]):
            self.left[i] = left
            self.right[i] = right if after is None else after - self._first
            self.missing[i] = int(tree.missing_goes_left)
        return chain[0]

    def _add_leaf(self, leaf, number):
        i = self._open(number, 0, "LEAF", 0.0)
        for target, value in (leaf.values or {0: 0.0}).items():
            self.leaf_trees.append(number)
            self.leaf_ids.append(self.ids[i])
            self.targets.append(target)
            self.weights.append(value)
        return i


def add_trees(graph, matrix, trees, n_targets):
    """Write the sum of what trees add to each target."""
    nodes = _Nodes()
    for number, tree in enumerate(trees):
        nodes.start()
        nodes.add(tree, number)
    # Thresholds in double precision: a row goes where scikit-learn sends it.
    sums = graph.add(
        "TreeEnsembleRegressor",
        matrix,
        domain=ML_DOMAIN,
        n_targets=n_targets,
        nodes_treeids=nodes.trees,
        nodes_nodeids=nodes.ids,
        nodes_featureids=nodes.features,
        nodes_modes=nodes.modes,
        nodes_values_as_tensor=_doubles(nodes.values),
        nodes_missing_value_tracks_true=nodes.missing,
        nodes_truenodeids=nodes.left,
        nodes_falsenodeids=nodes.right,
        target_treeids=nodes.leaf_trees,
        target_nodeids=nodes.leaf_ids,
        target_ids=nodes.targets,
        target_weights_as_tensor=_doubles(nodes.weights),
    )
    return graph.cast(sums, DOUBLE)


def _doubles(values):
    return to_tensor(np.array(values, dtype=np.float64), "")


def to_single(graph, matrix):
    """Round features as forests do."""
    return graph.cast(graph.cast(matrix, FLOAT), DOUBLE)
