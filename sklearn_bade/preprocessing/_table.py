"""From a raw table to numbers: the default preprocessing, and casts to what is learned."""

import numpy as np
from scipy.sparse import issparse
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import check_array

from ..rows import LazyRows, StoredRows, is_frame
from ._raw_columns import TableReader


def _is_binary(column):
    return column.dtype.kind == "f" and column.nunique() <= 2


def _measured_columns(frame):
    return [x for x in frame if frame[x].dtype.kind == "f" and not _is_binary(frame[x])]


def _binary_columns(frame):
    return [x for x in frame if _is_binary(frame[x])]


def _categorical_columns(frame):
    return [x for x in frame if frame[x].dtype.kind != "f"]


def make_default_preprocessing():
    """Build the default preprocessing of a raw table.

    Measurements are imputed by the median and standardised. Numeric columns of two
    values become 0 and 1: standardising would blow up the rarer one. All others are
    one-hot encoded, with missing, rare and unseen values in categories of their own. What
    comes out does not depend on scikit-learn's global setting of outputs.
    """
    measured = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    # A column without any value counts as binary.
    imputer = SimpleImputer(strategy="most_frequent", keep_empty_features=True)
    # What lies beyond the two values is as good as the nearer one.
    binary = make_pipeline(imputer, MinMaxScaler(clip=True))
    columns = ColumnTransformer(
        [
            ("measured", measured, _measured_columns),
            ("binary", binary, _binary_columns),
            ("categorical", OneHotEncoder(handle_unknown="ignore"), _categorical_columns),
        ],
        sparse_threshold=0,
    )
    preprocessing = Pipeline([("read", TableReader()), ("columns", columns)])
    return preprocessing.set_output(transform="default")


def to_float32(X):
    """Turn numeric features into the dense float32 array that networks need."""
    try:
        return check_array(X, dtype=np.float32, allow_nd=True, input_name="X")
    except (ValueError, TypeError) as error:
        signs = "could not convert", "DateTime64", "Timestamp"
        if any(sign in str(error) for sign in signs):
            raise ValueError(
                f"The network needs numbers, and X holds something else ({error}). Put "
                "the net at the end of a Pipeline that encodes such columns, or use "
                "estimator=None, which does so by default."
            ) from error
        raise


def to_net_rows(X):
    """Turn features into what travels to a network in batches.

    Images of bytes stay bytes, which take a quarter of the memory, those of a dataset and
    rows on disk stay unread, and sparse rows sparse.
    """
    if issparse(X):
        _check_float32(X)
        return X.tocsr()
    is_bytes = getattr(X, "dtype", None) == np.uint8 and X.ndim > 2
    lies_elsewhere = isinstance(X, (LazyRows, StoredRows))
    return X if lies_elsewhere or is_bytes else to_float32(X)


def _check_float32(X):
    """Refuse sparse values that single precision cannot hold; they are cast in batches."""
    assert_all_finite(X, input_name="X")
    ends = [X.data.min(initial=0), X.data.max(initial=0)]
    if X.data.dtype.kind == "f" and np.abs(ends).max() > np.finfo(np.float32).max:
        raise ValueError(
            "Input X contains infinity or a value too large for dtype('float32')."
        )


def to_token_rows(X):
    """Turn rows of ids into the array of 64-bit integers that embeddings need."""
    ids = check_array(X, dtype=None, input_name="X")
    rows = ids.astype(np.int64)
    if not np.array_equal(rows, ids):
        raise ValueError(
            f"X holds {ids[rows != ids][0]}, and the network looks ids up, which are whole "
            "numbers."
        )
    return rows


def to_numbers(X):
    """Make arrays of objects, bools or integers floats; leave frames as they are."""
    if issparse(X):
        return X.tocsr()
    if is_frame(X):
        return X
    X = np.asarray(X)
    return X.astype(float) if X.dtype.kind in "Obiu" else X
