"""Predictions from Parquet to Parquet."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade.rows import _columnar
from sklearn_bade.scale import _predict_parquet, predict_parquet

pa = pytest.importorskip("pyarrow", reason="Parquet needs the extra 'distributed'")
ds = pytest.importorskip("pyarrow.dataset")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def frame():
    rng = np.random.RandomState(0)
    group = rng.choice(["a", "b"], size=400)
    x = rng.normal(size=(400, 2)) + (group == "b")[:, None]
    label = np.where(x.sum(axis=1) + rng.normal(size=400) > 1, "yes", "no")
    number = pd.array(np.arange(400), dtype="Int64")
    number[50] = pd.NA  # in one batch, but not in the first
    return pd.DataFrame(
        {"number": number, "x": x[:, 0], "z": x[:, 1], "group": group, "label": label}
    )


@pytest.fixture
def clf(frame):
    clf = BackdoorDebiasClassifier(
        LogisticRegression(), sensitive_columns="group", random_state=0
    )
    return clf.fit(frame[["x", "z", "group"]], frame["label"])


@pytest.fixture
def source(frame, tmp_path, monkeypatch):
    monkeypatch.setattr(_columnar, "BATCH_ROWS", 30)
    monkeypatch.setattr(_predict_parquet, "ROWS_PER_FILE", 150)
    (tmp_path / "source").mkdir()
    for i, part in enumerate(np.array_split(np.arange(400), 3)):
        table = pa.Table.from_pandas(frame.iloc[part], preserve_index=False)
        pq.write_table(table, tmp_path / "source" / f"{i}.parquet")
    return tmp_path / "source"


def test_predictions_are_those_of_memory_in_order(clf, source, frame, tmp_path):
    out = predict_parquet(clf, source, tmp_path / "out", keep=["number"])
    written = out.to_table().to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    X = frame[["x", "z", "group"]]
    assert written.columns.tolist() == [
        "number",
        "prediction",
        "probability_no",
        "probability_yes",
    ]
    pd.testing.assert_series_equal(written["number"], frame["number"])
    np.testing.assert_array_equal(written["prediction"], clf.predict(X))
    np.testing.assert_allclose(
        written[["probability_no", "probability_yes"]], clf.predict_proba(X)
    )
    assert len(out.files) == 3


def test_sensitive_columns_may_be_missing(clf, frame, tmp_path):
    table = pa.Table.from_pandas(frame[["z", "x"]], preserve_index=False)
    out = predict_parquet(clf, ds.InMemoryDataset(table), tmp_path / "out")
    expected = clf.predict(frame[["x", "z"]])
    np.testing.assert_array_equal(out.to_table()["prediction"].to_pylist(), expected)


def test_labels_alone(clf, source, tmp_path):
    out = predict_parquet(clf, source, tmp_path / "out", probabilities=False)
    assert out.schema.names == ["prediction"]


@pytest.mark.parametrize(
    "settings", [{"threshold": 0.7}, {"cost_matrix": [[0, 1], [5, 0]]}]
)
def test_decisions_are_the_classifiers_own(frame, source, tmp_path, settings):
    X = frame[["x", "z", "group"]]
    clf = BackdoorDebiasClassifier(
        LogisticRegression(), sensitive_columns="group", random_state=0, **settings
    ).fit(X, frame["label"])
    out = predict_parquet(clf, source, tmp_path / "out")
    decided = out.to_table()["prediction"].to_pylist()
    assert decided == clf.predict(X).tolist()
    assert decided != clf.classes_[clf.predict_proba(X).argmax(axis=1)].tolist()


def test_classifiers_of_others(frame, source, tmp_path):
    plain = LogisticRegression().fit(frame[["x", "z"]], frame["label"])
    out = predict_parquet(plain, source, tmp_path / "out")
    expected = plain.predict(frame[["x", "z"]])
    np.testing.assert_array_equal(out.to_table()["prediction"].to_pylist(), expected)


@pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.CostlyGapWarning")
def test_searches_predict_too(frame, source, tmp_path):
    search = BackdoorDebiasClassifierCV(
        LogisticRegression(), sensitive_columns="group", cv=2, random_state=0
    ).fit(frame[["x", "z", "group"]], frame["label"])
    out = predict_parquet(search, source, tmp_path / "out")
    expected = search.predict(frame[["x", "z", "group"]])
    np.testing.assert_array_equal(out.to_table()["prediction"].to_pylist(), expected)


def test_the_bar_counts_rows(clf, source, tmp_path, capsys):
    predict_parquet(clf, source, tmp_path / "out", verbose=2)
    assert "400/400" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ("number", "keep must be a list of columns, got 'number'"),
        (["nummer"], "'nummer' is not a column of source"),
        (["prediction"], "keep names 'prediction'"),
    ],
)
def test_columns_to_keep_that_are_wrong(clf, frame, tmp_path, keep, message):
    table = pa.Table.from_pandas(frame.assign(prediction=0), preserve_index=False)
    with pytest.raises(ValueError, match=message):
        predict_parquet(clf, ds.InMemoryDataset(table), tmp_path / "out", keep=keep)
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(clf, source):
    with pytest.raises(ValueError, match="is there already, and is no empty folder"):
        predict_parquet(clf, source, source)


def test_half_a_table_is_not_left(clf, frame, tmp_path, monkeypatch):
    monkeypatch.setattr(_columnar, "BATCH_ROWS", 30)
    broken = frame.assign(x=frame["x"].where(frame.index < 200))
    table = pa.Table.from_pandas(broken, preserve_index=False)
    with pytest.raises(ValueError, match="NaN"):
        predict_parquet(clf, ds.InMemoryDataset(table), tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_features_that_are_missing(clf, frame, tmp_path):
    table = pa.Table.from_pandas(frame[["x", "group"]], preserve_index=False)
    with pytest.raises(ValueError, match="feature names"):
        predict_parquet(clf, ds.InMemoryDataset(table), tmp_path / "out")


def test_selections_are_refused(frame, source, tmp_path):
    clf = BackdoorDebiasClassifier(
        LogisticRegression(), sensitive_columns="group", selection_rate=0.2, random_state=0
    ).fit(frame[["x", "z", "group"]], frame["label"])
    with pytest.raises(ValueError, match=r"selection_rate=0.2 selects among all rows"):
        predict_parquet(clf, source, tmp_path / "out")


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (LinearSVC(), "LinearSVC has no predict_proba. Give probabilities=False"),
        (LinearRegression(), "LinearRegression, which has no classes_"),
    ],
)
def test_what_is_no_classifier_with_probabilities(
    frame, source, tmp_path, estimator, message
):
    estimator.fit(frame[["x", "z"]], frame["label"] == "yes")
    with pytest.raises(TypeError, match=message):
        predict_parquet(estimator, source, tmp_path / "out")
