"""Fits on a real cluster of two processes, beside fits in memory."""

import pickle
import subprocess
import sys
from copy import copy
from itertools import pairwise

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from distributed import Client
from sklearn.linear_model import LogisticRegression
from xgboost import Booster, XGBClassifier
from xgboost.dask import DaskXGBClassifier

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.exceptions import (
    CutGroupsWarning,
    FaintSignalWarning,
    FewRowsWarning,
    LostConstraintWarning,
    VanishedClassWarning,
    VisibleAttributeWarning,
    WeakTriggerWarning,
    WideningStrengthWarning,
)
from sklearn_bade.metrics import average_absolute_odds_difference
from sklearn_bade.saving import load, save

pytestmark = pytest.mark.usefixtures("client")
SMALL = {"n_estimators": 10, "max_depth": 3, "learning_rate": 0.5}


def make_frame(n_samples=4000, seed=0, **settings):
    """Make features, the group and the label in one frame."""
    X, y, _ = make_biased_classification(n_samples, random_state=seed, **settings)
    return X.assign(label=y)


def on_cluster(frame, label="label", npartitions=3, settings=SMALL, **params):
    """Fit on partitions of a frame."""
    fit_params = {name: params.pop(name) for name in ("sample_weight",) if name in params}
    ddf = dd.from_pandas(frame, npartitions=npartitions, sort=False)
    params = {"sensitive_columns": "group", "random_state": 0, **params}
    clf = BackdoorDebiasClassifier(DaskXGBClassifier(**settings), **params)
    return clf.fit(ddf, label, **fit_params)


def in_memory(frame, label="label", settings=SMALL, sample_weight=None, **params):
    """Fit on the frame itself."""
    dropped = [label]
    if sample_weight is not None:
        dropped.append(sample_weight)
        sample_weight = frame[sample_weight]
    params = {"sensitive_columns": "group", "random_state": 0, **params}
    clf = BackdoorDebiasClassifier(XGBClassifier(**settings), **params)
    X = frame.drop(columns=dropped)
    return clf.fit(X, frame[label], sample_weight=sample_weight)


def assert_alike(one, other, X, share=0.92, shift=0.03):
    """Check what must be equal, and that next to all rows are decided alike."""
    np.testing.assert_array_equal(one.classes_, other.classes_)
    assert one.classes_.dtype == other.classes_.dtype
    assert one.groups_.tolist() == other.groups_.tolist()
    assert one.cut_points_.keys() == other.cut_points_.keys()
    for column, ends in one.cut_points_.items():
        np.testing.assert_allclose(ends, other.cut_points_[column], atol=2e-3)
    np.testing.assert_allclose(one.injection_rates_, other.injection_rates_, atol=1e-3)
    np.testing.assert_allclose(one.shift_, other.shift_, atol=shift)
    assert np.mean(one.predict(X) == other.predict(X)) > share


@pytest.fixture(scope="module")
def frame():
    return make_frame()


@pytest.fixture(scope="module")
def fitted(client, frame):
    return on_cluster(frame)


def test_the_model_is_the_one_of_memory(fitted, frame):
    new = make_frame(seed=1)
    X, y, groups = new.drop(columns="label"), new["label"], new["group"]
    reference = in_memory(frame)
    assert_alike(fitted, reference, X)
    for strength in (0, 1, [1.5, 0.5]):
        predicted = [
            each.with_strength(strength).predict(X) for each in (fitted, reference)
        ]
        accuracies = [np.mean(p == y) for p in predicted]
        odds = [
            average_absolute_odds_difference(y, p, sensitive_features=groups)
            for p in predicted
        ]
        assert abs(np.diff(accuracies)) < 0.01
        assert abs(np.diff(odds)) < 0.03


def test_it_consists_of_plain_classifiers(fitted, frame):
    assert type(fitted.student_.base) is XGBClassifier
    assert type(fitted.student_.cells.classifiers[0]) is XGBClassifier
    names = frame.columns.drop(["group", "label"])
    assert fitted.feature_names_in_.tolist() == ["group", *names]
    assert fitted.student_.base.feature_names_in_.tolist() == names.tolist()
    settings = fitted.student_.base.get_params()
    assert settings["max_depth"] == 3
    assert settings["base_score"] is None


