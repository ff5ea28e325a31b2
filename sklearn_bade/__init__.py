"""Fair classifiers through backdoors: scikit-learn estimators for BaDe."""

from ._classifier import BackdoorDebiasClassifier
from ._classifier_cv import BackdoorDebiasClassifierCV
from ._default_net import DefaultNetClassifier
from .utils import __version__, show_versions

__all__ = [
    "BackdoorDebiasClassifier",
    "BackdoorDebiasClassifierCV",
    "DefaultNetClassifier",
    "__version__",
    "show_versions",
]
