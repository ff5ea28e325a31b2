"""Which training rows stand out in what a network makes of them."""

import numpy as np
import pandas as pd

from ..._compat import HasMethods, validate_params
from ...defenses._base import open_fitted, to_floats
from ...nets import last_layer, layer_inputs, weighted_layers
from ._subject import find_chosen

# Makes the median absolute deviation of normal numbers their standard deviation.
NORMAL_SPREAD = 1.4826
# Fewer rows of a class show no direction.
LEAST_ROWS = 10


@validate_params(
    {"clf": [HasMethods(["predict"])]},
    prefer_skip_nested_validation=True,
)
def score_training_rows(clf, X, y):
    """Tell how far each training row stands out from its class, in a network's features.

    Stamped rows have the label in common with their class, and little else. What the
    last layer of a network receives, trained on all rows, differs most between them and
    the others, which shows along the first direction of spread of the class (spectral
    signatures [1]_).

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
        median of the class along that direction, in standard deviations as the median
        absolute deviation tells them; NaN for classes of fewer than ten rows.

    Raises
    ------
    TypeError
        If there is no skorch network.

    Notes
    -----
    Look at the rows with the highest scores. Clean classes have such rows too, so a score
    is a reason to look, and no verdict; where a class has two natural parts, the
    smaller one stands out. :class:`~sklearn_bade.defenses.DeconfoundedClassifier` asks for
    more evidence.

    References
    ----------
    .. [1] Tran, Li and Madry, "Spectral Signatures in Backdoor Attacks", NeurIPS 2018,
       arXiv:1811.00636.

    Examples
    --------
    >>> from sklearn_bade.datasets import make_poisoned_classification
    >>> from sklearn_bade.inspection import score_training_rows
    >>> from sklearn_bade.nets import make_default_net
    >>> X, y, is_poisoned = make_poisoned_classification(random_state=0)
    >>> net = make_default_net(X, n_classes=2).fit(X, y)
    >>> scores = score_training_rows(net, X, y)["score"]
    >>> bool(scores[is_poisoned].median() > scores[~is_poisoned].median())
    True
    """
    preprocessing, net = open_fitted(find_chosen(clf))
    rows = to_floats(X if preprocessing is None else preprocessing.transform(X))
    layer = weighted_layers(net.module_)[last_layer(net, rows)]
    features = layer_inputs(net, layer, rows).reshape(len(rows), -1)
    labels = np.asarray(y)
    scores = np.full(len(labels), np.nan)
    for label in np.unique(labels):
        own = labels == label
        if own.sum() >= LEAST_ROWS:
            scores[own] = stand_out(features[own])
    return pd.DataFrame({"class": labels, "score": scores})


def stand_out(features):
    """Measure how far rows are from their median along their first direction of spread."""
    centred = features - features.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    along = centred @ directions[0]
    distance = np.abs(along - np.median(along))
    spread = NORMAL_SPREAD * np.median(distance)
    return distance / spread if spread > 0 else np.where(distance > 0, np.inf, 0.0)
