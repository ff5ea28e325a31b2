"""Features that tell the sensitive attribute outright are named."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow
import pyarrow.dataset
import pytest
from helpers import make_shape_matching_net
from sklearn.linear_model import LogisticRegression

from sklearn_bade import (
    BackdoorDebiasClassifier,
    BackdoorDebiasClassifierCV,
    _attribute_copies,
    exceptions,
)
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.exceptions import VisibleAttributeWarning
from sklearn_bade.rows import _columnar

X, y, _ = make_biased_classification(400, random_state=0)
group = X.pop("group")
is_b = (group == "B").to_numpy(int)


def fit(X, cls=BackdoorDebiasClassifier, **settings):
    settings = {"sensitive_columns": None, "random_state": 0} | settings
    clf = cls(LogisticRegression(max_iter=1000), **settings)
    given = None if settings["sensitive_columns"] else group
    return clf.fit(X, y, sensitive_features=given)


@pytest.mark.parametrize(
    "make",
    [
        lambda X: X.assign(sex=is_b),
        lambda X: X.assign(sex=np.where(is_b, 7.5, -1.0)),
        lambda X: pl.from_pandas(X.assign(sex=is_b)),
        lambda X: X.assign(sex=is_b).set_axis([*X.columns[::-1], "sex"], axis=1),
    ],
    ids=["whole numbers", "other values", "polars", "other names"],
)
def test_a_copy_of_the_attribute_is_named(make):
    with pytest.warns(VisibleAttributeWarning, match="'sex'"):
        fit(make(X))


def test_a_column_of_an_array_is_named_by_its_position():
    with pytest.warns(VisibleAttributeWarning, match=rf"\[{X.shape[1]}\]"):
        fit(np.column_stack([X, is_b]))


def test_rows_may_be_sorted_by_the_attribute(monkeypatch):
    monkeypatch.setattr(_attribute_copies, "N_PROBED", 100)
    order = np.argsort(is_b, kind="stable")
    frame = X.assign(sex=is_b, same=1.0).iloc[order].set_axis(range(X.shape[1] + 2), axis=1)
    clf = BackdoorDebiasClassifier(LogisticRegression(max_iter=1000), random_state=0)
    with pytest.warns(VisibleAttributeWarning, match=rf"\[{X.shape[1]}\]"):
        clf.fit(frame, y[order], sensitive_features=group.to_numpy()[order])


def test_copies_among_the_columns_of_a_dataset_are_named(monkeypatch):
    monkeypatch.setattr(_columnar, "BATCH_ROWS", 50)  # of one group, most of them
    order = np.argsort(is_b, kind="stable")
    nearly = np.where(np.arange(len(X)) == order[-1], 0, is_b)
    frame = X.assign(sex=is_b, nearly=nearly, gender=group, label=y).iloc[order]
    given = pyarrow.dataset.dataset(pyarrow.Table.from_pandas(frame, preserve_index=False))
    net = make_shape_matching_net(max_epochs=1)
    clf = BackdoorDebiasClassifier(net, sensitive_columns="gender", random_state=0)
    with pytest.warns(VisibleAttributeWarning, match=r"\['sex'\]"):
        clf.fit(given, "label")


def test_each_of_several_attributes_is_looked_for():
    region = np.random.default_rng(0).integers(3, size=len(X))
    frame = X.assign(region=region)
    clf = BackdoorDebiasClassifier(LogisticRegression(max_iter=1000), random_state=0)
    attributes = pd.DataFrame({"group": group, "region": region})
    with pytest.warns(VisibleAttributeWarning, match="'region'"):
        clf.fit(frame, y, sensitive_features=attributes)


def test_a_second_name_of_a_sensitive_column_is_named_by_a_search_too():
    frame = X.assign(sex=group, gender=is_b)
    with pytest.warns(VisibleAttributeWarning, match=r"\['gender'\]"):
        fit(
            frame,
            BackdoorDebiasClassifierCV,
            sensitive_columns="sex",
            trigger_strengths=[0.0, 1.0],
            cv=2,
        )


@pytest.mark.parametrize(
    ("frame", "settings"),
    [
        (X, {}),
        (X.assign(sex=group), {"sensitive_columns": "sex"}),
        (X.assign(sex=is_b), {"sensitive_columns": "sex", "keep_sensitive": True}),
        (X.assign(nearly=np.where(np.arange(400) == 399, 1 - is_b, is_b)), {}),
    ],
    ids=["no copy", "taken away", "meant to be seen", "all rows but one"],
)
def test_what_is_no_copy_is_not_named(frame, settings):
    fit(frame, **settings)  # warnings are errors


def test_measurements_that_hardly_repeat_are_not_looked_at():
    measured = np.repeat(np.arange(200.0), 2)
    frame = X.assign(income=np.arange(400.0), debt=measured)
    clf = BackdoorDebiasClassifier(
        LogisticRegression(max_iter=10_000), n_bins=2, random_state=0
    )
    clf.fit(frame / frame.std(), y, sensitive_features=measured + 0.5)


def test_all_classes_of_warnings_are_listed():
    classes = {
        name
        for name, each in vars(exceptions).items()
        if isinstance(each, type) and issubclass(each, Exception)
    }
    assert set(exceptions.__all__) == classes
