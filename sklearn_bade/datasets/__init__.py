"""Data sets: generators of biased and of poisoned data, tables, and images."""

from ._digits import make_colored_digits, make_marked_digits
from ._faces import load_celeba, load_utkface
from ._fetch import fetch_adult, fetch_meps
from ._poison import make_poisoned_classification, poison
from ._synthetic import make_biased_classification

__all__ = [
    "fetch_adult",
    "fetch_meps",
    "load_celeba",
    "load_utkface",
    "make_biased_classification",
    "make_colored_digits",
    "make_marked_digits",
    "make_poisoned_classification",
    "poison",
]
