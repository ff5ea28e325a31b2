"""The debiasing meta-estimator that chooses its own strength."""

import time
import warnings
from dataclasses import dataclass
from functools import partial
from inspect import signature
from itertools import product
from numbers import Integral, Real

import numpy as np
from joblib import Parallel, delayed
from scipy.special import softmax
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.metrics import get_scorer
from sklearn.model_selection import StratifiedKFold, check_cv
from sklearn.utils import check_random_state, get_tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from ._classifier import BackdoorDebiasClassifier
from ._containers import take_rows
from ._copies import settle_early_stopping
from ._groups import DEFAULT_BINS, UNKNOWN_GROUP
from ._lazy_rows import DatasetClassifierMixin
from ._learners import has_linear_path
from ._path import OffsetFinder, fit_path
from ._progress import progress_bar
from ._reversal import check_strength, resolve_class_rates
from ._selection import (
    COUNT_DISPARITIES,
    ChoiceRule,
    count_outcomes,
    named_disparity,
    warn_of_undefined_gaps,
)
from ._validation import encode_labels, forget_fit

DEFAULT_STRENGTHS = np.linspace(0, 3, 20)
DEFAULT_CLASS_STRENGTHS = np.linspace(0, 3, 9)
DEFAULT_SEPARATE_STRENGTHS = np.linspace(0, 3, 10)
# Denser near 0, where gaps change fastest; every second one trains a student.
DEFAULT_INTERPOLATED_STRENGTHS = np.round(3 * np.linspace(0, 1, 19) ** 1.5, 2)
DEFAULT_SEPARATE_CLASS_STRENGTHS = np.linspace(0, 3, 4)
MAX_CANDIDATES = 5000
PASSED_ON = (
    "sensitive_feature",
    "injection",
    "trigger",
    "student_init",
    "student_epochs",
    "n_bins",
    "teacher",
    "keep_sensitive",
    "memory",
)


class _Candidate(ClassifierMixin, BaseEstimator):
    """A fold's student as scikit-learn's scorers know classifiers.

    The fold's test rows, which scorers mostly ask for, have been predicted already. Tools
    such as `permutation_importance` demand that there is a `fit`, and never call it.
    """

    def __init__(self, classes, rows, proba, predict_others):
        self.classes = classes
        self.rows = rows
        self.proba = proba
        self.predict_others = predict_others

    @property
    def classes_(self):
        return self.classes

    def __repr__(self):
        return "Student()"

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y):
        raise NotImplementedError("scoring gets students that are fitted already.")

    def predict_proba(self, X):
        if X is self.rows:
            return self.proba
        return self.predict_others(X)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


@dataclass
class _Rows:
    """The rows that a search splits into folds."""

    X: object
    y: np.ndarray
    groups: np.ndarray
    sample_weight: np.ndarray | None
    classes: np.ndarray

    @property
    def labels(self):
        """Labels as the user gave them, which class weights go by."""
        return self.classes[self.y]

    def take(self, positions):
        """Select rows."""
        weights = None if self.sample_weight is None else self.sample_weight[positions]
        return _Rows(
            take_rows(self.X, positions),
            self.y[positions],
            self.groups[positions],
            weights,
            self.classes,
        )

    def sensitive_features(self):
        """Name the groups, in their order and in a type that is not cut into bins."""
        names = np.char.zfill(self.groups.astype(str), 6).astype(object)
        return np.where(self.groups == UNKNOWN_GROUP, None, names)


def _predict_fold(debiaser, train, test, candidates, trained_strengths, scorer):
    """Train one teacher, and predict the test rows with every candidate.

    Returns
    -------
    fold : dict
        "predicted" of shape (n_candidates, n_test_rows), class codes; "score" of shape
        (n_candidates,), arbitrary without a scorer; "fit_time" and "score_time" in
        seconds.
    """
    start = time.perf_counter()
    with warnings.catch_warnings():
        # The refit on all rows will name small cells; those of folds are no news.
        warnings.filterwarnings("ignore", "Few rows", UserWarning)
        case = debiaser._begin(
            train.X, train.labels, train.sensitive_features(), train.sample_weight
        )
        debiaser._inject(case)
    teacher = debiaser._teach(case, lambda stage: None)
    path = fit_path(case, teacher, case.seeds[2], trained_strengths)
    fitted = time.perf_counter()
    predicted, scores = _predict_candidates(case, path, test, candidates, scorer)
    return {
        "predicted": predicted,
        "score": scores,
        "fit_time": fitted - start,
        "score_time": time.perf_counter() - fitted,
    }


