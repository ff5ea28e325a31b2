"""Audits of fitted classifiers for backdoors, by attacks on them and on plain ones."""

from ._audit import BackdoorAudit, audit_backdoor

__all__ = ["BackdoorAudit", "audit_backdoor"]
