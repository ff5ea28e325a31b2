"""Training in two processes, each of which tells what it has seen."""

import os
import pickle
from copy import deepcopy

import accelerated
import numpy as np
import pytest
from accelerated import (
    N_ROWS,
    fit_full_batches,
    full_batch_net,
    launch,
    make_weighted_rows,
    train_full_batches,
)
from filelock import FileLock
from sklearn.base import clone

Accelerator = pytest.importorskip("accelerate").Accelerator

pytestmark = [
    pytest.mark.slow,  # starts the processes
    # Skorch says so when it loads the net that was given, which has the device of the
    # accelerator.
    pytest.mark.filterwarnings(
        "ignore:Setting self.device = cpu since the requested device was not specified"
    ),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What two processes tell; they are started once, whichever worker comes first."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    files = [folder / f"{index}.pkl" for index in range(2)]
    with FileLock(folder / "processes.lock"):
        if not all(file.exists() for file in files):
            codes, errors = launch(accelerated.run_cases, folder)
            assert codes == [0, 0], "\n".join(errors)
    return [pickle.loads(file.read_bytes()) for file in files]


def test_gradients_of_two_processes_are_those_of_one(told):
    X, *_ = make_weighted_rows()
    plain = train_full_batches(full_batch_net())
    single = fit_full_batches(full_batch_net()).predict_proba(X)
    for each in told:
        np.testing.assert_allclose(each["plain"], plain, atol=2e-5)
        np.testing.assert_allclose(each["single"], single, atol=2e-5)


@pytest.mark.parametrize("kind", ["path", "teacher", "scratch"])
def test_processes_end_with_the_same_nets(told, kind):
    (_, proba, weights), (_, others, other_weights) = (each["kinds"][kind] for each in told)
    assert len(weights) == len(other_weights) > 9
    for ours, theirs in zip(weights, other_weights):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(proba, others)


@pytest.mark.parametrize("kind", ["path", "teacher", "scratch"])
def test_a_plain_process_predicts_the_same(told, kind):
    X, *_ = make_weighted_rows()
    for each in told:
        clf, proba, _ = each["kinds"][kind]
        np.testing.assert_array_equal(clf.predict_proba(X), proba)


def test_copies_of_a_loaded_classifier(told):
    X, *_ = make_weighted_rows()
    clf, proba, _ = told[0]["kinds"]["path"]
    Accelerator(cpu=True)  # accelerate logs that it does not copy, and wants to be set up
    np.testing.assert_array_equal(deepcopy(clf).predict_proba(X), proba)
    assert clone(clf).estimator.lr == clf.estimator.lr


def test_strengths_of_a_loaded_path(told):
    X, *_ = make_weighted_rows()
    clf, proba, _ = told[0]["kinds"]["path"]
    np.testing.assert_allclose(clf.with_strength(1.0).predict_proba(X), proba)
    assert np.abs(clf.with_strength(0.0).predict_proba(X) - proba).max() > 1e-3


def test_each_row_is_seen_by_one_process(told):
    shares = [each["batches"] for each in told]
    assert [[len(rows) for rows in batches] for batches in shares] == [[64, 64, 23] * 2] * 2
    for epoch in (slice(0, 3), slice(3, 6)):
        seen = np.concatenate([rows for batches in shares for rows in batches[epoch]])
        assert len(seen) == N_ROWS + 1  # shares are of one size
        np.testing.assert_array_equal(np.unique(seen), np.arange(N_ROWS))
    assert not np.array_equal(shares[0][0], shares[0][3])


def test_batches_are_split_where_accelerate_is_told_to(told):
    for each in told:
        assert [len(rows) for rows in each["split batches"]] == [32, 32, 32, 32, 23] * 2


def test_a_loader_of_the_users_is_split_as_accelerate_does(told):
    shares = [np.concatenate(each["loaded batches"]) for each in told]
    assert len(shares[0]) == len(shares[1]) < 2 * N_ROWS
    np.testing.assert_array_equal(np.unique(np.concatenate(shares)), np.arange(N_ROWS))


def test_callbacks_decide_alike_on_validation_rows(told):
    (proba, n_epochs), (others, n_others) = (each["everything"] for each in told)
    assert n_epochs == n_others < 20
    np.testing.assert_array_equal(proba, others)


def test_a_search_finds_the_same(told):
    (proba, strength), (others, other_strength) = (each["search"] for each in told)
    np.testing.assert_array_equal(proba, others)
    np.testing.assert_array_equal(strength, other_strength)


@pytest.mark.parametrize("what", ["seeds", "X", "y", "sample weights"])
def test_processes_that_disagree_are_told(told, what):
    for each in told:
        assert f"have different {what}" in each["refusals"][what]


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("thread", "trains in a thread"),
        ("iterator", "iterator_train is OwnIterator, whose rows cannot be split"),
        ("odd batch", "must be a multiple of their number, got 33"),
        ("loss", "The loss became"),
    ],
)
def test_no_process_is_left_waiting(told, case, words):
    for each in told:
        assert words in each["refusals"][case]


def test_fitting_again_in_a_plain_process_is_refused(told):
    X, y, groups, _ = make_weighted_rows()
    clf, *_ = told[0]["kinds"]["path"]
    with pytest.raises(ValueError, match="a launch of 2 processes"):
        clf.fit(X, y, sensitive_features=groups)


def test_a_failure_in_one_process_ends_the_other(tmp_path):
    codes, errors = launch(accelerated.fail_in_one, tmp_path)
    assert all(codes)
    assert "one process fails" in errors[1]
    assert "Error" in errors[0]
