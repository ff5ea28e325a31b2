"""Raw columns read by what they held in training, whatever type they come in later."""

import datetime
import re
from numbers import Integral, Number, Real

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin

from ..exceptions import InfrequentColumnWarning, UnreadableValueWarning
from ..rows import frame_to_pandas, is_frame
from ..utils import warn_user

# Values of a text column in fewer rows share one column, as scikit-learn's guide does:
# fewer rows hardly say anything, and each would widen the first layer. Not tuned.
LEAST_ROWS_OF_CATEGORY = 10
MISSING, INFREQUENT, UNKNOWN = "missing", "infrequent", "unknown"
# Truth values that come as numbers, or the other way round.
OTHER_SPELLING = {"True": "1", "1": "True", "False": "0", "0": "False"}
DAY = pd.Timedelta(days=1)
# Text that is probably a date, and how many values are looked at. Not tuned.
THREE_NUMBERS = re.compile(r"\s*\d{1,4}([-./])\s?\d{1,2}\1\s?\d{1,4}\b")
ROWS_LOOKED_AT = 100


class TableReader(TransformerMixin, BaseEstimator):
    """Turn the columns of a raw table into floats and text.

    Numbers and truth values become floats; dates, times and durations become days, hours
    and days. All else is text, compared by value: 1, 1.0 and "1" are one category. Values
    in fewer than ten rows, and none that is kept by name, are one category together.

    Numbers that hardly any row has are not kept either: of a column of two, one of which
    is rarer than that, it is read whether a row has the rarer one, and a column that fewer
    rows have a value in counts as empty. So does one that has a single value: what others
    would mean, nobody has learned.

    Attributes
    ----------
    kinds_ : dict of str to str
        What each column holds: "number", "date", "duration", "time" or "category".

    categories_ : dict of str to list of str
        Values of each column of categories that are kept.

    usual_ : dict of str to float
        The frequent value of each column of numbers whose other one is rare; NaN for
        columns that count as empty.
    """

    def fit(self, X, y=None):
        """Find out what the columns hold."""
        frame = to_pandas(X)
        self.feature_names_in_ = np.asarray(frame.columns, dtype=object)
        self.kinds_ = {name: _kind(frame[name]) for name in frame}
        self.categories_ = {
            name: _frequent_values(frame[name])
            for name, kind in self.kinds_.items()
            if kind == "category"
        }
        numbers = {
            name: _READERS[kind](frame[name], name)
            for name, kind in self.kinds_.items()
            if kind != "category"
        }
        usual = {name: _find_usual(values) for name, values in numbers.items()}
        self.usual_ = {name: value for name, value in usual.items() if value is not None}
        ids = [name for name, kept in self.categories_.items() if kept == [INFREQUENT]]
        ids += [name for name, values in numbers.items() if _are_rare(values)]
        dates = [name for name in ids if _look_like_dates(frame[name])]
        self._warn_of_infrequent(ids, dates, len(frame))
        return self

    def _warn_of_infrequent(self, ids, dates, n_rows):
        advice = (
            f" {', '.join(dates)} looks like dates that are text: make them dates, as "
            f"pandas.to_datetime(X[{dates[0]!r}], format=...) does."
            if dates
            else ""
        )
        if ids and n_rows >= LEAST_ROWS_OF_CATEGORY:
            warn_user(
                f"No value occurs in {LEAST_ROWS_OF_CATEGORY} rows or more of "
                f"{', '.join(ids)}, so nothing is learned from there. Identifiers and free "
                "text are best left out; group other values, or encode them in a Pipeline "
                f"of your own.{advice}",
                InfrequentColumnWarning,
            )

    def transform(self, X):
        """Read a table as that of fit."""
        frame = to_pandas(X)
        if len(frame.columns) != len(self.kinds_):
            raise ValueError(
                f"X has {len(frame.columns)} columns, and in fit it had {len(self.kinds_)}."
            )
        columns = {
            name: self._read(frame.iloc[:, i], name) for i, name in enumerate(self.kinds_)
        }
        return pd.DataFrame(columns, index=frame.index)

    def _read(self, column, name):
        kind = self.kinds_[name]
        if kind == "category":
            return _match(_to_texts(column), self.categories_[name])
        numbers = _READERS[kind](column, name)
        if name not in self.usual_:
            return numbers
        is_known = ~np.isnan(numbers) & ~np.isnan(self.usual_[name])
        return np.where(is_known, numbers != self.usual_[name], np.nan)

    def get_feature_names_out(self, input_features=None):
        """Name the columns, as they were named."""
        return self.feature_names_in_

    def __sklearn_is_fitted__(self):
        return hasattr(self, "kinds_")


def to_pandas(X):
    """Turn a frame or an array into a pandas frame with inferred types.

    Columns without string names are called "x0", "x1", ...
    """
    if is_frame(X):
        frame = frame_to_pandas(X).infer_objects()
    else:
        if issparse(X):
            raise TypeError(
                "The default preprocessing takes tables, and X is a sparse matrix. Give a "
                "classifier as estimator, or a dense table, X.toarray()."
            )
        frame = pd.DataFrame(np.asarray(X)).infer_objects()
    if all(isinstance(name, str) for name in frame):
        return frame
    return frame.set_axis([f"x{i}" for i in range(frame.shape[1])], axis=1)


