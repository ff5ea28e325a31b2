"""D3: walk far away from the poisoned weights, and stay good on clean rows."""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from torch.nn.functional import cross_entropy

from .._compat import Interval, StrOptions, fit_context
from ..exceptions import CleanLossWarning
from ..nets import (
    copy_net,
    last_layer,
    plain_torch,
    row_losses,
    to_logits,
    weighted_layers,
)
from ..utils import seeded, warn_user
from ._base import NetRepair

MOMENTUM = 0.9  # as in the released code
# Chosen, like the defaults below, on seeds 0-2 of benchmarks/defenses.py.
GRADIENT_STEPS = 2000
# Held-out losses that differ by less, in nats, are as good as each other: a standard error
# on some hundred rows. Not tuned.
LOSS_TOLERANCE = 0.02
# The penalty grows to eight times; a network that needs more has eps out of reach.
PENALTY_DOUBLINGS = 3
STARTS = {"random", "far", "near"}


class DistanceDrivenDetoxifier(NetRepair):
    """Remove a backdoor by moving a network's weights far away, after D3.

    Near the poisoned weights, the loss on triggered rows is at a minimum, and
    fine-tuning on clean rows stays there. D3 [1]_ looks for weights as far away as
    possible that are still good on clean rows. With theta the weights of `layers`,
    confined to the sphere of their original norms, it minimises

    ``penalty * max(0, mean loss - eps) - sum of distances from the original weights``

    over all weights. Several starts are tried; of those whose loss on held-out clean
    rows is as good as any, the one that got farthest is trained again on all rows.

    Parameters
    ----------
    estimator : skorch.NeuralNetClassifier, Pipeline or FrozenEstimator
        Fitted network, alone or at the end of a pipeline; left unchanged. A clone of
        this defence, as in cross-validation, keeps it only if it is wrapped in a
        :class:`~sklearn.frozen.FrozenEstimator`.

    layers : {"last", "all"} or list of str, default="last"
        Linear and convolutional layers whose distance counts, by their names in the
        module; "last" is the one that runs last. All weights are trained.

    eps : float or "auto", default="auto"
        Mean cross-entropy on clean rows, in nats, that is good enough. It must lie above
        the loss that no network could avoid; "auto" is the original network's, plus
        `eps_margin`.

    eps_margin : float, default=0.1
        See `eps`.

    penalty : float, default=5.0
        Weight of the clean loss against the distance. It is doubled, up to three times,
        as long as the loss stays above `eps`.

    starts : list of {"random", "far", "near"}, default=("random", "random", "far")
        Where the weights of `layers` start: at random on the sphere, at its far end,
        or unchanged.

    mixup : bool, default=True
        Whether to train on random mixtures of two clean rows at a time, which lets a
        few rows go further.

    epochs : int, default=None
        Passes over the clean rows. None makes about 2000 steps.

    lr : float, default=0.01
        Learning rate of SGD with momentum, which falls to zero along a cosine.

    batch_size : int, default=None
        Number of rows per step. None takes a sixth of the rows, but 16 to 256.

    validation_fraction : float, default=0.2
        Share of the clean rows that is held out to choose between the starts.

    random_state : int, RandomState instance or None, default=None
        Seed of starts and batches.

    Attributes
    ----------
    estimator_ : skorch.NeuralNetClassifier or Pipeline
        The repaired network, of the kind that was given.

    classes_ : ndarray of shape (n_classes,)
        Class codes, from 0.

    eps_ : float
        Cross-entropy that was aimed at, in nats.

    penalty_ : float
        The penalty that was needed.

    clean_loss_ : float
        Mean cross-entropy of the repaired network on the clean rows, in nats.

    distance_ : float
        Distance of the repaired `layers` from the original ones, as a share of the
        largest that there is.

    start_losses_, start_distances_ : ndarray of shape (n_starts,)
        Loss on held-out rows and distance reached from each start.

    best_start_ : str
        The start that was chosen.

    n_features_in_ : int
        Number of features seen during `fit`.

    See Also
    --------
    ActivationGuidedEditor : Closed form, for a trigger that is known.
    DeconfoundedClassifier : A clean model from poisoned data.

    Notes
    -----
    Mixtures of rows, and the choice by held-out loss, are ours: on a few hundred rows
    the paper's recipe costs more accuracy, and its result depends on the start.

    References
    ----------
    .. [1] "Backdoor Mitigation by Distance-Driven Detoxification", ICCV 2025,
       arXiv:2411.09585.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from sklearn_bade.datasets import make_poisoned_classification
    >>> from sklearn_bade.defenses import DistanceDrivenDetoxifier
    >>> from sklearn_bade.nets import make_default_net
    >>> X, y, is_poisoned = make_poisoned_classification(1500, random_state=0)
    >>> net = make_default_net(X, n_classes=2).fit(X[:1000], y[:1000])
    >>> X_clean, y_clean = X[1000:][~is_poisoned[1000:]], y[1000:][~is_poisoned[1000:]]
    >>> d3 = DistanceDrivenDetoxifier(FrozenEstimator(net), random_state=0)
    >>> d3 = d3.fit(X_clean, y_clean)
    >>> d3.clean_loss_ <= d3.eps_, d3.distance_ > 0.5
    (True, True)
    """

    _parameter_constraints: dict = {
        "estimator": "no_validation",
        "layers": [StrOptions({"last", "all"}), list, tuple],
        "eps": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "eps_margin": [Interval(Real, 0, None, closed="left")],
        "penalty": [Interval(Real, 0, None, closed="neither")],
        "starts": [list, tuple],
        "mixup": ["boolean"],
        "epochs": [Interval(Integral, 1, None, closed="left"), None],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        *,
        layers="last",
        eps="auto",
        eps_margin=0.1,
        penalty=5.0,
        starts=("random", "random", "far"),
        mixup=True,
        epochs=None,
        lr=0.01,
        batch_size=None,
        validation_fraction=0.2,
        random_state=None,
    ):
        self.estimator = estimator
        self.layers = layers
        self.eps = eps
        self.eps_margin = eps_margin
        self.penalty = penalty
        self.starts = starts
        self.mixup = mixup
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Repair a copy of the network.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            Clean rows, of the kind that the estimator takes.

        y : array-like of shape (n_samples,)
            Their labels, as the network knows them: integers from 0.

        Returns
        -------
        self : DistanceDrivenDetoxifier
            The fitted defence.

        Raises
        ------
        TypeError
            If the estimator is no skorch classifier.

        ValueError
            If the network has no layer to be moved, or a class has fewer than two rows.

        RuntimeError
            If the loss on clean rows is no longer a number.

        Warns
        -----
        CleanLossWarning
            If the loss on clean rows stays above `eps`, for which the paper's penalty asks
            without insisting.
        """
        net, X, y = self._check(X, y)
        names = self._find_layers(net, X)
        rng = check_random_state(self.random_state)
        train, held_out = train_test_split(
            np.arange(len(y)),
            test_size=max(round(self.validation_fraction * len(y)), len(self.classes_)),
            stratify=y,
            random_state=rng,
        )
        self.eps_ = self.eps
        if self.eps == "auto":
            self.eps_ = clean_loss(net, X, y) + self.eps_margin
        self.penalty_ = self.penalty
        seeds = rng.randint(2**31 - 1, size=len(self.starts)).tolist()
        trials = [
            self._train(net, X[train], y[train], names, start, seed)
            for start, seed in zip(self.starts, seeds)
        ]
        best = self._choose(trials, X[held_out], y[held_out])
        return self._keep(self._solve(net, X, y, names, seeds[best]))

    def _solve(self, net, X, y, names, seed):
        """Move away from the best start, with a penalty that keeps the loss at bay."""
        for doubling in range(PENALTY_DOUBLINGS + 1):
            self.penalty_ = self.penalty * 2**doubling
            moved, self.distance_ = self._train(net, X, y, names, self.best_start_, seed)
            self.clean_loss_ = clean_loss(moved, X, y)
            if not np.isfinite(self.clean_loss_):
                raise RuntimeError(
                    f"The loss on clean rows became {self.clean_loss_}. Use a smaller lr "
                    f"(lr={self.lr:g}), or scale the features."
                )
            if self.clean_loss_ <= self.eps_:
                return moved
        warn_user(
            f"The loss on clean rows stayed at {self.clean_loss_:.3f}, above "
            f"eps={self.eps_:.3f}, up to penalty={self.penalty_:g}, so accuracy may have "
            "suffered: compare with a network that is trained on the clean rows alone. "
            "Choose a larger eps or eps_margin, more epochs, or give more clean rows.",
            CleanLossWarning,
        )
        return moved

    def _check(self, X, y):
        """Check data and starts."""
        net, X, features = self._open(X)
        y = self._check_codes(X, y)
        rare = self.classes_[np.bincount(y, minlength=len(self.classes_)) < 2]
        if len(rare):
            raise ValueError(
                "Each class needs at least two clean rows, or it would be unlearned; there "
                f"are fewer of class {', '.join(map(str, rare))}."
            )
        if not self.starts or not set(self.starts) <= STARTS:
            raise ValueError(
                f"starts must name some of {sorted(STARTS)}, got {self.starts!r}."
            )
        return net, features, y

    def _find_layers(self, net, X):
        """Find the names of the layers whose distance counts."""
        known = list(weighted_layers(net.module_))
        if isinstance(self.layers, str):
            return [last_layer(net, X)] if self.layers == "last" else known
        if not self.layers or not set(self.layers) <= set(known):
            raise ValueError(f"layers={self.layers!r} is not among the layers {known}.")
        return list(self.layers)

    def _train(self, net, X, y, names, start, seed):
        """Move a copy of the network away from one start."""
        batch_size = self.batch_size or int(np.clip(len(y) // 6, 16, 256))
        n_batches = max(1, round(len(y) / batch_size))
        with seeded(seed, net.device, numpy=False), plain_torch():
            return move_away(
                net,
                X,
                y,
                names,
                start,
                eps=self.eps_,
                penalty=self.penalty_,
                mixup=self.mixup,
                epochs=self.epochs or -(-GRADIENT_STEPS // n_batches),
                n_batches=n_batches,
                lr=self.lr,
            )

    def _choose(self, trials, X, y):
        """Choose the farthest of the starts that are as good as any."""
        self.start_losses_ = np.array([clean_loss(net, X, y) for net, _ in trials])
        self.start_distances_ = np.array([distance for _, distance in trials])
        good = self.start_losses_ <= self.start_losses_.min() + LOSS_TOLERANCE
        best = int(np.where(good, self.start_distances_, -np.inf).argmax())
        self.best_start_ = self.starts[best]
        return best


def clean_loss(net, X, y):
    """Compute the mean cross-entropy, in nats."""
    return float(row_losses(net, X, y).mean())


def move_away(net, X, y, names, start, *, eps, penalty, mixup, epochs, n_batches, lr):
    """Move the weights of some layers away from where they are."""
    moved = copy_net(net)
    module = moved.module_
    layers = weighted_layers(module)
    sphere = _Sphere([layers[name].weight for name in names])
    sphere.place(start)
    optimizer = torch.optim.SGD(module.parameters(), lr=lr, momentum=MOMENTUM)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    X = torch.from_numpy(X).to(moved.device)
    y = torch.from_numpy(y).to(moved.device)
    module.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(y), device=X.device).tensor_split(n_batches):
            losses = _losses(moved, X[rows], y[rows], mixup)
            loss = penalty * torch.relu(losses.mean() - eps) - sphere.distance()
            optimizer.zero_grad()
            (loss / (penalty + 1)).backward()
            optimizer.step()
            sphere.project()
        schedule.step()
    module.eval()
    return moved, float(sphere.distance().detach() / sphere.diameter)


class _Sphere:
    """Weights that keep their norms while they move away from their origins."""

    def __init__(self, weights):
        self.weights = weights
        self.origins = [weight.detach().clone() for weight in weights]
        self.norms = [origin.norm() for origin in self.origins]
        self.diameter = 2 * sum(self.norms)

    @torch.no_grad()
    def place(self, start):
        """Put the weights where they start."""
        for weight, origin in zip(self.weights, self.origins):
            if start == "far":
                weight.copy_(-origin)
            elif start == "random":
                weight.uniform_(-0.5, 0.5)
        self.project()

    @torch.no_grad()
    def project(self):
        """Bring the weights back to their norms."""
        for weight, norm in zip(self.weights, self.norms):
            weight.mul_(norm / weight.norm())

    def distance(self):
        """Sum the distances from the origins."""
        return sum((w - o).norm() for w, o in zip(self.weights, self.origins))


def _losses(net, X, y, mixup):
    """Compute the cross-entropy of each row, or of each mixture of two rows."""
    if not mixup:
        return cross_entropy(to_logits(net.module_(X), net.criterion_), y, reduction="none")
    share = torch.rand((), device=X.device)
    partner = torch.randperm(len(X), device=X.device)
    logits = to_logits(net.module_(share * X + (1 - share) * X[partner]), net.criterion_)
    own = cross_entropy(logits, y, reduction="none")
    other = cross_entropy(logits, y[partner], reduction="none")
    return share * own + (1 - share) * other
