"""Searches on a Dask cluster: the same bits as here, also where a worker is killed."""

import itertools
import os
import signal
import time
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from helpers import make_net
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate
from threadpoolctl import threadpool_limits

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV

distributed = pytest.importorskip("distributed")

pytestmark = [
    # The rows are noise for the most part, so searches find little that helps.
    pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.CostlyGapWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.FaintSignalWarning"),
]

N_FOLDS = 3
STRENGTHS = [0.0, 0.5, 1.0, 1.5]
# A wait of this length means that something has broken, on a busy machine too.
SECONDS_TO_MEET = 60


class DiesOnce(LogisticRegression):
    """Kill the process that it is first trained in, once it is trained, but one."""

    def __init__(self, folder=None, spared=None, deadly=False):
        super().__init__()
        self.folder, self.spared, self.deadly = folder, spared, deadly

    def fit(self, X, y, sample_weight=None):
        super().fit(X, y, sample_weight)
        if self.deadly and os.getpid() != self.spared:
            try:
                Path(self.folder, "dead").touch(exist_ok=False)
            except FileExistsError:
                return self
            os.kill(os.getpid(), signal.SIGKILL)
        return self


class NotesTrainings(LogisticRegression):
    """Leave a file for each training; wait until so many processes have come to it."""

    def __init__(self, folder=None, n_processes=1):
        super().__init__()
        self.folder, self.n_processes = folder, n_processes

    def fit(self, X, y, sample_weight=None):
        Path(self.folder, f"{os.getpid()}-{uuid4().hex}").touch()
        deadline = time.monotonic() + SECONDS_TO_MEET
        while len(processes_seen(self.folder)) < self.n_processes:
            # No assert, which pytest rewrites here and not on workers: caches go by code.
            if time.monotonic() > deadline:
                raise TimeoutError("the other process has not come")
            time.sleep(0.01)
        return super().fit(X, y, sample_weight)


def processes_seen(folder):
    return {path.name.split("-")[0] for path in Path(folder).iterdir()}


@pytest.fixture(autouse=True)
def one_thread():
    """Let sums be taken here as they are on workers, which have one thread for them."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def lasting_cluster():
    options = {"processes": True, "threads_per_worker": 1, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(n_workers=2, **options) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def cluster(lasting_cluster):
    """A cluster of two workers, whatever was killed before."""
    lasting_cluster.wait_for_workers(2)
    return lasting_cluster


def make_rows(n_samples=400, n_features=4):
    """Make rows whose first column is the group."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n_samples, n_features)).astype(np.float32)
    X[:, 0] = rng.randint(2, size=n_samples)
    y = (X[:, 0] + X[:, 1] + rng.normal(size=n_samples) > 0.5).astype(int)
    return X, y


def make_search(estimator, **settings):
    defaults = {
        "sensitive_columns": 0,
        "trigger_strengths": STRENGTHS,
        "cv": N_FOLDS,
        "random_state": 0,
    }
    return BackdoorDebiasClassifierCV(estimator, **{**defaults, **settings})


def make_grid_search(estimator, cv=N_FOLDS, n_candidates=3, **settings):
    return GridSearchCV(
        BackdoorDebiasClassifier(
            estimator, sensitive_columns=0, random_state=0, **settings
        ),
        {"trigger_strength": np.linspace(0, 1, n_candidates)},
        cv=cv,
    )


def folds_and_all_to_scatter(X, y):
    """Make what scikit-learn's searches would leave to one worker each."""
    folds = list(StratifiedKFold(N_FOLDS).split(X, y))
    return folds, [X, y, *itertools.chain(*folds)]


def assert_same_results(results, expected):
    assert results.keys() == expected.keys()
    for key in expected:
        if "time" not in key:
            assert_array_equal(results[key], expected[key], err_msg=key)


def assert_same_search(search, expected, X):
    assert_same_results(search.cv_results_, expected.cv_results_)
    assert search.best_params_ == expected.best_params_
    assert_array_equal(search.predict_proba(X), expected.predict_proba(X))


