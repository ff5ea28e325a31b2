"""Sensitive columns: where they are, what groups they make, how they leave X.

A group is a combination of the values of one or several sensitive columns.
Rows with a missing value belong to no group and get the code -1.
"""

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.utils import _safe_indexing

DEFAULT_BINS = 2
MAX_DISTINCT_VALUES = 10
MANY_GROUPS = 50
UNKNOWN_GROUP = -1
NO_TRIGGER = -1  # the mark of no group


def is_dataframe(X):
    """Tell whether `X` is a table with named columns (pandas, polars, ...)."""
    return hasattr(X, "columns") and hasattr(X, "shape") and not issparse(X)


def locate_columns(X, feature, parameter="sensitive_feature"):
    """Find the positions of columns in `X`.

    Parameters
    ----------
    X : {array-like, dataframe} of shape (n_samples, n_features)
        The features.

    feature : str, int, or list of these
        Names (dataframes only) or positions of the columns.

    parameter : str, default="sensitive_feature"
        What the user calls them, for messages.

    Returns
    -------
    positions : list of int
        Positions of the columns, in the order given.

    Raises
    ------
    ValueError
        If a name or a position is not in `X`; the message lists what is.
    """
    features = feature if isinstance(feature, (list, tuple)) else [feature]
    if not features:
        raise ValueError(f"{parameter} is an empty list; name at least one column.")
    positions = [_locate_column(X, one, parameter) for one in features]
    if len(set(positions)) < len(positions):
        raise ValueError(f"{parameter}={feature!r} names a column twice.")
    return positions


def _locate_column(X, feature, parameter):
    n_features = X.shape[1]
    if not isinstance(feature, str):
        if not -n_features <= feature < n_features:
            raise ValueError(
                f"{parameter}={feature} is out of range: X has "
                f"{n_features} feature(s), so positions run from 0 to "
                f"{n_features - 1}."
            )
        return int(feature) % n_features
    if not is_dataframe(X):
        raise ValueError(
            f"{parameter}={feature!r} is a column name, but X is a "
            f"{type(X).__name__} without column names. Give the position of the "
            f"column (0 to {n_features - 1}) or pass a dataframe."
        )
    columns = list(X.columns)
    if feature not in columns:
        raise ValueError(
            f"{parameter}={feature!r} is not a column of X. The columns are: {columns}."
        )
    return columns.index(feature)


def drop_columns(X, positions):
    """Return `X` without the columns at `positions`, in its own container.

    Where what is left of an array lies side by side, it is not copied.
    """
    if not positions:
        return X
    kept = [i for i in range(X.shape[1]) if i not in set(positions)]
    if isinstance(X, np.ndarray) and kept == list(range(kept[0], kept[-1] + 1)):
        return X[:, kept[0] : kept[-1] + 1]
    return _safe_indexing(X, kept, axis=1)


def sensitive_table(values):
    """Put sensitive values of any container into a pandas frame.

    Parameters
    ----------
    values : array-like or dataframe of shape (n_samples,) or (n_samples, n_columns)
        Sensitive values of any type; missing ones are None, NaN or NA.

    Returns
    -------
    table : pandas.DataFrame of shape (n_samples, n_columns)
        The same values, with a fresh index.
    """
    if isinstance(values, (pd.DataFrame, pd.Series)):
        return pd.DataFrame(values).reset_index(drop=True).infer_objects()
    if is_dataframe(values):
        return pd.DataFrame({name: values[name].to_numpy() for name in values.columns})
    if isinstance(values, (list, tuple)):  # NumPy would turn mixed ones into strings
        return pd.DataFrame(list(values)).infer_objects()
    values = np.asarray(values)
    if values.ndim == 0:
        raise ValueError(
            f"sensitive_features={values.item()!r} is no array of one value per row. To "
            "name a column of X, give it to the constructor, sensitive_feature=..."
        )
    if values.ndim > 2:
        raise ValueError(
            "sensitive_features must have one or two dimensions, got an array of "
            f"shape {values.shape}."
        )
    return pd.DataFrame(values).infer_objects()


