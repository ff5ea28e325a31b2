"""Small things that belong to no step of the method."""

from ._predicting import PredictByProbabilityMixin
from ._progress import SILENT, progress_bar
from ._random import draw_seed, draw_seeds, seeded
from ._show_versions import show_versions
from ._version import __version__
from ._warn import warn_user

__all__ = [
    "SILENT",
    "PredictByProbabilityMixin",
    "__version__",
    "draw_seed",
    "draw_seeds",
    "progress_bar",
    "seeded",
    "show_versions",
    "warn_user",
]
