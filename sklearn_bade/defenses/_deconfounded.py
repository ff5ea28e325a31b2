"""CBD: learn a clean model from poisoned data."""

from numbers import Integral, Real

import pandas as pd
from sklearn.base import clone
from sklearn.utils import check_random_state, get_tags
from skorch import NeuralNetClassifier

from .._compat import HasMethods, Interval, StrOptions, fit_context
from ..nets import (
    check_net,
    layer_inputs,
    make_default_net,
    row_losses,
    train_net,
    train_reweighted_net,
    weighted_layers,
)
from ..preprocessing import make_default_preprocessing, split_pipeline
from ..rows import encode_labels, forget_fit, validate_labels
from ..utils import draw_seed, progress_bar
from ._base import NetDefense, to_floats
from ._isolation import find_poison

TINY = 1e-8  # guard of the ratio, as in the released code


class DeconfoundedClassifier(NetDefense):
    """Fit a network on data that may be poisoned, without any clean rows, after CBD.

    A trigger confounds: it changes the rows and their labels alike. CBD [1]_ trains a
    confounded network that is deliberately left with little but such shortcuts, and
    then the network that is wanted, away from what the confounded one knows.

    With ``weighting="isolation"``, which is derived from CBD and works on small tables
    and images, rows that confounded networks give away are isolated: a detector learns
    what suspected rows of a class have in common, and a group is removed if a network
    that never saw it takes most of it for other classes. Without such a group there is
    no backdoor, and all rows are used. With ``weighting="paper"``, all rows are used,
    weighted by how hard they were for the confounded network.

    Parameters
    ----------
    estimator : skorch.NeuralNetClassifier or Pipeline, default=None
        Unfitted network, alone or at the end of a pipeline. None imputes, scales and
        encodes, and sizes a network by the data.

    weighting : {"isolation", "paper"}, default="isolation"
        How rows are kept from teaching the backdoor.

    confounder_epochs : int, default=5
        With "paper": passes over the data of the confounded network.

    critic_weight : float, default=0.01
        With "paper": weight, in the loss, of the critic's estimate of how much the two
        networks' embeddings depend on each other; 0 leaves the critic out.

    random_state : int, RandomState instance or None, default=None
        Seed of weights, batches and splits.

    verbose : int, default=0
        0 is silent, 1 shows a progress bar in terminals and notebooks, 2 everywhere.

    Attributes
    ----------
    estimator_ : skorch.NeuralNetClassifier or Pipeline
        The clean network.

    classes_ : ndarray of shape (n_classes,)
        Class labels.

    has_backdoor_ : bool
        Whether poisoned rows were found. With "isolation" only.

    suspects_ : pandas.DataFrame
        Groups of rows that were suspected: their class, by what they were found, their
        number, their share of the class, and the share of them that a network which
        never saw them takes for other classes; NaN for groups too small or too large
        to be judged. With "isolation" only.

    sample_weight_ : ndarray of shape (n_samples,)
        Weight of each training row: 0 for isolated ones and 1 for others, or the
        paper's weights, with a mean of 1.

    backdoor_score_ : ndarray of shape (n_samples,)
        How much each training row looks poisoned, from 0 to 1: the detector's
        probability, or one minus the paper's ratio of losses.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Only if X has string column names.

    See Also
    --------
    DistanceDrivenDetoxifier : Repairs a network that was trained elsewhere.

    Notes
    -----
    The paper's weights do not defend small networks on tables or digits: the network
    learns the trigger even from tiny weights, and its loss on poisoned rows then falls
    so low that the ratio points the wrong way. They are here for comparison. The
    detector, the ways to suspect rows beside the confounded networks (trigger
    inversion and activation clustering), and the test whether there is a backdoor at
    all are ours or others'. A trigger is not found if more than two thirds of its class
    or a quarter of all rows carry it, if other classes have it too, or if its class
    has fewer than 30 rows; and it may be missed where classes are very easy to tell
    apart.

    References
    ----------
    .. [1] "Backdoor Defense via Deconfounded Representation Learning", CVPR 2023,
       arXiv:2303.06818.

    Examples
    --------
    >>> from sklearn_bade.datasets import make_poisoned_classification
    >>> from sklearn_bade.defenses import DeconfoundedClassifier
    >>> X, y, is_poisoned = make_poisoned_classification(random_state=0)
    >>> clf = DeconfoundedClassifier(random_state=0).fit(X, y)
    >>> clf.has_backdoor_
    True
    >>> int(((clf.sample_weight_ == 0) & is_poisoned).sum()), int(is_poisoned.sum())
    (100, 100)
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "weighting": [StrOptions({"isolation", "paper"})],
        "confounder_epochs": [Interval(Integral, 1, None, closed="left")],
        "critic_weight": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        weighting="isolation",
        confounder_epochs=5,
        critic_weight=0.01,
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.weighting = weighting
        self.confounder_epochs = confounder_epochs
        self.critic_weight = critic_weight
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y):
        """Fit the network in spite of poison.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            Training data, some rows of which may be poisoned.

        y : array-like of shape (n_samples,)
            Class labels of any type.

        Returns
        -------
        self : DeconfoundedClassifier
            The fitted classifier.

        Raises
        ------
        TypeError
            If the estimator is no skorch classifier.

        ValueError
            If there is only one class, or X does not fit the estimator.

        RuntimeError
            If the loss is no longer a number while training.
        """
        net, X, y = self._prepare(X, y)
        rng = check_random_state(self.random_state)
        with progress_bar(net.max_epochs, self.verbose) as on_epoch:
            fit = self._isolate if self.weighting == "isolation" else self._reweight
            return self._keep(fit(net, X, y, rng, on_epoch))

    def _prepare(self, X, y):
        """Check the data, and make the network and its input."""
        forget_fit(self)
        self._preprocessing, net = split_pipeline(self.estimator)
        if self.estimator is None:
            self._preprocessing = make_default_preprocessing()
        X = self._check_rows(X, reset=True)
        if self.estimator is None and len(X.shape) > 2:
            self._preprocessing = None
        self.classes_, y = encode_labels(validate_labels(X, y))
        if self._preprocessing is not None:
            X = self._preprocessing.fit_transform(X, y)
        X = to_floats(X)
        if net is None:
            net = make_default_net(X, len(self.classes_))
        if not isinstance(net, NeuralNetClassifier):
            raise TypeError(
                "The defence trains a skorch.NeuralNetClassifier, alone or at the end of "
                f"a Pipeline, or estimator=None; got {type(net).__name__}."
            )
        check_net(net)
        return net, X, y

    def _isolate(self, net, X, y, rng, on_epoch):
        """Leave the poisoned rows out."""
        n_classes = len(self.classes_)
        score, is_poisoned, suspects = find_poison(net, X, y, n_classes, rng)
        self.backdoor_score_ = score
        self.sample_weight_ = (~is_poisoned).astype(float)
        self.has_backdoor_ = bool(is_poisoned.any())
        columns = ["class", "source", "n_rows", "share_of_class", "relabelled_share"]
        self.suspects_ = pd.DataFrame(suspects, columns=columns)
        self.suspects_["class"] = self.classes_[self.suspects_["class"].astype(int)]
        return train_net(
            net,
            X[~is_poisoned],
            y[~is_poisoned],
            seed=draw_seed(rng),
            n_outputs=n_classes,
            on_epoch=on_epoch,
        )

    def _reweight(self, net, X, y, rng, on_epoch):
        """Weigh rows by the paper's ratio of losses."""
        n_classes = len(self.classes_)
        confounded = train_net(
            clone(net).set_params(max_epochs=self.confounder_epochs),
            X,
            y,
            seed=draw_seed(rng),
            n_outputs=n_classes,
        )
        *_, last = weighted_layers(confounded.module_).values()
        confounded_loss = row_losses(confounded, X, y)
        trained = train_reweighted_net(
            net,
            X,
            y,
            confounded_loss,
            layer_inputs(confounded, last, X),
            critic_weight=self.critic_weight,
            n_classes=n_classes,
            seed=draw_seed(rng),
            on_epoch=on_epoch,
        )
        own_loss = row_losses(trained, X, y)
        ratio = confounded_loss / (confounded_loss + own_loss + TINY)
        self.sample_weight_ = ratio / max(ratio.mean(), TINY)
        self.backdoor_score_ = 1 - ratio
        return trained

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = self.estimator is None
        tags.input_tags.allow_nan = (
            self.estimator is None or get_tags(self.estimator).input_tags.allow_nan
        )
        return tags
