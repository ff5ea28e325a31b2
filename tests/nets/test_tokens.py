import numpy as np
import pandas as pd
import pytest
import torch
from helpers import make_net

from sklearn_bade.nets import (
    check_ids,
    checking_ids,
    find_id_layers,
    initialized,
    is_order_free,
    takes_length,
    takes_tokens,
    widen_embedding,
)

N_IDS, WIDTH = 12, 5
IDS = np.random.RandomState(0).randint(1, N_IDS, size=(30, WIDTH))
IDS_OF_COLUMNS = IDS % [N_IDS, 3, N_IDS, N_IDS, N_IDS]


class Bag(torch.nn.Module):
    """A bag of ids."""

    def __init__(self, n_features=WIDTH, n_classes=2, hidden=()):
        super().__init__()
        self.embedding = torch.nn.EmbeddingBag(N_IDS, 4)
        self.out = torch.nn.Linear(4, n_classes)

    def forward(self, X):
        return self.out(self.embedding(X))


class Flat(Bag):
    """Every place has weights of its own."""

    def __init__(self, n_features=WIDTH, n_classes=2, hidden=()):
        super().__init__()
        self.embedding = torch.nn.Embedding(N_IDS, 4)
        self.out = torch.nn.Linear(4 * n_features, n_classes)

    def forward(self, X):
        return self.out(self.embedding(X).flatten(1))


class Positions(Flat):
    """An embedding of places stands before that of ids, and knows fewer numbers."""

    def __init__(self, n_features=WIDTH, n_classes=2, hidden=()):
        super().__init__()
        self.place = torch.nn.Embedding(n_features, 4)
        self.embedding = torch.nn.Embedding(N_IDS, 4)
        self.out = torch.nn.Linear(4, n_classes)

    def forward(self, X):
        places = self.place(torch.arange(X.shape[1]))
        return self.out((self.embedding(X) + places).tanh().mean(1))


class PerColumn(Bag):
    """Columns have embeddings of their own, but for one that is a number."""

    def __init__(self, n_features=WIDTH, n_classes=2, hidden=()):
        super().__init__()
        self.second = torch.nn.Embedding(3, 4)
        self.first = torch.nn.Embedding(N_IDS, 4)

    def forward(self, X):
        number = X[:, [2]].float()
        return self.out(self.first(X[:, 0]) + self.second(X[:, 1]) + number)


class Mixed(Bag):
    """Takes floats, of which it makes ids itself."""

    def forward(self, X):
        return self.out(self.embedding(X[:, :2].long())) + X[:, 2:4] @ torch.eye(2)


def net_of(module):
    return initialized(make_net(WIDTH, module=module))


@pytest.mark.parametrize(
    ("module", "columns"),
    [(Bag, [None]), (Flat, [None]), (Positions, [None]), (PerColumn, [0, 1])],
)
def test_the_embeddings_of_ids_are_found(module, columns):
    net = net_of(module)
    found = find_id_layers(net, IDS_OF_COLUMNS)
    assert [each.column for each in found] == columns
    expected = net.module_.first if columns[0] == 0 else net.module_.embedding
    assert found[0].layer is expected
    assert found[0].n_ids == N_IDS


@pytest.mark.parametrize("X", [IDS, IDS.astype(np.uint8), pd.DataFrame(IDS)])
def test_integers_are_ids_of_a_network_with_embeddings(X):
    assert takes_tokens(make_net(WIDTH, module=Bag), X)
    assert not takes_tokens(make_net(WIDTH), X)


@pytest.mark.parametrize("module", [Bag, Mixed])
def test_floats_are_no_ids(module):
    assert not takes_tokens(make_net(WIDTH, module=module), IDS.astype(np.float32))


def test_a_module_that_needs_floats_takes_no_ids():
    assert not takes_tokens(make_net(WIDTH, module=Mixed), IDS)


def test_trying_a_network_draws_nothing_of_the_user():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    takes_tokens(make_net(WIDTH, module=Bag), IDS)
    assert torch.equal(torch.rand(2), expected)


