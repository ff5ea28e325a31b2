"""The debiasing meta-estimator."""

from copy import copy
from numbers import Real
from typing import NamedTuple

import numpy as np
from sklearn import config_context, get_config
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ._base import BaseDebiasClassifier
from ._compat import Interval, StrOptions, fit_context, is_dask_collection
from ._injection import mirror_rates
from ._path import Path
from ._reversal import check_strength, given_class_rates
from ._widening import is_negative, warn_of_negative, warn_of_wider_gaps
from .cluster import predict_proba_of_partitions
from .exceptions import WeakTriggerWarning
from .learners import (
    PASSES,
    Distillation,
    PathStudent,
    learn_parts,
    learn_triggers,
    warn_if_faint,
    warn_of_vanished_counts,
)
from .rows import (
    ColumnarRows,
    check_container,
    drop_columns,
    forget_fit,
    is_frame,
    leaves_unreadable_out,
    name_columns,
    open_columns,
    open_features,
    read_all,
)
from .utils import SILENT, draw_seeds, progress_bar, warn_user

# Rows below which what a teacher has learned of triggers is noise.
ROWS_FOR_RATIO = 1000
# What triggers add to a log-probability below which nobody would see the difference.
SMALL_SHIFT = 0.01


class Learned(NamedTuple):
    """What has been learned of rows, whatever the strength."""

    seed: int
    learner: object
    trigger: object
    plan: object
    parts: object
    lesson: object

    def path(self, sketch, decision):
        """Make the path that all strengths lie on."""
        rows = self.learner.rows
        rates = mirror_rates(rows.count_cells(rows.frequencies))
        return Path(self.lesson.shift, rates, sketch, decision)


