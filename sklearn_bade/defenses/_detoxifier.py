"""D3: walk far away from the poisoned weights, and stay good on clean rows."""

from numbers import Integral, Real

import numpy as np
import torch
from scipy.special import log_softmax, softmax
from sklearn.model_selection import StratifiedKFold
from sklearn.utils import check_random_state
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.parametrize import is_parametrized

from .._compat import Interval, StrOptions, fit_context
from ..exceptions import CleanLossWarning, RecallLossWarning
from ..nets import (
    copy_net,
    last_layer,
    log_probabilities,
    plain_torch,
    to_logits,
    weighted_layers,
)
from ..utils import draw_seed, seeded, warn_user
from ._base import TOLERATED_ERROR, NetRepair, draw_anew, make_optimizer

MOMENTUM = 0.9  # as in the released code
# Chosen, like the defaults below, on splits of the training rows of Adult and MEPS and on
# digits, seeds 0-2, with 200 clean rows; see benchmarks/defenses.py. New weights need half
# of the steps.
GRADIENT_STEPS, FRESH_STEPS = 2000, 1000
# Mixtures of rows let a few rows go further; rows as they are keep what batch
# normalisation sees, so every other batch is left alone.
MIXED_SHARE, NOISE_SHARE = 0.5, 0.3
# Batches that batch normalisation is renewed with: large ones, of memory that it needs in
# training as well.
STATISTICS_ROWS = 256
STARTS = {"random", "far", "near", "fresh"}
# Held-out losses that differ by less, in nats, are as good as each other: a standard error
# on some hundred rows. The start that comes first is taken then, by default the one
# that keeps less of what the original network knew.
LOSS_TOLERANCE = 0.02
# Offsets of classes are found where classes are predicted by a nearly hard maximum.
SHARPNESS, OFFSET_STEPS, OFFSET_RATE = 20.0, 500, 0.1
# Points of balanced accuracy that may be lost without a word, as far as they are more than
# noise.
TOLERATED_RECALL, SURE = 0.03, 2.0
# How far the clean loss may stay above an eps that was guessed: noise and mixtures keep it
# above the original network's without harm.
TOLERATED_LOSS = 0.1


