"""Activation-guided editing: take a trigger's direction out of one layer."""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch.nn.functional import cross_entropy

from .._compat import Interval, fit_context
from ..exceptions import TriggerNotFoundWarning
from ..nets import (
    copy_net,
    layer_inputs,
    log_probabilities,
    plain_torch,
    to_logits,
    weighted_layers,
)
from ..triggers import BaseTrigger
from ..triggers._base import check_attack_trigger
from ..utils import draw_seed, seeded, warn_user
from ._base import NetRepair
from ._editing import (
    DEFAULT_RIDGE,
    DEFAULT_SPARSITY,
    EDITABLE,
    ESTIMATED,
    KNOWN,
    find_layer,
    find_shift,
    invert_trigger,
    linear_names,
    make_deaf,
    stamp_estimate,
)

# A trigger is found if it is that much smaller than that of any other class, and an outlier
# as in Neural Cleanse, in median absolute deviations (times 1.4826, which makes them
# standard deviations of normal values). On digits, clean networks reached 1.22, and those
# with a backdoor 1.29 and more, but for patches on convolutions, which stay unfound; of
# two or three classes, clean ones reached 1.8.
LEAST_SCORE, LEAST_DEVIATION, NORMAL_SPREAD = 1.25, 1.5, 1.4826
LEAST_CLASSES = 5
# What fine-tuning by SGD usually takes; the number of passes is the user's. Not tuned.
REPAIR_RATE = 0.01
REPAIR_BATCH = 32


