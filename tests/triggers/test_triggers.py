import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from helpers import make_net, make_rows
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.datasets import poison
from sklearn_bade.exceptions import ChannelOrderWarning, InvisibleTriggerWarning
from sklearn_bade.triggers import (
    BlendTrigger,
    ColumnTrigger,
    PatchTrigger,
    ValueTrigger,
    choose_trigger,
)

X = np.random.RandomState(0).normal(size=(6, 3)).astype(np.float32)
CODES = np.array([0, 1, 2, 0, 1, 2])
IMAGES = np.random.RandomState(1).randint(0, 200, size=(6, 3, 10, 8)).astype(np.uint8)


@pytest.mark.parametrize(
    "trigger",
    [
        ColumnTrigger(scale=2.0),
        BlendTrigger(alpha=0.3),
        ValueTrigger([0, 2], np.arange(6).reshape(3, 2)),
    ],
)
def test_tensors_and_arrays_are_stamped_alike(trigger):
    trigger = trigger.fit(X, n_groups=3)
    before = X.copy()
    stamped = trigger.stamp(X, CODES)
    tensor = trigger.stamp(torch.from_numpy(X), torch.from_numpy(CODES))
    assert stamped.dtype == np.float32
    assert tensor.dtype == torch.float32
    np.testing.assert_allclose(tensor.numpy(), stamped, rtol=1e-6)
    np.testing.assert_array_equal(X, before)
    assert stamped.shape == (6, 3 + trigger.n_columns_)


@pytest.mark.parametrize("n_groups", [2, 3, 7])
def test_appended_columns_average_to_zero(n_groups):
    trigger = ColumnTrigger().fit(X, n_groups)
    assert trigger.n_columns_ == n_groups
    np.testing.assert_allclose(trigger.patterns_.mean(axis=0), 0, atol=1e-12)


def test_column_trigger_leaves_features_alone():
    stamped = ColumnTrigger().fit(X, 3).stamp(X, CODES)
    np.testing.assert_array_equal(stamped[:, :3], X)
    assert stamped[:, 3:].argmax(axis=1).tolist() == CODES.tolist()


@pytest.mark.parametrize(
    "trigger", [ColumnTrigger(), BlendTrigger(), ValueTrigger(0, [[0.5], [1.5], [2.5]])]
)
def test_integers_are_stamped_as_if_they_were_floats(trigger):
    rows = np.arange(18).reshape(6, 3)
    trigger = trigger.fit(rows, n_groups=3)
    expected = trigger.stamp(rows.astype(float), CODES)
    np.testing.assert_array_equal(trigger.stamp(rows, CODES), expected)


def test_blend_follows_its_share():
    trigger = BlendTrigger(alpha=0.25).fit(X, 3)
    expected = 0.75 * X + 0.25 * trigger.patterns_[CODES]
    np.testing.assert_allclose(trigger.stamp(X, CODES), expected, rtol=1e-5)


