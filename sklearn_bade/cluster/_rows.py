"""Rows on a cluster: plans of features, keys that lie there, counts that came here."""

from dataclasses import dataclass, replace

import numpy as np

# Folds that offsets are found out of, as in memory.
N_FOLDS = 2


@dataclass(frozen=True)
class Keys:
    """What is known of the rows of a partition that weigh anything.

    `kept` are the positions of these; None where all are.
    """

    y: np.ndarray
    groups: np.ndarray
    weights: np.ndarray | None = None
    kept: np.ndarray | None = None

    def __len__(self):
        return len(self.y)

    def rows(self, positions):
        """Find where rows lie in the partition."""
        return positions if self.kept is None else self.kept[positions]

    def cells(self, n_groups):
        """Find the cell of each row; that of an unknown group is the last of a class."""
        places = self.groups.astype(np.int64) % (n_groups + 1)
        return self.y.astype(np.int64) * (n_groups + 1) + places

    def take(self, positions):
        """Select rows."""
        weights = None if self.weights is None else self.weights[positions]
        kept = None if self.kept is None else self.kept[positions]
        return Keys(self.y[positions], self.groups[positions], weights, kept)


@dataclass(frozen=True)
class ClusterRows:
    """Rows of which only counts are in this process.

    Attributes
    ----------
    meta : DataFrame
        No rows, with the columns of X.

    parts, keys : list
        Plans of the partitions of X, and futures of their :class:`Keys`.

    classes, groups
        As in :class:`~sklearn_bade.rows.Rows`; the groups know no codes.

    counts : ndarray of shape (n_partitions, n_classes, n_groups + 1)
        Rows of each cell, those of unknown group last.

    sums : ndarray of shape (n_classes, n_groups + 1), or None
        Weights of each cell.

    dropped : list
        Names of the columns that are not learned from.
    """

    meta: object
    parts: list
    keys: list
    classes: np.ndarray
    groups: object
    counts: np.ndarray
    sums: np.ndarray | None = None
    dropped: list | None = None

    kind = "table"

    def __len__(self):
        return int(self.counts.sum())

    @property
    def X(self):
        """An empty frame that shows what features are like."""
        return self.meta.drop(columns=self.dropped or [])

    @property
    def n_classes(self):
        """Number of classes."""
        return len(self.classes)

    @property
    def frequencies(self):
        """A factor of the weights, see :attr:`sklearn_bade.rows.Rows.frequencies`."""
        return None if self.sums is None else 1 / min(self.sums.sum() / len(self), 1)

    def count_cells(self, factor=None):
        """Count the rows of each class in each known group, or sum up scaled weights."""
        if factor is None:
            return self.counts.sum(axis=0)[:, :-1].astype(float)
        return factor * self.sums[:, :-1]

    def without_columns(self, positions):
        """Return the same rows without some columns of X."""
        return replace(self, dropped=[self.meta.columns[i] for i in positions])


@dataclass(frozen=True)
class Pick:
    """Which rows of a partition are learned from, or asked about.

    Those of groups of some `codes`, if these are given, and of all folds but `left_out`, or
    of the fold `asked` alone. Rows of a cell are dealt out to folds in random order, from
    the fold `starts[cell]` on, so that folds of all partitions together are stratified.
    """

    n_groups: int
    codes: np.ndarray | None = None
    left_out: int | None = None
    asked: int | None = None
    starts: np.ndarray | None = None
    seed: tuple = (0, 0)

    def positions(self, keys):
        """Find the rows."""
        mask = np.ones(len(keys), dtype=bool)
        if self.codes is not None:
            mask &= np.isin(keys.groups, self.codes)
        if self.starts is not None:
            folds = _deal(keys.cells(self.n_groups), self.starts.ravel(), self.seed)
            mask &= folds == self.asked if self.left_out is None else folds != self.left_out
        return np.flatnonzero(mask)

    def count(self, counts):
        """Count the rows of a partition that has so many in each cell, by cell."""
        if self.starts is not None:
            fold = self.asked if self.left_out is None else self.left_out
            first = (fold - self.starts) % N_FOLDS
            in_fold = np.maximum(counts - first + N_FOLDS - 1, 0) // N_FOLDS
            counts = in_fold if self.left_out is None else counts - in_fold
        if self.codes is not None:
            counts = counts[:, self.codes]
        return counts


def _deal(cells, starts, seed):
    """Deal rows of each cell out to folds."""
    order = np.random.default_rng(seed).permutation(len(cells))
    order = order[np.argsort(cells[order], kind="stable")]
    sizes = np.bincount(cells, minlength=len(starts))
    ranks = np.arange(len(cells)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    folds = np.empty(len(cells), dtype=int)
    folds[order] = (ranks + starts[cells[order]]) % N_FOLDS
    return folds


def fold_starts(counts):
    """Find where dealing begins in each partition: where it has ended in those before."""
    before = np.cumsum(counts, axis=0) - counts
    return before % N_FOLDS
