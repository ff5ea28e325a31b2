"""Every private import of scikit-learn, private methods of skorch, and classes of torch.

When a new version moves something, this is the one file to change.
"""

import sys

from sklearn.base import _fit_context as fit_context
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_params,
)
from sklearn.utils.metadata_routing import _MetadataRequester as MetadataRequester
from sklearn.utils.validation import _check_feature_names_in as check_feature_names_in
from sklearn.utils.validation import _check_sample_weight as check_sample_weight


def rows_before_shuffling(X):
    """Find the rows of which permutation_importance has shuffled a column, or return X.

    It hands a scorer the shuffled rows alone; what they were stands in its own frame.
    """
    frame = sys._getframe(1)
    while frame is not None:
        known = frame.f_locals
        if frame.f_code.co_name == "_calculate_permutation_scores" and "X" in known:
            drawn = known.get("row_indices")
            return known["X"] if drawn is None else safe_indexing(known["X"], drawn)
        frame = frame.f_back
    return X


def _is_a(value, *names):
    """Do what isinstance does for classes that need not be imported.

    Whoever holds an instance of a class has imported it; nobody else should pay the
    second that torch takes to load.
    """
    known = {f"{base.__module__}.{base.__qualname__}" for base in type(value).__mro__}
    return not known.isdisjoint(names)


def is_dask_collection(value):
    """Tell whether this lies on a Dask cluster, or is a plan of what would lie there."""
    return any(base.__module__.split(".")[0] == "dask" for base in type(value).__mro__)


def is_dask_classifier(estimator):
    """Tell whether an estimator is xgboost's classifier for Dask."""
    return _is_a(estimator, "xgboost.dask.DaskXGBClassifier")


def is_tensor(value):
    """Tell whether this is a torch tensor."""
    return _is_a(value, "torch.Tensor")


def is_torch_dataset(value):
    """Tell whether this is a torch Dataset, or skorch's wrapper of one element of it."""
    return _is_a(value, "torch.utils.data.dataset.Dataset", "skorch.helper.SliceDataset")


def is_slice_dataset(value):
    """Tell whether this is skorch's wrapper of one element of a Dataset."""
    return _is_a(value, "skorch.helper.SliceDataset")


def is_iterable_dataset(value):
    """Tell whether this is a torch Dataset without positions."""
    return _is_a(value, "torch.utils.data.dataset.IterableDataset")


def is_torch_loader(value):
    """Tell whether this is a torch DataLoader."""
    return _is_a(value, "torch.utils.data.dataloader.DataLoader")


def is_arrow_dataset(value):
    """Tell whether this is a pyarrow Dataset, such as a folder of Parquet files."""
    return _is_a(value, "pyarrow._dataset.Dataset")


def is_net(estimator):
    """Tell whether an estimator is a skorch classifier."""
    return _is_a(estimator, "skorch.classifier.NeuralNetClassifier")


def is_other_net(estimator):
    """Tell whether an estimator is a skorch net, but no classifier of several outputs."""
    return _is_a(estimator, "skorch.net.NeuralNet") and not is_net(estimator)


def is_accelerated(net):
    """Tell whether a skorch net is trained by accelerate."""
    return _is_a(net, "skorch.hf.AccelerateMixin")


def wrap_net(net, wrap_module, wrap_optimizer):
    """Wrap what an initialised skorch net with an `AccelerateMixin` has made.

    Its own way to do so fails on CPUs, as criteria have no parameters to be wrapped for.
    """
    for name in net._modules + net._criteria:
        setattr(net, f"{name}_", wrap_module(getattr(net, f"{name}_")))
    for name in net._optimizers:
        setattr(net, f"{name}_", wrap_optimizer(getattr(net, f"{name}_")))
    net._wrapped_with_accelerator = True


def unwrap_net(net):
    """Take out again what :func:`wrap_net` has wrapped."""
    net._unwrap_accelerator()
    for name in net._optimizers:
        optimizer = getattr(net, f"{name}_")
        if _is_a(optimizer, "accelerate.optimizer.AcceleratedOptimizer"):
            setattr(net, f"{name}_", optimizer.optimizer)


def is_dask_backend(backend):
    """Tell whether joblib's tasks run on a Dask cluster."""
    return _is_a(backend, "joblib._dask.DaskDistributedBackend")


def is_dask_future(value):
    """Tell whether a value is still on a Dask cluster."""
    return _is_a(value, "distributed.client.Future")
