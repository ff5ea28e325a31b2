"""What the defences have in common."""

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from skorch import NeuralNetClassifier

from ..nets import log_probabilities, predict_values
from ..preprocessing import to_float32
from ..rows import forget_fit, validate_features, validate_labels
from ..utils import PredictByProbabilityMixin

# Rows that a network's outputs are looked at on, and how far rounding may take a sum of
# probabilities from one.
SOME_ROWS, TOLERATED_ERROR = 100, 1e-3


def open_fitted(estimator):
    """Find the network in what the user gave."""
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


def check_probabilities(net, X):
    """Refuse a network whose criterion wants probabilities, and whose module gives others.

    Skorch's default criterion does, and takes the logarithm of what may be negative.
    """
    if not isinstance(net.criterion_, torch.nn.NLLLoss):
        return
    values = predict_values(net, X[:SOME_ROWS])
    if (values < 0).any() or not np.allclose(values.sum(axis=1), 1, atol=TOLERATED_ERROR):
        raise ValueError(
            "The network's criterion is NLLLoss, which wants probabilities, and its module "
            f"returns others (from {values.min():.3g} to {values.max():.3g}, with sums "
            f"from {values.sum(axis=1).min():.3g}). Give the net "
            "criterion=torch.nn.CrossEntropyLoss if these are logits, or let the module "
            "end in a softmax."
        )


def to_floats(X):
    """Turn features into float32, but refuse bytes, which the network may scale itself."""
    if getattr(X, "dtype", None) == np.uint8 and X.ndim > 2:
        raise ValueError(
            "X holds images of bytes (uint8); the defences compute with floats. Train the "
            "network on images of float32, such as X / 255, and give these."
        )
    return to_float32(X)


class NetDefense(PredictByProbabilityMixin, BaseEstimator):
    """Base class of defences, which predict with the network in `estimator_`.

    `fit` of a subclass sets `classes_` and ends with :meth:`_keep`.
    """

    def _check_rows(self, X, reset=False):
        """Check the container of X."""
        takes_nan = self._preprocessing is not None
        return validate_features(self, X, reset=reset, takes_nan=takes_nan)

    def _features(self, X):
        """Make the network's input from rows."""
        if self._preprocessing is not None:
            X = self._preprocessing.transform(X)
        return to_floats(X)

    def _keep(self, net):
        """Keep a fitted network, behind its preprocessing, without its last gradient.

        That of a batch of one row would give the row away.
        """
        for parameter in net.module_.parameters():
            parameter.grad = None
        self.estimator_ = net
        if self._preprocessing is not None:
            steps = [*self._preprocessing.steps, ("classifier", net)]
            self.estimator_ = Pipeline(steps)
        return self

    def _predict_proba(self, X):
        """Ask the clean network."""
        _, net = open_fitted(self.estimator_)
        return np.exp(log_probabilities(net, self._features(self._check_rows(X))))

    def __sklearn_is_fitted__(self):
        return hasattr(self, "estimator_")


class NetRepair(NetDefense):
    """Base class of defences that take a fitted network and return a better one.

    `fit` of a subclass calls :meth:`_open` first and works on copies of the network
    that it returns.
    """

    def _open(self, X):
        """Find the network, and check the rows."""
        forget_fit(self)
        self._preprocessing, net = open_fitted(self.estimator)
        X = self._check_rows(X, reset=True)
        features = self._features(X)
        check_probabilities(net, features)
        self.classes_ = np.arange(log_probabilities(net, features[:1]).shape[1])
        return net, X, features

    def _check_codes(self, X, y):
        """Check that labels are codes of the network's classes."""
        y = validate_labels(X, y)
        n_classes = len(self.classes_)
        if y.dtype.kind not in "iub" or y.min() < 0 or y.max() >= n_classes:
            raise ValueError(
                "y must hold the network's own labels, integers from 0 to "
                f"{n_classes - 1}; got {np.unique(y)[:10].tolist()}."
            )
        return y.astype(np.int64)
