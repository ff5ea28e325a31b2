"""Batches cut as whole slices instead of row by row."""

from itertools import pairwise

import numpy as np
import torch
from skorch.dataset import Dataset
from torch.utils.data import Subset


class CompanionDataset(Dataset):
    """A skorch dataset whose rows take other arrays along.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Features. Callbacks that look at the dataset see these alone.

    y : ndarray of shape (n_samples,)
        Class codes.

    companions : dict of ndarray of length n_samples
        What travels with each row.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_bade.nets._batches import CompanionDataset
    >>> rows = CompanionDataset(np.eye(3), np.arange(3), {"trigger": np.array([7, 8, 9])})
    >>> batch, y = rows[np.array([0, 2])]
    >>> batch["trigger"].tolist(), y.tolist()
    ([7, 9], [0, 2])
    """

    def __init__(self, X, y, companions):
        super().__init__(X, y)
        self.companions = companions

    def __getitem__(self, i):
        # Skorch's own indexing looks at every position in turn.
        return {"X": self.X[i], **{k: v[i] for k, v in self.companions.items()}}, self.y[i]


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

    Parameters
    ----------
    dataset : skorch.dataset.Dataset, or torch Subset of one
        `X` is an array or a dict of arrays, `y` an array; of length n_samples.

    batch_size : int
        Number of rows in a batch.

    shuffle : bool, default=False
        Whether to draw a new order, from torch's generator, for each pass.

    drop_last : bool, default=False
        Whether to leave out a last, smaller batch.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch.dataset import Dataset
    >>> from sklearn_bade.nets._batches import TensorBatches
    >>> batches = TensorBatches(Dataset(np.eye(5), np.arange(5)), batch_size=2)
    >>> [y.tolist() for X, y in batches]
    [[0, 1], [2, 3, 4]]
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
        n_rows = len(self.dataset)
        order = torch.randperm(n_rows).numpy() if self.shuffle else np.arange(n_rows)
        dataset = self.dataset
        if isinstance(dataset, Subset):
            order, dataset = np.asarray(dataset.indices)[order], dataset.dataset
        bounds = self._bounds(n_rows)
        for start, stop in pairwise(bounds):
            X, y = dataset[order[start:stop]]
            yield _to_tensors(X), _to_tensors(y)
