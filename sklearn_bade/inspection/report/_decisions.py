"""Who is decided otherwise by a second model, and what carries the difference."""

import numpy as np
import pandas as pd
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted

from ...rows import check_same_order, column_names, frame_to_pandas, is_frame
from ._attributes import find_sensitive_values, read_attributes

# What log-odds are cut at, since probabilities of 0 and 1 have infinite ones.
LEAST_PROBABILITY = 1e-6
METHODS = ("permutation", "shap")


def decided_otherwise(
    before,
    after,
    X,
    *,
    sensitive_features=None,
    sensitive_columns=None,
    pos_label=None,
):
    """List the rows that two models decide differently.

    Parameters
    ----------
    before, after : estimator object
        Fitted classifiers; for instance ``clf.with_strength(0)`` and ``clf``.

    X : {array-like, dataframe} of shape (n_samples, n_features)
        Features.

    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), \
            default=None
        Sensitive values; or else name their columns.

    sensitive_columns : str, int or list of these, default=None
        Sensitive columns of X. None takes those of the models.

    pos_label : label, default=None
        The favourable label; the greatest by default.

    Returns
    -------
    rows : pandas.DataFrame
        One line for each row that is decided otherwise, under its row label in X (its
        position in an array). Columns "position" in X, "group" (None where unknown),
        "before" and "after", the labels decided, "proba_before" and "proba_after", the
        probabilities of the favourable label, and "outcome": "gained" or "lost" the
        favourable label, or "other".

    Raises
    ------
    ValueError
        If the models know different labels, or there are no sensitive values.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_bade import BackdoorDebiasClassifier
    >>> from sklearn_bade.datasets import make_biased_classification
    >>> from sklearn_bade.inspection import decided_otherwise
    >>> X, y, _ = make_biased_classification(n_samples=400, random_state=0)
    >>> clf = BackdoorDebiasClassifier(
    ...     LogisticRegression(), sensitive_columns="group", random_state=0
    ... ).fit(X, y)
    >>> rows = decided_otherwise(clf.with_strength(0), clf, X)
    >>> sorted(rows["outcome"].unique())
    ['gained', 'lost']
    """
    labels, k = _shared_labels(before, after, pos_label)
    found = find_sensitive_values([after, before], X, sensitive_features, sensitive_columns)
    check_same_order(X=X, sensitive_features=found[0])
    groups = read_attributes(found[0], found[1], are_own=found[2])[-1].groups
    said = [np.asarray(model.predict(X)) for model in (before, after)]
    check_consistent_length(groups.codes, *said)
    proba = [model.predict_proba(X)[:, k] for model in (before, after)]
    rows = np.flatnonzero(said[0] != said[1])
    names = np.array([*groups.names, None], dtype=object)
    favourable = [labels_said[rows] == labels[k] for labels_said in said]
    outcome = np.where(favourable[1], "gained", np.where(favourable[0], "lost", "other"))
    index = X.index[rows] if isinstance(X, (pd.DataFrame, pd.Series)) else rows
    return pd.DataFrame(
        {
            "position": rows,
            "group": pd.Series(names[groups.codes[rows]], index, dtype=object),
            "before": said[0][rows],
            "after": said[1][rows],
            "proba_before": proba[0][rows],
            "proba_after": proba[1][rows],
            "outcome": outcome.astype(object),
        },
        index=index,
    )


