"""What a skorch net does otherwise while it is trained as teacher or as student.

Each stage runs the user's own net class, with a few of skorch's documented methods
overridden by a mixin; :mod:`sklearn_bade.nets._training` puts the mixin on and takes it
off again.
"""

import dis
from collections.abc import Mapping
from contextlib import contextmanager, suppress

import numpy as np
import torch
from skorch.callbacks import Callback
from skorch.dataset import Dataset
from skorch.utils import to_tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from ..rows import dense_rows, row_slices
from ._batches import CompanionDataset, TensorBatches, as_targets
from ._first_layer import cut_back
from ._inference import first_output, to_logits
from ._tokens import checking_ids
from ._trigger_inputs import TriggerInputs

TRIAL_ROWS = 2  # batch normalisation cannot train on one
# Steps between two values of the mean of weights: averaging takes time where steps are
# small, and neighbouring steps say nearly the same. Not tuned.
AVERAGING_STRIDE = 4
# Power with which a value counts by its step. With 7 the mean lags by a ninth of the
# training, so that even short training is hardly made shorter (after 8 epochs on data with
# a rare class, its recall is .614, the plain net's .622, sd .015; 3 gave .585). On training
# rows of MEPS, three splits, it lifts the AUC from .831 to .839; 3 gave .843.
DECAY = 7
# How much greater the loss with the mean of the weights may be. After three epochs of a
# small net it is 5 to 7 % greater, and the mean no fair picture of the net; after eight 1
# %, and after ten on MEPS and Adult between 3 % less and 2 % more, where new rows gain.
TOLERATED_LAG = 0.03
# Rows that this is judged by. Not tuned.
JUDGED_ROWS = 2000
SAMPLE_WEIGHT = "sample_weight"
# Those of torch that have a fused kernel on the CPU, and what a user may have chosen.
FUSED_OPTIMIZERS = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)
KERNEL_CHOICES = {"fused", "foreach", "capturable", "differentiable"}


class _CallbackStop(Exception):
    """A callback has ended the training."""


