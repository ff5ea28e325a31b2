"""Data sets: generators of biased and of poisoned data, and two well-studied tables."""

from ._fetch import fetch_adult, fetch_meps
from ._poison import make_poisoned_classification, poison
from ._synthetic import make_biased_classification

__all__ = [
    "fetch_adult",
    "fetch_meps",
    "make_biased_classification",
    "make_poisoned_classification",
    "poison",
]
