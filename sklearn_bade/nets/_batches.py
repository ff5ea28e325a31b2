"""Batches cut as whole slices instead of row by row."""

import numpy as np
import torch
from skorch.dataset import Dataset
from torch.utils.data import Subset

from ..rows import StoredRows, dense_rows


class CompanionDataset(Dataset):
    """A skorch dataset whose rows take other arrays along."""

    def __init__(self, X, y, companions):
        super().__init__(X, y)
        self.companions = companions

    def __getitem__(self, i):
        # Skorch's own indexing looks at every position in turn.
        companions = {name: values[i] for name, values in self.companions.items()}
        return {"X": dense_rows(self.X, i), **companions}, as_targets(self.y[i])


def as_targets(y):
    """Cast class codes to the one type that losses take; leave other targets alone."""
    return y.astype(np.int64, copy=False) if y.dtype.kind == "i" else y


def _to_tensors(data):
    """Turn an array, or each array in a dict, into a tensor."""
    if isinstance(data, dict):
        return {name: _to_tensors(values) for name, values in data.items()}
    return torch.from_numpy(np.ascontiguousarray(data))


class TensorBatches:
    """Iterate over a skorch dataset of arrays in slices.

    A drop-in for torch's ``DataLoader`` where rows need no work of their own; it is
    several times faster, since no Python code runs per row. A last batch of a single
    row joins the one before it, because batch normalisation cannot train on one row.
    """

    def __init__(self, dataset, batch_size, shuffle=False, drop_last=False):
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last

    def _bounds(self, n_rows):
        bounds = list(range(0, n_rows, self.batch_size)) + [n_rows]
        last_size = bounds[-1] - bounds[-2]
        if self.drop_last and last_size < self.batch_size:
            bounds.pop()
        elif last_size == 1 and len(bounds) > 2:
            bounds.pop(-2)
        return bounds

    def __len__(self):
        return len(self._bounds(len(self.dataset))) - 1

    def __iter__(self):
        dataset, members = self.dataset, None
        if isinstance(dataset, Subset):
            dataset, members = dataset.dataset, np.asarray(dataset.indices)
        sizes = np.diff(self._bounds(len(self.dataset)))
        for positions in _cut(self._order(dataset.X, members), sizes):
            X, y = dataset[positions]
            yield _to_tensors(X), _to_tensors(y)

    def _order(self, X, members):
        """Put positions in the order of this epoch, in pieces; None stands for all rows.

        Rows on disk come in random order part after part.
        """
        if isinstance(X, StoredRows):
            return X.in_parts(members, _permute if self.shuffle else None)
        members = np.arange(X.shape[0]) if members is None else members
        return iter([members[_permute(len(members))] if self.shuffle else members])


def _permute(n):
    return torch.randperm(n).numpy()


def _cut(pieces, sizes):
    """Cut what pieces hold, one after the other, into new ones of other sizes."""
    pending = next(pieces)
    for size in sizes:
        while len(pending) < size:
            pending = np.concatenate([pending, next(pieces)])
        yield pending[:size]
        pending = pending[size:]
