"""What a cluster cannot do is refused, with what to do instead."""

import subprocess
import sys

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier
from xgboost.dask import DaskXGBClassifier

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade.datasets import make_biased_classification

pytestmark = pytest.mark.usefixtures("client")


def make_frame():
    X, y, _ = make_biased_classification(60, random_state=0)
    return X.assign(label=y, w=1.0)


def collections(**changed):
    """Make X, a label and a weight of two partitions, some columns of which are changed."""
    ddf = dd.from_pandas(make_frame().assign(**changed), npartitions=2, sort=False)
    return ddf.drop(columns=["label", "w"]), ddf["label"], ddf["w"]


def fit(X, y, estimator=None, sample_weight=None, sensitive_features=None, **params):
    params = {"sensitive_columns": "group", **params}
    clf = BackdoorDebiasClassifier(estimator or DaskXGBClassifier(), **params)
    return clf.fit(X, y, sample_weight=sample_weight, sensitive_features=sensitive_features)


@pytest.mark.parametrize(
    ("estimator", "said"),
    [
        (LogisticRegression(), "a LogisticRegression.*X.compute()"),
        (XGBClassifier(), "a XGBClassifier. Give estimator=DaskXGBClassifier"),
        (make_pipeline(StandardScaler(), DaskXGBClassifier()), "map_partitions"),
    ],
)
def test_other_classifiers_on_partitions(estimator, said):
    with pytest.raises(TypeError, match=said):
        fit(*collections()[:2], estimator)


def test_the_default_classifier_on_partitions():
    with pytest.raises(TypeError, match="estimator is None"):
        BackdoorDebiasClassifier(sensitive_columns="group").fit(*collections()[:2])


@pytest.mark.parametrize(
    "estimator", [DaskXGBClassifier(), make_pipeline(StandardScaler(), DaskXGBClassifier())]
)
def test_rows_in_memory_for_a_classifier_of_dask(estimator):
    frame = make_frame()
    with pytest.raises(
        TypeError, match=r"Give a xgboost\.XGBClassifier, or dask.dataframe"
    ):
        fit(frame.drop(columns="label"), frame["label"], estimator)


def test_half_a_cluster():
    X, y, _ = collections()
    with pytest.raises(TypeError, match="y is a Dask Series"):
        fit(X.compute(), y, XGBClassifier())
    with pytest.raises(TypeError, match=r"y is a Series\. Give a Dask Series"):
        fit(X, y.compute())
    with pytest.raises(TypeError, match="sample_weight is a ndarray"):
        fit(X, y, sample_weight=np.ones(60))
    with pytest.raises(TypeError, match="sensitive_features is a list"):
        fit(X, y, sensitive_features=["A", "B"] * 30)
    with pytest.raises(TypeError, match="y is a NoneType"):
        fit(X, None)


def test_arrays_have_no_names():
    with pytest.raises(TypeError, match=r"a Dask Array.*from_dask_array"):
        fit(da.zeros((4, 2)), collections()[1])


def test_searches_are_for_memory():
    clf = BackdoorDebiasClassifierCV(
        DaskXGBClassifier(), sensitive_columns="group", max_disparity=1
    )
    with pytest.raises(TypeError, match="Search on a sample"):
        clf.fit(*collections()[:2])


def test_settings_that_need_all_rows(tmp_path):
    with pytest.raises(TypeError, match="learns from all partitions"):
        fit(*collections()[:2], student="single", teacher=XGBClassifier())
    with pytest.raises(ValueError, match="Leave it out: with_strength"):
        fit(*collections()[:2], memory=tmp_path)
    with pytest.raises(TypeError, match="without preprocessing"):
        fit(*collections()[:2], teacher=make_pipeline(LogisticRegression()))


