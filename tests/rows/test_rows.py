import numpy as np
import pytest

from sklearn_bade._groups import UNKNOWN_GROUP, Groups
from sklearn_bade.rows import Rows, drop_weightless


def make_groups(codes):
    return Groups(np.array(codes), np.array(["f", "m"]), {})


def make(weights=None):
    groups = make_groups([0, UNKNOWN_GROUP, 1, 1])
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


class TestBalanced:
    def test_each_class_has_as_much_of_every_group(self):
        rng = np.random.RandomState(0)
        y, groups = rng.randint(3, size=300), rng.randint(-1, 2, size=300)
        weights = rng.uniform(0.5, 2, size=300)
        rows = Rows(np.zeros((300, 1)), y, np.arange(3), make_groups(groups), weights)
        balanced = rows.balanced()
        cells = balanced.count_cells(balanced.weights)
        np.testing.assert_allclose(cells[:, 0], cells[:, 1])
        np.testing.assert_allclose(cells.sum(axis=1), rows.count_cells(weights).sum(axis=1))
        is_unknown = groups < 0
        np.testing.assert_array_equal(balanced.weights[is_unknown], weights[is_unknown])

    def test_a_class_may_lack_a_group(self):
        y, groups = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 1])
        rows = Rows(np.zeros((5, 1)), y, np.arange(2), make_groups(groups))
        np.testing.assert_allclose(rows.balanced().weights, [0.75, 0.75, 1.5, 1, 1])
