import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sklearn_bade.nets import (
    PiecewiseLinearNet,
    last_layer,
    make_default_net,
    train_net,
    weighted_layers,
)
from sklearn_bade.nets._piecewise import find_edges


def naive_forward(net, X):
    """Compute what the network is defined as, value by value."""
    state = {name: value.double().numpy() for name, value in net.state_dict().items()}
    hidden = X @ state["first.weight"].T + state["first.bias"]
    if net.n_measured:
        encoded = []
        for column, starts, slopes, maps, bias in zip(
            X[:, state["measured"].astype(int)].T,
            *(state[name] for name in ("starts", "slopes", "maps", "biases")),
        ):
            come = [
                [min(max((x - a) * b, 0), 1) for a, b in zip(starts, slopes)]
                for x in column
            ]
            encoded.append(np.maximum(np.array(come) @ maps + bias, 0))
        hidden = hidden + np.concatenate(encoded, axis=1) @ state["mix.weight"].T
    for i in (1, 3):
        weight, bias = state[f"rest.{i}.weight"], state[f"rest.{i}.bias"]
        hidden = np.maximum(hidden, 0) @ weight.T + bias
    return hidden


def make(X, n_classes=3):
    measured, edges = find_edges(X)
    torch.manual_seed(0)
    return PiecewiseLinearNet(X.shape[1], n_classes, measured, edges, hidden=(8, 4))


@pytest.mark.parametrize("n_columns", [1, 4, 60])
def test_it_computes_what_it_is_defined_as(n_columns):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(200, n_columns)).astype(np.float32)
    X[:, 0] = rng.randint(2, size=200)
    net = make(X)
    with torch.no_grad():
        logits = net(torch.from_numpy(3 * X)).numpy()
    np.testing.assert_allclose(logits, naive_forward(net, 3.0 * X), rtol=1e-4, atol=1e-5)


def test_columns_of_two_values_are_taken_as_they_are():
    rng = np.random.RandomState(0)
    X = np.column_stack([rng.randint(2, size=50), rng.normal(size=50), np.ones(50)])
    measured, edges = find_edges(X.astype(np.float32))
    assert measured == (1,)
    assert edges.shape[0] == 1
    assert make(X[:, :1].astype(np.float32)).n_measured == 0


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 40), st.integers(1, 5)),
        elements=st.floats(-1e6, 1e6, width=32),
    )
)
def test_edges_ascend_between_the_values_and_encodings_are_finite(X):
    measured, edges = find_edges(X)
    assert measured == tuple(i for i, x in enumerate(X.T) if len(np.unique(x)) > 2)
    assert np.isfinite(edges).all()
    for i, row in zip(measured, edges):
        assert (np.diff(row) >= 0).all()
        assert X[:, i].min() <= row[0]
        assert row[-1] <= X[:, i].max()
    with torch.no_grad():
        assert torch.isfinite(make(X)(torch.from_numpy(X))).all()


def test_wide_tables_get_fewer_pieces():
    rng = np.random.RandomState(0)
    sizes = [find_edges(rng.normal(size=(500, n)))[1].size for n in (5, 20, 300)]
    assert sizes[0] > 5 * 100
    assert max(sizes) < 3500


def test_values_that_few_rows_have_get_edges_of_their_own():
    """Most people have no such income, and the incomes of the others differ."""
    X = np.zeros((5000, 1), dtype=np.float32)
    X[:50, 0] = np.arange(1, 51)
    _, edges = find_edges(X)
    assert (np.unique(edges[0]) > 1).sum() >= 40


def test_no_edge_is_a_value_of_a_single_row():
    for n_rows in (5, 51, 101, 701):
        even = 1000.0 * np.arange(n_rows)
        uneven = np.random.RandomState(0).normal(size=n_rows)
        X = np.column_stack([even, uneven]).astype(np.float32)
        _, edges = find_edges(X)
        for column, row in zip(X.T, edges):
            assert not np.isin(row, column).any()


def test_layers_are_defined_in_the_order_in_which_they_run():
    """Defences look for the last layer, and for those before it, by their order."""
    X = np.random.RandomState(0).normal(size=(50, 3)).astype(np.float32)
    net = train_net(make_default_net(X, 2), X, np.arange(50) % 2, seed=0)
    names = list(weighted_layers(net.module_))
    assert last_layer(net, X) == names[-1]
    assert names[0] == "first"


def test_weights_can_be_drawn_anew():
    X = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    net = make(X)
    before = {name: value.clone() for name, value in net.named_parameters()}
    for layer in net.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    assert not any(torch.equal(before[n], value) for n, value in net.named_parameters())
    bound = net.maps.shape[1] ** -0.5
    assert net.maps.abs().max() <= bound
    assert net.biases.abs().max() <= bound
