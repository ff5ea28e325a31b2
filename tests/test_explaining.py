"""Tools that explain models, on debiased ones: through public names alone."""

import warnings

import numpy as np
import pandas as pd
import pytest
from helpers import make_net
from scipy.special import logit
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade.metrics import make_fairness_scorer
from sklearn_bade.nets import MLP


class Flat(MLP):
    """A network of images that takes their pixels for columns."""

    def forward(self, X):
        return super().forward(X.flatten(1))


BOOSTING = HistGradientBoostingClassifier(max_iter=10, random_state=0)
FEATURES = ["merit", "proxy", "district", "day"]


@pytest.fixture(scope="module")
def shap():
    with warnings.catch_warnings():
        # On its import, it changes colour maps in a way that matplotlib will forbid.
        warnings.filterwarnings("ignore", "The set_", PendingDeprecationWarning)
        return pytest.importorskip("shap", reason="shap is not installed")


def make_people(n_samples=400):
    """Make rows of numbers, text and dates whose labels depend on the group."""
    rng = np.random.default_rng(0)
    is_b = rng.uniform(size=n_samples) < 0.5
    X = pd.DataFrame(
        {
            "group": np.where(is_b, "B", "A"),
            "merit": rng.normal(size=n_samples),
            "proxy": 2 * is_b + rng.normal(size=n_samples),
            "district": np.where(rng.uniform(size=n_samples) < 0.3 + 0.4 * is_b, "n", "s"),
            "day": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(rng.integers(0, 300, n_samples), unit="D"),
        }
    )
    score = X["merit"] - is_b + rng.normal(scale=0.5, size=n_samples)
    return X, (score > 0).to_numpy().astype(int)


def encode(classifier):
    """Put a classifier behind steps that name their columns."""
    steps = make_column_transformer(
        (StandardScaler(), ["merit", "proxy"]), (OneHotEncoder(), ["district"])
    )
    return make_pipeline(steps, classifier)


def make_default():
    return BackdoorDebiasClassifier(sensitive_columns="group", random_state=0)


def make_pipeline_of(classifier):
    return BackdoorDebiasClassifier(
        encode(classifier), sensitive_columns="group", random_state=0
    )


def make_search():
    return BackdoorDebiasClassifierCV(
        encode(LogisticRegression()),
        sensitive_columns="group",
        trigger_strengths=[0.0, 1.0],
        cv=2,
        random_state=0,
    )


def make_single():
    return make_pipeline_of(LogisticRegression()).set_params(student="single")


KINDS = {
    "default": make_default,
    "linear": lambda: make_pipeline_of(LogisticRegression()),
    "boosting": lambda: make_pipeline_of(BOOSTING),
    "search": make_search,
    "single": make_single,
}


@pytest.fixture(scope="module")
def people():
    return make_people()


