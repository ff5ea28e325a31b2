"""Log-probabilities of a fitted skorch net, in large batches."""

from copy import deepcopy

import numpy as np
import torch
from torch.utils.data import DataLoader

from ..rows import LazyRows, dense_rows, row_slices
from ._tokens import checking_ids


def copy_net(net):
    """Copy a fitted network with its weights.

    Skorch's own copies go through pickle, which classes defined in functions refuse.
    """
    copied = object.__new__(type(net))
    vars(copied).update(vars(net), module_=deepcopy(net.module_))
    return copied


def first_output(output):
    """Return the class scores of a module that may return several outputs."""
    return output[0] if isinstance(output, tuple) else output


def to_logits(output, criterion):
    """Turn a module's output into logits, by what its criterion expects."""
    output = first_output(output)
    if isinstance(criterion, torch.nn.NLLLoss):
        return torch.log(output + torch.finfo(output.dtype).eps)
    return output


def read_slices(net, X):
    """Read rows in large batches, those of a dataset by as many processes as the net may.

    A user allows them by `iterator_valid__num_workers`.
    """
    slices = row_slices(X.shape)
    n_workers = net.get_params_for("iterator_valid").get("num_workers", 0)
    if n_workers and isinstance(X, LazyRows):
        positions = [np.arange(len(X))[part] for part in slices]
        yield from DataLoader(X, sampler=positions, batch_size=None, num_workers=n_workers)
        return
    for part in slices:
        yield torch.from_numpy(np.array(dense_rows(X, part)))


def outputs(net, X, stamp=None):
    """Compute a net's outputs in large batches."""
    with checking_ids(net):
        for rows in read_slices(net, X):
            yield net.evaluation_step((stamp(rows) if stamp else rows, None))


def _gather(n_samples, pieces):
    """Put pieces of output below one another, in one allocation."""
    gathered, start = None, 0
    for piece in pieces:
        values = piece.cpu().numpy()
        if gathered is None:
            gathered = np.empty((n_samples, *values.shape[1:]), dtype=values.dtype)
        gathered[start : start + len(values)] = values
        start += len(values)
    return gathered


def predict_values(net, X):
    """Predict the values of a regression net."""
    return _gather(X.shape[0], (first_output(output) for output in outputs(net, X)))


def log_probabilities(net, X, stamp=None):
    """Compute log-probabilities without leaving the log scale."""
    pieces = (
        torch.log_softmax(to_logits(output, net.criterion_), dim=1)
        for output in outputs(net, X, stamp)
    )
    return _gather(X.shape[0], pieces)


def log_probabilities_under(weights, net, X):
    """Compute log-probabilities as the net gives them with other weights, by name."""
    other = copy_net(net)
    other.module_.load_state_dict(weights, strict=False)
    return log_probabilities(other, X)


def row_losses(net, X, y):
    """Compute the cross-entropy of each row."""
    return -log_probabilities(net, X)[np.arange(len(y)), y]
