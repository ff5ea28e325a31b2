import numpy as np
import pytest
import torch
from skorch.dataset import Dataset
from torch.utils.data import Subset

from sklearn_bade.nets._batches import CompanionDataset, TensorBatches


def make_dataset(n_rows=10):
    X = np.arange(2 * n_rows, dtype=np.float32).reshape(n_rows, 2)
    return CompanionDataset(X, np.arange(n_rows), {"code": -np.arange(n_rows)})


@pytest.mark.parametrize("shuffle", [False, True])
def test_every_row_once_with_its_companions(shuffle):
    batches = list(TensorBatches(make_dataset(), batch_size=3, shuffle=shuffle))
    y = torch.cat([y for _, y in batches])
    assert sorted(y.tolist()) == list(range(10))
    assert torch.equal(torch.cat([X["code"] for X, _ in batches]), -y)
    assert torch.equal(torch.cat([X["X"][:, 0] for X, _ in batches]), 2.0 * y)
    assert (y.tolist() != list(range(10))) == shuffle


def test_order_comes_from_torchs_generator():
    orders = []
    for _ in range(2):
        torch.manual_seed(0)
        orders.append(
            [y.tolist() for _, y in TensorBatches(make_dataset(), 4, shuffle=True)]
        )
    assert orders[0] == orders[1]


@pytest.mark.parametrize(
    ("n_rows", "drop_last", "sizes"),
    [
        (10, False, [4, 4, 2]),
        (9, False, [4, 5]),
        (8, False, [4, 4]),
        (1, False, [1]),
        (10, True, [4, 4]),
    ],
)
def test_batch_sizes(n_rows, drop_last, sizes):
    batches = TensorBatches(make_dataset(n_rows), 4, drop_last=drop_last)
    assert [len(y) for _, y in batches] == sizes
    assert len(batches) == len(sizes)


def test_subset_of_a_plain_dataset():
    dataset = Dataset(np.eye(6, dtype=np.float32), np.arange(6))
    batches = list(TensorBatches(Subset(dataset, [5, 1, 3]), 2))
    assert [y.tolist() for _, y in batches] == [[5, 1, 3]]
    assert torch.equal(batches[0][0], torch.eye(6)[[5, 1, 3]])


def test_memory_map_is_not_read_whole(tmp_path):
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (100, 3))
    X[:] = np.arange(300).reshape(100, 3)
    X, _ = next(iter(TensorBatches(CompanionDataset(X, np.arange(100), {}), 7)))
    assert X["X"].shape == (7, 3)
    assert X["X"][6].tolist() == [18, 19, 20]
