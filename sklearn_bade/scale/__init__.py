"""Tables that are larger than memory: predictions from Parquet to Parquet."""

from ._predict_parquet import predict_parquet

__all__ = ["predict_parquet"]
