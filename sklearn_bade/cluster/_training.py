"""xgboost's classifier for Dask, fitted to partitions and turned into a plain one."""

import time

from sklearn.base import clone

from ..exceptions import LostWorkerWarning
from ..utils import warn_user

# What xgboost sets when it loads a model, and what the user may have given himself.
SET_BY_LOADING = ("base_score", "booster", "enable_categorical", "feature_types")
# Seconds in which a nanny has usually started a new worker. Not tuned.
SECONDS_TO_RETURN = 30


def plain_classifier(classifier):
    """Make xgboost's classifier for one process, with the settings of that for Dask."""
    from xgboost import XGBClassifier

    settings = classifier.get_params(deep=False)
    settings.pop("coll_cfg", None)
    if settings.get("objective") is None:  # what stands for the default
        settings.pop("objective", None)
    return XGBClassifier(**settings)


def fit_plain_classifier(client, classifier, X, y, weights):
    """Fit to partitions, and return a plain classifier that is fitted.

    xgboost cannot go on without a worker that has died. Its training is then started anew,
    once, on the workers that are left: Dask computes again what the lost one has held.
    """
    before = _workers(client)
    try:
        fitted = clone(classifier).fit(X, y, sample_weight=weights, verbose=False)
    except (ValueError, RuntimeError, OSError):
        if not _has_lost(client, before):
            raise
        warn_user(
            "A worker of the cluster was lost while xgboost trained, which cannot go on "
            "without it. Training starts anew on the workers that are left.",
            LostWorkerWarning,
        )
        client.wait_for_workers(1, timeout=SECONDS_TO_RETURN)
        fitted = clone(classifier).fit(X, y, sample_weight=weights, verbose=False)
    return _as_plain(fitted.get_booster(), classifier, [str(name) for name in X.columns])


def _workers(client):
    return set(client.nthreads())


def _has_lost(client, before):
    """Tell whether a worker has gone; the scheduler may hear of it after xgboost does."""
    for _ in range(10):
        if before - _workers(client):
            return True
        time.sleep(0.2)
    return False


def _as_plain(booster, classifier, names):
    """Copy the trees into a plain classifier, which is pickled and saved as any."""
    plain = plain_classifier(classifier)
    settings = plain.get_params(deep=False)
    booster.feature_names = names  # which arrays do not have
    plain.load_model(booster.save_raw())
    for name in SET_BY_LOADING:  # set_params would hand them to the trees once more
        setattr(plain, name, settings[name])
    return plain
