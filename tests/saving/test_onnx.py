"""One ONNX file from raw columns: it answers as the classifier does."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import make_net, make_rows
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)
from skorch import NeuralNetClassifier
from xgboost import XGBClassifier

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade.nets import MLP
from sklearn_bade.saving import export_onnx

onnxruntime = pytest.importorskip("onnxruntime")

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.DebiasWarning"),
]

BOOSTING = HistGradientBoostingClassifier(max_iter=15, max_leaf_nodes=8)
FOREST = RandomForestClassifier(10, min_samples_leaf=3)
TEXTS, NUMBERS = ["town", "job"], ["score", "income"]


def make_frame(n_samples=400, n_classes=2, seed=0):
    X, y, groups = make_rows(n_samples, n_features=2, n_classes=n_classes, seed=seed)
    rng = np.random.RandomState(seed)
    towns = np.where(rng.uniform(size=n_samples) < 0.7, groups, rng.randint(3))
    frame = pd.DataFrame(
        {
            "group": np.array(["a", "b"])[groups],
            "town": np.array(["Ulm", "Bonn", "Köln"])[towns],
            "job": rng.choice(
                ["cook", "judge", "rare"], size=n_samples, p=[0.6, 0.39, 0.01]
            ),
            "score": X[:, 0].astype(float),
            "income": X[:, 1].astype(float),
        }
    )
    return frame, np.array(["no", "yes", "perhaps"])[y], groups


def encode(encoder=None, scaler="passthrough"):
    encoder = OneHotEncoder(handle_unknown="ignore") if encoder is None else encoder
    return make_column_transformer((encoder, TEXTS), (scaler, NUMBERS))


def fit(estimator, X, y, groups=None, **settings):
    settings = {"random_state": 0, "trigger_strength": 1.5} | settings
    if groups is None:
        return BackdoorDebiasClassifier(
            estimator, sensitive_columns="group", **settings
        ).fit(X, y)
    debiaser = BackdoorDebiasClassifier(estimator, **settings)
    return debiaser.fit(X, y, sensitive_features=groups)


def feeds(X):
    """Make the inputs as somebody would who has the frame and nothing of ours."""
    if isinstance(X, np.ndarray):
        return {"X": X}
    return {
        name: X[[name]].to_numpy(float)
        if pd.api.types.is_numeric_dtype(X[name])
        else X[[name]].astype(object).fillna("").to_numpy(object)
        for name in X
        if name != "group"
    }


def serve(path, X):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    outputs = [output.name for output in session.get_outputs()]
    return dict(zip(outputs, session.run(outputs, feeds(X))))


def assert_served(debiaser, path, X, X_new=None):
    """Export with some rows, and compare on others, which may hold what is new."""
    X_new = X if X_new is None else X_new
    served = serve(export_onnx(debiaser, path, X), X_new)
    expected = debiaser.predict_proba(X_new)
    np.testing.assert_allclose(served["probabilities"], expected, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(served["label"], debiaser.predict(X_new))
    assert np.ptp(expected[:, 0]) > 0.1


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fair.onnx"


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        BOOSTING,
        FOREST,
        ExtraTreesClassifier(10, min_samples_leaf=3),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_classifiers_answer_alike(estimator, n_classes, path):
    X, y, _ = make_frame(n_classes=n_classes)
    debiaser = fit(make_pipeline(encode(), estimator), X, y)
    assert_served(debiaser, path, X[:20], X)


@pytest.mark.parametrize(
    "estimator",
    [
        GaussianNB(),
        AdaBoostClassifier(n_estimators=5),
        make_pipeline(PCA(2), MLPClassifier((4,), max_iter=1000, tol=1e-2)),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_other_classifiers_are_left_to_skl2onnx(estimator, path):
    X, y, groups = make_rows()
    debiaser = fit(estimator, X.astype(float), y, groups)
    assert_served(debiaser, path, X.astype(float))


class Convolution(torch.nn.Module):
    """A user's module, of bytes or floats."""

    def __init__(self):
        super().__init__()
        self.convolution = torch.nn.Conv2d(1, 4, 3)
        self.last = torch.nn.Linear(4 * 36, 2)

    def forward(self, X):
        features = torch.relu(self.convolution(X.float() / 255))
        return self.last(features.flatten(1))


class Probabilities(MLP):
    """A module that ends in probabilities, as skorch's default criterion expects."""

    def forward(self, X):
        return torch.softmax(super().forward(X), dim=1)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_nets_answer_alike(n_classes, path):
    X, y, groups = make_rows(n_classes=n_classes)
    debiaser = fit(make_net(n_classes=n_classes), X, y, groups)
    assert_served(debiaser, path, X[:1], X)


