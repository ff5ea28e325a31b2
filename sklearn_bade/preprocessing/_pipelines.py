"""Pipelines taken apart before training, and joined again afterwards."""

from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer


def split_pipeline(estimator):
    """Separate a pipeline's steps, as an unfitted clone or None, from its classifier."""
    if not isinstance(estimator, Pipeline):
        return None, estimator
    if len(estimator.steps) == 1:
        return None, estimator.steps[-1][1]
    return clone(estimator[:-1]), estimator.steps[-1][1]


def join_pipeline(preprocessing, to_input, classifier):
    """Put fitted steps, a cast of what they return, and a fitted classifier together."""
    cast = FunctionTransformer(to_input)
    return Pipeline(
        [*preprocessing.steps, (to_input.__name__, cast), ("classifier", classifier)]
    )
