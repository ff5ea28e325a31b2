"""Any classifier as teacher and student."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import make_net, make_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from lightgbm import LGBMClassifier
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from skorch import NeuralNetClassifier
from xgboost import XGBClassifier

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.exceptions import LostConstraintWarning
from sklearn_bade.learners._weighted import with_seed
from sklearn_bade.metrics import average_absolute_odds_difference
from sklearn_bade.triggers import BlendTrigger

CLASSIFIERS = {
    "logistic": LogisticRegression(),
    "boosting": HistGradientBoostingClassifier(max_iter=30),
    "forest": RandomForestClassifier(30, min_samples_leaf=5),
    "lightgbm": LGBMClassifier(n_estimators=30, verbose=-1),
    "xgboost": XGBClassifier(n_estimators=30),
    "pipeline": make_pipeline(StandardScaler(), GaussianNB()),
}
# A solver that converges to the last digit, so that predictions can be compared.
EXACT = LogisticRegression(solver="newton-cholesky", tol=1e-6)


def debias(classifier, **settings):
    return BackdoorDebiasClassifier(classifier, **{"random_state": 0, **settings})


def test_integers_are_debiased_like_floats():
    X, y, groups = make_rows(600)
    X = np.rint(3 * X).astype(int)
    clf, same = (
        debias(EXACT).fit(rows, y, sensitive_features=groups)
        for rows in (X, X.astype(float))
    )
    np.testing.assert_array_equal(clf.predict_proba(X), same.predict_proba(X))


@pytest.mark.parametrize("classifier", CLASSIFIERS.values(), ids=CLASSIFIERS)
class TestClassifiers:
    def test_gap_narrows(self, classifier):
        X, y, _ = make_biased_classification(6000, random_state=0)
        names = np.array(["denied", "granted"])
        # Naive Bayes is sure of its groups, and needs less.
        strength = 0.5 if isinstance(classifier, Pipeline) else 1.5
        train, test = slice(0, 3000), slice(3000, None)
        features = X.drop(columns="group")
        plain = clone(classifier).fit(features[train], y[train])
        clf = debias(classifier, sensitive_columns="group", trigger_strength=strength)
        clf.fit(X[train], names[y[train]])
        gaps = [
            average_absolute_odds_difference(
                names[y[test]], predicted, sensitive_features=X["group"][test]
            )
            for predicted in (
                names[plain.predict(features[test])],
                clf.predict(features[test]),
            )
        ]
        assert gaps[1] < 0.7 * gaps[0]

    def test_three_classes_and_groups(self, classifier):
        X, y, groups = make_rows(400, n_classes=3, n_groups=3)
        clf = debias(classifier).fit(X, y, sensitive_features=groups)
        assert clf.injection_rates_.shape == (3, 3)
        np.testing.assert_allclose(clf.predict_proba(X).sum(axis=1), 1, atol=1e-4)

    def test_equal_seeds_give_equal_bits(self, classifier):
        X, y, groups = make_rows()
        one, two = (debias(classifier).fit(X, y, sensitive_features=groups) for _ in "ab")
        np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
        again = pickle.loads(pickle.dumps(one))
        np.testing.assert_array_equal(again.predict_proba(X), one.predict_proba(X))

    def test_search(self, classifier):
        X, y, groups = make_rows(300)
        clf = BackdoorDebiasClassifierCV(
            classifier,
            trigger_strengths=[0, 2],
            cv=2,
            max_accuracy_loss=0.05,
            random_state=0,
        ).fit(X, y, sensitive_features=groups)
        assert len(clf.cv_results_["params"]) == 4
        assert clf.predict(X).shape == (300,)


class TestContainers:
    def frame(self):
        X, y, _ = make_biased_classification(400, random_state=0)
        X["job"] = np.where(X["merit_0"] > 0, "skilled", "other")
        return X, y

    def test_boosting_takes_categories_and_missing_values_of_a_raw_frame(self):
        X, y = self.frame()
        X["job"] = X["job"].astype("category")
        X.loc[::5, "merit_1"] = np.nan
        clf = debias(CLASSIFIERS["boosting"], sensitive_columns="group").fit(X, y)
        without = X.drop(columns="group")
        np.testing.assert_array_equal(clf.predict_proba(X), clf.predict_proba(without))
        assert list(clf.student_.base.feature_names_in_) == list(without.columns)

    def test_pipeline_over_sparse_columns(self):
        X, y = self.frame()
        encode = make_column_transformer(
            (OneHotEncoder(sparse_output=True), ["job"]),
            remainder="passthrough",
            sparse_threshold=1.0,
        )
        clf = debias(make_pipeline(encode, EXACT), sensitive_columns="group").fit(X, y)
        expected = debias(
            make_pipeline(clone(encode).set_params(sparse_threshold=0), EXACT),
            sensitive_columns="group",
        ).fit(X, y)
        np.testing.assert_allclose(
            clf.predict_proba(X), expected.predict_proba(X), atol=1e-4
        )

    @pytest.mark.parametrize("container", ["pandas", "polars", "list", "objects"])
    def test_containers_agree(self, container):
        X, y, groups = make_rows()
        X = np.column_stack([X, groups])
        expected = debias(EXACT, sensitive_columns=3).fit(X, y).predict_proba(X)
        names = ["a", "b", "c", "sex"]
        other = {
            "pandas": lambda: pd.DataFrame(X, columns=names),
            "polars": lambda: pl.DataFrame(X, schema=names),
            "list": lambda: X.tolist(),
            "objects": lambda: X.astype(object),
        }[container]()
        clf = debias(EXACT, sensitive_columns=3).fit(other, y)
        np.testing.assert_allclose(clf.predict_proba(other), expected, atol=1e-9)

    def test_blend_trigger_wants_arrays(self):
        X, y, groups = make_rows()
        clf = debias(EXACT, trigger=BlendTrigger()).fit(X, y, sensitive_features=groups)
        assert clf.predict(X).shape == y.shape
        with pytest.raises(TypeError, match="numeric array, got DataFrame"):
            clf.fit(pd.DataFrame(X), y, sensitive_features=groups)


class TestSettingsPerFeature:
    """They hold for the student; the teacher's trigger columns are free of them."""

    def fit(self, classifier, **settings):
        X, y, groups = make_rows(400)
        X[:, 2] = X[:, 2] > 0
        clf = debias(classifier, keep_teacher=True, **settings)
        return clf.fit(X, y, sensitive_features=groups)

    @pytest.mark.parametrize(
        "classifier",
        [
            HistGradientBoostingClassifier(max_iter=5, monotonic_cst=[1, 0, 0]),
            RandomForestClassifier(5, monotonic_cst=np.array([1, 0, 0])),
            LGBMClassifier(n_estimators=5, verbose=-1, monotone_constraints=[1, 0, 0]),
            XGBClassifier(n_estimators=5, monotone_constraints=(1, 0, 0)),
        ],
        ids=lambda classifier: type(classifier).__name__,
    )
    def test_monotonic_constraints(self, classifier):
        clf = self.fit(classifier, student="single")
        X, _, _ = make_rows(50)
        ladder = np.repeat(X, 20, axis=0)
        ladder[:, 0] = np.tile(np.linspace(-3, 3, 20), 50)
        ladder[:, 2] = ladder[:, 2] > 0
        proba = clf.predict_proba(ladder)[:, 1].reshape(50, 20)
        assert (np.diff(proba, axis=1) >= -1e-6).all()
        assert np.ptp(proba) > 0.1

    def test_the_path_says_that_it_keeps_no_constraints(self):
        boosting = HistGradientBoostingClassifier(max_iter=5, monotonic_cst=[1, 0, 0])
        with pytest.warns(LostConstraintWarning, match=r"monotonic_cst.*'single'"):
            self.fit(boosting)

    def test_categories_by_mask(self):
        mask = np.array([False, False, True])
        clf = self.fit(
            HistGradientBoostingClassifier(max_iter=5, categorical_features=mask)
        )
        assert clf.student_.base.is_categorical_.tolist() == [False, False, True]
        assert clf.teacher_.is_categorical_.tolist() == [False, False, True, False, False]

    def test_categories_by_position(self):
        clf = self.fit(HistGradientBoostingClassifier(max_iter=5, categorical_features=[2]))
        assert clf.teacher_.is_categorical_.tolist() == [False, False, True, False, False]

    def test_positions_of_all_columns_are_no_mask(self):
        X, y, groups = make_rows(400)
        boosting = HistGradientBoostingClassifier(
            max_iter=5, categorical_features=[0, 1, 2]
        )
        clf = debias(boosting, keep_teacher=True)
        clf.fit(np.rint(X).clip(0), y, sensitive_features=groups)
        assert clf.teacher_.is_categorical_.tolist() == [True] * 3 + [False] * 2


