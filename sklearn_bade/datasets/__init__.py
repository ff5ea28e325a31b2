"""Data sets: generators of biased and of poisoned data, tables, images, and texts."""

from ._bias_in_bios import load_bias_in_bios
from ._biographies import make_biased_biographies
from ._digits import make_colored_digits, make_marked_digits
from ._faces import load_celeba, load_utkface
from ._fetch import fetch_adult, fetch_meps
from ._poison import make_poisoned_classification, poison
from ._synthetic import make_biased_classification

__all__ = [
    "fetch_adult",
    "fetch_meps",
    "load_bias_in_bios",
    "load_celeba",
    "load_utkface",
    "make_biased_biographies",
    "make_biased_classification",
    "make_colored_digits",
    "make_marked_digits",
    "make_poisoned_classification",
    "poison",
]
