"""Columns of a Dask frame that hold the sensitive attribute and are still features."""

from .._attribute_copies import (
    N_PROBED,
    count_pairs,
    go_together,
    possible_copies,
    tell_of_copies,
)
from ._collections import read_partition, select_columns
from ._values import MOST_VALUES


def warn_of_copies(client, X, data, columns, rows, hidden_columns):
    """Warn of columns that tell a sensitive column of every row, and are not hidden.

    The largest partition rules most columns out, and of the others those that are left
    are read alone. What is read of X as sensitive values is `columns`.
    """
    from dask import delayed

    beside = list(zip(data.y, data.sensitive, data.weights, range(len(data))))
    largest = int(rows.counts.sum(axis=(1, 2)).argmax())
    part = delayed(_find_positions)(data.X[largest], *beside[largest], columns)
    positions = set(client.compute(part).result()) - set(hidden_columns)
    found = [name for i, name in enumerate(data.meta.columns) if i in positions]
    if not found:
        return
    needed = data.meta.columns
    if not callable(columns):  # a callable may look at any column
        needed = [name for name in needed if name in {*found, *columns}]
    parts = [
        delayed(_find_pairs)(x, *others, columns, found)
        for x, others in zip(select_columns(X, list(needed)), beside)
    ]
    pairs = zip(*client.gather(client.compute(parts)))
    tell_of_copies([name for name, each in zip(found, pairs) if _are_copies(each)])


def _read(x, y, sensitive, weights, index, columns):
    """Read the rows of a partition that weigh anything, and their sensitive values."""
    _, table, weights = read_partition(x, y, sensitive, weights, index, columns)
    x = x.reset_index(drop=True)
    return (x, table) if weights is None else (x[weights != 0], table[weights != 0])


def _find_positions(*part_and_columns):
    x, table = _read(*part_and_columns)
    return possible_copies(x[:N_PROBED], table[:N_PROBED])


def _find_pairs(*part_and_columns):
    """Count which values of each column go with which sensitive ones; None of too many."""
    *part_and_columns, names = part_and_columns
    x, table = _read(*part_and_columns)
    found = [count_pairs(x[name], table) for name in names]
    is_short = [max(map(len, pairs)) <= MOST_VALUES for pairs in found]
    return [pairs if short else None for pairs, short in zip(found, is_short)]


def _are_copies(pairs):
    return all(each is not None for each in pairs) and any(map(go_together, zip(*pairs)))