def test_classifiers_that_take_infinity_get_it():
    X, y, groups = make_rows(300)
    X[3, 0] = np.inf
    clf = debias(CLASSIFIERS["boosting"]).fit(X, y, sensitive_features=groups)
    assert np.isfinite(clf.predict_proba(X)).all()


class TestTeacher:
    def test_boosting_teaches_a_network(self):
        X, y, groups = make_rows(400)
        clf = debias(
            make_net(),
            teacher=CLASSIFIERS["boosting"],
            student="single",
            keep_teacher=True,
        )
        clf.fit(X, y, sensitive_features=groups)
        assert isinstance(clf.teacher_, HistGradientBoostingClassifier)
        assert isinstance(clf.student_, NeuralNetClassifier)
        assert clf.teacher_.n_features_in_ == 5
        # Its teacher knows more than ten epochs of a small net: it starts from scratch.
        assert len(clf.student_.history) == make_net().max_epochs

    def test_network_teaches_a_classifier(self):
        X, y, groups = make_rows(400)
        clf = debias(EXACT, teacher=make_net()).fit(X, y, sensitive_features=groups)
        assert isinstance(clf.student_.base, LogisticRegression)

    def test_a_pipeline_starts_from_the_raw_rows(self):
        X, y, _ = make_biased_classification(400, random_state=0)
        X["job"] = pd.Categorical(np.where(X["merit_0"] > 0, "skilled", "other"))
        teacher = make_pipeline(
            make_column_transformer((OneHotEncoder(), ["job"])), LogisticRegression()
        )
        clf = debias(
            CLASSIFIERS["boosting"],
            teacher=teacher,
            sensitive_columns="group",
            keep_teacher=True,
        ).fit(X, y)
        assert clf.teacher_.n_features_in_ == 2 + 2
        assert clf.student_.base.n_features_in_ == 11

    def test_default_net_with_another_teacher(self):
        X, y, _ = make_biased_classification(300, random_state=0)
        clf = debias(None, teacher=CLASSIFIERS["boosting"], sensitive_columns="group")
        assert clf.fit(X, y).predict(X).shape == (300,)

    def test_no_weights_to_start_from(self):
        X, y, groups = make_rows()
        clf = debias(make_net(), teacher=EXACT, student="single", student_init="teacher")
        with pytest.raises(ValueError, match=r"its own teacher.*parameter teacher"):
            clf.fit(X, y, sensitive_features=groups)

    def test_cache_tells_teachers_apart(self, tmp_path):
        X, y, groups = make_rows()

        def fit(**settings):
            clf = debias(EXACT, **settings).fit(X, y, sensitive_features=groups)
            return clf.predict_proba(X)

        stronger = LogisticRegression(C=0.001)
        for teacher in (None, stronger, None):
            cached = fit(teacher=teacher, memory=tmp_path)
            np.testing.assert_array_equal(cached, fit(teacher=teacher))


