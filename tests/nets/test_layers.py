import numpy as np
import pytest
import torch
from helpers import make_net, make_rows

from sklearn_bade.nets import layer_inputs, row_losses, weighted_layers

X, Y, _ = make_rows()


def test_layers_come_in_order():
    net = make_net(module__hidden=(5, 4)).fit(X, Y)
    shapes = [tuple(m.weight.shape) for m in weighted_layers(net.module_).values()]
    assert shapes == [(5, 3), (4, 5), (2, 4)]


def test_a_module_without_weights():
    with pytest.raises(ValueError, match="ReLU has no layer of type Linear, Conv2d"):
        weighted_layers(torch.nn.ReLU())


def test_inputs_of_layers():
    net = make_net(module__hidden=(5,)).fit(X, Y)
    first, last = weighted_layers(net.module_).values()
    np.testing.assert_array_equal(layer_inputs(net, first, X), X)
    hidden = layer_inputs(net, last, X)
    with torch.no_grad():
        logits = last(torch.from_numpy(hidden))
    expected = torch.nn.functional.cross_entropy(logits, torch.from_numpy(Y)).item()
    assert row_losses(net, X, Y).mean() == pytest.approx(expected, rel=1e-5)
    assert not last._forward_pre_hooks
