"""Audits for backdoors: of a classifier, of training rows, and of what was removed."""

from ._audit import BackdoorAudit, audit_backdoor
from ._relearning import measure_relearning
from ._training_rows import score_training_rows

__all__ = [
    "BackdoorAudit",
    "audit_backdoor",
    "measure_relearning",
    "score_training_rows",
]
