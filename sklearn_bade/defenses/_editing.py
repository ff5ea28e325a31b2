"""Estimating a trigger, and making a layer deaf to it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from ..nets import plain_torch, to_logits, weighted_layers

EDITABLE = (torch.nn.Linear, torch.nn.Conv2d)
# Chosen, like the rules below, on seeds 0-2 of benchmarks/defenses.py.
DEFAULT_RIDGE = 0.03
DEFAULT_SPARSITY = 0.02
# Length and rate of the search for a trigger. Not tuned.
INVERSION_STEPS = 300
INVERSION_RATE = 0.1
# Logit of the share of each feature at the start, .12: small, and not yet flat.
MASK_START = -2.0
# So many patches tell a covariance.
MOST_PATCHES = 100_000
# Relative to the inputs' spread; below it, float32 has nothing left of a shift.
LEAST_SHIFT = 1e-6


@dataclass(frozen=True)
class EditRule:
    """Which linear layer to edit, counted from the last, and how far."""

    layer: int
    alpha: float


KNOWN = EditRule(layer=-2, alpha=1.0)
ESTIMATED = EditRule(layer=-3, alpha=1.25)  # an estimate falls short of the trigger


def linear_names(net):
    """List the names of linear layers."""
    modules = net.module_.named_modules()
    return [name for name, module in modules if isinstance(module, torch.nn.Linear)]


def find_layer(net, rule):
    """Find the name of the layer that a rule means: linear ones, if there are any."""
    names = linear_names(net) or list(weighted_layers(net.module_, EDITABLE))
    return names[max(rule.layer, -len(names))]


def find_shift(layer, plain, stamped):
    """Compute what a trigger adds to the inputs of a layer, on average.

    A convolution sees the same trigger as different patches at different places. They are
    summed up by the direction in which they differ most from no trigger, at its greatest
    length.
    """
    added = as_rows(layer, stamped, np.mean) - as_rows(layer, plain, np.mean)
    if len(added) == 1:
        return added[0]
    _, _, directions = np.linalg.svd(added, full_matrices=False)
    lengths = added @ directions[0]
    return lengths[np.abs(lengths).argmax()] * directions[0]


def as_rows(layer, inputs, reduce=None):
    """Turn what a layer receives into the vectors that its weights multiply.

    `reduce` sums the rows of each place up first.
    """
    if not isinstance(layer, torch.nn.Conv2d):
        rows = inputs.reshape(-1, inputs.shape[-1])
        return rows if reduce is None else reduce(rows, axis=0, keepdims=True)
    if reduce is not None:
        inputs = reduce(inputs, axis=0, keepdims=True)
    padding = layer.padding
    if isinstance(padding, str):
        padding = [
            n * d // 2 if padding == "same" else 0
            for n, d in zip(np.array(layer.kernel_size) - 1, layer.dilation)
        ]
    patches = torch.nn.functional.unfold(
        torch.as_tensor(inputs), layer.kernel_size, layer.dilation, padding, layer.stride
    )
    return patches.transpose(1, 2).reshape(-1, patches.shape[1]).numpy()


def make_deaf(layer, inputs, shift, alpha, ridge):
    """Make a layer deaf to a shift of its inputs, in place.

    With S the covariance of the inputs plus the ridge and d the shift, the direction is
    ``q = S^-1 d / (d' S^-1 d)``, and the edit ``W - alpha (W d) q'``,
    ``b + alpha (W d) (q' mean)``. A convolution is edited as what it does to each patch.
    """
    inputs = as_rows(layer, inputs)[:MOST_PATCHES]
    covariance = np.atleast_2d(np.cov(inputs.T))
    scale = np.trace(covariance) / len(covariance)
    if not np.abs(shift).max() > LEAST_SHIFT * max(np.sqrt(scale), LEAST_SHIFT):
        raise ValueError(
            "The trigger changes nothing that the layer receives; choose another layer, "
            "or check that the trigger does what it should."
        )
    regular = covariance + max(ridge * scale, LEAST_SHIFT) * np.eye(len(covariance))
    direction = np.linalg.solve(regular, shift)
    direction /= shift @ direction
    weight = layer.weight.detach().cpu().numpy().astype(float)
    effect = alpha * (weight.reshape(len(weight), -1) @ shift)
    if layer.bias is None:
        layer.bias = torch.nn.Parameter(torch.zeros(len(weight)).to(layer.weight))
    with torch.no_grad():
        change = np.outer(effect, direction).reshape(weight.shape)
        layer.weight -= torch.as_tensor(change).to(layer.weight)
        layer.bias += torch.as_tensor(effect * (direction @ inputs.mean(axis=0))).to(
            layer.bias
        )


@plain_torch()
def invert_trigger(net, X, target, sparsity):
    """Estimate the sparsest trigger that makes a network predict a class.

    A share of each feature is replaced by a fixed value within the feature's range; the
    cross-entropy against the class plus `sparsity` times the sum of the shares is
    minimised.
    """
    X = torch.from_numpy(X).to(net.device)
    low, high = X.min(dim=0).values, X.max(dim=0).values
    mask_logit = torch.full_like(low, MASK_START, requires_grad=True)
    pattern_logit = torch.zeros_like(low, requires_grad=True)
    target = torch.full((len(X),), int(target), device=X.device)
    net.module_.eval()
    variables = [mask_logit, pattern_logit]
    optimizer = torch.optim.Adam(variables, lr=INVERSION_RATE)
    for _ in range(INVERSION_STEPS):
        mask = torch.sigmoid(mask_logit)
        pattern = low + (high - low) * torch.sigmoid(pattern_logit)
        logits = to_logits(net.module_((1 - mask) * X + mask * pattern), net.criterion_)
        loss = cross_entropy(logits, target) + sparsity * mask.sum()
        gradients = torch.autograd.grad(loss, variables)
        for variable, gradient in zip(variables, gradients):
            variable.grad = gradient
        optimizer.step()
    return mask.detach().cpu().numpy(), pattern.detach().cpu().numpy()


def stamp_estimate(X, mask, pattern):
    """Stamp an estimated trigger on rows."""
    return (1 - mask) * X + mask * pattern
