"""Skorch's own checkpoints in a debiased fit."""

import pickle

import numpy as np
import torch
from helpers import make_net, make_rows
from skorch import NeuralNetClassifier
from skorch.callbacks import Checkpoint
from skorch.dataset import ValidSplit

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.nets import train_net


class OwnNet(NeuralNetClassifier):
    """A net of the user's own class."""


def make_own_net(folder):
    net = make_net(
        callbacks=[("save", Checkpoint(f_pickle="net.pkl", dirname=folder, monitor=None))]
    )
    return OwnNet(**net.get_params(deep=False))


def test_a_pickle_in_mid_training_holds_the_users_net_and_no_rows(tmp_path):
    X, y, groups = make_rows(3000)
    clf = BackdoorDebiasClassifier(make_own_net(tmp_path), random_state=0)
    clf.fit(X, y, sensitive_features=groups)
    file = tmp_path / "net.pkl"
    saved = pickle.loads(file.read_bytes())
    assert type(saved) is OwnNet
    assert not [name for name in vars(saved) if name.startswith(("stage_", "trigger_"))]
    assert X[:50].tobytes() not in file.read_bytes()
    assert file.stat().st_size < X.nbytes
    assert saved.predict_proba(X).shape == (3000, 2)


def test_it_is_saved_before_the_weights_are_averaged(tmp_path):
    X, y, groups = make_rows()
    clf = BackdoorDebiasClassifier(make_own_net(tmp_path), student="single", random_state=0)
    clf.fit(X, y, sensitive_features=groups)
    saved = pickle.loads((tmp_path / "net.pkl").read_bytes())
    assert len(saved.history) == len(clf.student_.history) == 1
    one, other = (next(net.module_.parameters()) for net in (saved, clf.student_))
    assert one.shape == other.shape
    assert not torch.equal(one, other)
    assert np.abs(saved.predict_proba(X) - clf.predict_proba(X)).max() < 0.5


def test_the_best_weights_are_loaded_again(tmp_path):
    X, y, _ = make_rows()
    best = Checkpoint(dirname=tmp_path, load_best=True)
    net = make_net(callbacks=[("best", best)], train_split=ValidSplit(5), max_epochs=3)
    trained = train_net(net, X, y, seed=0)
    saved = torch.load(tmp_path / "params.pt", weights_only=True)
    for name, value in trained.module_.state_dict().items():
        assert torch.equal(value, saved[name])
