import numpy as np
import pytest
from helpers import load_real, make_net, make_paper_net, make_rows

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade._path import fit_path, path_logits, path_probabilities
from sklearn_bade.metrics import mean_odds_gap


def silent(stage):
    """Report no progress."""


def fit_case(net, X, y, sensitive, seed=0):
    clf = BackdoorDebiasClassifier(net, random_state=seed)
    case = clf._begin(X, y, sensitive)
    clf._inject(case)
    teacher = clf._teach(case, silent)
    return clf, case, teacher


def test_one_strength_is_the_same_strength_for_every_class():
    base, shifts = np.zeros((4, 3)), np.random.RandomState(0).normal(size=(4, 3, 3))
    np.testing.assert_allclose(
        path_logits((base, shifts), 2.0), path_logits((base, shifts), [2.0, 2.0, 2.0])
    )
    np.testing.assert_allclose(path_logits((base, shifts), 2.0), -2 * shifts.sum(axis=1))


def test_offset_keeps_the_base_rate():
    X, y, groups = make_rows(400, n_classes=3)
    _, case, teacher = fit_case(make_net(n_classes=3), X, y, groups)
    path = fit_path(case, teacher, seed=0, on_epoch=silent)
    parts = path.parts(X)
    proba = path_probabilities(
        parts, [0.0, 1.0, 2.0], path.offset(parts, [0.0, 1.0, 2.0], "keep")
    )
    np.testing.assert_allclose(proba.mean(axis=0), np.bincount(y) / 400, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["race", "meps"])
def test_path_agrees_with_students_distilled_one_by_one(name, data_home):
    """Accuracy and odd within .01, as means of three seeds."""
    (X, y, sensitive), (X_test, y_test, sensitive_test) = load_real(name, data_home)
    strengths = (0.0, 0.5, 1.0, 2.0)
    figures = np.empty((3, len(strengths), 2, 2))
    for seed in range(3):
        clf, case, teacher = fit_case(make_paper_net(X.shape[1]), X, y, sensitive, seed)
        path = fit_path(case, teacher, seed=seed, on_epoch=silent)
        train_parts, test_parts = path.parts(X[:10_000]), path.parts(X_test)
        for i, strength in enumerate(strengths):
            offset = path.offset(train_parts, strength, "keep")
            clf.set_params(trigger_strength=strength)
            student = clf._distil(case, teacher, clf._reverse(case), silent)
            proba = path_probabilities(test_parts, strength, offset)
            for j, predicted in enumerate((proba.argmax(axis=1), student.predict(X_test))):
                odd = mean_odds_gap(y_test, predicted, sensitive_features=sensitive_test)
                figures[seed, i, j] = (predicted == y_test).mean(), odd
    gaps = np.abs(figures[:, :, 0].mean(axis=0) - figures[:, :, 1].mean(axis=0))
    assert gaps.max() <= 0.01
