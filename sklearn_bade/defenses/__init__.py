"""Defences against backdoors: repair a poisoned network, or train in spite of poison."""

from ._deconfounded import DeconfoundedClassifier
from ._detoxifier import DistanceDrivenDetoxifier
from ._editor import ActivationGuidedEditor

__all__ = [
    "ActivationGuidedEditor",
    "DeconfoundedClassifier",
    "DistanceDrivenDetoxifier",
]
