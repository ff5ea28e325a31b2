"""Networks taken apart into settings and weights, and built again of the user's class.

What is kept of a fitted network is what it predicts with. Training needs optimizers,
callbacks and other objects that are no plain values, and is left to a network that the user
gives anew.
"""

from copy import deepcopy

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from .._compat import is_net
from ._audit import Refusal
from ._walk import replaced

# Criteria that say how a module's output is read; any other one belongs to the training.
CRITERIA = ("CrossEntropyLoss", "NLLLoss")
PLAIN = (bool, int, float, str, type(None))


class SavedNet:
    """What is kept of a fitted network in the structure of a file.

    Attributes
    ----------
    number : int
        Position among the networks of the file, by which its weights are named.

    module : str
        Name of the module's class.

    is_own : bool
        Whether that class is one of this package.

    settings : dict
        Arguments of the module.

    criterion : str
        One of `CRITERIA`.

    net : type or None
        Class of the user's that the network is of, instead of skorch's.

    labels : ndarray or None
        Labels that skorch has inferred.
    """

    def __init__(self, **parts):
        vars(self).update(parts)


class ForgottenNet(ClassifierMixin, BaseEstimator):
    """Stands where the settings of an unfitted network were before saving."""

    def fit(self, X, y, sample_weight=None):
        """Refuse, and say what to do."""
        raise ValueError(
            "A classifier that was loaded predicts, and how its network was trained is not "
            "in the file. To fit it again, give it a network: "
            "clf.set_params(estimator=net), or teacher=net where it had one."
        )

    def predict_proba(self, X):
        """Refuse; a fitted classifier asks its student."""
        return self.fit(X, None)


def take_apart(model):
    """Replace all networks; return the model without them, and their weights by name."""
    weights, n_nets = {}, 0

    def swap(value):
        nonlocal n_nets
        if not is_net(value):
            return value
        if not getattr(value, "initialized_", False):
            return ForgottenNet()
        record = _record(value, n_nets)
        weights.update(_weights_of(value, n_nets))
        n_nets += 1
        return record

    return replaced(model, swap), weights


def _record(net, number):
    """Describe a fitted network by plain values."""
    from skorch import NeuralNetClassifier

    module = type(net.module_)
    # An instance has no settings that it could be made by.
    is_own = isinstance(net.module, type) and _own_modules().get(module.__name__) is module
    criterion = type(net.criterion_).__name__
    settings = net.get_params_for("module")
    for name, value in settings.items():
        if not _is_plain(value):
            raise ValueError(
                f"module__{name} of a network is {value!r}. Settings of a module are saved "
                "as numbers, text, and lists and dictionaries of these; make anything else "
                "inside the module."
            )
    if is_own and "n_features" in settings:
        # A teacher has grown by the columns of its triggers.
        settings = {**settings, "n_features": _count_inputs(net.module_)}
    elif isinstance(net.module, type):
        _check_settings(net.module_, settings)
    return SavedNet(
        number=number,
        module=module.__name__,
        is_own=is_own,
        settings=settings,
        criterion=criterion if criterion in CRITERIA else CRITERIA[0],
        net=None if type(net) is NeuralNetClassifier else type(net),
        labels=getattr(net, "classes_inferred_", None),
    )


def _count_inputs(module):
    """Count what the first linear layer of a module of ours takes."""
    import torch

    linears = (each for each in module.modules() if isinstance(each, torch.nn.Linear))
    return next(linears).in_features


def _check_settings(module, settings):
    """Refuse a module that its settings would not make: it could not be built again."""
    from torch.nn.parameter import is_lazy

    from ..utils import seeded

    with seeded(0):
        made = type(module)(**settings).state_dict()
    for name, value in module.state_dict().items():
        if name not in made or is_lazy(made[name]):  # a lazy layer takes any shape
            continue
        if made[name].shape != value.shape:
            raise ValueError(
                f"{name} of a network has the shape {tuple(value.shape)}, and the settings "
                f"of its module make {tuple(made[name].shape)}. Teachers grow by columns "
                "of triggers and cannot be saved: fit with keep_teacher=False."
            )


