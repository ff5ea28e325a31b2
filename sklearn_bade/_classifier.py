"""The debiasing meta-estimator."""

import os
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.pipeline import Pipeline
from sklearn.utils import (
    _safe_indexing,
    check_random_state,
    get_tags,
)
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    check_memory,
)
from skorch import NeuralNetClassifier

from ._containers import greatest_value
from ._group_signal import find_memberships, warn_of_faint_signal
from ._groups import (
    DEFAULT_BINS,
    drop_columns,
    encode_groups,
    is_dataframe,
    locate_columns,
    sensitive_table,
)
from ._injection import (
    INJECTIONS,
    Injection,
    count_cells,
    make_injection,
    warn_of_small_cells,
)
from ._lazy_rows import DatasetClassifierMixin, is_dataset, read_all, read_labels
from ._learners import NetLearner, WeightLearner, make_learner
from ._preprocessing import (
    join_pipeline,
    make_default_preprocessing,
    split_pipeline,
    to_net_rows,
    to_numbers,
)
from ._progress import progress_bar
from ._reversal import check_strength, resolve_class_rates, soft_targets
from ._row_weights import (
    as_frequencies,
    drop_weightless,
    refuse_class_weight,
    take_over_class_weight,
)
from ._students import (
    check_settings,
    choose_epochs,
    fit_student,
    starts_from_teacher,
)
from ._teachers import explaining_pickle_errors, learn_views
from ._validation import (
    check_rows,
    encode_labels,
    forget_fit,
    validate_features,
    validate_labels,
)
from .nets import log_probabilities, make_default_net, seeded
from .triggers import BaseTrigger, choose_trigger


@dataclass
class _Case:
    """The training data on their way through `fit`, and how to train on them."""

    y: np.ndarray
    groups: np.ndarray
    sample_weight: np.ndarray | None
    positions: list
    features: object = None
    preprocessing: Pipeline = None
    learner: NetLearner | WeightLearner = None
    teacher_features: object = None
    teacher_learner: NetLearner | WeightLearner = None
    trigger: BaseTrigger = None
    from_teacher: bool = True
    student_epochs: int = 0
    seeds: list = None
    plan: Injection = None
    base: np.ndarray = None
    shift: np.ndarray = None

    def transform(self, X):
        """Make the student's input from raw rows as `fit` was given them."""
        features = drop_columns(X, self.positions)
        if self.preprocessing is not None:
            features = self.preprocessing.transform(read_all(features))
        return self.learner.to_rows(features)

    @property
    def epochs(self):
        """Number of epochs of both stages."""
        return self.teacher_learner.epochs + self.student_epochs


