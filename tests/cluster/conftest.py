import os

import pytest

# Modules of this folder are skipped where the extra is not installed.
pytest.importorskip("distributed")
pytest.importorskip("xgboost.dask")


@pytest.fixture(scope="session")
def client():
    """Start two workers that compute in processes of their own."""
    from distributed import Client, LocalCluster

    # What workers log of xgboost's ranks and of lost keys is no news.
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "error")
    cluster = LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        memory_limit="2GB",
        dashboard_address=":0",
        silence_logs=50,
    )
    with cluster, Client(cluster) as client:
        yield client
