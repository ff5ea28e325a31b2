"""Prediction and accuracy of rows on a cluster, partition by partition."""

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_is_fitted

from ..rows import as_plain_labels, check_weights
from ._collections import check_frame, open_collections


def predict_partitions(debiaser, X):
    """Plan a Dask Series of labels, with the index and the partitions of X."""
    _check(debiaser, X)
    if getattr(debiaser, "selection_rate", None) is not None:
        raise ValueError(
            f"selection_rate={debiaser.selection_rate!r} selects among all rows that are "
            "given, and partitions are predicted one by one. Select from a column of "
            "predict_proba(X), or decide by a threshold."
        )
    return _map(debiaser, X, _predict, pd.Series(debiaser.classes_[:0]))


def predict_proba_of_partitions(debiaser, X):
    """Plan a Dask DataFrame with one column per class, and the index of X."""
    _check(debiaser, X)
    meta = pd.DataFrame(columns=debiaser.classes_, dtype=float)
    return _map(debiaser, X, _predict_proba, meta)


def score_partitions(debiaser, X, y, sample_weight):
    """Compute the accuracy, of which each partition gives two sums."""
    import dask

    if y is None:
        raise TypeError("X is a Dask DataFrame; give y as a Dask Series or as its column.")
    data = open_collections(X, y, weights=sample_weight)
    model = dask.delayed(debiaser)
    sums = [
        dask.delayed(_count_right)(model, *part)
        for part in zip(data.X, data.y, data.weights)
    ]
    right, total = np.sum(dask.compute(*sums), axis=0)
    if not total:
        raise ValueError("sample_weight is zero in every row; nothing is left to score.")
    return float(right / total)


def _check(debiaser, X):
    """Check on made-up rows what would otherwise fail on each worker."""
    from dask.dataframe.utils import make_meta, meta_nonempty

    check_is_fitted(debiaser)
    check_frame(X)
    fitted = getattr(debiaser, "estimator_", debiaser)
    fitted._student_features(meta_nonempty(make_meta(X)))


def _map(debiaser, X, function, meta):
    """Plan what a function makes of each partition; the model travels once."""
    from dask import delayed

    return X.map_partitions(function, delayed(debiaser), meta=meta)


def _predict(part, debiaser):
    if not len(part):
        return pd.Series(debiaser.classes_[:0], index=part.index)
    return pd.Series(debiaser.predict(part), index=part.index)


def _predict_proba(part, debiaser):
    shape = 0, len(debiaser.classes_)
    proba = debiaser.predict_proba(part) if len(part) else np.zeros(shape)
    return pd.DataFrame(proba, index=part.index, columns=debiaser.classes_, dtype=float)


def _count_right(debiaser, x, y, weights):
    """Sum up the weights of rows that are predicted rightly, and of all."""
    if len(x) != len(y) or (weights is not None and len(weights) != len(x)):
        raise ValueError(
            f"A partition of X has {len(x)} rows, and that of y, or of sample_weight, has "
            "another number. Derive all of them from one frame."
        )
    if not len(x):
        return 0.0, 0.0
    if weights is None:
        weights = np.ones(len(x))
    check_weights(weights)
    weights = np.asarray(weights, dtype=float)
    right = accuracy_score(
        as_plain_labels(y), debiaser.predict(x), normalize=False, sample_weight=weights
    )
    return float(right), float(weights.sum())