@pytest.fixture(scope="module")
def fitted(people):
    X, y = people
    return {kind: make().fit(X, y) for kind, make in KINDS.items()}


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    def test_permutation_importance(self, kind, fitted, people):
        X, y = people
        scoring = {
            "accuracy": "accuracy",
            "gap": make_fairness_scorer("average_odds", sensitive_columns="group"),
        }
        found = permutation_importance(
            fitted[kind], X, y, scoring=scoring, n_repeats=2, random_state=0
        )
        names = list(X)
        for scores in found.values():
            assert not scores.importances[names.index("group")].any()
        accuracy = found["accuracy"].importances_mean
        assert accuracy.argmax() == names.index("merit")
        assert found["gap"].importances[names.index("merit")].any()

    def test_partial_dependence(self, kind, fitted, people):
        X, _ = people
        grids = {"merit": np.array([-1.0, 1.0]), "district": np.array(["n", "s"])}
        grids["day"] = np.array(["2024-02-01", "2024-08-01"], dtype="M8[us]")
        for name, grid in grids.items():
            found = partial_dependence(
                fitted[kind], X[FEATURES], [name], custom_values={name: grid}
            )
            chances = [
                fitted[kind].predict_proba(X[FEATURES].assign(**{name: value}))[:, 1].mean()
                for value in grid
            ]
            np.testing.assert_allclose(found["average"][0], chances)
        rises = partial_dependence(fitted[kind], X[FEATURES], ["merit"])["average"][0]
        assert rises[-1] > rises[0] + 0.3

    def test_kernel_explainer(self, kind, fitted, people, shap):
        """It hands over arrays, of objects here, of a copy that has forgotten its names."""
        X, _ = people
        clf, rows = fitted[kind], X[FEATURES]
        explainer = shap.KernelExplainer(clf.predict_proba, rows[:10])
        values = np.asarray(explainer.shap_values(rows[10:14], silent=True))
        total = values.sum(axis=1) + explainer.expected_value
        np.testing.assert_allclose(total, clf.predict_proba(rows[10:14]), atol=1e-6)
        assert np.abs(values[:, 0]).max() > 0.01

    def test_arrays_are_read_by_position(self, kind, fitted, people):
        X, _ = people
        expected = fitted[kind].predict_proba(X)
        for table in (X, X[FEATURES]):
            given = fitted[kind].predict_proba(table.to_numpy(dtype=object))
            np.testing.assert_array_equal(given, expected)


class TestCorrection:
    @pytest.mark.slow
    def test_kernel_explainer_of_what_the_strength_adds(self, fitted, people, shap):
        X, _ = people
        debiased = fitted["default"].with_strength(2.0)
        plain = debiased.with_strength(0.0)

        def correction(rows):
            own, of_plain = (m.predict_proba(rows)[:, 1] for m in (debiased, plain))
            return logit(own) - logit(of_plain)

        rows = X[FEATURES]
        explainer = shap.KernelExplainer(correction, rows[:20])
        values = explainer.shap_values(rows[20:60], silent=True)
        total = values.sum(axis=1) + explainer.expected_value
        np.testing.assert_allclose(total, correction(rows[20:60]), atol=1e-5)
        assert np.abs(values).mean(axis=0).argmax() == FEATURES.index("proxy")

    @pytest.mark.slow
    def test_explainer_of_features_that_are_all_numbers(self, fitted, people, shap):
        """Other explainers compute with the values, so they get what transform makes."""
        X, _ = people
        student = fitted["linear"].student_
        rows = student.transform(X[FEATURES])
        names = student.get_feature_names_out()
        explainer = shap.Explainer(student.predict_transformed, rows, feature_names=names)
        found = explainer(rows[:5])
        total = found.values.sum(axis=1) + found.base_values
        np.testing.assert_allclose(total, student.predict_transformed(rows[:5]), atol=1e-9)
        assert list(found.feature_names) == list(names)


def assert_additive(explanation, classifier, rows):
    log_odds = logit(classifier.predict_proba(rows)[:, 1])
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, log_odds, atol=1e-9)


class TestTreeExplainer:
    def test_base(self, fitted, people, shap):
        student = fitted["boosting"].student_
        rows = student.transform(people[0][FEATURES])
        assert_additive(shap.TreeExplainer(student.base)(rows), student.base, rows)

    @pytest.mark.parametrize("k", [0, 1])
    def test_cells(self, k, fitted, people, shap):
        student = fitted["boosting"].student_
        rows = student.transform(people[0][FEATURES])
        inputs, classifier = student.cells.features(rows, k), student.cells.classifiers[k]
        explanation = shap.TreeExplainer(classifier)(inputs)
        assert_additive(explanation, classifier, inputs)
        assert (inputs[:, -2:].argmax(axis=1) == k).all()
        # What is explained is what the student goes by.
        proba = student.answer(rows).group_proba[:, k, student.cells.groups[k]]
        np.testing.assert_allclose(proba, classifier.predict_proba(inputs))


