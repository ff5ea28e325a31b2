import numpy as np
import pytest
import torch
from helpers import make_net
from poisoned import make_digits

from sklearn_bade.defenses import DistanceDrivenDetoxifier
from sklearn_bade.exceptions import CleanLossWarning
from sklearn_bade.nets import weighted_layers


def last_weight(net):
    *_, last = weighted_layers(net.module_).values()
    return last.weight.detach()


def test_it_removes_the_backdoor(small_net, small_bed):
    before, _ = small_bed.figures(small_net)
    d3 = DistanceDrivenDetoxifier(small_net, random_state=0).fit(*small_bed.clean)
    accuracy, success = small_bed.figures(d3)
    assert success <= 0.1
    assert accuracy >= before - 0.05
    assert d3.clean_loss_ <= d3.eps_


def test_weights_keep_their_norm_and_move_far(small_net, small_bed):
    d3 = DistanceDrivenDetoxifier(small_net, epochs=10, random_state=0)
    d3.fit(*small_bed.clean)
    old, new = last_weight(small_net), last_weight(d3.estimator_)
    torch.testing.assert_close(new.norm(), old.norm())
    distance = float((new - old).norm() / (2 * old.norm()))
    assert distance == pytest.approx(d3.distance_, rel=1e-4)


def test_far_start_is_the_far_end(small_net, small_bed):
    d3 = DistanceDrivenDetoxifier(small_net, starts=["far"], epochs=1, lr=1e-9, eps=99.0)
    d3.fit(*small_bed.clean)
    assert d3.distance_ == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(
        last_weight(d3.estimator_), -last_weight(small_net), rtol=1e-4, atol=1e-4
    )


def test_the_farthest_of_equally_good_starts_is_taken(small_net, small_bed):
    d3 = DistanceDrivenDetoxifier(small_net, random_state=0).fit(*small_bed.clean)
    good = d3.start_losses_ <= d3.start_losses_.min() + 0.02
    farthest = np.flatnonzero(good)[d3.start_distances_[good].argmax()]
    assert d3.best_start_ == d3.starts[farthest]
    assert len(d3.start_losses_) == 3


def test_chosen_layers_move(small_net, small_bed):
    names = list(weighted_layers(small_net.module_))
    d3 = DistanceDrivenDetoxifier(small_net, layers=names[:1], eps=9.0, epochs=5)
    d3.fit(*small_bed.clean)
    first = weighted_layers(small_net.module_)[names[0]].weight.detach()
    moved = weighted_layers(d3.estimator_.module_)[names[0]].weight.detach()
    torch.testing.assert_close(moved.norm(), first.norm())
    assert (moved - first).norm() > 0.5 * first.norm()


def test_batch_normalisation(small_bed):
    class Normalised(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.Sequential(
                torch.nn.Linear(12, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 3)
            )

        def forward(self, X):
            return self.layers(X)

    torch.manual_seed(0)
    net = make_net(module=Normalised, module__n_features=None)
    for name in ("module__n_features", "module__n_classes", "module__hidden"):
        delattr(net, name)
    net.fit(*small_bed.poisoned)
    d3 = DistanceDrivenDetoxifier(net, batch_size=149, epochs=3, eps=9.0, random_state=0)
    assert np.isfinite(d3.fit(*small_bed.clean).clean_loss_)


def test_a_class_without_clean_rows(small_net, small_bed):
    X, y = small_bed.clean
    with pytest.raises(ValueError, match=r"two clean rows.*fewer of class 1"):
        DistanceDrivenDetoxifier(small_net).fit(X[y != 1], y[y != 1])


def test_eps_that_cannot_be_met(small_net, small_bed):
    """The paper's penalty asks for eps, and returns what it has reached."""
    d3 = DistanceDrivenDetoxifier(small_net, eps=1e-6, epochs=2, random_state=0)
    with pytest.warns(
        CleanLossWarning, match=r"stayed at .* above eps=0.000, up to penalty=40"
    ) as caught:
        d3.fit(*small_bed.clean)
    assert caught[0].filename == __file__
    assert d3.clean_loss_ > d3.eps_
    assert d3.predict(small_bed.clean[0]).shape == small_bed.clean[1].shape


def test_a_loss_that_is_no_number(small_net, small_bed):
    d3 = DistanceDrivenDetoxifier(small_net, lr=1e30, epochs=3, random_state=0)
    with pytest.raises(RuntimeError, match=r"became nan. Use a smaller lr \(lr=1e\+30\)"):
        d3.fit(*small_bed.clean)
    assert not hasattr(d3, "estimator_")


def test_the_last_layer_is_the_one_that_runs_last(small_bed):
    class Reversed(torch.nn.Module):
        """A module whose layers are defined from the end."""

        def __init__(self, n_features, n_classes):
            super().__init__()
            self.head = torch.nn.Linear(8, n_classes)
            self.body = torch.nn.Linear(n_features, 8)

        def forward(self, X):
            return self.head(torch.relu(self.body(X)))

    torch.manual_seed(0)
    net = make_net(12, 3, module=Reversed)
    del net.module__hidden
    net.fit(*small_bed.poisoned)
    d3 = DistanceDrivenDetoxifier(net, starts=["far"], epochs=1, lr=1e-9, eps=99.0)
    d3.fit(*small_bed.clean)
    moved, given = (each.module_.head.weight for each in (d3.estimator_, net))
    torch.testing.assert_close(moved, -given, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": ["layers.9"]}, r"layers=\['layers.9'\] is not among the layers"),
        ({"starts": []}, "starts must name some of"),
        ({"starts": ["here"]}, "starts must name some of"),
        ({"eps": "small"}, "The 'eps' parameter"),
        ({"penalty": 0}, "The 'penalty' parameter"),
    ],
)
def test_bad_settings(small_net, small_bed, settings, message):
    with pytest.raises(ValueError, match=message):
        DistanceDrivenDetoxifier(small_net, **settings).fit(*small_bed.clean)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["patch", "blend"])
def test_digits(kind):
    """Attack success at most .10, at most 3 points lost; means of two seeds."""
    figures = []
    for seed in range(2):
        bed = make_digits(kind, seed)
        net = bed.fit(seed=seed)
        (before, undefended) = bed.figures(net)
        assert undefended >= 0.95
        d3 = DistanceDrivenDetoxifier(net, random_state=seed).fit(*bed.clean)
        accuracy, success = bed.figures(d3)
        figures.append((before - accuracy, success))
    lost, success = np.mean(figures, axis=0)
    assert success <= 0.10
    assert lost <= 0.03


@pytest.mark.slow
def test_adult(adult_bed):
    """Attack success at most .10, at most 1.5 points lost."""
    net = adult_bed.fit()
    before, undefended = adult_bed.figures(net)
    assert undefended >= 0.95
    d3 = DistanceDrivenDetoxifier(net, random_state=0).fit(*adult_bed.clean)
    accuracy, success = adult_bed.figures(d3)
    assert success <= 0.10
    assert before - accuracy <= 0.015
