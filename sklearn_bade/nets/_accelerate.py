"""Training by several processes: nets with skorch's `AccelerateMixin`.

Every process runs the same stages on the same rows, each on its own share of every epoch's
rows, and accelerate averages the gradients. What a stage keeps computes by itself again, so
that it predicts and pickles without the others.
"""

from contextlib import contextmanager
from copy import copy
from zlib import crc32

import numpy as np
import torch
from skorch.utils import to_tensor
from torch.utils.data import DataLoader

from .._compat import unwrap_net, wrap_net
from ..rows import dense_rows, row_slices
from ._batches import TensorBatches
from ._one_process import OneProcess
from ._stages import JUDGED_ROWS, SAMPLE_WEIGHT

# What seeds of torch's generators may be, at most.
GREATEST_SEED = 2**31 - 1


class AcceleratedStage:
    """What a stage does otherwise where skorch's `AccelerateMixin` is at work.

    It stands before the mixin of the stage. Layers grow for triggers before the module is
    wrapped, so that all of its parameters take part.
    """

    def begin_stage(self):
        """Initialise the net without its accelerator, which is put to use later."""
        accelerator = copy(self.accelerator)
        accelerator.free_memory()  # it remembers what it has wrapped, in lists of its own
        if accelerator.num_processes > 1:
            _check_agreement(self.stage_name, self.stage_)
        self.stage_["accelerator"] = accelerator
        self.accelerator = OneProcess(prints=accelerator.is_main_process)
        super().begin_stage()

    def run_epochs(self, X, y, epochs):
        """Train with the others, and end with the same numbers."""
        self.accelerator = self.stage_["accelerator"]
        wrap_net(self, self._wrap_module, self.accelerator.prepare)
        super().run_epochs(X, y, epochs)
        if self.accelerator.num_processes > 1:
            self._take_from_first_process()
        unwrap_net(self)

    def _wrap_module(self, module):
        """Let accelerate wrap what has parameters to train, and move what has none."""
        if any(parameter.requires_grad for parameter in module.parameters()):
            return self.accelerator.prepare(module)
        places = self.accelerator.device_placement
        return module.to(self.accelerator.device) if places else module

    def _take_from_first_process(self):
        """Take the first process's numbers: statistics of batches are each one's own.

        The weights are equal, unless devices of different kinds have rounded them.
        """
        from accelerate.utils import broadcast

        broadcast(list(self.bare_module.state_dict().values()))
        broadcast(list(self.stage_["average"].values()))

    def save_params(self, *args, **kwargs):
        """Save in one process, under the names that the unwrapped module has."""
        if self.accelerator.is_main_process:
            copied = object.__new__(type(self))
            vars(copied).update(vars(self))
            unwrap_net(copied)
            copied.accelerator = OneProcess()
            super(AcceleratedStage, copied).save_params(*args, **kwargs)
        self.accelerator.wait_for_everyone()

    def leave_stage(self):
        """Become a net that predicts by itself, on the device where it was trained."""
        unwrap_net(self)
        device = self.accelerator.device
        if self.device is None and device is not None:
            self.device = "cpu" if device.type == "cpu" else str(device)
        self.accelerator = OneProcess()
        return super().leave_stage()

    @property
    def bare_module(self):
        """The module itself, whose parameters have the names that the user gave them."""
        return self.accelerator.unwrap_model(self.module_)

    def get_iterator(self, dataset, training=False):
        """Split the rows that are trained on; all processes see all of the others."""
        with self._alone():
            iterator = super().get_iterator(dataset, training=training)
        if not training:
            return iterator
        accelerator = self.accelerator
        if accelerator.num_processes > 1:
            return _split(iterator, accelerator)
        is_loader = isinstance(iterator, DataLoader)
        return accelerator.prepare(iterator) if is_loader else iterator

    def infer(self, x, **fit_params):
        """Run the module on rows, wherever these are."""
        return super().infer(to_tensor(x, device=self.accelerator.device), **fit_params)

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Measure the loss on the device of the module."""
        device = self.accelerator.device
        X = X if X is None else to_tensor(X, device=device)
        y_true = to_tensor(y_true, device=device)
        return super().get_loss(y_pred, y_true, X=X, training=training)

    def train_step(self, batch, **fit_params):
        """Take a step, and tell the loss of all processes: callbacks decide by it."""
        return self._average_loss(super().train_step(batch, **fit_params))

    def validation_step(self, batch, **fit_params):
        """Measure the loss, and tell that of all processes."""
        return self._average_loss(super().validation_step(batch, **fit_params))

    def _average_loss(self, step):
        loss = self.accelerator.reduce(step["loss"].detach().clone(), reduction="mean")
        return {**step, "loss": loss}

    def evaluation_step(self, batch, training=False):
        """Answer about the rows that this process asks about."""
        with self._alone():
            return super().evaluation_step(batch, training=training)

    @contextmanager
    def _alone(self):
        """Compute without the others for a while, on the same device."""
        accelerator = self.accelerator
        self.accelerator = OneProcess(accelerator.device)
        try:
            yield
        finally:
            self.accelerator = accelerator


def _split(iterator, accelerator):
    """Let a process have its share of the rows; batches are those that accelerate makes.

    All processes draw alike until here: they have initialised the same module. From here
    on, dropout is each one's own, while all shuffle by one seed.
    """
    seed = int(torch.randint(GREATEST_SEED, ()))
    index, n_processes = accelerator.process_index, accelerator.num_processes
    if isinstance(iterator, TensorBatches):
        if accelerator.split_batches:
            iterator.batch_size = _divided(iterator.batch_size, n_processes)
        iterator.share(index, n_processes, seed)
    elif isinstance(iterator, DataLoader):
        iterator = accelerator.prepare(iterator)
    else:
        raise ValueError(
            f"iterator_train is {type(iterator).__name__}, whose rows cannot be split "
            "among processes. Leave it out, or take torch.utils.data.DataLoader."
        )
    torch.manual_seed((seed + index) % GREATEST_SEED)
    return iterator


def _divided(batch_size, n_processes):
    """Divide a batch among processes."""
    if batch_size % n_processes:
        raise ValueError(
            f"split_batches=True splits each batch among {n_processes} processes, so that "
            f"batch_size must be a multiple of their number, got {batch_size}."
        )
    return batch_size // n_processes


def _check_agreement(stage_name, stage):
    """Refuse to train on processes that were not given the same."""
    from accelerate.utils import gather_object

    weights = stage["companions"].get(SAMPLE_WEIGHT, np.zeros(0))
    told = {
        "stages of the training": stage_name,
        "X": (stage["X"].shape, _checksum(stage["X"])),
        "y": (stage["y"].shape, _checksum(stage["y"])),
        "sample weights": (weights.shape, _checksum(weights)),
        "seeds": torch.initial_seed(),
    }
    of_all = gather_object([told])
    for name in told:
        values = [each[name] for each in of_all]
        if any(value != values[0] for value in values):
            raise ValueError(
                f"The {len(values)} processes that train together have different {name}. "
                "Give all of them the same rows in the same order, of which each takes its "
                "share by itself, and the same integer as random_state, as None draws "
                "another one in each. A cache (memory) must know the same in all of them."
            )


def _checksum(X):
    """Sum up arrays in full, and rows that lie elsewhere by some from everywhere."""
    n_rows = X.shape[0]
    n_read = n_rows if isinstance(X, np.ndarray) else min(n_rows, JUDGED_ROWS)
    positions = np.linspace(0, max(n_rows - 1, 0), n_read).astype(int)
    total = 0
    for part in row_slices((n_read, *X.shape[1:])):
        rows = dense_rows(X, positions[part])
        total = crc32(np.ascontiguousarray(rows).view(np.uint8), total)
    return total
