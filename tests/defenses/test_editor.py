import numpy as np
import pytest
import torch
from helpers import make_net
from poisoned import make_digits

from sklearn_bade.defenses import ActivationGuidedEditor
from sklearn_bade.defenses._editing import invert_trigger, make_deaf, stamp_estimate
from sklearn_bade.nets import layer_inputs, log_probabilities, weighted_layers
from sklearn_bade.triggers import ColumnTrigger, ValueTrigger


def test_known_trigger(small_net, small_bed):
    before, _ = small_bed.figures(small_net)
    editor = ActivationGuidedEditor(small_net, trigger=small_bed.trigger)
    editor.fit(small_bed.clean[0])
    accuracy, success = small_bed.figures(editor)
    assert success <= 0.2
    assert accuracy >= before - 0.02


@pytest.mark.parametrize("bias", [True, False])
def test_a_deaf_layer(bias):
    """The mean shift changes nothing, and the mean clean output stays."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(4, 3, bias=bias)
    inputs = np.random.RandomState(0).normal(size=(50, 4))
    shift = np.array([1.0, -2.0, 0.0, 3.0])
    before = layer(torch.tensor(inputs, dtype=torch.float32)).mean(dim=0)
    make_deaf(layer, inputs, shift, alpha=1.0, ridge=0.01)
    effect = layer.weight @ torch.tensor(shift, dtype=torch.float32)
    np.testing.assert_allclose(effect.detach(), 0, atol=1e-5)
    after = layer(torch.tensor(inputs, dtype=torch.float32)).mean(dim=0)
    np.testing.assert_allclose(after.detach(), before.detach(), atol=1e-5)


def test_alpha_is_the_share_that_is_removed():
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    shift = np.array([1.0, 2.0, 3.0])
    direction = torch.tensor(shift, dtype=torch.float32)
    before = (layer.weight @ direction).detach().clone()
    inputs = np.random.RandomState(0).normal(size=(20, 3))
    make_deaf(layer, inputs, shift, alpha=0.25, ridge=1.0)
    torch.testing.assert_close((layer.weight @ direction).detach(), 0.75 * before)


def test_only_the_chosen_layer_changes(small_net, small_bed):
    X = small_bed.clean[0]
    editor = ActivationGuidedEditor(small_net, trigger=small_bed.trigger, layer=-1).fit(X)
    old = weighted_layers(small_net.module_)
    new = weighted_layers(editor.estimator_.module_)
    changed = [name for name in old if not torch.equal(old[name].weight, new[name].weight)]
    assert changed == [editor.layer_] == [list(old)[-1]]
    inputs = layer_inputs(small_net, old[editor.layer_], X)
    assert editor.shift_.shape == (inputs.shape[1],)


def test_an_estimated_trigger_works_and_is_small(small_net, small_bed):
    X = small_bed.clean[0]
    others = X[log_probabilities(small_net, X).argmax(axis=1) != 1]
    mask, pattern = invert_trigger(small_net, others, 1, sparsity=0.02)
    stamped = stamp_estimate(others, mask, pattern)
    assert (log_probabilities(small_net, stamped).argmax(axis=1) == 1).mean() > 0.9
    assert mask.sum() < 6
    assert (pattern >= others.min(axis=0) - 1e-6).all()
    assert (pattern <= others.max(axis=0) + 1e-6).all()


def test_the_suspicious_class_has_the_smallest_trigger(small_net, small_bed):
    editor = ActivationGuidedEditor(small_net).fit(small_bed.clean[0])
    assert editor.suspicious_class_ == editor.trigger_sizes_.argmin()
    asked = ActivationGuidedEditor(small_net, target_class=0).fit(small_bed.clean[0])
    assert asked.suspicious_class_ == 0
    assert np.isnan(asked.trigger_sizes_[1:]).all()


def test_repair_gives_back_accuracy(small_net, small_bed):
    X, y = small_bed.clean
    settings = {"trigger": small_bed.trigger, "alpha": 3.0, "layer": -1, "random_state": 0}
    edited = ActivationGuidedEditor(small_net, **settings).fit(X, y)
    repaired = ActivationGuidedEditor(small_net, **settings, repair_epochs=50).fit(X, y)
    assert small_bed.figures(repaired)[0] > small_bed.figures(edited)[0] + 0.02


def test_one_layer_is_enough(small_bed):
    torch.manual_seed(0)
    net = make_net(12, 3, module__hidden=(), max_epochs=20).fit(*small_bed.poisoned)
    editor = ActivationGuidedEditor(net, trigger=small_bed.trigger)
    editor.fit(small_bed.clean[0])
    assert small_bed.figures(editor)[1] < small_bed.figures(net)[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer": 3}, r"layer=3 is out of range: the module has 3 linear"),
        ({"repair_epochs": 1}, "repair_epochs needs labels"),
        ({"target_class": 3}, "No trigger could be estimated"),
        ({"trigger": ColumnTrigger().fit(np.eye(3))}, "appends columns"),
        ({"ridge": 0}, "The 'ridge' parameter"),
    ],
)
def test_bad_settings(small_net, small_bed, settings, message):
    with pytest.raises(ValueError, match=message):
        ActivationGuidedEditor(small_net, **settings).fit(small_bed.clean[0])


def test_a_trigger_that_does_nothing(small_net, small_bed):
    X = small_bed.clean[0]
    stays = ValueTrigger(0, float(X[0, 0])).fit(X)
    with pytest.raises(ValueError, match="changes nothing that the layer receives"):
        ActivationGuidedEditor(small_net, trigger=stays).fit(np.repeat(X[:1], 5, axis=0))


def test_a_single_row(small_net, small_bed):
    with pytest.raises(ValueError, match="At least two clean rows are needed, got 1"):
        ActivationGuidedEditor(small_net).fit(small_bed.clean[0][:1])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["patch", "blend"])
def test_digits(kind):
    """Known trigger: .05 at 1 point; unknown: .20 at 2 points; means of two seeds."""
    figures = []
    for seed in range(2):
        bed = make_digits(kind, seed)
        net = bed.fit(seed=seed)
        X, y = (data[:100] for data in bed.clean)
        known = ActivationGuidedEditor(net, trigger=bed.trigger).fit(X)
        unknown = ActivationGuidedEditor(net, repair_epochs=50, random_state=seed).fit(X, y)
        assert unknown.suspicious_class_ == bed.target
        before, _ = bed.figures(net)
        for editor in (known, unknown):
            accuracy, success = bed.figures(editor)
            figures.append((before - accuracy, success))
    known, unknown = np.reshape(figures, (2, 2, 2)).mean(axis=0)
    assert known[0] <= 0.01
    assert known[1] <= 0.05
    assert unknown[0] <= 0.02
    assert unknown[1] <= 0.20


@pytest.mark.slow
def test_adult(adult_bed):
    """Attack success at most .05 at 1 point."""
    net = adult_bed.fit()
    X = adult_bed.clean[0].iloc[:100]
    editor = ActivationGuidedEditor(net, trigger=adult_bed.trigger).fit(X)
    (before, _), (accuracy, success) = adult_bed.figures(net), adult_bed.figures(editor)
    assert success <= 0.05
    assert before - accuracy <= 0.01
