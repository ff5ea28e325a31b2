"""Rows of a pyarrow Dataset, such as a folder of Parquet files, read batch by batch."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from .._compat import is_arrow_dataset

# Rows that are read at once: few enough that a frame of thirty columns takes 16 MB, and
# enough that the work per batch does not show. Not tuned.
BATCH_ROWS = 2**16


@dataclass(frozen=True)
class CodedLabels:
    """Labels of rows as positions in `values`; -1 where one is missing."""

    codes: np.ndarray
    values: np.ndarray

    def __len__(self):
        return len(self.codes)

    def __getitem__(self, positions):
        return replace(self, codes=self.codes[positions])

    def check(self):
        """Refuse labels that are missing."""
        if (self.codes < 0).any():
            raise ValueError("y contains NaN, None or NA; leave these rows out.")

    def decode(self):
        """Return the labels themselves."""
        self.check()
        return self.values[self.codes]


@dataclass(frozen=True)
class ColumnarRows:
    """Columns of a pyarrow Dataset, which are read when they are needed.

    `kept` marks the rows of the dataset that belong to it; None keeps all.
    """

    dataset: object
    columns: list
    n_rows: int
    kept: np.ndarray | None = None

    def __len__(self):
        return self.n_rows

    @property
    def shape(self):
        """Numbers of rows and columns."""
        return self.n_rows, len(self.columns)

    def frames(self):
        """Read all rows in their order, as pandas frames of some rows each."""
        for table in self.tables(self.columns):
            yield table.to_pandas()

    def example(self):
        """Make a frame without rows, which has the names of the columns."""
        return self._schema(self.columns).empty_table().to_pandas()

    def read(self, columns):
        """Read some columns as a whole: a pandas frame with categories for text.

        Columns that are dictionaries already keep the order of theirs, as in pandas.
        """
        import pyarrow as pa

        pieces = [_encode_texts(table) for table in self.tables(columns)]
        table = pa.concat_tables(pieces).unify_dictionaries()
        frame = table.to_pandas(self_destruct=True, split_blocks=True)
        for name in columns:
            if _is_text(self.dataset.schema.field(name).type):
                categories = sorted(frame[name].cat.categories)
                frame[name] = frame[name].cat.set_categories(categories)
        return frame

    def read_labels(self, column):
        """Read a column as labels."""
        import pyarrow as pa

        encoded = [_encode_labels(table[column]) for table in self.tables([column])]
        chunks = [chunk for piece in encoded for chunk in piece.chunks]
        coded = pa.chunked_array(chunks).unify_dictionaries().to_pandas().cat
        values = np.asarray(coded.categories.tolist())
        return CodedLabels(coded.codes.to_numpy(), values)

    def take(self, positions):
        """Select rows, whose positions ascend."""
        kept = np.zeros(self.n_rows, dtype=bool)
        kept[positions] = True
        if self.kept is not None:
            of_dataset = self.kept.copy()
            of_dataset[self.kept] = kept
            kept = of_dataset
        return replace(self, n_rows=len(positions), kept=kept)

    def read_rows(self):
        """Read all rows into one frame."""
        frames = list(self.frames())
        return pd.concat(frames, ignore_index=True) if frames else self.example()

    def select(self, columns):
        """Take those of some columns that there are, in their order."""
        return replace(self, columns=[name for name in columns if name in self.columns])

    def without_columns(self, positions):
        """Leave columns out."""
        left = [name for i, name in enumerate(self.columns) if i not in set(positions)]
        return replace(self, columns=left)

    def tables(self, columns):
        """Read tables of pyarrow, of a few rows each, one after the other.

        Arrow would read ahead, several files at once, into memory that nobody has.
        """
        import pyarrow as pa
        from pyarrow.dataset import ParquetFileFormat, ParquetFragmentScanOptions

        options = {"batch_readahead": 0, "fragment_readahead": 0, "use_threads": False}
        if isinstance(getattr(self.dataset, "format", None), ParquetFileFormat):
            options["fragment_scan_options"] = ParquetFragmentScanOptions(
                pre_buffer=False, use_buffered_stream=True
            )
        stop = 0
        for batch in self.dataset.to_batches(
            columns=list(columns), batch_size=BATCH_ROWS, **options
        ):
            start, stop = stop, stop + batch.num_rows
            table = _without_views(pa.Table.from_batches([batch]))
            if self.kept is not None:
                table = table.filter(pa.array(self.kept[start:stop]))
            if table.num_rows:
                yield table
        pa.default_memory_pool().release_unused()

    def _schema(self, columns):
        import pyarrow as pa

        return pa.schema([self.dataset.schema.field(name) for name in columns])


def open_columns(X, y, sample_weight=None):
    """Separate the columns of a pyarrow Dataset that are features, labels and weights.

    All else is returned as it is. Labels and weights may be names of columns.
    """
    if not is_arrow_dataset(X):
        return X, y, sample_weight
    rows = _open(X)
    named = [value for value in (y, sample_weight) if isinstance(value, str)]
    missing = [name for name in named if name not in rows.columns]
    if missing:
        raise ValueError(
            f"{missing[0]!r} is not a column of X. The columns are: {rows.columns}."
        )
    if y is None:
        raise ValueError(
            "y is None. With a pyarrow Dataset as X, y is the name of the column that "
            "holds the labels, or an array of them."
        )
    labels = rows.read_labels(y) if isinstance(y, str) else y
    if isinstance(sample_weight, str):
        sample_weight = rows.read([sample_weight])[sample_weight].to_numpy()
    features = rows.without_columns([rows.columns.index(name) for name in named])
    return features, labels, sample_weight


def open_features(X):
    """Make rows of a pyarrow Dataset; leave everything else as it is."""
    return _open(X) if is_arrow_dataset(X) else X


def _open(dataset):
    """Check that a dataset is a table of plain columns, and has rows."""
    from pyarrow.types import is_nested

    names = dataset.schema.names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"X has several columns called {', '.join(twice)}. Give each a name of its own."
        )
    nested = [field.name for field in dataset.schema if is_nested(field.type)]
    if nested:
        raise ValueError(
            f"The columns {', '.join(nested)} of X hold lists or structures, of which "
            "nothing can be learned as they are. Make plain columns of them."
        )
    n_rows = dataset.count_rows()
    if not n_rows:
        raise ValueError(
            f"Found array with 0 sample(s) (shape=(0, {len(names)})) while a minimum of 1 "
            "is required."
        )
    return ColumnarRows(dataset, names, n_rows)


def _is_text(kind):
    from pyarrow.types import is_large_string, is_string, is_string_view

    return is_string(kind) or is_large_string(kind) or is_string_view(kind)


def _without_views(table):
    """Turn text of arrow's newest kind into the usual one: it cannot be selected from."""
    import pyarrow as pa

    usual = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    for i, field in enumerate(table.schema):
        if field.type in usual:  # older versions know no cast
            values = pa.array(table[i].to_pylist(), usual[field.type])
            table = table.set_column(i, field.name, values)
    return table


def _encode_texts(table):
    """Turn columns of text into categories, which take less memory."""
    for i, field in enumerate(table.schema):
        column = _with_nulls_outside(table[i])
        if _is_text(field.type):
            column = column.dictionary_encode()
        table = table.set_column(i, field.name, column)
    return table


def _encode_labels(column):
    """Turn any column into categories; what is no number is missing."""
    import pyarrow as pa
    from pyarrow import compute, types

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if types.is_null(column.type):
        column = column.cast(pa.string())
    if types.is_float16(column.type):
        column = column.cast(pa.float32())
    if types.is_floating(column.type):
        missing = pa.scalar(None, column.type)
        column = compute.if_else(compute.is_nan(column), missing, column)
    return column.dictionary_encode()


def _with_nulls_outside(column):
    """Take a dictionary apart that has a missing value, as such cannot be put together."""
    from pyarrow.types import is_dictionary

    if not is_dictionary(column.type):
        return column
    if not any(chunk.dictionary.null_count for chunk in column.chunks):
        return column
    return column.cast(column.type.value_type).dictionary_encode()
