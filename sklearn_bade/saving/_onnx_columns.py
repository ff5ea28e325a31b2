"""Columns of a table in a graph, and the steps that scikit-learn takes on them."""

from dataclasses import dataclass, replace
from functools import singledispatch
from itertools import groupby

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from ..preprocessing import to_float32, to_net_rows, to_numbers, to_token_rows
from ..preprocessing._raw_columns import (
    INFREQUENT,
    MISSING,
    OTHER_SPELLING,
    UNKNOWN,
    TableReader,
)
from ._onnx_graph import BOOL, DOUBLE, FLOAT, ML_DOMAIN
from ._onnx_others import convert_transformer

# Text has no NaN: an empty one stands for a value that is missing.
NO_TEXT = ""
# Stands for NaN among numbers that are compared with categories; none of these is it.
NO_NUMBER = -(2.0**1000)
# Functions of NumPy that users put into pipelines, as operators of ONNX.
FUNCTIONS = {np.log: "Log", np.exp: "Exp", np.sqrt: "Sqrt", np.abs: "Abs"}
CASTS = (to_float32, to_net_rows, to_token_rows)


@dataclass(frozen=True)
class Column:
    """A column of a tensor in the graph.

    Of text, `replaced` tells what it counts as, and `other` all text that is not named
    there; None leaves that as it is.
    """

    tensor: str
    position: int = 0
    width: int = 1
    is_text: bool = False
    replaced: tuple = ()
    other: str | None = None

    def compose(self, codes, unknown):
        """Return the codes of raw text, and that of any other text.

        `codes` are those of what text counts as.
        """
        replaced = dict(self.replaced)
        composed = {text: codes.get(as_, unknown) for text, as_ in replaced.items()}
        if self.other is not None:
            return composed, codes.get(self.other, unknown)
        return {**codes, **composed}, unknown


def columns_of(tensor, width):
    """List the columns of a tensor of numbers."""
    return [Column(tensor, i, width) for i in range(width)]


def to_matrix(graph, columns):
    """Put columns side by side in one tensor."""
    parts = []
    for tensor, of_tensor in groupby(columns, key=lambda column: column.tensor):
        run = list(of_tensor)
        positions = [column.position for column in run]
        is_whole = positions == list(range(run[0].width))
        parts.append(tensor if is_whole else graph.take(tensor, positions))
    return graph.concat(parts)


def to_numeric_matrix(graph, columns, step):
    """Put columns side by side for a step that takes numbers."""
    if any(column.is_text for column in columns):
        raise ValueError(
            f"{type(step).__name__} is given text, which export_onnx can only hand to a "
            "OneHotEncoder, an OrdinalEncoder or a SimpleImputer. Encode text by one of "
            "these, in a ColumnTransformer, or leave estimator=None."
        )
    return to_matrix(graph, columns)


@singledispatch
def transform(step, graph, columns):
    """Write a fitted step, and return the columns that it makes."""
    matrix = to_numeric_matrix(graph, columns, step)
    return columns_of(*convert_transformer(step, graph, matrix, len(columns)))


@transform.register
def _(step: str, graph, columns):
    return columns if step == "passthrough" else []


@transform.register
def _(step: Pipeline, graph, columns):
    for _, each in step.steps:
        columns = transform("passthrough" if each is None else each, graph, columns)
    return columns


@transform.register
def _(step: FeatureUnion, graph, columns):
    if step.transformer_weights:
        raise ValueError(
            "export_onnx does not know the transformer_weights of a FeatureUnion. Leave "
            "them out, or scale the features by a step of their own."
        )
    parts = [transform(each, graph, columns) for _, each in step.transformer_list]
    return [column for part in parts for column in part]


@transform.register
def _(step: ColumnTransformer, graph, columns):
    made = []
    for name, each, _ in step.transformers_:
        positions = step._transformer_to_input_indices[name]
        if len(positions):
            made += transform(each, graph, [columns[i] for i in positions])
    return made


@transform.register
def _(step: FunctionTransformer, graph, columns):
    function = step.func
    if function is None or function is to_numbers or _is_array_check(function):
        return columns
    matrix = to_numeric_matrix(graph, columns, step)
    if function in CASTS or function in (np.float32, np.float64):
        if function is not np.float64:
            matrix = graph.cast(graph.cast(matrix, FLOAT), DOUBLE)
        return columns_of(matrix, len(columns))
    if function is np.log1p:
        return columns_of(graph.add("Log", graph.add("Add", matrix, 1.0)), len(columns))
    if function in FUNCTIONS and not step.kw_args:
        return columns_of(graph.add(FUNCTIONS[function], matrix), len(columns))
    raise ValueError(
        f"FunctionTransformer({getattr(function, '__name__', function)}) runs Python, "
        "which an ONNX file cannot. Use a transformer of scikit-learn's for it, or apply "
        "the function before the rows reach the classifier."
    )


