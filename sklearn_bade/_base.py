"""What the two public classes share: parameters, the steps on rows, and prediction."""

import os
from abc import ABCMeta, abstractmethod
from contextlib import contextmanager, nullcontext
from numbers import Integral, Real

from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import check_consistent_length

from ._attribute_copies import warn_of_copies
from ._compat import (
    HasMethods,
    Interval,
    StrOptions,
    check_sample_weight,
    is_dask_collection,
)
from ._decision import make_decision
from ._groups import (
    find_groups,
    locate_sensitive_columns,
    sensitive_table,
    sensitive_values,
)
from ._injection import INJECTIONS, make_injection, warn_of_small_cells
from .cluster import (
    ClusterRows,
    is_on_cluster,
    make_cluster_learners,
    predict_partitions,
    read_collections,
    score_partitions,
)
from .exceptions import OtherVersionWarning
from .learners import make_learners, takes_sparse
from .preprocessing import refuse_removed_columns
from .rows import (
    CodedLabels,
    LazyRows,
    Rows,
    Texts,
    check_same_order,
    check_weights,
    column_names,
    drop_weightless,
    encode_labels,
    is_dataset,
    open_columns,
    read_labels,
    validate_features,
    validate_labels,
)
from .triggers import BaseTrigger, choose_trigger
from .utils import (
    SILENT,
    PredictByProbabilityMixin,
    __version__,
    seeded,
    warn_user,
)

# What a pickle knows the version by that it was written under.
VERSION_KEY = "_sklearn_bade_version"
# Settings of student="single", and the values at which they say nothing.
DISTILLATION_SETTINGS = {
    "hard_label_weight": 0.0,
    "temperature": 1.0,
    "student_init": "auto",
    "student_epochs": None,
}


class BaseClassifier(PredictByProbabilityMixin, BaseEstimator, metaclass=ABCMeta):
    """What this package's classifiers share that are fitted on tables and on datasets."""

    _reads_batches = False  # whether pyarrow Datasets are taken

    __metadata_request__score = {"sample_weight": True}

    def score(self, X, y, sample_weight=None):
        """Compute the accuracy.

        Parameters
        ----------
        X : {array-like, dataframe, torch Dataset, SliceDataset, \
                pyarrow.dataset.Dataset, dask.dataframe.DataFrame} of shape \
                (n_samples, n_features) or (n_samples, ...)
            Features, as `predict` takes them.

        y : array-like or SliceDataset of shape (n_samples,), str or None
            True labels. None, for a torch Dataset of tuples, takes the second element of
            each. A string names a column of a pyarrow Dataset or Dask DataFrame, as in
            `fit`.

        sample_weight : array-like of shape (n_samples,) or str, default=None
            Weights of the rows, or the name of their column, as in `fit`.

        Returns
        -------
        accuracy : float
            Share of right predictions.
        """
        if is_dask_collection(X):
            return score_partitions(self, X, y, sample_weight)
        X, y, sample_weight = open_columns(X, y, sample_weight)
        if isinstance(y, CodedLabels):
            y = y.decode()
        if y is None and is_dataset(X):
            y = read_labels(X)
        check_same_order(X=X, y=y, sample_weight=sample_weight)
        return super().score(X, y, sample_weight)

    def __getstate__(self):
        """Note the version of this package, as scikit-learn does for its estimators."""
        return {**super().__getstate__(), VERSION_KEY: __version__}

    def __setstate__(self, state):
        """Warn where attributes are those of another version."""
        state = dict(state)
        version = state.pop(VERSION_KEY, None)
        if version != __version__:
            warn_user(
                f"A {type(self).__name__} was pickled under sklearn_bade "
                f"{version or 'of an earlier version'}, and {__version__} is running. "
                "Predictions may differ, or fail: check some that you know, or fit again.",
                OtherVersionWarning,
            )
        super().__setstate__(state)