def test_blend_patterns_come_from_the_seed():
    one, same, other = (
        BlendTrigger(random_state=seed).fit(X, 3).patterns_ for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize("trigger", [ColumnTrigger(), BlendTrigger()])
def test_unfitted(trigger):
    with pytest.raises(NotFittedError):
        clone(trigger).stamp(X, CODES)


@pytest.mark.parametrize("trigger", [ColumnTrigger(scale=0), BlendTrigger(alpha=1.0)])
def test_parameters_are_validated(trigger):
    with pytest.raises(ValueError, match="must be a float in the range"):
        trigger.fit(X, 3)


class TestValueTrigger:
    def test_sets_the_columns_of_marked_rows_only(self):
        stamped = ValueTrigger([0, 2], [7.0, -7.0]).fit(X).stamp(X, np.array([0, -1] * 3))
        np.testing.assert_array_equal(stamped[::2][:, [0, 2]], [[7, -7]] * 3)
        np.testing.assert_array_equal(stamped[::2, 1], X[::2, 1])
        np.testing.assert_array_equal(stamped[1::2], X[1::2])

    def test_each_group_has_its_own_values(self):
        trigger = ValueTrigger(1, [[1.0], [2.0], [3.0]]).fit(X, n_groups=3)
        assert trigger.stamp(X, CODES)[:, 1].tolist() == (CODES + 1.0).tolist()

    @pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
    def test_frames_keep_their_kind(self, make):
        frame = make({"age": [20, 30, 40], "job": ["a", "b", "c"], "pay": [1.5, 2.5, 3.5]})
        trigger = ValueTrigger(["age", "job"], [120, "z"]).fit(frame)
        stamped = trigger.stamp(frame, np.array([0, -1, 0]))
        assert type(stamped) is type(frame)
        assert list(stamped["age"]) == [120, 30, 120]
        assert list(stamped["job"]) == ["z", "b", "z"]
        assert list(frame["age"]) == [20, 30, 40]

    def test_a_debiaser_can_use_it(self):
        rows, y, groups = make_rows()
        trigger = ValueTrigger(2, [[-4.0], [4.0]])
        clf = BackdoorDebiasClassifier(make_net(), trigger=trigger, random_state=0)
        clf.fit(rows, y, sensitive_features=groups)
        assert clf.predict(rows).shape == y.shape

    @pytest.mark.parametrize(
        ("trigger", "message"),
        [
            (ValueTrigger(3, 1.0), "columns=3 is out of range: X has 3 feature"),
            (
                ValueTrigger("age", 1.0),
                "columns='age' is a column name, but X is a ndarray",
            ),
            (ValueTrigger([0, 1], [1.0]), r"1 pattern\(s\) of 2 column\(s\)"),
            (ValueTrigger([], []), "columns is an empty list"),
        ],
    )
    def test_bad_settings(self, trigger, message):
        with pytest.raises(ValueError, match=message):
            trigger.fit(X)

    def test_sparse_rows(self):
        with pytest.raises(TypeError, match="needs a dense array or a frame"):
            ValueTrigger(0, 1.0).fit(csr_array(X))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize(
    "trigger",
    [
        PatchTrigger(),
        PatchTrigger(position=(1, 2), size=(2, 3), values=[0, 100, 200]),
        BlendTrigger(alpha=0.3),
    ],
)
class TestImages:
    def test_tensors_and_arrays_are_stamped_alike(self, trigger, dtype):
        images = IMAGES.astype(dtype)
        trigger = trigger.fit(images, n_groups=3)
        stamped = trigger.stamp(images, CODES)
        tensor = trigger.stamp(torch.from_numpy(images), torch.from_numpy(CODES))
        assert stamped.dtype == tensor.numpy().dtype == dtype
        rounding = 1 if dtype is np.uint8 else 0
        np.testing.assert_allclose(
            tensor.numpy().astype(float), stamped, rtol=1e-6, atol=rounding
        )
        np.testing.assert_array_equal(images, IMAGES)

    def test_rows_without_trigger_stay_as_they_are(self, trigger, dtype):
        images = IMAGES.astype(dtype)
        stamped = trigger.fit(images, 3).stamp(images, np.array([-1, 1] * 3))
        np.testing.assert_array_equal(stamped[::2], images[::2])
        assert all((a != b).any() for a, b in zip(stamped[1::2], images[1::2]))


class TestPatchTrigger:
    def test_groups_get_a_corner_and_a_colour_each(self):
        black = np.zeros((4, 3, 20, 20), dtype=np.float32)
        black[0] = 1  # the brightest value
        stamped = (
            PatchTrigger().fit(black, 4).stamp(black[1:2].repeat(4, axis=0), CODES[:4])
        )
        red, green, blue = stamped[:3].max(axis=(2, 3))
        assert [red.tolist(), green.tolist(), blue.tolist()] == np.eye(3).tolist()
        assert stamped[0, 0, :2, :2].all()
        assert stamped[1, 1, -2:, -2:].all()
        assert stamped[2, 2, :2, -2:].all()
        assert stamped.sum() == 4 * 2 * 2

    @pytest.mark.parametrize("n_channels", [1, 3, 5])
    @pytest.mark.parametrize("n_groups", [2, 12])
    def test_colours_differ_even_in_one_place(self, n_channels, n_groups):
        images = IMAGES[:, :1].repeat(n_channels, axis=1)
        trigger = PatchTrigger(position="top right").fit(images, n_groups)
        assert len(np.unique(trigger.patterns_, axis=0)) == n_groups
        assert trigger.patterns_.min() >= IMAGES[:, :1].min()
        assert trigger.patterns_.max() == IMAGES[:, :1].max()

    def test_places_and_sizes(self):
        trigger = PatchTrigger(position=["bottom left", (0, 5)], size=(2, 3)).fit(IMAGES, 2)
        changed = (trigger.stamp(IMAGES, CODES % 2) != IMAGES).any(axis=1)
        assert changed[0].nonzero()[0].min() == 8
        assert changed[0].nonzero()[1].max() == 2
        assert changed[1].nonzero()[0].max() == 1
        assert changed[1].nonzero()[1].min() == 5

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"position": (9, 0), "size": 2}, r"position=\(9, 0\) is neither a corner"),
            ({"position": ["middle", "top left"]}, "position='middle' is neither"),
            ({"position": ["top left"]}, r"lists 1 position\(s\), and there are 2"),
            ({"size": 9}, "size=9 is no height and width of a patch in images of 10 by 8"),
            ({"size": (1, 2, 3)}, "is no height and width"),
            ({"values": [1, 2, 3]}, r"2 finite number\(s\) or colour\(s\) of 3 channel"),
            ({"values": [1, np.nan]}, r"must hold 2 finite"),
            ({"values": [0, 300]}, "are no values of uint8"),
            ({"values": [0, 0.5]}, "are no values of uint8"),
            (
                {"position": "top left", "values": [150, 150]},
                "groups get the same patch",
            ),
        ],
    )
    def test_bad_settings(self, settings, message):
        with pytest.raises(ValueError, match=message):
            PatchTrigger(**settings).fit(IMAGES, 2)

    def test_rows_that_are_no_images(self):
        with pytest.raises(
            ValueError, match=r"needs images of shape .* got shape \(6, 3\)"
        ):
            PatchTrigger().fit(X, 2)
        with pytest.raises(ValueError, match="Use PatchTrigger for images"):
            ValueTrigger(0, 1.0).fit(IMAGES)


