"""Classifiers of numbers: what several have in common is computed once."""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from ._onnx_columns import columns_of, to_numeric_matrix, transform
from ._onnx_others import convert_classifier
from ._onnx_trees import (
    Leaf,
    add_trees,
    forest_tree,
    histogram_tree,
    prune,
    to_single,
)

FORESTS = (RandomForestClassifier, ExtraTreesClassifier)


@dataclass(frozen=True)
class Question:
    """A fitted classifier that is asked about columns.

    `appended` are values of further columns, which the classifier knows beside them.
    """

    classifier: object
    appended: tuple = ()


@dataclass(frozen=True)
class _Scores:
    """Scores that a classifier computes of a matrix, and how they become probabilities.

    `are_shares` tells that the scores are probabilities; else they are logits, or the
    log-odds of the second of two classes.
    """

    matrix: str
    n_scores: int
    are_shares: bool
    baseline: np.ndarray
    trees: list | None = None
    coefficients: np.ndarray | None = None


def add_probabilities(graph, columns, questions):
    """Write what classifiers answer; name their probabilities, in doubles."""
    scores = [_read(graph, columns, question) for question in questions]
    answers = list(scores)
    for matrix in dict.fromkeys(
        each.matrix for each in scores if isinstance(each, _Scores)
    ):
        for form in ("trees", "coefficients"):
            chosen = [
                i
                for i, each in enumerate(scores)
                if isinstance(each, _Scores)
                and each.matrix == matrix
                and getattr(each, form) is not None
            ]
            if chosen:
                named = _add_together(graph, form, [scores[i] for i in chosen])
                for i, name in zip(chosen, named):
                    answers[i] = name
    return answers


def _add_together(graph, form, scores):
    """Compute the scores of several classifiers at once, and part them."""
    starts = np.cumsum([0, *[each.n_scores for each in scores]])
    n_all, matrix = int(starts[-1]), scores[0].matrix
    if form == "trees":
        trees = [
            _shifted(tree, int(start))
            for each, start in zip(scores, starts)
            for tree in each.trees
        ]
        raw = add_trees(graph, matrix, trees, n_all)
    else:
        raw = graph.add(
            "MatMul", matrix, np.concatenate([s.coefficients for s in scores], 1)
        )
    baseline = np.concatenate([each.baseline for each in scores])
    if baseline.any():
        raw = graph.add("Add", raw, baseline[None])
    return [_link(graph, raw, n_all, start, s) for s, start in zip(scores, starts)]


def _link(graph, raw, n_all, start, scores):
    """Turn some of all scores into probabilities."""
    if scores.are_shares:
        positions = range(start, start + scores.n_scores)
        return raw if scores.n_scores == n_all else graph.take(raw, list(positions))
    # The log-odds of two classes are the logits 0 and themselves.
    is_binary = scores.n_scores == 1
    parts = np.zeros((n_all, 2 if is_binary else scores.n_scores))
    for i in range(scores.n_scores):
        parts[start + i, i + is_binary] = 1.0
    return graph.add("Softmax", graph.add("MatMul", raw, parts), axis=1)


def _shifted(tree, start):
    """Let a tree add to targets that are counted from another start."""
    if isinstance(tree, Leaf):
        return replace(tree, values={start + k: x for k, x in tree.values.items()})
    left, right = _shifted(tree.left, start), _shifted(tree.right, start)
    return replace(tree, left=left, right=right)


def _read(graph, columns, question):
    """Read a classifier's scores, or write it at once and name its probabilities."""
    classifier, appended = question.classifier, question.appended
    while isinstance(classifier, FrozenEstimator):
        classifier = classifier.estimator
    if isinstance(classifier, HistGradientBoostingClassifier):
        return _read_boosting(graph, columns, classifier, appended)
    if isinstance(classifier, (*FORESTS, DecisionTreeClassifier)):
        return _read_forest(graph, columns, classifier, appended)
    if isinstance(classifier, LogisticRegression) and not appended:
        return _read_linear(graph, columns, classifier)
    width = len(columns) + len(appended)
    matrix = to_numeric_matrix(graph, columns, classifier)
    if appended:
        matrix = _append(graph, matrix, appended)
    if isinstance(classifier, Pipeline):
        made = transform(classifier[:-1], graph, columns_of(matrix, width))
        return add_probabilities(graph, made, [Question(classifier[-1])])[0]
    return convert_classifier(classifier, graph, matrix, width)


def _append(graph, matrix, values):
    """Append columns of one value each."""
    n_rows = graph.add("Slice", graph.add("Shape", matrix), [0], [1])
    shape = graph.add("Concat", n_rows, np.array([len(values)]), axis=0)
    return graph.concat([matrix, graph.add("Expand", np.array([values]), shape)])


def _read_boosting(graph, columns, classifier, appended):
    """Read boosted trees; those for appended columns are cut to what these leave open."""
    order, codes = list(range(len(columns))), columns
    if classifier._preprocessor is not None:
        is_category = np.asarray(classifier.is_categorical_)
        encoder = classifier._preprocessor.named_transformers_["encoder"]
        chosen = np.flatnonzero(is_category)
        order = np.flatnonzero(~is_category[: len(columns)])
        encoded = transform(encoder, graph, [columns[i] for i in chosen])
        codes = encoded + [columns[i] for i in order]
    matrix = to_numeric_matrix(graph, codes, classifier)
    known = {len(columns) + i: value for i, value in enumerate(appended)}
    trees = [
        prune(histogram_tree(predictor, target), known)
        for predictors in classifier._predictors
        for target, predictor in enumerate(predictors)
    ]
    baseline = classifier._baseline_prediction.ravel()
    return _Scores(matrix, len(baseline), False, baseline, trees=trees)


def _read_forest(graph, columns, classifier, appended):
    """Read a forest, or a single tree."""
    is_forest = isinstance(classifier, FORESTS)
    members = classifier.estimators_ if is_forest else [classifier]
    known = {len(columns) + i: float(np.float32(x)) for i, x in enumerate(appended)}
    trees = [prune(forest_tree(each.tree_, 1 / len(members)), known) for each in members]
    matrix = to_single(graph, to_numeric_matrix(graph, columns, classifier))
    n_classes = len(classifier.classes_)
    return _Scores(matrix, n_classes, True, np.zeros(n_classes), trees=trees)


def _read_linear(graph, columns, classifier):
    """Read the coefficients of a logistic regression."""
    if classifier.solver == "liblinear" and len(classifier.classes_) > 2:
        raise ValueError(
            "export_onnx does not know LogisticRegression(solver='liblinear') of several "
            "classes. Use another solver."
        )
    matrix = to_numeric_matrix(graph, columns, classifier)
    coefficients = classifier.coef_.astype(float).T
    n_scores = coefficients.shape[1]
    baseline = np.broadcast_to(np.asarray(classifier.intercept_, dtype=float), n_scores)
    return _Scores(matrix, n_scores, False, baseline, coefficients=coefficients)
