"""What defences that repair a fitted network have in common."""

import copy

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)
from skorch import NeuralNetClassifier

from .._groups import is_dataframe
from .._preprocessing import to_float32
from ..nets import log_probabilities


def open_fitted(estimator):
    """Find the network in what the user gave.

    Parameters
    ----------
    estimator : skorch.NeuralNetClassifier, Pipeline or FrozenEstimator
        Fitted network, alone or at the end of a pipeline.

    Returns
    -------
    preprocessing : sklearn.pipeline.Pipeline or None
        Fitted steps before the network; None if there are none.

    net : skorch.NeuralNetClassifier
        The network itself, not a copy.

    Raises
    ------
    TypeError
        If there is no skorch classifier in it.

    sklearn.exceptions.NotFittedError
        If the network is not fitted.
    """
    preprocessing = None
    while isinstance(estimator, (FrozenEstimator, Pipeline)):
        if isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        else:
            preprocessing = estimator[:-1] if len(estimator) > 1 else None
            estimator = estimator[-1]
    if not isinstance(estimator, NeuralNetClassifier):
        raise TypeError(
            "The defence repairs a fitted skorch.NeuralNetClassifier, alone or at the end "
            f"of a Pipeline; got {type(estimator).__name__}."
        )
    if not getattr(estimator, "initialized_", False):
        raise NotFittedError(
            "The network is not fitted. Fit it first; where the defence is cloned, as in "
            "cross-validation, wrap the fitted network in sklearn.frozen.FrozenEstimator, "
            "since a clone of a bare network forgets its weights."
        )
    return preprocessing, estimator


class NetRepair(ClassifierMixin, BaseEstimator):
    """Base class of defences that take a fitted network and return a better one.

    A subclass calls :meth:`_open` first, works on copies of `_net`, and ends with
    :meth:`_keep`.
    """

    def _open(self, X):
        """Check the rows and find the network; return the network's own input."""
        self._preprocessing, self._net = open_fitted(self.estimator)
        frame = is_dataframe(X)
        options = {"skip_check_array": True} if frame else {"ensure_all_finite": False}
        options |= {} if frame else {"dtype": None, "allow_nd": True}
        X = validate_data(self, X, reset=True, **options)
        return self._features(X)

    def _features(self, X):
        """Make the network's input from rows."""
        return to_float32(X if self._preprocessing is None else self._transform(X))

    def _transform(self, X):
        return self._preprocessing.transform(X)

    def _check_labels(self, X, y, n_classes):
        """Check that labels are codes of the network's classes."""
        y = column_or_1d(y, warn=True)
        check_consistent_length(X, y)
        check_classification_targets(y)
        if y.dtype.kind not in "iub" or y.min() < 0 or y.max() >= n_classes:
            raise ValueError(
                f"y must hold the network's own labels, integers from 0 to {n_classes - 1}; "
                f"got {np.unique(y)[:10].tolist()}."
            )
        return y.astype(np.int64)

    def _keep(self, net):
        """Keep the repaired network, behind the same preprocessing."""
        self.estimator_ = net
        if self._preprocessing is not None:
            steps = [*self._preprocessing.steps, ("classifier", net)]
            self.estimator_ = Pipeline(steps)
        del self._net
        return self

    def predict_proba(self, X):
        """Estimate class probabilities with the repaired network.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.
        """
        check_is_fitted(self)
        net = self.estimator_
        if self._preprocessing is not None:
            net = net[-1]
        return np.exp(log_probabilities(net, self._features(X)))

    def predict(self, X):
        """Predict class labels with the repaired network.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Labels.
        """
        return self.predict_proba(X).argmax(axis=1)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "estimator_")


def copy_net(net):
    """Copy a fitted network with its weights."""
    return copy.deepcopy(net)