def first(module):
    net = net_of(module)
    return net, find_id_layers(net, IDS)[0]


def test_where_the_order_of_tokens_matters():
    assert is_order_free(*first(Bag), WIDTH)
    assert not is_order_free(*first(Flat), WIDTH)
    assert not is_order_free(*first(Positions), WIDTH)


def test_which_lengths_are_taken():
    assert takes_length(*first(Bag), WIDTH + 1)
    assert not takes_length(*first(Flat), WIDTH + 1)
    assert not takes_length(*first(Positions), WIDTH + 1)


@pytest.mark.parametrize(("module", "column"), [(Bag, 4), (PerColumn, 1)])
def test_unknown_ids_are_refused(module, column):
    net, X = net_of(module), np.minimum(IDS, 2)
    found = find_id_layers(net, X)
    check_ids(net, found, X)
    for least, greatest in ((-3, 2), (1, 40)):
        wrong = X.copy()
        wrong[3, column], wrong[4, column] = least, greatest
        assert find_id_layers(net, wrong) == found
        message = rf"from .* to {greatest}.*knows those from 0"
        with pytest.raises(ValueError, match=message):
            check_ids(net, found, wrong)
        with pytest.raises(ValueError, match=message), checking_ids(net):
            net.forward(torch.from_numpy(wrong))


class Types(Bag):
    """An embedding of types gets zeros of the shape of the rows, before the ids come."""

    def __init__(self, n_features=WIDTH, n_classes=2, hidden=()):
        super().__init__()
        self.kind = torch.nn.Embedding(2, 4)
        self.embedding = torch.nn.Embedding(N_IDS, 4)

    def forward(self, X):
        return self.out((self.kind(torch.zeros_like(X)) + self.embedding(X)).mean(1))


class Packed(Flat):
    """Takes no row that is all padding."""

    def __init__(self, n_features=WIDTH, n_classes=2, hidden=()):
        super().__init__()
        self.read = torch.nn.GRU(4, 4, batch_first=True)
        self.out = torch.nn.Linear(4, n_classes)

    def forward(self, X):
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            self.embedding(X), (X != 0).sum(1), batch_first=True, enforce_sorted=False
        )
        return self.out(self.read(packed)[1][-1])


class Shifted(Bag):
    """Looks up other ids than X holds."""

    def forward(self, X):
        return self.out(self.embedding((X + 1) % N_IDS))


class Lazy(Flat):
    """The shape of its last layer is settled by the first rows."""

    def __init__(self, n_features=WIDTH, n_classes=2, hidden=()):
        super().__init__()
        self.out = torch.nn.LazyLinear(n_classes)


@pytest.mark.parametrize("module", [Types, Packed, Lazy])
@pytest.mark.parametrize("rows", [IDS, IDS[:1], np.full((3, WIDTH), 40)])
def test_embeddings_of_unusual_networks_are_found(module, rows):
    state = torch.get_rng_state()
    net = net_of(module)
    found = find_id_layers(net, rows)
    assert torch.equal(torch.get_rng_state(), state)
    if module is Packed and len(rows) < len(IDS):
        return  # nobody knows which rows it takes
    assert [(each.layer, each.column) for each in found] == [(net.module_.embedding, None)]
    assert found[0].is_as_given
    assert takes_tokens(net, rows)


def test_ids_that_are_changed_on_the_way():
    net = net_of(Shifted)
    (found,) = find_id_layers(net, IDS)
    assert not found.is_as_given
    check_ids(net, [found], IDS + 100)


@pytest.mark.parametrize("with_zeros", [True, False])
def test_an_embedding_is_widened_in_place(with_zeros):
    layer = net_of(Bag).module_.embedding
    weight, before = layer.weight, layer.weight.detach().clone()
    widen_embedding(layer, 2, with_zeros=with_zeros)
    assert layer.weight is weight
    assert layer.num_embeddings == N_IDS + 2
    assert torch.equal(layer.weight[:N_IDS], before)
    assert (layer.weight[N_IDS:] == 0).all() == with_zeros
