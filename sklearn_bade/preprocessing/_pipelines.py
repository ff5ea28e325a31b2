"""Pipelines taken apart before training, and joined again afterwards."""

from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from ..rows import as_row_of_texts

# Words in fewer texts are not kept: they say next to nothing, and may be somebody's name.
LEAST_TEXTS_OF_WORD = 5
IMAGE_ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
# Enough for scikit-learn's solver to converge on thousands of words. Not tuned.
MOST_ITERATIONS = 1000


def split_pipeline(estimator):
    """Separate a pipeline's steps, as an unfitted clone or None, from its classifier."""
    if not isinstance(estimator, Pipeline):
        return None, estimator
    for name, step in estimator.steps:
        if hasattr(step, "fit_resample"):
            raise TypeError(
                f"The step {name!r} of the pipeline, a {type(step).__name__}, resamples "
                "rows: groups and weights would no longer belong to them. Leave it out, "
                "and weigh the rows instead, by sample_weight in fit or by the "
                "classifier's class_weight."
            )
    if len(estimator.steps) == 1:
        return None, estimator.steps[-1][1]
    return clone(estimator[:-1]), estimator.steps[-1][1]


def read_texts(estimator, X):
    """Let a pipeline begin with a column of texts, of which its own steps take a row.

    None stands for the default pipeline.
    """
    if estimator is None:
        _refuse_image_paths(X)
        estimator = make_default_text_pipeline()
    if not isinstance(estimator, Pipeline) or len(estimator.steps) == 1:
        raise ValueError(
            "X holds texts, which need a pipeline that makes numbers of them, such as "
            "make_pipeline(TfidfVectorizer(), LogisticRegression()); got "
            f"{type(estimator).__name__}. If X holds paths of images, give a torch Dataset "
            "that reads them."
        )
    column = FunctionTransformer(as_row_of_texts, feature_names_out="one-to-one")
    column.set_output(transform="default")  # a row of texts is no frame
    return Pipeline([("texts", column), *estimator.steps])


def _refuse_image_paths(X):
    """Refuse names of files, which say nothing of the images in them."""
    if all(text.lower().endswith(IMAGE_ENDINGS) for text in X[:, 0]):
        raise ValueError(
            f"X holds paths of images, such as {X[0, 0]!r}. Give a torch Dataset that "
            "reads them, or a pipeline whose first step does."
        )


def make_default_text_pipeline():
    """Build what texts are classified by where nobody says otherwise."""
    words = TfidfVectorizer(sublinear_tf=True, min_df=LEAST_TEXTS_OF_WORD)
    return make_pipeline(words, LogisticRegression(max_iter=MOST_ITERATIONS))


def refuse_removed_columns(estimator, removed):
    """Refuse a pipeline whose column transformers name columns that will be gone."""
    for transformer in _column_transformers(estimator):
        for name, _, columns in transformer.transformers:
            listed = [columns] if isinstance(columns, str) else columns
            listed = listed if isinstance(listed, (list, tuple)) else []
            named = [x for x in removed if x in listed]
            if named:
                raise ValueError(
                    f"{named[0]!r} is a sensitive column, which is removed before the "
                    f"first step of the pipeline; take it off the list of columns of "
                    f"{name!r} in its {type(transformer).__name__}. To let the classifier "
                    "see it, where that is lawful, use keep_sensitive=True."
                )


def _column_transformers(estimator):
    """Find the column transformers among the steps of a pipeline, and inside them."""
    if isinstance(estimator, ColumnTransformer):
        yield estimator
        inner = [transformer for _, transformer, _ in estimator.transformers]
    elif isinstance(estimator, Pipeline):
        inner = [step for _, step in estimator.steps]
    elif isinstance(estimator, FeatureUnion):
        inner = [transformer for _, transformer in estimator.transformer_list]
    else:
        return
    for each in inner:
        yield from _column_transformers(each)


def join_pipeline(preprocessing, to_input, classifier):
    """Put fitted steps, a cast of what they return, and a fitted classifier together."""
    cast = FunctionTransformer(to_input, feature_names_out="one-to-one")
    return Pipeline(
        [*preprocessing.steps, (to_input.__name__, cast), ("classifier", classifier)]
    )


def open_fitted(estimator, X):
    """Find the classifier inside searches, pipelines and frozen wrappers, and its X.

    The steps of a pipeline before it are applied to X, unless that is None; its columns are
    then those that the classifier knows. An ensemble's `estimator_` is a template, and left
    where it is.
    """
    while True:
        if isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            if X is not None and len(estimator) > 1:
                X = estimator[:-1].transform(X)
            estimator = estimator[-1]
        elif hasattr(estimator, "estimator_") and hasattr(estimator, "cv_results_"):
            estimator = estimator.estimator_
        else:
            return estimator, X
