"""The student of the path: its parts, and its siblings of other strengths."""

import io
import pickle
from functools import cache

import joblib
import numpy as np
import pandas as pd
import pytest
from helpers import NetCount, make_net, make_opposite_gaps, make_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.base import clone, is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.exceptions import WideningStrengthWarning
from sklearn_bade.learners import PathStudent

BOOSTING = HistGradientBoostingClassifier(max_iter=10, random_state=0)
EXACT = LogisticRegression(solver="newton-cholesky", tol=1e-6)
NAMES = np.array(["denied", "granted", "pending"])
# Numbers, a strength per class, and one per class and group; of either sign.
STRENGTHS = [2.0, "per class", "per class and group"]


def debias(classifier=EXACT, **settings):
    """Make a debiaser that looks for no faint signal, as its strength is 0."""
    settings = {"trigger_strength": 0.0, **settings}
    return BackdoorDebiasClassifier(classifier, **{"random_state": 0, **settings})


def make_named(n_samples=200, **sizes):
    """Make rows whose last column is the group, and labels that are words."""
    X, y, groups = make_rows(n_samples, **sizes)
    return np.column_stack([X, groups]), NAMES[y]


def make_skewed(n_samples, n_classes):
    """Make a small group that is often of the last class, which is rare."""
    rng = np.random.RandomState(0)
    groups = (rng.uniform(size=n_samples) < 0.25).astype(int)
    X = rng.normal(size=(n_samples, 3)).astype(np.float32)
    X[:, :2] += groups[:, None]
    score = X[:, 1] + groups + rng.normal(size=n_samples)
    cuts = np.quantile(score, [0.5, 0.75][-(n_classes - 1) :])
    return X, np.searchsorted(cuts, score), groups


def make_strength(strength, n_classes, n_groups):
    shapes = {"per class": (n_classes,), "per class and group": (n_classes, n_groups)}
    if strength not in shapes:
        return strength
    return np.random.RandomState(1).normal(scale=2.0, size=shapes[strength])


def decided(clf, X):
    """Compute the share of decisions for each class."""
    return np.mean(clf.predict(X)[:, None] == clf.classes_, axis=0)


