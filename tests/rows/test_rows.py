import numpy as np
import pytest

from sklearn_bade._groups import UNKNOWN_GROUP, Groups
from sklearn_bade.rows import Rows, drop_weightless


def make(weights=None):
    groups = Groups(np.array([0, UNKNOWN_GROUP, 1, 1]), np.array(["f", "m"]), {})
    X = np.arange(8.0).reshape(4, 2)
    return Rows(X, np.array([0, 0, 1, 1]), np.array(["no", "yes"]), groups, weights)


def test_counts_leave_unknown_groups_out():
    np.testing.assert_array_equal(make().count_cells(), [[1, 0], [0, 2]])
    np.testing.assert_array_equal(
        make().count_cells(np.array([2.0, 9.0, 3.0, 4.0])), [[2, 0], [0, 7]]
    )


def test_everything_is_taken_along():
    taken = make(np.arange(4.0)).take([3, 0])
    assert taken.X.tolist() == [[6, 7], [0, 1]]
    assert taken.labels.tolist() == ["yes", "no"]
    assert taken.groups.values.tolist() == ["m", "f"]
    assert taken.weights.tolist() == [3, 0]
    assert len(taken) == 2


def test_kind_goes_by_axes():
    rows = make()
    assert rows.kind == "table"
    assert rows.with_features(np.zeros((4, 3, 2, 2))).kind == "image"
    assert rows.with_features(np.zeros((4, 3, 2))).kind == "other"


@pytest.mark.parametrize(
    ("weights", "expected"),
    [([0.1, 0.3, 0.1, 0.3], [0.5, 1.5, 0.5, 1.5]), ([1.0, 3.0, 1, 3], [1.0, 3.0, 1, 3])],
)
def test_frequencies_average_one_or_more(weights, expected):
    np.testing.assert_allclose(make(np.array(weights)).frequencies, expected)
    assert make().frequencies is None


def test_rows_without_weight_are_dropped():
    rows = make()
    X, y, sensitive, weights = drop_weightless(rows.X, rows.y, None, np.array([0, 1, 0, 2]))
    assert X.tolist() == [[2, 3], [6, 7]]
    assert y.tolist() == [0, 1]
    assert sensitive is None
    assert weights.tolist() == [1, 2]
    with pytest.raises(ValueError, match="zero in every row"):
        drop_weightless(rows.X, rows.y, None, np.zeros(4))