class ActivationGuidedEditor(NetRepair):
    """Remove a backdoor by one closed-form edit of one layer, after AGME.

    On some unseen clean rows, the mean difference that a trigger makes to what a
    linear layer receives is a direction. A rank-one edit of the layer's weights makes
    it deaf to this direction: the mean shift no longer changes its output, nor does the
    mean output on clean rows change, and among such edits it is the one that changes
    the outputs of the clean rows least.

    If the trigger is not known, one is estimated for each class: the sparsest change
    of the rows that makes the network predict the class. The class that needs by far
    the smallest change is the suspicious one. Where none does, the network is returned as
    it was, with a warning.

    Parameters
    ----------
    estimator : skorch.NeuralNetClassifier, Pipeline or FrozenEstimator
        Fitted network, alone or at the end of a pipeline; left unchanged. A clone of
        this defence, as in cross-validation, keeps it only if it is wrapped in a
        :class:`~sklearn.frozen.FrozenEstimator`.

    trigger : BaseTrigger, default=None
        Fitted trigger with one pattern, for rows of the kind that the estimator takes;
        a clone of this defence forgets what it was fitted on. None estimates one.

    target_class : label, default=None
        Class for which a trigger is estimated, and taken for one. None looks for a
        suspicious class, which takes five classes or more; ignored if `trigger` is given.

    layer : int or str, default=None
        Which layer to edit: the position among the linear layers, or convolutions if
        there are none, -1 being the last; or the name in the module of a linear layer or
        a convolution. None takes the last
        linear layer but one for a known trigger and the one before for an estimated
        trigger; of a module without linear layers, convolutions.

    alpha : float, default=None
        Share of the trigger's shift to remove. None takes 1 for a known trigger and
        1.25 for an estimated one, which falls short of the real one.

    ridge : float, default=0.03
        Multiple of the mean variance of the layer's inputs that is added to each
        variance; the fewer rows, the more of it is needed.

    sparsity : float, default=0.02
        Price of each changed feature in the search for a trigger, in nats.

    repair_epochs : int, default=0
        Passes of fine-tuning the edited layer on the clean rows afterwards, which need
        labels then; it restores a class that the edit has hurt.

    classes : array-like of shape (n_classes,), default=None
        Labels in the order of the network's outputs. None stands for integers from 0.

    random_state : int, RandomState instance or None, default=None
        Seed of the fine-tuning.

    Attributes
    ----------
    estimator_ : skorch.NeuralNetClassifier or Pipeline
        The repaired network, of the kind that was given.

    classes_ : ndarray of shape (n_classes,)
        Labels, see `classes`.

    layer_ : str
        Name of the edited layer in the module; None if none was edited.

    shift_ : ndarray of shape (n_inputs,)
        What the trigger adds to the layer's inputs, or to the patches of a convolution,
        on average; None if no layer was edited.

    trigger_found_ : bool
        Whether one class needs a much smaller change than others, or the class was named.
        Only if `trigger` is None, like the following.

    trigger_score_ : float
        How many times larger the second smallest trigger is than the smallest; 1.25 makes
        it suspicious, if it also is an outlier among all of them.

    suspicious_class_ : label
        Class of the smallest trigger.

    trigger_sizes_ : ndarray of shape (n_classes,)
        Number of features, as a sum of shares, that each class's trigger changes; NaN
        for classes without one.

    mask_, pattern_ : ndarray of shape (n_features,), or that of an image
        The estimated trigger: a share `mask_` of each feature is replaced by `pattern_`.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Only if X has string column names.

    See Also
    --------
    DistanceDrivenDetoxifier : Knows no trigger and needs more rows.

    Notes
    -----
    The body of the paper [1]_ could not be read, only its abstract: editing weights
    guided by the activations of unseen data, with and without knowledge of the
    trigger, and an optional repair. The edit, the estimate of the trigger (after
    Neural Cleanse [2]_) and all settings are a reconstruction of ours.

    References
    ----------
    .. [1] Hsieh, Nguyen, MaungMaung, Usynin and Echizen, "Mitigating Backdoor Attacks
       using Activation-Guided Model Editing", arXiv:2407.07662.
    .. [2] Wang et al., "Neural Cleanse: Identifying and Mitigating Backdoor Attacks in
       Neural Networks", IEEE S&P 2019.

    Examples
    --------
    >>> import torch
    >>> from sklearn_bade.datasets import make_poisoned_classification
    >>> from sklearn_bade.defenses import ActivationGuidedEditor
    >>> from sklearn_bade.metrics import attack_success_rate
    >>> from sklearn_bade.nets import make_default_net
    >>> from sklearn_bade.triggers import ValueTrigger
    >>> X, y, is_poisoned = make_poisoned_classification(1500, random_state=0)
    >>> _ = torch.manual_seed(0)  # the network's first weights
    >>> net = make_default_net(X, n_classes=2).fit(X[:1000], y[:1000])
    >>> unseen, labels = X[1000:][~is_poisoned[1000:]], y[1000:][~is_poisoned[1000:]]
    >>> trigger = ValueTrigger([-2, -1], [5.0, 5.0]).fit(unseen)
    >>> editor = ActivationGuidedEditor(net, trigger=trigger).fit(unseen[:100])
    >>> before, after = (
    ...     attack_success_rate(model, unseen, labels, trigger, target_class=0)
    ...     for model in (net, editor)
    ... )
    >>> before > 0.9, after < 0.3
    (True, True)
    """

    _parameter_constraints: dict = {
        "estimator": "no_validation",
        "trigger": [BaseTrigger, None],
        "target_class": "no_validation",
        "layer": [Integral, str, None],
        "alpha": [Interval(Real, 0, None, closed="neither"), None],
        "ridge": [Interval(Real, 0, None, closed="neither")],
        "sparsity": [Interval(Real, 0, None, closed="left")],
        "repair_epochs": [Interval(Integral, 0, None, closed="left")],
        "classes": ["array-like", None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        *,
        trigger=None,
        target_class=None,
        layer=None,
        alpha=None,
        ridge=DEFAULT_RIDGE,
        sparsity=DEFAULT_SPARSITY,
        repair_epochs=0,
        classes=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.trigger = trigger
        self.target_class = target_class
        self.layer = layer
        self.alpha = alpha
        self.ridge = ridge
        self.sparsity = sparsity
        self.repair_epochs = repair_epochs
        self.classes = classes
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Edit a copy of the network.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            Clean rows that the network was not trained on; some dozens are enough.

        y : array-like of shape (n_samples,), default=None
            Their labels, as in `classes`; needed for `repair_epochs` only.

        Returns
        -------
        self : ActivationGuidedEditor
            The fitted defence.

        Raises
        ------
        TypeError
            If the estimator contains neither a torch module nor a skorch classifier.

        ValueError
            If the network has no such layer, the trigger does not move what it receives,
            or labels are missing for the repair.

        Warns
        -----
        TriggerNotFoundWarning
            If no trigger was given, and none is found: nothing is edited.
        """
        net, X, rows = self._open(X)
        if len(rows) < 2:
            raise ValueError(f"At least two clean rows are needed, got {len(rows)}.")
        if y is not None:
            y = self._check_codes(X, y)
        elif self.repair_epochs:
            raise ValueError("repair_epochs needs labels: fit(X, y).")
        if self.trigger is not None:
            return self._edit(net, rows, rows, self._stamp(X), KNOWN, y)
        plain, stamped = self._estimate(net, rows)
        if self.trigger_found_:
            return self._edit(net, rows, plain, stamped, ESTIMATED, y)
        self.layer_ = self.shift_ = None
        warn_user(
            "No trigger was found: no class needs a much smaller change than the others "
            f"(the second smallest is {self.trigger_score_:.2f} times the smallest, of "
            f"{len(self.classes_)} classes). The network is returned as it was. With fewer "
            f"than {LEAST_CLASSES} classes, there is too little to compare with; give "
            "`target_class` to have a class's trigger taken for one.",
            TriggerNotFoundWarning,
        )
        return self._keep(copy_net(net))

    def _edit(self, net, rows, plain, stamped, rule, y):
        """Make a layer deaf to what stamping adds to its inputs, and repair it."""
        self.layer_ = self._find_layer(net, rule)
        edited = copy_net(net)
        layer = weighted_layers(edited.module_, EDITABLE)[self.layer_]
        inputs = layer_inputs(edited, layer, plain).astype(float)
        added = layer_inputs(edited, layer, stamped).astype(float)
        if getattr(layer, "groups", 1) > 1:
            raise ValueError(
                f"Layer {self.layer_!r} is a convolution with groups, each of which sees "
                "other channels; choose another layer."
            )
        self.shift_ = find_shift(layer, inputs, added)
        make_deaf(layer, inputs, self.shift_, self.alpha or rule.alpha, self.ridge)
        if self.repair_epochs:
            seed = draw_seed(check_random_state(self.random_state))
            repair_layer(edited, layer, rows, y, self.repair_epochs, seed)
        return self._keep(edited)

    def _find_layer(self, net, rule):
        """Find the name of the layer to edit."""
        if self.layer is None:
            return find_layer(net, rule)
        known = list(weighted_layers(net.module_, EDITABLE))
        if isinstance(self.layer, str):
            if self.layer not in known:
                raise ValueError(f"layer={self.layer!r} is not among the layers {known}.")
            return self.layer
        names = linear_names(net) or known
        if not -len(names) <= self.layer < len(names):
            raise ValueError(
                f"layer={self.layer} is out of range: the module has {len(names)} "
                f"layer(s) to choose from, {names}."
            )
        return names[self.layer]

    def _stamp(self, X):
        """Stamp the known trigger on the rows as they were given."""
        check_attack_trigger(self.trigger)
        codes = np.zeros(X.shape[0], dtype=np.int64)
        return self._features(self.trigger.stamp(X, codes))

    def _estimate(self, net, rows):
        """Estimate the trigger of the suspicious class, and stamp it."""
        predicted = log_probabilities(net, rows).argmax(axis=1)
        self.trigger_sizes_ = np.full(len(self.classes_), np.nan)
        triggers = {}
        for k in self._list_candidates():
            others = rows[predicted != k]
            if len(others) > 1:
                triggers[k] = invert_trigger(net, others, k, self.sparsity)
                self.trigger_sizes_[k] = triggers[k][0].sum()
        if not triggers:
            raise ValueError(
                "No trigger could be estimated: there are no two rows that the network "
                "takes for another class."
            )
        smallest = int(np.nanargmin(self.trigger_sizes_))
        self.suspicious_class_ = self.classes_[smallest]
        self.trigger_score_, is_outlier = compare_sizes(self.trigger_sizes_)
        self.trigger_found_ = is_outlier or self.target_class is not None
        self.mask_, self.pattern_ = triggers[smallest]
        others = rows[predicted != smallest]
        return others, stamp_estimate(others, self.mask_, self.pattern_)

    def _list_candidates(self):
        """List the codes of the classes that a trigger is estimated for."""
        if self.target_class is None:
            return range(len(self.classes_))
        codes = np.flatnonzero(self.classes_ == self.target_class)
        if not len(codes):
            raise ValueError(
                f"target_class={self.target_class!r} is not among the network's classes "
                f"{self.classes_.tolist()}."
            )
        return codes


def compare_sizes(sizes):
    """Tell how much smaller the smallest trigger is, and whether that is suspicious."""
    known = np.sort(sizes[~np.isnan(sizes)])
    if len(known) < 2:
        return np.nan, False
    score = known[1] / max(known[0], np.finfo(float).tiny)
    spread = np.median(np.abs(known - np.median(known))) * NORMAL_SPREAD
    is_far = np.median(known) - known[0] >= LEAST_DEVIATION * spread
    is_outlier = score >= LEAST_SCORE and is_far
    return float(score), bool(is_outlier and len(known) >= LEAST_CLASSES)


def repair_layer(net, layer, X, y, epochs, seed):
    """Fine-tune one layer on clean rows whose classes count alike, in place."""
    weight = torch.from_numpy((1 / np.bincount(y).clip(1))[y].astype(np.float32))
    X, y, weight = (t.to(net.device) for t in (*map(torch.from_numpy, (X, y)), weight))
    weight /= weight.mean()
    optimizer = torch.optim.SGD(layer.parameters(), lr=REPAIR_RATE, momentum=0.9)
    n_batches = max(1, round(len(y) / REPAIR_BATCH))
    net.module_.eval()
    with seeded(seed, net.device, numpy=False), plain_torch():
        for _ in range(epochs):
            for rows in torch.randperm(len(y), device=X.device).tensor_split(n_batches):
                logits = to_logits(net.module_(X[rows]), net.criterion_)
                losses = cross_entropy(logits, y[rows], reduction="none")
                optimizer.zero_grad()
                (weight[rows] * losses).mean().backward()
                optimizer.step()
