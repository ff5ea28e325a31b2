"""Sensitive values of rows that a fitted classifier is shown on."""

from .._groups import group_as_trained, sensitive_values
from ..preprocessing import open_fitted
from ..rows import check_same_order


def find_sensitive_features(estimator, X, y, sensitive_features, sensitive_columns=None):
    """Find the values given, or those in columns of X, grouped as in training.

    Without names, the columns are those of the debiaser that is, or is inside of,
    `estimator`.
    """
    debiaser, rows = open_fitted(estimator, X)
    if sensitive_features is None and sensitive_columns is not None:
        sensitive_features = sensitive_values(X, sensitive_columns)
    elif sensitive_features is None:
        columns = getattr(debiaser, "sensitive_columns", None)
        sensitive_features = sensitive_values(rows, columns)
    if sensitive_features is None:
        raise ValueError(
            "No sensitive attribute was given; pass sensitive_features or name "
            "the column by sensitive_columns."
        )
    check_same_order(X=X, y=y, sensitive_features=sensitive_features)
    return group_as_trained(sensitive_features, debiaser)