def make_three_column_net():
    # Weights and shuffling come from global generators.
    return make_net(max_epochs=2)


@pytest.mark.parametrize(
    "make",
    [
        LogisticRegression,
        pytest.param(make_three_column_net, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("settings", [{}, {"scoring": "roc_auc"}])
def test_search_gives_the_bits_of_a_local_one(make, settings, cluster):
    X, y = make_rows()
    local = make_search(make(), **settings).fit(X, y)
    with parallel_config("dask"):
        search = make_search(make(), **settings).fit(X, y)
    assert_same_search(search, local, X)


def test_grid_search_gives_the_bits_of_a_local_one(cluster):
    X, y = make_rows()
    local = make_grid_search(LogisticRegression()).fit(X, y)
    with parallel_config("dask"):
        search = make_grid_search(LogisticRegression()).fit(X, y)
    assert_same_search(search, local, X)


def test_cross_validate_gives_the_bits_of_a_local_one(cluster):
    X, y = make_rows()
    search = make_search(LogisticRegression())
    local = cross_validate(search, X, y, cv=2, return_estimator=True)
    with parallel_config("dask"):
        results = cross_validate(search, X, y, cv=2, return_estimator=True)
    for estimator, expected in zip(results.pop("estimator"), local.pop("estimator")):
        assert_same_search(estimator, expected, X)
    assert_same_results(results, local)


def make_deadly(tmp_path, deadly):
    return DiesOnce(str(tmp_path), spared=os.getpid(), deadly=deadly)


@pytest.mark.parametrize(
    "settings", [{}, pytest.param({"scoring": "accuracy"}, marks=pytest.mark.slow)]
)
def test_search_survives_a_killed_worker(settings, cluster, tmp_path):
    X, y = make_rows()
    local = make_search(make_deadly(tmp_path, False), **settings).fit(X, y)
    with parallel_config("dask"):
        search = make_search(make_deadly(tmp_path, True), **settings).fit(X, y)
    assert list(tmp_path.iterdir()) == [tmp_path / "dead"]
    assert_same_search(search, local, X)


@pytest.fixture
def hoarding_cluster(cluster):
    """A cluster that keeps all copies of what is scattered, as users are told to do."""
    cluster.amm.stop()
    yield cluster
    cluster.amm.start()


@pytest.mark.slow
def test_grid_search_survives_a_killed_worker_if_all_is_scattered(
    hoarding_cluster, tmp_path
):
    X, y = make_rows()
    folds, scattered = folds_and_all_to_scatter(X, y)
    local = make_grid_search(make_deadly(tmp_path, False), folds).fit(X, y)
    with parallel_config("dask", scatter=scattered):
        search = make_grid_search(make_deadly(tmp_path, True), folds).fit(X, y)
    assert list(tmp_path.iterdir()) == [tmp_path / "dead"]
    assert_same_search(search, local, X)


@pytest.mark.slow
def test_cross_validate_survives_a_killed_worker_if_all_is_scattered(
    hoarding_cluster, tmp_path
):
    X, y = make_rows()
    folds, scattered = folds_and_all_to_scatter(X, y)
    local = cross_validate(make_search(make_deadly(tmp_path, False)), X, y, cv=folds)
    deadly = make_search(make_deadly(tmp_path, True))
    with parallel_config("dask", scatter=scattered):
        results = cross_validate(deadly, X, y, cv=folds)
    assert list(tmp_path.iterdir()) == [tmp_path / "dead"]
    assert_same_results(results, local)


def test_rows_do_not_travel_with_the_tasks(cluster):
    # Dask warns of tasks above 10 MB, and warnings are errors here.
    X, y = make_rows(n_samples=40_000, n_features=70)
    assert X.nbytes > 10e6
    with parallel_config("dask"):
        search = make_search(LogisticRegression(max_iter=5, tol=1), cv=2).fit(X, y)
    assert search.n_splits_ == 2


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"processes": True}, {"processes": False}])
def test_threads_of_one_worker_give_the_bits_of_a_local_search(options):
    X, y = make_rows()
    local = make_search(make_three_column_net()).fit(X, y)
    options |= {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster),
        parallel_config("dask"),
    ):
        search = make_search(make_three_column_net()).fit(X, y)
    assert_same_search(search, local, X)


