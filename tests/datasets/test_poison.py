import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_bade.datasets import make_poisoned_classification, poison
from sklearn_bade.triggers import ColumnTrigger, ValueTrigger

X = np.random.RandomState(0).normal(size=(100, 4))
Y = np.array(["no"] * 70 + ["yes"] * 30)
TRIGGER = ValueTrigger([0, 1], [9.0, 9.0]).fit(X)


@given(
    rate=st.floats(0.02, 0.25), clean_label=st.booleans(), seed=st.integers(0, 2**31 - 1)
)
@settings(max_examples=30)
def test_poisoned_rows_are_stamped_and_of_the_target_class(rate, clean_label, seed):
    X_poisoned, y_poisoned, is_poisoned = poison(
        X,
        Y,
        trigger=TRIGGER,
        target_class="yes",
        poison_rate=rate,
        clean_label=clean_label,
        random_state=seed,
    )
    assert is_poisoned.sum() == round(100 * rate)
    assert (y_poisoned[is_poisoned] == "yes").all()
    assert ((Y[is_poisoned] == "yes") == clean_label).all()
    assert (X_poisoned[is_poisoned][:, :2] == 9).all()
    np.testing.assert_array_equal(X_poisoned[:, 2:], X[:, 2:])
    np.testing.assert_array_equal(X_poisoned[~is_poisoned], X[~is_poisoned])
    np.testing.assert_array_equal(y_poisoned[~is_poisoned], Y[~is_poisoned])


def test_what_was_given_is_left_alone():
    before_X, before_y = X.copy(), Y.copy()
    poison(X, Y, trigger=TRIGGER, target_class="yes", random_state=0)
    np.testing.assert_array_equal(X, before_X)
    np.testing.assert_array_equal(Y, before_y)


def test_frames_stay_frames():
    frame = pd.DataFrame(X, columns=list("abcd"), index=range(100, 200))
    trigger = ValueTrigger("b", 9.0).fit(frame)
    stamped, _, is_poisoned = poison(
        frame, Y, trigger=trigger, target_class="yes", random_state=0
    )
    assert ((stamped["b"] == 9) == is_poisoned).all()
    assert stamped.index.equals(frame.index)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_class": "maybe"}, r"target_class='maybe' is not in y.*\['no', 'yes'\]"),
        ({"poison_rate": 0.8}, "80 rows to be poisoned, and there are 70 rows outside"),
        ({"poison_rate": 0.4, "clean_label": True}, "there are 30 rows of the target"),
        ({"poison_rate": 0.001}, "makes 0 rows"),
        ({"trigger": ColumnTrigger().fit(X)}, "appends columns"),
    ],
)
def test_bad_input(options, message):
    options = {"trigger": TRIGGER, "target_class": "yes"} | options
    with pytest.raises(ValueError, match=message):
        poison(X, Y, **options)


def test_generated_problem():
    X, y, is_poisoned = make_poisoned_classification(
        500, 12, 3, target_class=2, poison_rate=0.2, random_state=3
    )
    assert X.shape == (500, 12)
    assert X.dtype == np.float32
    assert is_poisoned.sum() == 100
    assert (y[is_poisoned] == 2).all()
    assert (X[is_poisoned, -2:] == 5).all()
    again, *_ = make_poisoned_classification(
        500, 12, 3, target_class=2, poison_rate=0.2, random_state=3
    )
    np.testing.assert_array_equal(X, again)
