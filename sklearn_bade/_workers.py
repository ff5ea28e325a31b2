"""Workers that the folds of a search run on, and how they get the data."""

from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel, delayed

from ._compat import is_dask_backend, is_dask_future


def run_on_workers(function, shared, tasks, n_jobs):
    """Call ``function(shared, *task)`` on joblib's workers, and yield results in turn.

    On a Dask cluster each worker holds `shared`, and is sent it once. Tasks travel one by
    one and should be small.
    """
    shared = _share(shared)
    return _open_pool(n_jobs)(delayed(_call)(function, shared, task) for task in tasks)


def _open_pool(n_jobs):
    """Open workers that report one by one, or all at once where the backend cannot."""
    try:
        return Parallel(n_jobs=n_jobs, return_as="generator")
    except ValueError:
        return Parallel(n_jobs=n_jobs)


def _share(value):
    """Send a value to all workers of a Dask cluster; other backends do it by themselves.

    joblib would send it with each task where it does not see how large it is, and to one
    worker otherwise. What only one worker holds is lost with it.
    """
    backend, _ = get_active_backend()
    if not is_dask_backend(backend):
        return value
    # Names by content would be those of another search of the same data, whose end would
    # take the data from this one.
    (future,) = backend.client.scatter([value], broadcast=True, hash=False)
    return future


def _call(function, shared, task):
    """Call a function; joblib runs tasks here if the cluster has one thread in all."""
    shared = shared.result() if is_dask_future(shared) else shared
    return function(shared, *task)
