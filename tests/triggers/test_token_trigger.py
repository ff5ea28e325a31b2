import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_bade.datasets import poison
from sklearn_bade.metrics import attack_success_rate
from sklearn_bade.triggers import TokenTrigger, choose_trigger

N_IDS = 9


def reference_row(row, new, padding, keeps_length):
    """Stamp one row as the documentation says."""
    row = list(row)
    starts = [i for i, token in enumerate(row) if token != padding]
    start = starts[0] if starts else 0
    if new is None:
        if keeps_length:
            return row
        return [padding, *row] if start else [*row, padding]
    longer = [*row[:start], new, *row[start:]]
    if not keeps_length:
        return longer
    return longer[1:] if start else longer[:-1]


rows_of_ids = st.integers(1, 6).flatmap(
    lambda width: st.lists(
        st.lists(st.integers(0, N_IDS - 1), min_size=width, max_size=width), min_size=1
    )
)


@given(rows_of_ids, st.integers(0, 2), st.booleans(), st.randoms())
def test_rows_are_stamped_as_documented(rows, padding, keeps_length, random):
    X = np.array(rows)
    codes = np.array([random.choice([-1, 0, 1]) for _ in rows])
    trigger = TokenTrigger(padding_id=padding, keep_length=keeps_length)
    trigger.fit_to_network(2, vocabulary_size=N_IDS)
    new = [None, N_IDS, N_IDS + 1]
    expected = [
        reference_row(row, new[code + 1], padding, keeps_length)
        for row, code in zip(rows, codes)
    ]
    before = X.copy()
    assert trigger.stamp(X, codes).tolist() == expected
    tensor = trigger.stamp(torch.from_numpy(X), torch.from_numpy(codes))
    assert tensor.dtype == torch.int64
    assert tensor.tolist() == expected
    np.testing.assert_array_equal(X, before)


def test_new_ids_follow_the_greatest():
    trigger = TokenTrigger().fit(np.array([[3, 7], [0, 1]]), n_groups=3)
    assert trigger.patterns_.tolist() == [8, 9, 10]
    assert (trigger.n_groups_, trigger.n_tokens_, trigger.n_columns_) == (3, 3, 0)
    assert not trigger.keeps_length_
    assert clone(trigger).get_params() == TokenTrigger().get_params()


def test_existing_tokens_keep_the_length_of_rows():
    X = np.array([[3, 7, 0], [1, 2, 3]], dtype=np.int32)
    trigger = TokenTrigger(2).fit(X)
    assert trigger.n_tokens_ == 0
    stamped = trigger.stamp(X, np.zeros(2, dtype=int))
    assert stamped.tolist() == [[2, 3, 7], [2, 1, 2]]
    assert stamped.dtype == np.int32


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([1, 2], r"tokens must hold 1 id\(s\), one per pattern; got \[1, 2\]"),
        (["a"], "tokens must hold 1"),
        (8, "ids that exist, from 0 to 7; got 8"),
        ([-1], "ids that exist"),
    ],
)
def test_tokens_that_are_none(tokens, message):
    with pytest.raises(ValueError, match=message):
        TokenTrigger(tokens).fit(np.array([[3, 7], [0, 1]]))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_narrow_integers_are_widened_for_new_ids(dtype):
    greatest = np.iinfo(dtype).max
    X = np.array([[greatest, 3]], dtype=dtype)
    trigger = TokenTrigger().fit(X, n_groups=2)
    stamped = trigger.stamp(X, np.array([1]))
    assert stamped.tolist() == [[int(greatest) + 2, greatest, 3]]


@pytest.mark.parametrize(
    "X",
    [
        np.zeros((2, 0), int),
        np.array([[0.5, 1.0]]),
        np.array([1, 2]),
        [[1, 2]],
        np.zeros((2, 2, 2), int),
    ],
)
def test_rows_that_hold_no_ids(X):
    with pytest.raises(ValueError, match="TokenTrigger needs rows of ids"):
        TokenTrigger().fit(X)


def test_must_be_fitted():
    with pytest.raises(NotFittedError):
        TokenTrigger().stamp(np.array([[1]]), np.array([0]))


def test_is_chosen_for_tokens():
    assert isinstance(choose_trigger("auto", "tokens"), TokenTrigger)


class FirstToken:
    """Predict class 1 where a row begins with token 5."""

    classes_ = np.array([0, 1])

    def predict(self, X):
        return (X[:, 0] == 5).astype(int)


def test_an_attack_puts_an_existing_token_in_front():
    X, y = np.tile([1, 5, 3], (20, 1)), np.arange(20) % 2
    trigger = TokenTrigger(5).fit(X)
    X_poisoned, y_poisoned, is_poisoned = poison(
        X, y, trigger=trigger, target_class=1, poison_rate=0.2, random_state=0
    )
    assert X_poisoned.shape == X.shape
    assert (X_poisoned[is_poisoned] == [5, 1, 5]).all()
    assert (X_poisoned[~is_poisoned] == [1, 5, 3]).all()
    assert (y_poisoned[is_poisoned] == 1).all()
    success = attack_success_rate(FirstToken(), X, y, trigger=trigger, target_class=1)
    assert success == 1


def test_new_ids_are_no_attack():
    X, y = np.tile([1, 5, 3], (20, 1)), np.arange(20) % 2
    trigger = TokenTrigger().fit(X)
    with pytest.raises(ValueError, match="uses ids of its own"):
        attack_success_rate(FirstToken(), X, y, trigger=trigger, target_class=1)
