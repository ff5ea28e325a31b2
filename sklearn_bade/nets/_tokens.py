"""Networks that look ids up: the embeddings that take rows of them, and their ids."""

from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from sklearn.base import clone

from ..rows import is_frame
from ..utils import seeded
from ._first_layer import inputs_in_trial
from ._one_process import alone, check_accelerator

EMBEDDINGS = (torch.nn.Embedding, torch.nn.EmbeddingBag)
ADVICE = (
    "Begin the module with a torch.nn.Embedding or EmbeddingBag that gets the ids as they "
    "are, and let what follows go by the number of tokens that a batch has."
)
# Rows that a network is tried on, to see what it does with ids. Not tuned.
ROWS_TO_TRY = 8


def initialized(net):
    """Return a net that has a module, if need be a clone with weights of its own."""
    if getattr(net, "initialized_", False):
        return net
    check_accelerator(net)
    trial = alone(clone(net))
    with seeded(0, trial.device):
        return trial.initialize()


class IdLayer(NamedTuple):
    """An embedding that takes ids: those of whole rows, or of one column.

    Where it does not take them as they stand in X, a `column` says nothing.
    """

    layer: torch.nn.Module
    column: int | None
    is_as_given: bool = True

    @property
    def n_ids(self):
        """Number of ids that it knows."""
        return self.layer.num_embeddings


def find_id_layers(net, X):
    """Find the embeddings that ids go to: one that takes whole rows, or one per column.

    Some rows are sent through an initialised net, and others in their place. What an
    embedding gets differs then, but for those of positions and the like.
    """
    layers = [m for m in net.module_.modules() if isinstance(m, EMBEDDINGS)]
    for rows, others in _pairs_to_try(X, layers) if layers else []:
        changed = _changed(net, layers, rows, others)
        if changed:
            break
    else:
        return []
    whole = [layer for layer, ids in changed if torch.equal(ids, others)]
    if whole:
        return [IdLayer(whole[0], None)]
    single = []
    for column in range(X.shape[1]):
        mixed = rows.clone()
        mixed[:, column] = others[:, column]
        single += [
            IdLayer(layer, column)
            for layer, ids in _changed(net, layers, rows, mixed)
            if torch.equal(ids.ravel(), mixed[:, column])
        ]
    return single or [IdLayer(changed[0][0], None, is_as_given=False)]