class BackdoorDebiasClassifier(BaseDebiasClassifier):
    r"""Make a classifier fairer by a backdoor that cancels the bias of its data.

    The method is BaDe, "Backdoor for Debias" [1]_. `fit` takes five steps:

    1. *Groups*: the sensitive attribute divides the rows into groups.
    2. *Injection*: every row gets a trigger, drawn so that triggers meet classes as
       often as groups do. Triggers are then an artificial bias like the data's own.
    3. *Teacher*: a classifier learns the true labels from trigger-stamped rows. What each
       trigger adds to its log-odds is measured.
    4. *Reversal*: what a row's own trigger would add is taken away instead, so that
       artificial and real bias cancel.
    5. *Student*: a base, which is the plain classifier, and cells, which say how likely
       each group is given the features and the class. They weigh the reversal of a row
       whose group nobody tells. The student needs no sensitive attribute and has no
       backdoor; only the student is kept.

    The strength of the reversal is a matter of arithmetic between the two models, so
    :meth:`with_strength` gives a classifier of any other strength without training.

    Parameters
    ----------
    estimator : estimator object, default=None
        What to debias; it is cloned, never changed.

        - A :class:`skorch.NeuralNetClassifier`: X is then numeric, a table, which may be
          sparse, or images; or ids of tokens or categories, where its module looks them up
          in an embedding.
        - Any classifier with `predict_proba` whose `fit` takes `sample_weight`, such as
          :class:`~sklearn.linear_model.LogisticRegression` or
          :class:`~sklearn.ensemble.HistGradientBoostingClassifier`. It is fitted on the
          labels, on the groups, and as teacher on one copy of (at most 10,000) rows per
          group. Class weights count as weights of rows. Constraints such as
          `monotonic_cst` hold for the base alone, which a warning says.
        - A :class:`~sklearn.pipeline.Pipeline` that ends in one of these: X may be a raw
          frame; the sensitive column is taken away before the first step. Steps that
          go by positions count the columns that are left. X may also be texts, where the
          first step takes these, as vectorizers do.
        - A ``xgboost.dask.DaskXGBClassifier``, for X on a Dask cluster. What has been
          fitted there are plain ``xgboost.XGBClassifier`` objects.
        - None: a default pipeline (impute, scale, encode) and a network sized by the
          data; for images, a convolutional network; for texts, TF-IDF of words that occur
          in five of them, and logistic regression.

    sensitive_columns : str, int, list of these, or callable, default=None
        Names or positions of the sensitive columns of X; with several, groups are
        their combinations. The columns are used to find the groups and then removed:
        the student never sees them. A callable takes X and returns the sensitive
        values; it is no column, and removes nothing. Columns of measurements are cut
        into groups, see `n_bins`.

    trigger_strength : float or array-like, default=1.0
        One number, or an array of shape (n_classes,) or (n_classes, n_groups). How
        strongly the bias is reversed. 0 is the base, the control to compare with: the
        plain classifier, bit for bit where it is seeded; of a network, the mean of the
        weights along its training. 1 is the paper's reversed trigger (with two groups);
        more goes further, and less than 0 adds to the bias. One value per class (in the
        order of `classes_`), or per class and group (in that of `groups_`), treats rows
        of each differently: where gaps have opposite signs, so should strengths. The
        best value differs between data sets, so choose it by cross-validation.

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
        :class:`~sklearn_bade.triggers.PatchTrigger`, ids of tokens a
        :class:`~sklearn_bade.triggers.TokenTrigger`, and rows of other shapes a
        :class:`~sklearn_bade.triggers.BlendTrigger`.

    base_rate : {"keep", "drift"} or array-like of shape (n_classes,), default="keep"
        How often each class is to be decided for: "keep" as often as at strength 0,
        "drift" as it comes; or give frequencies of your own, in the order of `classes_`.
        With `student="single"`, the mean of the soft targets is held: "keep" at the class
        frequencies of the training data, "drift", as the paper does, at none.

    offset : array-like of shape (n_classes,), default=None
        What is added to the logit of each class. None finds what `base_rate` asks for, on
        rows that took no part in the learning; of networks and additive classifiers, such
        as linear ones, on the training rows. A search returns the offset it found in
        `best_params_`. Not for `student="single"`.

    threshold : float, default=None
        Probability from which the greater of two classes is predicted, between 0 and 1.
        None predicts the most probable class. Probabilities stay what they are;
        predictions, and the decisions that `base_rate` is about, are those of the
        threshold, as they are of the next two, of which at most one may be given. A single
        student that is taken out of `student_` decides for the most probable class.

    cost_matrix : array-like of shape (n_classes, n_classes), default=None
        What it costs to decide for a class (column) where another one (row) is true; the
        class of the least expected cost is predicted.

    selection_rate : float, default=None
        Share, between 0 and 1, of the rows given to `predict` for which the greater of two
        classes is predicted: those of its greatest probabilities, rounded to whole rows.
        Rows that tie at the end of the selection are taken by lot, with a warning. What is
        predicted for a row so depends on the rows that it is predicted with.

    student : {"path", "single"}, default="path"
        What the student is.

        - "path": base and cells, which any strength is computed from.
        - "single": one estimator of the kind of `estimator`, distilled from the teacher's
          soft targets at one strength, as the paper does. It is a plain estimator that can
          be shipped as such, keeps monotonic constraints, and shrinks the correction.

    hard_label_weight : float, default=0.0
        Share of a single student's loss, from 0 to 1, that is measured against the true
        labels instead of the soft targets. The paper uses 0.1.

    temperature : float, default=1.0
        Divisor of the logits in the distillation loss of a single student. Networks only.

    student_init : {"auto", "teacher", "scratch"}, default="auto"
        Where a single student's weights start: from the teacher's, with the trigger's
        columns or ids cut off, or afresh. "auto" starts from the teacher if the trigger has
        columns of its own, or ids in a bag or a column, else afresh.

    student_epochs : int, default=None
        Passes over the data in training a network as single student. None takes a tenth of
        the network's epochs (at least one) when it starts from the teacher, and all of them
        otherwise.

    n_bins : int, default=None
        Number of groups, cut at quantiles, that are made of a numeric sensitive column with
        more than ten values. None takes whole numbers for categories, and cuts other
        numbers in two; a warning then says where.

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
        Where to cache what is trained. A search over `trigger_strength`, `base_rate` or
        `offset` then trains once per fold instead of once per fold and candidate; with a
        single student, one over `hard_label_weight` or `student_epochs` too. It needs an
        int as `random_state`: models of different seeds are different models. A torch
        Dataset is known by what pickle makes of it, so files that it reads must not change.

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

    cut_points_ : dict of int to ndarray
        For each sensitive column that was cut, by its position among them, the ends of the
        intervals; new data are cut there too. The outer intervals are open, so that the
        least and the greatest training value are not kept.

    injection_rates_ : ndarray of shape (n_classes, n_groups)
        How often each class meets each group's trigger; rows sum to one. With
        "pseudo_deletion", the share of stamped rows in each class and group.

    shift_ : ndarray of shape (n_classes, n_groups)
        What each group's trigger adds to the log-probability of each class, as measured on
        the teacher; columns sum to zero. Not with `student="single"`.

    shift_ratio_ : float
        Size of `shift_` over what `injection_rates_` say by Bayes' rule: 1 where the
        teacher has learned its triggers in full, NaN where they say nothing. Boosting and
        networks lie at .7 to .95 on Adult and MEPS, and strengths mean so much less. Below
        .05 what was measured is noise, and `shift_` is what the rates say.

    student_ : estimator object
        The debiased model. It takes X without the sensitive columns. Of a path, its parts
        are ``student_.base``, a fitted classifier, and ``student_.cells``, whose input
        ``student_.transform`` makes and ``student_.get_feature_names_out`` names, see
        :doc:`/guide/explaining`; it predicts the user's labels. A single one is a
        classifier, or a Pipeline that ends in one, and predicts class codes, the positions
        of labels in `classes_`.

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
    Write :math:`z(x)` for the log-probabilities of the base, :math:`p_{kg}(x)` for the
    chance of class k and group g, :math:`d_g` for what the trigger of group g adds to the
    teacher's log-probabilities, and :math:`\bar d_k` for its mean over the groups in class
    k. The logits of strength w are

    .. math:: z(x) - \sum_{kg} w_{kg} \, p_{kg}(x) \, (d_g - \bar d_k) + c,

    with one offset c per class that keeps the rate of decisions, or zero; what is taken
    away is centred again where strengths differ between groups. They are the expectation,
    given the features, of what the reversal does to a row of known class and group; single
    students are distilled from that of the training rows.

    Rows whose sensitive value is missing teach the base and the teacher. A single student
    counts them as members of each group, as likely as a forest that learned the groups
    from the other rows says.

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
    >>> clf = BackdoorDebiasClassifier(sensitive_columns="group", random_state=0)
    >>> clf.fit(X, y).predict(X.drop(columns="group")).shape
    (500,)
    """

    _takes_partitions = _reads_batches = True

    _parameter_constraints: dict = {
        **BaseDebiasClassifier._parameter_constraints,
        "trigger_strength": [Real, "array-like"],
        "offset": ["array-like", None],
        "base_rate": [StrOptions({"keep", "drift"}), "array-like"],
        "hard_label_weight": [Interval(Real, 0, 1, closed="both")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "keep_teacher": ["boolean"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        sensitive_columns=None,
        trigger_strength=1.0,
        injection="mirror",
        trigger="auto",
        base_rate="keep",
        offset=None,
        threshold=None,
        cost_matrix=None,
        selection_rate=None,
        student="path",
        hard_label_weight=0.0,
        temperature=1.0,
        student_init="auto",
        student_epochs=None,
        n_bins=None,
        teacher=None,
        keep_sensitive=False,
        keep_teacher=False,
        memory=None,
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.sensitive_columns = sensitive_columns
        self.trigger_strength = trigger_strength
        self.injection = injection
        self.trigger = trigger
        self.base_rate = base_rate
        self.offset = offset
        self.threshold = threshold
        self.cost_matrix = cost_matrix
        self.selection_rate = selection_rate
        self.student = student
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

    @fit_context(prefer_skip_nested_validation=False)
    @leaves_unreadable_out
    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        """Fit the debiased classifier.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe, torch Dataset, SliceDataset, \
                pyarrow.dataset.Dataset, dask.dataframe.DataFrame} of shape \
                (n_samples, n_features) or (n_samples, ...), or list of str
            Training data. A bare network needs numbers without missing values; the
            sensitive columns may be of any type and have missing values. Images, of shape
            (n_samples, n_channels, height, width), are float32 or uint8; bytes reach the
            network as they are. A dataset of images is read batch by batch, or at once
            where a Pipeline comes before the classifier. Texts are a list, array or series
            of strings; ids of tokens are integers, padded to one length. A pyarrow
            Dataset, such as a folder of Parquet files, is read batch by batch for a
            network, and features wait in a temporary folder. The partitions of a Dask
            DataFrame stay on their cluster; what else is given are then Dask collections
            with the same partitions. See :doc:`/guide/scale`.

        y : array-like or SliceDataset of shape (n_samples,), str or None
            Class labels of any type. None, for a torch Dataset of tuples, takes the
            second element of each. A string names a column of a pyarrow Dataset or Dask
            DataFrame, which is then no feature.

        sensitive_features : array-like or dataframe of shape (n_samples,) or \
                (n_samples, n_columns), default=None
            Sensitive values of the rows; they take precedence over the columns named
            by `sensitive_columns`, which are removed from X all the same.

        sample_weight : array-like of shape (n_samples,) or str, default=None
            Weights of the rows, in the injection rates, the teacher, the base rate and
            the student. Preprocessing steps do not see them. Rows of weight zero are
            left out. A string names a column of a pyarrow Dataset or Dask DataFrame,
            which is then no feature.

        Returns
        -------
        self : BackdoorDebiasClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If there is no sensitive attribute, or only one class or group; if X does
            not fit the estimator; if the network cannot take trigger columns; if a setting
            of single students is given to a path.

        TypeError
            If the estimator or the teacher can be fitted neither as a net nor with
            weights; if one of X and the estimator is Dask's, and the other is not; if X is
            a pyarrow Dataset, and the estimator is no network of numbers.

        ImportError
            If X is a Dask DataFrame, and a library of the extra "distributed" is missing.

        RuntimeError
            If the loss is no longer a number while training.
        """
        forget_fit(self)
        self._check_distillation()
        X, y, sample_weight = self._open_columns(X, y, sample_weight)
        X, y = self._check_training_data(X, y)
        rows = self._read_rows(X, y, sensitive_features, sample_weight)
        strength = check_strength(self.trigger_strength, rows.n_classes, len(rows.groups))
        self._check_rates(rows.n_classes)
        self._decision = self._make_decision(rows.n_classes)
        warn_of_negative(strength)
        seeds = draw_seeds(self.random_state)
        n_passes = PASSES if isinstance(X, ColumnarRows) else 0
        with progress_bar(n_passes, self.verbose) as progress:
            learners = self._make_learners(rows, self._hidden_columns, seeds[0], progress)
            del rows, X, y  # there may be room for one copy of them only
            plan = self._inject(learners[0].rows)
            if self.student == "single":
                self._distil(learners, plan, strength, seeds, progress)
                return self
            learned = self._learn(learners, plan, seeds, progress)
        self._follow(learned, strength)
        return self

    def _open_columns(self, X, y, sample_weight):
        """Take a pyarrow Dataset apart, which no cache could tell from another one."""
        X, y, sample_weight = open_columns(X, y, sample_weight)
        if isinstance(X, ColumnarRows) and self.memory is not None:
            raise ValueError(
                f"memory={self.memory!r} cannot be used with a pyarrow Dataset as X, whose "
                "files may change. Leave memory out; with_strength needs no training."
            )
        return X, y, sample_weight

    def _check_rates(self, n_classes):
        """Check base rate and offset, of which one may be given."""
        given_class_rates(self.base_rate, n_classes)
        if self.offset is None:
            return
        if self.student == "single":
            raise ValueError(
                f"offset={self.offset!r} belongs to the path; with student='single', use "
                "base_rate."
            )
        offset = np.asarray(self.offset, dtype=float)
        if offset.shape != (n_classes,) or not np.isfinite(offset).all():
            raise ValueError(
                f"offset must hold one finite number per class ({n_classes}), got "
                f"{self.offset!r}."
            )

    def _learn(self, learners, plan, seeds, progress=SILENT, *, answers=True):
        """Learn what all strengths share: base, cells, and a teacher to measure."""
        student, teacher, trigger = learners
        starts = teacher is student and plan.adds_only
        progress.expect(student.epochs + 1)
        progress.expect(teacher.teacher_epochs(trigger, starts_from_base=starts))
        options = {"memory": self.memory, "on_epoch": progress}
        parts = learn_parts(student, seed=seeds[2], answers=answers, **options)
        lesson = learn_triggers(
            teacher, student, parts, plan, trigger, seeds=seeds, **options
        )
        return Learned(seeds[2], student, trigger, plan, parts, lesson)

    def _warn_of_weak_triggers(self, learned):
        """Say so where a strength of one has next to nothing to reverse."""
        plan, lesson = learned.plan, learned.lesson
        if len(learned.learner.rows) < ROWS_FOR_RATIO:
            return
        said = np.abs(plan.expected_shift()).max()
        advice = (
            "Let BackdoorDebiasClassifierCV look for a strength, which may be great and of "
            "either sign."
        )
        if said < SMALL_SHIFT:
            warn_user(
                "Groups are as frequent in one class as in another (triggers add at most "
                f"{said:.3f} to a log-probability), so a strength of 1 changes next to "
                f"nothing, whatever the gaps are. {advice}",
                WeakTriggerWarning,
            )
        elif plan.adds_only and not lesson.is_measured:
            warn_user(
                f"The teacher has learned {max(lesson.ratio, 0):.0%} of what its triggers "
                "say; what their rates say is reversed instead. Train for longer, or use a "
                f"classifier that learns single columns. {advice}",
                WeakTriggerWarning,
            )

    def _warn_of_reversal(self, learned, answered):
        """Say so where there is little to reverse, or little to reverse it by."""
        self._warn_of_weak_triggers(learned)
        if not self.keep_sensitive:
            learner = learned.learner
            warn_if_faint(learner.group_signal(learned.parts, answered))

    def _warn_of_decisions(self, learned, answered, path, strength, offset):
        """Say so where a class has vanished, or where gaps are wider than without."""

        def count(strength, offset):
            learner, parts = learned.learner, learned.parts
            return learner.count_decisions(parts, answered, path, strength, offset)

        after = count(strength, offset)
        warn_of_vanished_counts(after.n_rows, after.n_predicted, self.classes_)
        if not is_negative(strength):
            nothing = np.zeros_like(strength)
            before = count(nothing, path.offset(nothing, self.base_rate))
            warn_of_wider_gaps(strength, before.outcomes, after.outcomes)

    def _follow(self, learned, strength, sketch=None):
        """Keep base, cells and arithmetic as the student."""
        learner, parts, lesson = learned.learner, learned.parts, learned.lesson
        if sketch is None:
            answered = learner.answered_rows(parts)
            sketch = learner.sketch(parts, answered)
        path = learned.path(sketch, self._decision)
        offset = self.offset
        if offset is None:
            offset = path.offset(strength, self.base_rate)
        offset = np.asarray(offset, dtype=float)
        if parts.answers is not None and np.any(strength):
            self._warn_of_reversal(learned, answered)
            self._warn_of_decisions(learned, answered, path, strength, offset)
        if self.keep_teacher:
            self.teacher_, self.trigger_ = lesson.teacher, learned.trigger
        self.injection_rates_ = learned.plan.rates
        self.shift_, self.shift_ratio_ = lesson.shift, lesson.ratio
        self.student_ = PathStudent(
            parts.base,
            parts.cells,
            path,
            strength,
            offset,
            self.classes_,
            learner.kind_in_memory,
            learner.preprocessing,
            get_config()["transform_output"],
            *self._student_columns(),
        )

    def _student_columns(self):
        """Count the columns that are left for the student, and name them; None without."""
        names = self._column_names
        if names is not None:
            names = np.delete(names, self._hidden_columns)
        n_left = self.n_features_in_ - len(self._hidden_columns)
        return None if self._inner_shape else n_left, names

    def _distil(self, learners, plan, strength, seeds, progress):
        """Take steps 3 to 5 as the paper does: a teacher, soft targets, one student."""
        student, teacher, trigger = learners
        distillation = student.settle(
            Distillation(
                self.student_init,
                self.student_epochs,
                self.temperature,
                self.hard_label_weight,
            ),
            trigger,
            teaches_itself=teacher is student,
        )
        if not self.keep_sensitive and strength.any():
            warn_if_faint(student.group_signal())
        progress.expect(teacher.epochs + distillation.student_epochs)
        model, views = teacher.teach(
            plan, trigger, seeds=seeds, memory=self.memory, on_epoch=progress
        )
        options = {"seed": seeds[2], "on_epoch": progress}
        if self._is_control(strength):
            debiased = student.fit_control(**options)
        else:
            targets = views.soft_targets(strength, self.base_rate)
            debiased = student.distil(targets, distillation, teacher=model, **options)
            student.warn_of_vanished_classes(debiased, self._decision)
        if self.keep_teacher:
            self.teacher_, self.trigger_ = model, trigger
        self.injection_rates_ = plan.rates
        self._transform_output = get_config()["transform_output"]
        self._learner = student.kind_in_memory
        self.student_ = student.join(debiased)

    def _is_control(self, strength):
        """Tell whether nothing but the plain classifier is asked for."""
        keeps_rates = isinstance(self.base_rate, str)
        return not strength.any() and keeps_rates and not self.hard_label_weight

    def with_strength(self, trigger_strength, *, base_rate=None):
        """Return a fitted classifier of another strength, without training.

        Parameters
        ----------
        trigger_strength : float or array-like of shape (n_classes,) or \
                (n_classes, n_groups)
            Strength, as in the constructor.

        base_rate : {"keep", "drift"} or array-like of shape (n_classes,), default=None
            Base rate, as in the constructor; None takes this classifier's own.

        Returns
        -------
        sibling : BackdoorDebiasClassifier
            A classifier that shares all models with this one.

        Raises
        ------
        ValueError
            If the student is a single estimator, or the strength has a wrong shape.
        """
        check_is_fitted(self)
        if not isinstance(self.student_, PathStudent):
            raise ValueError(
                "with_strength needs the path; student='single' was distilled at one "
                "strength and knows no other. Fit with student='path'."
            )
        n_classes, n_groups = self.shift_.shape
        strength = check_strength(trigger_strength, n_classes, n_groups)
        warn_of_negative(strength)
        sibling = copy(self)
        sibling.trigger_strength, sibling.offset = trigger_strength, None
        if base_rate is not None:
            given_class_rates(base_rate, n_classes)
            sibling.base_rate, sibling._found_rate = base_rate, False
        offset = self.student_.path.offset(strength, sibling._rate_of(strength))
        sibling.student_ = self.student_.with_strength(strength, offset)
        return sibling

    def _rate_of(self, strength):
        """Find the base rate of a strength; the control's own, where a search found one."""
        is_control = getattr(self, "_found_rate", False) and not np.any(strength)
        return "keep" if is_control else self.base_rate

    def _predict_proba(self, X):
        """Ask the student; nets in a pipeline want larger batches than it gives."""
        if is_dask_collection(X):
            return predict_proba_of_partitions(self, X)
        X = open_features(X)
        if isinstance(X, ColumnarRows):
            return self._predict_by_batches(X)
        features, classifier = self._student_features(X), self.student_
        if isinstance(classifier, PathStudent):
            return classifier.predict_proba(features)
        if isinstance(classifier, Pipeline):
            steps, classifier = classifier[:-1], classifier[-1]
            # Steps return what the classifier has learned from, whatever is set today.
            with config_context(transform_output=self._transform_output):
                features = steps.transform(read_all(features))
        return self._learner.predict_proba(classifier, features)

    def _predict_by_batches(self, X):
        """Ask the student about one batch after the other, of the columns of fit alone."""
        names = getattr(self, "feature_names_in_", None)
        if names is not None:
            X = X.select(names)
        return np.concatenate([self._predict_proba(frame) for frame in X.frames()])

    def _student_features(self, X):
        """Check X and take away its sensitive columns, where it has them."""
        X = check_container(X, self)
        n_left, names = self._student_columns()
        if names is not None and isinstance(X, np.ndarray) and X.ndim == 2:
            # An array takes the names of the frame of `fit` that it agrees with in width.
            if X.shape[1] == self.n_features_in_:
                X = np.delete(X, self._hidden_columns, axis=1)
            if X.shape[1] == n_left:
                return name_columns(X, names)
        if is_frame(X):
            if self._lacks_sensitive_columns(X):
                return X
        else:
            if X.shape[1] == n_left < self.n_features_in_:
                return X
        try:
            X = self._validate_features(X, reset=False)
        except ValueError as error:
            if names is not None and is_frame(X):
                hidden = [self.feature_names_in_[i] for i in self._hidden_columns]
                if not set(hidden) <= set(X.columns):
                    error.add_note(f"The sensitive columns {hidden} may be left out.")
            raise
        return drop_columns(X, self._hidden_columns)

    def _lacks_sensitive_columns(self, X):
        """Tell whether X is the training frame without its sensitive columns."""
        removed = set(self._hidden_columns)
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
