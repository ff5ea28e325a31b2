"""Features that wait on a worker's disk, since xgboost looks at one partition at a time."""

from pathlib import Path
from tempfile import gettempdir
from uuid import uuid4
from weakref import finalize

import numpy as np
import pandas as pd

# Share of the memory of all workers that features may take before they go to the disk. They
# stay there through the training, which takes as much again, beside what a worker is.
MOST_OF_MEMORY = 0.15
BYTES_OF_SINGLE = 4


class Spooled(list):
    """An array in a file of the worker's, which is read whenever it is looked at.

    xgboost turns lists into arrays, batch by batch, and this is a list to it. It
    travels to another worker as an array, and is written there anew; the file goes with it.
    """

    @classmethod
    def of(cls, values):
        """Write an array."""
        spooled = cls()
        spooled.path = _folder() / f"features-{uuid4().hex}.npy"
        np.save(spooled.path, values)
        finalize(spooled, _remove, spooled.path)
        return spooled

    def __array__(self, dtype=None, copy=None):
        return np.load(self.path).astype(dtype or np.float32, copy=False)

    def __reduce__(self):
        return Spooled.of, (np.asarray(self),)


def _folder():
    """Find the worker's own folder, which Dask clears."""
    from distributed import get_worker

    try:
        return Path(get_worker().local_directory)
    except ValueError:  # what another worker has sent is unpacked outside of any task
        return Path(gettempdir())


def _remove(path):
    path.unlink(missing_ok=True)


def spool(features):
    """Write a frame of numbers, in single precision."""
    return Spooled.of(features.to_numpy(dtype=np.float32, na_value=np.nan))


def needs_spool(client, classifier, meta, n_rows):
    """Tell whether features are too large to wait in memory, and can wait elsewhere."""
    limits = list(client.run(_memory_limit).values())
    if not all(limits):  # where there is no limit, nobody is to keep one
        return False
    is_categorical = any(isinstance(k, pd.CategoricalDtype) for k in meta.dtypes)
    # Others than histograms are made of all partitions at once.
    is_by_histogram = classifier.tree_method in (None, "auto", "hist")
    n_bytes = n_rows * meta.shape[1] * BYTES_OF_SINGLE
    is_large = n_bytes > MOST_OF_MEMORY * sum(limits)
    return is_large and is_by_histogram and not is_categorical


def _memory_limit(dask_worker):
    return dask_worker.memory_manager.memory_limit