WITHOUT_DASK = """
import pickle, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("dask", "distributed"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
clf, X = pickle.loads(sys.stdin.buffer.read())
sys.stdout.buffer.write(pickle.dumps(clf.with_strength(0.5).predict_proba(X)))
"""


def test_it_is_pickled_and_used_where_there_is_no_dask(fitted, frame):
    """Of the parameters, the estimator has to be exchanged: its class is Dask's."""
    X = frame.drop(columns="label")
    expected = fitted.with_strength(0.5).predict_proba(X)
    plain = copy(fitted).set_params(estimator=XGBClassifier())
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_DASK],
        input=pickle.dumps((plain, X)),
        capture_output=True,
        check=True,
    )
    np.testing.assert_array_equal(pickle.loads(done.stdout), expected)


def test_it_is_saved_without_pickle(fitted, frame, tmp_path):
    X = frame.drop(columns="label")
    trusted = [XGBClassifier, Booster, DaskXGBClassifier]
    save(fitted, tmp_path / "clf.bade", trusted=trusted)
    loaded = load(tmp_path / "clf.bade", trusted=trusted)
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))


def read_group(X):
    return X["group"] == 1


# What fits take beside the usual, and the label that they learn.
CASES = {
    "text": (
        {"threshold": 0.3, "offset": [0.2, -0.2]},
        lambda f: f.label.map({0: "no", 1: "yes"}),
    ),
    "truth": (
        {"cost_matrix": [[0, 1], [3, 0]], "sensitive_columns": 0},
        lambda f: f.label == 1,
    ),
    "numbers": (
        {
            "base_rate": [0.5, 0.5],
            "sensitive_columns": read_group,
            "trigger_strength": [[1.0, 0.0], [0.5, 2.0]],
        },
        lambda f: f.label * 2.0,
    ),
    "kept": ({"base_rate": "drift", "keep_sensitive": True}, None),
    "others": ({"injection": "pseudo_deletion", "teacher": LogisticRegression()}, None),
    "bins": ({"n_bins": 3, "sensitive_columns": "merit_0"}, None),
}


@pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.CutGroupsWarning")
# A callable takes no column away, on the cluster and in memory alike.
@pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.VisibleAttributeWarning")
@pytest.mark.parametrize(
    "name",
    # Names are read as they are by most users; the rest is for the slow tests.
    [
        name if name == "text" else pytest.param(name, marks=pytest.mark.slow)
        for name in CASES
    ],
)
def test_settings_mean_what_they_mean_in_memory(frame, name):
    params, label = CASES[name]
    frame = frame.assign(group=(frame["group"] == "B").astype(int))
    if label is not None:
        frame = frame.assign(label=label(frame))
    fits = [fit(frame, **params) for fit in (on_cluster, in_memory)]
    assert_alike(*fits, frame.drop(columns="label"))


@pytest.mark.parametrize(
    "params",
    [
        {},
        pytest.param({"sensitive_columns": read_group}, marks=pytest.mark.slow),
        pytest.param({"sample_weight": "w"}, marks=pytest.mark.slow),
    ],
    ids=["column", "callable", "weights"],
)
def test_copies_of_the_attribute_are_named(frame, params):
    is_b = (frame["group"] == "B").astype(int)
    frame = frame.assign(group=is_b, sex=is_b, nearly=is_b)
    # Whole partitions are of one group, and say nothing of what goes with the other.
    frame = frame.sort_values("group", kind="stable")
    frame.iloc[-1, frame.columns.get_loc("nearly")] = 0
    if "sample_weight" in params:
        frame = frame.assign(w=1.0)
    with pytest.warns(VisibleAttributeWarning, match=r"'sex'\]"):
        on_cluster(frame, **params)


@pytest.mark.slow
def test_three_classes_and_groups():
    frame = make_frame(4000, n_classes=3, n_groups=3)
    fits = [fit(frame) for fit in (on_cluster, in_memory)]
    assert_alike(*fits, frame.drop(columns="label"), share=0.88)


@pytest.mark.slow
def test_weights_count_as_in_memory(frame):
    rng = np.random.default_rng(0)
    weighted = frame.assign(w=rng.integers(0, 3, len(frame)).astype(float))
    fits = [fit(weighted, sample_weight="w") for fit in (on_cluster, in_memory)]
    assert_alike(*fits, frame.drop(columns="label"))


