"""Cells: how likely each group is, given the features and the class."""

import pickle

import numpy as np
import pandas as pd
import pytest
from helpers import make_net, make_rows
from lightgbm import LGBMClassifier
from scipy.special import expit
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.exceptions import FewRowsWarning
from sklearn_bade.learners._cells import (
    GroupModelPerClass,
    OneGroupModel,
    is_additive,
    without_label_settings,
)

BOOSTING = HistGradientBoostingClassifier(max_iter=20, random_state=0)
EXACT = LogisticRegression(solver="newton-cholesky", tol=1e-6)
KINDS = {
    "logistic": EXACT,
    "naive bayes": GaussianNB(),
    "boosting": BOOSTING,
    "forest": RandomForestClassifier(10, min_samples_leaf=10, random_state=0),
    "lightgbm": LGBMClassifier(n_estimators=10, verbose=-1, n_jobs=1),
    "xgboost": XGBClassifier(n_estimators=10, n_jobs=1),
    "pipeline": make_pipeline(StandardScaler(), EXACT),
    "network": make_net(max_epochs=2),
}


def debias(classifier, **settings):
    """Make a debiaser that looks for no faint signal, as its strength is 0."""
    settings = {"random_state": 0, "trigger_strength": 0.0, **settings}
    return BackdoorDebiasClassifier(classifier, **settings)


def fit(classifier, X, y, groups, **settings):
    return debias(classifier, **settings).fit(X, y, sensitive_features=groups)


def chances(clf, X):
    """Ask the fitted cells for the chance of each group, were rows of each class."""
    student = clf.student_
    return student.answer(student.transform(X)).group_proba


def make_known(n_samples, seed=0):
    """Make groups of which p(group 1 | x, class) is known, and differs by class."""
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n_samples, 2)).astype(np.float32)
    y = rng.randint(2, size=n_samples)
    known = expit(np.stack([1.5 * X[:, 0] - 1, -1.5 * X[:, 0] + 0.5 * X[:, 1]], axis=1))
    groups = (rng.uniform(size=n_samples) < known[np.arange(n_samples), y]).astype(int)
    return X, y, groups, known


class TestForm:
    @pytest.mark.parametrize(
        ("classifier", "form"),
        [
            (EXACT, GroupModelPerClass),
            (GaussianNB(), GroupModelPerClass),
            (SGDClassifier(loss="log_loss", random_state=0), GroupModelPerClass),
            (BOOSTING, OneGroupModel),
            (DecisionTreeClassifier(max_depth=3), OneGroupModel),
            (XGBClassifier(n_estimators=3, n_jobs=1), OneGroupModel),
            (make_pipeline(StandardScaler(), EXACT), GroupModelPerClass),
            (make_pipeline(StandardScaler(), BOOSTING), OneGroupModel),
            (CalibratedClassifierCV(EXACT, cv=2), OneGroupModel),
        ],
        ids=lambda value: getattr(value, "__name__", type(value).__name__),
    )
    def test_it_suits_the_classifier(self, classifier, form):
        X, y, groups = make_rows()
        clf = fit(classifier, X, y, groups)
        assert type(clf.student_.cells) is form

    @pytest.mark.parametrize(
        ("classifier", "expected"),
        [
            (
                LogisticRegressionCV(
                    Cs=2, cv=2, l1_ratios=(0.0,), use_legacy_attributes=False
                ),
                True,
            ),
            (SVC(kernel="rbf"), False),
            (MLPClassifier(max_iter=1), False),
            (AdaBoostClassifier(n_estimators=2), False),
            (XGBClassifier(n_estimators=2, n_jobs=1, booster="gbtree"), False),
        ],
        ids=lambda value: type(value).__name__,
    )
    @pytest.mark.filterwarnings("ignore")  # of training that is too short
    def test_additive_classifiers_are_told_apart(self, classifier, expected):
        X, y, _ = make_rows(60)
        assert is_additive(clone(classifier).fit(X, y)) is expected

    def test_one_model_sees_the_class_as_columns(self):
        X, y, groups = make_rows(n_classes=3)
        clf = fit(BOOSTING, X, y, groups)
        assert clf.student_.cells.model.fitted.n_features_in_ == X.shape[1] + 3

    def test_models_per_class_see_features_alone(self):
        X, y, groups = make_rows(n_classes=3)
        models = fit(EXACT, X, y, groups).student_.cells.models
        assert [model.fitted.n_features_in_ for model in models] == [3, 3, 3]

    def test_models_per_class_are_those_of_the_rows_of_each_class(self):
        X, y, groups = make_rows()
        found = chances(fit(EXACT, X, y, groups), X)
        for k in (0, 1):
            plain = clone(EXACT).fit(X[y == k], groups[y == k])
            np.testing.assert_array_equal(found[:, k], plain.predict_proba(X))


