"""Where triggers that have inputs of their own enter a network."""

from dataclasses import dataclass

import torch

from ._first_layer import check_trigger_arrives, find_first_linear, widen
from ._tokens import check_token_arrives, find_id_layers, widen_embedding


@dataclass
class TriggerInputs:
    """The last entries of a weight, along an axis.

    These are columns of the first linear layer, or rows of the embedding.
    """

    layer: torch.nn.Module
    axis: int
    n_inputs: int

    @classmethod
    def make(cls, net, trigger, X, *, with_zeros=False):
        """Widen the layer of an initialised net that takes rows as those of X, in place."""
        n_tokens = trigger.n_tokens_
        if n_tokens:
            layer = find_id_layers(net, X)[0].layer
            widen_embedding(layer, n_tokens, with_zeros=with_zeros)
            return cls(layer, 0, n_tokens)
        layer = find_first_linear(net.module_, X.shape[1])
        widen(layer, trigger.n_columns_, with_zeros=with_zeros)
        return cls(layer, 1, trigger.n_columns_)

    def check(self, net, rows):
        """Check with a trial run that triggers of stamped rows get there."""
        check = check_trigger_arrives if self.axis else check_token_arrives
        check(net, self.layer, rows, self.n_inputs)

    def split(self):
        """Return the weights that were there before, and the new ones."""
        weight = self.layer.weight.detach()
        n_before = weight.shape[self.axis] - self.n_inputs
        return weight.split([n_before, self.n_inputs], dim=self.axis)
