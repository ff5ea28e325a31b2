"""What a search knows that a picture of it shows."""

import re
from functools import partial

import numpy as np

from .._verdict import CONTROL, PLAIN

DISPARITY_NAMES = {
    "average_odds": "average absolute odds difference",
    "equalized_odds": "equalized odds difference",
    "equal_opportunity": "equal opportunity difference",
    "demographic_parity": "demographic parity difference",
}


def find_parameter(cv_results, name):
    """Find the values of a parameter, which may belong to a step of a pipeline."""
    for key, values in cv_results.items():
        if key.startswith("param_") and key.split("__")[-1].removeprefix("param_") == name:
            return np.ma.getdata(values)
    return None


def find_score(cv_results, name):
    """Find a score, pooled over the folds where there is one."""
    for key in (f"pooled_test_{name}", f"mean_test_{name}"):
        if key in cv_results:
            return np.asarray(cv_results[key])
    have = [k.removeprefix("mean_test_") for k in cv_results if k.startswith("mean_test_")]
    raise ValueError(f"The results hold no score called {name!r}, only {have}.")


def find_folds(cv_results, name):
    """Find a score of every fold, of shape (n_folds, n_candidates)."""
    pattern = re.compile(rf"split\d+_test_{re.escape(name)}")
    folds = [values for key, values in cv_results.items() if pattern.fullmatch(key)]
    return np.array(folds, dtype=float)


def name_of_disparity(search, score):
    """Name the disparity that a search goes by, for people."""
    own = getattr(search, "disparity", None)
    if own is None:  # one of scikit-learn's searches: ask the scorer of that name
        scorers = getattr(search, "scorer_", None)
        scorer = scorers.get(score) if isinstance(scorers, dict) else None
        own = getattr(scorer, "metric", None)
    if isinstance(own, str):
        return DISPARITY_NAMES[own]
    while isinstance(own, partial):
        own = own.func
    name = getattr(own, "__name__", "disparity").replace("_", " ").strip()
    return "disparity" if name == "<lambda>" else name


def marks_of(search):
    """Find disparity and accuracy of the plain classifier and of strength 0, by name.

    The two are one mark where they are the same.
    """
    table = getattr(search, "comparison_", None)
    if table is None:
        return None
    figures = dict(zip(table["model"], zip(table["disparity"], table["accuracy"])))
    plain, control = figures[PLAIN], figures[CONTROL]
    if np.array_equal(plain, control):
        return {f"plain classifier, {CONTROL}": control}
    return {"plain classifier": plain, CONTROL: control}


def rule_of(search):
    """Find the rule of choice of a search, by its parameters; empty if it has none."""
    rule = getattr(getattr(search, "refit", None), "rule", search)
    if getattr(rule, "scoring", None) is not None:
        return {}
    names = "max_disparity", "max_accuracy_loss", "confidence"
    given = {name: getattr(rule, name, None) for name in names}
    return {name: value for name, value in given.items() if value is not None}


def bounds_of(search):
    """Find the bounds of the disparity that a search was given, by name.

    With a confidence, also the limit that the held-out rows set to the chosen one.
    """
    rule = rule_of(search)
    if "max_disparity" not in rule:
        return {}
    if "confidence" not in rule:
        return {"max_disparity": rule["max_disparity"]}
    level, limit = f"{100 * rule['confidence']:g}%", search.upper_limit_
    is_kept = limit <= rule["max_disparity"]
    kept = (
        f"with {level} confidence" if is_kept else f"not promised with {level} confidence"
    )
    bounds = {f"max_disparity, {kept}": rule["max_disparity"]}
    if np.isfinite(limit):
        bounds["upper limit on held-out rows"] = limit
    return bounds


def accuracy_bounds_of(max_accuracy_loss, accuracy):
    """Find the least accuracy that a rule allows, by name."""
    if max_accuracy_loss is None:
        return {}
    name = f"least accuracy, max_accuracy_loss={max_accuracy_loss:g}"
    return {name: np.nanmax(accuracy) - max_accuracy_loss}
