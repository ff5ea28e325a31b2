"""The network that `estimator=None` stands for, as a classifier by itself."""

from contextlib import nullcontext

from ._base import BaseClassifier
from ._compat import check_sample_weight, fit_context
from .learners import make_learners, predict_proba
from .rows import (
    LazyRows,
    Rows,
    check_same_order,
    check_weights,
    drop_weightless,
    encode_labels,
    forget_fit,
    is_dataset,
    leaves_unreadable_out,
    read_labels,
    validate_features,
    validate_labels,
)
from .utils import draw_seeds, progress_bar, seeded


class DefaultNetClassifier(BaseClassifier):
    """Train the network that ``estimator=None`` stands for, without any debiasing.

    It is what a debiased default network is to be compared with: of the same data, columns
    and `random_state`, it predicts what :class:`BackdoorDebiasClassifier` predicts at a
    strength of 0, bit for bit.

    Tables are imputed, scaled and encoded. A network of two hidden layers takes the columns
    as they are, and each measurement in pieces too ("piecewise linear encoding" [1]_), in
    the way of which it is on a par with boosted trees on Adult and MEPS. Images go to a
    small convolutional network. Training is sized by the number of rows, and ends with the
    mean of the weights along it.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        Seed of the weights and the batches. Two fits with the same int give the same bits.

    verbose : int, default=0
        0 is silent, 1 shows a progress bar in terminals and notebooks, 2 everywhere.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.

    net_ : skorch.NeuralNetClassifier
        The fitted network; it predicts class codes, the positions of labels in `classes_`.

    preprocessing_ : Pipeline or None
        Fitted steps that make its input from a table.

    n_features_in_ : int
        Number of features seen during `fit`; of images, the number of channels.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Only if X has string column names.

    See Also
    --------
    BackdoorDebiasClassifier : The same network, debiased.

    References
    ----------
    .. [1] Y. Gorishniy, I. Rubachev and A. Babenko, "On Embeddings for Numerical Features
       in Tabular Deep Learning", NeurIPS 2022, arXiv:2203.05556.

    Examples
    --------
    >>> from sklearn_bade import DefaultNetClassifier
    >>> from sklearn_bade.datasets import make_biased_classification
    >>> X, y, _ = make_biased_classification(n_samples=500, random_state=0)
    >>> clf = DefaultNetClassifier(random_state=0).fit(X.drop(columns="group"), y)
    >>> clf.predict_proba(X.drop(columns="group")).shape
    (500, 2)
    """

    _parameter_constraints: dict = {
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(self, *, random_state=None, verbose=0):
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    @leaves_unreadable_out
    def fit(self, X, y, sample_weight=None):
        """Train the network.

        Parameters
        ----------
        X : {array-like, dataframe, torch Dataset, SliceDataset} of shape \
                (n_samples, n_features) or (n_samples, n_channels, height, width)
            Training data: a table, which may hold text and missing values, or images of
            float32 or uint8.

        y : array-like or SliceDataset of shape (n_samples,), or None
            Class labels of any type. None, for a torch Dataset of tuples, takes the
            second element of each.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in training. Rows of weight zero are left out.

        Returns
        -------
        self : DefaultNetClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If there is only one class, or X is neither a table nor images.
        """
        forget_fit(self)
        if y is None and is_dataset(X):
            y = read_labels(X)
        check_same_order(X=X, y=y, sample_weight=sample_weight)
        X = validate_features(self, X, reset=True, takes_nan=True)
        y = validate_labels(X, y)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X, ensure_non_negative=True)
            check_weights(sample_weight)
            X, y, _, sample_weight = drop_weightless(X, y, None, sample_weight)
        self.classes_, codes = encode_labels(y)
        rows = Rows(X, codes, self.classes_, None, sample_weight)
        # Seeds are dealt as the debiaser deals them.
        seeds = draw_seeds(self.random_state)
        with seeded(seeds[0]) if isinstance(X, LazyRows) else nullcontext():
            learner, _ = make_learners(None, None, rows)
        with progress_bar(learner.epochs, self.verbose) as on_epoch:
            self.net_ = learner.fit_base(seed=seeds[2], on_epoch=on_epoch)
        self.preprocessing_ = learner.preprocessing
        return self

    def _predict_proba(self, X):
        X = validate_features(self, X, reset=False, takes_nan=True)
        if self.preprocessing_ is not None:
            X = self.preprocessing_.transform(X)
        return predict_proba(self.net_, X)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "net_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        return tags
