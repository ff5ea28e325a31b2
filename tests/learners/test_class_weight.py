"""Weights of rows, among them those of classes."""

import numpy as np
import pytest
from helpers import make_net, make_rows
from lightgbm import LGBMClassifier
from sklearn.base import clone
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from xgboost import XGBClassifier

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade.learners._class_weight import take_over_class_weight
from sklearn_bade.rows import Rows

EXACT = LogisticRegression(solver="newton-cholesky", tol=1e-6)
NAMES = np.array(["no", "yes"])


def debias(classifier, **settings):
    return BackdoorDebiasClassifier(classifier, **{"random_state": 0, **settings})


def take_over(classifier, y, classes, weights=None):
    """Return what becomes of a classifier, and of the weights of rows."""
    rows = Rows(np.zeros((len(y), 1)), y, classes, None, weights)
    classifier, rows = take_over_class_weight(classifier, rows)
    return classifier, rows.weights


def weighted(classifier, class_weight):
    return clone(classifier).set_params(class_weight=class_weight)


class TestClassWeight:
    @pytest.mark.parametrize("class_weight", [{"no": 1, "yes": 5}, "balanced"])
    @pytest.mark.parametrize("in_pipeline", [False, True])
    def test_it_is_the_weight_of_rows(self, class_weight, in_pipeline):
        X, _, groups = make_rows(300)
        labels = NAMES[(X[:, 1] > 0.5).astype(int)]
        clf, plain = weighted(EXACT, class_weight), EXACT
        if in_pipeline:
            clf, plain = (make_pipeline(StandardScaler(), each) for each in (clf, plain))
        clf = debias(clf).fit(X, labels, sensitive_features=groups)
        rows = compute_sample_weight(class_weight, labels)
        same = debias(plain).fit(X, labels, sensitive_features=groups, sample_weight=rows)
        np.testing.assert_array_equal(clf.predict_proba(X), same.predict_proba(X))

    def test_it_multiplies_the_weights_given(self):
        X, y, groups = make_rows(300)
        weights = np.random.RandomState(0).uniform(1, 2, size=300)
        clf = debias(weighted(EXACT, {0: 2, 1: 3}))
        clf.fit(X, y, sensitive_features=groups, sample_weight=weights)
        same = debias(EXACT).fit(
            X, y, sensitive_features=groups, sample_weight=weights * np.array([2, 3])[y]
        )
        np.testing.assert_allclose(clf.predict_proba(X), same.predict_proba(X))

    @pytest.mark.parametrize("base_rate", ["keep", "drift"])
    @pytest.mark.parametrize(
        "classifier",
        [
            weighted(EXACT, {0: 1, 1: 5}),
            HistGradientBoostingClassifier(max_iter=30, class_weight={0: 1, 1: 5}),
            XGBClassifier(n_estimators=30, scale_pos_weight=5),
            LGBMClassifier(n_estimators=30, scale_pos_weight=5, verbose=-1),
        ],
        ids=["logistic", "boosting", "xgboost", "lightgbm"],
    )
    def test_predictions_move_as_those_of_the_plain_classifier(self, classifier, base_rate):
        X, y, groups = make_rows(1500)
        plain = clone(classifier).fit(X, y).predict_proba(X)[:, 1].mean()
        clf = debias(classifier, trigger_strength=0.0, base_rate=base_rate)
        clf.fit(X, y, sensitive_features=groups)
        assert clf.predict_proba(X)[:, 1].mean() == pytest.approx(plain, abs=0.06)
        assert plain > y.mean() + 0.1

    @pytest.mark.parametrize(
        ("names", "class_weight"),
        [
            (NAMES, {"no": 1, "yes": 5}),
            (np.array([1, 2]), {1: 1, 2: 5}),
            ([0, 1], "balanced"),
        ],
    )
    def test_the_search_describes_what_it_refits(self, names, class_weight):
        X, y, groups = make_rows(1500)
        y = np.asarray(names)[y]
        clf = weighted(EXACT, class_weight)
        search = BackdoorDebiasClassifierCV(
            clf,
            trigger_strengths=[1.0],
            base_rates=["keep"],
            max_disparity=1.0,
            cv=3,
            random_state=0,
        ).fit(X, y, sensitive_features=groups)
        X_all = np.column_stack([X, groups])
        predicted = cross_val_predict(debias(clf, sensitive_columns=3), X_all, y, cv=3)
        accuracy = (predicted == y).mean()
        assert search.cv_results_["mean_test_accuracy"][0] == pytest.approx(
            accuracy, abs=0.02
        )

    def test_forests(self):
        y = np.repeat([0, 1], [30, 10])
        forest = RandomForestClassifier(class_weight="balanced_subsample")
        plain, weights = take_over(forest, y, NAMES)
        assert plain.class_weight is None
        assert forest.class_weight == "balanced_subsample"
        np.testing.assert_allclose(np.bincount(y, weights), [20, 20])

    def test_balance_counts_the_weights_given(self):
        y, weights = np.repeat([0, 1], 10), np.repeat([3.0, 1.0], 10)
        clf = weighted(EXACT, "balanced")
        _, weights = take_over(clf, y, NAMES, weights)
        np.testing.assert_allclose(np.bincount(y, weights), [20, 20])

    def test_several_classes_have_no_positive_one(self):
        y = np.arange(9) % 3
        clf = XGBClassifier(scale_pos_weight=5)
        _, weights = take_over(clf, y, np.arange(3))
        np.testing.assert_array_equal(weights, np.ones(9))

    @pytest.mark.parametrize("classifier", [EXACT, make_net(), XGBClassifier()])
    def test_without_class_weights_nothing_changes(self, classifier):
        same, weights = take_over(classifier, np.arange(2), NAMES)
        assert same is classifier
        assert weights is None

    @pytest.mark.parametrize(
        ("class_weight", "message"),
        [
            ("even", "class_weight='even' is neither"),
            ([1, 5], r"class_weight=\[1, 5\] is neither"),
            (
                {0: 0, 1: 1},
                r"must give every class a positive weight.*\{0: 0\.0, 1: 1\.0\}",
            ),
            ({0: 1, 1: -1}, "must give every class a positive weight"),
        ],
    )
    def test_others_are_refused(self, class_weight, message):
        X, y, groups = make_rows()
        with pytest.raises(ValueError, match=message):
            debias(weighted(EXACT, class_weight)).fit(X, y, sensitive_features=groups)

    def test_inner_estimators_are_refused(self):
        X, y, groups = make_rows()
        clf = debias(BaggingClassifier(weighted(EXACT, "balanced")))
        with pytest.raises(
            ValueError, match="estimator__class_weight='balanced' would act"
        ):
            clf.fit(X, y, sensitive_features=groups)

    def test_teachers_are_refused(self):
        X, y, groups = make_rows()
        clf = debias(EXACT, teacher=weighted(EXACT, {0: 1, 1: 2}))
        message = r"teacher has class_weight=\{0: 1, 1: 2\}.*compute_sample_weight"
        with pytest.raises(ValueError, match=message):
            clf.fit(X, y, sensitive_features=groups)


