"""Debiasing of Parquet datasets, from files to predictions."""

import pickle
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import make_net, make_shape_matching_net
from sklearn.compose import make_column_selector as selector
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from skorch import NeuralNetClassifier
from skorch.dataset import ValidSplit

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.metrics import average_absolute_odds_difference
from sklearn_bade.preprocessing import _streaming
from sklearn_bade.rows import _columnar, _stored
from sklearn_bade.triggers import BlendTrigger

pa = pytest.importorskip("pyarrow", reason="Parquet needs the extra 'distributed'")
ds = pytest.importorskip("pyarrow.dataset")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch, tmp_path_factory):
    """Let small data come in many batches and lie in many parts, and watch the folder."""
    monkeypatch.setattr(_columnar, "BATCH_ROWS", 300)
    monkeypatch.setattr(_stored, "PART_BYTES", 5000)
    monkeypatch.setattr(_streaming, "FITTED_ROWS", 1000)
    scratch = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    return scratch


@pytest.fixture(scope="module")
def data():
    X, y, _ = make_biased_classification(n_samples=3000, random_state=0)
    X = X.assign(job=np.where(X["merit_0"] > 0, "cook", "nurse"))
    return X, np.where(y == 1, "hired", "rejected")


@pytest.fixture(scope="module")
def dataset(data, tmp_path_factory):
    """Write files that are sorted by the label, as partitioned tables are."""
    X, y = data
    folder = tmp_path_factory.mktemp("rows")
    order = np.argsort(y, kind="stable")
    rows = X.assign(label=y, weight=np.where(X["job"] == "cook", 2.0, 1.0)).iloc[order]
    for i, part in enumerate(np.array_split(np.arange(len(rows)), 3)):
        table = pa.Table.from_pandas(rows.iloc[part], preserve_index=False)
        pq.write_table(table, folder / f"{i}.parquet", row_group_size=700)
    return ds.dataset(folder, format="parquet")


def without(dataset, *names):
    """Leave columns out, as those do who have never had them."""
    kept = [name for name in dataset.schema.names if name not in names]
    return ds.InMemoryDataset(dataset.to_table(columns=kept))


def make_pipeline_of(net):
    return make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["job"]),
            remainder=StandardScaler(),
            sparse_threshold=0,
        ),
        net,
    )


@pytest.mark.parametrize("student", ["path", "single"])
def test_a_dataset_teaches_what_its_rows_teach_in_memory(data, dataset, student):
    X, y = data
    net = make_shape_matching_net(max_epochs=8)
    clf = BackdoorDebiasClassifier(
        make_pipeline_of(net), sensitive_columns="group", student=student, random_state=0
    )
    plain = without(dataset, "weight")
    clf.fit(plain, "label")
    on_disk = clf.predict(X)
    in_memory = clf.fit(X, y).predict(X)
    odds = [
        average_absolute_odds_difference(y, each, sensitive_features=X["group"])
        for each in (on_disk, in_memory)
    ]
    np.testing.assert_allclose(np.mean(on_disk == y), np.mean(in_memory == y), atol=0.02)
    np.testing.assert_allclose(odds[0], odds[1], atol=0.04)


@pytest.mark.slow
def test_the_default_network_takes_datasets(data, dataset):
    X, y = data
    clf = BackdoorDebiasClassifier(sensitive_columns="group", random_state=0)
    clf.fit(without(dataset, "weight"), "label")
    assert clf.feature_names_in_.tolist() == X.columns.tolist()
    assert clf.classes_.tolist() == ["hired", "rejected"]
    assert clf.groups_.tolist() == ["A", "B"]
    assert clf.score(X.drop(columns="group"), y) > 0.75
    assert clf.score(dataset, "label") == pytest.approx(clf.score(X, y))


def test_datasets_are_predicted_as_frames_are(data, dataset):
    X, _ = data
    net = make_shape_matching_net(max_epochs=1)
    clf = BackdoorDebiasClassifier(
        make_pipeline_of(net), sensitive_columns="group", random_state=0
    )
    clf.fit(without(dataset, "weight"), "label")
    frame = dataset.to_table().to_pandas()
    expected = clf.predict_proba(frame[X.columns])
    for given in (dataset, without(dataset, "group")):
        np.testing.assert_allclose(clf.predict_proba(given), expected, atol=1e-6)
        np.testing.assert_array_equal(
            clf.predict(given), clf.classes_[expected.argmax(axis=1)]
        )


def test_nothing_is_left_on_disk_or_in_the_estimator(dataset, small_parts):
    net = make_shape_matching_net(max_epochs=1)
    clf = BackdoorDebiasClassifier(
        make_pipeline_of(net),
        sensitive_columns="group",
        student="single",
        keep_teacher=True,
        random_state=0,
    )
    clf.fit(without(dataset, "weight"), "label")
    assert not list(small_parts.iterdir())
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(again.predict(dataset), clf.predict(dataset))


