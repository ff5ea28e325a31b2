"""Node tables of trees, whose numbers native code takes for granted.

Scikit-learn walks from node to node without looking whether there is such a node, and so
would read foreign memory where a file has been changed.
"""

import numpy as np
from sklearn.ensemble import (
    BaseEnsemble,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder
from sklearn.tree import BaseDecisionTree
from sklearn.utils import check_array

from ._audit import Refusal
from ._walk import children_of

HISTOGRAM_BOOSTING = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
# A set of categories is a row of 256 bits, in 8 numbers of 32.
BITSET_WIDTH, MOST_CATEGORIES = 8, 256


def check_trees(model):
    """Refuse a model of which a tree points outside of its nodes or features."""
    todo, seen = [(model, None)], {}
    while todo:
        value, n_features = todo.pop()
        # A tree is looked at anew for each number of features that it is asked about.
        if (id(value), n_features) in seen:
            continue
        seen[id(value), n_features] = value
        if isinstance(value, HISTOGRAM_BOOSTING) and hasattr(value, "_predictors"):
            _check_boosting(value)
        elif _is_tree(value):
            _check_tree(value, n_features)
        n_inside = _features_of(value, n_features)
        todo.extend((child, n_inside) for child in children_of(value))


def _is_tree(value):
    return f"{type(value).__module__}.{type(value).__name__}" == "sklearn.tree._tree.Tree"


def _features_of(value, n_features):
    """Count the features that trees inside may look at: ensembles check, trees do not."""
    if isinstance(value, (list, tuple, dict, np.ndarray)):
        return n_features
    if not isinstance(value, (BaseEnsemble, BaseDecisionTree)):
        return None
    own = getattr(value, "n_features_in_", None)
    if isinstance(own, int) and n_features is not None:
        return min(own, n_features)
    return own


def _require(is_met, reason):
    if not is_met:
        raise Refusal("a tree of the classifier", reason)


def _check_tree(tree, n_features):
    """Check the nodes of a tree, and how deep they lie."""
    _require(isinstance(n_features, int), "belongs to no estimator that knows its features")
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    is_split = left != -1
    _require(np.array_equal(is_split, right != -1), "has nodes with one child")
    _check_links(left, right, is_split)
    _check_features(feature[is_split], n_features)
    depth, nodes = -1, np.array([0])
    while len(nodes):
        depth, splits = depth + 1, nodes[is_split[nodes]]
        nodes = np.unique(np.concatenate([left[splits], right[splits]]))
    _require(depth == tree.max_depth, f"is {depth} deep, not {tree.max_depth}")


def _check_links(left, right, is_split):
    """Check that children are nodes that come later, so that every walk ends."""
    numbers, n_nodes = np.flatnonzero(is_split), len(is_split)
    _require(n_nodes > 0, "has no node")
    for children in (left[is_split].astype(np.int64), right[is_split].astype(np.int64)):
        is_later = (children > numbers) & (children < n_nodes)
        _require(is_later.all(), "has children that are no nodes, or come earlier")


def _check_features(features, n_features):
    is_inside = (features >= 0) & (features < n_features)
    _require(is_inside.all(), f"looks at features that are not among the {n_features}")


def _check_boosting(model):
    """Check the trees of histogram boosting, and what reads the features for them."""
    mapper = model._bin_mapper
    flags = np.asarray(mapper.is_categorical_)
    are_flags = flags.dtype.kind in ("b", "u") and flags.ndim == 1
    _require(are_flags, "does not know which features are categories")
    is_categorical = flags != 0
    _require(not getattr(model, "_in_fit", False), "is in the middle of its training")
    n_features = len(is_categorical)
    _check_width(model, n_features)
    for feature in np.flatnonzero(is_categorical):
        values = np.asarray(mapper.bin_thresholds_[feature])
        is_known = (values >= 0) & (values < MOST_CATEGORIES)
        _require(is_known.all(), f"has categories of feature {feature} beyond 255")
    for trees in model._predictors:
        for tree in trees:
            _check_predictor(tree, n_features, is_categorical)


def _check_width(model, n_features):
    """Check that trees get as many features as they know of."""
    _require(model.n_features_in_ == n_features, f"does not get its {n_features} features")
    if model._preprocessor is None:
        return
    (_, encoder, chosen), (_, others, left), *rest = model._preprocessor.transformers_
    chosen, left = np.asarray(chosen), np.asarray(left)
    is_plain = type(encoder) is OrdinalEncoder and type(others) is FunctionTransformer
    are_masks = chosen.dtype == left.dtype == bool and chosen.shape == (n_features,)
    # The other features are checked and cast, and nothing else.
    is_check = getattr(others.func, "func", others.func) in (None, check_array)
    _require(
        is_plain
        and are_masks
        and is_check
        and (chosen != left).all()
        and all(step == "drop" for _, step, _ in rest),
        "gets other features than it has learned from",
    )


def _check_predictor(tree, n_features, is_categorical):
    """Check one tree of histogram boosting."""
    nodes, bitsets = tree.nodes, tree.raw_left_cat_bitsets
    _require(nodes.ndim == 1 and bitsets.ndim == 2, "has lost its table")
    _require(bitsets.shape[1] == BITSET_WIDTH, "has sets of categories of another size")
    is_split = nodes["is_leaf"] == 0
    _check_links(nodes["left"], nodes["right"], is_split)
    splits = nodes[is_split]
    features, by_category = splits["feature_idx"], splits["is_categorical"] != 0
    _check_features(features, n_features)
    has_set = splits["bitset_idx"][by_category] < len(bitsets)
    _require(has_set.all(), "looks for sets of categories that there are none of")
    _require(is_categorical[features[by_category]].all(), "takes numbers for categories")
