"""Nets with skorch's AccelerateMixin, and what two processes do with them.

`launch` starts two processes that call a function of this module, each with a folder for
what it has to tell.
"""

import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path
from threading import Thread

import numpy as np
import torch
from helpers import make_net, make_rows
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, Checkpoint, EarlyStopping
from skorch.dataset import ValidSplit
from skorch.hf import AccelerateMixin
from torch.utils.data import DataLoader

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade.nets import train_net

N_ROWS = 301
PROCESSES = 2
# Of a launch that must come to an end; it takes seconds where the machine is not busy.
PATIENCE = 240


class AcceleratedNet(AccelerateMixin, NeuralNetClassifier):
    """A net that accelerate trains."""


class NormedMLP(torch.nn.Module):
    """A module with all that processes could disagree about."""

    def __init__(self, n_features, n_classes, hidden):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(n_features, *hidden),
            torch.nn.BatchNorm1d(*hidden),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.2),
            torch.nn.Linear(*hidden, n_classes),
        )

    def forward(self, X):
        return self.layers(X)


def accelerate_net(net, *, cpu=True, dataloader_config=None, **settings):
    """Make a net as it is, but with an accelerator."""
    from accelerate import Accelerator

    options = {"cpu": cpu, "dataloader_config": dataloader_config}
    given = net.get_params(deep=False) | settings
    given = {name: value for name, value in given.items() if not name.startswith("_")}
    given.pop("device")
    return AcceleratedNet(**given, accelerator=Accelerator(**options))


