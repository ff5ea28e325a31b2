"""What tells one unfitted estimator from another, for caches.

A cache that went by names would take a class that was edited in a notebook for the old one.
So all code of the user's own that can be reached from an estimator counts: its class, those
of its parts, what their methods call.
"""

import hashlib
import sys
import sysconfig
import types
from pathlib import Path

from .._compat import is_net, is_tensor
from ..utils import __version__

_LIBRARIES = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]
# How deep parts of parts are looked into; networks of networks are a few levels deep.
MOST_LEVELS = 12


def estimator_identity(estimator):
    """Collect what the training of an estimator depends on, so that it hashes stably."""
    if not is_net(estimator):
        return __version__, estimator, code_of(estimator)
    settings = {k: _stable(v) for k, v in estimator.get_params(deep=False).items()}
    settings.pop("_params_to_validate", None)
    return __version__, code_of(estimator), settings


def _stable(value):
    """Turn tensors, and modules that hold them, into arrays.

    Two equal tensors are pickled differently.
    """
    if not isinstance(value, type) and hasattr(value, "state_dict"):
        return str(value), {k: _stable(v) for k, v in value.state_dict().items()}
    return value.detach().cpu().numpy() if is_tensor(value) else value


def code_of(*objects):
    """Fingerprint the user's own classes and functions that objects are made of."""
    found = {}
    for each in objects:
        _collect(each, found, set(), MOST_LEVELS)
    return sorted(found.items())


def _collect(value, found, seen, levels):
    """Look into a value, its class, and what it holds."""
    if id(value) in seen or levels == 0 or is_tensor(value):
        return
    seen.add(id(value))
    if isinstance(value, types.FunctionType):
        _collect_function(value, found, seen, levels)
    elif isinstance(value, type):
        _collect_class(value, found, seen, levels)
    elif isinstance(value, dict):
        for part in value.values():
            _collect(part, found, seen, levels - 1)
    elif isinstance(value, (list, tuple, set)):
        for part in value:
            _collect(part, found, seen, levels - 1)
    elif hasattr(value, "__dict__") and not isinstance(value, types.ModuleType):
        _collect_class(type(value), found, seen, levels)
        _collect(vars(value), found, seen, levels - 1)


def _collect_class(cls, found, seen, levels):
    for base in cls.__mro__:
        if _is_library(base):
            continue
        parts = []
        for name, member in sorted(vars(base).items()):
            function = getattr(member, "__func__", getattr(member, "fget", member))
            if isinstance(function, types.FunctionType):
                parts.append((name, _digest(function.__code__)))
                _collect(function, found, seen, levels - 1)
            elif isinstance(member, type):
                _collect(member, found, seen, levels - 1)
            elif not name.startswith("__"):
                parts.append((name, _simple(member)))
        found[f"class {base.__module__}.{base.__qualname__}"] = repr(parts)


def _collect_function(function, found, seen, levels):
    """Fingerprint a function, and what it names or encloses."""
    if _is_library(function):
        return
    found[f"function {function.__module__}.{function.__qualname__}"] = _digest(
        function.__code__
    )
    for name in sorted(_names(function.__code__)):
        named = function.__globals__.get(name)
        if isinstance(named, (int, float, str, bytes, tuple)):
            found[f"global {function.__module__}.{name}"] = repr(named)
        elif isinstance(named, (type, types.FunctionType)):
            _collect(named, found, seen, levels - 1)
    for cell in function.__closure__ or ():
        _collect(cell.cell_contents, found, seen, levels - 1)


def _names(code):
    inner = [_names(const) for const in code.co_consts if isinstance(const, types.CodeType)]
    return set(code.co_names).union(*inner)


def _digest(code):
    """Fingerprint the instructions and constants of a function, whatever file it is in."""
    constants = [
        _digest(const) if isinstance(const, types.CodeType) else repr(const)
        for const in code.co_consts
    ]
    text = repr((code.co_code, constants, code.co_names, code.co_varnames))
    return hashlib.sha256(text.encode()).hexdigest()


def _simple(value):
    return repr(value) if isinstance(value, (int, float, str, bytes, tuple)) else ""


def _is_library(definition):
    """Tell whether code comes from an installed package; its version tells it apart."""
    root = (definition.__module__ or "").partition(".")[0]
    if root in ("builtins", "sklearn_bade"):
        return True
    module = sys.modules.get(definition.__module__)
    path = getattr(module, "__file__", None)
    if path is None:
        return root != "__main__" and module is not None and root in sys.stdlib_module_names
    return any(folder in Path(path).parents for folder in _LIBRARIES)
