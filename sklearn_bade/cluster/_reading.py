"""The first step on a cluster: classes, groups and weights of all partitions."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.multiclass import check_classification_targets

from .._groups import UNKNOWN_GROUP, Groups, combine_columns
from ..rows import as_plain_labels, check_weights, encode_labels, validate_labels
from ._collections import open_client, open_collections, read_partition, select_columns
from ._copies import warn_of_copies
from ._rows import ClusterRows, Keys
from ._values import MOST_VALUES, ColumnCoder, Spread

# scikit-learn takes labels that hardly repeat for a mistake.
REPEATED = 3


def read_collections(debiaser, X, y, sensitive_features, sample_weight):
    """Read classes and groups, and set what is known of them, as in memory."""
    from dask.dataframe.utils import meta_nonempty

    client = open_client()
    data = open_collections(X, y, sensitive_features, sample_weight)
    debiaser._check_features(meta_nonempty(data.meta))
    columns = _columns_to_read(debiaser, data.meta, sensitive_features)
    _refuse_text(X[list(data.meta.columns)], debiaser)
    narrow = data.X
    if not callable(columns):  # of files, other columns are not even read
        narrow = select_columns(X, columns or [data.meta.columns[0]])
    parts = list(zip(narrow, data.y, data.sensitive, data.weights, range(len(data))))
    summaries = _summarise_all(client, parts, columns)
    debiaser.classes_ = _find_classes(summaries)
    coders = [
        ColumnCoder.of(list(spreads), debiaser.n_bins)
        for spreads in zip(*(summary.spreads for summary in summaries))
    ]
    scale = _scale_of_weights(summaries) if sample_weight is not None else 1.0
    encoder = _Encoder(columns, debiaser.classes_, coders, scale)
    rows = _number_groups(client, encoder, parts, data, debiaser)
    if not debiaser.keep_sensitive:
        warn_of_copies(client, X, data, columns, rows, debiaser._hidden_columns)
    return rows


def _columns_to_read(debiaser, meta, sensitive_features):
    """Say what is read of X: names of columns, or a function that makes values of X."""
    positions = debiaser._hide_columns(meta)
    if sensitive_features is not None:
        return []
    if debiaser.sensitive_columns is None:
        debiaser._refuse_no_attribute()
    columns = debiaser.sensitive_columns
    return columns if callable(columns) else [meta.columns[i] for i in positions]


def _refuse_text(X, debiaser):
    """Refuse columns that no tree can split, before anything is computed."""
    hidden = [X.columns[i] for i in debiaser._hidden_columns]
    for name, kind in X.dtypes.items():
        if name in hidden or pd.api.types.is_numeric_dtype(kind):
            continue
        if not isinstance(kind, pd.CategoricalDtype):
            raise ValueError(
                f"{type(debiaser.estimator).__name__} needs numbers or categories, and "
                f"column {name!r} of X holds {kind}. Turn such columns into categories, "
                f"X.categorize(columns=[{name!r}]), and give enable_categorical=True."
            )
        if not X[name].cat.known:
            raise ValueError(
                f"The categories of column {name!r} may differ between partitions of X. "
                f"Find them first, X.categorize(columns=[{name!r}])."
            )


class Summary(NamedTuple):
    """What a partition says of its labels, sensitive values and weights."""

    labels: pd.Series
    spreads: list
    weights: tuple


def _summarise(x, y, sensitive, weights, index, columns):
    """Make the summary of a partition; None where no row weighs anything."""
    labels, table, weights = read_partition(x, y, sensitive, weights, index, columns)
    facts = (1.0, 1.0, float(len(labels)))
    if weights is not None and len(weights):
        facts = weights.min(), weights.max(), weights.sum()
        labels, table = labels[weights != 0], table[weights != 0]
    if not len(labels):
        return None
    labels = pd.Series(labels).drop_duplicates()
    if len(labels) > MOST_VALUES:
        check_classification_targets(labels[:MOST_VALUES].repeat(REPEATED))
        raise ValueError(
            f"y has more than {MOST_VALUES} classes in partition {index}; it seems to be "
            "an identifier."
        )
    return Summary(labels, [Spread.of(column) for _, column in table.items()], facts)


def _summarise_all(client, parts, columns):
    from dask import delayed

    planned = [delayed(_summarise)(*part, columns) for part in parts]
    summaries = client.gather(client.compute(planned))
    summaries = [summary for summary in summaries if summary is not None]
    if not summaries:
        raise ValueError(
            "X has no rows, or none that sample_weight gives a weight above zero; nothing "
            "is left to learn."
        )
    return summaries


def _find_classes(summaries):
    labels = pd.concat([summary.labels for summary in summaries], ignore_index=True)
    labels = as_plain_labels(labels.drop_duplicates()).repeat(REPEATED)
    return encode_labels(validate_labels(labels, labels))[0]


def _scale_of_weights(summaries):
    """Check weights, and find what they are multiplied by; only their ratios matter."""
    least, greatest, total = np.transpose([summary.weights for summary in summaries])
    ends = np.array([least.min(), greatest.max()])
    scale = check_weights(ends)[1] / ends[1]
    check_weights(np.append(ends, total.sum() * scale))
    return scale


@dataclass(frozen=True)
class _Encoder:
    """What makes keys of what the user gave."""

    columns: object
    classes: np.ndarray
    coders: list
    scale: float

    def encode(self, x, y, sensitive, weights, index):
        """Make the keys of a partition; the groups are those of :meth:`combine`."""
        labels, table, weights = read_partition(
            x, y, sensitive, weights, index, self.columns
        )
        kept = None
        if weights is not None:
            weights, kept = weights * self.scale, np.flatnonzero(weights)
        if not len(labels):
            labels = self.classes[:0]
        codes = LabelEncoder().fit(self.classes).transform(labels).astype(np.int16)
        columns = [c.encode(table.iloc[:, i]) for i, c in enumerate(self.coders)]
        keys = Keys(codes, self.combine(columns), weights, np.arange(len(codes)))
        keys = keys if kept is None else keys.take(kept)
        is_whole = kept is None or len(kept) == len(codes)
        return Keys(keys.y, keys.groups, keys.weights, None if is_whole else kept)

    def combine(self, columns):
        """Give a number to each combination of the columns' codes."""
        combined = np.zeros(len(columns[0]), dtype=np.int64)
        for codes, coder in zip(columns, self.coders):
            combined = combined * len(coder.values) + codes
        known = np.logical_and.reduce([codes != UNKNOWN_GROUP for codes in columns])
        return np.where(known, combined, UNKNOWN_GROUP)

    def split(self, combined):
        """Find the columns' codes of combinations."""
        columns = []
        for coder in reversed(self.coders):
            combined, codes = np.divmod(combined, len(coder.values))
            columns.insert(0, codes)
        return columns


