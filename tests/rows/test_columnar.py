"""Rows of pyarrow Datasets, read batch by batch."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade._groups import sensitive_values
from sklearn_bade.rows import CodedLabels, _columnar, encode_labels, open_columns

pa = pytest.importorskip("pyarrow", reason="Parquet needs the extra 'distributed'")
ds = pytest.importorskip("pyarrow.dataset")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def frame():
    rng = np.random.RandomState(0)
    return pd.DataFrame(
        {
            "x": rng.normal(size=300),
            "job": rng.choice(["cook", "nurse", None], size=300),
            "age": rng.randint(18, 80, size=300),
            "weight": rng.uniform(size=300),
            "label": rng.choice(["yes", "no"], size=300),
        }
    )


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(_columnar, "BATCH_ROWS", 64)


def write(frame, folder, n_files=3):
    for i, part in enumerate(np.array_split(np.arange(len(frame)), n_files)):
        table = pa.Table.from_pandas(frame.iloc[part], preserve_index=False)
        pq.write_table(table, folder / f"{i}.parquet", row_group_size=40)
    return ds.dataset(folder, format="parquet")


def test_batches_hold_all_rows_in_order(frame, tmp_path):
    X, y, weight = open_columns(write(frame, tmp_path), "label", "weight")
    assert X.shape == (300, 3)
    batches = list(X.frames())
    assert len(batches) > 3
    assert max(map(len, batches)) <= 64
    expected = frame[["x", "job", "age"]]
    got = pd.concat(batches, ignore_index=True)
    pd.testing.assert_frame_equal(got, expected, check_dtype=False)
    np.testing.assert_array_equal(y.decode(), frame["label"])
    np.testing.assert_array_equal(weight, frame["weight"])


def test_rows_are_taken_by_their_positions(frame, tmp_path):
    X, _, _ = open_columns(write(frame, tmp_path), "label")
    once = np.arange(0, 300, 3)
    twice = np.array([1, 5, 99])
    taken = X.take(once).take(twice)
    assert len(taken) == 3
    np.testing.assert_array_equal(taken.read_rows()["x"], frame["x"].iloc[once[twice]])


def test_text_is_read_as_sorted_categories(frame, tmp_path):
    X, _, _ = open_columns(write(frame, tmp_path), "label")
    jobs = X.read(["job"])["job"]
    assert list(jobs.cat.categories) == ["cook", "nurse"]
    assert jobs.isna().to_numpy().tolist() == frame["job"].isna().to_numpy().tolist()


def test_labels_are_coded_as_in_memory(frame, tmp_path):
    _, y, _ = open_columns(write(frame, tmp_path), "label")
    classes, codes = encode_labels(y)
    expected_classes, expected = encode_labels(frame["label"].to_numpy(dtype=str))
    np.testing.assert_array_equal(classes, expected_classes)
    np.testing.assert_array_equal(codes, expected)


def test_labels_that_no_row_has_any_more_are_no_classes():
    y = CodedLabels(np.array([2, 0, 2], dtype=np.int8), np.array(["a", "b", "c"]))
    classes, codes = encode_labels(y)
    assert classes.tolist() == ["a", "c"]
    assert codes.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("y", "weight", "message"),
    [
        ("income", None, "'income' is not a column of X. The columns are"),
        (None, None, "y is the name of the column"),
        ("label", "income", "'income' is not a column of X"),
    ],
)
def test_names_that_are_wrong(frame, tmp_path, y, weight, message):
    with pytest.raises(ValueError, match=message):
        open_columns(write(frame, tmp_path), y, weight)


def test_columns_of_lists_are_refused(frame, tmp_path):
    dataset = write(frame.assign(tags=[[1, 2]] * 300), tmp_path)
    with pytest.raises(ValueError, match="The columns tags of X hold lists"):
        open_columns(dataset, "label")


def test_datasets_without_rows_are_refused(frame, tmp_path):
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        open_columns(write(frame.iloc[:0], tmp_path, n_files=1), "label")


def test_missing_labels_are_refused(frame, tmp_path):
    dataset = write(frame, tmp_path)
    with pytest.raises(ValueError, match="y contains NaN"):
        BackdoorDebiasClassifier(sensitive_columns="age").fit(dataset, "job")


def test_searches_say_what_to_do_instead(frame, tmp_path):
    dataset = write(frame, tmp_path)
    search = BackdoorDebiasClassifierCV(sensitive_columns="job")
    with pytest.raises(TypeError, match=r"X is a pyarrow Dataset.*X.head\(100_000\)"):
        search.fit(dataset, frame["label"])


@pytest.mark.parametrize("owner", [BackdoorDebiasClassifier, BackdoorDebiasClassifierCV])
def test_paths_are_no_rows(frame, tmp_path, owner):
    write(frame, tmp_path)
    for path in (tmp_path, str(tmp_path)):
        with pytest.raises(ValueError, match=r"pyarrow.dataset.dataset\(path\)"):
            owner(sensitive_columns="age").fit(path, frame["label"])


def test_names_of_labels_are_for_datasets(frame):
    with pytest.raises(ValueError, match="y='label' is no array of labels"):
        BackdoorDebiasClassifier(sensitive_columns="age").fit(frame, "label")


@pytest.mark.parametrize(
    "labels",
    [
        pa.array([None, "a", "b"] * 20),
        pa.array([float("nan"), 0.0, 1.0] * 20),
        pa.nulls(60),
        pa.DictionaryArray.from_arrays(pa.array([0, 1, 2] * 20), ["a", "b", None]),
    ],
    ids=["null", "nan", "nothing", "null in a dictionary"],
)
def test_labels_that_are_missing_in_any_way(labels):
    dataset = ds.InMemoryDataset(pa.table({"x": range(60), "label": labels}))
    clf = BackdoorDebiasClassifier(sensitive_columns="x")
    with pytest.raises(ValueError, match="y contains NaN"):
        clf.fit(dataset, "label")


def test_missing_labels_are_not_scored(frame, tmp_path):
    X = frame[["x", "age"]].assign(group=np.where(frame["age"] > 50, "old", "young"))
    clf = BackdoorDebiasClassifier(
        LogisticRegression(), sensitive_columns="group", trigger_strength=0, random_state=0
    ).fit(X, frame["label"])
    rows = X.assign(label=frame["label"].where(frame["age"] > 30))
    with pytest.raises(ValueError, match="y contains NaN"):
        clf.score(write(rows, tmp_path), "label")


@pytest.mark.parametrize("kind", ["halffloat", "float32", "int8", "string_view", "bool"])
def test_labels_of_any_type(kind):
    given = {"string_view": ["0", "1"], "bool": [False, True]}.get(kind, [0, 1])
    given = np.array(given * 30, dtype="float16" if kind == "halffloat" else None)
    labels = pa.array(given if kind == "halffloat" else given.tolist(), type=kind)
    dataset = ds.InMemoryDataset(pa.table({"x": range(60), "label": labels}))
    X, y, _ = open_columns(dataset, "label")
    assert y.codes.tolist() == [0, 1] * 30
    rows = X.select(["x"]).take(np.arange(3)).read_rows()
    assert rows["x"].tolist() == [0, 1, 2]


def test_text_of_the_newest_kind_is_selected_from():
    texts = pa.array(["a", None, "b"], type=pa.string_view())
    dataset = ds.InMemoryDataset(pa.table({"text": texts, "label": [0, 1, 1]}))
    X, _, _ = open_columns(dataset, "label")
    assert X.take(np.array([1, 2])).read_rows()["text"].tolist()[1] == "b"
    assert list(X.read(["text"])["text"].cat.categories) == ["a", "b"]


def test_categories_keep_their_order_as_in_memory(frame):
    ages = pd.cut(frame["age"], [0, 30, 50, 90], labels=["young", "middle", "aged"])
    table = pa.Table.from_pandas(frame.assign(ages=ages), preserve_index=False)
    X, _, _ = open_columns(ds.InMemoryDataset(table), "label")
    assert list(X.read(["ages"])["ages"].cat.categories) == ["young", "middle", "aged"]


def test_callables_that_look_at_other_rows_are_refused(frame, tmp_path):
    X, _, _ = open_columns(write(frame, tmp_path), "label")
    by_row = sensitive_values(X, lambda rows: rows["age"] > 40)
    np.testing.assert_array_equal(by_row.iloc[:, 0], frame["age"] > 40)
    is_far = frame["x"] > 2  # so few that a part may hold none, and be of another type
    found = sensitive_values(X, lambda rows: (rows["x"] > 0).mask(rows["x"] > 2, None))
    np.testing.assert_array_equal(found.iloc[:, 0].isna(), is_far)
    assert 0 < is_far.sum() < 10
    with pytest.raises(ValueError, match="says something else of a row"):
        sensitive_values(X, lambda rows: rows["age"] > rows["age"].median())
