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
from ._containers import (
    COLUMN_PREFIX,
    append_columns,
    column_names,
    drop_columns,
    frame_to_pandas,
    greatest_value,
    is_frame,
    like,
    name_columns,
    row_slices,
    set_columns,
    take_rows,
)
from ._lazy import LazyRows, is_dataset, open_dataset, read_all, read_labels
from ._rows import Rows, drop_weightless, kind_of
from ._unreadable import leaves_unreadable_out

__all__ = [
    "COLUMN_PREFIX",
    "LazyRows",
    "Rows",
    "append_columns",
    "as_plain_labels",
    "check_container",
    "check_same_order",
    "check_weights",
    "column_names",
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
    "open_dataset",
    "read_all",
    "read_labels",
    "row_slices",
    "set_columns",
    "take_rows",
    "validate_features",
    "validate_labels",
]
