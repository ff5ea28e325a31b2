"""Nets with skorch's `AccelerateMixin` that compute without other processes."""

from contextlib import nullcontext
from threading import current_thread, main_thread

import torch

from .._compat import is_accelerated


class OneProcess:
    """Stands for an accelerator where a net computes by itself, and where it is kept.

    It has what skorch's `AccelerateMixin` asks of an accelerator, and pickles without one.
    """

    num_processes = 1
    process_index = 0
    is_main_process = True
    device_placement = False

    def __init__(self, device=None, prints=True):
        self.device = device
        # Skorch heeds `verbose` with Python's own function only.
        self.print = print if prints else _say_nothing

    def __repr__(self):
        return "OneProcess()"

    def prepare(self, part):
        """Wrap nothing."""
        return part

    def unwrap_model(self, model, keep_fp32_wrapper=True):
        """Find nothing to unwrap."""
        return model

    def gather_for_metrics(self, output):
        """Gather what there is."""
        return output

    def wait_for_everyone(self):
        """Wait for nobody."""

    def accumulate(self, *models):
        """Let every batch be a step."""
        return nullcontext()

    def autocast(self):
        """Compute in the module's own precision."""
        return nullcontext()

    def backward(self, loss):
        """Compute gradients."""
        loss.backward()


def _say_nothing(*args, **kwargs):
    """Leave it to the first of several processes to print."""


def alone(net):
    """Let a net that nobody has trained yet compute without other processes, in place."""
    if is_accelerated(net):
        net.accelerator = OneProcess()
    return net


def settings_of_one_process(kind):
    """List what a class of nets needs, beside a module, to compute by itself."""
    from skorch.hf import AccelerateMixin

    return {"accelerator": OneProcess()} if issubclass(kind, AccelerateMixin) else {}


def check_accelerator(net):
    """Refuse a net whose accelerator could not train it here."""
    if not is_accelerated(net):
        return
    _check_kind(net.accelerator)
    if net.accelerator.num_processes > 1:
        _check_launch(net.accelerator.num_processes)


def _check_kind(accelerator):
    """Refuse ways of training in which no process holds the whole module."""
    kind = accelerator.distributed_type.value
    if kind != "NO" and not kind.startswith("MULTI_"):
        raise ValueError(
            f"The net's accelerator trains by {kind}. Layers are widened for triggers, and "
            "weights averaged, where each process holds the whole module: use accelerate "
            "with plain data parallelism, one process per GPU (accelerate launch "
            "--multi_gpu), or several on CPUs (torchrun)."
        )


def _check_launch(n_processes):
    """Refuse to train in a worker or a thread, for which the others would wait for ever."""
    if not torch.distributed.is_initialized():
        raise ValueError(
            f"The net's accelerator belongs to a launch of {n_processes} processes, and "
            "this process is none of them. Inside launched processes leave out n_jobs, "
            "as each training needs all of them; to fit a classifier again that was "
            "loaded elsewhere, give it a net with an accelerator of its own: "
            "set_params(estimator=net)."
        )
    if current_thread() is not main_thread():
        raise ValueError(
            f"One of {n_processes} launched processes trains in a thread. Threads take "
            "turns in another order in each process, which then wait for each other for "
            "ever. Leave out n_jobs, and call fit in the main thread."
        )