def correction_importance(
    before,
    after,
    X,
    *,
    pos_label=None,
    method="permutation",
    n_repeats=5,
    random_state=0,
):
    """Find out which features carry the difference between two models.

    What is looked at is the correction: the log-odds of the favourable label after, less
    those before.

    Parameters
    ----------
    before, after : estimator object
        Fitted classifiers; for instance ``clf.with_strength(0)`` and ``clf``.

    X : {array-like, dataframe} of shape (n_samples, n_features)
        Features. A few hundred rows are enough, those of :func:`decided_otherwise` for
        instance.

    pos_label : label, default=None
        The favourable label; the greatest by default.

    method : {"permutation", "shap"}, default="permutation"
        How: the mean absolute change of the correction when a column is shuffled, or the
        mean absolute SHAP value, for which `shap` must be installed.

    n_repeats : int, default=5
        How often each column is shuffled.

    random_state : int, RandomState instance or None, default=0
        What the shuffling depends on.

    Returns
    -------
    importance : pandas.DataFrame of shape (n_features, 2)
        Columns "importance", in units of log-odds, and "std", the standard deviation over
        repeats (NaN for SHAP). Indexed by feature, the greatest first. The mean correction,
        which no feature carries, is in ``importance.attrs["mean_correction"]``: a base rate
        of its own shifts all rows alike.

    Raises
    ------
    ImportError
        If `method` is "shap", and that is not installed.
    ValueError
        If the models know different labels, or other arguments are invalid.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_bade import BackdoorDebiasClassifier
    >>> from sklearn_bade.datasets import make_biased_classification
    >>> from sklearn_bade.inspection import correction_importance
    >>> X, y, _ = make_biased_classification(n_samples=400, random_state=0)
    >>> clf = BackdoorDebiasClassifier(
    ...     LogisticRegression(), sensitive_columns="group", random_state=0
    ... ).fit(X, y)
    >>> importance = correction_importance(clf.with_strength(0), clf, X)
    >>> float(importance.loc["group", "importance"])  # it is not used
    0.0
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {list(METHODS)}, got {method!r}.")
    if not isinstance(n_repeats, (int, np.integer)) or n_repeats < 1:
        raise ValueError(f"n_repeats must be a positive whole number, got {n_repeats!r}.")
    _, k = _shared_labels(before, after, pos_label)
    frame, restore = _as_frame(X)

    def correct(rows):
        rows = restore(rows)
        old, new = (_log_odds(model.predict_proba(rows)[:, k]) for model in (before, after))
        return new - old

    rng = check_random_state(random_state)
    if method == "shap":
        importance, spread = _shap_importance(correct, frame, rng)
    else:
        importance, spread = _permutation_importance(correct, frame, n_repeats, rng)
    table = pd.DataFrame(
        {"importance": importance, "std": spread}, pd.Index(frame.columns, name="feature")
    )
    table.attrs["mean_correction"] = float(correct(frame).mean())
    return table.sort_values("importance", ascending=False, kind="stable")


def _permutation_importance(correct, frame, n_repeats, rng):
    """Shuffle one column after the other."""
    plain = correct(frame)
    changes = np.empty((frame.shape[1], n_repeats))
    for j in range(frame.shape[1]):
        for i in range(n_repeats):
            shuffled = frame.copy()
            order = rng.permutation(len(frame))
            shuffled.isetitem(j, frame.iloc[order, j].set_axis(frame.index))
            changes[j, i] = np.abs(correct(shuffled) - plain).mean()
    return changes.mean(axis=1), changes.std(axis=1)


def _shap_importance(correct, frame, rng):
    """Compute SHAP values of the correction, categories coded as numbers for shap."""
    try:
        import shap
    except ImportError as error:
        raise ImportError(
            'method="shap" needs shap. Install it with `pip install shap`, or use '
            'method="permutation".'
        ) from error
    codes, values = {}, {}
    for j in range(frame.shape[1]):
        codes[j], values[j] = pd.factorize(frame.iloc[:, j], use_na_sentinel=False)
    coded = np.column_stack([codes[j] for j in codes]).astype(float)

    def correct_codes(rows):
        columns = {
            j: pd.Series(values[j].take(rows[:, j].astype(int)))
            .set_axis(range(len(rows)))
            .astype(frame.dtypes.iloc[j])
            for j in codes
        }
        return correct(pd.DataFrame(columns).set_axis(frame.columns, axis=1))

    seed = int(rng.randint(2**31 - 1))
    masker = shap.maskers.Independent(coded, max_samples=100)
    explainer = shap.PermutationExplainer(correct_codes, masker, seed=seed)
    found = explainer(coded, max_evals=4 * frame.shape[1] + 2, silent=True)
    return np.abs(found.values).mean(axis=0), np.full(frame.shape[1], np.nan)


def _as_frame(X):
    """Put a table into a pandas frame, and return what puts it back."""
    if isinstance(X, pd.DataFrame):
        return X, lambda rows: rows
    if is_frame(X):
        return frame_to_pandas(X), lambda rows: type(X)(rows.to_dict(orient="list"))
    array = np.asarray(X)
    if array.ndim != 2:
        raise ValueError(
            f"X must be a table of rows and columns, got an array of shape {array.shape}."
        )
    names = column_names(X)
    frame = pd.DataFrame(array) if names is None else pd.DataFrame(array, columns=names)
    return frame, lambda rows: rows.to_numpy(dtype=array.dtype)


def _log_odds(proba):
    proba = np.clip(proba, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return np.log(proba) - np.log1p(-proba)


def _shared_labels(before, after, pos_label):
    """Find the labels of both models, and the position of the favourable one."""
    for model in (before, after):
        check_is_fitted(model)
        if not hasattr(model, "predict_proba"):
            raise ValueError(f"{model!r} has no predict_proba to compare by.")
    labels, others = (np.asarray(model.classes_) for model in (before, after))
    if labels.tolist() != others.tolist():
        raise ValueError(
            f"The models know different labels: {labels.tolist()} and {others.tolist()}."
        )
    if pos_label is None:
        return labels, len(labels) - 1
    if pos_label not in labels.tolist():
        raise ValueError(
            f"pos_label={pos_label!r} is not among the labels {labels.tolist()}."
        )
    return labels, labels.tolist().index(pos_label)
