"""Data sets: a generator with a known bias, and two well-studied tables."""

from ._fetch import fetch_adult, fetch_meps
from ._synthetic import make_biased_classification

__all__ = ["fetch_adult", "fetch_meps", "make_biased_classification"]
