import numpy as np
import pytest
from helpers import load_real, make_net, make_paper_net, make_rows
from scipy.special import softmax
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from sklearn_bade._groups import find_groups, sensitive_table
from sklearn_bade._injection import make_injection
from sklearn_bade.learners import Distillation, OffsetFinder, make_learners
from sklearn_bade.learners._net import LinearPath
from sklearn_bade.learners._paths import SeparateStudents
from sklearn_bade.learners._weighted import STRENGTHS
from sklearn_bade.metrics import average_absolute_odds_difference
from sklearn_bade.rows import Rows
from sklearn_bade.triggers import ColumnTrigger
from sklearn_bade.utils import draw_seeds


def silent(stage):
    """Report no progress."""


class Lesson:
    """A student whose teacher has spoken, and the paths that come of it."""

    def __init__(self, classifier, X, y, sensitive, seed=0):
        groups = find_groups(sensitive_table(sensitive))
        self.rows = Rows(X, y, np.unique(y), groups)
        self.seeds = draw_seeds(seed)
        self.student, teacher = make_learners(classifier, None, self.rows)
        trigger = ColumnTrigger().fit(X, len(groups))
        plan = make_injection("mirror", self.rows.count_cells())
        self.model, self.views = teacher.teach(
            plan, trigger, seeds=self.seeds, on_epoch=silent
        )
        self.distillation = self.student.settle(
            Distillation(), trigger, teaches_itself=True
        )

    def path(self, seed=0, trained_strengths=None):
        return self.student.path(
            self.views,
            self.distillation,
            teacher=self.model,
            seed=seed,
            trained_strengths=trained_strengths,
        )

    def distil(self, strength):
        return self.student.distil(
            self.views.soft_targets(strength),
            self.distillation,
            teacher=self.model,
            seed=self.seeds[2],
            on_epoch=silent,
        )


def test_one_strength_is_the_same_strength_for_every_class():
    path = object.__new__(LinearPath)
    prepared = np.zeros((4, 3)), np.random.RandomState(0).normal(size=(4, 3, 3))
    one, three = path.logits(prepared, 2.0), path.logits(prepared, [2.0, 2.0, 2.0])
    np.testing.assert_allclose(one, three)
    np.testing.assert_allclose(one, -2 * prepared[1].sum(axis=1))


@pytest.mark.parametrize("make", [make_net, lambda n_classes: LogisticRegression()])
def test_offset_keeps_the_base_rate(make):
    X, y, groups = make_rows(400, n_classes=3)
    lesson = Lesson(make(n_classes=3), X, y, groups)
    path = lesson.path()
    strength = (0.0, 1.0, 2.0)
    offset = OffsetFinder(path, lesson.student.rows, 0)(strength, "keep")
    proba = softmax(path.logits(path.prepare(X), strength) + offset, axis=1)
    np.testing.assert_allclose(proba.mean(axis=0), np.bincount(y) / 400, atol=1e-4)


class TestSeparateStudents:
    def make_path(self, trained_strengths=None):
        X, y, groups = make_rows()
        path = Lesson(LogisticRegression(), X, y, groups).path(0, trained_strengths)
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
        np.testing.assert_allclose(path.logits(few, 1.25), between[:5], rtol=1e-5)
        assert list(path.students) == [1.0, 2.0]
        assert np.abs(lower - upper).max() > 0.1

    def test_students_do_not_depend_on_their_order(self):
        X, y, groups = make_rows(600)
        boosting = HistGradientBoostingClassifier(
            early_stopping=True, n_iter_no_change=2, max_iter=500, learning_rate=0.3
        )
        lesson = Lesson(boosting, X, y, groups)
        logits, lengths = [], set()
        for strengths in ([3.0], [0.0, 3.0]):
            path = lesson.path()
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
    trained = STRENGTHS[::2]
    strengths = STRENGTHS[[5, 11]].tolist()
    figures = np.empty((3, len(strengths), 2, 2))
    for seed in range(3):
        boosting = HistGradientBoostingClassifier(max_iter=20, early_stopping=False)
        lesson = Lesson(boosting, X, y, sensitive, seed)
        paths = [lesson.path(seed, nodes) for nodes in (trained, None)]
        prepared = [path.prepare(X_test) for path in paths]
        for i, strength in enumerate(strengths):
            for j, path in enumerate(paths):
                predicted = path.logits(prepared[j], strength).argmax(axis=1)
                odd = average_absolute_odds_difference(
                    y_test, predicted, sensitive_features=sensitive_test
                )
                figures[seed, i, j] = (predicted == y_test).mean(), odd
    gaps = np.abs(figures[:, :, 0].mean(axis=0) - figures[:, :, 1].mean(axis=0))
    assert gaps.max() <= 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", ["race", "meps"])
def test_path_agrees_with_students_distilled_one_by_one(name, data_home):
    """Accuracy and average odds within .01, as means of three seeds."""
    (X, y, sensitive), (X_test, y_test, sensitive_test) = load_real(name, data_home)
    strengths = (0.0, 0.5, 1.0, 2.0)
    figures = np.empty((3, len(strengths), 2, 2))
    for seed in range(3):
        lesson = Lesson(make_paper_net(X.shape[1]), X, y, sensitive, seed)
        path = lesson.path(seed)
        find_offset = OffsetFinder(path, lesson.student.rows, lesson.seeds[2])
        prepared = path.prepare(X_test)
        for i, strength in enumerate(strengths):
            student = lesson.distil(strength)
            logits = path.logits(prepared, strength) + find_offset(strength, "keep")
            for j, predicted in enumerate((logits.argmax(axis=1), student.predict(X_test))):
                odd = average_absolute_odds_difference(
                    y_test, predicted, sensitive_features=sensitive_test
                )
                figures[seed, i, j] = (predicted == y_test).mean(), odd
    gaps = np.abs(figures[:, :, 0].mean(axis=0) - figures[:, :, 1].mean(axis=0))
    assert gaps.max() <= 0.01
