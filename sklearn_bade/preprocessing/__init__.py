"""From raw tables to numbers, and pipelines taken apart and joined again."""

from ._pipelines import (
    join_pipeline,
    open_fitted,
    read_texts,
    refuse_removed_columns,
    split_pipeline,
)
from ._raw_columns import to_pandas
from ._streaming import sample_rows, store_rows
from ._table import (
    make_default_preprocessing,
    to_float32,
    to_net_rows,
    to_numbers,
    to_token_rows,
)

__all__ = [
    "join_pipeline",
    "make_default_preprocessing",
    "open_fitted",
    "read_texts",
    "refuse_removed_columns",
    "sample_rows",
    "split_pipeline",
    "store_rows",
    "to_float32",
    "to_net_rows",
    "to_numbers",
    "to_pandas",
    "to_token_rows",
]
