import numpy as np
import pytest
from helpers import load_real, make_net, make_paper_net, make_rows
from scipy.special import softmax
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade._classifier_cv import DEFAULT_INTERPOLATED_STRENGTHS
from sklearn_bade._path import LinearPath, OffsetFinder, SeparateStudents, fit_path
from sklearn_bade.metrics import mean_odds_gap


def silent(stage):
    """Report no progress."""


def fit_case(net, X, y, sensitive, seed=0):
    clf = BackdoorDebiasClassifier(net, random_state=seed)
    case = clf._begin(X, y, sensitive, None)
    clf._inject(case)
    teacher = clf._teach(case, silent)
    return clf, case, teacher


def test_one_strength_is_the_same_strength_for_every_class():
    path = object.__new__(LinearPath)
    prepared = np.zeros((4, 3)), np.random.RandomState(0).normal(size=(4, 3, 3))
    one, three = path.logits(prepared, 2.0), path.logits(prepared, [2.0, 2.0, 2.0])
    np.testing.assert_allclose(one, three)
    np.testing.assert_allclose(one, -2 * prepared[1].sum(axis=1))


@pytest.mark.parametrize("make", [make_net, lambda n_classes: LogisticRegression()])
def test_offset_keeps_the_base_rate(make):
    X, y, groups = make_rows(400, n_classes=3)
    _, case, teacher = fit_case(make(n_classes=3), X, y, groups)
    path = fit_path(case, teacher, 0)
    strength = (0.0, 1.0, 2.0)
    offset = OffsetFinder(case, path)(strength, "keep")
    proba = softmax(path.logits(path.prepare(X), strength) + offset, axis=1)
    np.testing.assert_allclose(proba.mean(axis=0), np.bincount(y) / 400, atol=1e-4)


class TestSeparateStudents:
    def make_path(self, trained_strengths=None):
        X, y, groups = make_rows()
        _, case, teacher = fit_case(LogisticRegression(), X, y, groups)
        path = fit_path(case, teacher, 0, trained_strengths)
        assert isinstance(path, SeparateStudents)
        return path, path.prepare(X), path.prepare(X[:5])

    def test_one_student_per_strength(self):
        path, prepared, few = self.make_path()
        path.logits(prepared, 1.0)
        first = path.students[1.0]
        path.logits(few, 1.0)
        assert path.students == {1.0: first}
        path.logits(prepared, 2.0)
        assert list(path.students) == [1.0, 2.0]
        path.logits(prepared, 3.0)
        assert list(path.students) == [2.0, 3.0]

    def test_between_two_students(self):
        path, prepared, few = self.make_path(np.array([0.0, 1.0, 2.0]))
        lower, upper = path.logits(prepared, 1.0), path.logits(prepared, 2.0)
        between = path.logits(prepared, 1.25)
        np.testing.assert_allclose(between, 0.75 * lower + 0.25 * upper)
        np.testing.assert_allclose(path.logits(few, 1.25), between[:5])
        assert list(path.students) == [1.0, 2.0]
        assert np.abs(lower - upper).max() > 0.1

    def test_students_do_not_depend_on_their_order(self):
        X, y, groups = make_rows(600)
        boosting = HistGradientBoostingClassifier(
            early_stopping=True, n_iter_no_change=2, max_iter=500, learning_rate=0.3
        )
        _, case, teacher = fit_case(boosting, X, y, groups)
        logits, lengths = [], set()
        for strengths in ([3.0], [0.0, 3.0]):
            path = fit_path(case, teacher, 0)
            for strength in strengths:
                last = path.logits(path.prepare(X), strength)
            logits.append(last)
            lengths |= {student.n_iter_ for student in path.students.values()}
        np.testing.assert_array_equal(*logits)
        [length] = lengths
        assert length < 500

    def test_ends_are_trained(self):
        path, prepared, _ = self.make_path(np.array([0.0, 2.0]))
        everywhere, everything, _ = self.make_path()
        for strength in (0.0, 2.0):
            np.testing.assert_array_equal(
                path.logits(prepared, strength), everywhere.logits(everything, strength)
            )


@pytest.mark.slow
def test_interpolated_boosting_agrees_with_students_one_by_one(data_home):
    """Between the strengths that the search trains at, as means of three seeds."""
    (X, y, sensitive), (X_test, y_test, sensitive_test) = load_real("meps", data_home)
    trained = DEFAULT_INTERPOLATED_STRENGTHS[::2]
    strengths = DEFAULT_INTERPOLATED_STRENGTHS[[5, 11]].tolist()
    figures = np.empty((3, len(strengths), 2, 2))
    for seed in range(3):
        boosting = HistGradientBoostingClassifier(max_iter=20, early_stopping=False)
        _, case, teacher = fit_case(boosting, X, y, sensitive, seed)
        paths = [fit_path(case, teacher, seed, nodes) for nodes in (trained, None)]
        prepared = [path.prepare(X_test) for path in paths]
        for i, strength in enumerate(strengths):
            for j, path in enumerate(paths):
                predicted = path.logits(prepared[j], strength).argmax(axis=1)
                odd = mean_odds_gap(y_test, predicted, sensitive_features=sensitive_test)
                figures[seed, i, j] = (predicted == y_test).mean(), odd
    gaps = np.abs(figures[:, :, 0].mean(axis=0) - figures[:, :, 1].mean(axis=0))
    assert gaps.max() <= 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", ["race", "meps"])
def test_path_agrees_with_students_distilled_one_by_one(name, data_home):
    """Accuracy and odd within .01, as means of three seeds."""
    (X, y, sensitive), (X_test, y_test, sensitive_test) = load_real(name, data_home)
    strengths = (0.0, 0.5, 1.0, 2.0)
    figures = np.empty((3, len(strengths), 2, 2))
    for seed in range(3):
        clf, case, teacher = fit_case(make_paper_net(X.shape[1]), X, y, sensitive, seed)
        path = fit_path(case, teacher, seed)
        find_offset, prepared = OffsetFinder(case, path), path.prepare(X_test)
        for i, strength in enumerate(strengths):
            clf.set_params(trigger_strength=strength)
            student = clf._distil(case, teacher, clf._reverse(case), silent)
            logits = path.logits(prepared, strength) + find_offset(strength, "keep")
            for j, predicted in enumerate((logits.argmax(axis=1), student.predict(X_test))):
                odd = mean_odds_gap(y_test, predicted, sensitive_features=sensitive_test)
                figures[seed, i, j] = (predicted == y_test).mean(), odd
    gaps = np.abs(figures[:, :, 0].mean(axis=0) - figures[:, :, 1].mean(axis=0))
    assert gaps.max() <= 0.01