def _predict_candidates(case, path, test, candidates, scorer):
    """Predict the test rows with every candidate, and score the predictions."""
    find_offset = OffsetFinder(case, path)
    prepared = path.prepare(case.transform(test.X))
    predicted = np.empty((len(candidates), len(test.y)), dtype=np.int32)
    scores = np.empty(len(candidates))
    for i, candidate in enumerate(candidates):
        strength, offset = candidate["trigger_strength"], find_offset(**candidate)
        logits = path.logits(prepared, strength) + offset
        predicted[i] = logits.argmax(axis=1)
        if scorer is not None:
            predict_others = partial(_predict_others, case, path, strength, offset)
            scores[i] = scorer(softmax(logits, axis=1), test, predict_others)
    return predicted, scores


def _predict_others(case, path, strength, offset, X):
    """Predict rows that a scorer asks for beside the test rows of the fold."""
    return softmax(path.logits(path.prepare(case.transform(X)), strength) + offset, axis=1)


class _ProbabilityScorer:
    """Apply a scikit-learn scorer to probabilities and class codes.

    A scorer that takes sensitive features, and has no column of its own to read them
    from, is given the groups, and the rows whose group is known.
    """

    def __init__(self, scoring, groups):
        self.scorer = get_scorer(scoring) if isinstance(scoring, str) else scoring
        self.groups = groups

    def __call__(self, proba, rows, predict_others):
        takes, options = signature(self.scorer).parameters, {}
        reads_column = getattr(self.scorer, "sensitive_feature", None) is not None
        if "sensitive_features" in takes and not reads_column:
            known = np.flatnonzero(rows.groups != UNKNOWN_GROUP)
            proba, rows = proba[known], rows.take(known)
            options["sensitive_features"] = self.groups[rows.groups]
        takes_weights = getattr(
            self.scorer, "_accept_sample_weight", lambda: "sample_weight" in takes
        )
        if rows.sample_weight is not None and takes_weights():
            options["sample_weight"] = rows.sample_weight
        candidate = _Candidate(rows.classes, rows.X, proba, predict_others)
        return self.scorer(candidate, rows.X, rows.labels, **options)


def _summarize(name, by_fold):
    """Make a search's keys from figures of shape (n_folds, n_candidates)."""
    results = {f"split{i}_test_{name}": values for i, values in enumerate(by_fold)}
    results[f"mean_test_{name}"] = by_fold.mean(axis=0)
    results[f"std_test_{name}"] = by_fold.std(axis=0)
    return results


def _to_base_rate(rate):
    """Make a base rate hashable."""
    return rate if isinstance(rate, str) else tuple(np.ravel(rate).astype(float).tolist())


def _rank(values):
    """Rank scores from the best, which is 1; NaN comes last."""
    return rankdata(np.nan_to_num(-values, nan=np.inf), method="min").astype(np.int32)


