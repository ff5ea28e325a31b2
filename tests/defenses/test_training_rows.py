import numpy as np
import pytest
from poisoned import make_small
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from sklearn_bade.defenses import score_training_rows
from sklearn_bade.defenses._training_rows import stand_out


def test_poisoned_rows_stand_out():
    bed = make_small()
    X, y = bed.poisoned
    scores = score_training_rows(bed.fit(), X, np.array(["a", "b", "c"])[y])
    assert set(scores["class"]) == {"a", "b", "c"}
    own = y == bed.target
    assert roc_auc_score(bed.is_poisoned[own], scores["score"][own]) > 0.7


def test_classes_of_few_rows_have_no_score():
    bed = make_small()
    X, y = bed.poisoned
    labels = y.copy()
    labels[:5] = 9
    scores = score_training_rows(bed.fit(), X, labels)["score"]
    assert scores[:5].isna().all()
    assert scores[5:].notna().all()


def test_scores_are_in_standard_deviations():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(20_000, 1)) * 7 + 3
    expected = np.abs(features[:, 0] - 3) / 7
    np.testing.assert_allclose(stand_out(features), expected, atol=0.1)


def test_rows_that_are_all_the_same():
    assert not stand_out(np.ones((12, 3))).any()
    one_apart = np.ones((12, 1))
    one_apart[0] = 5
    assert np.isinf(stand_out(one_apart)[0])


def test_other_classifiers():
    X = np.eye(4)
    clf = LogisticRegression().fit(X, [0, 1, 0, 1])
    with pytest.raises(TypeError, match="got LogisticRegression"):
        score_training_rows(clf, X, [0, 1, 0, 1])
