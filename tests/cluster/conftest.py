import os

import pytest
from distributed import Client, LocalCluster


@pytest.fixture(scope="session")
def client():
    """Start two workers that compute in processes of their own."""
    # What workers say of lost keys, and of tasks that fail as they should, is no news.
    os.environ["DASK_LOGGING__DISTRIBUTED"] = "critical"
    cluster = LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        memory_limit="2GB",
        dashboard_address=":0",
        silence_logs=50,
    )
    with cluster, Client(cluster) as client:
        yield client
