"""Pictures of what debiasing costs and gains, and an audit for backdoors."""

from ._audit import BackdoorAudit, audit_backdoor
from ._group_rates import GroupRatesDisplay
from ._strength_path import StrengthPathDisplay

__all__ = [
    "BackdoorAudit",
    "GroupRatesDisplay",
    "StrengthPathDisplay",
    "audit_backdoor",
]
