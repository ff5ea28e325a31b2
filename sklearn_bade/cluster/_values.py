"""Sensitive values of all partitions: which there are, where to cut, and their codes."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from .._groups import (
    DEFAULT_BINS,
    UNKNOWN_GROUP,
    check_values,
    cut_column,
    factorize_column,
    holds_numbers,
    interval_names,
    is_cut,
    place_cuts,
    to_floats,
    warn_of_cut,
)

# Different values of a column that a partition reports one by one. Groups are fewer by
# far, and of more numbers quantiles say enough.
MOST_VALUES = 1000


class Spread(NamedTuple):
    """The values of a sensitive column in a partition, and how often each occurs.

    Of more than `MOST_VALUES` numbers, there are as many quantiles instead, and `is_exact`
    is False.
    """

    values: pd.Series
    counts: np.ndarray
    n_distinct: int
    is_exact: bool

    @classmethod
    def of(cls, column):
        """Count values, missing ones left out."""
        check_values(column)
        counts = column.value_counts(sort=False)
        counts = counts[counts > 0]  # of categories, some may not occur
        if len(counts) <= MOST_VALUES:
            values = counts.index.to_series(index=range(len(counts)), name=column.name)
            return cls(values, counts.to_numpy(dtype=float), len(counts), True)
        if holds_numbers(column):
            return cls._of_quantiles(column.dropna(), len(counts))
        raise ValueError(
            f"The sensitive attribute has more than {MOST_VALUES} values in one partition; "
            "it seems to be an identifier. Give an attribute that many rows share."
        )

    @classmethod
    def _of_quantiles(cls, column, n_distinct):
        """Take quantiles for the values, and a number that is no whole one, if any is."""
        shares = (np.arange(MOST_VALUES) + 0.5) / MOST_VALUES
        values = np.quantile(to_floats(column), shares, method="nearest")
        counts = np.full(MOST_VALUES, len(column) / MOST_VALUES)
        parts = to_floats(column) % 1 != 0
        witness = to_floats(column)[parts][:1]
        values = pd.Series([*values, *witness], name=column.name).astype(column.dtype)
        return cls(values, np.append(counts, 0 * witness), n_distinct, False)


@dataclass(frozen=True)
class ColumnCoder:
    """What codes a sensitive column gets: positions in `values`, or intervals of `ends`."""

    values: np.ndarray
    ends: np.ndarray | None = None

    @classmethod
    def of(cls, spreads, n_bins):
        """Decide whether a column is cut, and where."""
        values = pd.concat([spread.values for spread in spreads], ignore_index=True)
        counts = np.concatenate([spread.counts for spread in spreads])
        n_distinct = max(values.nunique(), max(spread.n_distinct for spread in spreads))
        if not (holds_numbers(values) and is_cut(values, n_distinct, n_bins)):
            _refuse_identifier(spreads, n_distinct)
            return cls(factorize_column(values)[1])
        ends = _find_cut_points(to_floats(values), counts, n_bins or DEFAULT_BINS)
        if n_bins is None:
            is_exact = all(spread.is_exact for spread in spreads)
            number = n_distinct if is_exact else f"more than {MOST_VALUES}"
            warn_of_cut(values.name, number, ends)
        return cls(interval_names(ends), ends)

    def encode(self, column):
        """Give codes to values, -1 to missing ones."""
        if self.ends is not None:
            return cut_column(column, self.ends)[0]
        codes, values = pd.factorize(column)
        known = pd.Index(self.values, dtype=object)
        found = known.get_indexer(pd.Index(values).astype(object))
        return np.append(found, UNKNOWN_GROUP)[codes]


def _refuse_identifier(spreads, n_distinct):
    if not all(spread.is_exact for spread in spreads):
        raise ValueError(
            f"The sensitive attribute has {n_distinct} different whole numbers or more; it "
            "seems to be an identifier. Give an attribute that many rows share, or, for a "
            "measurement, the number of intervals, n_bins."
        )


def _find_cut_points(values, counts, n_bins):
    """Find quantiles as they are in the rows that the values stand for."""
    values, positions = np.unique(values, return_inverse=True)
    counts = np.bincount(positions, counts)
    ends = np.cumsum(counts)
    ranks = np.linspace(0, 1, n_bins + 1) * (ends[-1] - 1)
    below = np.floor(ranks)
    # A rank belongs to the first value of which it, and those before it, are fewer.
    last = len(values) - 1
    lower, upper = (
        values[np.minimum(np.searchsorted(ends, each, side="right"), last)]
        for each in (below, below + 1)
    )
    quantiles = lower + (ranks - below) * (upper - lower)
    return place_cuts(quantiles, values, counts)
