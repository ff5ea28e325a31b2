"""Fair classifiers through backdoors: scikit-learn estimators for BaDe."""

from ._classifier import BackdoorDebiasClassifier
from ._classifier_cv import BackdoorDebiasClassifierCV
from ._version import __version__

__all__ = ["BackdoorDebiasClassifier", "BackdoorDebiasClassifierCV", "__version__"]