def _is_array_check(function):
    """Tell whether this is what HistGradientBoosting checks its numbers by."""
    return getattr(getattr(function, "func", None), "__name__", "") == "check_array"


@transform.register
def _(step: StandardScaler, graph, columns):
    matrix = to_numeric_matrix(graph, columns, step)
    if step.with_mean:
        matrix = graph.add("Sub", matrix, step.mean_[None])
    if step.with_std:
        matrix = graph.add("Div", matrix, step.scale_[None])
    return columns_of(matrix, len(columns))


@transform.register
def _(step: MinMaxScaler, graph, columns):
    matrix = to_numeric_matrix(graph, columns, step)
    matrix = graph.add("Add", graph.add("Mul", matrix, step.scale_[None]), step.min_[None])
    if step.clip:
        least, most = (np.float64(x) for x in step.feature_range)
        matrix = graph.add("Min", graph.add("Max", matrix, least), most)
    return columns_of(matrix, len(columns))


@transform.register
def _(step: MaxAbsScaler, graph, columns):
    matrix = to_numeric_matrix(graph, columns, step)
    return columns_of(graph.add("Div", matrix, step.scale_[None]), len(columns))


@transform.register
def _(step: SimpleImputer, graph, columns):
    if step.add_indicator:
        raise ValueError(
            "export_onnx does not know SimpleImputer(add_indicator=True). Leave the "
            "indicator out, or make one by a MissingIndicator in a FeatureUnion."
        )
    values = step.statistics_
    if all(column.is_text for column in columns):
        return [_impute_text(c, value) for c, value in zip(columns, values)]
    if not _is_nan(step.missing_values):
        raise ValueError(
            f"export_onnx does not know SimpleImputer(missing_values="
            f"{step.missing_values!r}) of numbers. Use missing_values=np.nan."
        )
    values = np.asarray(values, dtype=float)
    kept = np.flatnonzero(~np.isnan(values))
    matrix = to_numeric_matrix(graph, [columns[i] for i in kept], step)
    is_missing = graph.add("IsNaN", matrix)
    return columns_of(graph.add("Where", is_missing, values[None, kept], matrix), len(kept))


def _impute_text(column, value):
    """Let missing text count as a value."""
    if NO_TEXT in dict(column.replaced) or column.other is not None:
        return column
    return replace(column, replaced=(*column.replaced, (NO_TEXT, str(value))))


@transform.register
def _(step: TableReader, graph, columns):
    return [_read(step, name, graph, column) for name, column in zip(step.kinds_, columns)]


def _read(reader, name, graph, column):
    """Read a raw column as the default preprocessing does."""
    if reader.kinds_[name] == "category":
        return _match_text(column, reader.categories_[name])
    if name not in reader.usual_:
        return column
    usual, matrix = reader.usual_[name], to_matrix(graph, [column])
    is_rare = graph.add("Not", graph.add("Equal", matrix, usual))
    is_known = graph.add("Not", graph.add("IsNaN", matrix))
    if np.isnan(usual):
        is_known = graph.add("And", is_known, False)
    seen = graph.add("Where", is_known, graph.cast(is_rare, DOUBLE), np.nan)
    return Column(seen)


def _match_text(column, categories):
    """Let text count as the category that it belongs to."""
    other = INFREQUENT if INFREQUENT in categories else UNKNOWN
    replaced = {text: text for text in categories}
    for text, spelling in OTHER_SPELLING.items():
        if spelling in replaced:
            replaced.setdefault(text, spelling)
    missing = MISSING if MISSING in categories else other
    replaced.setdefault(NO_TEXT, missing)
    return replace(column, replaced=tuple(replaced.items()), other=other)


@transform.register
def _(step: OrdinalEncoder, graph, columns):
    codes = [_ordinals(step, i) for i in range(len(columns))]
    unknown = np.nan
    if step.handle_unknown == "use_encoded_value":
        unknown = float(step.unknown_value)
    return _look_up(graph, columns, codes, [unknown] * len(columns))


def _ordinals(step, i):
    """Map the categories of a feature to their codes."""
    if getattr(step, "_infrequent_enabled", False):
        raise ValueError(
            "export_onnx does not know an OrdinalEncoder that puts infrequent categories "
            "together. Leave out its min_frequency and max_categories, or use a "
            "OneHotEncoder, of which it does."
        )
    codes = {_spell(value): float(k) for k, value in enumerate(step.categories_[i])}
    if None in codes:
        codes[None] = float(step.encoded_missing_value)
    return codes


