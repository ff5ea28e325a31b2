"""Batches cut as whole slices instead of row by row."""

import numpy as np
import torch
from torch.utils.data import Subset


def _slice(data, rows):
    """Take `rows` of an array, or of each array in a dict."""
    if isinstance(data, dict):
        return {name: _slice(values, rows) for name, values in data.items()}
    return torch.from_numpy(np.ascontiguousarray(data[rows]))


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
        data = self.dataset
        if isinstance(data, Subset):
            order, data = np.asarray(data.indices)[order], data.dataset
        bounds = self._bounds(n_rows)
        for start, stop in zip(bounds, bounds[1:]):
            rows = order[start:stop]
            yield _slice(data.X, rows), _slice(data.y, rows)
