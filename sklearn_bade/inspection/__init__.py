"""Pictures of what debiasing costs and gains, a report, and an audit for backdoors."""

from ._group_rates import GroupRatesDisplay
from ._strength_path import StrengthPathDisplay
from .audit import BackdoorAudit, audit_backdoor
from .report import FairnessReport, correction_importance, decided_otherwise

__all__ = [
    "BackdoorAudit",
    "FairnessReport",
    "GroupRatesDisplay",
    "StrengthPathDisplay",
    "audit_backdoor",
    "correction_importance",
    "decided_otherwise",
]