@pytest.mark.parametrize("kind", KINDS)
class TestChances:
    def classifier(self, kind, n_classes=2):
        return (
            make_net(n_classes=n_classes, max_epochs=2)
            if kind == "network"
            else KINDS[kind]
        )

    @pytest.mark.parametrize(("n_classes", "n_groups"), [(2, 2), (3, 4)])
    def test_they_sum_to_one(self, kind, n_classes, n_groups):
        X, y, groups = make_rows(300, n_classes=n_classes, n_groups=n_groups)
        clf = fit(self.classifier(kind, n_classes), X, y, groups)
        found = chances(clf, X)
        assert found.shape == (300, n_classes, n_groups)
        assert found.min() >= 0
        np.testing.assert_allclose(found.sum(axis=2), 1, atol=1e-5)
        cells = clf.student_.answer(clf.student_.transform(X)).cells
        np.testing.assert_allclose(cells.sum(axis=1), 1, atol=1e-5)

    def test_they_come_near_known_ones(self, kind):
        X, y, groups, _ = make_known(2000)
        X_new, _, _, known = make_known(1000, seed=1)
        net = make_net(n_features=2, max_epochs=2)
        clf = fit(net if kind == "network" else KINDS[kind], X, y, groups)
        found = chances(clf, X_new)[:, :, 1]
        for k in (0, 1):
            error = np.sqrt(np.mean((found[:, k] - known[:, k]) ** 2))
            assert error < 0.6 * known[:, k].std()
            assert np.corrcoef(found[:, k], known[:, k])[0, 1] > 0.8

    def test_rows_are_answered_alone(self, kind):
        X, y, groups = make_rows()
        clf = fit(self.classifier(kind), X, y, groups)
        np.testing.assert_allclose(chances(clf, X[3:4]), chances(clf, X)[3:4], atol=1e-6)


def test_pickled_cells_say_the_same():
    X, y, groups = make_rows()
    for classifier in (EXACT, BOOSTING):
        cells = fit(classifier, X, y, groups).student_.cells
        again = pickle.loads(pickle.dumps(cells))
        np.testing.assert_array_equal(again.group_proba(X), cells.group_proba(X))


def test_cells_take_frames_with_categories():
    X, y, groups = make_rows(400)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    moved = np.arange(400) % 5 == 0
    frame["city"] = pd.Categorical(np.where(groups ^ moved, "x", "y"))
    clf = fit(BOOSTING, frame, y, groups)
    found = chances(clf, frame)
    np.testing.assert_allclose(found.sum(axis=2), 1, atol=1e-5)
    swapped = frame.assign(city=frame["city"].cat.rename_categories({"x": "y", "y": "x"}))
    assert np.abs(chances(clf, swapped) - found).max() > 0.2


def test_weights_reach_the_cells():
    """Rows of one group that weigh next to nothing make it unlikely."""
    X, y, groups = make_rows(400)
    for classifier in (EXACT, BOOSTING):
        clf = debias(classifier)
        weights = np.where(groups == 1, 0.1, 1.0)
        clf.fit(X, y, sensitive_features=groups, sample_weight=weights)
        assert chances(clf, X)[..., 1].mean() < 0.3
        assert chances(fit(classifier, X, y, groups), X)[..., 1].mean() > 0.4


