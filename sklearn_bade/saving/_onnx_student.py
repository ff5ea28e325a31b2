"""A student in a graph: base, cells and the arithmetic between them, or a single model."""

import numpy as np
from sklearn.pipeline import Pipeline

from .._compat import is_net
from .._decision import (
    ROUNDING,
    CostDecision,
    SelectionDecision,
    ThresholdDecision,
)
from ..learners import PathStudent
from ._onnx_classifiers import Question, add_probabilities
from ._onnx_columns import to_numeric_matrix, transform
from ._onnx_graph import DOUBLE, FLOAT, INT64, TEXT

TINY = np.finfo(float).tiny  # as the student's own: probabilities are not below it


def add_student(graph, student, rows, to_features):
    """Write a student; name its probabilities.

    `rows` are columns, or the name of a tensor of images. ``to_features()`` makes some rows
    of features as an array, which nets are traced with.
    """
    if isinstance(student, PathStudent):
        if student.preprocessing is not None:
            rows = _transform(student.preprocessing, graph, rows)
        if is_net(student.base):
            return _add_net_path(graph, student, rows, to_features())
        return _add_path(graph, student, rows)
    if isinstance(student, Pipeline):
        rows, student = _transform(student[:-1], graph, rows), student[-1]
    if is_net(student):
        from ._onnx_nets import add_logits

        example = to_features()
        features = _to_net_rows(graph, rows, student, example)
        (logits,) = add_logits(graph, student, features, example)
        return graph.add("Softmax", graph.cast(logits, DOUBLE), axis=1)
    return add_probabilities(graph, rows, [Question(student)])[0]


def _transform(preprocessing, graph, rows):
    if isinstance(rows, str):
        raise ValueError(
            "export_onnx does not know a Pipeline on images, or on rows of any other shape "
            "than that of a table. Put what it does into the module of the network."
        )
    return transform(preprocessing, graph, rows)


def _is_plain(student):
    """Tell whether nothing is taken from the base."""
    return not np.any(student.strength) and not np.any(student.offset)


def _add_path(graph, student, columns):
    """Write base and cells that are classifiers of columns."""
    if _is_plain(student):
        return add_probabilities(graph, columns, [Question(student.base)])[0]
    asked = [k for k, each in enumerate(student.cells.classifiers) if each is not None]
    questions = [_ask(student.cells, k) for k in asked]
    base, *answers = add_probabilities(graph, columns, [Question(student.base), *questions])
    proba = graph.add("Max", base, TINY)
    log_proba = graph.add("Log", proba)
    reversal = _reversal(student)
    taken = []
    if asked:
        groups = [student.cells.groups[k] for k in asked]
        of_class = np.repeat(asked, [len(codes) for codes in groups])
        weights = np.concatenate([reversal[k, codes] for k, codes in zip(asked, groups)])
        cells = graph.add("Mul", graph.concat(answers), graph.take(proba, of_class))
        taken.append(graph.add("MatMul", cells, weights))
    fixed = np.zeros((len(student.classes_),) * 2)
    for k in set(range(len(fixed))) - set(asked):
        fixed[k] = _fixed_proba(student.cells, k) @ reversal[k]
    if fixed.any():
        taken.append(graph.add("MatMul", proba, fixed))
    return _add_logits(graph, student, log_proba, taken)


def _ask(cells, k):
    """Ask a classifier of the groups about rows as if they were of a class."""
    stamp = getattr(cells, "stamp_", None)
    appended = () if stamp is None else tuple(stamp.patterns_[k].tolist())
    return Question(cells.classifiers[k], appended)


def _fixed_proba(cells, k):
    """Return the chances of groups where there is nothing to tell."""
    codes, chances = cells.groups[k], np.zeros(cells.n_groups)
    if not len(codes):
        return chances + 1 / cells.n_groups
    chances[codes] = 1.0
    return chances


def _reversal(student):
    """Compute what is taken from each logit (last axis) of each class and group."""
    return student.path._reversal(student.strength)


def _add_logits(graph, student, log_proba, taken):
    """Take the reversal from the logits, and turn these into probabilities."""
    logits = log_proba
    for each in taken:
        logits = graph.add("Sub", logits, each)
    if np.any(student.offset):
        logits = graph.add("Add", logits, np.asarray(student.offset, dtype=float)[None])
    return graph.add("Softmax", logits, axis=1)


def _add_net_path(graph, student, rows, example):
    """Write base and cells that are nets."""
    from ._onnx_nets import add_logits, add_values

    features = _to_net_rows(graph, rows, student.base, example)
    cells, is_plain = student.cells, _is_plain(student)
    n_kept = 1 if cells.takes_rows or is_plain else 2
    outputs = add_logits(graph, student.base, features, example, n_kept)
    log_proba = graph.add("LogSoftmax", graph.cast(outputs[0], DOUBLE), axis=1)
    if is_plain:
        return graph.add("Exp", log_proba)
    if not cells.takes_rows:
        features, example = outputs[1], cells._features(example, student.base)
    values = graph.cast(add_values(graph, cells.net, features, example), DOUBLE)
    n_classes, n_groups = cells.n_classes, cells.n_groups
    blocks = graph.add("Reshape", values, np.array([-1, n_classes, n_groups]))
    chances = graph.add("Softmax", blocks, axis=2)
    proba = graph.add("Unsqueeze", graph.add("Exp", log_proba), np.array([2]))
    cells_proba = graph.add("Mul", chances, proba)
    flat = graph.add("Reshape", cells_proba, np.array([-1, n_classes * n_groups]))
    taken = graph.add("MatMul", flat, _reversal(student).reshape(-1, n_classes))
    return _add_logits(graph, student, log_proba, [taken])


def _to_net_rows(graph, rows, net, example):
    """Put columns into the tensor that a net takes, of floats or of ids as `example` is.

    Images are a tensor already.
    """
    if isinstance(rows, str):
        return rows
    kind = INT64 if example.dtype == np.int64 else FLOAT
    return graph.cast(to_numeric_matrix(graph, rows, net), kind)


def add_labels(graph, proba, decision, classes):
    """Write what is decided of probabilities as output `label`, where rows decide alone."""
    if isinstance(decision, SelectionDecision):
        return
    labels = _to_labels(np.asarray(classes))
    kinds = {"U": TEXT, "i": INT64, "f": DOUBLE, "O": TEXT}
    codes = _decide(graph, proba, decision)
    label = graph.add("Gather", labels, codes, axis=0)
    graph.add_output("label", label, kinds[labels.dtype.kind], [])


def _to_labels(classes):
    """Return labels as integers, floats or text."""
    if classes.dtype.kind in "iub":
        return classes.astype(np.int64)
    if classes.dtype.kind == "f":
        return classes.astype(np.float64)
    return np.array([str(label) for label in classes], dtype=object)


def _decide(graph, proba, decision):
    """Write the codes of the classes that are decided for."""
    if isinstance(decision, ThresholdDecision):
        odds = np.exp(decision.margin - ROUNDING)
        least = graph.add("Mul", graph.take(proba, [0]), odds)
        is_second = graph.add("GreaterOrEqual", graph.take(proba, [1]), least)
        return graph.add("Squeeze", graph.cast(is_second, INT64), np.array([1]))
    scores = proba
    if isinstance(decision, CostDecision):
        scores = graph.add("MatMul", proba, -decision.costs / np.ptp(decision.costs))
    return graph.add("ArgMax", scores, axis=1, keepdims=0)
