"""Dask collections that belong together, taken apart into partitions."""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline

from .._compat import is_dask_classifier, is_dask_collection
from .._groups import call_on_part, sensitive_table, sensitive_values
from ..exceptions import RowOrderWarning
from ..rows import as_plain_labels, check_same_order

EXTRA = 'pip install "sklearn-bade[distributed]"'


class Partitions(NamedTuple):
    """Partitions of X, and of what else is known of the rows; None where there is nothing.

    `meta` is an empty frame with the columns of X. The partitions are plans of Dask's, and
    lie one beside the other.
    """

    meta: object
    X: list
    y: list
    sensitive: list
    weights: list

    def __len__(self):
        return len(self.X)


def is_on_cluster(debiaser, X, y):
    """Tell whether rows lie on a cluster; refuse data or a classifier that are there alone.

    `debiaser` says by `_takes_partitions` whether it can be fitted there.
    """
    classifier = _last_step(debiaser.estimator)
    if not is_dask_collection(X):
        _refuse_half_a_cluster(classifier, X, y)
        return False
    check_frame(X)
    if not debiaser._takes_partitions:
        raise TypeError(
            f"X is a Dask DataFrame, and {type(debiaser).__name__} searches in memory. "
            "Search on a sample, X.sample(frac=...).compute(), and fit a "
            "BackdoorDebiasClassifier of the strength that was found, "
            "search.best_params_, on all rows."
        )
    if not is_dask_classifier(classifier):
        raise TypeError(
            "X is a Dask DataFrame, whose partitions are learned from by a "
            f"xgboost.dask.DaskXGBClassifier, and estimator is "
            f"{_describe(debiaser.estimator)}. Give estimator=DaskXGBClassifier(...), or, "
            "if the rows fit into memory, X.compute()."
        )
    _refuse_settings(debiaser)
    return True


def _last_step(estimator):
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator


def _describe(estimator):
    return "None" if estimator is None else f"a {type(estimator).__name__}"


def _refuse_half_a_cluster(classifier, X, y):
    if is_dask_classifier(classifier):
        raise TypeError(
            f"estimator is a {type(classifier).__name__}, which learns from the partitions "
            f"of a Dask DataFrame, and X is a {type(X).__name__}. Give a "
            "xgboost.XGBClassifier, or dask.dataframe.from_pandas(X, npartitions=...)."
        )
    if is_dask_collection(y):
        raise TypeError(
            f"y is a Dask {type(y).__name__}, and X is a {type(X).__name__}. Give both as "
            "Dask collections, or y.compute()."
        )


def _refuse_settings(debiaser):
    """Refuse what needs all rows in one place."""
    if isinstance(debiaser.estimator, Pipeline):
        raise TypeError(
            "estimator is a Pipeline, whose steps would need all rows in one place. Fit "
            "the steps on a sample, transform each partition, "
            "X.map_partitions(steps.transform), and give the DaskXGBClassifier alone; it "
            "takes numbers, missing values and categories."
        )
    if debiaser.student == "single" and not is_dask_classifier(
        debiaser.teacher or debiaser.estimator
    ):
        raise TypeError(
            f"teacher is {_describe(debiaser.teacher)}. With student='single', it learns "
            "from all partitions: give a DaskXGBClassifier, or leave it out."
        )
    if debiaser.memory is not None:
        raise ValueError(
            f"memory={debiaser.memory!r} would have to know the rows of all partitions "
            "again, which takes reading them. Leave it out: with_strength gives other "
            "strengths without training."
        )


def check_frame(X):
    """Refuse collections other than frames."""
    import dask.dataframe as dd

    if not isinstance(X, dd.DataFrame):
        raise TypeError(
            f"X is a Dask {type(X).__name__}; a Dask DataFrame is needed, whose columns "
            "have names: dask.dataframe.from_dask_array(X, columns=[...])."
        )


