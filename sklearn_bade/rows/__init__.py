"""What X can be, known here and nowhere else: arrays, frames, sparse, images, datasets."""

from ._align import check_same_order
from ._checks import (
    as_plain_labels,
    check_container,
    check_weights,
    encode_labels,
    forget_fit,
    validate_features,
    validate_labels,
)
from ._columnar import CodedLabels, ColumnarRows, open_columns, open_features
from ._containers import (
    COLUMN_PREFIX,
    append_columns,
    column_names,
    compute_rows,
    dense_rows,
    drop_columns,
    frame_to_pandas,
    greatest_value,
    is_frame,
    like,
    name_columns,
    read_all,
    row_slices,
    set_columns,
    take_rows,
    values_per_row,
)
from ._lazy import LazyRows, is_dataset, open_dataset, read_labels
from ._rows import Rows, drop_weightless, kind_of
from ._stored import RowWriter, StoredRows
from ._texts import Texts, as_row_of_texts, open_texts
from ._unreadable import leaves_unreadable_out

__all__ = [
    "COLUMN_PREFIX",
    "CodedLabels",
    "ColumnarRows",
    "LazyRows",
    "RowWriter",
    "Rows",
    "StoredRows",
    "Texts",
    "append_columns",
    "as_plain_labels",
    "as_row_of_texts",
    "check_container",
    "check_same_order",
    "check_weights",
    "column_names",
    "compute_rows",
    "dense_rows",
    "drop_columns",
    "drop_weightless",
    "encode_labels",
    "forget_fit",
    "frame_to_pandas",
    "greatest_value",
    "is_dataset",
    "is_frame",
    "kind_of",
    "leaves_unreadable_out",
    "like",
    "name_columns",
    "open_columns",
    "open_dataset",
    "open_features",
    "open_texts",
    "read_all",
    "read_labels",
    "row_slices",
    "set_columns",
    "take_rows",
    "validate_features",
    "validate_labels",
    "values_per_row",
]
