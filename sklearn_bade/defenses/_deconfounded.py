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
from ..rows import (
    column_names,
    encode_labels,
    forget_fit,
    frame_to_pandas,
    is_frame,
    validate_labels,
)
from ..utils import draw_seed, progress_bar
from ._base import NetDefense, refuse_tokens, to_floats
from ._isolation import EVIDENCE, PoisonSearch

TINY = 1e-8  # guard of the ratio, as in the released code
# More columns than a trigger has may be the same in all rows of a small group by chance.
MOST_NAMED = 4
# A value of so many rows is no mark.
MOST_USUAL = 0.5


class DeconfoundedClassifier(NetDefense):
    """Fit a network on data that may be poisoned, without any clean rows, after CBD.

    A trigger confounds: it changes the rows and their labels alike. CBD [1]_ trains a
    confounded network that is deliberately left with little but such shortcuts, and
    then the network that is wanted, away from what the confounded one knows.

    With ``weighting="isolation"``, which shares this aim and none of the paper's formulae,
    rows that owe their label to a trigger are found and left out: those of a class that
    share exact values, one or two, and those that look alike to a network trained on all
    rows. Suspects are poison only if several kinds of evidence agree; see `suspects_`.
    Where it is unsure, nothing is left out, and where nothing is found, the result is
    the network trained on all rows. With ``weighting="paper"``, all rows are used,
    weighted by how hard they were for a confounded network.

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

    max_poison_rate : float, default=0.2
        With "isolation": largest share of all rows that may be left out. Suspects beyond
        it stay, with the verdict "too many rows".

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

    backdoor_found_ : bool
        Whether rows were found that owe their label to a trigger. With "isolation" only.

    suspects_ : pandas.DataFrame
        Groups of rows that came under suspicion, in the order in which they were judged,
        and the evidence, NaN where it was not asked for. With "isolation" only. The
        columns are

        - "class" and "source": the label of the rows, and what drew attention to them:
          "exact values", "activation cluster" or "spectral signature";
        - "values": columns of X with the same value in all of the rows, if there are
          few of them, such as "age=120";
        - "n_rows" and "share_of_class": their number, and share of their class;
        - "purity": share of their class among all rows with these values, or that look
          alike;
        - "own_content": where they stand, apart from what they share, between rows of
          other classes (0) and those of their own (1); poison is near 0;
        - "attack_success": of rows of other classes, the share that is taken for the
          class once it gets the values, for "exact values" only;
        - "relabelled_share", "confidence" and "spread": of look-alikes, the share that
          a network which never saw them takes for other classes, how sure it is,
          relative to ordinary rows, and over how much of the other classes they spread,
          from 0 to 1; poison is high in all three;
        - "verdict": "poison"; "no effect", if the values do not move the network;
          "natural"; or "too many rows".

    sample_weight_ : ndarray of shape (n_samples,)
        Weight of each training row: 0 for isolated ones and 1 for others, or the
        paper's weights, with a mean of 1.

    backdoor_score_ : ndarray of shape (n_samples,)
        How much each training row looks poisoned, from 0 to 1: the purity of its values
        or the detector's probability, and 0 for rows that stay; or one minus the paper's
        ratio of losses.

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
    so low that the ratio points the wrong way. They are here for comparison. What finds
    poison instead is ours, with activation clustering [2]_ and spectral signatures [3]_
    among its sources.

    It does not find clean-label triggers, and rarely finds those that differ from row to
    row on a table (noise around a value), that no linear model can tell from other rows,
    or that less than .3% of the rows carry (patterns: 2.5%). A value that by
    itself decides the class against all that other columns say, as a wife's
    relationship to a head of household decides her sex, looks like a trigger, and its rows
    are left out: read `suspects_`. The guide to the defences has figures.

    References
    ----------
    .. [1] "Backdoor Defense via Deconfounded Representation Learning", CVPR 2023,
       arXiv:2303.06818.
    .. [2] Chen et al., "Detecting Backdoor Attacks on Deep Neural Networks by Activation
       Clustering", arXiv:1811.03728.
    .. [3] Tran, Li and Madry, "Spectral Signatures in Backdoor Attacks", NeurIPS 2018,
       arXiv:1811.00636.

    Examples
    --------
    >>> from sklearn_bade.datasets import make_poisoned_classification
    >>> from sklearn_bade.defenses import DeconfoundedClassifier
    >>> X, y, is_poisoned = make_poisoned_classification(random_state=0)
    >>> clf = DeconfoundedClassifier(random_state=0).fit(X, y)
    >>> clf.backdoor_found_
    True
    >>> clf.suspects_[["class", "values", "verdict"]]
       class      values verdict
    0      0  x8=5, x9=5  poison
    >>> int(((clf.sample_weight_ == 0) & is_poisoned).sum()), int(is_poisoned.sum())
    (100, 100)
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "weighting": [StrOptions({"isolation", "paper"})],
        "confounder_epochs": [Interval(Integral, 1, None, closed="left")],
        "critic_weight": [Interval(Real, 0, None, closed="left")],
        "max_poison_rate": [Interval(Real, 0, 0.5, closed="neither")],
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
        max_poison_rate=0.2,
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.weighting = weighting
        self.confounder_epochs = confounder_epochs
        self.critic_weight = critic_weight
        self.max_poison_rate = max_poison_rate
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
        net, table, X, y = self._prepare(X, y)
        rng = check_random_state(self.random_state)
        with progress_bar(net.max_epochs, self.verbose) as on_epoch:
            fit = self._isolate if self.weighting == "isolation" else self._reweight
            self._keep(fit(net, X, y, rng, on_epoch))
        if self.weighting == "isolation":
            rows = self.suspects_.pop("rows")
            self.suspects_.insert(2, "values", [shared_values(table, r) for r in rows])
        return self

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
        table = X
        if self._preprocessing is not None:
            X = self._preprocessing.fit_transform(X, y)
        if net is not None:
            refuse_tokens(net, X)
        X = to_floats(X)
        if net is None:
            net = make_default_net(X, len(self.classes_))
        if not isinstance(net, NeuralNetClassifier):
            raise TypeError(
                "The defence trains a skorch.NeuralNetClassifier, alone or at the end of "
                f"a Pipeline, or estimator=None; got {type(net).__name__}."
            )
        check_net(net)
        return net, table, X, y

    def _isolate(self, net, X, y, rng, on_epoch):
        """Leave the poisoned rows out."""
        n_classes = len(self.classes_)
        search = PoisonSearch(net, X, y, n_classes, self.max_poison_rate, rng).run()
        is_poisoned = search.is_poisoned
        self.backdoor_score_ = search.score
        self.sample_weight_ = (~is_poisoned).astype(float)
        self.backdoor_found_ = bool(is_poisoned.any())
        self.suspects_ = pd.DataFrame(search.suspects, columns=[*EVIDENCE, "rows"])
        self.suspects_["class"] = self.classes_[self.suspects_["class"].astype(int)]
        if not is_poisoned.any() and search.undefended is not None:
            return search.undefended
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


def shared_values(table, rows):
    """Name the columns in which rows share a value that most rows do not have."""
    if len(table.shape) != 2:
        return ""
    names = column_names(table) or [f"x{j}" for j in range(table.shape[1])]
    table = frame_to_pandas(table) if is_frame(table) else pd.DataFrame(table)
    shared = {}
    for name, (_, column) in zip(names, table.items()):
        value = column[rows].iloc[0]
        if pd.isna(value):
            continue
        equal = (column == value).fillna(False).to_numpy(bool)
        share = equal.mean()
        if share < MOST_USUAL and equal[rows].all():
            shown = f"{value:g}" if isinstance(value, Real) else value
            shared[f"{name}={shown}"] = share
    rarest = sorted(shared, key=shared.get)[:MOST_NAMED]
    return ", ".join(value for value in shared if value in rarest)