def encode_groups(table, n_bins):
    """Turn sensitive values into group codes.

    Parameters
    ----------
    table : pandas.DataFrame of shape (n_samples, n_columns)
        Sensitive values, see :func:`sensitive_table`.

    n_bins : int
        Number of quantile intervals for a numeric column with more than
        `MAX_DISTINCT_VALUES` distinct values.

    Returns
    -------
    codes : ndarray of shape (n_samples,), dtype=int64
        Position of each row's group in `groups`; -1 where a value is missing.

    groups : ndarray of shape (n_groups,)
        The value of each group; for several columns, tuples of values. Intervals
        of numeric columns appear as strings such as ``"(17.0, 37.0]"``.

    Raises
    ------
    ValueError
        If all rows are missing, or if there is only one group, or one for every other
        row.
    """
    columns = [_encode_column(table[name], n_bins) for name in table.columns]
    shape = [len(values) for _, values in columns]
    known = np.logical_and.reduce([codes != UNKNOWN_GROUP for codes, _ in columns])
    if not known.any():
        raise ValueError(
            "The sensitive attribute is missing in every row; at least two groups "
            "with known rows are needed."
        )
    cells = np.ravel_multi_index([codes[known] for codes, _ in columns], shape)
    codes = np.full(len(table), UNKNOWN_GROUP, dtype=np.int64)
    codes[known], cells = pd.factorize(cells, sort=True)
    combinations = np.column_stack(np.unravel_index(cells, shape))
    groups = _group_labels(combinations, [values for _, values in columns])
    if len(groups) > max(MANY_GROUPS, known.sum() / 2):
        raise ValueError(
            f"The sensitive attribute has {len(groups)} groups among {known.sum()} rows; "
            "it seems to be an identifier. Give an attribute that many rows share."
        )
    if len(groups) < 2:
        raise ValueError(
            "The sensitive attribute has only one group: every known row has the "
            f"value {groups[0]!r}. Debiasing compares at least two groups."
        )
    return codes, groups


def _group_labels(combinations, values_per_column):
    """Name each combination of column codes by its values."""
    labels = [values[codes] for values, codes in zip(values_per_column, combinations.T)]
    if len(labels) == 1:
        return np.asarray(labels[0])
    groups = np.empty(len(combinations), dtype=object)
    groups[:] = list(zip(*labels))
    return groups


def _encode_column(column, n_bins):
    """Encode one sensitive column as codes and the values they stand for."""
    _check_values(column)
    if _is_continuous(column):
        column = pd.qcut(column.astype(float), n_bins, duplicates="drop").astype(object)
        column = column.map(str, na_action="ignore")
    try:
        codes, values = pd.factorize(column, sort=True)
    except TypeError:
        codes, values = _factorize_mixed(column)
    return codes, np.asarray(values)


def _factorize_mixed(column):
    """Factorize values that cannot be compared, ordered by their text."""
    codes, values = pd.factorize(column)
    order = sorted(range(len(values)), key=lambda i: (str(values[i]), str(type(values[i]))))
    rank = np.empty(len(values) + 1, dtype=np.int64)
    rank[order] = np.arange(len(values))
    rank[UNKNOWN_GROUP] = UNKNOWN_GROUP
    return rank[codes], np.asarray(values, dtype=object)[order]


def _is_continuous(column):
    is_number = pd.api.types.is_numeric_dtype(column)
    is_bool = pd.api.types.is_bool_dtype(column)
    return is_number and not is_bool and column.nunique() > MAX_DISTINCT_VALUES


def _check_values(column):
    if pd.api.types.is_float_dtype(column) and np.isinf(column.astype(float)).any():
        raise ValueError(
            "The sensitive attribute contains infinity. Missing values may be NaN "
            "or None; infinite values have no group."
        )
    if pd.api.types.is_object_dtype(column):
        for value in column:
            if isinstance(value, (dict, list, set, np.ndarray)):
                raise TypeError(
                    "A sensitive attribute's argument must be a string or a number "
                    f"in every row, got {value!r} of type {type(value).__name__}."
                )