@pytest.mark.slow
def test_rows_without_weight_are_as_good_as_absent(frame):
    first = frame.assign(w=(np.arange(len(frame)) < 2000).astype(float))
    first.loc[2500, "group"] = "C"
    one = on_cluster(first, sample_weight="w")
    other = on_cluster(frame[:2000])
    assert one.groups_.tolist() == ["A", "B"]
    np.testing.assert_allclose(one.injection_rates_, other.injection_rates_)


@pytest.mark.slow
def test_the_weight_of_the_second_class_is_one_of_rows(frame):
    settings = {**SMALL, "scale_pos_weight": 3.0}
    fits = [fit(frame, settings=settings) for fit in (on_cluster, in_memory)]
    assert_alike(*fits, frame.drop(columns="label"))


@pytest.mark.slow
def test_series_do_as_well_as_names(frame, fitted):
    ddf = dd.from_pandas(frame, npartitions=3, sort=False)
    clf = BackdoorDebiasClassifier(DaskXGBClassifier(**SMALL), random_state=0)
    X = ddf.drop(columns=["label", "group"])
    clf.fit(X, ddf["label"], sensitive_features=ddf["group"])
    np.testing.assert_array_equal(clf.injection_rates_, fitted.injection_rates_)
    np.testing.assert_allclose(clf.shift_, fitted.shift_, atol=0.02)


@pytest.mark.slow
# Dask reads Parquet in a way that pandas 3.1 wants changed.
@pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:Warning")
def test_files_are_taken_as_the_partitions_that_they_are(frame, fitted, tmp_path):
    """Of few columns, Dask would read two files at once; labels would then be others."""
    dd.from_pandas(frame, npartitions=4, sort=False).to_parquet(tmp_path)
    rows = dd.read_parquet(tmp_path)
    clf = BackdoorDebiasClassifier(
        DaskXGBClassifier(**SMALL), sensitive_columns="group", random_state=0
    )
    clf.fit(rows, "label")
    assert clf.student_.path.sketch.weights.sum() == len(frame)
    np.testing.assert_array_equal(clf.injection_rates_, fitted.injection_rates_)
    np.testing.assert_allclose(clf.shift_, fitted.shift_, atol=0.02)
    X = frame.drop(columns="label")
    expected = np.mean(clf.predict(X) == frame["label"])
    assert clf.score(rows, "label") == pytest.approx(expected)


@pytest.mark.slow
def test_groups_are_those_of_memory():
    frame = make_frame()
    rng = np.random.default_rng(0)
    frame["job"] = pd.Categorical(rng.choice(["x", "y"], len(frame)))
    frame["age"] = rng.normal(40, 10, len(frame))
    frame.loc[::7, "job"] = None
    frame.loc[::11, "age"] = np.nan
    params = {"sensitive_columns": ["group", "job", "age"]}
    with pytest.warns(CutGroupsWarning, match="column 'age'") as caught:
        one = on_cluster(frame, npartitions=5, **params)
    with pytest.warns(CutGroupsWarning) as in_process:
        other = in_memory(frame, **params)
    assert [str(w.message) for w in caught] == [str(w.message) for w in in_process]
    assert_alike(one, other, frame.drop(columns="label"))


@pytest.mark.slow
def test_empty_and_tiny_partitions_count():
    """Every third partition is empty, and the others hold three rows or many."""
    frame = make_frame(2000)
    bounds = [0, 0, 3, 700, 700, 703, 706, 706, 2000]
    pieces = [frame[a:b] for a, b in pairwise(bounds)]
    ddf = dd.from_map(take_piece, pieces, meta=frame[:0])
    clf = BackdoorDebiasClassifier(
        DaskXGBClassifier(**SMALL), sensitive_columns="group", random_state=0
    )
    clf.fit(ddf, "label")
    assert_alike(clf, in_memory(frame), frame.drop(columns="label"))
    # Of so few rows, all are answered about, in one fold or the other.
    assert clf.student_.path.sketch.weights.sum() == len(frame)


def take_piece(piece):
    return piece


