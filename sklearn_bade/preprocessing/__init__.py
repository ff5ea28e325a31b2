"""From raw tables to numbers, and pipelines taken apart and joined again."""

from ._pipelines import join_pipeline, split_pipeline
from ._table import (
    make_default_preprocessing,
    to_float32,
    to_net_rows,
    to_numbers,
    to_pandas,
)

__all__ = [
    "join_pipeline",
    "make_default_preprocessing",
    "split_pipeline",
    "to_float32",
    "to_net_rows",
    "to_numbers",
    "to_pandas",
]
