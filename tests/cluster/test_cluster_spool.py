"""Features that wait on the disk make the trees that those in memory make."""

import pickle
import time
from pathlib import Path

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from xgboost.dask import DaskXGBClassifier

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.cluster import _spool
from sklearn_bade.datasets import make_biased_classification


def test_an_array_is_read_when_it_is_looked_at():
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan], "c": [True, False]})
    spooled = _spool.spool(frame)
    copy = pickle.loads(pickle.dumps(spooled))
    expected = np.array([[1, 0.5, 1], [2, np.nan, 0]], np.float32)
    for each in (spooled, copy):
        np.testing.assert_array_equal(np.asarray(each), expected)
        assert np.asarray(each).dtype == np.float32
    assert spooled.path != copy.path
    paths = [Path(spooled.path), Path(copy.path)]
    del spooled, copy, each
    assert not any(path.exists() for path in paths)


def find_files(dask_worker):
    return list(Path(dask_worker.local_directory).glob("features-*"))


def wait_until_gone(client):
    """Let workers hear that nobody wants the features any more."""
    for _ in range(50):
        if not any(client.run(find_files).values()):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
def test_the_trees_are_the_same(client, monkeypatch):
    X, y, _ = make_biased_classification(4000, random_state=0)
    # Of fewer values than bins, the bins are the same wherever Dask puts the partitions.
    X = X.round(1)
    X.loc[::9, "merit_0"] = np.nan
    ddf = dd.from_pandas(X.assign(label=y), npartitions=2)
    clf = BackdoorDebiasClassifier(
        DaskXGBClassifier(n_estimators=10), sensitive_columns="group", random_state=0
    )
    kept = clf.fit(ddf, "label").predict_proba(X)
    monkeypatch.setattr(_spool, "MOST_OF_MEMORY", 0.0)
    written = []
    monkeypatch.setattr(
        "sklearn_bade.cluster._learner.needs_spool",
        lambda *given: written.append(_spool.needs_spool(*given)) or written[-1],
    )
    clf.fit(ddf, "label")
    assert all(written)
    assert clf.student_.base.feature_names_in_.tolist() == X.columns[1:].tolist()
    np.testing.assert_allclose(clf.predict_proba(X), kept, atol=0.01)
    assert wait_until_gone(client)


@pytest.mark.parametrize(
    ("settings", "columns"),
    [({"tree_method": "approx"}, {}), ({}, {"job": pd.Series(["a"], dtype="category")})],
)
def test_what_cannot_wait_stays_in_memory(client, monkeypatch, settings, columns):
    meta = pd.DataFrame({"x": [1.0], **columns})
    classifier = DaskXGBClassifier(**settings)
    assert not _spool.needs_spool(client, DaskXGBClassifier(), meta, 1)
    monkeypatch.setattr(_spool, "MOST_OF_MEMORY", 0.0)
    assert _spool.needs_spool(client, DaskXGBClassifier(), meta[["x"]], 1)
    assert not _spool.needs_spool(client, classifier, meta, 1)
