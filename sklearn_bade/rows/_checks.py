"""Checks of X and y that all estimators share."""

from os import PathLike

import numpy as np
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from ._containers import is_frame
from ._lazy import LazyRows, is_dataset, open_dataset


def forget_fit(estimator):
    """Drop what an earlier fit left, so that a failed fit leaves none of it."""
    for name in [name for name in vars(estimator) if name.endswith("_")]:
        delattr(estimator, name)


def validate_features(owner, X, *, reset, takes_nan):
    """Check the container of X; its values are the business of later steps."""
    X = check_container(X, owner)
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
    X = X if is_frame(X) else open_dataset(X)
    if isinstance(X, LazyRows) or is_frame(X):
        return X
    try:
        return check_array(
            X,
            dtype=None,
            ensure_all_finite=False,
            allow_nd=True,
            estimator=owner,
            input_name="X",
        )
    except ValueError as error:
        first = X[0] if isinstance(X, (list, np.ndarray)) and len(X) else None
        if isinstance(first, (str, PathLike)):
            error.add_note(
                "If X holds paths of images, give a torch Dataset that reads them."
            )
        elif isinstance(first, tuple):
            error.add_note(
                "If a search has taken X from a torch Dataset, give the search "
                "skorch.helper.SliceDataset(dataset) instead."
            )
        raise


def validate_labels(X, y):
    """Check that there is one class label for each row, and return them as an array."""
    y = column_or_1d(np.asarray(y) if is_dataset(y) else y, warn=True)
    check_consistent_length(X, y)
    assert_all_finite(y, input_name="y")
    check_classification_targets(y)
    return y


def encode_labels(y):
    """Return the sorted labels, at least two, and the position of each row's label."""
    encoder = LabelEncoder().fit(y)
    if len(encoder.classes_) < 2:
        raise ValueError(
            f"y has only one class: every row is {encoder.classes_[0]!r}. A classifier "
            "needs at least two classes."
        )
    return encoder.classes_, encoder.transform(y).astype(np.int64)
