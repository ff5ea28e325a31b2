"""Saved and loaded: equal bits, or a clear refusal."""

import json
import os
import pickle
import subprocess
import sys
import tracemalloc
from copy import copy
from pathlib import Path

import fuzz
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from helpers import make_net, make_rows
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from skorch import NeuralNetClassifier

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.exceptions import ModelFileError, OtherVersionWarning
from sklearn_bade.saving import load, save

HERE = Path(__file__).parent
BOOSTING = HistGradientBoostingClassifier(max_iter=3)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.DebiasWarning")


class LazyNet(torch.nn.Module):
    """A net that is shaped by the first rows it sees."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.LazyLinear(8), torch.nn.ReLU(), torch.nn.Linear(8, 2)
        )

    def forward(self, X):
        return self.layers(X)


class NormNet(torch.nn.Module):
    """A network with buffers."""

    def __init__(self, n_features, width=4):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(n_features, width),
            torch.nn.BatchNorm1d(width),
            torch.nn.Linear(width, 2),
        )

    def forward(self, X):
        return self.layers(X)


class Doubler(StandardScaler):
    """A transformer of the user's."""

    def transform(self, X):
        return 2 * super().transform(X)


def make_frame(n_samples=300):
    X, y, _ = make_biased_classification(n_samples, random_state=0)
    rng = np.random.RandomState(0)
    X["colour"] = pd.Categorical(rng.choice(["red", "green"], n_samples))
    return X, np.where(y == 1, "yes", "no")


def debias(estimator=None, **settings):
    defaults = {"sensitive_columns": "group", "random_state": 0}
    return BackdoorDebiasClassifier(estimator, **(defaults | settings))


def assert_equal_bits(clf, loaded, X):
    for ask in ("predict_proba", "predict"):
        expected, found = (getattr(each, ask)(X) for each in (clf, loaded))
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype


ENCODER = make_column_transformer(
    (OneHotEncoder(), ["colour"]),
    (StandardScaler(), make_column_selector(dtype_include="number")),
)
CASES = {
    "boosting": debias(
        HistGradientBoostingClassifier(max_iter=3, categorical_features="from_dtype")
    ),
    "forest": debias(make_pipeline(ENCODER, RandomForestClassifier(3))),
    "linear": debias(make_pipeline(ENCODER, LogisticRegression()), threshold=0.4),
    "costs": debias(make_pipeline(ENCODER, BOOSTING), cost_matrix=[[0, 1], [3, 0]]),
    "selection": debias(make_pipeline(ENCODER, BOOSTING), selection_rate=0.3),
    "teacher": debias(make_pipeline(ENCODER, BOOSTING), keep_teacher=True),
    "search": BackdoorDebiasClassifierCV(
        make_pipeline(ENCODER, BOOSTING), sensitive_columns="group", cv=2, random_state=0
    ),
    "single": debias(make_pipeline(ENCODER, BOOSTING), student="single"),
    "net": debias(make_pipeline(ENCODER, make_net(max_epochs=1, module__n_features=12))),
}