class DistanceDrivenDetoxifier(NetRepair):
    """Remove a backdoor by moving a network's weights far away, after D3.

    Near the poisoned weights, the loss on triggered rows is at a minimum, and
    fine-tuning on clean rows stays there. D3 [1]_ looks for weights as far away as
    possible that are still good on clean rows. With theta the weights of `layers`,
    confined to the sphere of their original norms, it minimises

    ``penalty * max(0, mean loss - eps) - sum of distances from the original weights``

    over all weights.

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
        Mean cross-entropy on clean rows, in nats, that is good enough. It should lie
        above the loss that no network could avoid; "auto" is the original network's,
        plus `eps_margin`.

    eps_margin : float, default=0.03
        See `eps`.

    penalty : float, default=20.0
        Weight of the clean loss against the distance.

    soft_targets : float, default=0.5
        Share of the original network's own answers to the clean rows in the targets,
        which tell more of a few hundred rows than their labels; the rest are the labels.
        Answers to stamped rows play no part.

    starts : list of {"far", "fresh", "random", "near"}, default=("far",)
        Where to begin, the preferred one first: with the weights of `layers` at the far
        end of the sphere, at random on it, or unchanged; or with new weights for the whole
        module, which are trained by the network's own optimizer and need not move. Of
        several, the first one is taken whose loss in cross-validation is within .02 of
        the lowest. The far end is the safest: only there do the weights begin with the
        contrary of the backdoor.

    augment : bool, default=True
        Whether to let a few rows go further: every other batch is of random mixtures of
        two clean rows, and noise of .3 standard deviations is added to all. New weights
        are trained on the rows as they are.

    match_class_shares : bool, default=True
        Whether to shift the output of each class so that it is predicted as often as
        it occurs among the clean rows. Few rows teach too little of rare classes
        otherwise.

    cv : int, default=4
        Number of folds of the cross-validation that chooses between several starts. Fewer
        where a class has fewer rows.

    epochs : int, default=None
        Passes over the clean rows. None makes about 2000 steps, and 1000 for new weights.

    lr : float, default=0.01
        Learning rate of SGD with momentum, which falls to zero along a cosine. That of
        new weights is the network's own.

    batch_size : int, default=None
        Number of rows per step. None takes a sixth of the rows, but 16 to 256.

    classes : array-like of shape (n_classes,), default=None
        Labels in the order of the network's outputs. None stands for integers from 0.

    random_state : int, RandomState instance or None, default=None
        Seed of starts and batches.

    Attributes
    ----------
    estimator_ : skorch.NeuralNetClassifier or Pipeline
        The repaired network, of the kind that was given.

    classes_ : ndarray of shape (n_classes,)
        Labels, see `classes`.

    eps_ : float
        Cross-entropy that was aimed at, in nats.

    clean_loss_ : float
        Mean cross-entropy of the repaired network on the clean rows, in nats.

    distance_ : float
        Distance of the repaired `layers` from the original ones, as a share of the
        largest that there is at their norms.

    start_losses_ : ndarray of shape (n_starts,)
        Mean cross-entropy from each start in cross-validation, in nats; NaN of a single
        start.

    best_start_ : str
        The start that was chosen.

    class_offsets_ : ndarray of shape (n_classes,)
        What was added to the output of each class; zeros where the last layer does not
        return one output for each class.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Only if X has string column names.

    See Also
    --------
    ActivationGuidedEditor : Closed form, for a trigger that is known.
    DeconfoundedClassifier : A clean model from poisoned data.

    Notes
    -----
    The paper's own setting is ``starts=["random"], penalty=10, eps=0.1, soft_targets=0,
    augment=False, match_class_shares=False, epochs=100, batch_size=256``. On a few hundred
    rows it costs more accuracy than retraining from these rows alone, and its result
    depends on the start. The start, soft targets, mixtures, the choice by
    cross-validation and class shares are ours.

    References
    ----------
    .. [1] "Backdoor Mitigation by Distance-Driven Detoxification", ICCV 2025,
       arXiv:2411.09585.

    Examples
    --------
    >>> import torch
    >>> from sklearn.frozen import FrozenEstimator
    >>> from sklearn_bade.datasets import make_poisoned_classification
    >>> from sklearn_bade.defenses import DistanceDrivenDetoxifier
    >>> from sklearn_bade.nets import make_default_net
    >>> X, y, is_poisoned = make_poisoned_classification(1500, random_state=0)
    >>> _ = torch.manual_seed(0)  # the network's first weights
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
        "soft_targets": [Interval(Real, 0, 1, closed="both")],
        "starts": [list, tuple],
        "augment": ["boolean"],
        "match_class_shares": ["boolean"],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left"), None],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "classes": ["array-like", None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        *,
        layers="last",
        eps="auto",
        eps_margin=0.03,
        penalty=20.0,
        soft_targets=0.5,
        starts=("far",),
        augment=True,
        match_class_shares=True,
        cv=4,
        epochs=None,
        lr=0.01,
        batch_size=None,
        classes=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.layers = layers
        self.eps = eps
        self.eps_margin = eps_margin
        self.penalty = penalty
        self.soft_targets = soft_targets
        self.starts = starts
        self.augment = augment
        self.match_class_shares = match_class_shares
        self.cv = cv
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size
        self.classes = classes
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Repair a copy of the network.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            Clean rows, of the kind that the estimator takes.

        y : array-like of shape (n_samples,)
            Their labels, as in `classes`.

        Returns
        -------
        self : DistanceDrivenDetoxifier
            The fitted defence.

        Raises
        ------
        TypeError
            If the estimator contains neither a torch module nor a skorch classifier.

        ValueError
            If the network has no layer to be moved, or a class has fewer than two rows.

        RuntimeError
            If the loss on clean rows is no longer a number.

        Warns
        -----
        CleanLossWarning
            If the loss on clean rows stays above `eps`, for which the penalty asks
            without insisting.

        RecallLossWarning
            If balanced accuracy on the clean rows is surely more than 3 points below that
            of the original network.
        """
        net, X, y = self._check(X, y)
        names = self._find_layers(net, X)
        rng = check_random_state(self.random_state)
        seeds = rng.randint(2**31 - 1, size=len(self.starts)).tolist()
        folds = self._split(y, rng)
        answers = log_probabilities(net, X)
        self.eps_ = self.eps
        if self.eps == "auto":
            self.eps_ = mean_loss(answers, y) + self.eps_margin
        task = _Task(net, X, y, answers, names, self)
        held_out = [task.predict_held_out(*pair, folds) for pair in zip(self.starts, seeds)]
        best = self._choose(held_out, y)
        moved, self.distance_ = task.move(np.arange(len(y)), self.starts[best], seeds[best])
        self._check_loss(moved, X, y)
        self._shift_classes(moved, X, y, answers)
        return self._keep(moved)

    def _split(self, y, rng):
        """Split the clean rows, if there is a choice to be made."""
        if len(self.starts) == 1:
            return []
        n_folds = min(self.cv, np.bincount(y).min())
        splitter = StratifiedKFold(n_folds, shuffle=True, random_state=draw_seed(rng))
        return list(splitter.split(y, y))

    def _choose(self, held_out, y):
        """Choose the first start whose loss on unseen rows is hardly beaten."""
        losses = [np.nan if rows is None else mean_loss(rows, y) for rows in held_out]
        self.start_losses_ = np.array(losses)
        # A loss that is no number is the worst.
        finite = np.where(np.isfinite(losses), losses, np.inf)
        best = int((finite <= finite.min() + LOSS_TOLERANCE).argmax())
        self.best_start_ = self.starts[best]
        return best

    def _check_loss(self, moved, X, y):
        """Keep the loss on clean rows, and say if it is not what was asked for."""
        self.clean_loss_ = mean_loss(log_probabilities(moved, X), y)
        if not np.isfinite(self.clean_loss_):
            raise RuntimeError(
                f"The loss on clean rows became {self.clean_loss_}. Use a smaller lr "
                f"(lr={self.lr:g}), or scale the features."
            )
        tolerated = TOLERATED_LOSS if self.eps == "auto" else 0.0
        if self.clean_loss_ > self.eps_ + tolerated:
            warn_user(
                f"The loss on clean rows stayed at {self.clean_loss_:.3f}, above "
                f"eps={self.eps_:.3f}, so accuracy may have suffered: compare with a "
                "network that is trained on the clean rows alone. Choose a larger eps or "
                "penalty, more epochs, or give more clean rows.",
                CleanLossWarning,
            )

    def _shift_classes(self, moved, X, y, answers):
        """Predict each class as often as it occurs, and say if recalls have suffered."""
        self.class_offsets_ = np.zeros(len(self.classes_))
        if self.match_class_shares:
            layer = weighted_layers(moved.module_)[last_layer(moved, X)]
            offsets = find_offsets(log_probabilities(moved, X), y)
            if shift_outputs(moved, layer, offsets, X):
                self.class_offsets_ = offsets
        warn_of_recalls(log_probabilities(moved, X), answers, y)

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
        if any(is_parametrized(layer) for layer in weighted_layers(net.module_).values()):
            raise ValueError(
                "The network's weights are parametrized, as by weight_norm, and cannot be "
                "moved. Remove the parametrizations first."
            )
        if isinstance(self.layers, str):
            return [last_layer(net, X)] if self.layers == "last" else known
        if not self.layers or not set(self.layers) <= set(known):
            raise ValueError(f"layers={self.layers!r} is not among the layers {known}.")
        return list(self.layers)