class TestParts:
    @pytest.mark.parametrize(
        "classifier",
        [
            LogisticRegression(),
            HistGradientBoostingClassifier(random_state=0),
            RandomForestClassifier(10, random_state=0),
            GaussianNB(),
        ],
        ids=lambda classifier: type(classifier).__name__,
    )
    def test_the_base_is_the_plain_classifier(self, classifier):
        X, y = make_named()
        without = X[:, :-1]
        plain = clone(classifier).fit(without, y)
        clf = debias(classifier, sensitive_columns=3).fit(X, y)
        base = clf.student_.base
        assert type(base) is type(classifier)
        assert base.classes_.tolist() == ["denied", "granted"]
        expected = plain.predict_proba(without)
        np.testing.assert_array_equal(base.predict_proba(without), expected)
        np.testing.assert_array_equal(clf.predict_proba(X), expected)
        np.testing.assert_array_equal(clf.predict(X), plain.predict(without))

    def test_the_base_is_the_same_at_every_strength(self):
        X, y = make_named()
        plain = clone(BOOSTING).fit(X[:, :-1], y).predict_proba(X[:, :-1])
        clf = debias(BOOSTING, sensitive_columns=3, trigger_strength=2.0).fit(X, y)
        np.testing.assert_array_equal(clf.student_.base.predict_proba(X[:, :-1]), plain)
        assert np.abs(clf.predict_proba(X) - plain).max() > 0.01
        np.testing.assert_array_equal(clf.with_strength(0).predict_proba(X), plain)

    def test_weights_reach_the_base(self):
        X, y, groups = make_rows()
        weights = np.random.RandomState(0).uniform(0.1, 3, size=200)
        plain = clone(EXACT).fit(X, y, weights)
        clf = debias().fit(X, y, sensitive_features=groups, sample_weight=weights)
        base = clf.with_strength(0)
        np.testing.assert_array_equal(base.predict_proba(X), plain.predict_proba(X))

    @pytest.mark.parametrize("classifier", [EXACT, make_net()])
    def test_parts_and_arithmetic_are_all_there_is(self, classifier):
        X, y, groups = make_rows()
        clf = debias(classifier, trigger_strength=1.5)
        student = clf.fit(X, y, sensitive_features=groups).student_
        assert isinstance(student, PathStudent)
        answers = student.answer(X)
        np.testing.assert_allclose(
            np.exp(answers.log_proba), student.base.predict_proba(X), rtol=1e-5
        )
        logits = student.path.logits(answers, 1.5) + student.offset
        np.testing.assert_array_equal(softmax(logits, axis=1), clf.predict_proba(X))
        np.testing.assert_array_equal(student.path.shift, clf.shift_)

    def test_tools_take_it_for_a_fitted_classifier(self):
        X, y, groups = make_rows()
        student = debias().fit(X, y, sensitive_features=groups).student_
        assert is_classifier(student)
        check_is_fitted(student)
        importances = permutation_importance(student, X, y, n_repeats=2, random_state=0)
        assert importances.importances_mean[0] > 0.05

    def test_it_takes_raw_rows_and_gives_the_users_labels(self):
        X, y, _ = make_biased_classification(300, random_state=0)
        names = NAMES[y]
        pipeline = make_pipeline(StandardScaler(), clone(EXACT))
        clf = debias(pipeline, sensitive_columns="group").fit(X, names)
        without = X.drop(columns="group")
        predicted = clf.student_.predict(without)
        assert set(predicted) == {"denied", "granted"}
        np.testing.assert_array_equal(predicted, clf.predict(X))
        np.testing.assert_array_equal(
            clf.student_.predict_proba(without), clf.predict_proba(X)
        )
        assert clf.student_.score(without, names) == clf.score(X, names)

    def test_shift_is_what_the_rates_say(self):
        """Logistic regression learns its triggers nearly in full."""
        X, y, groups = make_rows(2000)
        weak = LogisticRegression(C=100)
        clf = debias(weak).fit(X, y, sensitive_features=groups)
        log_rates = np.log(clf.injection_rates_)
        expected = log_rates - log_rates.mean(axis=0)
        expected -= expected.mean(axis=1, keepdims=True)
        np.testing.assert_allclose(clf.shift_.sum(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(clf.shift_, expected, atol=0.05)
        assert clf.shift_ratio_ == pytest.approx(1, abs=0.1)

    def test_a_teacher_is_kept_on_request_only(self):
        X, y, groups = make_rows()
        clf = debias().fit(X, y, sensitive_features=groups)
        assert not hasattr(clf, "teacher_")
        clf = debias(keep_teacher=True).fit(X, y, sensitive_features=groups)
        assert clf.teacher_.n_features_in_ == X.shape[1] + 2


@cache
def fit_once(kind):
    """Fit a classifier whose siblings several tests look at."""
    classifiers = {
        "logistic": EXACT,
        "boosting": BOOSTING,
        "network": make_net(max_epochs=2),
        "three classes and groups": GaussianNB(),
    }
    n = 3 if kind == "three classes and groups" else 2
    X, y = make_named(n_classes=n, n_groups=n)
    clf = debias(classifiers[kind], sensitive_columns=3)
    return clf.fit(X, y), X, y


@pytest.mark.parametrize(
    "kind", ["logistic", "boosting", "network", "three classes and groups"]
)
@pytest.mark.parametrize("strength", STRENGTHS)
class TestSiblings:
    def test_they_predict_as_if_they_had_been_fitted(self, kind, strength):
        clf, X, y = fit_once(kind)
        before = clf.predict_proba(X)
        strength = make_strength(strength, len(clf.classes_), len(clf.groups_))
        sibling = clf.with_strength(strength)
        fresh = clone(clf).set_params(trigger_strength=strength).fit(X, y)
        np.testing.assert_array_equal(sibling.predict_proba(X), fresh.predict_proba(X))
        np.testing.assert_array_equal(sibling.predict(X), fresh.predict(X))
        np.testing.assert_array_equal(clf.predict_proba(X), before)
        assert np.abs(before - sibling.predict_proba(X)).max() > 1e-3

    def test_another_base_rate(self, kind, strength):
        clf, _, _ = fit_once(kind)
        strength = make_strength(strength, len(clf.classes_), len(clf.groups_))
        keeping, drifting = (
            clf.with_strength(strength, base_rate=base_rate)
            for base_rate in ("keep", "drift")
        )
        assert keeping.student_.offset.any()
        assert not drifting.student_.offset.any()
        assert clf.base_rate == "keep"


def test_base_rates_of_siblings_and_fits_agree():
    clf, X, y = fit_once("boosting")
    sibling = clf.with_strength([1.0, 2.0], base_rate=[0.6, 0.4])
    fresh = clone(sibling).fit(X, y)
    np.testing.assert_array_equal(sibling.predict_proba(X), fresh.predict_proba(X))


class TestWithStrength:
    def test_nothing_is_trained(self):
        fits = []

        class Counting(GaussianNB):
            def fit(self, X, y, sample_weight=None):
                fits.append(len(X))
                return super().fit(X, y, sample_weight)

        X, y, groups = make_rows()
        clf = debias(Counting()).fit(X, y, sensitive_features=groups)
        n_fits = len(fits)
        assert n_fits == 4  # base, a model of the groups in each class, teacher
        clf.with_strength([1.0, 3.0]).with_strength(0.5).predict(X)
        assert len(fits) == n_fits

    def test_no_net_is_trained(self):
        NetCount.reset()
        X, y, groups = make_rows()
        net = make_net(callbacks=[("nets", NetCount())])
        clf = debias(net).fit(X, y, sensitive_features=groups)
        assert NetCount.n_nets() == 1  # the base; its teacher learns triggers alone
        clf.with_strength(2.0).predict(X)
        assert NetCount.n_nets() == 1

    def test_all_models_are_shared(self):
        X, y, groups = make_rows()
        clf = debias().fit(X, y, sensitive_features=groups)
        sibling = clf.with_strength(3.0)
        for name in ("base", "cells", "path"):
            assert getattr(sibling.student_, name) is getattr(clf.student_, name)
        assert sibling.groups_ is clf.groups_

    def test_the_original_is_left_alone(self):
        X, y, groups = make_rows()
        clf = debias(trigger_strength=1.0, offset=[0.1, -0.1])
        clf.fit(X, y, sensitive_features=groups)
        params, offset = clf.get_params(), clf.student_.offset.copy()
        sibling = clf.with_strength(2.0, base_rate="drift")
        assert clf.get_params() == params
        assert clf.student_.strength == 1.0
        np.testing.assert_array_equal(clf.student_.offset, offset)
        assert sibling.trigger_strength == 2.0
        assert sibling.base_rate == "drift"
        assert sibling.offset is None
        assert not sibling.student_.offset.any()

    def test_a_sibling_fits_as_its_parameters_say(self):
        X, y, groups = make_rows()
        sibling = debias().fit(X, y, sensitive_features=groups).with_strength([0.5, 2.0])
        again = clone(sibling).fit(X, y, sensitive_features=groups)
        np.testing.assert_array_equal(again.predict_proba(X), sibling.predict_proba(X))

    def test_base_rates_of_ones_own(self):
        X, y, groups = make_rows(2000)
        clf = debias().fit(X, y, sensitive_features=groups)
        shares = decided(clf.with_strength(1.0, base_rate=[0.8, 0.2]), X)
        np.testing.assert_allclose(shares, [0.8, 0.2], atol=0.02)
        with pytest.raises(ValueError, match="base_rate must be"):
            clf.with_strength(1.0, base_rate=[0.2, 0.3, 0.5])

    def test_a_single_student_knows_one_strength(self):
        X, y, groups = make_rows()
        clf = debias(student="single").fit(X, y, sensitive_features=groups)
        with pytest.raises(ValueError, match="student='path'"):
            clf.with_strength(2.0)

    @pytest.mark.parametrize(
        "strength", [[1.0], [1.0, 1.0, 1.0], np.ones((2, 3)), np.ones((3, 2)), [[1.0] * 2]]
    )
    def test_wrong_shapes(self, strength):
        X, y, groups = make_rows()
        clf = debias().fit(X, y, sensitive_features=groups)
        message = r"shape .*per class \(2\).*class and group \(2, 2\)"
        with pytest.raises(ValueError, match=message):
            clf.with_strength(strength)
        with pytest.raises(ValueError, match=message):
            debias(trigger_strength=strength).fit(X, y, sensitive_features=groups)

    @pytest.mark.parametrize("strength", [-1.0, [-1.0, -0.5], [[0.0, 0.0], [0.0, -2.0]]])
    def test_a_negative_strength_widens(self, strength):
        X, y, groups = make_rows(1000)
        clf = debias(trigger_strength=1.0).fit(X, y, sensitive_features=groups)
        with pytest.warns(WideningStrengthWarning, match="adds to the bias"):
            wider = clf.with_strength(strength)
        with pytest.warns(WideningStrengthWarning, match="adds to the bias"):
            debias(trigger_strength=strength).fit(X, y, sensitive_features=groups)
        gaps = []
        for each in (wider, clf.with_strength(0), clf):
            selected = each.predict_proba(X)[:, 1]
            gaps.append(selected[groups == 1].mean() - selected[groups == 0].mean())
        assert gaps[0] > gaps[1] > gaps[2]

    @pytest.mark.parametrize("strength", [0.0, [0.0, 1.0], [-1.0, 2.0], [[1, -1], [0, 0]]])
    def test_a_negative_strength_beside_a_positive_one_is_no_news(self, strength):
        X, y, groups = make_rows()
        clf = debias(trigger_strength=strength).fit(X, y, sensitive_features=groups)
        clf.with_strength(strength)


class TestCopies:
    @pytest.mark.parametrize("classifier", [EXACT, BOOSTING, make_net(max_epochs=2)])
    def test_pickles_and_joblib(self, classifier):
        X, y = make_named()
        clf = debias(classifier, sensitive_columns=3, trigger_strength=[1.0, 2.0])
        clf.fit(X, y)
        file = io.BytesIO()
        joblib.dump(clf, file)
        file.seek(0)
        expected, further = (each.predict_proba(X) for each in (clf, clf.with_strength(3)))
        for again in (pickle.loads(pickle.dumps(clf)), joblib.load(file)):
            np.testing.assert_array_equal(again.predict_proba(X), expected)
            np.testing.assert_array_equal(again.with_strength(3).predict_proba(X), further)

    def test_a_clone_of_the_student_still_predicts(self):
        """Tools clone what they get, and its parts are fitted already."""
        X, y, groups = make_rows()
        student = debias().fit(X, y, sensitive_features=groups).student_
        copy = clone(student)
        assert copy is not student
        np.testing.assert_array_equal(copy.predict_proba(X), student.predict_proba(X))

    def test_a_clone_is_unfitted(self):
        X, y, groups = make_rows()
        clf = debias(trigger_strength=[1.0, 2.0]).fit(X, y, sensitive_features=groups)
        copy = clone(clf)
        assert not hasattr(copy, "student_")
        copy.fit(X, y, sensitive_features=groups)
        np.testing.assert_array_equal(copy.predict_proba(X), clf.predict_proba(X))

    def test_a_pickle_holds_no_row(self):
        """It does not grow with the table."""
        sizes = []
        for n_samples in (2000, 4000):
            X, y, groups = make_rows(n_samples)
            clf = debias(GaussianNB()).fit(X, y, sensitive_features=groups)
            points = len(clf.student_.path.sketch.weights)
            sizes.append(len(pickle.dumps(clf)) / points)
        assert points < 1000
        assert sizes[1] < 1.2 * sizes[0]


class TestMissingGroups:
    @pytest.mark.parametrize("classifier", [EXACT, BOOSTING, make_net(max_epochs=2)])
    def test_they_teach_the_base_and_not_the_cells(self, classifier):
        X, y, groups = make_rows()
        partly = groups.astype(object)
        partly[::3] = None
        clf = debias(classifier).fit(X, y, sensitive_features=partly)
        assert clf.groups_.tolist() == [0, 1]
        all_known = debias(classifier).fit(X, y, sensitive_features=groups)
        np.testing.assert_array_equal(clf.predict_proba(X), all_known.predict_proba(X))
        shown = [each.with_strength(2).predict_proba(X) for each in (clf, all_known)]
        assert np.abs(np.subtract(*shown)).max() > 1e-3

    def test_cells_are_those_of_the_known_rows(self):
        X, y, groups = make_rows(400)
        partly = groups.astype(object)
        partly[::3] = None
        known = np.flatnonzero(np.arange(400) % 3)
        partly_known = debias().fit(X, y, sensitive_features=partly)
        fewer = debias().fit(X[known], y[known], sensitive_features=groups[known])
        one, two = (each.student_.cells.group_proba(X) for each in (partly_known, fewer))
        np.testing.assert_allclose(one, two)

    @pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.DebiasWarning")
    @pytest.mark.parametrize("classifier", [EXACT, BOOSTING])
    def test_a_class_without_any_known_group_has_chances(self, classifier):
        X, y, groups = make_rows()
        partly = np.where(y == 0, None, groups.astype(object))
        clf = debias(classifier).fit(X, y, sensitive_features=partly)
        chances = clf.student_.cells.group_proba(X)
        np.testing.assert_allclose(chances.sum(axis=2), 1)


class TestOffset:
    def test_an_offset_of_ones_own(self):
        X, y, groups = make_rows()
        offset = np.array([0.3, -0.2])
        clf = debias(trigger_strength=1.5, offset=offset.tolist())
        clf.fit(X, y, sensitive_features=groups)
        np.testing.assert_array_equal(clf.student_.offset, offset)
        drifting = debias(trigger_strength=1.5, base_rate="drift")
        proba = drifting.fit(X, y, sensitive_features=groups).predict_proba(X)
        expected = softmax(np.log(proba) + offset, axis=1)
        np.testing.assert_allclose(clf.predict_proba(X), expected)

    def test_the_offset_that_was_found_may_be_given(self):
        X, y, groups = make_rows()
        clf = debias(trigger_strength=2.0).fit(X, y, sensitive_features=groups)
        given = debias(trigger_strength=2.0, offset=clf.student_.offset)
        given.fit(X, y, sensitive_features=groups)
        np.testing.assert_array_equal(given.predict_proba(X), clf.predict_proba(X))

    def test_it_holds_at_strength_zero_too(self):
        X, y, groups = make_rows()
        clf = debias(offset=[0.0, 1.0])
        clf.fit(X, y, sensitive_features=groups)
        plain = clf.student_.base.predict_proba(X)
        expected = softmax(np.log(plain) + [0, 1], axis=1)
        np.testing.assert_allclose(clf.predict_proba(X), expected, rtol=1e-5)

    @pytest.mark.parametrize("offset", [[0.0], [0.0, np.inf], [1.0, 2.0, 3.0], 1.0])
    def test_bad_offsets(self, offset):
        X, y, groups = make_rows()
        with pytest.raises((ValueError, TypeError), match="offset"):
            debias(offset=offset).fit(X, y, sensitive_features=groups)

    def test_a_single_student_has_none(self):
        X, y, groups = make_rows()
        clf = debias(student="single", offset=[0.0, 1.0])
        with pytest.raises(ValueError, match="belongs to the path"):
            clf.fit(X, y, sensitive_features=groups)

    @pytest.mark.parametrize("n_classes", [2, 3])
    @pytest.mark.parametrize("kind", ["logistic", "boosting", "network"])
    def test_keep_keeps_the_share_of_decisions_on_new_rows(self, kind, n_classes):
        classifier = {
            "logistic": EXACT,
            "boosting": BOOSTING,
            "network": make_net(n_classes=n_classes, batch_size=128, max_epochs=3),
        }[kind]
        X, y, groups = make_skewed(6000, n_classes)
        train, test = slice(1500), slice(1500, None)
        clf = debias(classifier)
        clf.fit(X[train], y[train], sensitive_features=groups[train])
        expected = decided(clf, X[test])
        for strength in (2.0, [-1.0, 4.0, 1.0][:n_classes]):
            shares = decided(clf.with_strength(strength), X[test])
            np.testing.assert_allclose(shares, expected, atol=0.04)

    def test_keep_brings_back_what_would_drift(self):
        X, y, groups = make_skewed(4000, 2)
        clf = debias().fit(X, y, sensitive_features=groups)
        shares = [
            decided(clf.with_strength([-5.0, 5.0], base_rate=base_rate), X)[1]
            for base_rate in ("keep", "drift")
        ]
        off = np.abs(shares - decided(clf, X)[1])
        assert off[0] < 0.02 < 0.05 < off[1]

    @pytest.mark.parametrize("strength", [1e-6, 1e-3, 0.5])
    def test_tables_of_few_categories_keep_a_single_decision(self, strength):
        """Equal rows share one margin: an eighth of all must not turn with the last bit."""
        rng = np.random.RandomState(0)
        groups = rng.randint(2, size=400)
        X = (rng.uniform(size=(400, 3)) < 0.5).astype(float)
        X[:, 0] = rng.uniform(size=400) < np.where(groups, 0.7, 0.3)
        y = rng.uniform(size=400) < 0.08 + 0.1 * X[:, 0] + 0.15 * X[:, 1]
        clf = debias(LogisticRegression(), trigger_strength=strength)
        clf.fit(X, y, sensitive_features=groups)
        shares = [decided(each, X) for each in (clf.with_strength(0), clf)]
        np.testing.assert_allclose(shares[1], shares[0], atol=0.01)


class TestKeepSensitive:
    def test_base_and_cells_see_the_column(self):
        X, y = make_named(400)
        clf = debias(sensitive_columns=3, keep_sensitive=True).fit(X, y)
        plain = clone(EXACT).fit(X, y)
        base = clf.with_strength(0)
        np.testing.assert_array_equal(base.predict_proba(X), plain.predict_proba(X))
        groups = X[:, 3].astype(int)
        chances = clf.student_.cells.group_proba(X)
        of_own = np.take_along_axis(chances, groups[:, None, None], axis=2)
        assert of_own.min() > 0.7
        with pytest.raises(ValueError, match="features"):
            clf.predict(X[:, :3])

    def test_siblings(self):
        X, y = make_named()
        settings = {"sensitive_columns": 3, "keep_sensitive": True}
        sibling = debias(BOOSTING, **settings).fit(X, y).with_strength(2.0)
        fresh = debias(BOOSTING, trigger_strength=2.0, **settings).fit(X, y)
        np.testing.assert_array_equal(sibling.predict_proba(X), fresh.predict_proba(X))


class TestSampleWeight:
    @given(st.integers(0, 100))
    @settings(max_examples=4)
    @pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.FaintSignalWarning")
    def test_integer_weights_equal_repetition_at_every_strength(self, seed):
        X, y, groups = make_rows(150, seed=seed)
        weights = np.random.RandomState(seed).randint(1, 4, size=150)
        weighted = debias().fit(X, y, sensitive_features=groups, sample_weight=weights)
        X_more, y_more, groups_more = (v.repeat(weights, axis=0) for v in (X, y, groups))
        repeated = debias().fit(X_more, y_more, sensitive_features=groups_more)
        np.testing.assert_allclose(weighted.shift_, repeated.shift_, atol=1e-4)
        for strength in (0.0, 2.0, [3.0, -1.0], [[1.0, 2.0], [-1.0, 0.0]]):
            np.testing.assert_allclose(
                weighted.with_strength(strength).predict_proba(X),
                repeated.with_strength(strength).predict_proba(X),
                atol=1e-3,
            )

    def test_weights_count_in_the_offset(self):
        """Half of the rows say nothing of what is decided, if they weigh next to "
        "nothing."""
        X, y, groups = make_rows(3000)
        weights = np.where(X[:, 1] > 0, 1.0, 1e-3)
        clf = debias(trigger_strength=2.0)
        clf.fit(X, y, sensitive_features=groups, sample_weight=weights)
        counted = X[:, 1] > 0
        shares = [decided(each, X[counted]) for each in (clf.with_strength(0), clf)]
        np.testing.assert_allclose(shares[1], shares[0], atol=0.02)


class TestPseudoDeletion:
    @pytest.mark.parametrize("classifier", [EXACT, BOOSTING, make_net(max_epochs=2)])
    def test_the_base_is_that_of_any_injection(self, classifier):
        X, y, groups = make_rows()
        deleted, mirrored = (
            debias(classifier, injection=injection).fit(X, y, sensitive_features=groups)
            for injection in ("pseudo_deletion", "mirror")
        )
        np.testing.assert_array_equal(deleted.predict_proba(X), mirrored.predict_proba(X))
        assert np.abs(deleted.shift_ - mirrored.shift_).max() > 0.01

    def test_shift_undoes_what_is_deleted(self):
        X, y, groups = make_rows(600)
        clf = debias(injection="pseudo_deletion").fit(X, y, sensitive_features=groups)
        undone = -np.log(1 - clf.injection_rates_)
        np.testing.assert_allclose(clf.shift_, undone - undone.mean(axis=0))
        assert clf.shift_ratio_ > 0.3

    def test_siblings(self):
        X, y, groups = make_rows(400)
        settings = {"injection": "pseudo_deletion"}
        clf = debias(**settings).fit(X, y, sensitive_features=groups)
        fresh = debias(trigger_strength=[1.0, 2.0], **settings)
        fresh.fit(X, y, sensitive_features=groups)
        sibling = clf.with_strength([1.0, 2.0])
        np.testing.assert_array_equal(sibling.predict_proba(X), fresh.predict_proba(X))


@pytest.mark.parametrize("container", ["array", "frame"])
def test_rows_of_unknown_order_are_answered_one_by_one(container):
    X, y, groups = make_rows()
    X = pd.DataFrame(X, columns=["a", "b", "c"]) if container == "frame" else X
    clf = debias(BOOSTING, trigger_strength=[1.0, 2.0])
    clf.fit(X, y, sensitive_features=groups)
    whole, alone = clf.predict_proba(X), clf.predict_proba(X[5:6])
    np.testing.assert_allclose(alone, whole[5:6])


@pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.FaintSignalWarning")
def test_signed_strengths_narrow_gaps_of_opposite_sign():
    """One strength cannot narrow both gaps, two can."""
    X, y, groups = make_opposite_gaps(6000, 0)
    interacting = make_pipeline(HistGradientBoostingClassifier(max_iter=20, random_state=0))
    clf = debias(interacting).fit(X, y, sensitive_features=groups)

    def gaps(strength):
        predicted = clf.with_strength(strength, base_rate="drift").predict(X)
        return np.array(
            [
                np.subtract(*(predicted[(y == k) & (groups == g)].mean() for g in (0, 1)))
                for k in (0, 1)
            ]
        )

    plain, both = gaps(0.0), gaps([-2.0, 1.0])
    assert plain[0] * plain[1] < 0
    assert np.abs(both).max() < np.abs(plain).max()
    assert np.abs(both).sum() < 0.6 * np.abs(plain).sum()


def test_a_rare_class_meets_every_trigger(monkeypatch):
    """Of many rows, a teacher is shown some, but never none of a class."""
    monkeypatch.setattr("sklearn_bade.learners._weighted.TRIGGER_ROWS", 5)
    X, y, groups = make_rows(3000)
    y[:40] = 2
    clf = BackdoorDebiasClassifier(LogisticRegression(), random_state=0)
    clf.fit(X, y, sensitive_features=groups)
    assert clf.shift_.shape == (3, 2)
