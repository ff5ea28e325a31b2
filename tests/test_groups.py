import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_bade._groups import (
    UNKNOWN_GROUP,
    find_groups,
    locate_columns,
    sensitive_table,
)


def encode(values, n_bins=2):
    groups = find_groups(sensitive_table(values), n_bins)
    return groups.codes, groups.labels


@pytest.mark.parametrize(
    "values",
    [
        ["b", "a", "b"],
        np.array(["b", "a", "b"], dtype=object),
        pd.Series(["b", "a", "b"], dtype="category", index=[7, 8, 9]),
        pd.Series(["b", "a", "b"], dtype="string"),
        pl.Series(["b", "a", "b"]),
        pl.DataFrame({"g": ["b", "a", "b"]}),
    ],
)
def test_any_container_gives_sorted_groups(values):
    codes, groups = encode(values)
    assert codes.tolist() == [1, 0, 1]
    assert groups.tolist() == ["a", "b"]


@pytest.mark.parametrize("values", [[True, False, True], [3, 1, 3], [2.0, 0.0, 2.0]])
def test_booleans_and_numbers_keep_their_values(values):
    codes, groups = encode(values)
    assert codes.tolist() == [1, 0, 1]
    assert groups.tolist() == [values[1], values[0]]


@pytest.mark.parametrize(
    "values",
    [
        ["a", None, "b"],
        [1.0, np.nan, 2.0],
        pd.Series([1, pd.NA, 2], dtype="Int64"),
        pd.Series(["a", pd.NA, "b"], dtype="string"),
        pl.Series(["a", None, "b"]),
    ],
)
def test_missing_values_belong_to_no_group(values):
    codes, groups = encode(values)
    assert codes.tolist() == [0, UNKNOWN_GROUP, 1]
    assert len(groups) == 2


def test_lists_keep_their_types():
    codes, groups = encode(["a", "b", np.nan])
    assert groups.tolist() == ["a", "b"]
    assert codes.tolist() == [0, 1, UNKNOWN_GROUP]
    _, groups = encode([["f", age] for age in range(40)])
    assert len(groups) == 2


def test_numbers_in_object_columns_are_numbers():
    _, groups = encode(pd.Series(np.arange(40.0), dtype=object))
    assert len(groups) == 2


def test_values_that_cannot_be_compared():
    codes, groups = encode(np.array([1, "a", 1, None], dtype=object))
    assert [groups[c] for c in codes[:3]] == [1, "a", 1]
    assert codes[3] == UNKNOWN_GROUP


def test_several_columns_are_combined():
    frame = pd.DataFrame({"sex": list("fmfm"), "age": [1, 1, 2, np.nan]})
    codes, groups = encode(frame)
    assert list(groups) == [("f", 1.0), ("f", 2.0), ("m", 1.0)]
    assert codes.tolist() == [0, 2, 1, UNKNOWN_GROUP]


def test_numeric_column_of_many_values_is_cut_at_quantiles():
    ages = np.arange(40.0)
    codes, groups = encode(ages, n_bins=4)
    assert np.bincount(codes).tolist() == [10, 10, 10, 10]
    assert groups[0] == "(-inf, 9.75]"


def test_quantile_groups_are_in_numeric_order():
    codes, _ = encode(np.linspace(-5, 100, 60), n_bins=3)
    assert (np.diff(codes) >= 0).all()


@given(st.permutations(["a", "b", "c"]))
def test_relabelling_groups_relabels_codes_only(names):
    values = np.array([0, 1, 2, 1, 0, 2, 2])
    codes, groups = encode(np.array(names)[values])
    assert groups[codes].tolist() == np.array(names)[values].tolist()


def test_one_group_names_its_value():
    with pytest.raises(ValueError, match=r"only one group.*'f'"):
        encode(["f", "f", None])


def test_all_missing():
    with pytest.raises(ValueError, match="missing in every row"):
        encode([np.nan, np.nan])


def test_infinity_is_refused():
    with pytest.raises(ValueError, match="contains infinity"):
        encode([1.0, np.inf])


def test_nested_values_are_refused_by_type():
    with pytest.raises(TypeError, match=r"must be a string or a number.*dict"):
        encode(np.array([{"a": 1}, "b"], dtype=object))


def test_a_column_name_is_no_array():
    with pytest.raises(ValueError, match=r"sensitive_features='sex' is no array.*columns="):
        sensitive_table("sex")


def test_three_dimensions_are_refused():
    with pytest.raises(ValueError, match=r"one or two dimensions.*\(2, 1, 1\)"):
        sensitive_table(np.zeros((2, 1, 1)))


class TestLocateColumns:
    frame = pd.DataFrame({"age": [1], "sex": ["f"], "race": ["w"]})

    def test_names_and_positions(self):
        assert locate_columns(self.frame, "sex") == [1]
        assert locate_columns(self.frame, ["race", 0]) == [2, 0]
        assert locate_columns(np.zeros((2, 3)), -1) == [2]

    def test_unknown_name_lists_the_columns(self):
        with pytest.raises(ValueError, match=r"'gender'.*\['age', 'sex', 'race'\]"):
            locate_columns(self.frame, "gender")

    @pytest.mark.parametrize("position", [3, -4])
    def test_position_out_of_range(self, position):
        with pytest.raises(ValueError, match=f"{position} is out of range.*0 to 2"):
            locate_columns(self.frame, position)

    def test_name_without_columns(self):
        with pytest.raises(ValueError, match=r"column name, but X is a ndarray.*0 to 1"):
            locate_columns(np.zeros((2, 2)), "sex")

    def test_a_column_twice(self):
        with pytest.raises(ValueError, match="names a column twice"):
            locate_columns(self.frame, ["sex", 1])

    def test_empty_list(self):
        with pytest.raises(ValueError, match="empty list"):
            locate_columns(self.frame, [])
