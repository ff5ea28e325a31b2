import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from sklearn_bade.datasets import make_biased_classification


def shares(values, groups):
    return np.array([values[groups == g].mean() for g in np.unique(groups)])


def test_fair_outcomes_do_not_depend_on_the_group():
    X, y, y_fair = make_biased_classification(20_000, as_frame=False, random_state=0)
    fair, recorded = shares(y_fair, X[:, 0]), shares(y, X[:, 0])
    assert fair[0] == pytest.approx(fair[1], abs=0.02)
    assert recorded[0] == pytest.approx(fair[0])
    assert recorded[1] == pytest.approx(fair[1] / 2, abs=0.02)


def test_label_bias_moves_down_by_one_class_only():
    _, y, y_fair = make_biased_classification(
        3000, n_classes=4, n_groups=3, label_bias=1.0, random_state=0
    )
    moved = (y_fair - y).to_numpy()
    assert set(moved) == {0, 1}


def test_no_label_bias():
    _, y, y_fair = make_biased_classification(500, label_bias=0, random_state=0)
    assert (y == y_fair).all()


@pytest.mark.parametrize(("proxy", "low", "high"), [(0, 0.45, 0.55), (3.0, 0.85, 1.0)])
def test_proxies_tell_the_group(proxy, low, high):
    X, _, _ = make_biased_classification(4000, proxy=proxy, random_state=0)
    group = X.pop("group")
    score = LogisticRegression().fit(X[:2000], group[:2000]).score(X[2000:], group[2000:])
    assert low < score < high


def test_merit_gap_shows_in_fair_outcomes():
    X, _, y_fair = make_biased_classification(5000, merit_gap=1.0, random_state=0)
    first, last = shares(y_fair, X["group"])
    assert first > last + 0.2


def test_weights():
    X, _, y_fair = make_biased_classification(
        8000, n_classes=3, group_weights=[3, 1], class_weights=[2, 1, 1], random_state=0
    )
    assert (X["group"] == "A").mean() == pytest.approx(0.75, abs=0.02)
    np.testing.assert_allclose(np.bincount(y_fair) / 8000, [0.5, 0.25, 0.25], atol=1e-3)


def test_frame_and_array_hold_the_same():
    X, y, _ = make_biased_classification(50, n_groups=30, random_state=0)
    Z, z, _ = make_biased_classification(50, n_groups=30, random_state=0, as_frame=False)
    np.testing.assert_array_equal(X.drop(columns="group"), Z[:, 1:])
    np.testing.assert_array_equal(y, z)
    assert X["group"][0] == f"group_{int(Z[0, 0])}"


@pytest.mark.parametrize("weights", [[1], [1, -1], [0, 0]])
def test_bad_weights(weights):
    with pytest.raises(ValueError, match="group_weights must hold 2 weights"):
        make_biased_classification(10, group_weights=weights)


def test_bad_parameters():
    with pytest.raises(ValueError, match="'label_bias' parameter"):
        make_biased_classification(10, label_bias=2)
