"""Triggers: how a group's, or an attacker's, mark is stamped on rows."""

from sklearn.base import clone

from ._base import BaseTrigger
from ._blend import BlendTrigger
from ._image import PatchTrigger
from ._table import ColumnTrigger, ValueTrigger

__all__ = ["BaseTrigger", "BlendTrigger", "ColumnTrigger", "PatchTrigger", "ValueTrigger"]


def choose_trigger(trigger, kind):
    """Clone the user's trigger; for "auto", make one that suits the kind of rows.

    `kind` is "table" (columns of their own), "image" (patches) or "other" (a blend).
    """
    if trigger != "auto":
        return clone(trigger)
    return {"table": ColumnTrigger, "image": PatchTrigger}.get(kind, BlendTrigger)()
