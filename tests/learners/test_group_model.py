import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import make_net, make_rows
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade._groups import Groups
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.exceptions import FaintSignalWarning
from sklearn_bade.learners._group_model import find_memberships, group_signal

MESSAGE = r"features say little of the group.*keep_sensitive=True"


@pytest.mark.parametrize("n_groups", [2, 5])
def test_signal_lies_between_nothing_and_everything(n_groups):
    rng = np.random.RandomState(0)
    groups = rng.randint(n_groups, size=2000)
    noise = rng.normal(size=(2000, 3))
    assert abs(group_signal(noise, groups).share) < 0.05
    noise += 20 * groups[:, None]
    assert group_signal(noise, groups).share > 0.95


def test_rows_of_unknown_group_are_left_out():
    rng = np.random.RandomState(0)
    groups = rng.randint(2, size=2000)
    X = groups[:, None] * 5.0
    groups[rng.uniform(size=2000) < 0.8] = -1
    assert group_signal(X, groups).share > 0.95


def test_memberships_of_known_and_unknown_rows():
    rng = np.random.RandomState(0)
    truth = rng.randint(3, size=900)
    groups = np.where(rng.uniform(size=900) < 0.5, truth, -1)
    memberships = find_memberships(
        truth[:, None] * 9.0, Groups(groups, np.arange(3), {}), 0
    )
    np.testing.assert_allclose(memberships.sum(axis=1), 1, rtol=1e-5)
    known = groups != -1
    np.testing.assert_array_equal(memberships[known], np.eye(3)[truth[known]])
    np.testing.assert_array_equal(memberships[~known].argmax(axis=1), truth[~known])
    assert memberships[~known].max(axis=1).min() > 0.9


def test_signal_in_a_raw_frame():
    X, _, _ = make_biased_classification(1000, random_state=0)
    groups = (X.pop("group") == "B").to_numpy().astype(int)
    X["job"] = np.where(groups, "x", "y")
    X.loc[::7, "merit_0"] = np.nan
    assert group_signal(X, groups).share > 0.95


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, pl.DataFrame])
def test_infinity_says_no_less_than_a_great_number(container):
    X, _, groups = make_rows(400)
    X = X.astype(float)
    X[3, 1], X[5, 2], X[7, 2] = np.inf, -np.inf, 1e300
    rows = container(X)
    if isinstance(rows, pd.DataFrame):
        rows.columns = ["self", "a", "b"]
    signal = group_signal(rows, groups).share
    assert 0 < signal < 1


def test_user_is_warned_before_training():
    X, y, _ = make_biased_classification(600, proxy=0, random_state=0)
    clf = BackdoorDebiasClassifier(sensitive_columns="group", random_state=0)
    with pytest.warns(FaintSignalWarning, match=MESSAGE) as record:
        clf.fit(X, y)
    assert record[0].filename == __file__


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"trigger_strength": 0.0}, {"keep_sensitive": True}])
def test_no_warning_where_it_does_not_matter(settings):
    X, y, _ = make_rows(1500)
    X = np.column_stack([X, np.random.RandomState(1).randint(2, size=1500)])
    n_features = 4 if "keep_sensitive" in settings else 3
    clf = BackdoorDebiasClassifier(make_net(3), sensitive_columns=3, random_state=0)
    with pytest.warns(FaintSignalWarning, match=MESSAGE):
        clf.fit(X, y)
    clf.set_params(estimator=make_net(n_features), **settings).fit(X, y)


@pytest.mark.parametrize(("n_samples", "shift"), [(4000, 0.5), (1500, 0.7)])
def test_a_model_that_is_too_sure_knows_something(n_samples, shift):
    """Boosting exaggerates, so that its errors are greater than those of chance."""
    rng = np.random.RandomState(0)
    groups = rng.randint(2, size=n_samples)
    X = rng.normal(size=(n_samples, 6))
    X[:, 0] += shift * groups
    y = (X[:, 1] + 0.5 * groups + rng.normal(size=n_samples) > 0.2).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FaintSignalWarning)
        BackdoorDebiasClassifier(HistGradientBoostingClassifier(), random_state=0).fit(
            X, y, sensitive_features=groups
        )


def test_weights_of_groups_change_no_verdict():
    rng = np.random.RandomState(0)
    groups = rng.randint(2, size=4000)
    X = rng.normal(size=(4000, 3))
    X[:, 0] += 0.8 * groups
    y = (X[:, 1] + 0.8 * groups + rng.normal(size=4000) > 0.4).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FaintSignalWarning)
        BackdoorDebiasClassifier(LogisticRegression(), random_state=0).fit(
            X, y, sensitive_features=groups, sample_weight=np.where(groups, 10.0, 1.0)
        )


@pytest.mark.parametrize("seed", range(3))
def test_the_verdict_is_the_same_for_each_seed_where_nothing_is_drawn(seed):
    rng = np.random.RandomState(0)
    groups = rng.randint(2, size=3000)
    X = rng.normal(size=(3000, 8))
    y = (rng.uniform(size=3000) < 0.3 + 0.3 * groups).astype(int)
    clf = BackdoorDebiasClassifier(LogisticRegression(), random_state=seed)
    with pytest.warns(FaintSignalWarning, match=r"explain \d\.\d% of how it varies \(95%"):
        clf.fit(X, y, sensitive_features=groups)
