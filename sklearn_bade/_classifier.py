"""The debiasing meta-estimator."""

import os
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context, clone
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import (
    _safe_indexing,
    assert_all_finite,
    check_array,
    check_random_state,
    get_tags,
)
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    check_memory,
    column_or_1d,
    validate_data,
)

from ._groups import (
    DEFAULT_BINS,
    drop_columns,
    encode_groups,
    is_dataframe,
    locate_columns,
    sensitive_table,
)
from ._injection import INJECTIONS, count_cells, warn_of_small_cells
from ._preprocessing import (
    join_pipeline,
    make_default_preprocessing,
    split_pipeline,
    to_float32,
)
from ._progress import progress_bar
from ._reversal import (
    check_strength,
    own_trigger_shift,
    resolve_class_rates,
    soft_targets,
)
from ._students import check_classifier, choose_epochs, fit_student, starts_from_teacher
from ._teachers import learn_views
from .nets import log_probabilities, make_default_net, net_identity
from .triggers import BaseTrigger, ColumnTrigger


def forget_fit(estimator):
    """Drop what an earlier fit left, so that a failed fit leaves none of it.

    Parameters
    ----------
    estimator : estimator object
        Estimator that is about to be fitted.
    """
    for name in [name for name in vars(estimator) if name.endswith("_")]:
        delattr(estimator, name)


@dataclass
class _Case:
    """The training data on their way through `fit`, and how to train on them."""

    y: np.ndarray
    groups: np.ndarray
    positions: list
    features: np.ndarray = None
    preprocessing: Pipeline = None
    classifier: BaseEstimator = None
    trigger: BaseTrigger = None
    from_teacher: bool = True
    student_epochs: int = 0
    seeds: list = None
    mean_log_proba: np.ndarray = None
    shift: np.ndarray = None

    def transform(self, X):
        """Make the network's input from raw rows that hold the sensitive columns."""
        features = drop_columns(X, self.positions)
        if self.preprocessing is not None:
            features = self.preprocessing.transform(features)
        return to_float32(features)

    @property
    def epochs(self):
        """Number of epochs of both stages."""
        return self.classifier.max_epochs + self.student_epochs


