"""Looking into a fitted network: its layers, and what they receive."""

import numpy as np
import torch

from ..rows import dense_rows
from ._inference import read_slices

WEIGHTED_LAYERS = (torch.nn.Linear, torch.nn.Conv2d)


def weighted_layers(module, kinds=WEIGHTED_LAYERS):
    """List the layers that multiply by a weight matrix."""
    layers = {n: m for n, m in module.named_modules() if isinstance(m, kinds)}
    if not layers:
        raise ValueError(
            f"{type(module).__name__} has no layer of type "
            f"{', '.join(kind.__name__ for kind in kinds)}, whose weights could be changed."
        )
    return layers


def last_layer(net, X):
    """Find the name of the weighted layer that runs last, wherever it is defined."""
    layers, ran = weighted_layers(net.module_), []
    hooks = [
        layer.register_forward_hook(lambda *_, name=name: ran.append(name))
        for name, layer in layers.items()
    ]
    try:
        net.evaluation_step((torch.from_numpy(np.array(dense_rows(X, slice(1)))), None))
    finally:
        for hook in hooks:
            hook.remove()
    return ran[-1]


def layer_inputs(net, layer, X):
    """Compute what a layer receives."""
    seen = []
    hook = layer.register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0].detach().cpu().numpy())
    )
    try:
        for rows in read_slices(net, X):
            net.evaluation_step((rows, None))
    finally:
        hook.remove()
    return np.concatenate(seen)


def penultimate_features(net, X):
    """Compute what the last linear layer of a net's module receives."""
    linears = [m for m in net.module_.modules() if isinstance(m, torch.nn.Linear)]
    if not linears:
        raise ValueError(
            f"{type(net.module_).__name__} has no torch.nn.Linear, whose input could tell "
            "the groups apart. End the module with one, or use student='single'."
        )
    return layer_inputs(net, linears[-1], X).reshape(X.shape[0], -1)
