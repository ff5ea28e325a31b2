"""Triggers: how a group's, or an attacker's, mark is stamped on rows."""

from sklearn.base import clone

from ._base import BaseTrigger
from ._blend import BlendTrigger
from ._image import PatchTrigger
from ._table import ColumnTrigger, ValueTrigger
from ._tokens import TokenTrigger

__all__ = [
    "BaseTrigger",
    "BlendTrigger",
    "ColumnTrigger",
    "PatchTrigger",
    "TokenTrigger",
    "ValueTrigger",
]

TRIGGER_OF_KIND = {"table": ColumnTrigger, "image": PatchTrigger, "tokens": TokenTrigger}


def choose_trigger(trigger, kind):
    """Clone the user's trigger; for "auto", make one that suits the kind of rows.

    `kind` is "table" (columns of their own), "image" (patches), "tokens" (ids of their own)
    or "other" (a blend).
    """
    if trigger != "auto":
        return clone(trigger)
    return TRIGGER_OF_KIND.get(kind, BlendTrigger)()
