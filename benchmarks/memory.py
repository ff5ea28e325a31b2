"""Memory above the input of `fit`, on an array and on a file larger than a set limit."""

import resource
from tempfile import TemporaryDirectory

import numpy as np
import torch
from _common import in_new_process, make_parser, parse_arguments, peak_bytes, report
from skorch import NeuralNetClassifier

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.nets import MLP

CHUNK = 5_000


def make_net(n_features):
    """Make a small network that passes over the data once."""
    return NeuralNetClassifier(
        MLP,
        module__n_features=n_features,
        module__n_classes=2,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        batch_size=4096,
        max_epochs=1,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )


def fill(X):
    """Fill rows, and return labels and groups that depend on them."""
    rng = np.random.default_rng(0)
    y, groups = np.empty(len(X), dtype=np.int64), np.empty(len(X), dtype=np.int64)
    for start in range(0, len(X), CHUNK):
        rows = slice(start, start + CHUNK)
        chunk = rng.normal(size=X[rows].shape).astype(np.float32)
        groups[rows] = chunk[:, 0] + rng.normal(size=len(chunk)) > 0
        y[rows] = chunk[:, 1] + groups[rows] + rng.normal(size=len(chunk)) > 0.5
        X[rows] = chunk
    return y, groups


def fit(X, y, groups):
    """Fit the debiased network, with the group as an argument or as the last column."""
    if groups is None:
        net, feature = make_net(X.shape[1] - 1), -1
    else:
        net, feature = make_net(X.shape[1]), None
    clf = BackdoorDebiasClassifier(net, sensitive_columns=feature, random_state=0)
    return clf.fit(X, y, sensitive_features=groups)


def fit_array(n_samples, n_features, is_column):
    """Fit an array; return the peak above what was held before, over its size."""
    torch.set_num_threads(1)
    small = np.empty((1000, n_features), dtype=np.float32)
    fit(small, *fill(small))  # whatever libraries allocate once
    X = np.empty((n_samples, n_features), dtype=np.float32)
    y, groups = fill(X)
    if is_column:
        X[:, -1], groups = groups, None
    before = peak_bytes()
    fit(X, y, groups)
    return (peak_bytes() - before) / X.nbytes


def fit_file(n_samples, n_features, limit):
    """Fit a file of which no more than `limit` bytes fit into memory; return its size."""
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        shape = n_samples, n_features
        X = np.memmap(f"{folder}/X", dtype=np.float32, mode="w+", shape=shape)
        y, groups = fill(X)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        fit(X, y, groups)
        return X.nbytes


def main():
    """Measure both."""
    arguments = parse_arguments(make_parser(__doc__))
    rows = []
    for is_column in (False, True):
        ratio = in_new_process(fit_array, 1_000_000, 50, is_column)
        what = "array of 1,000,000 x 50" + (", group in a column" if is_column else "")
        rows.append({"what": what, "peak above input, over input": round(ratio, 2)})
    limit = 2**30
    size = in_new_process(fit_file, 3_000_000, 100, limit)
    what = f"file of {size / limit:.2f} times the limit on memory"
    rows.append({"what": what, "peak above input, over input": "finished"})
    report(rows, arguments.csv)


if __name__ == "__main__":
    main()
