"""The report: what a model decides for whom, how sure that is, and what has moved."""

from ._decisions import correction_importance, decided_otherwise
from ._report import FairnessReport

__all__ = ["FairnessReport", "correction_importance", "decided_otherwise"]
