"""Checks of X and y that all estimators share."""

from os import PathLike

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import assert_all_finite, get_tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from .._compat import is_arrow_dataset, is_tensor
from ._columnar import CodedLabels, ColumnarRows
from ._containers import column_names, frame_to_pandas, is_frame
from ._lazy import LazyRows, is_dataset, open_dataset, reading
from ._texts import Texts, open_texts

# Weights that are as far from one as this or further are measured by the greatest.
SMALLEST_WEIGHT = 1e-100


def forget_fit(estimator):
    """Drop what an earlier fit left, so that a failed fit leaves none of it."""
    for name in [name for name in vars(estimator) if name.endswith("_")]:
        delattr(estimator, name)


def validate_features(owner, X, *, reset, takes_nan, takes_texts=False):
    """Check the container of X; its values are the business of later steps."""
    X = check_container(X, owner)
    if isinstance(X, ColumnarRows):
        validate_data(owner, X.example(), reset=reset, skip_check_array=True)
        _check_inner_shape(owner, X, reset)
        return X
    if isinstance(X, Texts) and not takes_texts:
        raise ValueError(
            f"X holds texts, and {type(owner).__name__} takes numbers. Texts are for "
            "BackdoorDebiasClassifier and BackdoorDebiasClassifierCV."
        )
    _check_inner_shape(owner, X, reset)
    if len(X.shape) > 2:
        X = _check_pixels(owner, X, reset)
    X = validate_data(owner, X, reset=reset, skip_check_array=True)
    if isinstance(X, np.ndarray) and not takes_nan and X.dtype.kind == "f":
        assert_all_finite(X, input_name="X")
    return X


def _check_inner_shape(owner, X, reset):
    """Check that rows have the axes that they had in fit."""
    if reset:
        owner._inner_shape = X.shape[2:]
        return
    expected = owner.n_features_in_, *owner._inner_shape
    both_are_tables = len(X.shape) == 2 and not owner._inner_shape
    if not both_are_tables and X.shape[1:] != expected:
        raise ValueError(
            f"X has rows of shape {X.shape[1:]}, but {type(owner).__name__} is expecting "
            f"rows of shape {expected}, as in fit."
        )


def _check_pixels(owner, X, reset):
    """Keep images of bytes and of floats apart, which networks may scale differently."""
    if reset or owner._takes_bytes:
        X = _as_bytes(X)
    if reset:
        owner._takes_bytes = X.dtype == np.uint8
    elif owner._takes_bytes != (X.dtype == np.uint8):
        seen, given = ("bytes", "floats") if owner._takes_bytes else ("floats", "bytes")
        raise ValueError(
            f"X holds {given} ({X.dtype}), and {type(owner).__name__} was fitted on "
            f"{seen}. Networks may scale the two differently; convert X as it was in fit."
        )
    return X


def _as_bytes(X):
    """Turn images of other integers into bytes, where they fit."""
    is_other = isinstance(X, np.ndarray) and X.dtype.kind in "iu" and X.dtype != np.uint8
    return X.astype(np.uint8) if is_other and X.min() >= 0 and X.max() <= 255 else X


def check_container(X, owner):
    """Check that X holds rows, of whatever type and number of axes."""
    if isinstance(X, dict) and not issparse(X):
        X = pd.DataFrame(X)
    if isinstance(X, ColumnarRows) and owner._reads_batches:
        return X
    _refuse_arrow_dataset(X, owner)
    _refuse_path(X)
    if is_frame(X):
        return _check_frame(X)
    X = open_texts(X)
    if isinstance(X, Texts):
        return X
    X = open_dataset(X)
    if isinstance(X, LazyRows):
        return X
    X = _as_array(X)
    try:
        X = check_array(
            X,
            dtype=None,
            ensure_all_finite=False,
            allow_nd=True,
            accept_sparse=get_tags(owner).input_tags.sparse,
            estimator=owner,
            input_name="X",
        )
        return X.tocsr() if issparse(X) else X
    except (TypeError, ValueError) as error:
        if issparse(X):
            error.add_note(
                "Sparse rows need a classifier or a network as estimator; the default one "
                "is made for dense tables."
            )
        first = X[0] if isinstance(X, (list, np.ndarray)) and len(X) else None
        if isinstance(first, (str, PathLike)):
            error.add_note(
                "If X holds paths of images, give a torch Dataset that reads them."
            )
        elif "inhomogeneous" in str(error) and not isinstance(first, tuple):
            error.add_note(
                "If X holds ids of tokens, fill its rows up to one length by an id for "
                "padding."
            )
        elif isinstance(first, tuple):
            error.add_note(
                "If a search has taken X from a torch Dataset, give the search "
                "skorch.helper.SliceDataset(dataset) instead."
            )
        raise


def _refuse_arrow_dataset(X, owner):
    """Refuse a dataset where everything is read into memory anyway."""
    if is_arrow_dataset(X) or isinstance(X, ColumnarRows):
        raise TypeError(
            f"X is a pyarrow Dataset, which {type(owner).__name__} cannot read batch by "
            "batch. BackdoorDebiasClassifier with a network can; otherwise read it into "
            "memory, X.to_table().to_pandas(), or some of its rows, X.head(100_000)."
        )


