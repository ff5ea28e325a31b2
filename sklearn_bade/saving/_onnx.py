"""One ONNX file from raw columns to labels and probabilities."""

from pathlib import Path

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._base import BaseDebiasClassifier
from ..rows import LazyRows, read_all, take_rows
from ._files import import_library, write_whole

# How far probabilities of the file may lie from the classifier's own, and the share of rows
# of which that is asked: trees that are not read here split by single precision.
TOLERANCE, LEAST_AGREEMENT = 1e-5, 0.999
# Rows that a file is tried on; more would only take longer.
TRIED_ROWS = 1000


def export_onnx(debiaser, path, X):
    """Write a fitted classifier, with its preprocessing, into one ONNX file.

    Whoever serves the file needs onnxruntime, and neither this package nor scikit-learn or
    torch. The preprocessing, the models of the student and what is decided of their answers
    are one graph.

    Inputs are the raw columns without the sensitive ones: for a classifier that was fitted
    on a frame, one input for each column, of its name and of shape (n_rows, 1). Text is
    text, and empty where it is missing; all numbers are doubles, and NaN where they are
    missing. Where the default preprocessing is at work, categories are text, also those
    that are numbers ("1"), dates are days since 1970 in UTC, durations days, and times of
    the day hours. A classifier that was fitted on an array has a single input, "X", of the
    type of the array given here. What `predict` refuses, as an encoder with
    ``handle_unknown="error"`` does, is answered all the same, as an unknown category.

    Outputs are "label", of shape (n_rows,), and "probabilities", of shape (n_rows,
    n_classes), in the order of `classes_`. With `selection_rate`, what is decided of a row
    depends on all others, and the file has no "label".

    Parameters
    ----------
    debiaser : BackdoorDebiasClassifier or BackdoorDebiasClassifierCV
        Fitted classifier.

    path : str or path-like
        File to write; it is replaced at once, when the new one is complete.

    X : {array-like, dataframe} of shape (n_samples, n_features) or (n_samples, ...)
        Some rows, as `predict` takes them. They settle the types of the inputs, and the
        file is tried on them (on the first thousand) before it takes its place.

    Returns
    -------
    path : pathlib.Path
        Where the file lies.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.

    TypeError
        If `debiaser` is no classifier of this package.

    ValueError
        If a part of the classifier cannot be converted, or if the file answers otherwise
        than the classifier does.

    ImportError
        If onnx, onnxruntime or skl2onnx is not installed.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_bade import BackdoorDebiasClassifier
    >>> from sklearn_bade.datasets import make_biased_classification
    >>> from sklearn_bade.saving import export_onnx
    >>> X, y, _ = make_biased_classification(2000, random_state=0)
    >>> debiaser = BackdoorDebiasClassifier(
    ...     LogisticRegression(), sensitive_columns="group", random_state=0
    ... ).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     path = export_onnx(debiaser, Path(folder) / "fair.onnx", X)
    ...     path.name
    'fair.onnx'
    """
    if not isinstance(debiaser, BaseDebiasClassifier):
        raise TypeError(
            "export_onnx takes a BackdoorDebiasClassifier or its search, got a "
            f"{type(debiaser).__name__}; skl2onnx and torch.onnx convert other classifiers."
        )
    check_is_fitted(debiaser)
    for name in ("onnx", "onnxruntime", "skl2onnx"):
        import_library(name)
    from ._onnx_inputs import make_inputs

    debiaser = getattr(debiaser, "estimator_", debiaser)
    features = _first_rows(debiaser._student_features(X))
    preprocessing = _preprocessing(debiaser.student_)
    inputs = make_inputs(features, preprocessing)
    content = _write(debiaser, inputs, features).SerializeToString()
    _try_out(content, debiaser, inputs, features)
    write_whole(path, content)
    return Path(path)


def _first_rows(X):
    """Take some rows, and read them."""
    X = take_rows(X, np.arange(min(X.shape[0], TRIED_ROWS)))
    return read_all(X) if isinstance(X, LazyRows) else X


def _preprocessing(student):
    """Return the steps before the classifier, or None."""
    if hasattr(student, "cells"):
        return student.preprocessing
    return student[:-1] if hasattr(student, "steps") else None


def _write(debiaser, inputs, features):
    """Write the graph of a classifier."""
    from ._onnx_graph import DOUBLE, Graph
    from ._onnx_student import add_labels, add_student

    graph = Graph()
    rows = inputs.declare(graph)
    proba = add_student(
        graph, debiaser.student_, rows, lambda: _to_net_features(debiaser, features)
    )
    add_labels(graph, proba, debiaser._decision, debiaser.classes_)
    n_classes = len(debiaser.classes_)
    graph.add_output("probabilities", proba, DOUBLE, [n_classes])
    return graph.model(
        f"A classifier of {type(debiaser).__name__}, of sklearn_bade. Classes: "
        f"{', '.join(map(str, debiaser.classes_))}."
    )


def _to_net_features(debiaser, X):
    """Make the features that the nets of a student take."""
    from ..learners import looks_ids_up
    from ..preprocessing import to_net_rows, to_token_rows

    student = debiaser.student_
    if hasattr(student, "cells"):
        return student.transform(X)
    steps = _preprocessing(student)
    X = X if steps is None else steps.transform(read_all(X))
    net = student if steps is None else student[-1]
    return to_token_rows(X) if looks_ids_up(net, X) else to_net_rows(X)


def _try_out(content, debiaser, inputs, features):
    """Refuse a file that answers otherwise than the classifier."""
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        (proba,) = session.run(["probabilities"], inputs.feed(features))
    except Exception as error:  # onnxruntime's classes share no base but this one
        raise ValueError(
            f"onnxruntime does not run the converted classifier ({error}). Please report "
            "this; sklearn_bade.saving.save keeps the classifier for Python."
        ) from error
    gaps = np.abs(proba - debiaser.predict_proba(features)).max(axis=1)
    agreement = np.mean(gaps <= TOLERANCE)
    if not agreement >= LEAST_AGREEMENT:
        raise ValueError(
            f"The converted classifier agrees with the fitted one on {agreement:.1%} of "
            f"{len(gaps)} rows only (probabilities differ by {gaps.max():.2g}), so no file "
            "was written. A step or classifier that export_onnx leaves to skl2onnx may be "
            "the reason; exchange it, or use sklearn_bade.saving.save."
        )
