"""Predictions of partitions are those of the rows in memory."""

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade.datasets import make_biased_classification


@pytest.fixture(scope="module")
def rows():
    X, y, _ = make_biased_classification(300, random_state=0)
    return X.set_index(np.arange(300) * 2), y.map({0: "no", 1: "yes"}).set_axis(X.index * 2)


@pytest.fixture(scope="module")
def fitted(rows):
    return make_debiaser().fit(*rows)


def make_debiaser(**params):
    return BackdoorDebiasClassifier(
        LogisticRegression(), sensitive_columns="group", random_state=0, **params
    )


def partitions(frame):
    return dd.from_pandas(frame, npartitions=3, sort=False)


@pytest.mark.parametrize("dropped", [[], ["group"]])
def test_labels_keep_the_index_of_the_rows(rows, fitted, dropped):
    X = rows[0].drop(columns=dropped)
    predicted = fitted.predict(partitions(X))
    assert isinstance(predicted, dd.Series)
    assert predicted.npartitions == 3
    expected = pd.Series(fitted.predict(X), index=X.index)
    pd.testing.assert_series_equal(predicted.compute(), expected, check_dtype=False)
    assert predicted.dtype == predicted.compute().dtype


def test_labels_can_be_assigned_to_the_rows(rows, fitted):
    X = partitions(rows[0])
    both = X.assign(predicted=fitted.predict(X)).compute()
    assert both["predicted"].tolist() == fitted.predict(rows[0]).tolist()


def test_probabilities_have_a_column_for_each_class(rows, fitted):
    proba = fitted.predict_proba(partitions(rows[0])).compute()
    assert proba.columns.tolist() == ["no", "yes"]
    np.testing.assert_allclose(proba, fitted.predict_proba(rows[0]))
    logs = fitted.predict_log_proba(partitions(rows[0])).compute()
    np.testing.assert_allclose(logs, fitted.predict_log_proba(rows[0]))


def test_empty_partitions_stay_empty(rows, fitted):
    X = partitions(rows[0])
    X = X[X["merit_0"] > X["merit_0"].max()]
    assert len(fitted.predict(X).compute()) == 0
    assert fitted.predict_proba(X).compute().shape == (0, 2)


def test_the_score_is_that_of_all_rows(rows, fitted):
    X, y = rows
    frame = partitions(X.assign(label=y.to_numpy(), w=np.linspace(0, 1, 300)))
    predicted = fitted.predict(X)
    expected = accuracy_score(y, predicted)
    plain = frame.drop(columns="w")
    assert fitted.score(plain, "label") == pytest.approx(expected)
    assert fitted.score(partitions(X), frame["label"]) == pytest.approx(expected)
    expected = accuracy_score(y, predicted, sample_weight=np.linspace(0, 1, 300))
    assert fitted.score(frame, "label", sample_weight="w") == pytest.approx(expected)
    with pytest.raises(TypeError, match="give y as a Dask Series"):
        fitted.score(frame, None)


def test_a_search_predicts_as_well(rows):
    clf = BackdoorDebiasClassifierCV(
        LogisticRegression(),
        sensitive_columns="group",
        trigger_strengths=[1.0],
        max_disparity=1,
        cv=2,
        random_state=0,
    ).fit(*rows)
    predicted = clf.predict(partitions(rows[0])).compute()
    assert predicted.tolist() == clf.predict(rows[0]).tolist()


def test_a_selection_is_one_of_all_rows(rows):
    clf = make_debiaser(selection_rate=0.2).fit(*rows)
    with pytest.raises(ValueError, match="partitions are predicted one by one"):
        clf.predict(partitions(rows[0]))
    assert clf.predict_proba(partitions(rows[0])).compute().shape == (300, 2)


def test_other_columns_are_refused_at_once(rows, fitted):
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(partitions(rows[0].drop(columns="merit_0")))
    with pytest.raises(TypeError, match="a Dask Array"):
        fitted.predict(partitions(rows[0]).to_dask_array())