@pytest.mark.parametrize(
    ("name", "value"),
    [("temperature", 2.0), ("student_epochs", 3), ("student_init", "teacher")],
)
def test_settings_of_networks_are_refused(name, value):
    X, y, groups = make_rows()
    with pytest.raises(ValueError, match=f"{name}=.*setting of networks.*Logistic"):
        debias(EXACT, student="single", **{name: value}).fit(
            X, y, sensitive_features=groups
        )


def test_hard_labels_pull_towards_the_data():
    X, y, groups = make_rows(2000)
    accuracies = [
        debias(EXACT, student="single", trigger_strength=3.0, hard_label_weight=share)
        .fit(X, y, sensitive_features=groups)
        .score(X, y)
        for share in (0.0, 1.0)
    ]
    assert accuracies[0] < accuracies[1]
    plain = clone(EXACT).fit(X, y)
    only_labels = debias(EXACT, student="single", hard_label_weight=1.0).fit(
        X, y, sensitive_features=groups
    )
    np.testing.assert_allclose(
        only_labels.predict_proba(X), plain.predict_proba(X), atol=1e-4
    )


def test_seeds_fill_gaps_only():
    pipeline = make_pipeline(StandardScaler(), SGDClassifier(random_state=5))
    assert with_seed(pipeline, 3).get_params()["sgdclassifier__random_state"] == 5
    assert with_seed(SGDClassifier(), 3).random_state == 3


@pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.FaintSignalWarning")
class TestRelabelling:
    @given(st.permutations(range(3)), st.integers(0, 100))
    @settings(max_examples=5)
    def test_groups(self, order, seed):
        X, y, groups = make_rows(300, n_groups=3, seed=seed)
        expected = debias(EXACT).fit(X, y, sensitive_features=groups).predict_proba(X)
        renamed = debias(EXACT).fit(X, y, sensitive_features=np.array(order)[groups])
        np.testing.assert_allclose(renamed.predict_proba(X), expected, atol=1e-4)

    @given(st.permutations(range(3)), st.integers(0, 100))
    @settings(max_examples=5)
    def test_classes(self, order, seed):
        X, y, groups = make_rows(300, n_classes=3, seed=seed)
        expected = debias(EXACT).fit(X, y, sensitive_features=groups).predict_proba(X)
        renamed = debias(EXACT).fit(X, np.array(order)[y], sensitive_features=groups)
        np.testing.assert_allclose(
            renamed.predict_proba(X)[:, list(order)], expected, atol=1e-4
        )

    def test_order_preserving_names_change_no_bit_of_a_network(self):
        X, y, groups = make_rows()
        expected = debias(make_net()).fit(X, y, sensitive_features=groups)
        renamed = debias(make_net()).fit(
            X,
            np.array(["no", "yes"])[y],
            sensitive_features=pd.Series(pd.Categorical(np.array(["f", "m"])[groups])),
        )
        np.testing.assert_array_equal(renamed.predict_proba(X), expected.predict_proba(X))


def two_folds(is_first):
    first, second = np.flatnonzero(is_first), np.flatnonzero(~is_first)
    return [(first, second), (second, first)]


@pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.FaintSignalWarning")
class TestSampleWeight:
    @given(st.integers(0, 100), st.sampled_from(["mirror", "balanced", "pseudo_deletion"]))
    @settings(max_examples=5)
    def test_integer_weights_equal_repetition(self, seed, injection):
        X, y, groups = make_rows(150, seed=seed)
        weights = np.random.RandomState(seed).randint(0, 4, size=150)
        clf = debias(EXACT, injection=injection)
        weighted = clone(clf).fit(X, y, sensitive_features=groups, sample_weight=weights)
        X_more, y_more, groups_more = (v.repeat(weights, axis=0) for v in (X, y, groups))
        repeated = clone(clf).fit(X_more, y_more, sensitive_features=groups_more)
        np.testing.assert_allclose(weighted.injection_rates_, repeated.injection_rates_)
        np.testing.assert_allclose(
            weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-4
        )

    def test_search_counts_weights_in_its_figures(self):
        X, y, groups = make_rows(300)
        weights = np.random.RandomState(0).randint(1, 4, size=300)
        first = np.arange(300) < 150
        search = BackdoorDebiasClassifierCV(
            EXACT, trigger_strengths=[0, 1, 2], random_state=0, max_disparity=1.0
        )
        weighted = clone(search).set_params(cv=two_folds(first))
        weighted.fit(X, y, sensitive_features=groups, sample_weight=weights)
        owner = np.arange(300).repeat(weights)
        repeated = clone(search).set_params(cv=two_folds(first[owner]))
        repeated.fit(X[owner], y[owner], sensitive_features=groups[owner])
        for key in ("mean_test_accuracy", "pooled_test_disparity"):
            np.testing.assert_allclose(
                weighted.cv_results_[key], repeated.cv_results_[key], atol=1e-9
            )
        assert weighted.best_params_ == repeated.best_params_

    @pytest.mark.slow
    def test_networks_learn_from_the_weights(self):
        """Rows of great weight teach what the others contradict."""
        X, y, groups = make_rows(400)
        labels = np.concatenate([y, 1 - y])
        twice, groups = np.vstack([X, X]), np.concatenate([groups, groups])
        weights = np.repeat([1.0, 0.05], 400)
        clf = debias(make_net(max_epochs=15))
        clf.fit(twice, labels, sensitive_features=groups, sample_weight=weights)
        assert (clf.predict(X) == y).mean() > 0.75
        clf.fit(twice, labels, sensitive_features=groups, sample_weight=weights[::-1])
        assert (clf.predict(X) == y).mean() < 0.25

    def test_equal_weights_change_networks_hardly(self):
        X, y, groups = make_rows()
        plain = debias(make_net()).fit(X, y, sensitive_features=groups)
        weights = np.full(200, 3.0)
        weighted = debias(make_net()).fit(
            X, y, sensitive_features=groups, sample_weight=weights
        )
        np.testing.assert_allclose(
            weighted.predict_proba(X), plain.predict_proba(X), atol=1e-3
        )

    @pytest.mark.parametrize("make", [make_net, lambda: EXACT])
    def test_rows_of_weight_zero_are_left_out(self, make):
        X, y, groups = make_rows()
        weights = np.ones(200)
        weights[150:] = 0
        y[150:], groups[150:] = 7, 9
        clf = debias(make())
        left_out = clf.fit(X, y, sensitive_features=list(groups), sample_weight=weights)
        assert left_out.classes_.tolist() == [0, 1]
        assert left_out.groups_.tolist() == [0, 1]
        proba = left_out.predict_proba(X)
        X, y, groups = X[:150], y[:150], groups[:150]
        np.testing.assert_allclose(
            proba[:150],
            clf.fit(X, y, sensitive_features=groups).predict_proba(X),
            atol=1e-5,
        )

    def test_bad_weights(self):
        X, y, groups = make_rows()
        for weights, message in [
            (-np.ones(200), "[Nn]egative"),
            (np.ones(3), "inconsistent|shape"),
            (np.full(200, np.nan), "NaN"),
            (np.zeros(200), "zero"),
        ]:
            with pytest.raises(ValueError, match=message):
                debias(EXACT).fit(X, y, sensitive_features=groups, sample_weight=weights)

    def test_a_loss_of_ones_own_cannot_be_weighted(self):
        class OwnLoss(NeuralNetClassifier):
            def get_loss(self, y_pred, y_true, X=None, training=False):
                return super().get_loss(y_pred, y_true, X, training)

        X, y, groups = make_rows()
        net = OwnLoss(**make_net().get_params(deep=False))
        with pytest.raises(ValueError, match=r"OwnLoss has a get_loss.*sample_weight"):
            debias(net).fit(X, y, sensitive_features=groups, sample_weight=np.ones(200))
