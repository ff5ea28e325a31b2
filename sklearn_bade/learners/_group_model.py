"""What the features say of the group, as the cells or a small forest have learned it."""

from contextlib import nullcontext
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline

from .._groups import UNKNOWN_GROUP
from ..exceptions import FaintSignalWarning
from ..preprocessing import make_default_preprocessing, to_pandas
from ..rows import (
    LazyRows,
    compute_rows,
    is_frame,
    read_all,
    row_slices,
    take_rows,
)
from ..utils import seeded, warn_user
from ._folds import draw_positions, random_order

# Share of the group's variance below which a student can hardly correct. Not tuned.
FAINT_SIGNAL = 0.02
TINY = np.finfo(float).tiny
# Standard errors on both sides of a 95% interval.
CERTAINTY = 1.96
# Rows that a forest learns groups from at most: thirty small trees need no more.
MOST_LEARNED = 500_000
# Half of them judge: a share of .02 is then above chance by more than a standard error.
PROBED_ROWS = 10_000
# Pixels a side that images are averaged on: what a forest can use. Not tuned.
COARSE_SIDE = 8
# Forests take single precision, and no infinity.
FOREST_RANGE = np.finfo(np.float32).min, np.finfo(np.float32).max


def find_memberships(features, groups, seed):
    """Find how likely each row belongs to each group.

    A forest that learned the known groups from the features speaks for the unknown ones.
    Rows of the result, of shape (n_samples, n_groups) and float32, sum to one.
    """
    forest = None if groups.is_known.all() else learn_groups(features, groups, seed)

    def compute(part):
        rows = np.arange(len(groups.codes))[part]
        return apply_memberships(features, groups, forest, seed, rows)

    return compute_rows(features, len(groups), np.float32, "memberships", compute)


def learn_groups(features, groups, seed):
    """Fit a forest to the known groups."""
    known = np.flatnonzero(groups.is_known)
    known = known[draw_positions(len(known), MOST_LEARNED, seed)]
    forest = _make_forest(features, seed)
    return forest.fit(_summarize(features, known, seed), groups.codes[known])


def apply_memberships(features, groups, forest, seed, rows=None):
    """Find memberships of some rows, those of unknown groups by a fitted forest."""
    rows = np.arange(len(groups.codes)) if rows is None else rows
    codes = groups.codes[rows]
    memberships = (codes[:, None] == np.arange(len(groups))).astype(np.float32)
    unknown = codes == UNKNOWN_GROUP
    if unknown.any():
        rest = _summarize(features, rows[unknown], seed)
        memberships[np.ix_(unknown, forest.classes_)] = forest.predict_proba(rest)
    return memberships


class SignalSums(NamedTuple):
    """What a signal needs to know of rows, which can be added up over parts of these.

    `squares` are the sums of what is told squared, of what is told times what is wanted,
    and of what is wanted squared; `products` those of their products, in one row.
    """

    squares: np.ndarray
    products: np.ndarray
    n_rows: int

    @classmethod
    def of(cls, proba, is_group, frequencies, weights=None):
        """Sum over rows, see :meth:`Signal.of`."""
        told, wanted = proba - frequencies, is_group - frequencies
        each = [(a * b).sum(axis=1) for a, b in ((told, told), (told, wanted))]
        each = np.stack([*each, (wanted**2).sum(axis=1)])
        if weights is not None:
            each = each * weights
        return cls(each.sum(axis=1), each @ each.T, each.shape[1])


class Signal(NamedTuple):
    """Share of how the groups vary that features explain, and its standard error.

    1 says that features tell the group, 0 that they say no more than its frequency. Whether
    a forest has judged images `at_low_resolution` is a matter of advice.
    """

    share: float
    error: float
    at_low_resolution: bool = False

    @classmethod
    def of(cls, proba, is_group, frequencies, weights=None, n_parameters=0):
        """Compare chances of groups with frequencies, both of shape (n_samples, n_groups).

        Chances are brought nearer to the frequencies first, as far as they exaggerate: a
        model that is too sure of what it has learned knows something all the same.
        `n_parameters` were fitted to these very rows, which makes errors too small.
        """
        weights = None if weights is None else weights / weights.mean()
        sums = SignalSums.of(proba, is_group, frequencies, weights)
        return cls.of_sums(sums, n_parameters)

    @classmethod
    def of_sums(cls, sums, n_parameters=0):
        """Compare what has been summed over rows."""
        told, both, wanted = sums.squares
        slope = max(0.0, both / max(told, TINY))
        total = max(wanted, TINY)
        optimism = sums.n_rows / max(sums.n_rows - n_parameters, 1)
        # Errors of a row are its squares times these factors.
        errors = np.array([slope**2, -2 * slope, 1.0])
        ratio = optimism * (errors @ sums.squares) / total
        residuals = optimism * errors - [0, 0, ratio]
        variance = max(residuals @ sums.products @ residuals, 0.0)
        return cls(float(1 - ratio), float(np.sqrt(variance) / total))

    @property
    def limits(self):
        """Limits of its 95% interval."""
        return tuple(self.share + sign * CERTAINTY * self.error for sign in (-1, 1))

    @property
    def is_faint(self):
        """Tell whether it is faint for sure."""
        return self.limits[1] < FAINT_SIGNAL