class BackdoorDebiasClassifier(ClassifierMixin, BaseEstimator):
    r"""Make a classifier fairer by a backdoor that cancels the bias of its data.

    The method is BaDe, "Backdoor for Debias" [1]_. `fit` takes five steps:

    1. *Groups*: the sensitive attribute divides the rows into groups.
    2. *Injection*: every row gets a trigger, drawn so that triggers meet classes as
       often as groups do. Triggers are then an artificial bias like the data's own.
    3. *Teacher*: a network learns the true labels from trigger-stamped rows.
    4. *Reversal*: what a row's own trigger adds to the teacher's log-probabilities is
       turned round, so that artificial and real bias cancel.
    5. *Student*: a second network learns the result from plain rows. It needs no
       sensitive attribute and has no backdoor; only the student is kept.

    Parameters
    ----------
    estimator : estimator object, default=None
        What to debias; it is cloned, never changed.

        - A :class:`skorch.NeuralNetClassifier`: X is then numeric.
        - A :class:`~sklearn.pipeline.Pipeline` that ends in one: X may be a raw frame;
          the sensitive column is taken away before the first step.
        - None: a default pipeline (impute, scale, encode) and a network sized by the
          data.

    sensitive_feature : str, int, list of these, or callable, default=None
        Names or positions of the sensitive columns of X; with several, groups are
        their combinations. The columns are used to find the groups and then removed:
        the student never sees them. A callable takes X and returns the sensitive
        values; it removes nothing. Numeric columns with more than ten distinct
        values are cut at quantiles, see `n_bins`.

    trigger_strength : float or array-like of shape (n_classes,), default=1.0
        How far to turn the bias round. 0 is plain distillation; 1 is the paper's
        reversed trigger; more goes further. One value per class (in the order of
        `classes_`) treats the rows of each class differently. The best value differs
        between data sets, so choose it by cross-validation.

    injection : {"mirror", "balanced"}, default="mirror"
        How often classes meet triggers. "mirror" copies the rates of the groups.
        "balanced", for two classes and two groups, takes the rates at which the
        reversed trigger cancels the bias exactly and keeps the base rate.

    trigger : "auto" or BaseTrigger, default="auto"
        How triggers are stamped on rows. "auto" appends one column per group to the
        teacher's input, see :class:`~sklearn_bade.triggers.ColumnTrigger`.

    base_rate : {"keep", "drift"} or array-like of shape (n_classes,), default="keep"
        Class frequencies at which the mean of the soft targets is held: "keep" takes
        those of the training data, "drift" none, as the paper does; or give your own,
        in the order of `classes_`. A network whose criterion weighs classes is held at
        the unweighted frequencies too, unless told otherwise here.

    hard_label_weight : float, default=0.0
        Share of the student's loss, from 0 to 1, that is measured against the true
        labels instead of the soft targets. The paper uses 0.1.

    temperature : float, default=1.0
        Divisor of the logits in the distillation loss.

    student_init : {"auto", "teacher", "scratch"}, default="auto"
        Where the student's weights start: from the teacher's, with the trigger columns
        cut off, or afresh. "auto" starts from the teacher if the trigger has columns
        of its own, else afresh.

    student_epochs : int, default=None
        Passes over the data in training the student. None takes a fifth of the
        network's epochs (at least one) when it starts from the teacher, and all of
        them otherwise.

    n_bins : int, default=2
        Number of groups made of a numeric sensitive column with many values.

    keep_teacher : bool, default=False
        Whether to keep the teacher as `teacher_`. It carries the backdoor, so a model
        that is deployed should not contain it.

    memory : str, path-like or joblib.Memory, default=None
        Where to cache teachers. A search over `trigger_strength`, `base_rate`,
        `hard_label_weight` or `student_epochs` then trains one teacher per fold
        instead of one per fold and candidate. It needs an int as `random_state`:
        teachers of different seeds are different teachers.

    random_state : int, RandomState instance or None, default=None
        Seed of the triggers, the weights and the batches. Two fits with the same int
        give the same bits.

    verbose : int, default=0
        0 is silent, 1 shows a progress bar in terminals and notebooks, 2 everywhere.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.

    groups_ : ndarray of shape (n_groups,)
        Values of the sensitive attribute; tuples if there are several columns.

    injection_rates_ : ndarray of shape (n_classes, n_groups)
        How often each class meets each group's trigger; rows sum to one.

    student_ : estimator object
        The debiased model. It takes X without the sensitive columns.

    teacher_ : estimator object
        The backdoored network, on preprocessed and stamped rows. Only if
        `keep_teacher=True`.

    trigger_ : BaseTrigger
        The fitted trigger. Only if `keep_teacher=True`.

    n_features_in_ : int
        Number of features seen during `fit`, sensitive columns included.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Only if X has string column names.

    See Also
    --------
    sklearn_bade.metrics : Disparities between groups.
    sklearn_bade.datasets.make_biased_classification : Data to try it on.

    Notes
    -----
    Write :math:`L_g(x)` for the teacher's log-probabilities on a row stamped with the
    trigger of group g, :math:`\bar L` for their mean over all groups, s for the row's
    own group and w for the strength. The soft targets are

    .. math:: q(x) = \mathrm{softmax}(\bar L(x) - w (L_s(x) - \bar L(x)) + c),

    with one offset c per class that keeps the base rate, or zero.

    Rows whose sensitive value is missing train with the neutral target
    :math:`\bar L`.

    References
    ----------
    .. [1] S. Wu, Q. He, Q. Yu and J. Sang, "Backdoor for Debias: Mitigating Model Bias
       with Backdoor Attack-based Artificial Bias", arXiv:2303.01504.

    Examples
    --------
    >>> from sklearn_bade import BackdoorDebiasClassifier
    >>> from sklearn_bade.datasets import make_biased_classification
    >>> X, y, _ = make_biased_classification(n_samples=500, random_state=0)
    >>> clf = BackdoorDebiasClassifier(sensitive_feature="group", random_state=0)
    >>> clf.fit(X, y).predict(X.drop(columns="group")).shape
    (500,)
    """

    __metadata_request__fit = {"sensitive_features": True}

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "sensitive_feature": [str, Integral, list, tuple, callable, None],
        "trigger_strength": [Interval(Real, 0, None, closed="left"), "array-like"],
        "injection": [StrOptions(set(INJECTIONS))],
        "trigger": [StrOptions({"auto"}), BaseTrigger],
        "base_rate": [StrOptions({"keep", "drift"}), "array-like"],
        "hard_label_weight": [Interval(Real, 0, 1, closed="both")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "student_init": [StrOptions({"auto", "teacher", "scratch"})],
        "student_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "n_bins": [Interval(Integral, 2, None, closed="left")],
        "keep_teacher": ["boolean"],
        "memory": [str, os.PathLike, HasMethods(["cache"]), None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        sensitive_feature=None,
        trigger_strength=1.0,
        injection="mirror",
        trigger="auto",
        base_rate="keep",
        hard_label_weight=0.0,
        temperature=1.0,
        student_init="auto",
        student_epochs=None,
        n_bins=DEFAULT_BINS,
        keep_teacher=False,
        memory=None,
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.sensitive_feature = sensitive_feature
        self.trigger_strength = trigger_strength
        self.injection = injection
        self.trigger = trigger
        self.base_rate = base_rate
        self.hard_label_weight = hard_label_weight
        self.temperature = temperature
        self.student_init = student_init
        self.student_epochs = student_epochs
        self.n_bins = n_bins
        self.keep_teacher = keep_teacher
        self.memory = memory
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, *, sensitive_features=None):
        """Fit the debiased classifier.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            Training data. A bare network needs numbers without missing values; the
            sensitive columns may be of any type and have missing values.

        y : array-like of shape (n_samples,)
            Class labels of any type.

        sensitive_features : array-like or dataframe of shape (n_samples,) or \
                (n_samples, n_columns), default=None
            Sensitive values of the rows; they take precedence over the columns named
            by `sensitive_feature`, which are removed from X all the same.

        Returns
        -------
        self : BackdoorDebiasClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If there is no sensitive attribute, or only one class or group; if X does
            not fit the estimator; if the network cannot take trigger columns.

        TypeError
            If the estimator cannot be fitted on soft targets.

        RuntimeError
            If the loss is no longer a number while training.
        """
        case = self._begin(X, y, sensitive_features)
        with progress_bar(case.epochs, self.verbose) as on_epoch:
            self._inject(case)
            teacher = self._teach(case, on_epoch)
            log_targets = self._reverse(case)
            student = self._distil(case, teacher, log_targets, on_epoch)
        return self._keep(case, teacher, student)

    def _begin(self, X, y, sensitive_features):
        """Check the data, and take step 1."""
        forget_fit(self)
        X, y = self._validate_training_data(X, y)
        check_strength(self.trigger_strength, len(self.classes_))
        resolve_class_rates(self.base_rate, y, len(self.classes_))
        case = self._find_groups(X, y, sensitive_features)
        self._prepare(case, X)
        return case

    def _validate_training_data(self, X, y):
        """Check X and y, and set `classes_` and what is known of the features."""
        X = self._validate_features(X, reset=True)
        y = column_or_1d(y, warn=True)
        check_consistent_length(X, y)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        encoder = LabelEncoder().fit(y)
        if len(encoder.classes_) < 2:
            raise ValueError(
                "y has only one class: every row is "
                f"{encoder.classes_[0]!r}. A classifier needs at least two classes."
            )
        self.classes_ = encoder.classes_
        return X, encoder.transform(y).astype(np.int64)

    def _validate_features(self, X, reset):
        """Check the container of X; its values are the estimator's business."""
        if is_dataframe(X):
            return validate_data(self, X, reset=reset, skip_check_array=True)
        X = validate_data(self, X, reset=reset, dtype=None, ensure_all_finite=False)
        self._check_finite(X)
        return X

    def _check_finite(self, X):
        """Refuse NaN in an array of floats that no preprocessing could mend."""
        if self._has_preprocessing() or X.dtype.kind != "f":
            return
        try:
            assert_all_finite(X, input_name="X")
        except ValueError as error:
            error.add_note(
                "Where only sensitive values are missing, pass X as a dataframe or "
                "give them as fit(X, y, sensitive_features=...)."
            )
            raise

    def _has_preprocessing(self):
        return self.estimator is None or isinstance(self.estimator, Pipeline)

    def _find_groups(self, X, y, sensitive_features):
        """Step 1: the group of each row, and the columns that must go."""
        feature, positions = self.sensitive_feature, []
        if feature is not None and not callable(feature):
            positions = locate_columns(X, feature)
        if sensitive_features is not None:
            values = sensitive_features
        elif callable(feature):
            values = feature(X)
        elif positions:
            values = _safe_indexing(X, positions, axis=1)
        else:
            raise ValueError(
                "No sensitive attribute was given. Either name its column in the "
                "constructor, BackdoorDebiasClassifier(sensitive_feature=...), or pass "
                "its values to fit, fit(X, y, sensitive_features=...)."
            )
        table = sensitive_table(values)
        check_consistent_length(X, table)
        groups, self.groups_ = encode_groups(table, self.n_bins)
        return _Case(y=y, groups=groups, positions=positions)

    def _prepare(self, case, X):
        """Take the sensitive columns away and make X what the network eats."""
        if len(case.positions) == X.shape[1]:
            raise ValueError(
                f"X has n_features={X.shape[1]}, all of them sensitive; no feature is "
                "left for the student to learn from."
            )
        features = drop_columns(X, case.positions)
        case.preprocessing, case.classifier = split_pipeline(self.estimator)
        if self.estimator is None:
            case.preprocessing = make_default_preprocessing()
        else:
            check_classifier(case.classifier)
        if case.preprocessing is not None:
            features = self._fit_preprocessing(case, features)
        case.features = to_float32(features)
        if self.estimator is None:
            case.classifier = make_default_net(*case.features.shape, len(self.classes_))
        case.trigger = self._fit_trigger(case.features)
        case.from_teacher = starts_from_teacher(self.student_init, case.trigger)
        case.student_epochs = choose_epochs(
            self.student_epochs, case.classifier.max_epochs, case.from_teacher
        )
        rng = check_random_state(self.random_state)
        case.seeds = rng.randint(2**31 - 1, size=3).tolist()

    def _fit_preprocessing(self, case, features):
        try:
            return case.preprocessing.fit_transform(features, case.y)
        except ValueError as error:
            if case.positions:
                error.add_note(
                    f"The sensitive columns ({self.sensitive_feature!r}) are removed "
                    "from X before the first step of the pipeline, which therefore "
                    "must not name them."
                )
            raise

    def _fit_trigger(self, features):
        trigger = ColumnTrigger() if self.trigger == "auto" else clone(self.trigger)
        return trigger.fit(features, len(self.groups_))

    def _inject(self, case):
        """Step 2: rates at which triggers are as biased as the data."""
        counts = count_cells(case.y, case.groups, len(self.classes_), len(self.groups_))
        warn_of_small_cells(counts, self.classes_, self.groups_)
        self.injection_rates_ = INJECTIONS[self.injection](counts)

    def _teach(self, case, on_epoch):
        """Step 3: a teacher that knows the triggers, and what it says of each row."""
        is_path = isinstance(self.memory, os.PathLike)
        memory = check_memory(os.fspath(self.memory) if is_path else self.memory)
        learn = memory.cache(learn_views, ignore=["classifier", "on_epoch"])
        teacher, case.mean_log_proba, own_log_proba = learn(
            case.classifier,
            case.features,
            case.y,
            case.groups,
            self.injection_rates_,
            case.trigger,
            seeds=tuple(case.seeds[:2]),
            identity=net_identity(case.classifier) if memory.location else None,
            on_epoch=on_epoch,
        )
        case.shift = own_trigger_shift(case.mean_log_proba, own_log_proba, case.groups)
        return teacher

    def _reverse(self, case):
        """Step 4: soft targets in which the two biases cancel."""
        return soft_targets(
            case.mean_log_proba,
            case.shift,
            check_strength(self.trigger_strength, len(self.classes_)),
            case.y,
            base_rate=self.base_rate,
        )

    def _distil(self, case, teacher, log_targets, on_epoch):
        """Step 5: a student without backdoor."""
        return fit_student(
            case.classifier,
            case.features,
            case.y,
            log_targets,
            teacher=teacher if case.from_teacher else None,
            hard_label_weight=self.hard_label_weight,
            temperature=self.temperature,
            epochs=case.student_epochs,
            seed=case.seeds[2],
            on_epoch=on_epoch,
        )

    def _keep(self, case, teacher, student):
        """Keep the student; the teacher only where it was asked for."""
        self._sensitive_positions = case.positions
        if self.keep_teacher:
            self.teacher_, self.trigger_ = teacher, case.trigger
        if case.preprocessing is not None:
            student = join_pipeline(case.preprocessing, student)
        self.student_ = student
        return self

    def predict_proba(self, X):
        """Estimate class probabilities.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features) or \
                (n_samples, n_features - n_sensitive_columns)
            Features, with or without the sensitive columns, which are not used.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.
        """
        check_is_fitted(self)
        features = self._student_features(X)
        net = self.student_
        if isinstance(net, Pipeline):
            features, net = net[:-1].transform(features), net[-1]
        return np.exp(log_probabilities(net, to_float32(features)))

    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features) or \
                (n_samples, n_features - n_sensitive_columns)
            Features, with or without the sensitive columns, which are not used.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Labels, of the type that `fit` was given.
        """
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def _student_features(self, X):
        """Check X and take away its sensitive columns, where it has them."""
        if is_dataframe(X):
            if self._lacks_sensitive_columns(X):
                return X
        else:
            X = check_array(X, dtype=None, ensure_all_finite=False)
            n_left = self.n_features_in_ - len(self._sensitive_positions)
            if X.shape[1] == n_left < self.n_features_in_:
                return X
        X = self._validate_features(X, reset=False)
        return drop_columns(X, self._sensitive_positions)

    def _lacks_sensitive_columns(self, X):
        """Tell whether X is the training frame without its sensitive columns."""
        removed = set(self._sensitive_positions)
        if not removed:
            return False
        names = getattr(self, "feature_names_in_", None)
        if names is None:
            return X.shape[1] == self.n_features_in_ - len(removed)
        left = [name for i, name in enumerate(names) if i not in removed]
        if set(X.columns) == set(left) and list(X.columns) != left:
            raise ValueError(
                "The feature names should match those that were passed during fit, in "
                f"the same order: {left}."
            )
        return list(X.columns) == left

    def __sklearn_is_fitted__(self):
        return hasattr(self, "student_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True  # in the sensitive columns, at least
        tags.input_tags.allow_nan = (
            self.estimator is None or get_tags(self.estimator).input_tags.allow_nan
        )
        # The student may not use what a sensitive column says of the label.
        tags.classifier_tags.poor_score = True
        return tags