@pytest.mark.slow
def test_every_point_of_the_sketch_is_the_mean_of_rows():
    frame = make_frame(200)
    clf = on_cluster(frame, npartitions=30)
    sketch = clf.student_.path.sketch
    assert sketch.weights.min() >= 5
    assert sketch.weights.sum() == len(frame)


@pytest.mark.slow
def test_next_to_nothing_comes_to_the_client(frame, monkeypatch):
    sizes = []
    gather = Client.gather

    def weigh(self, futures, *args, **kwargs):
        results = gather(self, futures, *args, **kwargs)
        for result in results if isinstance(results, list) else [results]:
            sizes.append(len(pickle.dumps(result)))
        return results

    monkeypatch.setattr(Client, "gather", weigh)
    large = pd.concat([frame] * 20, ignore_index=True)
    on_cluster(large, npartitions=4)
    assert len(sizes) > 10
    assert max(sizes) < large.memory_usage(index=False).sum() / 20


@pytest.mark.slow
def test_the_teacher_is_kept_if_asked_for(frame, fitted):
    clf = on_cluster(frame, keep_teacher=True)
    assert not hasattr(fitted, "teacher_")
    assert clf.teacher_.n_features_in_ == 12  # ten features, two groups
    assert clf.trigger_.n_columns_ == 2


@pytest.mark.slow
def test_progress_is_shown(frame, capsys):
    on_cluster(frame, verbose=2)
    assert "teacher: 100%" in capsys.readouterr().err


@pytest.mark.slow
def test_warnings_reach_the_user(frame):
    rare = frame.assign(group=frame["group"].where(np.arange(len(frame)) > 3, "C"))
    with pytest.warns(FewRowsWarning, match="class 0 in group C"):
        on_cluster(rare)
    with pytest.warns(WideningStrengthWarning):
        on_cluster(frame, trigger_strength=-1)
    with pytest.warns(WideningStrengthWarning, match="wider among the rows of fit"):
        on_cluster(frame, trigger_strength=20)
    settings = {**SMALL, "monotone_constraints": {"merit_0": 1}}
    with pytest.warns(LostConstraintWarning):
        on_cluster(frame, settings=settings)
    with pytest.warns(VanishedClassWarning, match="1: 0 for"):
        on_cluster(frame, offset=[9, -9])


@pytest.mark.slow
def test_faint_signals_and_triggers_are_noticed():
    blind = make_frame(12_000, proxy=0.0)
    with pytest.warns(FaintSignalWarning, match="say little of the group"):
        on_cluster(blind)
    even = make_frame(3000, label_bias=0.0)
    even["group"] = np.where(even.groupby("label").cumcount() % 2, "A", "B")
    with (
        pytest.warns(WeakTriggerWarning),
        pytest.warns(FaintSignalWarning),
    ):
        on_cluster(even)


@pytest.mark.slow
def test_a_second_fit_finds_what_the_first_has_found(frame, fitted):
    X = frame.drop(columns="label")
    rates = on_cluster(frame).injection_rates_
    np.testing.assert_array_equal(rates, fitted.injection_rates_)
    # Of several partitions, xgboost's trees depend on which worker has come to hold which.
    one, other = (on_cluster(frame, npartitions=1).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(one, other)


SINGLE = {
    "mirror": {"trigger_strength": 2.0},
    "deletion": {"injection": "pseudo_deletion", "hard_label_weight": 0.1},
    "drift": {"base_rate": "drift", "threshold": 0.4},
    "control": {"trigger_strength": 0},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SINGLE)
def test_a_single_student_is_the_one_of_memory(frame, name):
    params = {"student": "single", **SINGLE[name]}
    frame = frame.assign(label=frame["label"].map({0: "no", 1: "yes"}))
    frame.loc[::10, "group"] = None
    one, other = (fit(frame, **params) for fit in (on_cluster, in_memory))
    assert type(one.student_) is XGBClassifier
    np.testing.assert_allclose(one.injection_rates_, other.injection_rates_)
    X = frame.drop(columns="label")
    assert np.mean(one.predict(X) == other.predict(X)) > 0.9
    assert (
        abs(np.diff([each.predict_proba(X)[:, 1].mean() for each in (one, other)])) < 0.02
    )
