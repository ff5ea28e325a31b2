"""The default network by itself."""

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import make_rows
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from torch.utils.data import TensorDataset

from sklearn_bade import (
    BackdoorDebiasClassifier,
    BackdoorDebiasClassifierCV,
    DefaultNetClassifier,
)
from sklearn_bade.datasets import make_biased_classification, make_colored_digits


@pytest.fixture(scope="module")
def table():
    X, y, _ = make_biased_classification(n_samples=300, random_state=0)
    return X, X.drop(columns="group").assign(text=np.where(X.iloc[:, -1] > 0, "a", "b")), y


@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_strength_zero_of_the_debiaser(table, weighted):
    X, features, y = table
    weights = np.random.RandomState(0).randint(3, size=len(y)) if weighted else None
    plain = DefaultNetClassifier(random_state=3).fit(features, y, sample_weight=weights)
    debiaser = BackdoorDebiasClassifier(trigger_strength=0.0, random_state=3).fit(
        features, y, sensitive_features=X["group"], sample_weight=weights
    )
    np.testing.assert_array_equal(
        plain.predict_proba(features), debiaser.predict_proba(features)
    )


@pytest.mark.slow
def test_it_is_what_a_search_calls_plain(table):
    X, _, y = table
    search = BackdoorDebiasClassifierCV(sensitive_columns="group", cv=2, random_state=0)
    compared = search.fit(X, y).comparison_
    assert compared["accuracy"][0] == compared["accuracy"][1] > 0.5


@pytest.mark.slow
def test_images_and_datasets():
    X, X_test, y, *_ = make_colored_digits(random_state=0)
    X, y = X[:200], y[:200]
    clf = DefaultNetClassifier(random_state=0).fit(X, y)
    assert clf.preprocessing_ is None
    assert clf.predict(X_test).shape == (len(X_test),)
    dataset = TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    lazy = DefaultNetClassifier(random_state=0).fit(dataset, None)
    assert lazy.score(dataset, None) == lazy.score(X, y) > 0.9


def test_it_scores_in_cross_validation(table):
    _, features, y = table
    scores = cross_val_score(DefaultNetClassifier(random_state=0), features, y, cv=2)
    assert scores.min() > 0.6


def test_a_failed_fit_leaves_nothing(table):
    _, features, y = table
    clf = DefaultNetClassifier().fit(features, y)
    with pytest.raises(ValueError, match="y has only one class"):
        clf.fit(features, np.zeros(len(y)))
    with pytest.raises(NotFittedError):
        clf.predict(features)


def test_labels_have_to_be_given(table):
    with pytest.raises(ValueError, match="requires y to be passed"):
        DefaultNetClassifier().fit(table[1], None)


@pytest.mark.parametrize("value", [np.nan, 2023, pd.Timestamp("2024-01-01")])
def test_nothing_is_made_of_a_column_that_had_one_value(table, value):
    _, features, y = table
    constant = features.assign(constant=value)
    clf = DefaultNetClassifier(random_state=0).fit(constant, y)
    later = constant.assign(constant=pd.Timestamp("2026-01-01"))
    if not isinstance(value, pd.Timestamp):
        later["constant"] = 50.0
    np.testing.assert_array_equal(clf.predict_proba(later), clf.predict_proba(constant))


def test_values_beyond_two_known_ones_are_as_good_as_the_nearer_one(table):
    _, features, y = table
    binary = features.assign(binary=np.arange(len(y)) % 2 * 1e-9)
    clf = DefaultNetClassifier(random_state=0).fit(binary, y)
    np.testing.assert_array_equal(
        clf.predict_proba(binary.assign(binary=1.0)),
        clf.predict_proba(binary.assign(binary=1e-9)),
    )


def test_rows_of_other_shapes_are_refused():
    X, y, _ = make_rows(20)
    with pytest.raises(ValueError, match="default networks for tables and for images"):
        DefaultNetClassifier().fit(X[:, :, None], y)


def test_it_debiases_as_any_classifier(table):
    X, _, y = table
    clf = BackdoorDebiasClassifier(
        clone(DefaultNetClassifier(random_state=0)),
        sensitive_columns="group",
        random_state=0,
    ).fit(X, y)
    assert clf.score(X.drop(columns="group"), y) > 0.6