class _Task:
    """What all trainings of one repair have in common."""

    def __init__(self, net, X, y, answers, names, settings):
        self.net, self.X, self.y, self.names = net, X, y, names
        self.settings = settings
        labels = np.eye(answers.shape[1], dtype=np.float32)[y]
        self.answers = np.exp(answers).astype(np.float32)
        self.targets = (1 - settings.soft_targets) * labels
        self.targets += settings.soft_targets * self.answers

    def predict_held_out(self, start, seed, folds):
        """Predict log-probabilities of rows by networks that did not see them."""
        if not folds:
            return None
        held_out = np.empty_like(self.answers)
        for train, test in folds:
            moved, _ = self.move(train, start, seed)
            held_out[test] = log_probabilities(moved, self.X[test])
        return held_out

    def move(self, rows, start, seed):
        """Move a copy of the network away from one start, with some of the clean rows.

        Returns
        -------
        moved : skorch.NeuralNetClassifier
            The copy.

        distance : float
            How far it got, as a share of the largest distance.
        """
        settings, moved = self.settings, copy_net(self.net)
        layers = weighted_layers(moved.module_)
        sphere = _Sphere([layers[name].weight for name in self.names])
        batch_size = settings.batch_size or int(np.clip(len(rows) // 6, 16, 256))
        n_batches = max(1, round(len(rows) / batch_size))
        steps = FRESH_STEPS if start == "fresh" else GRADIENT_STEPS
        epochs = settings.epochs or -(-steps // n_batches)
        X, *targets = (
            torch.from_numpy(part[rows]).to(moved.device)
            for part in (self.X, self.targets, self.answers)
        )
        train = train_anew if start == "fresh" else move_away
        with seeded(seed, moved.device, numpy=False), plain_torch():
            train(moved, X, *targets, sphere, start, epochs, n_batches, settings)
            renew_statistics(moved.module_, X)
        moved.module_.eval()
        return moved, float(sphere.distance().detach() / sphere.diameter)


def batches(n_rows, epochs, n_batches, device, schedule):
    """Draw batches of rows, epoch by epoch."""
    for _ in range(epochs):
        yield from torch.randperm(n_rows, device=device).tensor_split(n_batches)
        schedule.step()


def move_away(moved, X, targets, answers, sphere, start, epochs, n_batches, settings):
    """Minimise the clean loss beyond eps minus the distance."""
    module = moved.module_.train()
    sphere.place(start)
    optimizer = torch.optim.SGD(module.parameters(), lr=settings.lr, momentum=MOMENTUM)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    noise = NOISE_SHARE * X.std(dim=0)
    for rows in batches(len(X), epochs, n_batches, X.device, schedule):
        given = X[rows], targets[rows], answers[rows]
        if settings.augment:
            given = augment(*given, noise)
        excess = clean_loss(moved, *given[:2]) - threshold(given[2], settings)
        loss = settings.penalty * torch.relu(excess) - sphere.distance()
        optimizer.zero_grad()
        (loss / (settings.penalty + 1)).backward()
        optimizer.step()
        sphere.project()


def train_anew(moved, X, targets, answers, sphere, start, epochs, n_batches, settings):
    """Train new weights by the network's own optimizer."""
    module = moved.module_.train()
    draw_anew(module)
    optimizer = make_optimizer(moved)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for rows in batches(len(X), epochs, n_batches, X.device, schedule):
        optimizer.zero_grad()
        clean_loss(moved, X[rows], targets[rows]).backward()
        optimizer.step()


@torch.no_grad()
def renew_statistics(module, X):
    """Let batch normalisation see the rows as they are, which mixtures differ from."""
    layers = [m for m in module.modules() if isinstance(m, _BatchNorm)]
    if not layers or any(m.running_mean is None for m in layers):
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean over batches
    module.train()
    for rows in X.split(STATISTICS_ROWS):
        if len(rows) > 1:
            module(rows)
    for layer, momentum in zip(layers, momenta):
        layer.momentum = momentum


def clean_loss(net, X, targets):
    """Compute the mean cross-entropy, in nats."""
    return cross_entropy(to_logits(net.module_(X), net.criterion_), targets)


def threshold(answers, settings):
    """Compute the loss that is good enough, which soft targets cannot bring to zero."""
    entropy = -torch.xlogy(answers, answers).sum(dim=1).mean()
    soft = settings.soft_targets
    return (1 - soft) * settings.eps_ + soft * (entropy + settings.eps_margin)


def augment(X, targets, answers, noise):
    """Add noise, and mix each row, its target and its answer in some batches."""
    X = X + noise * torch.randn_like(X)
    if torch.rand(()) >= MIXED_SHARE:
        return X, targets, answers
    share = torch.rand((), device=X.device)
    partner = torch.randperm(len(X), device=X.device)
    return [share * part + (1 - share) * part[partner] for part in (X, targets, answers)]


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


def mean_loss(log_probability, y):
    """Compute the mean cross-entropy, in nats."""
    return float(-log_probability[np.arange(len(y)), y].mean())


def find_offsets(log_probability, y):
    """Find what to add to each class so that it is predicted as often as it occurs.

    The rows are those that the network was trained on: from the far end, and with noise,
    it does not learn them by heart.
    """
    n_classes = log_probability.shape[1]
    occurs = np.bincount(y, minlength=n_classes)
    offsets = np.zeros(n_classes)
    for _ in range(OFFSET_STEPS):
        shares = softmax(SHARPNESS * (log_probability + offsets), axis=1).mean(axis=0)
        predicted = (shares * len(y)).clip(0.5)
        offsets += OFFSET_RATE * np.log(occurs / predicted)
    return offsets - offsets.mean()


def shift_outputs(net, layer, offsets, X):
    """Add offsets to the last layer's bias; tell whether outputs moved by them."""
    if len(layer.weight) != len(offsets):
        return False
    before, bias = log_probabilities(net, X), layer.bias
    kept = torch.zeros_like(layer.weight[:, 0].flatten()) if bias is None else bias
    shift = torch.as_tensor(offsets).to(kept)
    layer.bias = torch.nn.Parameter((kept + shift).detach())
    expected = log_softmax(before + offsets, axis=1)
    if np.allclose(log_probabilities(net, X), expected, atol=TOLERATED_ERROR):
        return True
    layer.bias = bias
    return False


def warn_of_recalls(repaired, original, y):
    """Say if balanced accuracy has surely fallen by more than is tolerated."""
    correct = [rows.argmax(axis=1) == y for rows in (repaired, original)]
    gained = correct[0].astype(float) - correct[1]
    parts = [gained[y == k] for k in np.unique(y)]
    lost = -np.mean([part.mean() for part in parts])
    error = np.sqrt(sum(part.var() / len(part) for part in parts)) / len(parts)
    if lost > TOLERATED_RECALL and lost > SURE * error:
        recalls = [np.mean([c[y == k].mean() for k in np.unique(y)]) for c in correct]
        warn_user(
            f"Balanced accuracy on the clean rows is {recalls[0]:.3f}, and that of the "
            f"original network {recalls[1]:.3f}. Give more clean rows, above all of rare "
            "classes.",
            RecallLossWarning,
        )