def _is_plain(value):
    if isinstance(value, dict):
        return all(type(key) is str for key in value) and _is_plain(list(value.values()))
    if isinstance(value, (list, tuple)):
        return all(_is_plain(part) for part in value)
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biuf"
    return type(value) in PLAIN or isinstance(value, np.generic)


def _weights_of(net, number):
    """Copy parameters and buffers, as torch names them."""
    import torch

    state = net.module_.state_dict()
    others = [name for name, value in state.items() if not isinstance(value, torch.Tensor)]
    if others:
        raise ValueError(
            f"{type(net.module_).__name__} keeps {others[0]} beside its tensors, which a "
            "file of weights cannot hold. Register it as a buffer."
        )
    return {
        f"{number}.{name}": value.detach()
        .cpu()
        .clone(memory_format=torch.contiguous_format)
        for name, value in state.items()
    }


def _is_record(value):
    return type(value) is SavedNet


def check_modules(model, module):
    """Ask for the classes of networks, where they are the user's and not given."""

    def look(value):
        if _is_record(value) and not value.is_own and _find(value, module) is None:
            raise ValueError(
                f"The file holds the weights of a network of the class {value.module}, and "
                f"no code. Give the class: load(path, module={value.module}), or a "
                "dictionary from names to classes where there are several."
            )
        return value

    replaced(model, look)


def _find(record, module):
    return module.get(record.module) if isinstance(module, dict) else module


def put_together(model, weights, module):
    """Build the networks of a structure again; `weights` are tensors by name."""
    return replaced(
        model, lambda value: _build(value, weights, module) if _is_record(value) else value
    )


def _build(record, weights, module):
    """Build a network that predicts."""
    import torch
    from skorch import NeuralNetClassifier

    from ..nets import plain_torch, settings_of_one_process

    if record.criterion not in CRITERIA:
        raise Refusal("a network", f"has the criterion {record.criterion!r}")
    prefix = f"{record.number}."
    state = {
        name.removeprefix(prefix): value
        for name, value in weights.items()
        if name.startswith(prefix)
    }
    with plain_torch():
        if record.is_own:
            built = _build_own(record, state)
        else:
            built = _build_users(record, state, module)
        kind = record.net or NeuralNetClassifier
        net = kind(
            built,
            criterion=getattr(torch.nn, record.criterion),
            train_split=None,
            verbose=0,
            **settings_of_one_process(kind),
        ).initialize()
    net.module_.train(False)
    if record.labels is not None:
        net.classes_inferred_ = record.labels
    return net


def _own_modules():
    from ..nets import MLP, ConvNet, PiecewiseLinearNet

    return {kind.__name__: kind for kind in (MLP, ConvNet, PiecewiseLinearNet)}


def _build_own(record, state):
    """Build a module of this package around the weights, without memory of its own."""
    import torch

    with torch.device("meta"):
        built = _own_modules()[record.module](**record.settings)
    _check_weights(record, built.state_dict(), state)
    built.load_state_dict(state, assign=True)
    return built


def _build_users(record, state, module):
    """Build a module of the user's class, and give it the weights."""
    from ..utils import seeded

    given = _find(record, module)
    with seeded(0):
        built = given(**record.settings) if isinstance(given, type) else deepcopy(given)
    _check_weights(record, built.state_dict(), state)
    built.load_state_dict(state)
    return built


def _check_weights(record, expected, given):
    """Check that weights are those of a module, by name, shape and type."""
    from torch.nn.parameter import is_lazy

    if expected.keys() != given.keys():
        name = min(expected.keys() ^ given.keys())
        where = "file" if name in given else "module"
        raise Refusal(f"the network {record.module}", f"has {name} in the {where} only")
    for name, value in expected.items():
        if is_lazy(value):  # a lazy layer takes any shape
            continue
        ours, theirs = (tuple(each.shape) for each in (value, given[name]))
        if ours != theirs or value.dtype != given[name].dtype:
            raise Refusal(
                f"the network {record.module}",
                f"has {name} of shape {ours} and type {value.dtype}, and the file holds "
                f"{theirs} of {given[name].dtype}",
            )
