import numpy as np
import torch
from helpers import make_net

from sklearn_bade.nets import log_probabilities


def test_log_scale_survives_extreme_logits():
    net = make_net().initialize()
    with torch.no_grad():
        net.module_.layers[-1].bias.copy_(torch.tensor([0.0, 200.0]))
    log_proba = log_probabilities(net, np.zeros((4, 3), dtype=np.float32))
    assert np.isfinite(log_proba).all()
    assert (log_proba[:, 0] < -150).all()


def test_batches_agree_with_one_pass(monkeypatch):
    net = make_net().initialize()
    X = np.random.RandomState(0).normal(size=(50, 3)).astype(np.float32)
    whole = log_probabilities(net, X)
    monkeypatch.setattr("sklearn_bade.rows._containers.ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(log_probabilities(net, X), whole, rtol=1e-5)
    np.testing.assert_allclose(np.exp(whole), net.predict_proba(X), rtol=1e-5)
