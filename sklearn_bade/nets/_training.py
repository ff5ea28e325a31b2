"""Training a skorch net: plainly, as a teacher, or as a student."""

from contextlib import contextmanager

import numpy as np
import torch
from sklearn.base import clone
from skorch.dataset import Dataset

from .._compat import is_accelerated
from ..utils import seeded
from ._accelerate import AcceleratedStage
from ._one_process import check_accelerator
from ._stages import SAMPLE_WEIGHT, PlainMixin, StudentMixin, TeacherMixin

SUPPORTED_CRITERIA = (torch.nn.CrossEntropyLoss, torch.nn.NLLLoss)


def has_own_loss(net):
    """Tell whether the net's class computes its loss in a way of its own."""
    return not type(net).get_loss.__module__.startswith("skorch.")


def check_net(net):
    """Check what can be known of a net before it is trained."""
    check_accelerator(net)
    criterion = net.criterion
    criterion_class = criterion if isinstance(criterion, type) else type(criterion)
    if net.dataset is not Dataset:
        raise ValueError(
            f"The net has a dataset class of its own, {net.dataset}; soft targets and "
            "triggers travel in batches of skorch.dataset.Dataset only."
        )
    if criterion_class not in SUPPORTED_CRITERIA:
        raise ValueError(
            f"The net's criterion is {criterion_class.__name__}; distillation on soft "
            "targets needs torch.nn.CrossEntropyLoss (the module returns logits) or "
            "torch.nn.NLLLoss (skorch's default: the module returns probabilities)."
        )


@contextmanager
def plain_torch():
    """Train as if nobody had changed how torch computes: with gradients, in float32."""
    with torch.inference_mode(False), torch.enable_grad():
        dtype = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)


def train_under(net, mixin, X, y, companions, sample_weight, *, seed, attributes, **stage):
    """Train a clone of `net` under `mixin`, then make it of its own class again."""
    if sample_weight is not None:
        mean_one = sample_weight / sample_weight.mean()
        companions = {**companions, SAMPLE_WEIGHT: mean_one.astype(np.float32)}
    check_accelerator(net)
    trained = clone(net)
    mixins = (AcceleratedStage, mixin) if is_accelerated(net) else (mixin,)
    trained.__class__ = type(type(net).__name__, (*mixins, type(net)), {})
    for name, value in attributes.items():
        setattr(trained, name, value)
    draws = net.train_split is not None or not isinstance(X, np.ndarray)
    with seeded(seed, net.device, numpy=draws), plain_torch():
        trained.fit_stage(X, y, companions, own_loss=has_own_loss(net), **stage)
    _forget_batches(trained)
    return trained.leave_stage()


def _forget_batches(net):
    """Drop what the last batches have left beside the weights.

    The gradient of a batch of one row gives the row away, and optimizers keep a mean of
    gradients. Nothing that predicts needs them; whoever trains on starts with an optimizer
    that has seen nothing yet.
    """
    for _, parameter in net.get_all_learnable_params():
        parameter.grad = None
    net.optimizer_.state.clear()


def train_net(
    net,
    X,
    y,
    *,
    seed,
    n_outputs=None,
    sample_weight=None,
    on_epoch=lambda stage: None,
    on_last=lambda weights: None,
):
    """Train a net without triggers and soft targets.

    `on_last` is called with the weights that training ends with, by name, before their mean
    over the training takes their place.
    """
    if n_outputs is None:
        n_outputs = y.shape[1] if y.ndim == 2 else len(np.unique(y))
    return train_under(
        net,
        PlainMixin,
        X,
        y,
        {},
        sample_weight,
        seed=seed,
        attributes={"on_last_": on_last},
        n_classes=n_outputs,
        epochs=net.max_epochs,
        on_epoch=on_epoch,
    )


def train_teacher_net(
    net, X, y, draw, trigger, *, n_classes, seed, sample_weight=None, on_epoch
):
    """Train a net on trigger-stamped rows.

    The stamped copy of `X` never exists as a whole: one small integer a row travels
    with the batch and is stamped there.
    """
    return train_under(
        net,
        TeacherMixin,
        X,
        y,
        {"trigger": np.zeros(X.shape[0], dtype=np.int16)},
        sample_weight,
        seed=seed,
        attributes={"trigger_": trigger, "draw_": draw},
        n_classes=n_classes,
        epochs=net.max_epochs,
        on_epoch=on_epoch,
    )


def train_student_net(
    net,
    X,
    y,
    soft_targets,
    *,
    teacher_state,
    hard_label_weight,
    temperature,
    epochs,
    seed,
    sample_weight=None,
    averages=True,
    on_epoch,
):
    """Distil soft targets into a net."""
    return train_under(
        net,
        StudentMixin,
        X,
        y,
        {"soft_targets": soft_targets},
        sample_weight,
        seed=seed,
        attributes={
            "teacher_state_": teacher_state,
            "hard_label_weight_": hard_label_weight,
            "temperature_": temperature,
        },
        n_classes=soft_targets.shape[1],
        epochs=epochs,
        averages=averages,
        on_epoch=on_epoch,
    )