def open_client():
    """Find the client of the cluster that the fit runs on."""
    try:
        import distributed
        import xgboost.dask  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"Fitting a Dask DataFrame needs distributed and xgboost ({error}): {EXTRA}"
        ) from error
    try:
        return distributed.get_client()
    except ValueError as error:
        raise ValueError(
            "Fitting a Dask DataFrame needs a cluster, and there is no client of one. "
            "Start it first: from distributed import Client; client = Client()."
        ) from error


def open_collections(X, y, sensitive=None, weights=None):
    """Take collections apart; `y` and `weights` may name columns of X, which leave it."""
    from dask.dataframe.utils import make_meta

    check_frame(X)
    X, y = _take_column(X, y, "y")
    X, weights = _take_column(X, weights, "sample_weight")
    parts = {
        name: _to_partitions(given, name, X)
        for name, given in (
            ("y", y),
            ("sensitive_features", sensitive),
            ("sample_weight", weights),
        )
    }
    return Partitions(make_meta(X), _take_apart(X), *parts.values())


def select_columns(X, names):
    """Plan partitions of some columns alone, of which files then give no others."""
    return _take_apart(X[names])


def _take_apart(collection):
    """List the partitions as they are.

    What Dask makes of a plan may read several files into one partition where few columns
    are asked for, which would then not lie beside others; here it only leaves columns out.
    """
    parts = collection.simplify().to_delayed(optimize_graph=False)
    if len(parts) != collection.npartitions:
        raise RuntimeError(
            f"Dask has made {len(parts)} partitions of {collection.npartitions}. Make the "
            "plan certain first, X = X.persist()."
        )
    return parts


def _take_column(X, given, name):
    """Look a column up that is given by its name, and take it out of X."""
    if not isinstance(given, str):
        return X, given
    if given not in X.columns:
        raise ValueError(
            f"{name}={given!r} is not a column of X. The columns are: {list(X.columns)}."
        )
    return X.drop(columns=given), X[given]


def _to_partitions(given, name, X):
    """Check that a collection lies beside X, and list its partitions."""
    import dask.dataframe as dd

    if given is None and name != "y":
        return [None] * X.npartitions
    kinds = (dd.Series, dd.DataFrame) if name == "sensitive_features" else (dd.Series,)
    if not isinstance(given, kinds):
        wanted = " or ".join(f"a Dask {kind.__name__}" for kind in kinds)
        raise TypeError(
            f"X is a Dask DataFrame, and {name} is a {type(given).__name__}. Give {wanted} "
            "with the partitions of X"
            + ("." if name == "sensitive_features" else ", or the name of a column of X.")
        )
    if given.npartitions != X.npartitions:
        raise ValueError(
            f"X has {X.npartitions} partitions, and {name} has {given.npartitions}. Rows "
            "are taken by their position in a partition: derive both from one frame, or "
            "make them columns of one and name these."
        )
    return _take_apart(given)


def read_partition(x, y, sensitive, weights, index, columns):
    """Read labels, a table of sensitive values, and weights of the rows of a partition."""
    for name, given in (
        ("y", y),
        ("sensitive_features", sensitive),
        ("sample_weight", weights),
    ):
        if given is not None and len(given) != len(x):
            raise ValueError(
                f"Partition {index} of X has {len(x)} rows, and that of {name} has "
                f"{len(given)}. Rows are taken by their position in a partition: derive "
                "both from one frame, or make them columns of one and name these."
            )
    with warnings.catch_warnings():  # partitions often number their rows from 0
        warnings.simplefilter("ignore", RowOrderWarning)
        check_same_order(X=x, y=y, sensitive_features=sensitive, sample_weight=weights)
    if sensitive is None and callable(columns):
        table = call_on_part(columns, x)
    else:
        given = sensitive_values(x, columns) if sensitive is None else sensitive
        table = sensitive_table(given)
    if weights is not None:
        weights = weights.to_numpy(dtype=float, na_value=np.nan)
    return as_plain_labels(y), table, weights