@pytest.mark.parametrize("classifier", [EXACT, BOOSTING, GaussianNB()])
class TestRareGroups:
    def test_a_group_that_is_missing_in_one_class(self, classifier):
        X, y, groups = make_rows(400, n_groups=3)
        kept = (y == 0) | (groups != 1)
        X, y, groups = X[kept], y[kept], groups[kept]
        with pytest.warns(FewRowsWarning, match="class 1 in group 1: 0"):
            clf = fit(classifier, X, y, groups)
        found = chances(clf, X)
        np.testing.assert_allclose(found.sum(axis=2), 1, atol=1e-5)
        assert found[:, 1, 1].mean() < 0.1
        assert found[:, 0, 1].mean() > 0.2

    def test_only_one_group_in_a_class(self, classifier):
        X, y, groups = make_rows(400)
        groups[y == 1] = 1
        with pytest.warns(FewRowsWarning, match="class 1 in group 0: 0"):
            clf = fit(classifier, X, y, groups)
        found = chances(clf, X)
        np.testing.assert_allclose(found.sum(axis=2), 1, atol=1e-5)
        assert found[:, 1, 1].mean() > 0.9
        assert found[:, 0, 1].mean() < 0.8


@pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.FewRowsWarning")
@pytest.mark.parametrize(
    "classifier",
    [
        HistGradientBoostingClassifier(max_iter=5, early_stopping=True, random_state=0),
        SGDClassifier(loss="log_loss", early_stopping=True, random_state=0),
        CalibratedClassifierCV(EXACT, cv=3),
    ],
    ids=lambda classifier: type(classifier).__name__,
)
def test_a_group_of_one_row_stops_nobody_who_splits_rows(classifier):
    """They split by what they learn, which was the class, and is the group in cells."""
    X, y, groups = make_rows(300)
    groups[7] = 2
    found = chances(fit(classifier, X, y, groups), X)
    np.testing.assert_allclose(found.sum(axis=2), 1, atol=1e-5)