class BackdoorDebiasClassifierCV(DatasetClassifierMixin, BaseEstimator):
    """Debias with a trigger strength that is chosen by cross-validation.

    A teacher does not depend on the strength, so each fold trains one. The students of
    all strengths lie close to a line: for networks, each fold trains one student and one
    small network for the direction of the line, and then predicts with every strength at
    once. Other classifiers train a student per fold and strength, or, by default, at
    every second strength, and what those between say is interpolated; networks on images
    train one at every strength. The chosen candidate is refitted on all data as a
    :class:`~sklearn_bade.BackdoorDebiasClassifier`.

    Parameters
    ----------
    estimator : estimator object, default=None
        What to debias, see :class:`~sklearn_bade.BackdoorDebiasClassifier`.

    sensitive_feature : str, int, list of these, or callable, default=None
        Sensitive columns of X, see :class:`~sklearn_bade.BackdoorDebiasClassifier`.

    trigger_strengths : array-like of shape (n_strengths,), default=None
        Strengths to try. None takes 20 values from 0 to 3, or 9 if `per_class`; for
        images 10, or 4. For classifiers other than networks, None takes 19, denser near
        0, of which 10 train students, or 4 if `per_class`.

    base_rates : list of {"keep", "drift"} or array-like of shape (n_classes,), \
            default=("keep", "drift")
        Base rates to try with each strength: those of the training data, free ones,
        or given class frequencies. Fewer positive predictions often mean narrower gaps.

    per_class : bool, default=False
        Whether each class has a strength of its own; all combinations are tried. It
        helps where gaps differ in sign between classes. Networks need no further
        training for it on tables; otherwise each combination trains a student.

    disparity : {"odd", "equalized_odds", "demographic_parity", "equal_opportunity"} or \
            callable, default="odd"
        What to keep small, see :mod:`sklearn_bade.metrics`; "odd" is the mean odds
        gap. A callable ``disparity(y_true, y_pred, *, sensitive_features)`` returns a
        float. The choice goes by the predictions of all folds together, so a callable
        may raise ValueError on a fold, whose figure is then NaN.

    max_disparity : float, default=0.02
        The most accurate candidate whose cross-validated disparity is at most this is
        chosen; if there is none, the least disparate one, with a warning.

    max_accuracy_loss : float, default=None
        If given, it replaces `max_disparity`: the least disparate candidate is chosen
        whose cross-validated accuracy is at most this much below that of the most
        accurate one.

    disparity_weight : float, default=None
        If given, it replaces `max_disparity` too: the candidate with the greatest
        cross-validated accuracy minus this many times its disparity is chosen. With 1, a
        point of disparity is worth a point of accuracy.

    scoring : str or callable, default=None
        If given, it replaces all three: a scikit-learn scorer whose mean over the folds is
        maximised. A fairness scorer that names no column of X gets the groups, and so
        ``make_fairness_scorer("balanced_group_accuracy")`` asks for what is most accurate
        where every class and group counts alike.

    cv : int, cross-validation generator or iterable, default=5
        Folds. An int makes as many, stratified by class and group together.

    injection, trigger, student_init, student_epochs, n_bins, teacher, keep_sensitive, \
            memory
        See :class:`~sklearn_bade.BackdoorDebiasClassifier`.

    n_jobs : int, default=None
        Number of folds that are computed at the same time. None means 1.

    random_state : int, RandomState instance or None, default=None
        Seed of folds, triggers, weights and batches.

    verbose : int, default=0
        0 is silent, 1 shows a progress bar in terminals and notebooks, 2 everywhere.

    Attributes
    ----------
    best_strength_ : float or tuple of float
        Chosen strength; one per class if `per_class`.

    best_params_ : dict
        Chosen `trigger_strength` and `base_rate`.

    best_score_ : float
        Cross-validated accuracy of the chosen candidate, or its mean score if
        `scoring` is given.

    best_index_ : int
        Position of the chosen candidate in `cv_results_`.

    cv_results_ : dict of ndarray of shape (n_candidates,)
        The keys of scikit-learn's searches, of which a pandas frame can be made:
        `params`, `param_trigger_strength`, `param_base_rate`, fit and score times in
        seconds, and, for each of accuracy, disparity and (if `scoring` is given) score,
        the figure of every split, their mean, standard deviation and rank, as in
        `mean_test_accuracy`. Disparities are positive.
        `pooled_test_disparity`, from the predictions of all folds together, is what
        the choice is made by: the mean over folds overrates a gap, since each fold
        adds noise to it before its sign is dropped.

    estimator_ : BackdoorDebiasClassifier
        The chosen candidate, fitted on all data.

    classes_ : ndarray of shape (n_classes,)
        Class labels.

    groups_ : ndarray of shape (n_groups,)
        Values of the sensitive attribute.

    n_splits_ : int
        Number of folds.

    n_features_in_ : int
        Number of features seen during `fit`, sensitive columns included.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Only if X has string column names.

    See Also
    --------
    BackdoorDebiasClassifier : With a given strength.
    sklearn_bade.inspection.StrengthPathDisplay : A picture of the choice.

    References
    ----------
    S. Wu, Q. He, Q. Yu and J. Sang, "Backdoor for Debias: Mitigating Model Bias with
    Backdoor Attack-based Artificial Bias", arXiv:2303.01504. The linear path is ours.

    Examples
    --------
    >>> from sklearn_bade import BackdoorDebiasClassifierCV
    >>> from sklearn_bade.datasets import make_biased_classification
    >>> X, y, _ = make_biased_classification(n_samples=600, random_state=0)
    >>> clf = BackdoorDebiasClassifierCV(
    ...     sensitive_feature="group", max_accuracy_loss=0.02, cv=2, random_state=0
    ... ).fit(X, y)
    >>> len(clf.cv_results_["params"])
    40
    >>> clf.predict(X.drop(columns="group")).shape
    (600,)
    """

    __metadata_request__fit = {"sensitive_features": True, "sample_weight": True}
    __metadata_request__score = {"sample_weight": True}

    _parameter_constraints: dict = {
        **{
            name: BackdoorDebiasClassifier._parameter_constraints[name]
            for name in ("estimator", "random_state", "verbose", *PASSED_ON)
        },
        "trigger_strengths": ["array-like", None],
        "base_rates": ["array-like"],
        "per_class": ["boolean"],
        "disparity": [StrOptions(set(COUNT_DISPARITIES)), callable],
        "max_disparity": [Interval(Real, 0, None, closed="left")],
        "max_accuracy_loss": [Interval(Real, 0, None, closed="left"), None],
        "disparity_weight": [Interval(Real, 0, None, closed="left"), None],
        "scoring": [str, callable, None],
        "cv": ["cv_object"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        estimator=None,
        *,
        sensitive_feature=None,
        trigger_strengths=None,
        base_rates=("keep", "drift"),
        per_class=False,
        disparity="odd",
        max_disparity=0.02,
        max_accuracy_loss=None,
        disparity_weight=None,
        scoring=None,
        cv=5,
        injection="mirror",
        trigger="auto",
        student_init="auto",
        student_epochs=None,
        n_bins=DEFAULT_BINS,
        teacher=None,
        keep_sensitive=False,
        memory=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.sensitive_feature = sensitive_feature
        self.trigger_strengths = trigger_strengths
        self.base_rates = base_rates
        self.per_class = per_class
        self.disparity = disparity
        self.max_disparity = max_disparity
        self.max_accuracy_loss = max_accuracy_loss
        self.disparity_weight = disparity_weight
        self.scoring = scoring
        self.cv = cv
        self.injection = injection
        self.trigger = trigger
        self.student_init = student_init
        self.student_epochs = student_epochs
        self.n_bins = n_bins
        self.teacher = teacher
        self.keep_sensitive = keep_sensitive
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        """Choose the strength and fit the debiased classifier.

        Parameters
        ----------
        X : {array-like, dataframe, torch Dataset, SliceDataset} of shape \
                (n_samples, n_features) or (n_samples, ...)
            Training data, see :meth:`BackdoorDebiasClassifier.fit`.

        y : array-like or SliceDataset of shape (n_samples,), or None
            Class labels of any type. None, for a torch Dataset of tuples, takes the
            second element of each.

        sensitive_features : array-like or dataframe of shape (n_samples,) or \
                (n_samples, n_columns), default=None
            Sensitive values of the rows; they take precedence over the columns named
            by `sensitive_feature`, which are removed from X all the same.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, in training and in the figures that the choice is made
            by. A callable `disparity` gets them as `sample_weight`, and so does
            `scoring` if it takes them.

        Returns
        -------
        self : BackdoorDebiasClassifierCV
            The fitted classifier.

        Raises
        ------
        ValueError
            As :meth:`BackdoorDebiasClassifier.fit`; also for unknown base rates, two
            rules of choice, strengths that are negative or not finite, and folds that
            lack a class or have only one group.
        """
        forget_fit(self)
        if self.scoring is None:
            self._make_rule()
        rng = check_random_state(self.random_state)
        final = self._make_debiaser(rng)
        rows, splits = self._check_rows(final, X, y, sensitive_features, sample_weight)
        strengths, trained_strengths = self._find_strengths(rows)
        candidates = self._make_candidates(rows, strengths)
        folds = self._make_folds(rows, splits, rng)
        with progress_bar(len(folds) + 1, self.verbose, unit="fit") as advance:
            outcomes = self._predict_folds(
                rows, folds, candidates, trained_strengths, rng, advance
            )
            self._tabulate(rows, folds, candidates, outcomes)
            self._choose()
            final.set_params(**self.best_params_)
            self.estimator_ = final.fit(
                X, y, sensitive_features=sensitive_features, sample_weight=sample_weight
            )
            advance("refit")
        self.n_features_in_ = final.n_features_in_
        if hasattr(final, "feature_names_in_"):
            self.feature_names_in_ = final.feature_names_in_
        return self

    def _make_debiaser(self, rng):
        """Make a debiaser with what both classes have in common."""
        settings = {name: getattr(self, name) for name in PASSED_ON}
        return BackdoorDebiasClassifier(
            self.estimator, random_state=int(rng.randint(2**31 - 1)), **settings
        )

    def _make_fold_debiaser(self, rng, n_samples):
        """Make a debiaser that trains on a fold as it will on all rows."""
        debiaser = self._make_debiaser(rng)
        return debiaser.set_params(
            estimator=settle_early_stopping(self.estimator, n_samples),
            teacher=settle_early_stopping(self.teacher, n_samples),
        )

    def _check_rows(self, final, X, y, sensitive_features, sample_weight):
        """Check the data as the debiaser does, find classes and groups, and split."""
        X, y = final._validate_training_data(X, y)
        splits = self._split_as_given(X, y, sample_weight)
        X, y, sensitive_features, sample_weight = final._drop_weightless(
            X, y, sensitive_features, sample_weight
        )
        self.classes_, codes = encode_labels(y)
        groups = final._find_groups(X, codes, sensitive_features, sample_weight).groups
        self.groups_ = final.groups_
        if not callable(self.disparity):
            sizes = len(self.classes_), len(self.groups_)
            rows_per_cell = count_outcomes(codes, codes, groups, *sizes, sample_weight)
            warn_of_undefined_gaps(self.disparity, rows_per_cell)
        return _Rows(X, codes, groups, sample_weight, self.classes_), splits

    def _split_as_given(self, X, y, sample_weight):
        """Split by the user's own `cv`, and renumber the rows that weigh anything."""
        if isinstance(self.cv, Integral):
            return None
        is_kept = np.ones(len(y), dtype=bool)
        if sample_weight is not None:
            is_kept = _check_sample_weight(sample_weight, X, ensure_non_negative=True) > 0
        numbers = np.cumsum(is_kept) - 1
        return [
            tuple(numbers[rows][is_kept[rows]] for rows in fold)
            for fold in check_cv(self.cv, y, classifier=True).split(X, y)
        ]

    def _find_strengths(self, rows):
        """Find the strengths to try, and those to train at (None: all)."""
        if self.trigger_strengths is None:
            return self._default_strengths(rows)
        strengths = np.asarray(self.trigger_strengths, dtype=float)
        if strengths.ndim != 1 or not len(strengths):
            raise ValueError(
                "trigger_strengths must be a list of numbers, got an array of shape "
                f"{strengths.shape}."
            )
        check_strength(strengths, len(strengths))
        return strengths, None

    def _default_strengths(self, rows):
        """Choose strengths; fewer where each of them trains a student."""
        is_table, has_line = len(rows.X.shape) == 2, has_linear_path(self.estimator)
        if is_table and has_line:
            return DEFAULT_CLASS_STRENGTHS if self.per_class else DEFAULT_STRENGTHS, None
        if self.per_class:
            return DEFAULT_SEPARATE_CLASS_STRENGTHS, None
        if is_table:
            return DEFAULT_INTERPOLATED_STRENGTHS, DEFAULT_INTERPOLATED_STRENGTHS[::2]
        return DEFAULT_SEPARATE_STRENGTHS, None

    def _make_candidates(self, rows, strengths):
        """List the parameters of all candidates."""
        n_classes = len(self.classes_)
        base_rates = [_to_base_rate(rate) for rate in self.base_rates]
        if not base_rates:
            raise ValueError("base_rates is empty; give at least one, such as 'keep'.")
        for base_rate in base_rates:
            resolve_class_rates(base_rate, rows.y, n_classes)
        strengths = strengths.tolist()
        if self.per_class:
            n_candidates = len(strengths) ** n_classes * len(base_rates)
            if n_candidates > MAX_CANDIDATES:
                raise ValueError(
                    f"per_class=True with {n_classes} classes and {len(strengths)} "
                    f"strengths makes {n_candidates} candidates; give fewer "
                    "trigger_strengths."
                )
            strengths = product(strengths, repeat=n_classes)
        return [
            {"trigger_strength": strength, "base_rate": base_rate}
            for strength, base_rate in product(strengths, base_rates)
        ]

    def _make_folds(self, rows, folds, rng):
        """Split the rows unless the user did, and check that each part is trainable."""
        y, groups = rows.y, rows.groups
        if folds is None:
            splitter = StratifiedKFold(
                self.cv, shuffle=True, random_state=int(rng.randint(2**31 - 1))
            )
            strata = self._strata(y, groups)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The least populated class", UserWarning)
                folds = list(splitter.split(rows.X, strata))
        for i, (train, test) in enumerate(folds):
            if not len(train) or not len(test):
                raise ValueError(
                    f"Fold {i} has {len(train)} training and {len(test)} test rows whose "
                    "weight is not zero. Use fewer folds, or others."
                )
            n_classes, known = len(np.unique(y[train])), groups[train] != UNKNOWN_GROUP
            if n_classes < len(self.classes_) or len(np.unique(groups[train][known])) < 2:
                raise ValueError(
                    f"The training rows of fold {i} lack a class or have only one group. "
                    "Use fewer folds, or merge rare classes and groups."
                )
        self.n_splits_ = len(folds)
        return folds

    def _strata(self, y, groups):
        """Combine classes and groups; cells too small to be split go by class alone."""
        strata = y * (len(self.groups_) + 1) + groups + 1
        cells, inverse, counts = np.unique(strata, return_inverse=True, return_counts=True)
        return np.where(counts[inverse] < self.cv, -1 - y, cells[inverse])

    def _predict_folds(self, rows, folds, candidates, trained_strengths, rng, advance):
        """Predict the test rows of all folds with all candidates."""
        scorer = None
        if self.scoring is not None:
            scorer = _ProbabilityScorer(self.scoring, self.groups_)
        tasks = (
            delayed(_predict_fold)(
                self._make_fold_debiaser(rng, len(rows.y)),
                rows.take(train),
                rows.take(test),
                candidates,
                trained_strengths,
                scorer,
            )
            for train, test in folds
        )
        outcomes = []
        for outcome in Parallel(n_jobs=self.n_jobs, return_as="generator")(tasks):
            outcomes.append(outcome)
            advance("folds")
        return outcomes

    def _tabulate(self, rows, folds, candidates, outcomes):
        """Fill `cv_results_`."""
        results = self._tabulate_parameters(candidates)
        for name in ("fit_time", "score_time"):
            times = np.array([outcome[name] for outcome in outcomes])
            results[f"mean_{name}"] = np.full(len(candidates), times.mean())
            results[f"std_{name}"] = np.full(len(candidates), times.std())
        predicted = [outcome["predicted"] for outcome in outcomes]
        tests = [rows.take(test) for _, test in folds]
        accuracy = np.array(
            [
                np.average(p == test.y, axis=1, weights=test.sample_weight)
                for p, test in zip(predicted, tests)
            ]
        )
        disparity = np.array(
            [self._fold_disparities(p, test) for p, test in zip(predicted, tests)]
        )
        results |= _summarize("accuracy", accuracy) | _summarize("disparity", disparity)
        pooled = rows.take(np.concatenate([test for _, test in folds]))
        results["pooled_test_disparity"] = self._disparities(np.hstack(predicted), pooled)
        results["rank_test_accuracy"] = _rank(results["mean_test_accuracy"])
        results["rank_test_disparity"] = _rank(-results["pooled_test_disparity"])
        if self.scoring is not None:
            results |= _summarize("score", np.array([o["score"] for o in outcomes]))
            results["rank_test_score"] = _rank(results["mean_test_score"])
        self.cv_results_ = results

    def _tabulate_parameters(self, candidates):
        """Make a search's keys from what the candidates differ in."""
        strengths = np.empty(len(candidates), dtype=object if self.per_class else float)
        strengths[:] = [candidate["trigger_strength"] for candidate in candidates]
        base_rates = np.empty(len(candidates), dtype=object)
        base_rates[:] = [candidate["base_rate"] for candidate in candidates]
        return {
            "param_trigger_strength": np.ma.array(strengths),
            "param_base_rate": np.ma.array(base_rates),
            "params": candidates,
        }

    def _disparities(self, predicted, rows):
        """Compute the disparity of each candidate's predictions."""
        if callable(self.disparity):
            return self._own_disparities(predicted, rows)
        sizes = len(self.classes_), len(self.groups_)
        counts = [
            count_outcomes(rows.y, p, rows.groups, *sizes, rows.sample_weight)
            for p in predicted
        ]
        return np.array([named_disparity(self.disparity, each) for each in counts])

    def _own_disparities(self, predicted, rows):
        """Compute the user's own disparity of each candidate's predictions."""
        known = rows.groups != UNKNOWN_GROUP
        options = {"sensitive_features": self.groups_[rows.groups[known]]}
        if rows.sample_weight is not None:
            options["sample_weight"] = rows.sample_weight[known]
        truth = self.classes_[rows.y[known]]
        return np.array(
            [self.disparity(truth, self.classes_[p[known]], **options) for p in predicted]
        )

    def _fold_disparities(self, predicted, rows):
        """Compute the disparities of a fold; NaN where it has too few rows for that."""
        try:
            return self._disparities(predicted, rows)
        except ValueError:
            return np.full(len(predicted), np.nan)

    def _choose(self):
        """Choose a candidate by the rule that was asked for."""
        results = self.cv_results_
        if self.scoring is not None:
            scores = results["mean_test_score"]
            self.best_index_ = int(np.where(np.isnan(scores), -np.inf, scores).argmax())
            self.best_score_ = float(results["mean_test_score"][self.best_index_])
        else:
            self.best_index_ = self._make_rule().choose(
                results["mean_test_accuracy"], results["pooled_test_disparity"]
            )
            self.best_score_ = float(results["mean_test_accuracy"][self.best_index_])
        self.best_params_ = results["params"][self.best_index_]
        self.best_strength_ = self.best_params_["trigger_strength"]

    def _make_rule(self):
        """Make the rule of choice; the default bound stands back behind the others."""
        loss, weight = self.max_accuracy_loss, self.disparity_weight
        bound = self.max_disparity if loss is None and weight is None else None
        return ChoiceRule(bound, loss, weight)

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
        return self.estimator_.predict_proba(X)

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
        check_is_fitted(self)
        return self.estimator_.predict(X)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "estimator_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        debiaser_tags = get_tags(BackdoorDebiasClassifier(self.estimator))
        tags.input_tags = debiaser_tags.input_tags
        tags.classifier_tags = debiaser_tags.classifier_tags
        return tags
