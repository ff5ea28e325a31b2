"""A trained network learns what triggers in columns of their own say, and nothing else."""

import numpy as np
import torch
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from ._first_layer import check_trigger_arrives, find_first_linear, widen
from ._inference import copy_net, to_logits
from ._training import plain_torch

# Passes over the rows at most. Of what the rates say, .79 (sd .02) is learned by then on
# MEPS, .85 (.04) on Adult and race, .94 (.02) on Adult and sex, five draws of rows each.
MOST_PASSES = 30


def learn_trigger_columns(net, trigger, X, y, chances, weights=None):
    """Teach a copy of a trained net what trigger columns say of the class.

    Only the weights of the new columns are learned, from zero. Each row is seen under every
    trigger, weighed by its chance, so that nothing is left to chance.

    Parameters
    ----------
    net : NeuralNetClassifier
        Trained net, which stays as it is.

    trigger : BaseTrigger
        Fitted trigger that appends columns.

    X : ndarray of shape (n_samples, n_features)
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
    loss_weights = loss_weights.T.ravel() / loss_weights.sum()
    n_codes = chances.shape[1]
    with plain_torch():
        teacher = copy_net(net)
        layer = find_first_linear(teacher.module_, X.shape[1])
        widen(layer, trigger.n_columns_, with_zeros=True)
        rows = torch.from_numpy(np.array(X))
        codes = [torch.full((len(rows),), code) for code in range(n_codes)]
        stamped = torch.cat([trigger.stamp(rows, each) for each in codes])
        check_trigger_arrives(teacher, layer, stamped[:2], trigger.n_columns_)
        labels = torch.from_numpy(np.tile(y, n_codes))
        batch = stamped, labels, torch.from_numpy(loss_weights).float()
        batch = [part.to(teacher.device) for part in batch]
        _minimise(teacher, layer, trigger.n_columns_, batch)
    return teacher


def _minimise(teacher, layer, n_columns, batch):
    """Find the weights of the last columns of a layer at which the loss is least."""
    stamped, labels, loss_weights = batch
    path = next(n for n, part in teacher.module_.named_modules() if part is layer)
    name = f"{path}.weight" if path else "weight"
    known = layer.weight.detach()[:, :-n_columns]
    columns = torch.zeros_like(layer.weight[:, -n_columns:]).detach().requires_grad_()
    teacher.module_.eval()
    optimizer = torch.optim.LBFGS(
        [columns], max_iter=MOST_PASSES, line_search_fn="strong_wolfe"
    )

    def step():
        optimizer.zero_grad()
        changed = {name: torch.cat([known, columns], dim=1)}
        output = functional_call(teacher.module_, changed, (stamped,))
        logits = to_logits(output, teacher.criterion_)
        losses = cross_entropy(logits, labels, reduction="none")
        loss = (losses * loss_weights).sum()
        loss.backward(inputs=[columns])
        return loss

    optimizer.step(step)
    layer.weight.data[:, -n_columns:] = columns.detach()