def test_nets_that_return_probabilities_answer_alike(path):
    X, y, groups = make_rows()
    net = make_net(module=Probabilities, criterion=torch.nn.NLLLoss)
    assert_served(fit(net, X, y, groups), path, X)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_nets_of_images_answer_alike(dtype, path):
    _, y, groups = make_rows()
    X = np.random.RandomState(0).randint(100, size=(len(y), 1, 8, 8))
    X[:, :, :4] += 50 * y[:, None, None, None]
    X[:, :, 4:] += 50 * groups[:, None, None, None]
    X = X.astype(dtype)
    net = NeuralNetClassifier(
        Convolution,
        criterion=torch.nn.CrossEntropyLoss,
        max_epochs=5,
        train_split=None,
        verbose=0,
    )
    assert_served(fit(net, X, y, groups), path, X)


@pytest.mark.parametrize("estimator", [make_net(n_features=7), BOOSTING])
def test_a_pipeline_before_a_net_or_a_single_student(estimator, path):
    X, y, _ = make_frame()
    encoder = OneHotEncoder(sparse_output=False)
    steps = make_pipeline(encode(encoder, StandardScaler()), estimator)
    assert_served(fit(steps, X, y, student="single"), path, X)


def test_the_default_preprocessing_is_part_of_the_file(path):
    X, y, _ = make_frame()
    X["switch"] = (X["income"] > 0).astype(float)
    X["day"] = np.where(y == "yes", 1, 0) + np.arange(len(y)) % 3
    X.loc[::7, ["score", "switch"]] = np.nan
    X.loc[::11, "town"] = None
    debiaser = fit(None, X, y)
    new = X[:50].copy()
    new.loc[::5, "town"] = "Atlantis"
    new.loc[::3, "job"] = None
    assert_served(debiaser, path, X, new)


# scikit-learn says so where a column is dropped that zeros stand for.
@pytest.mark.filterwarnings("ignore:Found unknown categories:UserWarning")
@pytest.mark.parametrize(
    "encoder",
    [
        OneHotEncoder(drop="first"),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20),
        OneHotEncoder(handle_unknown="ignore", drop="if_binary"),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    ],
)
def test_encoders_of_text_and_of_numbers(encoder, path):
    X, y, _ = make_frame()
    X["number"] = np.round(X["score"])
    columns = make_column_transformer(
        (encoder, ["town", "number", "job"]),
        ("drop", ["score"]),
        remainder=make_pipeline(SimpleImputer(), MinMaxScaler(clip=True)),
        sparse_threshold=0,
    )
    debiaser = fit(make_pipeline(columns, FunctionTransformer(np.float32), FOREST), X, y)
    new = X.copy()
    new.loc[::9, "income"] = np.nan
    if encoder.handle_unknown != "error":
        new.loc[::5, "town"] = "Atlantis"
        new.loc[::4, "number"] = 99.0
    assert_served(debiaser, path, X, new)


@pytest.mark.parametrize("as_numbers", [False, True])
def test_boosting_splits_categories_and_sends_missing_values_its_way(as_numbers, path):
    X, y, _ = make_frame(n_samples=800)
    rng = np.random.RandomState(1)
    letters = rng.randint(12, size=len(X))
    y = np.where(np.isin(letters, [1, 4, 7, 11]), "yes", y)
    X["letter"] = pd.Categorical(letters if as_numbers else [chr(97 + x) for x in letters])
    X["town"] = X["town"].astype("category")
    X = X.drop(columns="job")
    X.loc[::6, ["letter", "score"]] = np.nan
    debiaser = fit(BOOSTING, X, y)
    path = export_onnx(debiaser, path, X)
    plain = X.astype({"letter": float if as_numbers else object, "town": object})
    served = serve(path, plain)
    expected = debiaser.predict_proba(X)
    np.testing.assert_allclose(served["probabilities"], expected, rtol=0, atol=1e-5)
    assert np.ptp(expected[:, 0]) > 0.1


@pytest.mark.parametrize("strength", [0.0, -1.0, [0.5, 2.0]])
@pytest.mark.parametrize("labels", [[0, 1], [False, True], [10, 20]])
def test_strengths_and_labels(strength, labels, path):
    X, y, groups = make_rows()
    X = X.astype(float)
    debiaser = fit(LogisticRegression(), X, np.array(labels)[y], groups)
    assert_served(debiaser.with_strength(strength), path, X)


