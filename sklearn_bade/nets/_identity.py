"""What tells one unfitted net from another, for caches."""

import inspect

import torch

from ..utils import __version__


def net_identity(net):
    """Collect what the training of a net depends on, in a form that hashes stably.

    Two definitions of a module class under one name differ by their source, so a class
    that was edited in a notebook is not taken for the old one. Tensors become arrays,
    because two equal tensors are pickled differently.
    """
    module_class = net.module if isinstance(net.module, type) else type(net.module)
    settings = {name: _stable(value) for name, value in net.get_params(deep=False).items()}
    settings.pop("_params_to_validate", None)
    return __version__, _source(module_class), _source(type(net)), settings


def _source(definition):
    """Return the source of a class, or its name where there is none to be had."""
    try:
        return inspect.getsource(definition)
    except (OSError, TypeError):
        return definition.__qualname__


def _stable(value):
    """Turn tensors, and modules that hold them, into arrays."""
    if isinstance(value, torch.nn.Module):
        return str(value), {k: _stable(v) for k, v in value.state_dict().items()}
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().numpy()
    return value