class BaseDebiasClassifier(BaseClassifier):
    """Base class of :class:`BackdoorDebiasClassifier` and its search.

    Subclasses set `classes_` and `groups_` by :meth:`_read_rows`, and say in
    :meth:`_predict_proba` who predicts.
    """

    __metadata_request__fit = {"sensitive_features": True, "sample_weight": True}

    _column_names = None  # of X in `fit`, where these are text
    _takes_partitions = False  # whether `fit` takes Dask collections

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "sensitive_columns": [str, Integral, list, tuple, callable, None],
        "injection": [StrOptions(set(INJECTIONS)), callable],
        "trigger": [StrOptions({"auto"}), BaseTrigger],
        "student": [StrOptions({"path", "single"})],
        "threshold": [Interval(Real, 0, 1, closed="neither"), None],
        "cost_matrix": ["array-like", None],
        "selection_rate": [Interval(Real, 0, 1, closed="neither"), None],
        "student_init": [StrOptions({"auto", "teacher", "scratch"})],
        "student_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "n_bins": [Interval(Integral, 2, None, closed="left"), None],
        "teacher": [HasMethods(["fit", "predict_proba"]), None],
        "keep_sensitive": ["boolean"],
        "memory": [str, os.PathLike, HasMethods(["cache"]), None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def _check_training_data(self, X, y):
        """Check X and y, and set what is known of the features."""
        if is_on_cluster(self, X, y):
            return X, y
        if y is None and is_dataset(X):
            y = read_labels(X)
        check_same_order(X=X, y=y)
        X = self._check_features(X)
        return X, validate_labels(X, y)

    def _check_features(self, X):
        """Check X, and set what is known of the features."""
        X = self._validate_features(X, reset=True)
        # Tools set the public attribute to None in their copies, as shap does.
        self._column_names = getattr(self, "feature_names_in_", None)
        return X

    def _validate_features(self, X, reset):
        """Check X; NaN in an array is refused unless preprocessing could mend it."""
        try:
            return validate_features(
                self, X, reset=reset, takes_nan=self._takes_nan(), takes_texts=True
            )
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

    def _read_rows(self, X, y, sensitive_features, sample_weight):
        """Step 1: the group of each row, of rows that weigh anything."""
        if is_dask_collection(X):
            return read_collections(self, X, y, sensitive_features, sample_weight)
        check_same_order(
            X=X, sensitive_features=sensitive_features, sample_weight=sample_weight
        )
        if sensitive_features is not None:
            sensitive_features = sensitive_table(sensitive_features)
            check_consistent_length(X, sensitive_features)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X, ensure_non_negative=True)
            check_weights(sample_weight)
            X, y, sensitive_features, sample_weight = drop_weightless(
                X, y, sensitive_features, sample_weight
            )
        self.classes_, codes = encode_labels(y)
        groups = self._find_groups(X, sensitive_features)
        self.groups_, self.cut_points_ = groups.labels, groups.cut_points
        return Rows(X, codes, self.classes_, groups, sample_weight)

    def _find_groups(self, X, sensitive_features):
        """Read the sensitive attribute, and remember which columns must go."""
        columns = self.sensitive_columns
        if isinstance(X, Texts) and columns is not None:
            raise ValueError(
                f"sensitive_columns={columns!r}, but X holds texts, which have no columns. "
                "Give the values to fit, fit(X, y, sensitive_features=...)."
            )
        self._hide_columns(X)
        values = sensitive_features
        if values is None:
            values = sensitive_values(X, columns)
        if values is None:
            self._refuse_no_attribute()
        table = sensitive_table(values)
        check_consistent_length(X, table)
        groups = find_groups(table, self.n_bins)
        if not self.keep_sensitive:
            warn_of_copies(X, table, self._hidden_columns)
        return groups

    def _hide_columns(self, X):
        """Find the sensitive columns, and remember which of them must go."""
        columns = self.sensitive_columns
        positions = locate_sensitive_columns(X, columns)
        if self.keep_sensitive and not positions:
            raise ValueError(
                "keep_sensitive=True lets the student see the attribute as a column of X, "
                f"but sensitive_columns={columns!r} names none. Put the attribute into X "
                "and give the name or position of its column."
            )
        self._hidden_columns = [] if self.keep_sensitive else positions
        return positions

    def _refuse_no_attribute(self):
        raise ValueError(
            "No sensitive attribute was given. Either name its column in the "
            f"constructor, {type(self).__name__}(sensitive_columns=...), or pass "
            "its values to fit, fit(X, y, sensitive_features=...)."
        )

    def _make_learners(self, rows, hidden_columns, seed, on_pass=SILENT):
        """Make who is taught, who teaches, and the trigger that the teacher will know."""
        if len(hidden_columns) == rows.X.shape[1]:
            raise ValueError(
                f"X has n_features={rows.X.shape[1]}, all of them sensitive; no feature is "
                "left for the student to learn from."
            )
        names = column_names(rows.X) or []
        removed = [names[i] for i in hidden_columns if names]
        for each in (self.estimator, self.teacher):
            refuse_removed_columns(each, removed)
        plain = rows.without_columns(hidden_columns)
        if isinstance(rows, ClusterRows):
            return make_cluster_learners(self, plain)
        # Transformers draw from global generators, and so do datasets that change rows.
        draws = isinstance(self.estimator, Pipeline) or isinstance(self.teacher, Pipeline)
        draws = draws or isinstance(rows.X, LazyRows)
        with (
            seeded(seed) if draws else nullcontext(),
            self._explaining_removal(removed, hidden_columns),
        ):
            student, teacher = make_learners(
                self.estimator, self.teacher, plain, seed, on_pass
            )
            trigger = choose_trigger(self.trigger, teacher.kind)
            teacher.fit_trigger(trigger)
        if student.rows.weights is not None:
            student.check_weights()
            teacher.check_weights()
        return student, teacher, trigger

    @contextmanager
    def _explaining_removal(self, removed, hidden_columns):
        """Explain an error that speaks of columns, where some have been removed."""
        try:
            yield
        except (ValueError, KeyError) as error:
            said = f"{error} {error.__cause__}"
            words = ["features must be", *map(repr, removed)]
            if hidden_columns and any(word in said for word in words):
                error.add_note(
                    f"The sensitive columns ({self.sensitive_columns!r}) are removed "
                    "from X before the first step of the pipeline, which therefore "
                    "must not name them."
                )
            raise

    def _check_distillation(self):
        """Refuse settings of the distillation into one estimator where there is none."""
        if self.student == "single":
            return
        for name, neutral in DISTILLATION_SETTINGS.items():
            value = getattr(self, name, neutral)
            if value != neutral:
                raise ValueError(
                    f"{name}={value!r} is a setting of the distillation into a single "
                    "estimator. The student of the path consists of two models that learn "
                    f"from true labels and groups. Leave {name} out, or use "
                    "student='single'."
                )

    def _make_decision(self, n_classes):
        """Make what is decided of probabilities."""
        return make_decision(
            self.threshold, self.cost_matrix, self.selection_rate, n_classes
        )

    def predict(self, X):
        """Predict class labels.

        By default, those of the greatest probability; else what `threshold`, `cost_matrix`
        or `selection_rate` say.

        Parameters
        ----------
        X : {array-like, dataframe, torch Dataset, SliceDataset, \
                pyarrow.dataset.Dataset, dask.dataframe.DataFrame} of shape \
                (n_samples, ...), or list of str
            Rows as in `fit`; sensitive columns are not used, and may be left out. With
            `selection_rate`, that share of these very rows is selected.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,) or dask.dataframe.Series
            Labels, of the type that `fit` was given. Of a Dask DataFrame, a Series with
            its partitions and index, which is computed when it is asked for.
        """
        if is_dask_collection(X):
            return predict_partitions(self, X)
        proba = self.predict_proba(X)
        return self.classes_[self._decision.decide_proba(proba, warns=True)]

    def _inject(self, rows):
        """Step 2: rates at which triggers are as biased as the data."""
        warn_of_small_cells(rows.count_cells(), rows.classes, rows.groups.labels)
        return make_injection(self.injection, rows.count_cells(rows.frequencies))

    @abstractmethod
    def _predict_proba(self, X):
        """Estimate class probabilities with what `fit` has kept."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True  # in the sensitive columns, at least
        tags.input_tags.allow_nan = (
            self.estimator is None or get_tags(self.estimator).input_tags.allow_nan
        )
        tags.input_tags.sparse = self.estimator is not None and takes_sparse(self.estimator)
        # The student may not use what a sensitive column says of the label.
        tags.classifier_tags.poor_score = True
        return tags
