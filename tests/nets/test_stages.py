import numpy as np
import pytest
import torch
from helpers import make_net, make_rows
from skorch.callbacks import Callback

from sklearn_bade.nets import train_net
from sklearn_bade.nets._stages import AVERAGING_STRIDE, DECAY


class Recorder(Callback):
    """Keep the weights after each step, and the optimizer.

    They are kept outside of the callback, of which nets train with a clone.
    """

    steps = []
    optimizers = []

    def on_train_begin(self, net, **kwargs):
        self.steps.clear()
        self.optimizers[:] = [net.optimizer_]

    def on_batch_end(self, net, training=False, **kwargs):
        if training:
            self.steps.append(next(net.module_.parameters()).detach().clone())


def train(recorder=None, sample_weight=None, **settings):
    X, y, _ = make_rows()
    callbacks = [] if recorder is None else [recorder]
    net = make_net(callbacks=callbacks, **settings)
    return train_net(net, X, y, seed=0, sample_weight=sample_weight)


def test_late_steps_count_more(monkeypatch):
    monkeypatch.setattr("sklearn_bade.nets._stages.TOLERATED_LAG", 1e9)
    recorder = Recorder()
    net = train(recorder)
    values = torch.stack(recorder.steps[AVERAGING_STRIDE - 1 :: AVERAGING_STRIDE])
    steps = torch.arange(1.0, len(values) + 1)
    shares = torch.prod(steps[:, None] + torch.arange(float(DECAY)), dim=1)
    expected = torch.einsum("s,sij->ij", shares / shares.sum(), values)
    torch.testing.assert_close(next(net.module_.parameters()).detach(), expected)


def test_the_mean_of_too_short_a_training_is_not_taken(monkeypatch):
    monkeypatch.setattr("sklearn_bade.nets._stages.TOLERATED_LAG", 1e-9)
    recorder = Recorder()
    net = train(recorder)
    assert torch.equal(next(net.module_.parameters()).detach(), recorder.steps[-1])


@pytest.mark.parametrize(
    "optimizer", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD]
)
def test_optimizers_step_in_one_kernel_and_the_net_does_not_tell(optimizer):
    recorder = Recorder()
    net = train(recorder, optimizer=optimizer)
    assert recorder.optimizers[0].defaults["fused"] is True
    assert not [name for name in net.get_params() if "fused" in name]


@pytest.mark.parametrize("choice", [{"fused": False}, {"foreach": True}])
def test_the_users_kernel_is_respected(choice):
    recorder = Recorder()
    train(recorder, **{f"optimizer__{name}": value for name, value in choice.items()})
    defaults = recorder.optimizers[0].defaults
    assert not defaults["fused"]
    assert all(defaults[name] == value for name, value in choice.items())


def test_other_optimizers_are_left_alone():
    recorder = Recorder()
    train(recorder, optimizer=torch.optim.RMSprop)
    assert "fused" not in recorder.optimizers[0].defaults


@pytest.mark.parametrize("class_weight", [None, torch.tensor([1.0, 5.0])])
def test_equal_weights_change_nothing(class_weight):
    settings = {} if class_weight is None else {"criterion__weight": class_weight}
    plain = train(**settings)
    weighted = train(sample_weight=np.full(200, 7.0), **settings)
    for one, other in zip(plain.module_.parameters(), weighted.module_.parameters()):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_weights_scale_the_loss_of_their_rows():
    """A class of weight nearly zero is hardly learned."""
    _, y, _ = make_rows()
    net = train(sample_weight=np.where(y == 1, 1.0, 1e-6))
    assert net.predict(make_rows()[0]).mean() > 0.95
