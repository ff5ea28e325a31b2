"""Warnings that point at the user's line."""

import sys
import warnings

# What may stand between the user's line and ours: decorators, searches, workers.
MIDDLEMEN = {"sklearn_bade", "sklearn", "joblib", "skorch", "threading", "concurrent"}


def warn_user(message, category):
    """Warn at the line outside this package that led here.

    A fixed `stacklevel` would be wrong as soon as a search, a pipeline or a decorator
    stands in between.
    """
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _is_middleman(frame):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _is_middleman(frame):
    return frame.f_globals.get("__name__", "").partition(".")[0] in MIDDLEMEN