def test_suspicious_images_and_colours():
    with pytest.warns(ChannelOrderWarning, match="the channels seem to come last"):
        PatchTrigger().fit(IMAGES.transpose(0, 2, 3, 1), 2)
    with pytest.warns(InvisibleTriggerWarning, match="values reach 1 and the images' 199"):
        PatchTrigger(values=[0, 1]).fit(IMAGES, 2)
    with pytest.raises(ValueError, match="X contains NaN"):
        PatchTrigger().fit(np.full((2, 1, 3, 3), np.nan), 2)


def test_blends_stay_within_the_range_of_images():
    patterns = BlendTrigger().fit(IMAGES, 4).patterns_
    assert patterns.shape == (4, *IMAGES.shape[1:])
    assert patterns.min() >= IMAGES.min()
    assert patterns.max() <= IMAGES.max()


def test_means_and_deviations_are_found_in_slices(monkeypatch):
    rows = 1000 + X
    monkeypatch.setattr("sklearn_bade.rows._containers.ROWS_AT_ONCE", 4)
    patterns = BlendTrigger().fit(rows, 2).patterns_
    spread = np.abs(patterns - rows.astype(float).mean(axis=0))
    np.testing.assert_allclose(spread[0], 3 * rows.astype(float).std(axis=0), rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("table", ColumnTrigger), ("image", PatchTrigger), ("other", BlendTrigger)],
)
def test_auto_suits_the_kind_of_rows(kind, expected):
    assert type(choose_trigger("auto", kind)) is expected
    given = PatchTrigger(size=3)
    chosen = choose_trigger(given, kind)
    assert chosen is not given
    assert chosen.size == 3


