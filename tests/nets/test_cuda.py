"""Nets on a GPU, where there is one."""

import os
import pickle
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import accelerated
import numpy as np
import pytest
import torch
from helpers import make_net, make_rows

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.nets import ConvNet, log_probabilities
from sklearn_bade.triggers import BlendTrigger, PatchTrigger, TokenTrigger, ValueTrigger

DEVICE = "cuda"
NO_GPU = "torch finds no GPU that CUDA runs on"

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason=NO_GPU),
    # These nets are small, and hardly anything is asked of them.
    pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.FaintSignalWarning"),
]
# Sums come in another order on a GPU, where matrices may be multiplied with fewer digits.
ROUNDING = 1e-3
N_IDS = 30


class Bag(torch.nn.Module):
    """A bag of ids; at the top of a module, so that it pickles."""

    def __init__(self, n_features, n_classes, hidden):
        super().__init__()
        self.embedding = torch.nn.EmbeddingBag(N_IDS, *hidden)
        self.out = torch.nn.Linear(*hidden, n_classes)

    def forward(self, X):
        return self.out(self.embedding(X))


class SmallConvNet(ConvNet):
    """A network of small images."""

    def __init__(self, n_features, n_classes, hidden):
        super().__init__(n_features, n_classes, widths=(4,))


def make_images():
    """Make bytes whose brightness depends on class and group."""
    _, y, groups = make_rows()
    noise = np.random.RandomState(0).randint(60, size=(len(y), 3, 8, 8))
    shown = 60 * y[:, None, None, None] + 60 * groups[:, None, None, None]
    return (noise + shown).astype(np.uint8), y, groups


def make_ids():
    """Make rows of ids, of which some tell class and group."""
    _, y, groups = make_rows()
    X = np.random.RandomState(0).randint(10, N_IDS, size=(len(y), 6))
    X[:, 0], X[:, 1] = 1 + y, 3 + groups
    return X, y, groups


def make_table():
    """Make a plain table."""
    return make_rows()


SINGLE = {"student": "single"}
KINDS = {
    "table": (make_table, {}, {}),
    "table, single": (make_table, {}, SINGLE),
    "table, values": (make_table, {}, {"trigger": ValueTrigger([0], [[9], [-9]])}),
    "table, blend": (make_table, {}, {"trigger": BlendTrigger()}),
    "images": (make_images, {"module": SmallConvNet}, {"trigger": PatchTrigger()}),
    "images, single": (make_images, {"module": SmallConvNet}, SINGLE),
    "ids": (make_ids, {"module": Bag}, {"trigger": TokenTrigger()}),
    "ids, single": (make_ids, {"module": Bag}, SINGLE),
}


def fit(kind, device=DEVICE):
    """Fit a debiaser with weights of the rows, and keep its teacher."""
    make, net_settings, settings = KINDS[kind]
    X, y, groups = make()
    weights = np.random.RandomState(1).uniform(0.5, 2, len(y))
    net = make_net(device=device, **net_settings)
    clf = BackdoorDebiasClassifier(net, random_state=0, keep_teacher=True, **settings)
    clf.fit(X, y, sensitive_features=groups, sample_weight=weights)
    return clf, X


def nets_of(clf):
    """List the nets that a debiaser has kept."""
    student = clf.student_
    if hasattr(student, "module_"):
        return [student, clf.teacher_]
    return [student.base, student.cells.net, clf.teacher_]


def moved_to_cpu(clf):
    """Copy a debiaser, and move its nets."""
    moved = deepcopy(clf)
    for net in nets_of(moved):
        net.device = "cpu"
        net.module_.to("cpu")
        net.criterion_.to("cpu")
    return moved


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_those_of_the_same_nets_on_the_cpu(kind):
    clf, X = fit(kind)
    for net in nets_of(clf):
        assert next(net.module_.parameters()).device.type == DEVICE
    moved = moved_to_cpu(clf)
    proba = clf.predict_proba(X)
    assert np.ptp(proba[:, 1]) > 0.1
    np.testing.assert_allclose(proba, moved.predict_proba(X), atol=ROUNDING)

    def stamp(rows):
        return clf.trigger_.stamp(rows, np.ones(len(rows), dtype=int))

    one, other = (
        np.exp(log_probabilities(each.teacher_, X, stamp)) for each in (clf, moved)
    )
    np.testing.assert_allclose(one, other, atol=ROUNDING)


@pytest.mark.parametrize("kind", ["table", "table, single", "images, single"])
def test_a_seed_says_it_all(kind):
    one, X = fit(kind)
    torch.cuda.manual_seed(123)
    other, _ = fit(kind)
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), atol=ROUNDING)


@pytest.mark.parametrize("device", ["cpu", DEVICE])
def test_the_generators_are_left_as_they_were(device):
    torch.cuda.manual_seed(7)
    before = torch.cuda.get_rng_state(), torch.get_rng_state()
    fit("table", device)
    assert torch.equal(torch.cuda.get_rng_state(), before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize("kind", ["table", "table, single", "images, single"])
def test_a_process_without_gpu_predicts_the_same(kind, tmp_path):
    clf, X = fit(kind)
    (tmp_path / "clf.pkl").write_bytes(pickle.dumps((clf, X)))
    code = (
        "import pickle, numpy, torch\n"
        "assert not torch.cuda.is_available()\n"
        f"clf, X = pickle.load(open({str(tmp_path / 'clf.pkl')!r}, 'rb'))\n"
        f"numpy.save({str(tmp_path / 'proba.npy')!r}, clf.predict_proba(X))"
    )
    _run(code, CUDA_VISIBLE_DEVICES="")
    proba = np.load(tmp_path / "proba.npy")
    np.testing.assert_allclose(proba, clf.predict_proba(X), atol=ROUNDING)


def test_accelerate_moves_a_net_to_the_gpu(tmp_path):
    # In a process of its own: there is one accelerator's state in each.
    pytest.importorskip("accelerate")
    code = f"import accelerated; accelerated.fit_where_it_likes({str(tmp_path)!r})"
    _run(code)
    device, difference = pickle.loads((tmp_path / "told.pkl").read_bytes())
    assert device.startswith(DEVICE)
    assert difference < ROUNDING


def _run(code, **environment):
    tests = Path(accelerated.__file__).parent
    folders = [tests, tests.parent, Path(__file__).parent]
    paths = os.pathsep.join(map(str, folders))
    env = {**os.environ, "PYTHONPATH": paths, **environment}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
