"""From a raw table to numbers: the default preprocessing, and casts to what is learned."""

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    StandardScaler,
)
from sklearn.utils.validation import check_array

from ..rows import LazyRows, frame_to_pandas, is_frame

# Values of a text column in fewer rows share one column, as scikit-learn's guide does:
# fewer rows hardly say anything, and each would widen the first layer. Not tuned.
LEAST_ROWS_OF_CATEGORY = 10


def to_pandas(X):
    """Turn a frame or an array into a pandas frame with inferred types.

    Columns without string names are called "x0", "x1", ...
    """
    if isinstance(X, pd.DataFrame):
        frame = X.infer_objects()
    elif is_frame(X):
        frame = frame_to_pandas(X)
    else:
        frame = pd.DataFrame(np.asarray(X)).infer_objects()
    bools = [name for name in frame if pd.api.types.is_bool_dtype(frame[name])]
    frame = frame.astype({name: float for name in bools})
    if all(isinstance(name, str) for name in frame):
        return frame
    return frame.set_axis([f"x{i}" for i in range(frame.shape[1])], axis=1)


def _is_numeric(column):
    return pd.api.types.is_numeric_dtype(column)


def _is_binary(column):
    return _is_numeric(column) and column.nunique() <= 2


def _measured_columns(frame):
    return [x for x in frame if _is_numeric(frame[x]) and not _is_binary(frame[x])]


def _binary_columns(frame):
    return [x for x in frame if _is_binary(frame[x])]


def _categorical_columns(frame):
    return [x for x in frame if not _is_numeric(frame[x])]


def _to_strings(frame):
    """Turn categories into strings, missing ones into a category of their own."""
    return frame.astype(object).where(frame.notna(), "missing").astype(str)


def make_default_preprocessing():
    """Build the default preprocessing of a raw table.

    Measurements are imputed by the median and standardised. Numeric columns of two
    values become 0 and 1: standardising would blow up the rarer one. All others are
    one-hot encoded, with missing, rare and unseen values in categories of their own.
    """
    measured = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    # A column without any value counts as binary.
    imputer = SimpleImputer(strategy="most_frequent", keep_empty_features=True)
    binary = make_pipeline(imputer, MinMaxScaler())
    categorical = make_pipeline(
        FunctionTransformer(_to_strings, feature_names_out="one-to-one"),
        OneHotEncoder(
            handle_unknown="infrequent_if_exist", min_frequency=LEAST_ROWS_OF_CATEGORY
        ),
    )
    columns = ColumnTransformer(
        [
            ("measured", measured, _measured_columns),
            ("binary", binary, _binary_columns),
            ("categorical", categorical, _categorical_columns),
        ],
        sparse_threshold=0,
    )
    return Pipeline([("to_pandas", FunctionTransformer(to_pandas)), ("columns", columns)])


def to_float32(X):
    """Turn numeric features into the dense float32 array that networks need."""
    if issparse(X):
        X = X.toarray()
    try:
        return check_array(X, dtype=np.float32, allow_nd=True, input_name="X")
    except ValueError as error:
        if "could not convert" in str(error):
            raise ValueError(
                f"The network needs numbers, and X holds something else ({error}). Put "
                "the net at the end of a Pipeline that encodes such columns, or use "
                "estimator=None, which does so by default."
            ) from error
        raise


def to_net_rows(X):
    """Turn features into what travels to a network in batches.

    Images of bytes stay bytes, which take a quarter of the memory, and those of a dataset
    stay unread.
    """
    is_bytes = getattr(X, "dtype", None) == np.uint8 and X.ndim > 2
    return X if isinstance(X, LazyRows) or is_bytes else to_float32(X)


def to_numbers(X):
    """Make arrays of objects, bools or integers floats; leave frames as they are."""
    if issparse(X):
        return X.tocsr()
    if is_frame(X):
        return X
    X = np.asarray(X)
    return X.astype(float) if X.dtype.kind in "Obiu" else X