def _refuse_path(X):
    """Refuse the name of a file, which may be of any kind."""
    if isinstance(X, (str, PathLike)):
        raise ValueError(
            f"X is the path or text {str(X)[:80]!r}, and no rows. Read the file into a "
            "frame first; for a network, Parquet files may be given as "
            "pyarrow.dataset.dataset(path). A single text goes into a list, [text]."
        )


def _check_frame(X):
    """Check that columns can be told apart; tables of arrow become pandas' own."""
    names = column_names(X)
    if len(set(names)) < len(names):
        twice = sorted({str(name) for name in names if names.count(name) > 1})
        raise ValueError(
            f"X has several columns called {', '.join(twice)}. Give each a name of its own."
        )
    if X.shape[0] == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={X.shape}) while a minimum of 1 is "
            "required."
        )
    return X if hasattr(X, "iloc") or hasattr(X, "with_columns") else frame_to_pandas(X)


def _as_array(X):
    """Turn tensors, and lists of text and numbers, into arrays that keep their values."""
    if is_tensor(X):
        return X.detach().cpu().numpy()
    if isinstance(X, (list, tuple)) and len(X) and isinstance(X[0], (list, tuple)):
        are_texts = {isinstance(value, str) for row in X for value in row}
        return np.array(X, dtype=object) if len(are_texts) == 2 else X
    return X if issparse(X) else _in_native_order(X)


def _in_native_order(X):
    """Turn numbers of another machine's order of bytes into our own."""
    is_foreign = isinstance(X, np.ndarray) and not X.dtype.isnative
    return X.astype(X.dtype.newbyteorder("=")) if is_foreign else X


def validate_labels(X, y):
    """Check that there is one class label for each row, and return them as an array."""
    if y is None:
        raise ValueError(
            "A classifier requires y to be passed, but the target y is None. Only a torch "
            "Dataset of tuples holds labels itself."
        )
    if isinstance(y, str):
        raise ValueError(
            f"y={y!r} is no array of labels. Names of columns are for a pyarrow Dataset or "
            "a Dask DataFrame as X. Otherwise give the column itself, without it in X."
        )
    if isinstance(y, CodedLabels):
        return _check_coded_labels(X, y)
    if is_dataset(y):
        with reading(y):
            y = np.asarray(y)
    else:
        y = as_plain_labels(y)
    y = column_or_1d(y, warn=True)
    check_consistent_length(X, y)
    assert_all_finite(y, input_name="y")
    check_classification_targets(y)
    return y


def _check_coded_labels(X, y):
    y.check()
    check_consistent_length(X, y)
    assert_all_finite(y.values, input_name="y")
    check_classification_targets(y.values)
    return y


def check_weights(sample_weight):
    """Check that weights are finite, also in sum, and not negative."""
    weights = column_or_1d(sample_weight).astype(float)
    if not np.isfinite(weights).all() or (weights < 0).any() or np.isinf(weights.sum()):
        raise ValueError(
            "sample_weight must hold finite numbers that are not negative, and have a "
            f"finite sum; the least is {weights.min()}, the greatest {weights.max()}. "
            "Negative values and NaN are no weights."
        )
    # Only ratios of weights matter, and squares of these must be numbers.
    greatest = weights.max(initial=0)
    if greatest and not SMALLEST_WEIGHT < greatest < 1 / SMALLEST_WEIGHT:
        return weights / greatest
    return weights


def as_plain_labels(labels, name="y"):
    """Turn labels of pandas' own types into NumPy's, so that equal ones are equal."""
    if isinstance(labels, np.ma.MaskedArray) and np.ma.is_masked(labels):
        raise ValueError(f"{name} has masked values; leave these rows out.")
    if isinstance(labels, pd.DataFrame) and labels.shape[1] == 1:
        labels = labels.iloc[:, 0]
    if is_tensor(labels):
        return labels.detach().cpu().numpy()
    if isinstance(labels, np.ndarray) and labels.dtype == object and labels.ndim == 1:
        return pd.Series(labels).infer_objects().to_numpy()
    if not isinstance(labels, (pd.Series, pd.Index)):
        return labels
    if labels.isna().any():
        raise ValueError(f"{name} contains NaN, None or NA; leave these rows out.")
    is_own_type = isinstance(labels.dtype, np.dtype)
    return labels.to_numpy() if is_own_type else np.asarray(labels.tolist())


def encode_labels(y):
    """Return the sorted labels, at least two, and the position of each row's label."""
    if isinstance(y, CodedLabels):
        present = np.flatnonzero(np.bincount(y.codes))
        classes, codes = encode_labels(y.values[present])
        new_codes = np.zeros(len(y.values), dtype=y.codes.dtype)
        new_codes[present] = codes
        return classes, new_codes[y.codes]
    encoder = LabelEncoder().fit(y)
    if len(encoder.classes_) < 2:
        raise ValueError(
            f"y has only one class: every row is {encoder.classes_[0]!r}. A classifier "
            "needs at least two classes."
        )
    return encoder.classes_, encoder.transform(y).astype(np.int64)