class StageMixin:
    """What training a teacher and training a student have in common.

    `stage_` is a dict with the training rows (`X`), arrays that travel with them in
    each batch (`companions`), a progress callback (`on_epoch`), and a running mean of the
    module's weights (`average`), which the trained net gets in the end: disparities and
    log-odds swing far less with it than with the weights after the last step. A value
    counts by the seventh power of its step ("polynomial-decay averaging", Shamir and Zhang,
    2013), so early ones fade out whenever training ends.
    """

    stage_name = None
    stage_attributes = ()
    judges_mean = False

    def fit_stage(
        self, X, y, companions, *, n_classes, epochs, on_epoch, own_loss, averages=True
    ):
        """Train on `X`, whose rows take `companions` along into their batches."""
        self.stage_ = {
            "X": X,
            "y": y,
            "companions": companions,
            "on_epoch": on_epoch,
            "own_loss": own_loss,
            "averages": averages,
            "average": {},
            "batches": 0,
        }
        self.begin_stage()
        with suppress(_CallbackStop):
            self.notify("on_train_begin", X=X, y=y)
        self._make_lazy_layers(X)
        self._check_values()
        self.adapt_module(X)
        with checking_ids(self):
            self._check_outputs(n_classes)
            self.run_epochs(X, y, epochs)
        self.notify("on_train_end", X=X, y=y)
        return self

    def begin_stage(self):
        """Make the module, and what trains it."""
        self.initialize()

    def run_epochs(self, X, y, epochs):
        """Train until the last epoch, or until a callback ends it."""
        with suppress(_CallbackStop):
            self.fit_loop(X, y, epochs=epochs)

    @property
    def bare_module(self):
        """The module without what it may be wrapped in while it is trained."""
        return self.module_

    def notify(self, method_name, **kwargs):
        """Tell a callback that ends training, as EarlyStopping does, from Ctrl-C.

        Both arrive as KeyboardInterrupt; the former is raised by a callback's own
        statement, the latter by Python itself, wherever it happens to be.
        """
        try:
            super().notify(method_name, **kwargs)
        except KeyboardInterrupt as interrupt:
            if _is_raised_by_callback(interrupt):
                raise _CallbackStop from interrupt
            raise

    def __reduce_ex__(self, protocol):
        """Pickle, as Checkpoint(f_pickle=...) does, as the user's own net.

        The mixed class has no name that pickle could look up, and what belongs to the
        stage, the training rows among it, has no place in a file.
        """
        copied = object.__new__(type(self))
        vars(copied).update(vars(self))
        _, (own_class,), state, *_ = copied.leave_stage().__reduce_ex__(protocol)
        return object.__new__, (own_class,), state

    def leave_stage(self):
        """Become a net of the user's class again, without what belongs to the stage."""
        for name in ("stage_", *self.stage_attributes):
            delattr(self, name)
        self.__class__ = type(self).__bases__[-1]
        return self

    def adapt_module(self, X):
        """Change the initialised module for this stage, keeping its parameters."""

    def prepare_rows(self, batch):
        """Make the module's input from a batch with companions."""
        return batch["X"]

    def _make_lazy_layers(self, X):
        parameters = self.module_.parameters()
        if any(torch.nn.parameter.is_lazy(parameter) for parameter in parameters):
            rows = np.array(dense_rows(X, slice(TRIAL_ROWS)))
            with _explaining_rows(rows):
                super().infer(torch.from_numpy(rows))

    def _check_values(self):
        """Refuse a module without any; skorch has a `_check_device` of its own."""
        if any(parameter.is_meta for parameter in self.module_.parameters()):
            raise ValueError(
                f"The module {type(self.module_).__name__} lies on torch's meta device, "
                "which holds no values. Build it without torch.device('meta') as default "
                "device."
            )

    def _trial_rows(self):
        """Take a few rows and their companions, to try the module on."""
        data = {"X": self.stage_["X"], **self.stage_["companions"]}
        some = slice(TRIAL_ROWS)
        return {name: np.array(dense_rows(values, some)) for name, values in data.items()}

    def _check_outputs(self, n_classes):
        rows = self._trial_rows()
        with _explaining_rows(rows["X"]):
            output = first_output(self.evaluation_step((rows, None)))
        if output.ndim != 2 or output.shape[1] != n_classes:
            raise ValueError(
                f"The module {type(self.module_).__name__} returned an output of shape "
                f"{tuple(output.shape)} for {len(rows['X'])} rows; y has {n_classes} "
                f"classes, so it must return {n_classes} columns."
            )

    def get_dataset(self, X, y=None):
        """Let the companions travel with the training rows."""
        if X is self.stage_["X"]:
            return CompanionDataset(X, y, self.stage_["companions"])
        return super().get_dataset(X, y)

    def get_iterator(self, dataset, training=False):
        """Slice whole tensors unless the user chose an iterator of her own."""
        iterator = super().get_iterator(dataset, training=training)
        source = getattr(dataset, "dataset", dataset)
        chosen = self.iterator_train if training else self.iterator_valid
        prefix = "iterator_train" if training else "iterator_valid"
        own_settings = set(self.get_params_for(prefix)) - {
            "batch_size",
            "shuffle",
            "drop_last",
        }
        if chosen is not DataLoader or own_settings or not isinstance(source, Dataset):
            return iterator
        shuffled = isinstance(iterator.sampler, torch.utils.data.RandomSampler)
        return TensorBatches(
            dataset, iterator.batch_size, shuffle=shuffled, drop_last=iterator.drop_last
        )

    def infer(self, x, **fit_params):
        """Run the module on a batch, with or without companions."""
        if isinstance(x, Mapping):
            x = self.prepare_rows(to_tensor(x, device=self.device))
        return super().infer(x, **fit_params)

    def get_params_for_optimizer(self, prefix, named_parameters):
        """Take a step of the optimizer in one kernel, where torch has one."""
        args, kwargs = super().get_params_for_optimizer(prefix, named_parameters)
        is_known = self.optimizer in FUSED_OPTIMIZERS
        # The kernel takes no sparse gradients, which embeddings may have.
        is_sparse = any(getattr(m, "sparse", False) for m in self.module_.modules())
        if is_known and not is_sparse and not kwargs.keys() & KERNEL_CHOICES:
            kwargs["fused"] = True
        return args, kwargs

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Measure the net's own loss on the rows that the module has seen."""
        if not isinstance(X, Mapping):  # a validation set of the user's own
            return super().get_loss(y_pred, y_true, X=X, training=training)
        batch = to_tensor(X, device=self.device)
        rows = self.prepare_rows(batch) if self.stage_["own_loss"] else None
        if SAMPLE_WEIGHT not in batch:
            return super().get_loss(y_pred, y_true, X=rows, training=training)
        with _per_row(self.criterion_):
            losses = super().get_loss(y_pred, y_true, X=rows, training=training)
        class_weights = getattr(self.criterion_, "weight", None)
        if class_weights is not None:  # torch's own mean is relative to these
            losses = losses / class_weights[to_tensor(y_true, device=self.device)].mean()
        return _weighted_mean(losses, batch)

    def on_batch_end(self, net, *args, training=False, loss=None, **kwargs):
        """Take the weights into the mean, now and then, and check the loss."""
        super().on_batch_end(net, *args, training=training, loss=loss, **kwargs)
        self._check_loss(loss)
        if training and self.stage_["averages"]:
            self.stage_["batches"] += 1
            if self.stage_["batches"] % AVERAGING_STRIDE == 0:
                self._update_average(self.stage_["batches"] // AVERAGING_STRIDE)

    def on_train_end(self, net, *args, **kwargs):
        """Give the module the mean of its weights."""
        if self.stage_["average"]:
            self._take_mean()
        elif self.judges_mean:  # too few batches for a mean: these weights stay
            self.on_last_(self._copied_values())
        super().on_train_end(net, *args, **kwargs)

    @torch.no_grad()
    def _take_mean(self):
        """Take the mean; less of it where a plain net's training was so short that it lags.

        The share falls from one, at the tolerated lag, to zero at twice as much, so that
        rounding cannot turn one network into another.
        """
        last = self._copied_values()
        loss_of_last = None
        if self.judges_mean:
            self.on_last_(last)
            loss_of_last = self._loss_of_some_rows()
        self._set_values(self.stage_["average"])
        if loss_of_last:
            lag = self._loss_of_some_rows() / loss_of_last - 1
            share = float(np.clip(2 - lag / TOLERATED_LAG, 0, 1))
            mean = self.stage_["average"]
            self._set_values({n: v.lerp(mean[n], share) for n, v in last.items()})

    @torch.no_grad()
    def _copied_values(self):
        return {name: value.clone() for name, value in self._averaged_values()}

    def _set_values(self, values):
        for name, value in self._averaged_values():
            value.copy_(values[name])

    def _loss_of_some_rows(self):
        """Compute the loss on rows from everywhere in the training data."""
        X = self.stage_["X"]
        n_rows = X.shape[0]
        some = np.linspace(0, n_rows - 1, min(n_rows, JUDGED_ROWS)).astype(int)
        self.module_.eval()
        parts = [some[part] for part in row_slices((len(some), *X.shape[1:]))]
        losses, weights = zip(*(self._loss_of(rows) for rows in parts))
        return np.average(losses, weights=weights)

    def _loss_of(self, positions):
        """Compute the loss on rows, and what they weigh in a mean of losses."""
        companions = self.stage_["companions"].items()
        rows = {name: np.asarray(values[positions]) for name, values in companions}
        weight = rows.get(SAMPLE_WEIGHT, np.ones(len(positions))).sum()
        rows["X"] = np.array(dense_rows(self.stage_["X"], positions))
        rows = to_tensor(rows, device=self.device)
        labels = to_tensor(as_targets(self.stage_["y"][positions]), device=self.device)
        loss = self.get_loss(self.infer(rows), labels, X=rows, training=False)
        return float(loss), float(weight)

    def _averaged_values(self):
        """List the weights, and the statistics of batch normalisation."""
        module = self.bare_module
        yield from module.named_parameters()
        for name, value in module.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                yield name, value

    @torch.no_grad()
    def _update_average(self, n_values):
        """Take the current weights into the mean, as the n-th of its values."""
        average = self.stage_["average"]
        for name, value in self._averaged_values():
            if n_values == 1:
                average[name] = value.detach().clone()
            else:
                average[name].lerp_(value, (DECAY + 1) / (n_values + DECAY))

    def _check_loss(self, loss):
        """Stop at once when the loss is no longer a number."""
        if loss is not None and not torch.isfinite(loss):
            raise RuntimeError(
                f"The loss became {loss.item()} while training the {self.stage_name}, in "
                f"epoch {len(self.history)}. Usual causes: a learning rate that is too "
                f"high (lr={self.lr}), features that are not scaled, or a criterion that "
                "does not fit the module's output (CrossEntropyLoss wants logits, "
                "NLLLoss probabilities)."
            )

    def on_epoch_end(self, net, *args, **kwargs):
        """Report progress."""
        super().on_epoch_end(net, *args, **kwargs)
        self.stage_["on_epoch"](self.stage_name)


class PlainMixin(StageMixin):
    """Train on plain rows as the net would by itself."""

    stage_name = "plain network"
    stage_attributes = ("on_last_",)
    judges_mean = True


class TeacherMixin(StageMixin):
    """Train on trigger-stamped rows with the true labels.

    Triggers are drawn anew for each epoch: a network that meets a row twice with the
    same trigger learns the row by heart and overrates what the trigger says.
    """

    stage_name = "teacher"
    stage_attributes = ("trigger_", "draw_")

    def on_epoch_begin(self, net, *args, **kwargs):
        """Draw the epoch's triggers."""
        super().on_epoch_begin(net, *args, **kwargs)
        self.stage_["companions"]["trigger"][:] = self.draw_()

    def adapt_module(self, X):
        """Widen the layer that triggers enter by, where they have inputs of their own."""
        if not self.trigger_.n_columns_ and not self.trigger_.n_tokens_:
            return
        inputs = TriggerInputs.make(self, self.trigger_, X)
        rows = to_tensor(self._trial_rows(), device="cpu")
        inputs.check(self, self.trigger_.stamp(rows["X"], rows["trigger"].long()))

    def prepare_rows(self, batch):
        """Stamp each row with its trigger."""
        return self.trigger_.stamp(batch["X"], batch["trigger"].long())

    def infer(self, x, **fit_params):
        """Show rows that come without a trigger the mean one, which is zero."""
        n_columns = self.trigger_.n_columns_
        is_plain = isinstance(x, torch.Tensor) and x.shape[1] == self.stage_["X"].shape[1]
        if n_columns and is_plain:
            x = torch.nn.functional.pad(x, (0, n_columns))
        return super().infer(x, **fit_params)


class StudentMixin(StageMixin):
    """Train on plain rows with soft targets."""

    stage_name = "student"
    stage_attributes = ("teacher_state_", "hard_label_weight_", "temperature_")

    def adapt_module(self, X):
        """Start from the teacher's weights, where there are any to start from."""
        if self.teacher_state_ is not None:
            state = cut_back(self.teacher_state_, self.module_.state_dict())
            self.module_.load_state_dict(state)

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Mix the cross-entropies against soft targets and against labels."""
        if not isinstance(X, Mapping):  # a validation set of the user's own
            return super().get_loss(y_pred, y_true, X=X, training=training)
        batch = to_tensor(X, device=self.device)
        logits = to_logits(y_pred, self.criterion_) / self.temperature_
        # Class weights and label smoothing have shaped the teacher, and so the targets.
        losses = cross_entropy(logits, batch["soft_targets"], reduction="none")
        soft = _weighted_mean(losses, batch)
        if not self.hard_label_weight_:
            return soft
        hard = super().get_loss(y_pred, y_true, X=X, training=training)
        return (1 - self.hard_label_weight_) * soft + self.hard_label_weight_ * hard


def _is_raised_by_callback(interrupt):
    """Tell whether the innermost frame is a callback's, and stands at a raise."""
    trace = interrupt.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    code, position = trace.tb_frame.f_code, trace.tb_lasti
    is_raise = dis.opname[code.co_code[position]] == "RAISE_VARARGS"
    return is_raise and isinstance(trace.tb_frame.f_locals.get("self"), Callback)


@contextmanager
def _explaining_rows(rows):
    """Say what to do where a module cannot take bytes, or images without channels."""
    try:
        yield
    except RuntimeError as error:
        if rows.ndim == 3:
            error.add_note(
                f"Rows have the shape {rows.shape[1:]}. If these are images in shades of "
                "grey, give them a channel: X[:, None]."
            )
        if "indices" in str(error) and rows.dtype.kind == "f":
            error.add_note(
                "The module looks ids up in an embedding, and X holds floats. Where all "
                "columns are ids, give X as integers, X.astype(int); otherwise let the "
                "module turn those columns into integers."
            )
        if rows.dtype == np.uint8:
            error.add_note(
                "X holds bytes (uint8), and the module gets them as they are. Begin its "
                "forward with X.float() / 255, or give X as float32."
            )
        raise


@contextmanager
def _per_row(criterion):
    """Let a criterion return one loss per row instead of their mean."""
    reduction, criterion.reduction = criterion.reduction, "none"
    try:
        yield
    finally:
        criterion.reduction = reduction


def _weighted_mean(losses, batch):
    """Reduce losses by the weights of the rows, which are 1 on average."""
    if losses.ndim == 2:
        losses = losses.mean(dim=1)
    if SAMPLE_WEIGHT in batch:
        losses = losses * batch[SAMPLE_WEIGHT]
    return losses.mean()
