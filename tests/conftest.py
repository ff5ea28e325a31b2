"""Settings and fixtures that all tests share."""

import os

# The array API checks of scikit-learn run only if this is set before SciPy is imported.
os.environ.setdefault("SCIPY_ARRAY_API", "1")
# Parallel workers must name the checks alike, and the names print sets.
os.environ.setdefault("PYTHONHASHSEED", "0")
# On tiny data, threads of several workers that wait for the same cores take longer than
# the work: the whole suite took twice as long. To be set before NumPy is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch
from helpers import data_folder
from hypothesis import settings

# How long an example takes says more about the machine than about the package.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
# Tiny networks run fastest on one thread, and two cores are all that is promised.
torch.set_num_threads(1)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Let networks without a seed of their own begin alike in each run, before fixtures."""
    np.random.seed(0)  # noqa: NPY002 - what random_state=None draws from
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def data_home():
    """Folder with the real data sets; tests that need it are skipped without it."""
    folder = data_folder()
    if folder is None:
        pytest.skip(
            "the real data are not here: put them in ../shared/data or name their folder "
            "in the environment variable SKLEARN_BADE_DATA"
        )
    return folder