@pytest.mark.parametrize(
    ("n_classes", "settings"),
    [
        (2, {"threshold": 0.2}),
        (2, {"cost_matrix": [[0, 5], [1, 0]]}),
        (3, {"cost_matrix": [[0, 1, 9], [1, 0, 1], [3, 1, 0]]}),
    ],
)
def test_what_is_decided_is_in_the_label(n_classes, settings, path):
    X, y, groups = make_rows(n_classes=n_classes)
    X = X.astype(float)
    debiaser = fit(LogisticRegression(), X, y, groups, **settings)
    assert_served(debiaser, path, X)
    by_greatest = debiaser.predict_proba(X).argmax(axis=1)
    assert (debiaser.predict(X) != by_greatest).any()


def test_a_selection_has_no_label(path):
    X, y, groups = make_rows()
    X = X.astype(float)
    debiaser = fit(LogisticRegression(), X, y, groups, selection_rate=0.3)
    served = serve(export_onnx(debiaser, path, X), X)
    assert list(served) == ["probabilities"]
    np.testing.assert_allclose(
        served["probabilities"], debiaser.predict_proba(X), atol=1e-5
    )


def test_a_search_is_exported_as_what_it_has_chosen(path):
    X, y, _ = make_frame()
    search = BackdoorDebiasClassifierCV(
        make_pipeline(encode(), LogisticRegression()),
        sensitive_columns="group",
        cv=2,
        random_state=0,
    ).fit(X, y)
    assert_served(search, path, X)


def test_sensitive_columns_are_no_inputs(path):
    X, y, _ = make_frame()
    debiaser = fit(make_pipeline(encode(), LogisticRegression()), X, y)
    export_onnx(debiaser, path, X)
    inputs = onnxruntime.InferenceSession(path).get_inputs()
    types = {each.name: each.type for each in inputs}
    text, number = "tensor(string)", "tensor(double)"
    assert types == {"town": text, "job": text, "score": number, "income": number}


@pytest.mark.parametrize(
    ("estimator", "said"),
    [
        (make_pipeline(FunctionTransformer(np.cbrt), LogisticRegression()), "cbrt"),
        (XGBClassifier(n_estimators=2, n_jobs=1), "XGBClassifier cannot be converted"),
    ],
)
def test_what_cannot_be_converted_is_named(estimator, said, path):
    X, y, groups = make_rows()
    debiaser = fit(estimator, X.astype(float), y, groups)
    with pytest.raises(ValueError, match=said):
        export_onnx(debiaser, path, X.astype(float))
    assert not list(path.parent.iterdir())


def test_columns_without_a_type_in_onnx_are_refused(path):
    X, y, _ = make_frame()
    X["since"] = pd.Timestamp("2020-01-01")
    debiaser = fit(make_pipeline(encode(), LogisticRegression()), X, y)
    with pytest.raises(ValueError, match="'since' holds datetime64"):
        export_onnx(debiaser, path, X)


def test_a_failure_leaves_the_old_file(path, monkeypatch):
    X, y, groups = make_rows()
    debiaser = fit(LogisticRegression(), X, y, groups)
    path.write_bytes(b"old")
    monkeypatch.setattr("os.replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_onnx(debiaser, path, X)
    assert [file.read_bytes() for file in path.parent.iterdir()] == [b"old"]


def test_what_to_install_is_said(path, monkeypatch):
    X, y, groups = make_rows()
    debiaser = fit(LogisticRegression(), X, y, groups)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"pip install sklearn-bade\[export\]"):
        export_onnx(debiaser, path, X)


def test_other_classifiers_are_refused(path):
    X, y, _ = make_rows()
    with pytest.raises(TypeError, match="got a LogisticRegression"):
        export_onnx(LogisticRegression().fit(X, y), path, X)


def test_a_file_that_answers_otherwise_is_refused(path, monkeypatch):
    X, y, groups = make_rows()
    debiaser = fit(LogisticRegression(), X, y, groups)
    answer = type(debiaser).predict_proba
    monkeypatch.setattr(
        type(debiaser), "predict_proba", lambda self, X: answer(self, X)[:, ::-1]
    )
    with pytest.raises(ValueError, match=r"agrees with the fitted one on .* rows only"):
        export_onnx(debiaser, path, X)
    assert not path.exists()


def test_files_are_served_without_what_has_fitted_them(path):
    X, y, groups = make_rows()
    path = export_onnx(fit(make_net(), X, y, groups), path, X)
    code = (
        "import sys, numpy, onnxruntime\n"
        "session = onnxruntime.InferenceSession(sys.argv[1])\n"
        "session.run(None, {'X': numpy.zeros((1, 3), 'float32')})\n"
        "assert not {'torch', 'sklearn', 'sklearn_bade'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


def test_importing_the_package_imports_no_exporter():
    code = (
        "import sys, sklearn_bade, sklearn_bade.saving\n"
        "assert not {'torch', 'onnx', 'skl2onnx', 'onnxruntime'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