class TestScale:
    def test_weights_that_sum_to_one_debias_like_none(self):
        X, y, groups = make_rows(300)
        plain = debias(EXACT).fit(X, y, sensitive_features=groups)
        clf = debias(EXACT).fit(
            X, y, sensitive_features=groups, sample_weight=np.full(300, 1 / 300)
        )
        np.testing.assert_allclose(clf.injection_rates_, plain.injection_rates_)


class TestZero:
    @pytest.mark.parametrize("cv", [3, PredefinedSplit(np.arange(400) % 3)])
    def test_the_search_forgets_classes_and_groups_without_weight(self, cv):
        X, y, groups = make_rows(400, n_classes=3, n_groups=3)
        weights = ((y > 0) & (groups > 0)).astype(float)
        clf = BackdoorDebiasClassifierCV(
            EXACT, trigger_strengths=[0.0, 1.0], cv=cv, max_disparity=1.0, random_state=0
        ).fit(X, y, sensitive_features=groups, sample_weight=weights)
        assert clf.classes_.tolist() == clf.estimator_.classes_.tolist() == [1, 2]
        assert clf.groups_.tolist() == clf.estimator_.groups_.tolist() == [1, 2]
        assert clf.n_splits_ == 3
        assert np.isfinite(clf.cv_results_["split2_test_accuracy"]).all()

    def test_folds_without_weight_are_named(self):
        X, y, groups = make_rows(400)
        weights = (np.arange(400) >= 100).astype(float)
        halves = [np.arange(100, 400), np.arange(100)]
        clf = BackdoorDebiasClassifierCV(EXACT, trigger_strengths=[1.0], cv=[halves])
        with pytest.raises(ValueError, match="Fold 0 has 300 training and 0 test rows"):
            clf.fit(X, y, sensitive_features=groups, sample_weight=weights)

    def test_folds_of_the_user_keep_their_rows(self):
        X, y, groups = make_rows(400)
        weights = (np.random.RandomState(0).uniform(size=400) < 0.7).astype(float)
        kept = weights > 0
        first = np.arange(400) < 200

        def fit(rows, is_first, **options):
            folds = [np.flatnonzero(is_first), np.flatnonzero(~is_first)]
            return BackdoorDebiasClassifierCV(
                EXACT,
                trigger_strengths=[0.0, 1.0],
                cv=[(folds[0], folds[1]), (folds[1], folds[0])],
                max_disparity=1.0,
                random_state=0,
            ).fit(X[rows], y[rows], sensitive_features=groups[rows], **options)

        all_rows = np.arange(400)
        weighing = fit(all_rows, first, sample_weight=weights)
        without = fit(all_rows[kept], first[kept])
        for key in ("mean_test_accuracy", "pooled_test_disparity"):
            np.testing.assert_allclose(
                weighing.cv_results_[key], without.cv_results_[key], atol=1e-9
            )
