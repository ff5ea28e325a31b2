import numpy as np
import pytest
import torch
from helpers import make_net
from poisoned import make_digits

from sklearn_bade.defenses import DistanceDrivenDetoxifier
from sklearn_bade.defenses._detoxifier import find_offsets
from sklearn_bade.exceptions import CleanLossWarning, RecallLossWarning
from sklearn_bade.nets import weighted_layers

# Some trainings of these tests are too short to be good.
pytestmark = pytest.mark.filterwarnings("ignore:Balanced accuracy on the clean rows")
ALONE = {"match_class_shares": False, "random_state": 0}


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
    d3 = DistanceDrivenDetoxifier(small_net, epochs=10, eps=9.0, **ALONE)
    d3.fit(*small_bed.clean)
    old, new = last_weight(small_net), last_weight(d3.estimator_)
    torch.testing.assert_close(new.norm(), old.norm())
    distance = float((new - old).norm() / (2 * old.norm()))
    assert distance == pytest.approx(d3.distance_, rel=1e-4)


def test_far_start_is_the_far_end(small_net, small_bed):
    d3 = DistanceDrivenDetoxifier(small_net, epochs=1, lr=1e-9, eps=99.0, **ALONE)
    d3.fit(*small_bed.clean)
    assert d3.distance_ == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(
        last_weight(d3.estimator_), -last_weight(small_net), rtol=1e-4, atol=1e-4
    )


def test_the_first_start_that_is_hardly_beaten_is_taken(small_net, small_bed):
    d3 = DistanceDrivenDetoxifier(
        small_net, starts=["random", "far", "fresh"], epochs=10, eps=9.0, random_state=0
    )
    d3.fit(*small_bed.clean)
    losses = d3.start_losses_
    assert d3.best_start_ == d3.starts[np.argmax(losses <= losses.min() + 0.02)]
    assert np.isfinite(losses).all()


def test_new_weights(small_net, small_bed):
    d3 = DistanceDrivenDetoxifier(small_net, starts=["fresh"], **ALONE)
    d3.fit(*small_bed.clean)
    accuracy, _ = small_bed.figures(d3)
    assert accuracy > 0.85
    assert d3.best_start_ == "fresh"
    assert np.isnan(d3.start_losses_).all()


def test_the_setting_of_the_paper(small_net, small_bed):
    d3 = DistanceDrivenDetoxifier(
        small_net,
        starts=["random"],
        penalty=10,
        eps=0.1,
        soft_targets=0,
        augment=False,
        epochs=100,
        lr=0.01,
        batch_size=256,
        **ALONE,
    )
    d3.fit(*small_bed.clean)
    assert d3.eps_ == 0.1
    assert d3.distance_ > 0.5


@pytest.mark.slow
def test_classes_are_predicted_as_often_as_they_occur(small_bed):
    X, y = small_bed.poisoned
    rare = np.flatnonzero(y == 2)[:60]
    rows = np.concatenate([np.flatnonzero(y != 2), rare])
    net = small_bed.fit((X[rows], y[rows]))
    X, y = small_bed.clean
    rows = np.concatenate([np.flatnonzero(y != 2), np.flatnonzero(y == 2)[:8]])
    fitted = [
        DistanceDrivenDetoxifier(
            net, eps=9.0, penalty=1.0, match_class_shares=match, random_state=0
        ).fit(X[rows], y[rows])
        for match in (False, True)
    ]
    assert not fitted[0].class_offsets_.any()
    assert fitted[1].class_offsets_.any()
    before, after = (np.log(d3.predict_proba(X)) for d3 in fitted)
    shifted = before + fitted[1].class_offsets_
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(after, shifted, atol=1e-3)


def test_offsets_bring_counts_near():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [160, 40])
    log_odds = rng.normal(size=200) + 2 * (y - 0.5) - 2
    pairs = np.stack([-log_odds, log_odds], axis=1) / 2
    before = (pairs.argmax(axis=1) == 1).sum()
    after = ((pairs + find_offsets(pairs, y)).argmax(axis=1) == 1).sum()
    assert before < 20
    assert abs(after - 40) <= 1


def test_lost_recall_is_said(small_net, small_bed):
    """One epoch from the far end predicts little of anything."""
    d3 = DistanceDrivenDetoxifier(small_net, epochs=1, lr=1e-9, eps=99.0, random_state=0)
    d3.set_params(match_class_shares=False)
    with pytest.warns(RecallLossWarning, match=r"Balanced accuracy .* original network"):
        d3.fit(*small_bed.clean)


def test_chosen_layers_move(small_net, small_bed):
    names = list(weighted_layers(small_net.module_))
    d3 = DistanceDrivenDetoxifier(small_net, layers=names[:1], eps=9.0, epochs=5, **ALONE)
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
    d3 = DistanceDrivenDetoxifier(net, batch_size=149, epochs=3, eps=9.0, **ALONE)
    assert np.isfinite(d3.fit(*small_bed.clean).clean_loss_)
    normalised = d3.estimator_.module_.layers
    with torch.no_grad():
        received = normalised[0](torch.from_numpy(small_bed.clean[0]))
    mean = normalised[1].running_mean
    torch.testing.assert_close(mean, received.mean(dim=0), atol=1e-4, rtol=1e-4)
    assert normalised[1].momentum == 0.1


def test_dropout_before_normalisation_draws_by_the_seed(small_bed):
    """What is drawn when statistics are renewed is seeded as well."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(12, 8), torch.nn.Dropout(), torch.nn.BatchNorm1d(8)
    )
    module = torch.nn.Sequential(module, torch.nn.Linear(8, 3))
    X, y = small_bed.clean
    torch.manual_seed(1)
    state = torch.get_rng_state()
    probas = [
        DistanceDrivenDetoxifier(module, epochs=2, eps=9.0, **ALONE)
        .fit(X, y)
        .predict_proba(X)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*probas)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_class_without_clean_rows(small_net, small_bed):
    X, y = small_bed.clean
    with pytest.raises(ValueError, match=r"two clean rows.*fewer of class 1"):
        DistanceDrivenDetoxifier(small_net).fit(X[y != 1], y[y != 1])


def test_eps_that_cannot_be_met(small_net, small_bed):
    """The paper's penalty asks for eps, and returns what it has reached."""
    d3 = DistanceDrivenDetoxifier(small_net, eps=1e-6, epochs=2, **ALONE)
    with pytest.warns(
        CleanLossWarning, match=r"stayed at .* above eps=0.000, so accuracy"
    ) as caught:
        d3.fit(*small_bed.clean)
    assert caught[0].filename == __file__
    assert d3.clean_loss_ > d3.eps_
    assert d3.predict(small_bed.clean[0]).shape == small_bed.clean[1].shape


def test_a_loss_that_is_no_number(small_net, small_bed):
    d3 = DistanceDrivenDetoxifier(small_net, lr=1e30, epochs=3, **ALONE)
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
    d3 = DistanceDrivenDetoxifier(net, epochs=1, lr=1e-9, eps=99.0, **ALONE)
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
        ({"soft_targets": 2}, "The 'soft_targets' parameter"),
        ({"cv": 1}, "The 'cv' parameter"),
    ],
)
def test_bad_settings(small_net, small_bed, settings, message):
    with pytest.raises(ValueError, match=message):
        DistanceDrivenDetoxifier(small_net, **settings).fit(*small_bed.clean)


def test_parametrized_weights_are_refused(small_bed):
    normed = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(12, 3))
    with pytest.raises(ValueError, match="weights are parametrized"):
        DistanceDrivenDetoxifier(normed).fit(*small_bed.clean)


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