@pytest.mark.slow
def test_two_fits_with_one_seed_are_equal(dataset):
    fits = [
        BackdoorDebiasClassifier(
            make_pipeline_of(make_shape_matching_net(max_epochs=1)),
            sensitive_columns="group",
            random_state=3,
        ).fit(without(dataset, "weight"), "label")
        for _ in range(2)
    ]
    probabilities = [each.predict_proba(dataset) for each in fits]
    np.testing.assert_array_equal(*probabilities)


@pytest.mark.slow
def test_weights_count_as_rows_do(data, dataset):
    X, _ = data
    weights = np.where(X["job"] == "cook", 2.0, 1.0)
    net = make_shape_matching_net(max_epochs=1)
    clf = BackdoorDebiasClassifier(
        make_pipeline_of(net), sensitive_columns="group", random_state=0
    )
    clf.fit(dataset, "label", sample_weight="weight")
    assert "weight" not in clf.feature_names_in_
    rates = clf.injection_rates_.copy()
    clf.fit(X, data[1], sample_weight=weights)
    np.testing.assert_allclose(rates, clf.injection_rates_)


@pytest.mark.slow
def test_rows_of_weight_zero_are_left_out(data, dataset):
    frame = dataset.to_table().to_pandas()
    weights = (frame["job"] == "cook").to_numpy(dtype=float)
    settings = {"sensitive_columns": "group", "random_state": 0}
    net = make_shape_matching_net(max_epochs=1)
    clf = BackdoorDebiasClassifier(make_pipeline_of(net), **settings)
    plain = without(dataset, "weight")
    some = ds.InMemoryDataset(
        pa.Table.from_pandas(
            frame[weights > 0].drop(columns="weight"), preserve_index=False
        )
    )
    weighted = clf.fit(plain, "label", sample_weight=weights).injection_rates_.copy()
    np.testing.assert_allclose(clf.fit(some, "label").injection_rates_, weighted)


# A callable takes no column away, of a Dataset and in memory alike.
@pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.VisibleAttributeWarning")
@pytest.mark.parametrize(
    "settings",
    [
        {"student": "single", "hard_label_weight": 0.5},
        pytest.param({"sensitive_columns": ["group", "job"]}, marks=pytest.mark.slow),
        pytest.param(
            {"student": "single", "trigger_strength": 0.0}, marks=pytest.mark.slow
        ),
        pytest.param({"injection": "pseudo_deletion"}, marks=pytest.mark.slow),
        pytest.param({"trigger": BlendTrigger()}, marks=pytest.mark.slow),
        pytest.param({"keep_sensitive": True}, marks=pytest.mark.slow),
        pytest.param(
            {"sensitive_columns": lambda frame: frame["group"]},
            marks=pytest.mark.slow,
            id="callable",
        ),
    ],
    ids=str,
)
def test_settings_work_as_in_memory(data, dataset, settings):
    X, y = data
    steps = make_column_transformer(
        (StandardScaler(), selector(dtype_include=float)),
        (OneHotEncoder(), selector(dtype_exclude=float)),
        sparse_threshold=0,
    )
    pipeline = make_pipeline(steps, make_shape_matching_net(max_epochs=4))
    clf = BackdoorDebiasClassifier(
        pipeline, **{"sensitive_columns": "group", "random_state": 0} | settings
    )
    clf.fit(without(dataset, "weight"), "label")
    accuracy = clf.score(X, y)
    np.testing.assert_allclose(accuracy, clf.fit(X, y).score(X, y), atol=0.03)


@pytest.mark.parametrize(
    "student", [pytest.param("path", marks=pytest.mark.slow), "single"]
)
def test_rows_of_unknown_group_teach_too(data, student):
    X, y = data
    frame = X.assign(label=y)
    frame.loc[frame.index % 3 == 0, "group"] = None
    given = ds.InMemoryDataset(pa.Table.from_pandas(frame, preserve_index=False))
    net = make_shape_matching_net(max_epochs=2)
    clf = BackdoorDebiasClassifier(
        make_pipeline_of(net), sensitive_columns="group", student=student, random_state=0
    )
    clf.fit(given, "label")
    assert clf.groups_.tolist() == ["A", "B"]
    known = clf.injection_rates_
    np.testing.assert_allclose(
        known, clf.fit(frame.drop(columns="label"), y).injection_rates_
    )