class TestLabelSettings:
    @pytest.mark.parametrize(
        ("classifier", "name", "default"),
        [
            (LogisticRegression(class_weight="balanced", C=3.0), "class_weight", None),
            (RandomForestClassifier(class_weight={0: 1, 1: 9}), "class_weight", None),
            (HistGradientBoostingClassifier(monotonic_cst=[1, 0]), "monotonic_cst", None),
            (
                HistGradientBoostingClassifier(interaction_cst=[{0}]),
                "interaction_cst",
                None,
            ),
            (GaussianNB(priors=[0.2, 0.8]), "priors", None),
            (XGBClassifier(scale_pos_weight=7.0), "scale_pos_weight", None),
            (XGBClassifier(base_score=0.1), "base_score", None),
            (XGBClassifier(monotone_constraints=(1, 0)), "monotone_constraints", None),
            (XGBClassifier(objective="binary:hinge"), "objective", "binary:logistic"),
            (LGBMClassifier(objective="binary"), "objective", None),
            (LGBMClassifier(class_weight="balanced"), "class_weight", None),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_they_take_the_defaults(self, classifier, name, default):
        before = classifier.get_params()
        plain = without_label_settings(classifier)
        assert plain.get_params()[name] == default
        assert classifier.get_params() == before
        others = plain.get_params().items() - {(name, default)}
        assert all(before[key] is value or before[key] == value for key, value in others)

    @pytest.mark.parametrize(
        ("inner", "name"),
        [
            (GaussianNB(priors=[0.2, 0.8]), "priors"),
            (LogisticRegression(class_weight="balanced"), "class_weight"),
            (HistGradientBoostingClassifier(monotonic_cst=[1, 0, 0]), "monotonic_cst"),
            (XGBClassifier(scale_pos_weight=7.0), "scale_pos_weight"),
        ],
        ids=lambda value: type(value).__name__,
    )
    @pytest.mark.parametrize("wrap", [CalibratedClassifierCV, BaggingClassifier])
    def test_nested_ones_too(self, wrap, inner, name):
        plain = without_label_settings(wrap(inner))
        default = type(inner)().get_params()[name]
        assert plain.get_params()[f"estimator__{name}"] == default
        assert inner.get_params()[name] != default

    def test_those_of_steps_too(self):
        pipeline = make_pipeline(StandardScaler(), GaussianNB(priors=[0.2, 0.8]))
        plain = without_label_settings(BaggingClassifier(pipeline))
        assert plain.get_params()["estimator__gaussiannb__priors"] is None

    @pytest.mark.parametrize(
        "classifier",
        [
            GaussianNB(priors=[0.2, 0.8]),
            CalibratedClassifierCV(GaussianNB(priors=[0.2, 0.8]), cv=2),
            XGBClassifier(n_estimators=5, n_jobs=1, scale_pos_weight=7.0),
            XGBClassifier(
                n_estimators=5, n_jobs=1, objective="binary:logistic", base_score=0.3
            ),
            LogisticRegression(class_weight={0: 1, 1: 5}),
            LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1, objective="binary"),
        ],
        ids=lambda classifier: type(classifier).__name__,
    )
    def test_cells_know_three_groups_whatever_is_said_of_two_labels(self, classifier):
        X, y, groups = make_rows(300, n_groups=3)
        found = chances(fit(classifier, X, y, groups), X)
        np.testing.assert_allclose(found.sum(axis=2), 1, atol=1e-5)
        of_own = np.take_along_axis(found, groups[:, None, None], axis=2)
        assert of_own.mean() > 0.4

    def test_priors_of_labels_do_not_touch_the_groups(self):
        X, y, groups = make_rows()
        shown = [
            chances(fit(classifier, X, y, groups), X)
            for classifier in (GaussianNB(), GaussianNB(priors=[0.1, 0.9]))
        ]
        np.testing.assert_array_equal(*shown)

    @pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.LostConstraintWarning")
    def test_constraints_do_not_touch_the_groups(self):
        X, y, groups = make_rows()
        constrained = clone(BOOSTING).set_params(monotonic_cst=[-1, 0, 0])
        one, two = (fit(each, X, y, groups) for each in (BOOSTING, constrained))
        np.testing.assert_array_equal(chances(one, X), chances(two, X))
        assert np.abs(one.predict_proba(X) - two.predict_proba(X)).max() > 0.05


def test_polynomials_let_additive_models_interact():
    X, y, groups, _ = make_known(1000)
    pipeline = make_pipeline(PolynomialFeatures(2, include_bias=False), EXACT)
    clf = fit(pipeline, X, y, groups)
    assert clf.student_.cells.models[0].fitted.n_features_in_ == 5


class TestNetworks:
    def test_images_show_cells_the_features_of_the_base(self):
        import torch

        class Images(torch.nn.Module):
            def __init__(self, n_features, n_classes, hidden):
                super().__init__()
                self.features = torch.nn.Linear(36, 7)
                self.out = torch.nn.Linear(7, n_classes)

            def forward(self, X):
                return self.out(torch.relu(self.features(X.flatten(1))))

        rng = np.random.RandomState(0)
        groups, y = rng.randint(2, size=(2, 200))
        X = rng.normal(size=(200, 1, 6, 6)).astype(np.float32)
        X[:, 0, 0] += groups[:, None]
        X[:, 0, 3] += y[:, None]
        clf = fit(make_net(module=Images), X, y, groups)
        cells = clf.student_.cells
        assert cells.net.module_.layers[0].in_features == 7
        np.testing.assert_allclose(chances(clf, X).sum(axis=2), 1, atol=1e-5)

    def test_tables_show_cells_what_there_is(self):
        X, y, groups = make_rows()
        cells = fit(make_net(max_epochs=2), X, y, groups).student_.cells
        assert cells.net.module_.layers[0].in_features == X.shape[1]
        assert cells.net.module_.layers[-1].out_features == 2 * 2
