"""Estimators that skl2onnx converts."""

from ._onnx_graph import DOUBLE, FLOAT, ML_DOMAIN, ML_OPSET, OPSET

# Characters of a foreign message that are passed on: enough to know it by.
MOST_SAID = 150


def convert_transformer(step, graph, matrix, width):
    """Graft a transformer of numbers, and return its output and the width of that."""
    model, kind = _convert(step, width)
    (output,) = model.graph.output
    shape = output.type.tensor_type.shape.dim
    grafted = graph.graft(model, {"X": graph.cast(matrix, kind)})[output.name]
    return graph.cast(grafted, DOUBLE), shape[1].dim_value


def convert_classifier(classifier, graph, matrix, width):
    """Graft a classifier, and return its probabilities."""
    model, kind = _convert(classifier, width, options={id(classifier): {"zipmap": False}})
    outputs = graph.graft(model, {"X": graph.cast(matrix, kind)})
    return graph.cast(outputs["probabilities"], DOUBLE)


def _convert(estimator, width, **options):
    """Let skl2onnx convert an estimator of a matrix; return the type of that, too.

    Some of what it writes for doubles does not load; single precision is then tried, and
    whether that is precise enough shows when the file is tried on rows.
    """
    from onnxruntime import InferenceSession
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    errors = []
    for kind, tensor_type in ((DOUBLE, DoubleTensorType), (FLOAT, FloatTensorType)):
        try:
            model = convert_sklearn(
                estimator,
                initial_types=[("X", tensor_type([None, width]))],
                target_opset={"": OPSET, ML_DOMAIN: ML_OPSET},
                **options,
            )
            InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        except Exception as error:  # neither package has one class for its errors
            errors.append(error)
        else:
            return model, kind
    raise ValueError(
        f"{type(estimator).__name__} cannot be converted to ONNX: skl2onnx says "
        f"{first_words(errors[-1])!r}. Use an estimator that it knows (LogisticRegression, "
        "HistGradientBoostingClassifier, RandomForestClassifier, a network), or keep the "
        "whole classifier by sklearn_bade.saving.save."
    ) from errors[-1]


def first_words(error):
    """Return the beginning of what an error says: some list a whole model."""
    said = str(error).strip().splitlines()
    return said[0][:MOST_SAID] if said else type(error).__name__
