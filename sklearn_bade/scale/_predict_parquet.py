"""Predictions of a folder of Parquet files, written to another one."""

from pathlib import Path

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._base import BaseDebiasClassifier
from ..rows import open_features
from ..utils import progress_bar

# Rows of a file that is written, so that tools can read several at once. Not tuned.
ROWS_PER_FILE = 5_000_000
PREDICTION, PROBABILITY = "prediction", "probability_{}"


def predict_parquet(
    estimator, source, destination, *, keep=(), probabilities=True, verbose=0
):
    """Predict the rows of a folder of Parquet files, batch by batch, into another folder.

    Memory holds one batch of rows at a time, however many there are. Rows come out in the
    order in which they are read.

    Parameters
    ----------
    estimator : estimator object
        Fitted classifier, of this package or another. It gets the columns that it was
        fitted on by their names, and nothing else; one that knows no names gets all columns
        but those in `keep`.

    source : pyarrow.dataset.Dataset, str or path-like
        What to predict. A path is that of a Parquet file, or of a folder of them.

    destination : str or path-like
        Folder to write to. It is made where it is missing, and must be empty.

    keep : list of str, default=()
        Columns of `source` that are written beside the predictions, such as the number that
        identifies a row.

    probabilities : bool, default=True
        Whether to write a column of probabilities for each class, "probability_<label>",
        beside the column "prediction".

    verbose : int, default=0
        0 is silent, 1 shows a progress bar in terminals and notebooks, 2 everywhere.

    Returns
    -------
    predictions : pyarrow.dataset.Dataset
        What was written.

    Raises
    ------
    ImportError
        If pyarrow is missing; the extra "distributed" brings it.

    TypeError
        If the estimator is no classifier, or has no probabilities where these are wanted.

    ValueError
        If a column is missing, `destination` holds files already, or the estimator has a
        `selection_rate`, which is about all rows at once.

    Examples
    --------
    >>> import pyarrow.dataset, pyarrow.parquet, tempfile
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_bade import BackdoorDebiasClassifier
    >>> from sklearn_bade.datasets import make_biased_classification
    >>> from sklearn_bade.scale import predict_parquet
    >>> X, y, _ = make_biased_classification(n_samples=500, random_state=0)
    >>> X = X.assign(group=X["group"] == X["group"].max())
    >>> clf = BackdoorDebiasClassifier(LogisticRegression(), sensitive_columns="group")
    >>> clf = clf.set_params(random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = pyarrow.Table.from_pandas(X.assign(number=range(500)))
    ...     pyarrow.parquet.write_table(table, f"{folder}/rows.parquet")
    ...     predictions = predict_parquet(
    ...         clf, f"{folder}/rows.parquet", f"{folder}/predictions", keep=["number"]
    ...     )
    ...     predictions.to_table().column_names
    ['number', 'prediction', 'probability_0', 'probability_1']
    """
    check_is_fitted(estimator)
    _check_classifier(estimator, probabilities)
    if getattr(estimator, "selection_rate", None) is not None:
        raise ValueError(
            f"selection_rate={estimator.selection_rate!r} selects among all rows, and "
            "these are predicted batch by batch. Select from a column of probabilities, or "
            "decide by a threshold."
        )
    rows = _open_source(source)
    keep, features = _choose_columns(estimator, rows, keep)
    folder = _open_destination(destination)
    columns = list(dict.fromkeys([*keep, *features]))
    with progress_bar(rows.n_rows, verbose, unit="row") as progress, _Writer(folder) as out:
        for table in rows.tables(columns):
            frame = table.select(features).to_pandas()
            predicted = _predict(estimator, frame, probabilities)
            out.write(table.select(keep), predicted)
            progress("predicting", len(frame))
    return out.dataset()


def _check_classifier(estimator, probabilities):
    if not hasattr(estimator, "classes_"):
        raise TypeError(
            f"estimator is a {type(estimator).__name__}, which has no classes_. Give a "
            "fitted classifier."
        )
    if probabilities and not hasattr(estimator, "predict_proba"):
        raise TypeError(
            f"A {type(estimator).__name__} has no predict_proba. Give "
            "probabilities=False to have its labels alone."
        )


def _open_source(source):
    try:
        from pyarrow import dataset
    except ImportError as error:
        raise ImportError(
            "Parquet files need pyarrow. Install it with "
            '`pip install "sklearn-bade[distributed]"`.'
        ) from error
    if not isinstance(source, dataset.Dataset):
        source = dataset.dataset(source, format="parquet")
    return open_features(source)


def _choose_columns(estimator, rows, keep):
    """Find the columns that are written, and those that the estimator gets."""
    if isinstance(keep, str):
        raise ValueError(f"keep must be a list of columns, got {keep!r}.")
    keep, known = list(dict.fromkeys(keep)), getattr(estimator, "feature_names_in_", None)
    missing = [name for name in keep if name not in rows.columns]
    if missing:
        raise ValueError(
            f"{missing[0]!r} is not a column of source. The columns are: {rows.columns}."
        )
    new = [PREDICTION, *(PROBABILITY.format(label) for label in estimator.classes_)]
    taken = [name for name in keep if name in new]
    if taken:
        raise ValueError(
            f"keep names {taken[0]!r}, which is what a column of predictions is called. "
            "Rename that column of source."
        )
    if known is None:
        return keep, [name for name in rows.columns if name not in keep]
    return keep, rows.select(known).columns


def _open_destination(destination):
    folder = Path(destination)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(
            f"destination={str(destination)!r} is there already, and is no empty folder. "
            "Name another one, or remove it first."
        )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _predict(estimator, frame, probabilities):
    """Predict a batch; probabilities are computed once where decisions follow from them."""
    if not probabilities:
        return {PREDICTION: estimator.predict(frame)}
    proba = estimator.predict_proba(frame)
    if isinstance(estimator, BaseDebiasClassifier):
        decided = estimator.classes_[estimator._decision.decide_proba(proba)]
    else:
        decided = estimator.predict(frame)
    names = [PROBABILITY.format(label) for label in estimator.classes_]
    return {PREDICTION: decided, **dict(zip(names, proba.T))}


class _Writer:
    """Write tables to numbered files of many rows each, or none if anything fails."""

    def __init__(self, folder):
        self.folder = folder
        self.file, self.paths, self.n_rows = None, [], 0

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        self._close()
        if error is not None:  # half a table would pass for a whole one
            for path in self.paths:
                path.unlink()

    def write(self, table, predicted):
        """Write columns that are kept, and those that are new, side by side."""
        for name, values in predicted.items():
            table = table.append_column(name, [_to_arrow(values)])
        if self.file is None:
            self._open(table.schema)
        self.file.write_table(table)
        self.n_rows += table.num_rows
        if self.n_rows >= ROWS_PER_FILE:
            self._close()

    def dataset(self):
        """Open what was written."""
        from pyarrow import dataset

        return dataset.dataset(self.folder, format="parquet")

    def _open(self, schema):
        from pyarrow.parquet import ParquetWriter

        path = self.folder / f"part-{len(self.paths):05d}.parquet"
        self.paths.append(path)
        self.file, self.n_rows = ParquetWriter(path, schema), 0

    def _close(self):
        if self.file is not None:
            self.file.close()
            self.file = None


def _to_arrow(values):
    """Make an arrow array of a column of any kind."""
    import pyarrow as pa

    values = np.ascontiguousarray(values) if isinstance(values, np.ndarray) else values
    return pa.array(values.tolist() if values.dtype.kind == "U" else values)