@pytest.mark.parametrize("name", CASES)
def test_equal_bits_for_pandas_and_polars(name, tmp_path):
    X, y = make_frame()
    if name == "net":
        n_left = ENCODER.fit_transform(X.drop(columns="group")).shape[1]
        CASES[name].set_params(estimator__neuralnetclassifier__module__n_features=n_left)
    clf = CASES[name].fit(X, y)
    save(clf, tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert_equal_bits(clf, loaded, X)
    assert_equal_bits(clf, loaded, pl.DataFrame(X.drop(columns="group").to_dict("list")))
    if name != "single":
        siblings = [each.with_strength(0.5) for each in (clf, loaded)]
        assert_equal_bits(*siblings, X)


@pytest.mark.parametrize("student", ["path", "single"])
def test_equal_bits_for_the_default_network(student, tmp_path):
    X, y = make_frame(150)
    clf = debias(student=student, keep_teacher=True).fit(X, y)
    save(clf, tmp_path / "model")
    assert_equal_bits(clf, load(tmp_path / "model"), X)


def test_equal_bits_for_images(tmp_path):
    rng = np.random.RandomState(0)
    X, groups = rng.normal(size=(60, 1, 8, 8)).astype(np.float32), np.arange(60) % 2
    y = (X.mean((1, 2, 3)) + 0.1 * groups > 0.05).astype(int)
    clf = BackdoorDebiasClassifier(random_state=0).fit(X, y, sensitive_features=groups)
    save(clf, tmp_path / "model")
    assert_equal_bits(clf, load(tmp_path / "model"), X)


@pytest.fixture
def net_of_the_user():
    X, y, groups = make_rows()
    net = NeuralNetClassifier(
        NormNet,
        module__n_features=3,
        criterion=torch.nn.CrossEntropyLoss,
        max_epochs=2,
        train_split=None,
        verbose=0,
    )
    clf = BackdoorDebiasClassifier(net, random_state=0)
    return clf.fit(X, y, sensitive_features=groups), X, y, groups


@pytest.mark.parametrize("module", [NormNet, {"NormNet": NormNet}, NormNet(3)])
def test_a_network_of_the_user_is_built_of_her_class(net_of_the_user, module, tmp_path):
    clf, X, y, groups = net_of_the_user
    save(clf, tmp_path / "model")
    before = torch.random.get_rng_state()
    loaded = load(tmp_path / "model", module=module)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert_equal_bits(clf, loaded, X)
    with pytest.raises(ValueError, match=r"set_params\(estimator=net\)"):
        loaded.fit(X, y, sensitive_features=groups)
    loaded.set_params(estimator=clf.estimator)
    assert_equal_bits(clf, loaded.fit(X, y, sensitive_features=groups), X)


def test_a_network_needs_its_class(net_of_the_user, tmp_path):
    save(net_of_the_user[0], tmp_path / "model")
    with pytest.raises(ValueError, match=r"load\(path, module=NormNet\)"):
        load(tmp_path / "model")
    with pytest.raises(ModelFileError, match=r"in the module only|in the file only"):
        load(tmp_path / "model", module=torch.nn.Linear(3, 2))
    save(net_of_the_user[0], tmp_path / "model")
    with pytest.raises(ModelFileError, match="of shape"):
        load(tmp_path / "model", module=NormNet(3, width=5))


def test_a_loaded_classifier_is_fitted_again(fitted, path):
    clf, X, y = fitted
    assert_equal_bits(clf, clone(load(path)).fit(X, y), X)


@pytest.fixture(scope="module")
def fitted():
    X, y, _ = make_biased_classification(200, random_state=0)
    return debias(BOOSTING).fit(X, y), X, y


@pytest.fixture
def path(fitted, tmp_path):
    save(fitted[0], tmp_path / "model.bade")
    return tmp_path / "model.bade"


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"injection": lambda counts: counts / counts.sum(1)[:, None]}, r"clf\.injection"),
        (
            {
                "estimator": make_pipeline(
                    FunctionTransformer(lambda X: X), LogisticRegression()
                )
            },
            "func",
        ),
        ({"estimator": make_pipeline(Doubler(), LogisticRegression())}, "Doubler"),
    ],
)
def test_what_cannot_be_saved_is_named(settings, place, fitted, path):
    clf, X, y = fitted
    clf = clone(clf).set_params(**settings).fit(X, y)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=place):
        save(clf, path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_types_of_the_user_are_trusted_by_her_alone(fitted, path):
    _, X, y = fitted
    clf = debias(make_pipeline(Doubler(), LogisticRegression())).fit(X, y)
    save(clf, path, trusted=[Doubler])
    assert_equal_bits(clf, load(path, trusted=[Doubler]), X)
    with pytest.raises(ModelFileError, match=r"of the type test_save\.Doubler"):
        load(path)
    with pytest.raises(TypeError, match="give classes and functions themselves"):
        load(path, trusted=["test_save.Doubler"])


def test_only_fitted_debiasers_are_saved(tmp_path):
    with pytest.raises(TypeError, match="got a LogisticRegression"):
        save(LogisticRegression(), tmp_path / "model")
    with pytest.raises(NotFittedError):
        save(debias(BOOSTING), tmp_path / "model")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "model")


def change_schema(change):
    """Make a forger of files, whose check sums fit, from a change of the schema."""

    def forge(content):
        members = fuzz.unzip(content)
        inner = fuzz.unzip(members["structure.skops"])
        schema = json.loads(inner["schema.json"])
        change(schema)
        inner["schema.json"] = json.dumps(schema).encode()
        return fuzz.forge({**members, "structure.skops": fuzz.rezip(inner)})

    return forge


def change_manifest(**entries):
    def forge(content):
        members = fuzz.unzip(content)
        manifest = json.loads(members["manifest.json"]) | entries
        return fuzz.rezip({**members, "manifest.json": json.dumps(manifest).encode()})

    return forge


def call_system(schema):
    schema["content"]["content"]["estimator"] = {
        "__class__": "system",
        "__module__": "os",
        "__loader__": "FunctionNode",
        "__id__": 1,
    }


def nest(schema):
    deep = leaf = {"content": []}
    for _ in range(300):
        leaf["content"].append({"content": []})
        leaf = leaf["content"][0]
    schema["content"] = deep


def point_elsewhere(content):
    """Let a node of a tree have a child that there is not."""
    members = fuzz.unzip(content)
    inner = fuzz.unzip(members["structure.skops"])
    for name, each in inner.items():
        if b"'num_threshold'" in each[:1000]:
            nodes = np.load(fuzz.io.BytesIO(each))
            nodes["left"][0] = 10_000
            stream = fuzz.io.BytesIO()
            np.save(stream, nodes)
            inner[name] = stream.getvalue()
    return fuzz.forge({**members, "structure.skops": fuzz.rezip(inner)})


