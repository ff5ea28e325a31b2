"""Defences against backdoors: repair a network, train in spite of poison, check both."""

from ._deconfounded import DeconfoundedClassifier
from ._detoxifier import DistanceDrivenDetoxifier
from ._editor import ActivationGuidedEditor
from ._relearning import measure_relearning
from ._training_rows import score_training_rows

__all__ = [
    "ActivationGuidedEditor",
    "DeconfoundedClassifier",
    "DistanceDrivenDetoxifier",
    "measure_relearning",
    "score_training_rows",
]
