"""Rows that lie on a Dask cluster: what is learned of them, and what is predicted."""

from ._collections import is_on_cluster
from ._learner import make_cluster_learners
from ._predict import (
    predict_partitions,
    predict_proba_of_partitions,
    score_partitions,
)
from ._reading import read_collections
from ._rows import ClusterRows

__all__ = [
    "ClusterRows",
    "is_on_cluster",
    "make_cluster_learners",
    "predict_partitions",
    "predict_proba_of_partitions",
    "read_collections",
    "score_partitions",
]
