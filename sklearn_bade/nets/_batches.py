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
        self.index, self.n_processes, self.generator = 0, 1, None

    def share(self, index, n_processes, seed):
        """Keep one of several processes' share of each epoch's rows.

        All shuffle alike, by the seed. Shares are of one size, as the mean of gradients
        counts all processes alike: up to one row less than there are processes comes twice.
        """
        self.index, self.n_processes = index, n_processes
        self.generator = torch.Generator().manual_seed(seed)
        return self

    def _bounds(self, n_rows):
        bounds = list(range(0, n_rows, self.batch_size)) + [n_rows]
        last_size = bounds[-1] - bounds[-2]
        if self.drop_last and last_size < self.batch_size:
            bounds.pop()
        elif last_size == 1 and len(bounds) > 2:
            bounds.pop(-2)
        return bounds

    def __len__(self):
        return len(self._bounds(self._n_rows())) - 1

    def __iter__(self):
        dataset, members = self.dataset, None
        if isinstance(dataset, Subset):
            dataset, members = dataset.dataset, np.asarray(dataset.indices)
        sizes = np.diff(self._bounds(self._n_rows()))
        for positions in _cut(self._share(self._order(dataset.X, members)), sizes):
            X, y = dataset[positions]
            yield _to_tensors(X), _to_tensors(y)

    def _order(self, X, members):
        """Put positions in the order of this epoch, in pieces; None stands for all rows.

        Rows on disk come in random order part after part.
        """
        if isinstance(X, StoredRows):
            return X.in_parts(members, self._permute if self.shuffle else None)
        members = np.arange(X.shape[0]) if members is None else members
        return iter([members[self._permute(len(members))] if self.shuffle else members])

    def _permute(self, n):
        return torch.randperm(n, generator=self.generator).numpy()

    def _n_rows(self):
        """Count the rows of this process: all have as many."""
        return -(-len(self.dataset) // self.n_processes)

    def _share(self, pieces):
        """Take this process's share of positions: every k-th of k processes.

        The first ones come again at the end, until all shares are equal.
        """
        n_before, first = 0, np.empty(0, dtype=int)
        for piece in pieces:
            first = np.concatenate([first, piece[: self.n_processes]])[: self.n_processes]
            yield piece[(self.index - n_before) % self.n_processes :: self.n_processes]
            n_before += len(piece)
        again = np.resize(first, -n_before % self.n_processes)
        yield again[(self.index - n_before) % self.n_processes :: self.n_processes]


def _cut(pieces, sizes):
    """Cut what pieces hold, one after the other, into new ones of other sizes."""
    pending = next(pieces)
    for size in sizes:
        while len(pending) < size:
            pending = np.concatenate([pending, next(pieces)])
        yield pending[:size]
        pending = pending[size:]