def make_objects(content):
    """Put an array of pickled objects in."""
    members = fuzz.unzip(content)
    inner = fuzz.unzip(members["structure.skops"])
    name = next(name for name in inner if name.endswith(".npy"))
    stream = fuzz.io.BytesIO()
    np.save(stream, np.array([{}], dtype=object), allow_pickle=True)
    inner[name] = stream.getvalue()
    return fuzz.forge({**members, "structure.skops": fuzz.rezip(inner)})


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (lambda content: content[: len(content) // 2], "damaged or cut off"),
        (lambda content: b"", "is empty"),
        (lambda content: pickle.dumps({}), "begins with"),
        (lambda content: fuzz.rezip({"a": b"b"}), "a member 'a'"),
        (lambda content: fuzz.forge({"manifest.json": b"{}"}), "does not say that this"),
        (change_manifest(format="other"), "does not say that this"),
        (change_manifest(format_version=2), "says version 2 .* a newer one may read it"),
        (change_manifest(sha256={}), "other sums"),
        (change_schema(call_system), "clf.estimator is the function os.system"),
        (change_schema(nest), "lacks its|no type|no number"),
        (change_schema(lambda schema: schema.update(protocol=0)), "protocol"),
        (point_elsewhere, "children that are no nodes"),
        (make_objects, "array of the type object"),
    ],
)
def test_files_that_are_refused(forge, reason, path):
    path.write_bytes(forge(path.read_bytes()))
    with pytest.raises(ModelFileError, match=reason):
        load(path)


def test_a_zip_bomb_is_not_unpacked(path):
    stream = fuzz.io.BytesIO()
    with fuzz.ZipFile(stream, "w", compression=8) as archive:
        archive.writestr("manifest.json", bytes(2**26))
    path.write_bytes(stream.getvalue())
    tracemalloc.start()
    with pytest.raises(ModelFileError, match="67108864 bytes, where 65536 are allowed"):
        load(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**24


@pytest.mark.slow
def test_mutated_files_are_refused_or_loaded():
    counts, faults = fuzz.run(200)
    assert not faults
    assert counts["refused"] > 50
    assert counts["loaded"] > 10


def test_files_of_other_versions_are_warned_about(path, fitted):
    forge = change_manifest(**{"scikit-learn": "1.0"})
    path.write_bytes(forge(path.read_bytes()))
    with pytest.warns(OtherVersionWarning, match=r"scikit-learn 1\.0"):
        loaded = load(path)
    assert_equal_bits(fitted[0], loaded, fitted[1])


@pytest.mark.filterwarnings("error")
def test_pickles_of_other_versions_are_warned_about(fitted, monkeypatch):
    clf, X, _ = fitted
    content = pickle.dumps(clf)
    assert_equal_bits(clf, pickle.loads(content), X)
    assert_equal_bits(clf, copy(clf), X)
    assert vars(copy(clf)).keys() == vars(clf).keys()
    monkeypatch.setattr("sklearn_bade._base.__version__", "99")
    with pytest.warns(OtherVersionWarning, match="99 is running"):
        pickle.loads(content)


@pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.OtherVersionWarning")
def test_a_file_that_was_kept_predicts_as_it_did():
    """`python tests/saving/make_kept.py` makes a new one, for a new format."""
    stored = np.load(HERE / "kept_proba.npy")
    rows = np.linspace(-2, 2, 40).reshape(10, 4)
    # Versions of NumPy differ in the last bit of an exponential.
    found = load(HERE / "kept.bade").predict_proba(rows)
    np.testing.assert_allclose(found, stored, rtol=1e-14)


@pytest.mark.slow
def test_neither_torch_nor_skops_is_imported_before_it_is_needed(path):
    code = (
        "import sys, sklearn_bade, sklearn_bade.saving;"
        "assert not {'torch', 'skops', 'safetensors'} & sys.modules.keys();"
        # Listing the estimators of scikit-learn imports torch where there is one.
        "sys.modules['torch'] = None;"
        f"sklearn_bade.saving.load({str(path)!r})"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.mark.parametrize("library", ["skops.io", "safetensors.torch"])
def test_a_missing_library_is_named(library, net_of_the_user, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=r"sklearn-bade\[export\]"):
        save(net_of_the_user[0], tmp_path / "model")
    assert not os.listdir(tmp_path)


def test_lazy_layers_take_their_shape_from_the_file(tmp_path):
    X, y, groups = make_rows()
    net = NeuralNetClassifier(
        LazyNet,
        criterion=torch.nn.CrossEntropyLoss,
        max_epochs=2,
        train_split=None,
        verbose=0,
    )
    clf = BackdoorDebiasClassifier(net, random_state=0)
    clf.fit(X, y, sensitive_features=groups)
    save(clf, tmp_path / "model")
    assert_equal_bits(clf, load(tmp_path / "model", module=LazyNet), X)


def test_a_folder_that_is_missing_is_named(fitted, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        save(fitted[0], tmp_path / "nowhere" / "model")