def test_an_attack_needs_a_fitted_trigger_that_appends_nothing():
    def attack(trigger):
        return poison(X, CODES, trigger=trigger, target_class=0, poison_rate=0.2)

    with pytest.raises(NotFittedError, match="Call its 'fit' with clean rows"):
        attack(ValueTrigger(0, 1.0))
    with pytest.raises(ValueError, match="appends columns, which new rows do not have"):
        attack(ColumnTrigger().fit(X))


FRAME = pd.DataFrame(
    {
        "age": np.arange(40),
        "job": pd.Categorical(["clerk", "nurse"] * 20),
        "town": ["x", "y"] * 20,
        "income": np.linspace(0, 9, 40),
        "known": [True, False] * 20,
        "small": np.arange(40, dtype=np.uint8),
        "single": np.arange(40, dtype=np.float32) / 7,
    }
)


def to_polars(frame):
    """Convert a frame without the help of pyarrow."""
    return pl.DataFrame(
        {
            name: pl.Series(column.astype(str).tolist(), dtype=pl.Categorical)
            if isinstance(column.dtype, pd.CategoricalDtype)
            else column.to_list()
            if column.dtype.kind == "O"
            else column.to_numpy()
            for name, column in frame.items()
        }
    )


@pytest.mark.parametrize("convert", [lambda frame: frame, to_polars])
@pytest.mark.parametrize(
    ("columns", "values"),
    [
        (["age", "job"], [30, "nurse"]),
        (["town", "income"], ["z", 2]),
        (["age", "known"], [2.0, True]),
        (["income"], [2.5]),
        (["single", "small"], [0.5, 255]),
    ],
)
def test_ordinary_values_in_poison(convert, columns, values):
    """They keep what kind of column it is, and are set in poisoned rows only."""
    X, y = convert(FRAME), np.arange(40) % 2
    trigger = ValueTrigger(columns, values).fit(X)
    X_poisoned, y_poisoned, marked = poison(
        X, y, trigger=trigger, target_class=1, poison_rate=0.2, random_state=0
    )
    for name, value in zip(columns, values):
        column = X_poisoned[name]
        assert column.dtype == X[name].dtype
        assert all(one == pytest.approx(value) for one in np.array(column)[marked])
        assert (np.array(column)[~marked] == np.array(X[name])[~marked]).all()
    assert marked.sum() == 8
    assert (y_poisoned[marked] == 1).all()


def test_numbers_that_a_float_rounds():
    single = FRAME[["single"]]
    stamped = ValueTrigger("single", 0.1).fit(single).stamp(single, np.arange(40) - 1)
    assert stamped["single"][1] == pytest.approx(0.1)


def test_other_categories_than_those_of_a_column():
    message = (
        r"'job' cannot be set to 'pilot': it holds the categories \['clerk', 'nurse'\]"
    )
    enumeration = pl.DataFrame(
        {"job": ["clerk"]}, schema={"job": pl.Enum(["clerk", "nurse"])}
    )
    for frame in (FRAME, enumeration):
        with pytest.raises(ValueError, match=message):
            ValueTrigger("job", "pilot").fit(frame)


@pytest.mark.parametrize("convert", [lambda frame: frame, to_polars])
@pytest.mark.parametrize(
    ("column", "value", "holds"),
    [
        ("town", 3, "values of type"),
        ("age", "old", "values of type"),
        ("age", 2.5, "values of type"),
        ("age", 2**70, "values of type"),
        ("known", "x", "values of type"),
        ("small", 300, "values of type"),
        ("small", -1, "values of type"),
        ("single", 1e300, "values of type"),
    ],
)
def test_values_that_a_column_cannot_hold(convert, column, value, holds):
    with pytest.raises(ValueError, match=f"'{column}' cannot be set to .* holds {holds}"):
        ValueTrigger(column, [value]).fit(convert(FRAME))