@transform.register
def _(step: OneHotEncoder, graph, columns):
    places, n_made, features = [], 0, []
    for i in range(len(columns)):
        of_feature, unknown, width = _one_hot_places(step, i)
        places.append((of_feature, unknown))
        features += [(i, place) for place in range(width)]
        n_made += width
    codes, unknown = zip(*places)
    found = _look_up(graph, columns, codes, unknown)
    matrix = to_matrix(graph, found)
    spread = graph.take(matrix, [i for i, _ in features])
    wanted = np.array([[float(place) for _, place in features]])
    hits = graph.cast(graph.add("Equal", spread, wanted), DOUBLE)
    return columns_of(hits, n_made)


def _one_hot_places(step, i):
    """Find which of the columns of a feature each category marks.

    Returns
    -------
    places : dict
        Position among the columns of the feature for each category; -1 marks none.
    unknown : float
        Position for values that are no category.
    width : int
        How many columns the feature has.
    """
    categories, dropped = step.categories_[i], None
    order = np.arange(len(categories))
    infrequent = None
    if step._infrequent_enabled and step._default_to_infrequent_mappings[i] is not None:
        order = step._default_to_infrequent_mappings[i]
        infrequent = order.max()
    width = order.max() + 1
    if step.drop_idx_ is not None and step.drop_idx_[i] is not None:
        dropped = order[step.drop_idx_[i]]
        width -= 1

    def place(k):
        return -1.0 if k == dropped else float(k - (dropped is not None and k > dropped))

    places = {_spell(value): place(k) for value, k in zip(categories, order)}
    shares = step.handle_unknown in ("infrequent_if_exist", "warn")
    unknown = place(infrequent) if shares and infrequent is not None else -1.0
    return places, unknown, width


def _spell(value):
    """Spell a category; one that is missing is None."""
    return None if value is None or _is_nan(value) else value


def _is_nan(value):
    return isinstance(value, float) and np.isnan(value)


def _look_up(graph, columns, codes, unknown):
    """Exchange values for codes, and return columns of these in the same order."""
    is_text = [column.is_text for column in columns]
    found = [None] * len(columns)
    for look_up, kind in ((_look_up_text, True), (_look_up_numbers, False)):
        chosen = [i for i, of_kind in enumerate(is_text) if of_kind is kind]
        if chosen:
            matrix = look_up(
                graph,
                [columns[i] for i in chosen],
                [codes[i] for i in chosen],
                [unknown[i] for i in chosen],
            )
            for i, column in zip(chosen, columns_of(matrix, len(chosen))):
                found[i] = column
    return found


def _look_up_text(graph, columns, codes, unknown):
    """Find the codes of text.

    All columns share one dictionary of words, and each has a row of a table of codes: two
    operators do for any number of columns.
    """
    composed = []
    for column, of_column, other in zip(columns, codes, unknown):
        texts = {NO_TEXT if text is None else str(text): c for text, c in of_column.items()}
        composed.append(column.compose(texts, other))
    words = sorted({word for of_column, _ in composed for word in of_column})
    # The last place of each row is that of words which nobody knows.
    table = [
        [known.get(word, other) for word in [*words, None]] for known, other in composed
    ]
    ids = graph.add(
        "LabelEncoder",
        to_matrix(graph, columns),
        domain=ML_DOMAIN,
        keys_strings=words or [NO_TEXT],
        values_int64s=list(range(len(words))) or [0],
        default_int64=len(words),
    )
    starts = np.arange(len(columns), dtype=np.int64)[None] * (len(words) + 1)
    places = graph.add("Add", ids, starts) if len(columns) > 1 else ids
    return graph.add("Gather", np.array(table, dtype=float).ravel(), places, axis=0)


def _look_up_numbers(graph, columns, codes, unknown):
    """Find the codes of numbers, by comparing each with all categories of its column."""
    matrix = to_matrix(graph, columns)
    is_missing = graph.add("IsNaN", matrix)
    matrix = graph.add("Where", is_missing, NO_NUMBER, matrix)
    values = [
        (i, NO_NUMBER if value is None else float(value), code)
        for i, of_column in enumerate(codes)
        for value, code in of_column.items()
        if not np.isnan(code)
    ]
    spread = graph.take(matrix, [i for i, _, _ in values])
    is_value = graph.add("Equal", spread, np.array([[value for _, value, _ in values]]))
    code_of, counts = np.zeros((2, len(values), len(columns)))
    for row, (i, _, code) in enumerate(values):
        code_of[row, i], counts[row, i] = code, 1.0
    hits = graph.cast(is_value, DOUBLE)
    is_known = graph.cast(graph.add("MatMul", hits, counts), BOOL)
    found = graph.add("MatMul", hits, code_of)
    found = graph.add("Where", is_known, found, np.array([unknown], dtype=float))
    # Missing numbers that stay missing are no sum of products.
    stays = np.array([[np.isnan(of_column.get(None, 0.0)) for of_column in codes]])
    if stays.any():
        stay_missing = graph.add("And", is_missing, stays)
        found = graph.add("Where", stay_missing, np.nan, found)
    return found