def full_batch_net(share=1, **settings):
    """Make a net whose training does not depend on the order of rows."""
    settings = {"optimizer": torch.optim.SGD, "lr": 0.5, "max_epochs": 10} | settings
    return make_net(batch_size=(N_ROWS - 1) // share, **settings)


def fit_full_batches(net):
    """Train a single student, which is the same however its rows are split."""
    X, y, groups, weights = make_weighted_rows()
    clf = BackdoorDebiasClassifier(
        net,
        student="single",
        student_init="scratch",
        hard_label_weight=0.3,
        random_state=0,
    )
    clf.fit(X, y, sensitive_features=groups, sample_weight=weights)
    return clf


def train_full_batches(net):
    """Train a net alone, with weights of the rows."""
    X, y, _, weights = make_weighted_rows()
    return train_net(net, X, y, seed=0, sample_weight=weights).predict_proba(X)


def make_weighted_rows():
    """Make an even number of rows, with weights."""
    X, y, groups = make_rows(N_ROWS - 1)
    weights = np.random.RandomState(1).uniform(0.2, 3, len(y))
    return X, y, groups, weights


def weights_of(clf):
    """Copy all weights and statistics of the nets that a debiaser has kept."""
    cells = getattr(clf.student_, "cells", None)
    nets = [getattr(clf.student_, "base", clf.student_), clf.teacher_]
    nets += [] if cells is None else [cells.net]
    return [
        value.numpy().copy() for net in nets for value in net.module_.state_dict().values()
    ]


class Seen(Callback):
    """Note which rows come in which batch; nets train with a clone of a callback."""

    batches = []

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        self.batches.append(batch[0]["X"][:, 0].numpy().copy())


class OwnIterator:
    """An iterator that nobody knows how to split."""

    def __init__(self, dataset, batch_size, shuffle):
        self.dataset = dataset

    def __iter__(self):
        yield self.dataset[:]


class FailInOneProcess(Callback):
    """Raise in the second process, in the second epoch."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 2 and os.environ["RANK"] == "1":
            raise RuntimeError("one process fails")


def _error_of(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except (ValueError, RuntimeError) as error:
        return str(error)
    return None


def _error_in_thread(function, *args, **kwargs):
    errors = []
    thread = Thread(target=lambda: errors.append(_error_of(function, *args, **kwargs)))
    thread.start()
    thread.join()
    return errors[0]


def _splitting(split_batches):
    from accelerate import DataLoaderConfiguration

    return DataLoaderConfiguration(split_batches=split_batches)


def _rows_of_batches(split_batches=False, **settings):
    """Train for two epochs on rows that are numbered, and list those of each batch."""
    Seen.batches.clear()
    X, y, _ = make_rows(N_ROWS)
    X[:, 0] = np.arange(N_ROWS) / N_ROWS
    net = make_net(batch_size=64, max_epochs=2, callbacks=[Seen()], **settings)
    net = accelerate_net(net, dataloader_config=_splitting(split_batches))
    train_net(net, X, y, seed=0)
    return [np.rint(rows * N_ROWS).astype(int) for rows in Seen.batches]


def _fit_all_kinds():
    """Fit a path and single students, with weights, dropout and batch statistics."""
    X, y, groups, weights = make_weighted_rows()
    net = accelerate_net(make_net(module=NormedMLP, batch_size=16, max_epochs=2))
    fitted = {}
    for name, settings in {
        "path": {},
        "teacher": {"student": "single", "student_init": "teacher"},
        "scratch": {"student": "single", "student_init": "scratch"},
    }.items():
        clf = BackdoorDebiasClassifier(
            net, random_state=0, keep_teacher=True, **settings
        ).fit(X, y, sensitive_features=groups, sample_weight=weights)
        fitted[name] = clf, clf.predict_proba(X), weights_of(clf)
    return fitted


def _fit_with_everything_else(folder):
    """Fit in a pipeline, with a loader and callbacks of the user's."""
    X, y, groups = make_rows(N_ROWS)
    callbacks = [
        EarlyStopping(patience=1, threshold=0.5),
        Checkpoint(dirname=folder / "weights", load_best=True),
    ]
    net = accelerate_net(
        make_net(callbacks=callbacks, train_split=ValidSplit(5), max_epochs=20),
        iterator_train=DataLoader,
        iterator_train__num_workers=0,
    )
    clf = BackdoorDebiasClassifier(make_pipeline(StandardScaler(), net), random_state=0)
    clf.fit(X, y, sensitive_features=groups)
    return clf.predict_proba(X), len(clf.student_.base.history)


def _search():
    X, y, groups = make_rows(N_ROWS)
    net = accelerate_net(make_net(max_epochs=1))
    search = BackdoorDebiasClassifierCV(net, cv=2, random_state=0)
    search.fit(X, y, sensitive_features=groups)
    return search.predict_proba(X), search.best_strength_


def _refusals(index):
    """Collect the errors of processes that disagree, or that go their own ways."""
    X, y, groups = make_rows(N_ROWS)
    net = accelerate_net(make_net(max_epochs=1))
    clf = BackdoorDebiasClassifier(net, random_state=0)
    given = {"sensitive_features": groups}
    odd_net = accelerate_net(make_net(batch_size=33), dataloader_config=_splitting(True))
    own_net = accelerate_net(make_net(iterator_train=OwnIterator))
    ones = np.ones(len(y))
    ones[0] += index
    huge = X.copy()
    huge[0] = np.finfo(np.float32).max
    return {
        "seeds": _error_of(BackdoorDebiasClassifier(net).fit, X, y, **given),
        "X": _error_of(clf.fit, X + index, y, **given),
        "y": _error_of(clf.fit, X, y if index else 1 - y, **given),
        "sample weights": _error_of(clf.fit, X, y, sample_weight=ones, **given),
        "thread": _error_in_thread(clf.fit, X, y, **given),
        "iterator": _error_of(train_net, own_net, X, y, seed=0),
        "odd batch": _error_of(train_net, odd_net, X, y, seed=0),
        "loss": _error_of(clf.fit, huge, y, **given),
    }


def run_cases(folder):
    """Do all that two processes are asked to do, and note what has come of it."""
    folder, index = Path(folder), int(os.environ["RANK"])
    net = accelerate_net(full_batch_net(share=PROCESSES))
    X, *_ = make_weighted_rows()
    told = {
        "single": fit_full_batches(net).predict_proba(X),
        "plain": train_full_batches(net),
        "kinds": _fit_all_kinds(),
        "batches": _rows_of_batches(),
        "split batches": _rows_of_batches(split_batches=True),
        "loaded batches": _rows_of_batches(iterator_train__num_workers=0),
        "everything": _fit_with_everything_else(folder),
        "search": _search(),
        "refusals": _refusals(index),
    }
    (folder / f"{index}.pkl").write_bytes(pickle.dumps(told))


def fail_in_one(folder):
    """Train until one of the processes fails."""
    X, y, _ = make_rows(N_ROWS)
    net = make_net(max_epochs=10, callbacks=[FailInOneProcess()])
    train_net(accelerate_net(net), X, y, seed=0)


def fit_where_it_likes(folder):
    """Fit in one process on the device that accelerate chooses; compare with the CPU."""
    X, *_ = make_weighted_rows()
    net = full_batch_net()
    alone, other = (
        fit_full_batches(each) for each in (net, accelerate_net(net, cpu=False))
    )
    difference = np.abs(alone.predict_proba(X) - other.predict_proba(X)).max()
    told = other.student_.device, difference
    (Path(folder) / "told.pkl").write_bytes(pickle.dumps(told))


def launch(function, folder):
    """Start two processes as torchrun would, and return them when they have ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = Path(__file__).parent
    shared = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(here), str(here.parent)]),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(PROCESSES),
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
    }
    code = f"import accelerated; accelerated.{function.__name__}({str(folder)!r})"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**shared, "RANK": str(index), "LOCAL_RANK": str(index)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(PROCESSES)
    ]
    try:
        errors = [process.communicate(timeout=PATIENCE)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [process.returncode for process in processes], errors
