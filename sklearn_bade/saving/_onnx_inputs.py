"""Inputs of a graph: raw columns, or one array."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.pipeline import Pipeline

from ..preprocessing import to_pandas
from ..preprocessing._raw_columns import _READERS, MISSING, TableReader, _to_texts
from ..rows import Texts, is_frame
from ._onnx_columns import NO_TEXT, Column, columns_of
from ._onnx_graph import DOUBLE, FLOAT, TEXT, UINT8

ARRAY_KINDS = {np.dtype(np.float32): FLOAT, np.dtype(np.uint8): UINT8}
ARRAY = "X"


@dataclass(frozen=True)
class ArrayInput:
    """One array of numbers, the rows of which may have any shape."""

    shape: tuple
    kind: int

    def declare(self, graph):
        """Declare the input; return its columns, or its name if it is no table."""
        graph.add_input(ARRAY, self.kind, list(self.shape))
        if len(self.shape) > 1:
            return ARRAY
        return columns_of(graph.cast(ARRAY, DOUBLE), *self.shape)

    def feed(self, X):
        """Return what the inputs are for some rows."""
        types = {kind: dtype for dtype, kind in ARRAY_KINDS.items()}
        return {ARRAY: np.asarray(X).astype(types.get(self.kind, np.float64))}


@dataclass(frozen=True)
class ColumnInputs:
    """An input for each column; `kinds` are what the default preprocessing calls them."""

    kinds: dict

    def declare(self, graph):
        """Declare the inputs, and return them as columns."""
        columns = []
        for name, kind in self.kinds.items():
            is_text = kind in ("category", "text")
            graph.add_input(name, TEXT if is_text else DOUBLE, [1])
            columns.append(Column(name, is_text=is_text))
        return columns

    def feed(self, X):
        """Return what the inputs are for some rows."""
        frame = to_pandas(X)
        columns = (frame.iloc[:, i] for i in range(frame.shape[1]))
        return {
            name: _to_array(column, name, kind)[:, None]
            for column, (name, kind) in zip(columns, self.kinds.items())
        }


def make_inputs(X, preprocessing):
    """Find out which inputs rows need."""
    if is_frame(X):
        return ColumnInputs(_find_kinds(to_pandas(X), preprocessing))
    if issparse(X):
        raise ValueError(
            "export_onnx does not know sparse matrices. Fit on a dense table, X.toarray()."
        )
    if isinstance(X, Texts):
        raise ValueError(
            "export_onnx does not know vectorizers of texts. Save the classifier by "
            "sklearn_bade.saving.save, which keeps them."
        )
    X = np.asarray(X)
    if X.dtype.kind not in "fiub":
        raise ValueError(
            f"X is an array of {X.dtype}, whose columns have no types of their own. Fit on "
            "a dataframe to export text columns, or on an array of numbers."
        )
    return ArrayInput(X.shape[1:], ARRAY_KINDS.get(X.dtype, DOUBLE))


def _find_kinds(frame, preprocessing):
    """Find what columns hold: as the default preprocessing says, or by their types."""
    if isinstance(preprocessing, Pipeline) and len(preprocessing.steps):
        reader = preprocessing[0]
        if isinstance(reader, TableReader):
            return dict(zip(map(str, frame.columns), reader.kinds_.values()))
    return {name: _kind(frame[name], name) for name in frame}


def _kind(column, name):
    """Tell numbers from text."""
    types = pd.api.types
    values = column
    if isinstance(column.dtype, pd.CategoricalDtype):
        values = column.cat.categories.to_series()
    if types.is_numeric_dtype(values) or types.is_bool_dtype(values):
        return "number"
    if all(isinstance(value, str) for value in values.dropna()):
        return "text"
    raise ValueError(
        f"Column {name!r} holds {column.dtype} and is neither text nor numbers, so it has "
        "no type in an ONNX file. Turn it into one of these before fit; with "
        "estimator=None, dates and times are days and hours."
    )


def _to_array(column, name, kind):
    """Turn a column into what its input takes."""
    if kind == "category":
        texts = _to_texts(column)
        return np.where(texts == MISSING, NO_TEXT, texts).astype(object)
    if kind == "text":
        return column.astype(object).where(column.notna(), NO_TEXT).to_numpy(dtype=object)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(float)
    return np.asarray(_READERS[kind](column, name), dtype=float)
