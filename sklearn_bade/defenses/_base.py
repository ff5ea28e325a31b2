"""What the defences have in common."""

from copy import deepcopy

import numpy as np
import torch
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNetClassifier

from ..nets import log_probabilities, predict_values, takes_tokens
from ..preprocessing import to_float32, to_token_rows
from ..rows import forget_fit, validate_features, validate_labels
from ..utils import PredictByProbabilityMixin

# Rows that a network's outputs are looked at on, and how far rounding may take a sum of
# probabilities from one.
SOME_ROWS, TOLERATED_ERROR = 100, 1e-3
# Sparse features that become dense without asking.
MOST_DENSE_BYTES = 2**28
# Adam's usual rate, for modules that come without an optimizer.
MODULE_RATE = 1e-3


def open_fitted(estimator):
    """Find the network in what the user gave, and the steps before it."""
    steps = []
    while isinstance(estimator, (FrozenEstimator, Pipeline, NetDefense)):
        if isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif isinstance(estimator, NetDefense):
            check_is_fitted(estimator)
            estimator = estimator.estimator_
        else:
            steps += [step for _, step in estimator.steps[:-1]]
            estimator = estimator[-1]
    preprocessing = make_pipeline(*steps) if steps else None
    if isinstance(estimator, torch.nn.Module):
        return preprocessing, wrap_module(estimator)
    if not isinstance(estimator, NeuralNetClassifier):
        raise TypeError(
            "A torch.nn.Module with weights or a fitted skorch.NeuralNetClassifier is "
            "needed, alone or at the end of a Pipeline; got "
            f"{type(estimator).__name__}."
        )
    if not getattr(estimator, "initialized_", False):
        raise NotFittedError(
            "The network is not fitted. Fit it first; where the defence is cloned, as in "
            "cross-validation, wrap the fitted network in sklearn.frozen.FrozenEstimator, "
            "since a clone of a bare network forgets its weights."
        )
    return preprocessing, estimator


def wrap_module(module):
    """Make a fitted network of a bare module with weights, which is left unchanged."""
    parameter = next(module.parameters(), None)
    return NeuralNetClassifier(
        deepcopy(module),
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=MODULE_RATE,
        train_split=None,
        verbose=0,
        device="cpu" if parameter is None else parameter.device,
    ).initialize()


def fit_criterion(net, X):
    """Give a wrapped module the criterion that its outputs are made for."""
    values = predict_values(net, X[:SOME_ROWS])
    if (values >= 0).all() and np.allclose(values.sum(axis=1), 1, atol=TOLERATED_ERROR):
        net.set_params(criterion=torch.nn.NLLLoss)


def count_classes(net, X):
    """Count a network's outputs, of which there must be one for each class."""
    values = predict_values(net, X[:1])
    if values.ndim != 2 or values.shape[1] < 2:
        raise ValueError(
            "The network must return one output for each class, two or more for each row; "
            f"for one row, it returned an array of shape {values.shape}."
        )
    return values.shape[1]


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


def to_codes(y, classes):
    """Turn labels into the codes of a network's outputs."""
    codes = {label: code for code, label in enumerate(np.asarray(classes).tolist())}
    labels = np.asarray(y).tolist()
    unknown = sorted({str(label) for label in labels if label not in codes})
    if unknown:
        raise ValueError(
            f"y must hold the network's labels, {list(codes)}; got {unknown[:10]} as well. "
            "A defence takes the labels of the network's outputs, in their order, as "
            "`classes`."
        )
    return np.array([codes[label] for label in labels], dtype=np.int64)


def to_floats(X):
    """Turn features into float32, but refuse bytes, which the network may scale itself."""
    if getattr(X, "dtype", None) == np.uint8 and X.ndim > 2:
        raise ValueError(
            "X holds images of whole numbers; the defences compute with floats. Train the "
            "network on images of float32, such as X / 255, and give these."
        )
    if issparse(X):
        return _to_dense(X)
    return to_float32(X)


def to_net_input(net, X):
    """Turn features into floats, but leave ids of tokens what they are."""
    return to_token_rows(X) if takes_tokens(net, X) else to_floats(X)


def refuse_tokens(net, X):
    """Refuse a network of token ids, which cannot be changed by a little."""
    if takes_tokens(net, X):
        raise TypeError(
            "The defence changes features a little, and X holds ids that the network looks "
            "up in an embedding. score_training_rows and measure_relearning take ids."
        )


def _to_dense(X):
    """Make sparse features dense, which they may be without much memory."""
    n_bytes = np.prod(X.shape) * np.dtype(np.float32).itemsize
    if n_bytes > MOST_DENSE_BYTES:
        raise ValueError(
            f"X is sparse, of shape {X.shape}; the defences compute with dense arrays, and "
            f"these would take {n_bytes / 2**30:.1f} GiB. Reduce the features first, by "
            "TruncatedSVD for example."
        )
    return to_float32(X.toarray())


def draw_anew(module):
    """Draw new weights for a module, in place."""
    layers = dict(module.named_modules())
    fixed = [
        name
        for name, _ in module.named_parameters()
        if not hasattr(layers[name.rpartition(".")[0]], "reset_parameters")
    ]
    if fixed:
        raise ValueError(
            f"The module's parameters {fixed} cannot be drawn anew: the layers that own "
            "them have no `reset_parameters`."
        )
    for layer in layers.values():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()


def make_optimizer(net):
    """Make a network's own optimizer, which has seen nothing yet."""
    positional, named = net.get_params_for_optimizer(
        "optimizer", list(net.module_.named_parameters())
    )
    return net.optimizer(*positional, **named)


def is_bare(estimator):
    """Tell whether the network that a user gave is a bare module."""
    while isinstance(estimator, (FrozenEstimator, Pipeline)):
        frozen = isinstance(estimator, FrozenEstimator)
        estimator = estimator.estimator if frozen else estimator[-1]
    return isinstance(estimator, torch.nn.Module)


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
        steps = self._preprocessing
        refuse_tokens(net, X if steps is None else steps.transform(X))
        features = self._features(X)
        n_classes = count_classes(net, features)
        if is_bare(self.estimator):
            fit_criterion(net, features)
        check_probabilities(net, features)
        self.classes_ = self._name_classes(n_classes)
        return net, X, features

    def _name_classes(self, n_classes):
        """Find the labels of the network's outputs."""
        if self.classes is None:
            return np.arange(n_classes)
        classes = np.asarray(self.classes)
        if classes.shape != (n_classes,) or len(np.unique(classes)) != n_classes:
            raise ValueError(
                f"classes must hold the {n_classes} different labels of the network's "
                f"outputs, in their order; got {self.classes!r}."
            )
        return classes

    def _check_codes(self, X, y):
        """Turn the labels of the network's outputs into their codes."""
        y = validate_labels(X, y)
        return to_codes(y, self.classes_)