def _count(keys):
    """Count rows, and sum up weights, of each class and combination that occur."""
    cells = np.stack([keys.y, keys.groups])
    cells, codes = np.unique(cells, axis=1, return_inverse=True)
    codes = codes.ravel()
    sizes = np.bincount(codes, minlength=cells.shape[1])
    return *cells, sizes, np.bincount(codes, keys.weights, minlength=cells.shape[1])


def _renumber(keys, known):
    """Give combinations the numbers of groups, -1 to those of none."""
    groups = np.searchsorted(known, keys.groups)
    groups[keys.groups == UNKNOWN_GROUP] = UNKNOWN_GROUP
    size = np.min_scalar_type(-len(known))
    return Keys(keys.y, groups.astype(size), keys.weights, keys.kept)


def _number_groups(client, encoder, parts, data, debiaser):
    """Find which groups there are, and count the rows of each cell."""
    from dask import delayed

    keys = client.compute([delayed(encoder.encode)(*part) for part in parts])
    counted = client.gather(client.compute([delayed(_count)(each) for each in keys]))
    groups = np.concatenate([groups for _, groups, _, _ in counted])
    n_rows = np.concatenate([sizes for _, _, sizes, _ in counted])
    known = np.unique(groups[groups != UNKNOWN_GROUP])
    _, labels = combine_columns(
        encoder.split(known),
        [coder.values for coder in encoder.coders],
        int(n_rows[groups != UNKNOWN_GROUP].sum()),
    )
    ends = {i: c.ends for i, c in enumerate(encoder.coders) if c.ends is not None}
    debiaser.groups_, debiaser.cut_points_ = labels, ends
    keys = client.compute([delayed(_renumber)(each, known) for each in keys])
    counts, sums = _tabulate(counted, len(encoder.classes), known)
    sums = None if data.weights[0] is None else sums
    nobody = Groups(np.zeros(0, dtype=int), labels, ends)
    return ClusterRows(data.meta, data.X, keys, encoder.classes, nobody, counts, sums)


def _tabulate(counted, n_classes, known):
    """Make tables of the rows in each cell of each partition, and of all weights."""
    counts = np.zeros((len(counted), n_classes, len(known) + 1), dtype=int)
    sums = np.zeros(counts.shape[1:])
    for part, (y, codes, sizes, weights) in zip(counts, counted):
        places = np.where(codes == UNKNOWN_GROUP, -1, np.searchsorted(known, codes))
        part[y, places] = sizes
        sums[y, places] += weights
    return counts, sums
