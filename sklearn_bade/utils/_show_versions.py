"""What a report of a bug should tell."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from ._version import __version__

DEPENDENCIES = [
    "scikit-learn",
    "numpy",
    "scipy",
    "pandas",
    "narwhals",
    "torch",
    "skorch",
    "tqdm",
    "joblib",
    "matplotlib",
    "polars",
]


def show_versions():
    """Print the versions of Python, this package and its dependencies.

    Paste them into a report of a bug.

    Examples
    --------
    >>> from sklearn_bade import show_versions
    >>> show_versions()  # doctest: +ELLIPSIS
    sklearn_bade: ...
    """
    print(f"sklearn_bade: {__version__}")
    print(f"python: {sys.version.split()[0]}")
    print(f"machine: {platform.platform()}")
    for name in DEPENDENCIES:
        print(f"{name}: {_installed_version(name)}")


def _installed_version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
