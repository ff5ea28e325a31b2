import numpy as np
import pytest

from sklearn_bade.nets import make_default_net


@pytest.mark.parametrize("n_samples", [1, 30, 500, 5000, 50_000, 1_000_000])
def test_training_is_sized_by_the_data(n_samples):
    net = make_default_net(np.zeros((n_samples, 7), np.float32), 3)
    assert 16 <= net.batch_size <= 256
    steps = net.max_epochs * -(-n_samples // net.batch_size)
    assert net.max_epochs == 10 or 300 <= steps < 600
    net.initialize()
    assert next(net.module_.parameters()).shape[1] == 7


@pytest.mark.parametrize("n_samples", [1, 500, 50_000])
def test_training_on_images_is_sized_by_the_data(n_samples):
    net = make_default_net(np.zeros((n_samples, 1, 8, 8), np.uint8), 3)
    assert 10 <= net.max_epochs <= 100
    steps = net.max_epochs * -(-n_samples // net.batch_size)
    assert steps <= 2000 or net.max_epochs == 10
