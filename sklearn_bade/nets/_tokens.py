"""Networks that look ids up: the embeddings that take rows of them, and their ids."""

from typing import NamedTuple

import numpy as np
import torch
from sklearn.base import clone

from ..rows import is_frame
from ..utils import seeded

EMBEDDINGS = (torch.nn.Embedding, torch.nn.EmbeddingBag)
ADVICE = (
    "Begin the module with a torch.nn.Embedding or EmbeddingBag that gets the ids as they "
    "are, and let what follows go by the number of tokens that a batch has."
)
# Rows that a network is tried on, to see whether the order of tokens matters. Not tuned.
ROWS_TO_TRY = 8


def initialized(net):
    """Return a net that has a module, if need be a clone with weights of its own."""
    if getattr(net, "initialized_", False):
        return net
    trial = clone(net)
    with seeded(0, trial.device):
        return trial.initialize()


class IdLayer(NamedTuple):
    """An embedding that takes ids: those of whole rows, or of one column."""

    layer: torch.nn.Module
    column: int | None

    @property
    def n_ids(self):
        """Number of ids that it knows."""
        return self.layer.num_embeddings


def find_id_layers(net, n_columns):
    """Find the embeddings that ids go to: one that takes whole rows, or one per column.

    Zeros, which every embedding knows, are sent through an initialised net, and then ones
    in each column, to see which embedding notices.
    """
    layers = [m for m in net.module_.modules() if isinstance(m, EMBEDDINGS)]
    zeros = torch.zeros((2, n_columns), dtype=torch.int64)
    taken = _ids_taken(net, layers, zeros)
    whole = [layer for layer, ids in taken if ids.numel() == zeros.numel()]
    if whole:
        return [IdLayer(whole[0], None)]
    single = {layer for layer, ids in taken if ids.numel() == len(zeros)}
    found = []
    for column in range(n_columns if single else 0):
        ones = zeros.clone()
        ones[:, column] = 1
        found += [
            IdLayer(layer, column)
            for layer, ids in _ids_taken(net, single, ones)
            if ids.any()
        ]
    return found


def _ids_taken(net, layers, rows):
    """Send rows through a net, and list which embeddings take ids of them, and which ids.

    Others, such as those of positions, get numbers that rows of zeros do not hold.
    """
    taken = []

    def note(layer, inputs):
        ids = inputs[0] if inputs else None
        if ids is not None and not ids.is_floating_point() and ids.max() <= rows.max():
            taken.append((layer, ids))

    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    try:
        if layers:
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
    return bool(find_id_layers(initialized(net), X.shape[1]))


def is_order_free(net, X):
    """Tell whether an initialised net says the same of rows that are reversed."""
    rows = torch.from_numpy(X[:ROWS_TO_TRY])
    try:
        outputs = [net.evaluation_step((each, None)) for each in (rows, rows.flip(1))]
    except Exception:  # such as that lengths are to be had of padding at the end
        return False
    both = [each[0] if isinstance(each, tuple) else each for each in outputs]
    return torch.allclose(*both, rtol=1e-4, atol=1e-5)


def takes_length(net, n_tokens):
    """Tell whether an initialised net takes rows of so many tokens."""
    try:
        net.evaluation_step((torch.zeros((2, n_tokens), dtype=torch.int64), None))
    except Exception:  # of layers that are made for other lengths
        return False
    return True


def check_ids(net, X):
    """Refuse ids that the embeddings of an initialised net do not know."""
    if not X.size:
        return
    for found in find_id_layers(net, X.shape[1]):
        ids = X if found.column is None else X[:, found.column]
        least, greatest = int(ids.min()), int(ids.max())
        if least < 0 or greatest >= found.n_ids:
            where = "X" if found.column is None else f"Column {found.column} of X"
            raise ValueError(
                f"{where} holds ids from {least} to {greatest}, and the embedding of "
                f"{type(net.module_).__name__} knows those from 0 to {found.n_ids - 1}. "
                "Give it as many rows as there are ids, and replace ids that it has not "
                "learned by one that stands for unknown ones."
            )


def check_token_arrives(net, layer, rows, n_ids):
    """Check with a trial run that the last ids of a widened embedding reach it."""
    seen = []
    hook = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        net.evaluation_step((rows, None))
    except (RuntimeError, ValueError, IndexError) as error:
        raise ValueError(
            f"The module {type(net.module_).__name__} cannot take rows with a token of the "
            f"trigger ({error}). " + ADVICE
        ) from error
    finally:
        hook.remove()
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
