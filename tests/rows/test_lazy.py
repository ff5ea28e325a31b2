import pickle

import numpy as np
import pytest
import torch
from skorch.helper import SliceDataset
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from sklearn_bade.rows import LazyRows, open_dataset, read_labels

IMAGES = torch.arange(96.0).reshape(8, 3, 2, 2)
LABELS = torch.arange(8) % 2


class Items(Dataset):
    """A dataset of whatever it is given, which counts how often it is read."""

    def __init__(self, items):
        self.items = items
        self.n_read = 0

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        self.n_read += 1
        return self.items[i]


@pytest.mark.parametrize(
    "dataset",
    [
        TensorDataset(IMAGES, LABELS),
        SliceDataset(TensorDataset(IMAGES, LABELS)),
        Items(list(IMAGES)),
        Items(list(IMAGES.numpy().astype(float))),
        Items([[image, 0] for image in IMAGES]),
    ],
)
def test_rows_index_like_an_array(dataset):
    rows, expected = LazyRows(dataset), IMAGES.numpy()
    assert rows.shape == expected.shape
    assert rows.dtype == np.float32
    for key in (2, slice(1, 5), [3, 0], np.array([7, 7]), np.arange(8) > 4):
        np.testing.assert_array_equal(rows[key], expected[key])
    np.testing.assert_array_equal(np.asarray(rows), expected)
    np.testing.assert_array_equal(rows.take([4, 2])[:], expected[[4, 2]])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rows))[1], expected[1])


def test_only_what_is_needed_is_read():
    items = Items(list(IMAGES))
    rows = LazyRows(items)
    rows.take(np.arange(4))[1:3]
    assert items.n_read <= 4  # two of them to learn the shapes


@pytest.mark.parametrize(
    ("dtype", "stored"), [(torch.uint8, np.uint8), (torch.int64, np.float32)]
)
def test_bytes_stay_bytes_and_all_else_becomes_float(dtype, stored):
    assert LazyRows(TensorDataset(IMAGES.to(dtype)))[:2].dtype == stored


def test_tables_are_read_at_once():
    table = open_dataset(TensorDataset(IMAGES.flatten(1), LABELS))
    np.testing.assert_array_equal(table, IMAGES.flatten(1).numpy())
    large = torch.arange(8)[:, None] + 2**40
    np.testing.assert_array_equal(open_dataset(TensorDataset(large)), large.numpy())
    assert isinstance(open_dataset(TensorDataset(IMAGES)), LazyRows)
    assert open_dataset(IMAGES) is IMAGES


def test_labels_are_the_second_elements():
    np.testing.assert_array_equal(read_labels(TensorDataset(IMAGES, LABELS)), LABELS)
    named = Items([(image, name) for image, name in zip(IMAGES, "abcdabcd")])
    assert read_labels(named).tolist() == list("abcdabcd")
    with pytest.raises(ValueError, match="y is None, and the dataset's items hold no"):
        read_labels(Items(list(IMAGES)))
    with pytest.raises(ValueError, match=r"y=SliceDataset\(dataset, idx=1\)"):
        read_labels(SliceDataset(TensorDataset(IMAGES, LABELS)))


class TestBadItems:
    def test_no_arrays(self):
        with pytest.raises(TypeError, match="Item 0 of Items is a str; items must be"):
            LazyRows(Items(["a.jpg"]))

    def test_no_positions(self):
        class Stream(IterableDataset):
            def __iter__(self):
                return iter(IMAGES)

        with pytest.raises(TypeError, match="Stream is an IterableDataset"):
            LazyRows(Stream())

    def test_unequal_shapes(self):
        rows = LazyRows(Items([*IMAGES, torch.zeros(3, 2, 5)]))
        with pytest.raises(ValueError, match=r"Item 8 of Items has the shape \(3, 2, 5\)"):
            rows[7:]

    def test_mixed_types(self):
        rows = LazyRows(Items([*IMAGES.byte(), IMAGES[0]]))
        with pytest.raises(ValueError, match="Item 8 of Items is of type float32, and the"):
            rows[:]

    def test_missing_values(self):
        rows = LazyRows(Items([*IMAGES, torch.full((3, 2, 2), torch.nan)]))
        with pytest.raises(ValueError, match="Item 8 of Items contains NaN"):
            rows[[8]]
