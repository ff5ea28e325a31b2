"""Nets with an accelerator, in one process."""

import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import accelerated
import numpy as np
import pytest
import torch
from accelerated import AcceleratedNet, NormedMLP, accelerate_net
from helpers import make_net, make_rows
from sklearn.base import clone
from skorch import NeuralNetClassifier

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.nets import train_net
from sklearn_bade.saving import load, save

pytest.importorskip("accelerate")

# Skorch says so when it loads the net that was given, which has the accelerator's device.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Setting self.device = cpu since the requested device was not specified"
)


@pytest.mark.parametrize("student", ["path", "single"])
@pytest.mark.parametrize("module", [None, NormedMLP])
def test_one_process_is_equal_to_the_net_without_accelerator(student, module):
    X, y, groups = make_rows()
    net = make_net() if module is None else make_net(module=module)
    one, other = (
        BackdoorDebiasClassifier(each, student=student, random_state=0)
        .fit(X, y, sensitive_features=groups)
        .predict_proba(X)
        for each in (net, accelerate_net(net))
    )
    np.testing.assert_array_equal(one, other)


def test_modules_in_pieces_are_refused():
    X, y, groups = make_rows()
    net = accelerate_net(make_net())
    kind = SimpleNamespace(value="FSDP")
    net.set_params(accelerator=SimpleNamespace(distributed_type=kind))
    with pytest.raises(ValueError, match="trains by FSDP"):
        BackdoorDebiasClassifier(net).fit(X, y, sensitive_features=groups)


def test_the_accelerator_forgets_what_it_has_trained():
    X, y, _ = make_rows()
    net = accelerate_net(make_net())
    trained = train_net(net, X, y, seed=0)
    assert not net.accelerator._models
    assert not net.accelerator._optimizers
    assert type(trained) is AcceleratedNet
    assert isinstance(trained.optimizer_, torch.optim.Adam)


def test_a_kept_net_can_be_trained_on_and_answers_like_others(capsys):
    X, y, _ = make_rows()
    trained = train_net(accelerate_net(make_net(verbose=0)), X, y, seed=0)
    before = trained.predict_proba(X)
    clone(trained).set_params(verbose=0)
    trained.partial_fit(X, y)
    assert np.abs(trained.predict_proba(X) - before).max() > 1e-4
    assert capsys.readouterr().out == ""


def test_files_without_code(tmp_path):
    X, y, groups = make_rows()
    clf = BackdoorDebiasClassifier(accelerate_net(make_net()), random_state=0)
    clf.fit(X, y, sensitive_features=groups)
    with pytest.raises(ValueError, match="AcceleratedNet, which is not on the list"):
        save(clf, tmp_path / "clf.bade")
    save(clf, tmp_path / "clf.bade", trusted=[AcceleratedNet])
    loaded = load(tmp_path / "clf.bade", trusted=[AcceleratedNet])
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))


@pytest.mark.slow
def test_predicting_needs_no_accelerate(tmp_path):
    X, y, _ = make_rows()
    trained = train_net(accelerate_net(make_net()), X, y, seed=0)
    (tmp_path / "net.pkl").write_bytes(pickle.dumps((trained, X)))
    code = (
        "import pickle, sys; sys.modules['accelerate'] = None\n"
        f"net, X = pickle.load(open({str(tmp_path / 'net.pkl')!r}, 'rb'))\n"
        "print(float(net.predict_proba(X)[:, 1].sum()))"
    )
    tests = Path(accelerated.__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{tests}:{tests.parent}"},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = trained.predict_proba(X)[:, 1].sum()
    assert float(done.stdout) == pytest.approx(float(expected))


def test_token_ids_are_tried_without_other_processes():
    class Bag(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = torch.nn.EmbeddingBag(9, 4)
            self.linear = torch.nn.Linear(4, 2)

        def forward(self, X):
            return self.linear(self.embed(X))

    rng = np.random.RandomState(0)
    X, y = rng.randint(1, 9, size=(120, 5)), np.arange(120) % 2
    net = NeuralNetClassifier(
        Bag, criterion=torch.nn.CrossEntropyLoss, max_epochs=2, train_split=None, verbose=0
    )
    one, other = (
        BackdoorDebiasClassifier(each, random_state=0)
        .fit(X, y, sensitive_features=X[:, 0] > 4)
        .predict_proba(X)
        for each in (net, accelerate_net(net))
    )
    np.testing.assert_array_equal(one, other)
