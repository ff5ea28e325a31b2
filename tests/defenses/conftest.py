import pytest
from poisoned import make_adult, make_small


@pytest.fixture(scope="session")
def adult_bed(data_home):
    return make_adult(data_home)


@pytest.fixture(scope="session")
def small_bed():
    return make_small()


@pytest.fixture(scope="session")
def small_net(small_bed):
    """A small net with a backdoor."""
    net = small_bed.fit()
    accuracy, success = small_bed.figures(net)
    assert accuracy > 0.85
    assert success > 0.9
    return net
