"""The debiasing meta-estimator that chooses its own strength."""

import copy
from numbers import Integral, Real

import numpy as np
from joblib import Parallel, delayed
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state

from ._base import BaseDebiasClassifier
from ._classifier import BackdoorDebiasClassifier
from ._compat import Interval, StrOptions, check_sample_weight, fit_context
from ._outcomes import DISPARITIES, ChoiceRule
from ._reversal import check_strength
from ._search import (
    DisparityMeasure,
    ProbabilityScorer,
    check_folds,
    make_candidates,
    make_folds,
    predict_fold,
    tabulate,
)
from .learners import default_strengths, settle_early_stopping
from .rows import forget_fit
from .utils import draw_seed, draw_seeds, progress_bar

# What a search hands on to the debiaser that it refits as it is.
PASSED_ON = (
    "sensitive_columns",
    "injection",
    "trigger",
    "student_init",
    "student_epochs",
    "n_bins",
    "teacher",
    "keep_sensitive",
    "memory",
)


def _open_pool(n_jobs):
    """Open workers that report one by one, or all at once where the backend cannot."""
    try:
        return Parallel(n_jobs=n_jobs, return_as="generator")
    except ValueError:
        return Parallel(n_jobs=n_jobs)


class BackdoorDebiasClassifierCV(BaseDebiasClassifier):
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

    sensitive_columns : str, int, list of these, or callable, default=None
        Sensitive columns of X, see :class:`~sklearn_bade.BackdoorDebiasClassifier`.

    trigger_strengths : array-like of shape (n_strengths,), default=None
        Strengths to try. None takes 20 values from 0 to 3, or 9 if `per_class`; for
        images 10, or 4. For classifiers other than networks, None takes 19, denser near
        0, of which 10 train students, or 4 if `per_class`. Folds judge strength 0 by a
        distilled student; if it is chosen, the refit is the plain classifier, which may
        differ from it after short training.

    base_rates : list of {"keep", "drift"} or array-like of shape (n_classes,), \
            default=("keep", "drift")
        Base rates to try with each strength: those of the training data, free ones,
        or given class frequencies. Fewer positive predictions often mean narrower gaps.

    per_class : bool, default=False
        Whether each class has a strength of its own; all combinations are tried. It
        helps where gaps differ in sign between classes. Networks need no further
        training for it on tables; otherwise each combination trains a student.

    disparity : {"average_odds", "equalized_odds", "demographic_parity", \
            "equal_opportunity"} or callable, default="average_odds"
        What to keep small, see :mod:`sklearn_bade.metrics`; "average_odds" is the mean
        of the two gaps of equalized odds. A callable
        ``disparity(y_true, y_pred, *, sensitive_features)`` returns a float. The choice
        goes by the predictions of all folds together, so a callable may raise ValueError
        on a fold, whose figure is then NaN.

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

    cut_points_ : dict of int to ndarray
        See :class:`~sklearn_bade.BackdoorDebiasClassifier`.

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
    ...     sensitive_columns="group", max_accuracy_loss=0.02, cv=2, random_state=0
    ... ).fit(X, y)
    >>> len(clf.cv_results_["params"])
    40
    >>> clf.predict(X.drop(columns="group")).shape
    (600,)
    """

    _parameter_constraints: dict = {
        **BaseDebiasClassifier._parameter_constraints,
        "trigger_strengths": ["array-like", None],
        "base_rates": ["array-like"],
        "per_class": ["boolean"],
        "disparity": [StrOptions(set(DISPARITIES)), callable],
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
        sensitive_columns=None,
        trigger_strengths=None,
        base_rates=("keep", "drift"),
        per_class=False,
        disparity="average_odds",
        max_disparity=0.02,
        max_accuracy_loss=None,
        disparity_weight=None,
        scoring=None,
        cv=5,
        injection="mirror",
        trigger="auto",
        student_init="auto",
        student_epochs=None,
        n_bins=None,
        teacher=None,
        keep_sensitive=False,
        memory=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.sensitive_columns = sensitive_columns
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

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        """Choose the strength and fit the debiased classifier.

        Parameters
        ----------
        X : {array-like, dataframe, torch Dataset, SliceDataset} of shape \
                (n_samples, n_features) or (n_samples, ...)
            Training data, see :meth:`BackdoorDebiasClassifier.fit`.

        y, sensitive_features
            See :meth:`BackdoorDebiasClassifier.fit`.

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
        refit_seed = draw_seed(rng)
        all_X, all_y = self._check_training_data(X, y)
        folds = self._split_as_given(all_X, all_y, sample_weight)
        rows = self._read_rows(all_X, all_y, sensitive_features, sample_weight)
        measure = DisparityMeasure(self.disparity, rows)
        strengths, trained_strengths = self._find_strengths(rows)
        candidates = make_candidates(
            strengths, self.base_rates, rows, per_class=self.per_class
        )
        if folds is None:
            folds = make_folds(rows, self.cv, rng)
        check_folds(folds, rows)
        self.n_splits_ = len(folds)
        with progress_bar(len(folds) + 1, self.verbose, unit="fit") as advance:
            outcomes = self._predict_folds(
                rows, folds, candidates, trained_strengths, rng, advance
            )
            self.cv_results_ = tabulate(
                rows,
                folds,
                candidates,
                outcomes,
                measure,
                has_scores=self.scoring is not None,
            )
            self._choose()
            self.estimator_ = self._make_debiaser(refit_seed).fit(
                X, y, sensitive_features=sensitive_features, sample_weight=sample_weight
            )
            advance("refit")
        return self

    def _split_as_given(self, X, y, sample_weight):
        """Split by the user's own `cv`, and renumber the rows that weigh anything."""
        if isinstance(self.cv, Integral):
            return None
        is_kept = np.ones(len(y), dtype=bool)
        if sample_weight is not None:
            is_kept = check_sample_weight(sample_weight, X, ensure_non_negative=True) > 0
        numbers = np.cumsum(is_kept) - 1
        return [
            tuple(numbers[part][is_kept[part]] for part in fold)
            for fold in check_cv(self.cv, y, classifier=True).split(X, y)
        ]

    def _find_strengths(self, rows):
        """Find the strengths to try, and those to train at (None: all)."""
        if self.trigger_strengths is None:
            return default_strengths(self.estimator, rows.kind, self.per_class)
        strengths = np.asarray(self.trigger_strengths, dtype=float)
        if strengths.ndim != 1 or not len(strengths):
            raise ValueError(
                "trigger_strengths must be a list of numbers, got an array of shape "
                f"{strengths.shape}."
            )
        check_strength(strengths, len(strengths))
        return strengths, None

    def _predict_folds(self, rows, folds, candidates, trained_strengths, rng, advance):
        """Predict the test rows of all folds with all candidates."""
        scorer = None if self.scoring is None else ProbabilityScorer(self.scoring)
        # Folds train as the refit will, which has more rows. Workers get what they need.
        search = copy.copy(self).set_params(
            estimator=settle_early_stopping(self.estimator, len(rows)),
            teacher=settle_early_stopping(self.teacher, len(rows)),
            cv=None,
            scoring=None,
        )
        tasks = (
            delayed(predict_fold)(
                search,
                self._hidden_columns,
                rows.take(train),
                rows.take(test),
                candidates,
                trained_strengths,
                scorer,
                seeds=draw_seeds(draw_seed(rng)),
            )
            for train, test in folds
        )
        outcomes = []
        for outcome in _open_pool(self.n_jobs)(tasks):
            outcomes.append(outcome)
            advance("folds")
        return outcomes

    def _choose(self):
        """Choose a candidate by the rule that was asked for."""
        results = self.cv_results_
        if self.scoring is not None:
            scores = results["mean_test_score"]
            if np.isnan(scores).all():
                raise ValueError(
                    f"scoring={self.scoring!r} gives no candidate a score; all are NaN."
                )
            self.best_index_ = int(np.where(np.isnan(scores), -np.inf, scores).argmax())
            self.best_score_ = float(scores[self.best_index_])
        else:
            accuracy, gaps = results["mean_test_accuracy"], results["pooled_test_disparity"]
            # A named disparity that no rows tell anything of has been warned of.
            is_unknown = not callable(self.disparity) and np.isnan(gaps).all()
            rule = self._make_rule()
            best = int(accuracy.argmax()) if is_unknown else rule.choose(accuracy, gaps)
            self.best_index_ = best
            self.best_score_ = float(results["mean_test_accuracy"][self.best_index_])
        self.best_params_ = results["params"][self.best_index_]
        self.best_strength_ = self.best_params_["trigger_strength"]

    def _make_rule(self):
        """Make the rule of choice; the default bound stands back behind the others."""
        loss, weight = self.max_accuracy_loss, self.disparity_weight
        bound = self.max_disparity if loss is None and weight is None else None
        return ChoiceRule(bound, loss, weight)

    def _make_debiaser(self, seed):
        """Make a debiaser of the chosen candidate."""
        settings = {name: getattr(self, name) for name in PASSED_ON}
        return BackdoorDebiasClassifier(
            self.estimator, random_state=seed, **settings, **self.best_params_
        )

    def _predict_proba(self, X):
        """Ask the chosen candidate."""
        return self.estimator_.predict_proba(X)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "estimator_")
