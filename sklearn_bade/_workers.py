"""Workers that the folds of a search run on, and how they get the data."""

import sys

from joblib import parallel_config
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel, delayed

from ._compat import is_dask_backend, is_dask_future


def run_on_workers(function, shared, tasks, n_jobs):
    """Call ``function(shared, *task)`` on joblib's workers, and yield results in turn.

    On a Dask cluster, each worker is sent `shared` once. Within a task of a cluster, calls
    are made one after the other: tasks that wait for others can wait for ever.
    """
    backend, _ = get_active_backend()
    if not is_dask_backend(backend):
        return _run(function, shared, tasks, n_jobs)
    if _is_within_task():
        with parallel_config("sequential"):
            return _run(function, shared, tasks, n_jobs)
    return _run(function, _share(shared, backend.client), tasks, n_jobs)


def _run(function, shared, tasks, n_jobs):
    calls = (delayed(_call)(function, shared, task) for task in tasks)
    return _open_pool(n_jobs)(calls)


def _open_pool(n_jobs):
    """Open workers that report one by one, or all at once where the backend cannot."""
    try:
        return Parallel(n_jobs=n_jobs, return_as="generator")
    except ValueError:
        return Parallel(n_jobs=n_jobs)


def _is_within_task():
    """Tell whether this runs in a task of a Dask cluster."""
    from distributed import get_worker

    try:
        get_worker()
    except ValueError:
        return False
    return True


def _share(value, client):
    """Put a value on a Dask cluster, as the result of a task.

    joblib would send it with each task where it does not see how large it is, and else
    scatter it to one worker, with which it is lost. What a task has made is made again.
    """
    from dask import config

    # Dask warns of what may be sent with many tasks; this is sent with one.
    with config.set({"distributed.admin.large-graph-warning-threshold": sys.maxsize}):
        return client.submit(_identity, value, pure=False)


def _identity(value):
    return value


def _call(function, shared, task):
    """Call a function; joblib runs tasks here if the cluster has one thread in all."""
    shared = shared.result() if is_dask_future(shared) else shared
    return function(shared, *task)
