"""A worker that dies while trees are grown costs time, and nothing else."""

import os
import signal

import dask.dataframe as dd
import numpy as np
import pytest
from distributed import Client, LocalCluster
from xgboost.callback import TrainingCallback
from xgboost.dask import DaskXGBClassifier

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.exceptions import LostWorkerWarning


class DieOnce(TrainingCallback):
    """Kill the process of a worker in the third round, the first time that one is there."""

    def __init__(self, path):
        self.path = path

    def after_iteration(self, model, epoch, evals_log):
        if epoch == 2:
            try:
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return False
            os.kill(os.getpid(), signal.SIGKILL)
        return False


@pytest.mark.slow
def test_a_fit_survives_the_loss_of_a_worker(tmp_path):
    X, y, _ = make_biased_classification(4000, random_state=0)
    ddf = dd.from_pandas(X.assign(label=y), npartitions=4)
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    )
    clf = BackdoorDebiasClassifier(
        DaskXGBClassifier(n_estimators=10, callbacks=[DieOnce(str(tmp_path / "died"))]),
        sensitive_columns="group",
        random_state=0,
    )
    with cluster, Client(cluster), pytest.warns(LostWorkerWarning, match="starts anew"):
        clf.fit(ddf, "label")
    assert (tmp_path / "died").exists()
    assert clf.student_.base.get_booster().num_boosted_rounds() == 10
    assert np.mean(clf.predict(X) == y) > 0.75