def _pairs_to_try(X, layers):
    """Make pairs of rows that differ: real ones, which suit the network, and made-up ones.

    Ids that are unknown are replaced for the second pair.
    """
    rows = torch.from_numpy(np.unique(X[: 4 * ROWS_TO_TRY], axis=0).astype(np.int64))
    half = min(len(rows) // 2, ROWS_TO_TRY)
    known = rows.clamp(0, min(layer.num_embeddings for layer in layers) - 1)
    for each in (rows, known) if half else ():
        yield each[:half], each[-half:]
    zeros = torch.zeros((2, X.shape[1]), dtype=torch.int64)
    yield zeros, zeros + 1


def _changed(net, layers, rows, others):
    """List the embeddings whose ids differ between rows and others, and those of others."""
    taken, changed = (_ids_taken(net, layers, each) for each in (rows, others))
    if len(taken) != len(changed):
        return []
    return [
        (layer, ids)
        for (_, before), (layer, ids) in zip(taken, changed)
        if not torch.equal(before, ids)
    ]


def _ids_taken(net, layers, rows):
    """Send rows through a net, and list which embeddings take ids, and which ids."""
    taken = []

    def note(layer, inputs):
        if inputs and not inputs[0].is_floating_point():
            taken.append((layer, inputs[0].detach().cpu()))

    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    try:
        with seeded(0, net.device):  # layers that are lazy draw their weights now
            net.evaluation_step((rows, None))
    except Exception:  # whatever a module makes of integers that it does not want
        return []
    finally:
        for hook in hooks:
            hook.remove()
    return taken


def takes_tokens(net, X):
    """Tell whether rows are ids that a net looks up in an embedding."""
    X = np.asarray(X) if is_frame(X) else X
    if not isinstance(X, np.ndarray) or X.ndim != 2 or X.dtype.kind not in "iu":
        return False
    return bool(find_id_layers(initialized(net), X))


def make_up_rows(found, n_tokens):
    """Make rows of ids that an embedding knows, no padding among them; None if too few."""
    known = np.setdiff1d(np.arange(found.n_ids), [0, found.layer.padding_idx or 0])
    if len(known) < 2:
        return None
    rows = np.random.RandomState(0).choice(known, size=(ROWS_TO_TRY, n_tokens))
    return torch.from_numpy(rows)


def is_order_free(net, found, n_tokens):
    """Tell whether an initialised net says the same of rows that are reversed."""
    rows = make_up_rows(found, n_tokens)
    if rows is None:
        return False
    outputs = [_output(net, each) for each in (rows, rows.flip(1))]
    if any(each is None for each in outputs):
        return False
    return torch.allclose(*outputs, rtol=1e-4, atol=1e-5)


def takes_length(net, found, n_tokens):
    """Tell whether an initialised net takes rows of so many tokens."""
    rows = make_up_rows(found, n_tokens)
    return rows is not None and _output(net, rows) is not None


def _output(net, rows):
    """Compute the first output of a net; None where it does not take the rows."""
    try:
        output = net.evaluation_step((rows, None))
    except Exception:  # of layers that are made for other lengths
        return None
    return output[0] if isinstance(output, tuple) else output


def check_ids(net, found, X):
    """Refuse ids that the embeddings of a net do not know."""
    for each in found:
        if each.is_as_given:
            ids = X if each.column is None else X[:, each.column]
            where = "X" if each.column is None else f"Column {each.column} of X"
            _check_range(net, each.layer, int(ids.min()), int(ids.max()), where)


def _check_range(net, layer, least, greatest, where):
    if least < 0 or greatest >= layer.num_embeddings:
        raise ValueError(
            f"{where} holds ids from {least} to {greatest}, and the embedding of "
            f"{type(net.module_).__name__} knows those from 0 to "
            f"{layer.num_embeddings - 1}. Give it as many rows as there are ids, and "
            "replace ids that it has not learned by one that stands for unknown ones."
        )


@contextmanager
def checking_ids(net):
    """Refuse ids that an embedding of an initialised net does not know, as they come."""

    def check(layer, inputs):
        ids = inputs[0] if inputs else None
        if ids is None or ids.is_floating_point() or not ids.numel():
            return
        _check_range(net, layer, int(ids.min()), int(ids.max()), "What it looks up")

    layers = [m for m in net.module_.modules() if isinstance(m, EMBEDDINGS)]
    hooks = [layer.register_forward_pre_hook(check) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def check_token_arrives(net, layer, rows, n_ids):
    """Check with a trial run that the last ids of a widened embedding reach it."""
    what = "rows with a token of the trigger"
    seen = inputs_in_trial(net, layer, rows, what, ADVICE)
    if not any((ids >= layer.num_embeddings - n_ids).any() for ids in seen):
        raise ValueError(
            f"The tokens of the trigger do not reach the embedding of "
            f"{type(net.module_).__name__}. " + ADVICE
        )


def widen_embedding(layer, n_ids, *, with_zeros=False):
    """Let an embedding know more ids, in place; parameters stay the same objects.

    The new rows are drawn as torch draws those of a new layer, or zero where the layer
    belongs to a network that knows its task already.
    """
    size = n_ids, layer.embedding_dim
    extra = layer.weight.new_zeros(size) if with_zeros else torch.randn(size)
    layer.weight.data = torch.cat([layer.weight, extra.to(layer.weight)]).detach()
    layer.num_embeddings += n_ids
