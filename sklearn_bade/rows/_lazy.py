"""Rows of a torch Dataset, read when they are needed."""

from contextlib import contextmanager

import numpy as np

from .._compat import (
    is_iterable_dataset,
    is_slice_dataset,
    is_tensor,
    is_torch_dataset,
    is_torch_loader,
)
from ..exceptions import UnreadableRowsError

# Items at the beginning that are tried, to see what a row looks like. Not tuned.
TRIED_FOR_SHAPE = 20


@contextmanager
def reading(dataset, position=None):
    """Name the item, or only the dataset, where reading fails, as with a broken file."""
    try:
        yield
    except UnreadableRowsError:
        raise
    except OSError as error:
        name = "An item" if position is None else f"Item {position}"
        raise UnreadableRowsError(
            f"{name} of {type(dataset).__name__} cannot be read ({error})"
        ) from error


class LazyRows:
    """A torch Dataset that is indexed like an array.

    Rows are read anew each time, so data larger than memory can be trained on, and
    augmentation at random is drawn anew in each epoch. Items are arrays or tensors of one
    shape, or tuples that begin with one; they become float32, but bytes stay bytes, and
    items with one axis keep their type.

    Examples
    --------
    >>> import torch
    >>> from sklearn_bade.rows import LazyRows
    >>> images = torch.arange(24.0).reshape(2, 3, 2, 2)
    >>> rows = LazyRows(torch.utils.data.TensorDataset(images, torch.tensor([0, 1])))
    >>> rows.shape, rows[[1]].shape
    ((2, 3, 2, 2), (1, 3, 2, 2))
    """

    def __init__(self, dataset, positions=None):
        if is_iterable_dataset(dataset):
            raise TypeError(
                f"{type(dataset).__name__} is an IterableDataset, whose rows cannot be "
                "looked up by position. Give a Dataset with __getitem__ and __len__."
            )
        self.dataset = dataset
        self.positions = np.arange(len(dataset)) if positions is None else positions
        first = self._first() if len(self.positions) else np.empty(0, np.float32)
        self.shape = (len(self.positions), *first.shape)
        self.ndim = len(self.shape)
        self.dtype = first.dtype

    def __len__(self):
        return len(self.positions)

    def __getitem__(self, key):
        """Read one row for an integer, else an array of rows."""
        if isinstance(key, (int, np.integer)):
            return self._read(key)
        keys = np.arange(len(self))[key]
        rows = np.empty((len(keys), *self.shape[1:]), dtype=self.dtype)
        for row, position in zip(rows, keys):
            row[...] = self._checked(self._read(position), position)
        return rows

    def __array__(self, dtype=None, copy=None):
        return self[:].astype(dtype or self.dtype, copy=False)

    def take(self, positions):
        """Select rows without reading them."""
        return LazyRows(self.dataset, self.positions[positions])

    def _first(self):
        """Read the first row that can be read, if one of the first can."""
        n_tried = min(TRIED_FOR_SHAPE, len(self.positions))
        for position in range(n_tried - 1):
            try:
                return self._read(position)
            except UnreadableRowsError:
                continue
        return self._read(n_tried - 1)

    def _read(self, position):
        """Read a row as an array of bytes or of float32."""
        with reading(self.dataset, self.positions[position]):
            item = self.dataset[self.positions[position]]
        if isinstance(item, (tuple, list)):
            item = item[0]
        if is_tensor(item):
            item = item.detach().cpu().numpy()
        if not isinstance(item, (np.ndarray, np.generic)):
            raise TypeError(
                f"Item {self.positions[position]} of {type(self.dataset).__name__} is a "
                f"{type(item).__name__}; items must be arrays or tensors, or tuples that "
                "begin with one. Let the dataset's transform make tensors."
            )
        keeps_type = item.ndim < 2 or item.dtype == np.uint8  # a row of a table may be any
        return np.asarray(item, dtype=item.dtype if keeps_type else np.float32)

    def _checked(self, row, position):
        """Check that a row is like the first one, and finite."""
        name = f"Item {self.positions[position]} of {type(self.dataset).__name__}"
        if row.shape != self.shape[1:]:
            raise ValueError(
                f"{name} has the shape {row.shape}, and the first one {self.shape[1:]}. "
                "Let the dataset make all of them equal, for instance by resizing."
            )
        if row.dtype != self.dtype:
            raise ValueError(
                f"{name} is of type {row.dtype}, and the first one of {self.dtype}. Let "
                "the dataset give all of them one type and scale."
            )
        if row.dtype == np.float32 and not np.isfinite(row).all():
            raise ValueError(f"{name} contains NaN or infinity.")
        return row


def is_dataset(X):
    """Tell whether `X` is a torch Dataset, or skorch's wrapper of one."""
    return is_torch_dataset(X)


def open_dataset(X):
    """Make the rows of a dataset indexable; leave everything else as it is.

    Images and the like stay where they are; tables are read at once.
    """
    if is_torch_loader(X):
        raise TypeError("X is a DataLoader; give its dataset, X.dataset, instead.")
    if not isinstance(X, LazyRows) and not is_dataset(X):
        return X
    rows = X if isinstance(X, LazyRows) else LazyRows(X)
    return rows if rows.ndim > 2 else np.asarray(rows)


def read_labels(dataset, positions=None):
    """Read the second element of each item of a torch Dataset, or of some of them."""
    if is_slice_dataset(dataset):
        raise ValueError(
            "y is None, and a SliceDataset gives one element of each item only. Give the "
            "labels as y, for instance y=SliceDataset(dataset, idx=1)."
        )
    labels = []
    for i in range(len(dataset)) if positions is None else positions:
        with reading(dataset, i):
            item = dataset[i]
        labels.append(_label_of(item))
    return np.asarray(labels)


def _label_of(item):
    if not isinstance(item, (tuple, list)):
        raise ValueError(
            "y is None, and the dataset's items hold no labels: they must be tuples of a "
            "row and its label. Otherwise give the labels as y."
        )
    return np.asarray(item[1]).item()
