"""Rows: features, labels, groups and weights, which belong together."""

from dataclasses import dataclass, replace

import numpy as np

from ._containers import drop_columns, take_rows

KINDS_BY_AXES = {2: "table", 4: "image"}


def kind_of(X):
    """Tell what a row is: "table", "image" or, with any other number of axes, "other"."""
    return KINDS_BY_AXES.get(len(X.shape), "other")


@dataclass(frozen=True)
class Rows:
    """Rows that are learned from or judged, and what is known of each.

    `X` is any container of shape (n_samples, ...), `y` class codes, positions in
    `classes`, `groups` a :class:`~sklearn_bade._groups.Groups`, and `weights` an array, or
    None where all rows count alike.
    """

    X: object
    y: np.ndarray
    classes: np.ndarray
    groups: object
    weights: np.ndarray | None = None

    def __len__(self):
        return len(self.y)

    @property
    def kind(self):
        """What a row is, see :func:`kind_of`."""
        return kind_of(self.X)

    @property
    def labels(self):
        """Labels as the user gave them."""
        return self.classes[self.y]

    @property
    def n_classes(self):
        """Number of classes."""
        return len(self.classes)

    @property
    def frequencies(self):
        """Weights as numbers of rows: those that average below one are scaled up.

        Weights that add up to one, say, would drown in the pseudo-rows that smooth rates.
        """
        return None if self.weights is None else self.weights / min(self.weights.mean(), 1)

    def take(self, positions):
        """Select rows."""
        weights = None if self.weights is None else self.weights[positions]
        return Rows(
            take_rows(self.X, positions),
            self.y[positions],
            self.classes,
            self.groups.take(positions),
            weights,
        )

    def with_features(self, X):
        """Return the same rows with other features."""
        return replace(self, X=X)

    def without_features(self):
        """Return the same rows with their positions for features."""
        return self.with_features(np.arange(len(self)))

    def with_weights(self, weights):
        """Return the same rows with other weights."""
        return replace(self, weights=weights)

    def balanced(self):
        """Return the same rows, weighted so that each class has as much of every group.

        Classes weigh what they did, and so do rows of unknown group.
        """
        weights = np.ones(len(self)) if self.weights is None else self.weights
        cells = self.count_cells(weights)
        n_present = np.maximum((cells > 0).sum(axis=1, keepdims=True), 1)
        wanted = cells.sum(axis=1, keepdims=True) / n_present
        factors = np.divide(wanted, cells, out=np.ones_like(cells), where=cells > 0)
        # Rows of unknown group have the code -1, and find a one in the last column.
        factors = np.column_stack([factors, np.ones(self.n_classes)])
        return self.with_weights(weights * factors[self.y, self.groups.codes])

    def without_columns(self, positions):
        """Return the same rows without some columns of X."""
        return self.with_features(drop_columns(self.X, positions))

    def count_cells(self, weights=None):
        """Count the rows of each class in each known group, or sum up their weights.

        The result has the shape (n_classes, n_groups) and is float.
        """
        known, n_groups = self.groups.is_known, len(self.groups.labels)
        weights = None if weights is None else weights[known]
        cells = self.y[known] * n_groups + self.groups.codes[known]
        counts = np.bincount(cells, weights, minlength=self.n_classes * n_groups)
        return counts.reshape(self.n_classes, n_groups).astype(float)


def drop_weightless(X, y, sensitive, weights):
    """Leave out rows of weight zero, as if they had not been there.

    `sensitive` is a pandas frame of sensitive values or None.
    """
    kept = np.flatnonzero(weights)
    if not len(kept):
        raise ValueError("sample_weight is zero in every row; nothing is left to learn.")
    if len(kept) == len(y):
        return X, y, sensitive, weights
    if sensitive is not None:
        sensitive = sensitive.iloc[kept]
    return take_rows(X, kept), y[kept], sensitive, weights[kept]
