import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_bade.exceptions import InfrequentColumnWarning, UnreadableValueWarning
from sklearn_bade.preprocessing import (
    make_default_preprocessing,
    split_pipeline,
    to_float32,
    to_net_rows,
    to_pandas,
    to_token_rows,
)


def raw_frame(n_samples=60):
    rng = np.random.RandomState(0)
    return pd.DataFrame(
        {
            "age": np.where(
                np.arange(n_samples) == 3, np.nan, rng.normal(40, 10, n_samples)
            ),
            "rare": np.where(np.arange(n_samples) < 2, 7, 5),
            "job": np.where(
                np.arange(n_samples) == 5, None, rng.choice(["x", "y"], n_samples)
            ),
        }
    )


class TestDates:
    """Dates as text: no guess of which number is the month."""

    days = pd.date_range("2024-01-01", periods=60)

    def read(self, column):
        """Read a column that held dates in training."""
        reader = make_default_preprocessing()[0].fit(pd.DataFrame({"born": self.days}))
        return reader.transform(pd.DataFrame({"born": column}))["born"].to_numpy()

    def test_iso_text_is_the_same_date(self):
        plain = self.read(self.days)
        assert np.array_equal(self.read(self.days.strftime("%Y-%m-%d")), plain)
        mixed = [self.days[0], self.days[1].date(), *self.days[2:].strftime("%Y%m%d")]
        assert np.array_equal(self.read(pd.Series(mixed, dtype=object)), plain)

    @pytest.mark.parametrize("how", ["%d.%m.%Y", "%m/%d/%Y", "%d-%m-%Y", "%d %b %Y"])
    def test_other_text_is_no_date(self, how):
        with pytest.warns(UnreadableValueWarning, match=r"'born'.*2024-12-31"):
            assert np.isnan(self.read(self.days.strftime(how))).all()

    @pytest.mark.parametrize("how", ["%d.%m.%Y", "%Y-%m-%d", "%m/%d/%y"])
    def test_text_that_looks_like_dates_is_told_from_identifiers(self, how):
        frame = pd.DataFrame({"born": self.days.strftime(how)})
        with pytest.warns(InfrequentColumnWarning, match=r"to_datetime\(X\['born'\]"):
            make_default_preprocessing().fit(frame)
        codes = pd.DataFrame({"code": [f"{i}.{i}-{i}" for i in range(60)]})
        with pytest.warns(InfrequentColumnWarning) as said:
            make_default_preprocessing().fit(codes)
        assert "dates" not in str(said[0].message)


def test_default_preprocessing_gives_finite_numbers():
    Z = to_float32(make_default_preprocessing().fit_transform(raw_frame()))
    assert Z.dtype == np.float32
    assert abs(Z[:, 0].mean()) < 1e-5
    assert np.unique(Z[:, 1]).tolist() == [0, 1]
    assert np.unique(Z[:, 2:]).tolist() == [0, 1]


def test_columns_without_any_value_stay():
    frame = raw_frame().assign(empty=np.nan)
    features = make_default_preprocessing().fit_transform(frame[["empty"]])
    np.testing.assert_array_equal(features, np.zeros((len(frame), 1)))


def test_unseen_categories_are_accepted():
    preprocessing = make_default_preprocessing().fit(raw_frame())
    new = raw_frame().head(2).assign(job=["never seen", None])
    assert np.isfinite(preprocessing.transform(new)).all()


def test_pandas_polars_and_object_arrays_agree():
    frame = raw_frame()
    Z = make_default_preprocessing().fit_transform(frame)
    as_polars = pl.DataFrame(
        {name: [None if pd.isna(v) else v for v in frame[name]] for name in frame}
    )
    for other in (as_polars, frame.to_numpy(dtype=object)):
        np.testing.assert_allclose(make_default_preprocessing().fit_transform(other), Z)


def test_numbers_in_object_columns_and_booleans_are_numbers():
    frame = raw_frame().drop(columns="job").assign(flag=np.arange(60) % 2 == 0)
    Z = make_default_preprocessing().fit_transform(frame)
    assert Z.shape == (60, 3)
    as_objects = make_default_preprocessing().fit_transform(frame.astype(object))
    np.testing.assert_allclose(as_objects, Z)


def test_columns_without_string_names_get_them():
    assert list(to_pandas(pd.DataFrame([[1, 2]]))) == ["x0", "x1"]
    assert to_pandas(np.array([[1, "a"]], dtype=object)).dtypes["x0"] == "int64"


@pytest.mark.parametrize("dtype", [bool, int, np.float64])
def test_numbers_of_any_type_become_float32(dtype):
    assert to_float32(np.eye(2, dtype=dtype)).dtype == np.float32


def test_sparse_rows_stay_sparse():
    rows = csr_array(np.eye(2))
    assert to_net_rows(rows) is rows
    assert to_net_rows(rows.tocsc()).format == "csr"
    with pytest.raises(TypeError, match="Sparse data was passed"):
        to_float32(rows)


def test_ids_become_long_integers():
    assert to_token_rows(pd.DataFrame({"a": [1, 2]})).dtype == np.int64
    assert to_token_rows(np.array([[1.0, 2.0]])).tolist() == [[1, 2]]
    with pytest.raises(ValueError, match=r"X holds 2\.5, and the network looks ids up"):
        to_token_rows(np.array([[1.0, 2.5]]))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_missing_and_infinite_numbers_are_refused(value):
    with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
        to_float32(np.array([[1.0], [value]]))


def test_strings_are_refused_with_advice():
    dates = pd.DataFrame({"x": [1.0, 2.0], "day": pd.to_datetime(["2024-01-01"] * 2)})
    with pytest.raises(ValueError, match=r"network needs numbers.*DateTime.*Pipeline"):
        to_float32(dates)
    with pytest.raises(ValueError, match=r"network needs numbers.*'a'.*Pipeline"):
        to_float32(pd.DataFrame({"x": ["a", "b"]}))


def test_split_pipeline():
    final = object()
    assert split_pipeline(final) == (None, final)
    preprocessing, last = split_pipeline(make_pipeline(StandardScaler(), "passthrough"))
    assert last == "passthrough"
    assert len(preprocessing) == 1
    assert split_pipeline(make_pipeline("passthrough")) == (None, "passthrough")
