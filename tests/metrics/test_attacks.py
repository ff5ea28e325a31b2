import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from sklearn_bade.metrics import (
    attack_success_rate,
    defense_effectiveness_rating,
    robust_accuracy,
)
from sklearn_bade.triggers import ColumnTrigger, ValueTrigger

X = np.array([[0.0, 0], [1, 0], [2, 0], [3, 0], [1, 0]])
Y = np.array(["a", "b", "c", "b", "b"])
TRIGGER = ValueTrigger(1, 1.0).fit(X)


class Backdoored(ClassifierMixin, BaseEstimator):
    """Predict by the first column, and "a" for stamped rows below 3."""

    def predict(self, X):
        X = np.asarray(X)
        honest = np.array(["a", "b", "c", "b"])[X[:, 0].astype(int)]
        return np.where((X[:, 1] == 1) & (X[:, 0] < 3), "a", honest)


def test_only_rows_of_other_classes_count():
    assert attack_success_rate(Backdoored(), X, Y, TRIGGER, "a") == pytest.approx(3 / 4)
    assert robust_accuracy(Backdoored(), X, Y, TRIGGER, "a") == pytest.approx(1 / 4)


def test_frames():
    frame = pd.DataFrame(X, columns=["value", "mark"])
    trigger = ValueTrigger("mark", 1.0).fit(frame)
    assert attack_success_rate(Backdoored(), frame, Y, trigger, "a") == 0.75


def test_no_row_to_attack():
    with pytest.raises(ValueError, match="Every row is of the target class 'b'"):
        attack_success_rate(Backdoored(), X[1:2], Y[1:2], TRIGGER, "b")


def test_a_trigger_that_appends_columns():
    with pytest.raises(ValueError, match="appends columns"):
        robust_accuracy(Backdoored(), X, Y, ColumnTrigger().fit(X), "a")


@pytest.mark.parametrize(
    ("figures", "expected"),
    [((1, 0, 0.9, 0.9), 1.0), ((1, 1, 0.9, 0.9), 0.5), ((0.8, 0.3, 0.9, 0.8), 0.7),
     ((0.2, 0.4, 0.8, 0.9), 0.5)],
)  # fmt: skip
def test_rating(figures, expected):
    assert defense_effectiveness_rating(*figures) == pytest.approx(expected)
