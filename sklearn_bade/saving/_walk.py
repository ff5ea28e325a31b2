"""Walks through fitted estimators, as far as Python's own attributes go."""

from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

import numpy as np

# Things whose attributes are no parts of a model.
_ATOMS = (type, FunctionType, BuiltinFunctionType, MethodType, ModuleType)


def children_of(value):
    """List what a value consists of."""
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, (list, tuple, set)):
        return list(value)
    if isinstance(value, np.ndarray):
        return value.ravel().tolist() if value.dtype == object else []
    return (
        [] if isinstance(value, _ATOMS) else list(getattr(value, "__dict__", {}).values())
    )


def replaced(value, swap, _known=None):
    """Return a value in which `swap` has replaced parts; what holds none stays as it is.

    `swap` returns another object for what it replaces, and else the one that it is given.
    """
    known = {} if _known is None else _known
    if id(value) in known:
        return known[id(value)][0]
    known[id(value)] = value, value  # ends circles, and keeps the number taken
    new = swap(value)
    if new is value:
        new = _with_new_parts(value, lambda part: replaced(part, swap, known))
    known[id(value)] = new, value
    return new


def _with_new_parts(value, renew):
    """Copy a container or an object, if any of its parts is renewed."""
    if type(value) in (list, tuple):
        parts = [renew(part) for part in value]
        is_same = all(new is old for new, old in zip(parts, value))
        return value if is_same else type(value)(parts)
    if isinstance(value, _ATOMS):
        return value
    old = value if type(value) is dict else getattr(value, "__dict__", {})
    parts = {name: renew(part) for name, part in old.items()}
    if all(parts[name] is old[name] for name in old):
        return value
    if type(value) is dict:
        return parts
    copied = object.__new__(type(value))
    copied.__dict__.update(parts)
    return copied
