"""Which training rows stand out in what a network makes of them."""

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_consistent_length, column_or_1d

from .._compat import HasMethods, validate_params
from ..nets import last_layer, layer_inputs, weighted_layers
from ._base import open_fitted, to_net_input

# Makes the median absolute deviation of normal numbers their standard deviation.
NORMAL_SPREAD = 1.4826
# Fewer rows of a class show no direction.
LEAST_ROWS = 10
# Of float32, relative to the greatest feature.
ROUNDING = 1e-6
# On images, poison is found along one of the first few directions; on tables, more of them
# hide it.
N_DIRECTIONS = 3


@validate_params(
    {"clf": [HasMethods(["predict"])]},
    prefer_skip_nested_validation=True,
)
def score_training_rows(clf, X, y):
    """Tell how far each training row stands out from its class, in a network's features.

    Stamped rows have the label in common with their class, and little else. What the
    last layer of a network receives, trained on all rows, differs much between them and
    the others, which shows along the first directions of spread of the class (after
    spectral signatures [1]_).

    Parameters
    ----------
    clf : estimator object
        Fitted skorch network, pipeline that ends with one, or
        :class:`~sklearn_bade.defenses.DeconfoundedClassifier`.

    X : {array-like, dataframe} of shape (n_samples, n_features)
        The rows that it was trained on.

    y : array-like of shape (n_samples,)
        Their labels.

    Returns
    -------
    scores : pandas.DataFrame
        One row for each of X, with the columns "class" and "score": distance from the
        median of the class, along the one of the first three directions where it is
        greatest, in standard deviations as the median absolute deviation tells them; NaN
        for classes of fewer than ten rows.

    Raises
    ------
    TypeError
        If there is no skorch network.

    Notes
    -----
    Look at the rows with the highest scores. Clean classes have such rows too, so a score
    is a reason to look, and no verdict; where a class has two natural parts, the
    smaller one stands out. Patterns on images stand out clearly, and values out of range
    on tables; ordinary values hardly do.
    :class:`~sklearn_bade.defenses.DeconfoundedClassifier` asks for more evidence.

    References
    ----------
    .. [1] Tran, Li and Madry, "Spectral Signatures in Backdoor Attacks", NeurIPS 2018,
       arXiv:1811.00636.

    Examples
    --------
    >>> import torch
    >>> from sklearn_bade.datasets import make_poisoned_classification
    >>> from sklearn_bade.defenses import score_training_rows
    >>> from sklearn_bade.nets import make_default_net
    >>> X, y, is_poisoned = make_poisoned_classification(random_state=0)
    >>> _ = torch.manual_seed(0)  # the network's first weights
    >>> net = make_default_net(X, n_classes=2).fit(X, y)
    >>> scores = score_training_rows(net, X, y)["score"]
    >>> bool(scores[is_poisoned].median() > scores[~is_poisoned].median())
    True
    """
    preprocessing, net = open_fitted(clf)
    rows = to_net_input(net, X if preprocessing is None else preprocessing.transform(X))
    layer = weighted_layers(net.module_)[last_layer(net, rows)]
    features = layer_inputs(net, layer, rows).reshape(len(rows), -1)
    check_consistent_length(X, y)
    labels = column_or_1d(y)
    scores = np.full(len(labels), np.nan)
    for label in np.unique(labels):
        own = labels == label
        if own.sum() >= LEAST_ROWS:
            scores[own] = stand_out(features[own])
    return pd.DataFrame({"class": labels, "score": scores})


def stand_out(features):
    """Measure how far rows are from their median along their directions of spread."""
    centred = features - features.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    along = centred @ directions[:N_DIRECTIONS].T
    distance = np.abs(along - np.median(along, axis=0))
    spread = NORMAL_SPREAD * np.median(distance, axis=0)
    # Where most rows are alike, any other one is infinitely far; but for rounding.
    distance[distance < ROUNDING * np.abs(features).max()] = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(distance / spread, nan=0.0, posinf=np.inf).max(axis=1)
