"""Tables that are downloaded once, checked, and read from a folder."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._compat import StrOptions, validate_params

BASE_URL = (
    "https://raw.githubusercontent.com/KirinNg/DBA/"
    "a110a6dd9d410bde110284939ee584a2283effd4/"
)

# Path below data_home -> (path below BASE_URL, sha256).
FILES = {
    "adult/adult.data": (
        "Adult_data/adult.data",
        "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
    ),
    "adult/adult.test": (
        "Adult_data/adult.test",
        "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
    ),
    "meps/meps_train.csv": (
        "MEPS_data/meps_train.csv",
        "650ae1325bb0f78418df97d713a6401227f54ac4ff92ef81f245029a2273baae",
    ),
    "meps/meps_val.csv": (
        "MEPS_data/meps_val.csv",
        "2a8f192d1b4d48f3ca9c2f594710ab1882e95216e933448597ef26c9a1bfc6db",
    ),
    "meps/meps_test.csv": (
        "MEPS_data/meps_test.csv",
        "1ad5ffc725a8988985bee2363dce6799ed6bc1d87406558620908c75500face5",
    ),
}

ADULT_SUBSETS = {"train": ["adult/adult.data"], "test": ["adult/adult.test"]}
ADULT_SUBSETS["all"] = ADULT_SUBSETS["train"] + ADULT_SUBSETS["test"]

MEPS_SUBSETS = {
    "train": ["meps/meps_train.csv"],
    "validation": ["meps/meps_val.csv"],
    "test": ["meps/meps_test.csv"],
}
MEPS_SUBSETS["all"] = [name for names in MEPS_SUBSETS.values() for name in names]

ADULT_COLUMNS = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
    "income",
]

ADULT_DESCR = """Adult, or Census Income: does a person earn more than 50,000 dollars a
year? Extracted from the 1994 US census. UCI Machine Learning Repository, data set 2,
CC BY 4.0. The published split has 32,561 training and 16,281 test rows. Sensitive
columns: "sex" and "race"."""

MEPS_DESCR = """MEPS: does a person use much health care? Panel 19 of the US Medical
Expenditure Panel Survey (AHRQ, public use), encoded as numbers by the authors of the
debiasing papers. 11,362 training, 1,200 validation and 3,168 test rows. Sensitive
column: "RACE"."""


def _locate(name, data_home):
    """Return the path of a checked file, downloading it if it is absent."""
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            "Fetching data sets needs pooch. Install it with "
            "`pip install sklearn-bade[data]`."
        ) from error
    home = (
        data_home or os.environ.get("SKLEARN_BADE_DATA") or pooch.os_cache("sklearn_bade")
    )
    target = Path(home) / name
    remote, sha256 = FILES[name]
    try:
        return pooch.retrieve(
            BASE_URL + remote,
            known_hash=f"sha256:{sha256}",
            fname=target.name,
            path=target.parent,
        )
    except (OSError, ValueError) as error:
        reason = "failed its check" if isinstance(error, ValueError) else "failed"
        raise OSError(
            f"The download of {name} {reason} ({error}). Without a network, put a copy of "
            f"the file at {target} or point data_home, or the environment variable "
            f"SKLEARN_BADE_DATA, to a folder that holds {name} with the sha256 {sha256}."
        ) from error


def _as_requested(frame, target, as_frame, return_X_y, descr):
    """Split a table into features and labels, in the form asked for."""
    X, y = frame.drop(columns=target), frame[target]
    feature_names = list(X.columns)
    if not as_frame:
        X, y = X.to_numpy(), y.to_numpy()
    if return_X_y:
        return X, y
    return Bunch(
        data=X,
        target=y,
        frame=frame if as_frame else None,
        feature_names=feature_names,
        target_names=[target],
        DESCR=descr,
    )


def _read_adult(path):
    """Read one of the raw files, whose labels end in a dot in the test file."""
    frame = pd.read_csv(
        path,
        names=ADULT_COLUMNS,
        comment="|",
        skipinitialspace=True,
        na_values="?",
        skip_blank_lines=True,
    )
    frame["income"] = frame["income"].str.rstrip(".")
    return frame


@validate_params(
    {
        "subset": [StrOptions(set(ADULT_SUBSETS))],
        "data_home": [str, os.PathLike, None],
        "as_frame": ["boolean"],
        "return_X_y": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def fetch_adult(*, subset="train", data_home=None, as_frame=True, return_X_y=False):
    """Load the Adult (Census Income) data, downloading it on first use.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        Part of the published split.

    data_home : str or path-like, default=None
        Folder of the data. None takes the environment variable
        ``SKLEARN_BADE_DATA``, or else a folder in the user's cache.

    as_frame : bool, default=True
        Whether to return pandas objects; arrays of objects otherwise.

    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With `data` of shape (n_samples, 14), `target` of shape (n_samples,) with the
        labels ``"<=50K"`` and ``">50K"``, `frame`, `feature_names`, `target_names` and
        `DESCR`. Missing values, in three columns of strings, are NaN. 32,561 rows for
        training, 16,281 for testing.

    (data, target) : tuple
        If `return_X_y` is True.

    Raises
    ------
    ImportError
        If pooch is not installed.

    OSError
        If the data are neither in `data_home` nor can be downloaded, or if the
        download fails its check.

    Examples
    --------
    >>> from sklearn_bade.datasets import fetch_adult
    >>> X, y = fetch_adult(return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (32561, 14)
    """
    paths = [_locate(name, data_home) for name in ADULT_SUBSETS[subset]]
    frame = pd.concat([_read_adult(path) for path in paths], ignore_index=True)
    return _as_requested(frame, "income", as_frame, return_X_y, ADULT_DESCR)


@validate_params(
    {
        "subset": [StrOptions(set(MEPS_SUBSETS))],
        "data_home": [str, os.PathLike, None],
        "as_frame": ["boolean"],
        "return_X_y": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def fetch_meps(*, subset="train", data_home=None, as_frame=True, return_X_y=False):
    """Load the MEPS (panel 19) data, downloading it on first use.

    Parameters
    ----------
    subset : {"train", "validation", "test", "all"}, default="train"
        Part of the split made by the authors of the debiasing papers.

    data_home : str or path-like, default=None
        Folder of the data. None takes the environment variable
        ``SKLEARN_BADE_DATA``, or else a folder in the user's cache.

    as_frame : bool, default=True
        Whether to return pandas objects; arrays otherwise.

    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With `data` of shape (n_samples, 138), all numeric, `target` of shape
        (n_samples,) with the labels 0 and 1, `frame`, `feature_names`, `target_names`
        and `DESCR`. 11,362 rows for training, 1,200 for validation, 3,168 for testing.

    (data, target) : tuple
        If `return_X_y` is True.

    Raises
    ------
    ImportError
        If pooch is not installed.

    OSError
        If the data are neither in `data_home` nor can be downloaded, or if the
        download fails its check.

    Examples
    --------
    >>> from sklearn_bade.datasets import fetch_meps
    >>> X, y = fetch_meps(return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (11362, 138)
    """
    paths = [_locate(name, data_home) for name in MEPS_SUBSETS[subset]]
    frame = pd.concat([pd.read_csv(path) for path in paths], ignore_index=True)
    frame["UTILIZATION"] = frame["UTILIZATION"].astype(np.int64)
    return _as_requested(frame, "UTILIZATION", as_frame, return_X_y, MEPS_DESCR)
