"""Nets with skorch's `AccelerateMixin` that compute without other processes."""

from contextlib import nullcontext

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