def _kind(column):
    """Find out what a column holds."""
    types = pd.api.types
    if isinstance(column.dtype, pd.CategoricalDtype):
        return "category"
    if types.is_numeric_dtype(column) or types.is_bool_dtype(column):
        return "number"
    if types.is_datetime64_any_dtype(column) or isinstance(column.dtype, pd.PeriodDtype):
        return "date"
    if types.is_timedelta64_dtype(column):
        return "duration"
    values = column.dropna()
    if not len(values):
        return "number"
    for kind, of_kind in (
        ("number", Number),
        ("date", datetime.date),
        ("duration", datetime.timedelta),
        ("time", datetime.time),
    ):
        if all(isinstance(value, of_kind) for value in values):
            return kind
    return "category"


def _frequent_values(column):
    """List the values that occur often enough, and `INFREQUENT` if others occur."""
    counts = pd.Series(_to_texts(column)).value_counts()
    kept = counts.index[counts >= LEAST_ROWS_OF_CATEGORY]
    rest = [INFREQUENT] if len(kept) < len(counts) else []
    return sorted(kept) + rest


def _look_like_dates(column):
    """Tell whether values are text of three numbers, as 31.12.2024 and 2024-12-31 are."""
    values = column.dropna().head(ROWS_LOOKED_AT)
    return len(values) > 0 and all(
        isinstance(value, str) and THREE_NUMBERS.match(value) for value in values
    )


def _find_usual(numbers):
    """Find the value that all rows but a few have; NaN where few have any, else None.

    NaN too where all have the same: nothing can be learned of what others would mean.
    """
    values, counts = np.unique(numbers[~np.isnan(numbers)], return_counts=True)
    if _are_rare(numbers) or len(values) < 2:
        return np.nan
    is_usual = counts >= LEAST_ROWS_OF_CATEGORY
    return float(values[is_usual][0]) if len(values) == 2 and is_usual.sum() == 1 else None


def _are_rare(numbers):
    """Tell whether some rows have a value, but too few."""
    n_known = np.count_nonzero(~np.isnan(numbers))
    return 0 < n_known < LEAST_ROWS_OF_CATEGORY <= len(numbers)


def _to_texts(column):
    """Turn values into text by which they are compared; missing ones into `MISSING`."""
    codes, values = pd.factorize(column.astype(object))
    texts = np.array([*map(_to_text, values), MISSING], dtype=object)
    return texts[codes]


def _to_text(value):
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, Integral) or (
        isinstance(value, Real) and float(value).is_integer()
    ):
        return str(int(value))
    return str(value)


def _match(texts, categories):
    """Replace what training did not keep."""
    known = set(categories)
    other = INFREQUENT if INFREQUENT in known else UNKNOWN
    matched = {}
    for text in pd.unique(texts):
        spelling = OTHER_SPELLING.get(text, other)
        matched[text] = text if text in known else spelling if spelling in known else other
    return np.array([matched[text] for text in texts], dtype=object)


def _to_numbers(column, name):
    types = pd.api.types
    if types.is_numeric_dtype(column) or types.is_bool_dtype(column):
        return column.to_numpy(dtype=float, na_value=np.nan)
    codes, values = pd.factorize(column.astype(object))
    numbers = np.array([*(_to_number(value) for value in values), np.nan])
    _warn_of_unreadable(values[np.isnan(numbers[:-1])], name, "a number")
    return numbers[codes]


def _to_number(value):
    """Read a number from whatever it came in; NaN where there is none."""
    if isinstance(value, str) and value.strip() in ("True", "False"):
        return float(value.strip() == "True")
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


def _to_days(column, name):
    """Read dates as days since 1970, in UTC; text only where day and month are plain."""
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if pd.api.types.is_numeric_dtype(column):
        column = column.mask(column.notna(), "a number").astype(object)
    settings = {"utc": True, "errors": "coerce"}
    if not pd.api.types.is_datetime64_any_dtype(column):
        # Of 05.04.2024, pandas makes the fifth of April or the fourth of May.
        settings["format"] = "ISO8601"
    dates = pd.to_datetime(column, **settings)
    _warn_of_unreadable(
        column[dates.isna() & column.notna()], name, "a date", ", as 2024-12-31 can,"
    )
    return ((dates - pd.Timestamp(0, tz="UTC")) / DAY).to_numpy(dtype=float)


def _durations_to_days(column, name):
    durations = pd.to_timedelta(column, errors="coerce")
    _warn_of_unreadable(column[durations.isna() & column.notna()], name, "a duration")
    return (durations / DAY).to_numpy(dtype=float)


def _times_to_hours(column, name):
    """Read times of the day as hours since midnight."""
    codes, values = pd.factorize(column.astype(object))
    hours = [
        value.hour + value.minute / 60 + (value.second + value.microsecond / 1e6) / 3600
        if isinstance(value, datetime.time)
        else np.nan
        for value in values
    ]
    hours = np.array([*hours, np.nan])
    _warn_of_unreadable(values[np.isnan(hours[:-1])], name, "a time of the day")
    return hours[codes]


_READERS = {
    "number": _to_numbers,
    "date": _to_days,
    "duration": _durations_to_days,
    "time": _times_to_hours,
}


def _warn_of_unreadable(values, name, expected, hint=""):
    if len(values):
        shown = ", ".join(repr(value) for value in list(values)[:3])
        warn_user(
            f"Column {name!r} held {expected} in each row of the training data; {shown} "
            f"cannot be read as such{hint} and counts as missing.",
            UnreadableValueWarning,
        )