def test_columns_that_are_not_there():
    X, y, _ = collections()
    with pytest.raises(ValueError, match="y='wage' is not a column of X"):
        fit(X, "wage")
    with pytest.raises(ValueError, match="sample_weight='wage' is not a column"):
        fit(X, y, sample_weight="wage")
    with pytest.raises(ValueError, match="'sex' is not a column of X"):
        fit(X, y, sensitive_columns="sex")
    with pytest.raises(ValueError, match="No sensitive attribute was given"):
        fit(X, y, sensitive_columns=None)
    with pytest.raises(ValueError, match="keep_sensitive=True"):
        fit(X, y, sensitive_columns=None, keep_sensitive=True)


def test_text_is_no_number():
    X, y, _ = collections(job=["clerk", "nurse"] * 30)
    with pytest.raises(ValueError, match=r"'job' of X holds string.*categorize"):
        fit(X, y)
    X["job"] = X["job"].astype("category")
    with pytest.raises(ValueError, match="'job' may differ between partitions"):
        fit(X, y)


def test_partitions_that_do_not_belong_together():
    X, y, _ = collections()
    with pytest.raises(ValueError, match="X has 2 partitions, and y has 3"):
        fit(X, dd.from_pandas(y.compute(), npartitions=3))
    uneven = dd.concat([y.partitions[0].loc[:9], y.partitions[1]])
    with pytest.raises(ValueError, match="Partition 0 of X has 30 rows, and that of y has"):
        fit(X, uneven)
    turned = y.map_partitions(reverse)
    with pytest.raises(ValueError, match="same row labels in another order"):
        fit(X, turned)


def reverse(part):
    return part.iloc[::-1]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"label": 1}, "y has only one class"),
        ({"group": "A"}, "has only one group"),
        ({"group": None}, "missing in every row"),
        ({"label": [np.nan, 1.0] * 30}, "y contains NaN"),
        ({"label": np.linspace(0, 1, 60)}, "Unknown label type: continuous"),
        ({"group": [np.inf, 1.0] * 30}, "contains infinity"),
        ({"group": [f"id {i}" for i in range(60)]}, "seems to be an identifier"),
    ],
)
def test_bad_columns_are_refused_as_in_memory(changed, said):
    frame = make_frame().assign(**changed)
    for X, y, estimator in (
        (*collections(**changed)[:2], DaskXGBClassifier()),
        (frame.drop(columns=["label", "w"]), frame["label"], XGBClassifier()),
    ):
        with pytest.raises(ValueError, match=said):
            fit(X, y, estimator)


@pytest.mark.parametrize(
    ("weight", "said"),
    [(-1.0, "the least is -1"), (np.nan, "NaN are no weights"), (0.0, "nothing is left")],
)
def test_bad_weights_are_refused(weight, said):
    X, y, weights = collections(w=weight)
    with pytest.raises(ValueError, match=said):
        fit(X, y, sample_weight=weights)


WITHOUT = """
import sys
import dask.dataframe as dd
from xgboost.dask import DaskXGBClassifier
from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.datasets import make_biased_classification
X, y, _ = make_biased_classification(60, random_state=0)
X = dd.from_pandas(X.assign(label=y), npartitions=2)
clf = BackdoorDebiasClassifier(DaskXGBClassifier(), sensitive_columns="group")
if "library" in sys.argv:
    sys.modules["xgboost.dask"] = None
try:
    clf.fit(X, "label")
except (ValueError, ImportError) as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "said"), [("client", "client = Client()"), ("library", "sklearn-bade[distr")]
)
def test_what_is_missing_is_named(what, said):
    command = [sys.executable, "-c", WITHOUT, what]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said in done.stdout


def test_callables_that_look_at_other_rows_are_refused(client):
    X, y, _ = make_biased_classification(300, random_state=0)
    rows = dd.from_pandas(X.drop(columns="group").assign(label=y), npartitions=2)
    debiaser = BackdoorDebiasClassifier(
        DaskXGBClassifier(n_estimators=3),
        sensitive_columns=lambda part: part["merit_0"] > part["merit_0"].median(),
    )
    with pytest.raises(ValueError, match="says something else of a row"):
        debiaser.fit(rows, "label")