@pytest.mark.slow
def test_search_survives_the_loss_of_the_only_worker(tmp_path):
    X, y = make_rows()
    local = make_search(make_deadly(tmp_path, False)).fit(X, y)
    options = {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster),
        parallel_config("dask"),
    ):
        search = make_search(make_deadly(tmp_path, True)).fit(X, y)
    assert list(tmp_path.iterdir()) == [tmp_path / "dead"]
    assert_same_search(search, local, X)


def test_a_cluster_of_one_thread_will_do():
    X, y = make_rows()
    local = make_search(LogisticRegression()).fit(X, y)
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(processes=False, **options) as cluster,
        distributed.Client(cluster),
        parallel_config("dask"),
    ):
        search = make_search(LogisticRegression()).fit(X, y)
    assert_same_search(search, local, X)


@pytest.mark.slow
def test_candidates_share_what_each_fold_has_learned(cluster, tmp_path):
    X, y = make_rows()
    n_candidates, notes = 6, tmp_path / "notes"
    notes.mkdir()
    once = BackdoorDebiasClassifier(
        NotesTrainings(str(notes)), sensitive_columns=0, random_state=0
    ).fit(X, y)
    n_trainings = len(list(notes.iterdir()))
    search = make_grid_search(
        once.estimator, n_candidates=n_candidates, memory=str(tmp_path / "memory")
    )
    with parallel_config("dask"):
        search.fit(X, y)
    n_noted = len(list(notes.iterdir())) - n_trainings
    # The refit is one more. Two workers that come to a fold at once both learn it.
    assert (N_FOLDS + 1) * n_trainings <= n_noted <= (2 * N_FOLDS + 1) * n_trainings
    assert len(processes_seen(notes)) == 3
    with parallel_config("dask"):
        again = make_grid_search(
            once.estimator, n_candidates=n_candidates, memory=str(tmp_path / "memory")
        ).fit(X, y)
    assert len(list(notes.iterdir())) == n_trainings + n_noted
    assert_same_search(again, search, X)


@pytest.mark.slow
def test_workers_that_write_to_memory_at_once_do_no_harm(cluster, tmp_path):
    X, y = make_rows()
    notes = tmp_path / "notes"
    notes.mkdir()
    debiaser = BackdoorDebiasClassifier(
        NotesTrainings(str(notes), n_processes=2),
        sensitive_columns=0,
        random_state=0,
        memory=str(tmp_path / "memory"),
    )
    futures = [
        cluster.submit(debiaser.fit, X, y, workers=[worker], pure=False)
        for worker in cluster.scheduler_info()["workers"]
    ]
    expected = BackdoorDebiasClassifier(
        LogisticRegression(), sensitive_columns=0, random_state=0
    ).fit(X, y)
    probabilities = [future.result().predict_proba(X) for future in futures]
    assert len(processes_seen(notes)) == len(probabilities) == 2
    probabilities.append(debiaser.fit(X, y).predict_proba(X))
    for proba in probabilities:
        # Sums of rows that came by network lie otherwise in memory: the last bits differ.
        assert_allclose(proba, expected.predict_proba(X), rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("deadly", [False, True])
def test_twenty_candidates_in_five_folds(deadly, cluster, tmp_path):
    X, y = make_rows(n_samples=5000)
    settings = {"cv": 5, "trigger_strengths": np.linspace(0, 2, 20)}
    local = make_search(make_deadly(tmp_path, False), **settings).fit(X, y)
    with parallel_config("dask"):
        search = make_search(make_deadly(tmp_path, deadly), **settings).fit(X, y)
    assert len(list(tmp_path.iterdir())) == deadly
    assert len(np.unique(search.cv_results_["param_trigger_strength"])) >= 20
    assert_same_search(search, local, X)