class BackdoorDebiasClassifier(DatasetClassifierMixin, BaseEstimator):
    r"""Make a classifier fairer by a backdoor that cancels the bias of its data.

    The method is BaDe, "Backdoor for Debias" [1]_. `fit` takes five steps:

    1. *Groups*: the sensitive attribute divides the rows into groups.
    2. *Injection*: every row gets a trigger, drawn so that triggers meet classes as
       often as groups do. Triggers are then an artificial bias like the data's own.
    3. *Teacher*: a classifier learns the true labels from trigger-stamped rows.
    4. *Reversal*: what a row's own trigger adds to the teacher's log-probabilities is
       turned round, so that artificial and real bias cancel.
    5. *Student*: a second one learns the result from plain rows. It needs no
       sensitive attribute and has no backdoor; only the student is kept.

    Parameters
    ----------
    estimator : estimator object, default=None
        What to debias; it is cloned, never changed.

        - A :class:`skorch.NeuralNetClassifier`: X is then numeric, a table or images.
        - Any classifier with `predict_proba` whose `fit` takes `sample_weight`, such as
          :class:`~sklearn.linear_model.LogisticRegression` or
          :class:`~sklearn.ensemble.HistGradientBoostingClassifier`. It is fitted on one
          copy of the rows per group and then on one per class. Histogram gradient
          boosting stops early by whole rows that it has no copy of, and is then trained
          on all rows for as long; the early stopping of others, if they have any, sees
          copies of the rows that they learned from. Class weights count as weights of
          rows.
        - A :class:`~sklearn.pipeline.Pipeline` that ends in one of these: X may be a raw
          frame; the sensitive column is taken away before the first step. Steps that
          go by positions count the columns that are left.
        - None: a default pipeline (impute, scale, encode) and a network sized by the
          data; for images, a convolutional network.

    sensitive_feature : str, int, list of these, or callable, default=None
        Names or positions of the sensitive columns of X; with several, groups are
        their combinations. The columns are used to find the groups and then removed:
        the student never sees them. A callable takes X and returns the sensitive
        values; it removes nothing. Numeric columns with more than ten distinct
        values are cut at quantiles, see `n_bins`.

    trigger_strength : float or array-like of shape (n_classes,), default=1.0
        How far to turn the bias round. 0 is plain distillation; 1 is the paper's
        reversed trigger (with two groups); more goes further. One value per class (in
        the order of `classes_`) treats the rows of each class differently. The best
        value differs between data sets, so choose it by cross-validation.

    injection : {"mirror", "balanced", "pseudo_deletion"} or callable, default="mirror"
        How often classes meet triggers.

        - "mirror" copies the rates of the groups.
        - "balanced", for two classes and two groups, takes the rates at which the
          reversed trigger cancels the bias exactly and keeps the base rate.
        - "pseudo_deletion" is DBA [2]_: in each group, the rows by which a class exceeds
          the smallest one get the group's trigger, and at strength 1 the student
          learns what the teacher says of rows without trigger.
        - A callable takes the counts of rows, of shape (n_classes, n_groups), and
          returns rates of that shape: positive, rows sum to one.

    trigger : "auto" or BaseTrigger, default="auto"
        How triggers are stamped on rows. "auto" appends one column per group to the
        teacher's input, see :class:`~sklearn_bade.triggers.ColumnTrigger`; images get a
        :class:`~sklearn_bade.triggers.PatchTrigger`, rows of other shapes a
        :class:`~sklearn_bade.triggers.BlendTrigger`.

    base_rate : {"keep", "drift"} or array-like of shape (n_classes,), default="keep"
        Class frequencies at which the mean of the soft targets is held: "keep" takes
        those of the training data, "drift" none, as the paper does; or give your own,
        in the order of `classes_`. A network whose criterion weighs classes is held at
        the unweighted frequencies too, unless told otherwise here.

    hard_label_weight : float, default=0.0
        Share of the student's loss, from 0 to 1, that is measured against the true
        labels instead of the soft targets. The paper uses 0.1.

    temperature : float, default=1.0
        Divisor of the logits in the distillation loss. Networks only.

    student_init : {"auto", "teacher", "scratch"}, default="auto"
        Where the student's weights start: from the teacher's, with the trigger columns
        cut off, or afresh. "auto" starts from the teacher if the trigger has columns
        of its own, else afresh.

    student_epochs : int, default=None
        Passes over the data in training a network as student. None takes a tenth of the
        network's epochs (at least one) when it starts from the teacher, and all of
        them otherwise.

    n_bins : int, default=2
        Number of groups made of a numeric sensitive column with many values.

    teacher : estimator object, default=None
        What teaches, if not a copy of `estimator`: any estimator that could stand
        there. A bare classifier takes the features that the estimator's own
        preprocessing makes; a Pipeline starts from the raw ones.

    keep_sensitive : bool, default=False
        Whether the student sees the sensitive columns, which X must then have at
        prediction too. It can correct groups apart even where the other features say
        little of them. It also treats people by the attribute openly, which many laws
        forbid: ask before using it.

    keep_teacher : bool, default=False
        Whether to keep the teacher as `teacher_`. It carries the backdoor, so a model
        that is deployed should not contain it.

    memory : str, path-like or joblib.Memory, default=None
        Where to cache teachers. A search over `trigger_strength`, `base_rate`,
        `hard_label_weight` or `student_epochs` then trains one teacher per fold
        instead of one per fold and candidate. It needs an int as `random_state`:
        teachers of different seeds are different teachers. A torch Dataset is known by
        what pickle makes of it, so files that it reads must not change.

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
        How often each class meets each group's trigger; rows sum to one. With
        "pseudo_deletion", the share of stamped rows in each class and group.

    student_ : estimator object
        The debiased model. It takes X without the sensitive columns, and predicts class
        codes, the positions of labels in `classes_`.

    teacher_ : estimator object
        The backdoored classifier, on preprocessed and stamped rows. Only if
        `keep_teacher=True`.

    trigger_ : BaseTrigger
        The fitted trigger. Only if `keep_teacher=True`.

    n_features_in_ : int
        Number of features seen during `fit`, sensitive columns included; of images, the
        number of channels.

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

    A row whose sensitive value is missing counts as a member of each group, as likely as
    a forest that learned the groups from the other rows says; :math:`L_s` is then the
    mean of its views, weighted so. The student thus learns as much from it as it can.

    References
    ----------
    .. [1] S. Wu, Q. He, Q. Yu and J. Sang, "Backdoor for Debias: Mitigating Model Bias
       with Backdoor Attack-based Artificial Bias", arXiv:2303.01504.

    .. [2] Wu, He, Zhang, Lu and Sang, "Debiasing Backdoor Attack", arXiv:2202.10582.

    Examples
    --------
    >>> from sklearn_bade import BackdoorDebiasClassifier
    >>> from sklearn_bade.datasets import make_biased_classification
    >>> X, y, _ = make_biased_classification(n_samples=500, random_state=0)
    >>> clf = BackdoorDebiasClassifier(sensitive_feature="group", random_state=0)
    >>> clf.fit(X, y).predict(X.drop(columns="group")).shape
    (500,)
    """

    __metadata_request__fit = {"sensitive_features": True, "sample_weight": True}
    __metadata_request__score = {"sample_weight": True}

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "sensitive_feature": [str, Integral, list, tuple, callable, None],
        "trigger_strength": [Interval(Real, 0, None, closed="left"), "array-like"],
        "injection": [StrOptions(set(INJECTIONS)), callable],
        "trigger": [StrOptions({"auto"}), BaseTrigger],
        "base_rate": [StrOptions({"keep", "drift"}), "array-like"],
        "hard_label_weight": [Interval(Real, 0, 1, closed="both")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "student_init": [StrOptions({"auto", "teacher", "scratch"})],
        "student_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "n_bins": [Interval(Integral, 2, None, closed="left")],
        "teacher": [HasMethods(["fit", "predict_proba"]), None],
        "keep_sensitive": ["boolean"],
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
        teacher=None,
        keep_sensitive=False,
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
        self.teacher = teacher
        self.keep_sensitive = keep_sensitive
        self.keep_teacher = keep_teacher
        self.memory = memory
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        """Fit the debiased classifier.

        Parameters
        ----------
        X : {array-like, dataframe, torch Dataset, SliceDataset} of shape \
                (n_samples, n_features) or (n_samples, ...)
            Training data. A bare network needs numbers without missing values; the
            sensitive columns may be of any type and have missing values. Images, of shape
            (n_samples, n_channels, height, width), are float32 or uint8; bytes reach the
            network as they are. A dataset of images is read batch by batch, or at once
            where a Pipeline comes before the classifier.

        y : array-like or SliceDataset of shape (n_samples,), or None
            Class labels of any type. None, for a torch Dataset of tuples, takes the
            second element of each.

        sensitive_features : array-like or dataframe of shape (n_samples,) or \
                (n_samples, n_columns), default=None
            Sensitive values of the rows; they take precedence over the columns named
            by `sensitive_feature`, which are removed from X all the same.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, in the injection rates, the teacher, the base rate and
            the student. Preprocessing steps do not see them. Rows of weight zero are
            left out.

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
            If the estimator or the teacher can be fitted neither as a net nor with
            weights.

        RuntimeError
            If the loss is no longer a number while training.
        """
        case = self._begin(X, y, sensitive_features, sample_weight)
        self._inject(case)
        if not self.keep_sensitive and np.any(self.trigger_strength):
            warn_of_faint_signal(case.features, case.groups, case.seeds[2])
        with progress_bar(case.epochs, self.verbose) as on_epoch:
            teacher = self._teach(case, on_epoch)
            log_targets = self._reverse(case)
            student = self._distil(case, teacher, log_targets, on_epoch)
        return self._keep(case, teacher, student)

    def _begin(self, X, y, sensitive_features, sample_weight):
        """Check the data, and take step 1."""
        forget_fit(self)
        X, y = self._validate_training_data(X, y)
        X, y, sensitive_features, sample_weight = self._drop_weightless(
            X, y, sensitive_features, sample_weight
        )
        self.classes_, y = encode_labels(y)
        check_strength(self.trigger_strength, len(self.classes_))
        resolve_class_rates(self.base_rate, y, len(self.classes_))
        case = self._find_groups(X, y, sensitive_features, sample_weight)
        rng = check_random_state(self.random_state)
        case.seeds = rng.randint(2**31 - 1, size=3).tolist()
        with seeded(case.seeds[0], "cpu"):  # a dataset may change its rows at random
            self._prepare(case, X)
        return case

    def _validate_training_data(self, X, y):
        """Check X and y, and set what is known of the features."""
        if y is None and is_dataset(X):
            y = read_labels(X)
        X = self._validate_features(X, reset=True)
        return X, validate_labels(X, y)

    def _drop_weightless(self, X, y, sensitive_features, sample_weight):
        """Check weights and sensitive values, and leave out rows of weight zero."""
        if sensitive_features is not None:
            sensitive_features = sensitive_table(sensitive_features)
            check_consistent_length(X, sensitive_features)
        if sample_weight is None:
            return X, y, sensitive_features, None
        sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        return drop_weightless(X, y, sensitive_features, sample_weight)

    def _validate_features(self, X, reset):
        """Check X; NaN in an array is refused unless preprocessing could mend it."""
        try:
            return validate_features(self, X, reset=reset, takes_nan=self._takes_nan())
        except ValueError as error:
            if "NaN" in str(error) or "infinity" in str(error):
                error.add_note(
                    "Where only sensitive values are missing, pass X as a dataframe or "
                    "give them as fit(X, y, sensitive_features=...)."
                )
            raise

    def _takes_nan(self):
        """Tell whether missing values are the estimator's business."""
        if self.estimator is None or isinstance(self.estimator, Pipeline):
            return True
        return get_tags(self.estimator).input_tags.allow_nan

    def _find_groups(self, X, y, sensitive_features, sample_weight):
        """Step 1: the group of each row, and the columns that must go."""
        feature, positions = self.sensitive_feature, []
        if feature is not None and not callable(feature):
            positions = self._locate_sensitive_columns(X)
        if sensitive_features is not None:
            values = sensitive_features
        elif callable(feature):
            values = feature(read_all(X))
        elif positions:
            values = _safe_indexing(X, positions, axis=1)
        else:
            raise ValueError(
                "No sensitive attribute was given. Either name its column in the "
                "constructor, BackdoorDebiasClassifier(sensitive_feature=...), or pass "
                "its values to fit, fit(X, y, sensitive_features=...)."
            )
        if self.keep_sensitive and not positions:
            raise ValueError(
                "keep_sensitive=True lets the student see the attribute as a column of X, "
                f"but sensitive_feature={feature!r} names none. Put the attribute into X "
                "and give the name or position of its column."
            )
        table = sensitive_table(values)
        check_consistent_length(X, table)
        groups, self.groups_ = encode_groups(table, self.n_bins)
        hidden = [] if self.keep_sensitive else positions
        return _Case(y, groups, sample_weight, positions=hidden)

    def _locate_sensitive_columns(self, X):
        """Find the sensitive columns, which only tables have."""
        if len(X.shape) > 2:
            raise ValueError(
                f"sensitive_feature={self.sensitive_feature!r} names a column, and X has "
                f"shape {X.shape}. Leave it out, and give the sensitive values as "
                "fit(X, y, sensitive_features=...)."
            )
        return locate_columns(X, self.sensitive_feature)

    def _prepare(self, case, X):
        """Take the sensitive columns away and make X what the student eats."""
        if len(case.positions) == X.shape[1]:
            raise ValueError(
                f"X has n_features={X.shape[1]}, all of them sensitive; no feature is "
                "left for the student to learn from."
            )
        raw = drop_columns(X, case.positions)
        case.preprocessing, classifier = split_pipeline(self.estimator)
        if self.estimator is None:
            if len(raw.shape) == 2:
                case.preprocessing = make_default_preprocessing()
            features = to_net_rows(self._fit_preprocessing(case, case.preprocessing, raw))
            classifier = make_default_net(
                features.shape, len(self.classes_), greatest_value(features)
            )
            case.learner = make_learner(classifier)
        else:
            classifier, case.sample_weight = take_over_class_weight(
                classifier, case.y, self.classes_, case.sample_weight
            )
            case.learner = make_learner(classifier)
            features = self._fit_preprocessing(case, case.preprocessing, raw)
        case.features = case.learner.to_rows(features)
        self._prepare_teacher(case, raw, features)
        if case.sample_weight is not None:
            case.learner.check_weights()
            case.teacher_learner.check_weights()
        self._prepare_student(case)

    def _prepare_teacher(self, case, raw, features):
        """Find out who teaches, from which features, and with which trigger."""
        case.teacher_learner, case.teacher_features = case.learner, case.features
        if self.teacher is not None:
            preprocessing, classifier = split_pipeline(self.teacher)
            refuse_class_weight(classifier)
            case.teacher_learner = make_learner(classifier)
            if isinstance(self.teacher, Pipeline):
                features = self._fit_preprocessing(case, preprocessing, raw)
            case.teacher_features = case.teacher_learner.to_rows(features)
        trigger = choose_trigger(self.trigger, case.teacher_features)
        case.trigger = trigger.fit(case.teacher_features, len(self.groups_))

    def _prepare_student(self, case):
        """Find out where the student starts and how long it trains."""
        names = "temperature", "student_init", "student_epochs"
        check_settings(case.learner, {name: getattr(self, name) for name in names})
        case.from_teacher = starts_from_teacher(
            self.student_init,
            case.trigger,
            same_net=self.teacher is None and case.learner.hands_weights_on,
        )
        case.student_epochs = choose_epochs(
            self.student_epochs, case.learner.epochs, case.from_teacher
        )

    def _fit_preprocessing(self, case, preprocessing, features):
        """Fit preprocessing, and explain an error that the missing columns may cause."""
        if preprocessing is None:
            return features
        try:
            return preprocessing.fit_transform(read_all(features), case.y)
        except ValueError as error:
            if case.positions:
                error.add_note(
                    f"The sensitive columns ({self.sensitive_feature!r}) are removed "
                    "from X before the first step of the pipeline, which therefore "
                    "must not name them."
                )
            raise

    def _inject(self, case):
        """Step 2: rates at which triggers are as biased as the data."""
        sizes = len(self.classes_), len(self.groups_)
        warn_of_small_cells(
            count_cells(case.y, case.groups, *sizes), self.classes_, self.groups_
        )
        weights = as_frequencies(case.sample_weight)
        counts = count_cells(case.y, case.groups, *sizes, weights)
        case.plan = make_injection(self.injection, counts)
        self.injection_rates_ = case.plan.rates

    def _teach(self, case, on_epoch):
        """Step 3: a teacher that knows the triggers, and what it says of each row."""
        is_path = isinstance(self.memory, os.PathLike)
        memory = check_memory(os.fspath(self.memory) if is_path else self.memory)
        learn = memory.cache(learn_views, ignore=["learner", "on_epoch"])
        identity = case.teacher_learner.identity if memory.location else None
        learn = explaining_pickle_errors(learn) if memory.location else learn
        teacher, case.base, case.shift = learn(
            case.teacher_learner,
            case.teacher_features,
            case.y,
            case.groups,
            find_memberships(case.teacher_features, case.groups, case.seeds[0]),
            case.plan,
            case.trigger,
            seeds=tuple(case.seeds[:2]),
            sample_weight=case.sample_weight,
            identity=identity,
            on_epoch=on_epoch,
        )
        return teacher

    def _reverse(self, case):
        """Step 4: soft targets in which the two biases cancel."""
        return soft_targets(
            case.base,
            case.shift,
            check_strength(self.trigger_strength, len(self.classes_)),
            case.y,
            base_rate=self.base_rate,
            sample_weight=case.sample_weight,
        )

    def _distil(self, case, teacher, log_targets, on_epoch):
        """Step 5: a student without backdoor."""
        return fit_student(
            case.learner,
            case.features,
            case.y,
            log_targets,
            teacher=teacher if case.from_teacher else None,
            hard_label_weight=self.hard_label_weight,
            temperature=self.temperature,
            epochs=case.student_epochs,
            seed=case.seeds[2],
            sample_weight=case.sample_weight,
            on_epoch=on_epoch,
        )

    def _keep(self, case, teacher, student):
        """Keep the student; the teacher only where it was asked for."""
        self._sensitive_positions = case.positions
        if self.keep_teacher:
            self.teacher_, self.trigger_ = teacher, case.trigger
        if case.preprocessing is not None:
            student = join_pipeline(case.preprocessing, case.learner.to_rows, student)
        self.student_ = student
        return self

    def predict_proba(self, X):
        """Estimate class probabilities.

        Parameters
        ----------
        X : {array-like, dataframe, torch Dataset, SliceDataset} of shape \
                (n_samples, n_features), \
                (n_samples, n_features - n_sensitive_columns) or (n_samples, ...)
            Features, with or without the sensitive columns, which are not used.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.
        """
        check_is_fitted(self)
        features, classifier = self._student_features(X), self.student_
        if isinstance(classifier, Pipeline):
            steps, classifier = classifier[:-1], classifier[-1]
            features = steps.transform(read_all(features))
        if isinstance(classifier, NeuralNetClassifier):
            return np.exp(log_probabilities(classifier, to_net_rows(features)))
        return classifier.predict_proba(to_numbers(features))

    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, dataframe, torch Dataset, SliceDataset} of shape \
                (n_samples, n_features), \
                (n_samples, n_features - n_sensitive_columns) or (n_samples, ...)
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
            X = check_rows(X, self)
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