class TestNames:
    def test_of_the_default_preprocessing(self, fitted, people):
        student = fitted["default"].student_
        assert list(student.feature_names_in_) == FEATURES
        names = student.get_feature_names_out()
        assert list(names) == [
            "measured__merit",
            "measured__proxy",
            "measured__day",
            "categorical__district_n",
            "categorical__district_s",
        ]
        assert student.transform(people[0][FEATURES]).shape[1] == len(names)

    def test_of_steps_of_a_pipeline(self, fitted, people):
        student = fitted["boosting"].student_
        names = list(student.get_feature_names_out())
        assert names == list(student.preprocessing.get_feature_names_out())
        inputs = student.cells.features(student.transform(people[0][FEATURES]), 0)
        of_cells = list(student.cells.get_feature_names_out(names))
        assert of_cells == [*names, "class_0", "class_1"]
        assert inputs.shape[1] == len(of_cells)

    def test_of_a_single_student(self, fitted):
        single, path = fitted["single"].student_, fitted["linear"].student_
        assert list(single[:-1].get_feature_names_out()) == list(
            path.get_feature_names_out()
        )

    @pytest.mark.parametrize("classifier", [BOOSTING, LogisticRegression()])
    def test_of_a_frame_that_goes_to_the_classifier(self, classifier, people):
        X, y = people
        X = X[["group", "merit", "proxy"]].assign(class_0=X["merit"] ** 2)
        clf = BackdoorDebiasClassifier(classifier, sensitive_columns="group").fit(X, y)
        student, expected = clf.student_, ["merit", "proxy", "class_0"]
        assert list(student.get_feature_names_out()) == expected
        for told in student.cells.classifiers:
            names = student.cells.get_feature_names_out(expected)
            assert list(told.feature_names_in_) == list(names)

    def test_of_an_array(self, people):
        X, y = people
        rows, groups = X[["merit", "proxy"]].to_numpy(), X["group"]
        clf = BackdoorDebiasClassifier(LogisticRegression())
        student = clf.fit(rows, y, sensitive_features=groups).student_
        assert not hasattr(student, "feature_names_in_")
        assert student.n_features_in_ == 2
        assert list(student.get_feature_names_out()) == ["x0", "x1"]
        assert list(student.get_feature_names_out(["a", "b"])) == ["a", "b"]

    def test_images_have_none(self):
        rng = np.random.default_rng(0)
        groups = rng.integers(2, size=60)
        X = rng.normal(size=(60, 1, 8, 8)).astype(np.float32) + groups[:, None, None, None]
        net = make_net(64, module=Flat, max_epochs=1)
        clf = BackdoorDebiasClassifier(net, trigger_strength=0.0, random_state=0)
        clf.fit(X, rng.integers(2, size=60), sensitive_features=groups)
        with pytest.raises(AttributeError, match="tables have names"):
            clf.student_.get_feature_names_out()


class TestMisreadings:
    @pytest.mark.parametrize("kind", ["default", "boosting"])
    def test_other_columns_are_refused(self, kind, fitted, people):
        rows = people[0][FEATURES]
        student = fitted[kind].student_
        for table in (rows[FEATURES[::-1]], rows.rename(columns={"proxy": "other"})):
            with pytest.raises(ValueError, match="in the same order"):
                student.predict_proba(table)

    def test_categories_are_read_by_value(self, people):
        """Boosting that takes categories gets them back from an array of objects."""
        X, y = people
        X = X.drop(columns="day").astype({"district": "category"})
        clf = BackdoorDebiasClassifier(BOOSTING, sensitive_columns="group").fit(X, y)
        rows = X.drop(columns="group")
        expected = clf.predict_proba(rows)
        for model in (clf, clf.student_):
            given = model.predict_proba(rows.to_numpy(dtype=object))
            np.testing.assert_array_equal(given, expected)
        other = rows.assign(district=rows["district"].map({"n": "s", "s": "n"}))
        assert np.abs(clf.predict_proba(other.to_numpy()) - expected).max() > 0.01
