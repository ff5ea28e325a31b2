"""Log-probabilities of a fitted skorch net, in large batches."""

import numpy as np
import torch

from .._containers import row_slices


def first_output(output):
    """Return the class scores of a module that may return several outputs."""
    return output[0] if isinstance(output, tuple) else output


def to_logits(output, criterion):
    """Turn a module's output into logits, by what its criterion expects.

    Parameters
    ----------
    output : torch.Tensor of shape (n_samples, n_classes), or tuple that begins with one
        Output of the module.

    criterion : torch.nn.Module
        ``CrossEntropyLoss`` (the output is logits) or ``NLLLoss`` (skorch's
        convention: the output is probabilities).

    Returns
    -------
    logits : torch.Tensor of shape (n_samples, n_classes)
        Unnormalised log-probabilities.
    """
    output = first_output(output)
    if isinstance(criterion, torch.nn.NLLLoss):
        return torch.log(output + torch.finfo(output.dtype).eps)
    return output


def outputs(net, X, stamp=None):
    """Compute a net's outputs in large batches.

    Parameters
    ----------
    net : skorch.NeuralNet
        Fitted net.

    X : ndarray of shape (n_samples, n_features), dtype=float32
        Features.

    stamp : callable, default=None
        Function that stamps triggers on a tensor of rows.

    Yields
    ------
    output : torch.Tensor of shape (n_rows, n_outputs)
        Output of the module for the next rows.
    """
    for part in row_slices(X.shape):
        rows = torch.from_numpy(np.array(X[part]))
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
    """Predict the values of a regression net.

    Parameters
    ----------
    net : skorch.NeuralNetRegressor
        Fitted net.

    X : ndarray of shape (n_samples, n_features), dtype=float32
        Features.

    Returns
    -------
    values : ndarray of shape (n_samples, n_outputs), dtype=float32
        Predictions.
    """
    return _gather(len(X), (first_output(output) for output in outputs(net, X)))


def log_probabilities(net, X, stamp=None):
    """Compute log-probabilities without leaving the log scale.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        Fitted net.

    X : ndarray of shape (n_samples, n_features), dtype=float32
        Features.

    stamp : callable, default=None
        Function that stamps triggers on a tensor of rows.

    Returns
    -------
    log_proba : ndarray of shape (n_samples, n_classes), dtype=float32
        Logarithms of the class probabilities.
    """
    pieces = (
        torch.log_softmax(to_logits(output, net.criterion_), dim=1)
        for output in outputs(net, X, stamp)
    )
    return _gather(len(X), pieces)


def row_losses(net, X, y):
    """Compute the cross-entropy of each row.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        Fitted net.

    X : ndarray of shape (n_samples, n_features), dtype=float32
        Features.

    y : ndarray of shape (n_samples,), dtype=int64
        Class codes.

    Returns
    -------
    losses : ndarray of shape (n_samples,), dtype=float32
        Cross-entropies, in nats.
    """
    return -log_probabilities(net, X)[np.arange(len(y)), y]
