"""A trained network learns what triggers with inputs of their own say, and nothing else."""

from functools import partial

import numpy as np
import torch
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from ..rows import dense_rows
from ._batches import as_targets
from ._inference import copy_net, to_logits
from ._training import plain_torch
from ._trigger_inputs import TriggerInputs

# Passes over the rows at most. Of what the rates say, .79 (sd .02) is learned by then on
# MEPS, .85 (.04) on Adult and race, .94 (.02) on Adult and sex, five draws of rows each.
MOST_PASSES = 30
# Values of stamped rows that pass through the network at once: 4 MiB of single precision.
VALUES_AT_ONCE = 2**20


def learn_trigger_inputs(net, trigger, X, y, chances, weights=None):
    """Teach a copy of a trained net what triggers say of the class.

    Only the weights of the new inputs are learned, from zero. Each row is seen under every
    trigger, weighed by its chance, so that nothing is left to chance.

    Parameters
    ----------
    net : NeuralNetClassifier
        Trained net, which stays as it is.

    trigger : BaseTrigger
        Fitted trigger that appends columns, or uses ids of its own.

    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows.

    y : ndarray of shape (n_samples,)
        Class codes.

    chances : ndarray of shape (n_samples, n_codes)
        Chance of each trigger.

    weights : ndarray of shape (n_samples,), default=None
        Weights of the rows.

    Returns
    -------
    teacher : NeuralNetClassifier
        A net that takes stamped rows.
    """
    loss_weights = chances if weights is None else chances * weights[:, None]
    loss_weights = loss_weights / loss_weights.sum()
    with plain_torch():
        teacher = copy_net(net)
        inputs = TriggerInputs.make(teacher, trigger, X, with_zeros=True)
        batches = partial(_stamped, trigger, X, y, loss_weights, teacher.device)
        inputs.check(teacher, next(batches())[0][:2])
        _minimise(teacher, inputs, batches)
    return teacher


def _stamped(trigger, X, y, loss_weights, device):
    """Stamp all triggers on rows, as many rows at once as memory has room for."""
    n_rows, n_codes = loss_weights.shape
    size = max(1, VALUES_AT_ONCE // (n_codes * X.shape[1]))
    for start in range(0, n_rows, size):
        part = slice(start, min(start + size, n_rows))
        rows = torch.from_numpy(np.array(dense_rows(X, part)))
        codes = [torch.full((len(rows),), code) for code in range(n_codes)]
        stamped = torch.cat([trigger.stamp(rows, each) for each in codes])
        labels = torch.from_numpy(np.tile(as_targets(y[part]), n_codes))
        weights = torch.from_numpy(loss_weights[part].T.ravel()).float()
        yield [each.to(device) for each in (stamped, labels, weights)]


def _minimise(teacher, inputs, batches):
    """Find the new weights of a layer at which the loss is least.

    `batches` is called for rows, labels and weights of the rows, part by part.
    """
    path = next(n for n, m in teacher.module_.named_modules() if m is inputs.layer)
    name = f"{path}.weight" if path else "weight"
    known, new = inputs.split()
    new = torch.zeros_like(new).requires_grad_()
    teacher.module_.eval()
    if getattr(inputs.layer, "sparse", False):  # gradients go through a dense weight here
        inputs.layer.sparse = False
    optimizer = torch.optim.LBFGS(
        [new], max_iter=MOST_PASSES, line_search_fn="strong_wolfe"
    )

    def step():
        optimizer.zero_grad()
        total = 0.0
        for rows, labels, weights in batches():
            changed = {name: torch.cat([known, new], dim=inputs.axis)}
            output = functional_call(teacher.module_, changed, (rows,))
            logits = to_logits(output, teacher.criterion_)
            losses = cross_entropy(logits, labels, reduction="none")
            loss = (losses * weights).sum()
            loss.backward(inputs=[new])
            total += loss.detach()
        return total

    optimizer.step(step)
    inputs.split()[1].copy_(new.detach())