@pytest.mark.slow
def test_measurements_are_cut_where_they_are_in_memory(data):
    X, y = data
    frame = X.assign(income=np.exp(X["proxy_0"]), label=y)
    given = ds.InMemoryDataset(pa.Table.from_pandas(frame, preserve_index=False))
    steps = make_column_transformer(
        (OneHotEncoder(), ["job", "group"]),
        remainder=StandardScaler(),
        sparse_threshold=0,
    )
    clf = BackdoorDebiasClassifier(
        make_pipeline(steps, make_shape_matching_net(max_epochs=1)),
        sensitive_columns="income",
        n_bins=3,
        random_state=0,
    )
    clf.fit(given, "label")
    groups, cuts = clf.groups_.tolist(), clf.cut_points_[0]
    clf.fit(frame.drop(columns="label"), y)
    assert groups == clf.groups_.tolist()
    np.testing.assert_array_equal(cuts, clf.cut_points_[0])


@pytest.mark.slow
def test_a_network_may_hold_rows_out(dataset, data):
    net = make_shape_matching_net(max_epochs=3, train_split=ValidSplit(5, stratified=True))
    clf = BackdoorDebiasClassifier(
        make_pipeline_of(net), sensitive_columns="group", random_state=0
    )
    clf.fit(without(dataset, "weight"), "label")
    assert clf.score(*data) > 0.75
    assert "valid_loss" in clf.student_.base.history[-1]


@pytest.mark.slow
def test_numbers_need_no_preprocessing(data):
    X, y = data
    frame = X.drop(columns="job").assign(group=(X["group"] == "B").astype(int), label=y)
    given = ds.InMemoryDataset(pa.Table.from_pandas(frame, preserve_index=False))
    net = make_shape_matching_net(max_epochs=4)
    clf = BackdoorDebiasClassifier(net, sensitive_columns="group", random_state=0)
    clf.fit(given, "label")
    accuracy = clf.score(given, "label")
    X = frame.drop(columns="label")
    assert accuracy == pytest.approx(clf.fit(X, y).score(X, y), abs=0.02)


@pytest.mark.slow
def test_the_bar_goes_over_reading_and_training(dataset, capsys):
    clf = BackdoorDebiasClassifier(
        make_pipeline_of(make_shape_matching_net(max_epochs=2)),
        sensitive_columns="group",
        random_state=0,
        verbose=2,
    )
    clf.fit(without(dataset, "weight"), "label")
    shown = capsys.readouterr().err
    assert "reading rows" in shown
    assert "teacher: 100%" in shown


class Ids(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.EmbeddingBag(50, 4)
        self.classify = torch.nn.Linear(4, 2)

    def forward(self, X):
        return self.classify(self.embed(X))


@pytest.mark.parametrize(
    ("estimator", "settings", "error", "message"),
    [
        (LogisticRegression(), {}, TypeError, "LogisticRegression, which learns from all"),
        (
            make_pipeline(StandardScaler(), HistGradientBoostingClassifier()),
            {},
            TypeError,
            "ends in, a HistGradientBoostingClassifier",
        ),
        (
            make_net(2),
            {"teacher": LogisticRegression()},
            ValueError,
            "teacher cannot be given with a pyarrow Dataset",
        ),
        (make_net(2), {"memory": "cache"}, ValueError, "memory='cache' cannot be used"),
        (make_net(2), {"sensitive_columns": "sex"}, ValueError, "'sex' is not a column"),
        (make_net(3), {}, ValueError, "The network needs numbers"),
    ],
)
def test_what_cannot_be_done_is_said(dataset, estimator, settings, error, message):
    settings = {"sensitive_columns": "group"} | settings
    clf = BackdoorDebiasClassifier(estimator, **settings)
    with pytest.raises(error, match=message):
        clf.fit(without(dataset, "weight"), "label")
    assert not Path("cache").exists()


def test_networks_that_look_ids_up_are_refused(data):
    rng = np.random.RandomState(0)
    table = {f"id_{i}": rng.randint(50, size=200) for i in range(4)}
    table |= {"group": rng.randint(2, size=200), "label": rng.randint(2, size=200)}
    net = NeuralNetClassifier(Ids, criterion=torch.nn.CrossEntropyLoss, verbose=0)
    clf = BackdoorDebiasClassifier(net, sensitive_columns="group")
    with pytest.raises(TypeError, match="looks ids up in an embedding"):
        clf.fit(ds.InMemoryDataset(pa.table(table)), "label")


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda rows: rows.loc[rows["merit_0"] > 0, ["merit_1"]], "make .* rows of"),
        (lambda rows: pd.get_dummies(rows["job"]), "columns of one batch of rows"),
    ],
    ids=["rows", "columns"],
)
def test_steps_that_do_not_go_batch_by_batch_are_refused(data, step, message):
    X, y = data
    frame = X.assign(label=y).sort_values("job")
    given = ds.InMemoryDataset(pa.Table.from_pandas(frame, preserve_index=False))
    pipeline = make_pipeline(FunctionTransformer(step), make_shape_matching_net())
    clf = BackdoorDebiasClassifier(pipeline, sensitive_columns="group", random_state=0)
    with pytest.raises(ValueError, match=message):
        clf.fit(given, "label")