def group_signal(features, groups):
    """Measure how much features tell of the group, by a forest.

    It learns the groups from half of the rows (at most `PROBED_ROWS` are looked at) and
    predicts the other half; which ones does not depend on the user's seed, so that the same
    rows get the same verdict.
    """
    known = np.flatnonzero(groups != UNKNOWN_GROUP)
    rows = known[random_order(len(known), 0)[:PROBED_ROWS]]
    learn, judge = np.array_split(rows, 2)
    forest = _make_forest(features, 0)
    forest.fit(_summarize(features, learn, 0), groups[learn])
    proba = forest.predict_proba(_summarize(features, judge, 0))
    is_group = groups[judge][:, None] == forest.classes_
    frequencies = np.mean(groups[learn][:, None] == forest.classes_, axis=0)
    signal = Signal.of(proba, is_group, frequencies[None])
    return signal._replace(at_low_resolution=len(features.shape) > 2)


def cell_signal(answers, rows, n_parameters=0):
    """Measure how much cells tell of the group of rows whose class is known."""
    known = np.flatnonzero(rows.groups.is_known)
    y, codes = rows.y[known], rows.groups.codes[known]
    is_group = codes[:, None] == np.arange(len(rows.groups))
    counts = rows.count_cells(rows.weights)
    frequencies = (counts / np.maximum(counts.sum(axis=1, keepdims=True), TINY))[y]
    weights = None if rows.weights is None else rows.weights[known]
    proba = answers.group_proba[known, y]
    return Signal.of(proba, is_group, frequencies, weights, n_parameters)


def warn_if_faint(signal):
    """Warn the user whose features let the student correct next to nothing, for sure."""
    if not signal.is_faint:
        return
    lower, upper = (max(limit, 0) for limit in signal.limits)
    advice = (
        "Whether the attribute itself may be used (keep_sensitive=True) is a question of "
        "law first."
    )
    if signal.at_low_resolution:
        advice = "This was judged at low resolution; finer traits may say more."
    warn_user(
        "The features say little of the group: they explain "
        f"{max(signal.share, 0):.1%} of how it varies (95% interval {lower:.1%} to "
        f"{upper:.1%}). A classifier that may not see the group can then hardly decide "
        f"differently for one group than for another, so expect small changes or high "
        f"prices. {advice}",
        FaintSignalWarning,
    )


def _make_forest(features, seed):
    """Make a small forest that predicts groups from such features."""
    forest = RandomForestClassifier(30, min_samples_leaf=10, random_state=seed)
    if is_frame(features):
        return make_pipeline(make_default_preprocessing(), forest)
    return forest


def _summarize(features, positions, seed):
    """Select rows for a forest; rows of several axes are averaged on a coarse grid."""
    if len(features.shape) <= 2:
        return _without_infinity(read_all(take_rows(features, positions)))
    parts = row_slices((len(positions), *features.shape[1:]))
    # A dataset may change its rows at random.
    with seeded(seed) if isinstance(features, LazyRows) else nullcontext():
        return np.concatenate([_coarsen(features[positions[part]]) for part in parts])


def _without_infinity(table):
    """Cut what forests do not take, and classifiers may."""
    if issparse(table):
        return _with_short_indices(table)
    if isinstance(table, np.ndarray):
        return np.clip(table, *FOREST_RANGE)
    if not is_frame(table):
        return table
    table = to_pandas(table).copy()
    floats = table.select_dtypes("float").replace([np.inf, -np.inf], np.nan)
    table[floats.columns] = floats.clip(*FOREST_RANGE)
    return table


def _with_short_indices(table):
    """Convert indices of sparse rows to those that forests take."""
    table = table.tocsr()
    places = [each.astype(np.int32, copy=False) for each in (table.indices, table.indptr)]
    return csr_array((table.data, *places), shape=table.shape)


def _coarsen(images):
    """Average the last two axes on a grid, and flatten all."""
    pixels = images.reshape(len(images), -1, *images.shape[-2:]).astype(np.float32)
    for axis in (2, 3):
        side = pixels.shape[axis]
        grid = min(side, COARSE_SIDE)
        bounds = [(i * side // grid, -(-(i + 1) * side // grid)) for i in range(grid)]
        bands = [
            np.take(pixels, range(*ends), axis).mean(axis, keepdims=True) for ends in bounds
        ]
        pixels = np.concatenate(bands, axis)
    return pixels.reshape(len(pixels), -1)
