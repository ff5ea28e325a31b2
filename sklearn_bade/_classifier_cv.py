"""The debiasing meta-estimator that chooses its own strength."""

import copy
from numbers import Integral, Real

import numpy as np
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ._base import BaseDebiasClassifier
from ._candidates import Judge, find_candidates, judge_grid, weakest_of_equals
from ._classifier import BackdoorDebiasClassifier
from ._compat import Interval, StrOptions, check_sample_weight, fit_context
from ._outcomes import DISPARITIES, MULTICLASS
from ._path import Answers, Sketch
from ._promise import Witness, certify, hold_out, warn_of_no_promise
from ._reversal import check_strength
from ._rules import GAIN_TO_EARN, check_rules, make_rule
from ._search import (
    DisparityMeasure,
    Fold,
    FoldScores,
    Material,
    ProbabilityScorer,
    check_base_rates,
    check_folds,
    make_folds,
    predict_fold,
    tabulate,
    warn_if_unweighted,
)
from ._verdict import compare, describe
from ._widening import warn_of_negative
from ._workers import run_on_workers
from .learners import (
    cell_signal,
    settle_early_stopping,
    warn_if_faint,
    warn_of_vanished_classes,
)
from .rows import forget_fit, leaves_unreadable_out
from .utils import draw_seed, draw_seeds, progress_bar

# What a search hands on to the debiaser that it refits as it is.
PASSED_ON = (
    "sensitive_columns",
    "injection",
    "trigger",
    "student",
    "threshold",
    "cost_matrix",
    "selection_rate",
    "student_init",
    "student_epochs",
    "n_bins",
    "teacher",
    "keep_sensitive",
    "memory",
)

# What is known of rows and features before anything is learned.
READ_FROM_ROWS = (
    "classes_",
    "groups_",
    "cut_points_",
    "n_features_in_",
    "feature_names_in_",
    "_column_names",
    "_decision",
    "_hidden_columns",
    "_inner_shape",
    "_takes_bytes",
)


class BackdoorDebiasClassifierCV(BaseDebiasClassifier):
    """Debias with a trigger strength that is chosen by cross-validation.

    A student consists of a base and cells, which do not depend on the strength, so each
    fold trains them once. What they say of its test rows is put together, and every
    strength is judged on these answers by arithmetic. What has been chosen is what
    predicts: a :class:`~sklearn_bade.BackdoorDebiasClassifier` of all data with the
    strength and the offset that were judged. What triggers say is measured on one teacher,
    of all data: a few numbers, which differ between folds by their noise alone.

    Parameters
    ----------
    estimator : estimator object, default=None
        What to debias, see :class:`~sklearn_bade.BackdoorDebiasClassifier`.

    sensitive_columns : str, int, list of these, or callable, default=None
        Sensitive columns of X, see :class:`~sklearn_bade.BackdoorDebiasClassifier`.

    trigger_strengths : array-like of shape (n_strengths,), default=None
        Strengths to try, of either sign. None looks for them: a grid from -2 to 3, denser
        near 0, refined around the choice and extended, to about 100, while the choice or
        the narrowest gap stands at its end.

    base_rates : "auto" or list of {"keep", "drift"} or array-like of shape (n_classes,), \
            default="auto"
        Base rates to try with each strength: those of strength 0, free ones, or given
        frequencies of decisions. "auto" tries the first two; the default rule also tries
        .9 and .8 of the decisions for the greater of two classes at strength 0, since
        fewer often mean narrower gaps.

    per_class : bool or "auto", default="auto"
        Whether each class has a strength of its own, which helps where gaps differ in sign
        between classes. With `trigger_strengths`, True tries all combinations of these, and
        "auto" none. Without, strengths are climbed towards what is worth most to the rule
        of choice, and those that are worth it are candidates. "auto" takes one of them, or
        a negative strength for all, only if it gains more than half a standard error of
        the gap over one strength that is not negative, or keeps a bound that no such
        strength keeps; with more than ten classes it looks for none.

    disparity : {"average_odds", "equalized_odds", "demographic_parity", \
            "equal_opportunity"} or callable, default="average_odds"
        What to keep small, see :mod:`sklearn_bade.metrics`; "average_odds" is the mean
        of the two gaps of equalized odds. A callable
        ``disparity(y_true, y_pred, *, sensitive_features)`` returns a float. The choice
        goes by the predictions of all folds together, so a callable may raise ValueError
        on a fold, whose figure is then NaN. How noisy a callable is, nobody knows: the
        default rule takes its values as they are, and leaves no noise alone.

    max_disparity : float, default=None
        If given, the most accurate candidate whose cross-validated disparity is at most
        this is chosen; if there is none, what is worth its price to the default rule, with
        a warning that names the least that was found.

        If no rule is given, neither here nor by the next three parameters, the default rule
        chooses: what starts within noise of fair is left alone (a chi-square test of the
        rates that the disparity compares, p >= .002); else the greatest accuracy minus
        expected disparity, of candidates that cost at most two points of accuracy and keep
        .6 of the recall of each class, both compared with strength 0. See
        :doc:`/guide/choosing`.

    confidence : float, default=None
        If given, such as 0.95, `max_disparity` is kept with that confidence: a third of the
        rows is held out, chooses nothing and trains nothing, and the upper limit of the
        disparity on these rows lies below the bound. That costs what a third of the rows
        would have taught. If no candidate can promise it, a warning says so, and the
        default rule chooses. The promise is about rows like those of `fit`.

    max_accuracy_loss : float, default=None
        If given, the least disparate candidate is chosen whose cross-validated accuracy is
        at most this much below that of the most accurate one.

    disparity_weight : float, default=None
        If given, the candidate with the greatest cross-validated accuracy minus this many
        times its disparity is chosen. With 1, a point of disparity is worth a point of
        accuracy.

    min_recall : float, default=None
        If given, groups are levelled up: the most accurate candidate is chosen in which
        each group's recall of the greater of two classes (of each class, with more) is at
        least this. With two classes, base rates at which the floor is just reached are
        tried too. Not together with `selection_rate`.

    min_rows : int, default=1
        Rates of groups that rest on fewer rows are left out of what is compared; for a
        callable `disparity`, groups that have fewer rows. They are still learned from. See
        `left_out_`.

    multiclass : {"auto", "worst", "mean"}, default="auto"
        How the gaps of several classes, each against the rest, make up one disparity: by
        the widest, or by their mean. "auto" takes the widest for what is tabulated and for
        bounds, and the mean for the default rule: the widest of many is mostly noise. Of
        average odds, that rule then weighs the gaps in recall alone, as false positives of
        one class among many are few.

    population : {"auto", "training", "balanced"}, default="auto"
        Whom accuracies, gaps and rates of decisions are about, when candidates are judged:

        - "training": people as the training data have them.
        - "balanced": as many of every group in each class. Rows are weighted for it, in
          judging, not in learning; of groups that are rare in a class, few rows then say
          much, and intervals are wider. A scorer, or a callable `disparity`, gets these
          weights as `sample_weight` if it takes them.
        - "auto": "balanced" for images and other rows that are no tables, "training" for
          tables. What makes a bias in images, such as a background, will often not go with
          the class where they are used, and accuracy on rows where it does rewards what is
          to be unlearned.

    scoring : str or callable, default=None
        If given, it replaces all rules: a scikit-learn scorer whose mean over the folds is
        maximised. A fairness scorer that names no column of X gets the groups, and so
        ``make_fairness_scorer("balanced_group_accuracy")`` asks for what is most accurate
        where every class and group counts alike.

    threshold, cost_matrix, selection_rate
        What is decided of probabilities, see
        :class:`~sklearn_bade.BackdoorDebiasClassifier`. Gaps, accuracy and choice are those
        of this decision; a share of rows is selected of the rows of all folds together.

    cv : int, cross-validation generator or iterable, default=5
        Folds. An int makes as many, stratified by class and group together.

    injection, trigger, student, student_init, student_epochs, n_bins, teacher, \
            keep_sensitive, memory
        See :class:`~sklearn_bade.BackdoorDebiasClassifier`. With `student="single"`, the
        strength is chosen on the path, and one estimator is distilled at it in the end,
        which corrects less than what was judged.

    n_jobs : int, default=None
        Number of folds that are computed at the same time. None means 1.

    random_state : int, RandomState instance or None, default=None
        Seed of folds, triggers, weights and batches.

    verbose : int, default=0
        0 is silent, 1 shows a progress bar in terminals and notebooks, 2 everywhere. Both
        print in one line what was gained and paid, see `comparison_`.

    Attributes
    ----------
    best_strength_ : float or tuple of float
        Chosen strength; one per class if `per_class`.

    best_params_ : dict
        Chosen `trigger_strength` and `base_rate`, and the `offset` that holds it on the
        pooled answers. A :class:`~sklearn_bade.BackdoorDebiasClassifier` with these, fitted
        alike with the same int as `random_state`, predicts the same; not so with
        `confidence`, which holds rows out.

    best_score_ : float
        Cross-validated accuracy of the chosen candidate, or its mean score if
        `scoring` is given.

    best_index_ : int
        Position of the chosen candidate in `cv_results_`.

    cv_results_ : dict of ndarray of shape (n_candidates,)
        The keys of scikit-learn's searches, of which a pandas frame can be made:
        `params`, `param_trigger_strength`, `param_base_rate`, `param_offset`, fit and
        score times in seconds, and, for each of accuracy, disparity and (if `scoring` is
        given) score, the figure of every split, their mean, standard deviation and rank, as
        in `mean_test_accuracy`. Disparities are positive. `pooled_test_disparity`, from the
        predictions of all folds together, is what the choice is made by: the mean over
        folds overrates a gap, since each fold adds noise to it before its sign is dropped.

    comparison_ : dict of ndarray of shape (4,)
        What was gained and paid, on the predictions of all folds together: rows for the
        plain classifier, strength 0, the chosen candidate, and the least disparate one that
        was found. A pandas frame can be made of it. Columns are `model`,
        `trigger_strength`, `base_rate`, `accuracy`, `disparity`, `lower` and `upper`
        (limits of its 95% interval, NaN for a callable), and `least_recall`, that of the
        class whose recall is least. Strength 0 is the plain classifier, except for
        networks of your own, of which it is the mean of the weights. Those that came from a
        cache leave the first row NaN. On images, see `population`.

    left_out_ : list of dict
        What `min_rows` left out: "group", "rate" and "class" (both None where a group was
        left out as a whole) and "n_rows", on which it rests.

    upper_limit_ : float
        Upper limit of the disparity of this classifier on the rows that were held out. Only
        with `confidence`. Where a warning says that nothing can be promised, it is what was
        measured and no promise, even if it lies below the bound.

    estimator_ : BackdoorDebiasClassifier
        The chosen candidate, of all data; with `confidence`, of those that were not held
        out.

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
    Backdoor Attack-based Artificial Bias", arXiv:2303.01504. The path is ours.

    Examples
    --------
    >>> from sklearn_bade import BackdoorDebiasClassifierCV
    >>> from sklearn_bade.datasets import make_biased_classification
    >>> X, y, _ = make_biased_classification(n_samples=600, random_state=0)
    >>> clf = BackdoorDebiasClassifierCV(
    ...     sensitive_columns="group", max_accuracy_loss=0.02, cv=2, random_state=0
    ... ).fit(X, y)
    >>> clf.best_params_["base_rate"] in ("keep", "drift")
    True
    >>> clf.predict(X.drop(columns="group")).shape
    (600,)
    """

    _parameter_constraints: dict = {
        **BaseDebiasClassifier._parameter_constraints,
        "trigger_strengths": ["array-like", None],
        "base_rates": [StrOptions({"auto"}), "array-like"],
        "per_class": ["boolean", StrOptions({"auto"})],
        "disparity": [StrOptions(set(DISPARITIES)), callable],
        "max_disparity": [Interval(Real, 0, None, closed="left"), None],
        "confidence": [Interval(Real, 0, 1, closed="neither"), None],
        "min_recall": [Interval(Real, 0, 1, closed="right"), None],
        "population": [StrOptions({"auto", "training", "balanced"})],
        "min_rows": [Interval(Integral, 1, None, closed="left")],
        "multiclass": [StrOptions({"auto", *MULTICLASS})],
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
        base_rates="auto",
        per_class="auto",
        disparity="average_odds",
        max_disparity=None,
        confidence=None,
        max_accuracy_loss=None,
        disparity_weight=None,
        min_recall=None,
        min_rows=1,
        multiclass="auto",
        population="auto",
        scoring=None,
        threshold=None,
        cost_matrix=None,
        selection_rate=None,
        cv=5,
        injection="mirror",
        trigger="auto",
        student="path",
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
        self.confidence = confidence
        self.max_accuracy_loss = max_accuracy_loss
        self.disparity_weight = disparity_weight
        self.min_recall = min_recall
        self.min_rows = min_rows
        self.multiclass = multiclass
        self.population = population
        self.scoring = scoring
        self.threshold = threshold
        self.cost_matrix = cost_matrix
        self.selection_rate = selection_rate
        self.cv = cv
        self.injection = injection
        self.trigger = trigger
        self.student = student
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
    @leaves_unreadable_out
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
            rules of choice, a floor of recall beside a selection, a confidence in what
            cannot be judged, strengths that are not finite, a disparity that is NaN for all
            candidates, and folds that lack a class or have only one group.
        """
        forget_fit(self)
        self._check_distillation()
        check_rules(self)
        rng = check_random_state(self.random_state)
        is_seed = isinstance(self.random_state, Integral)
        refit_seed = self.random_state if is_seed else draw_seed(rng)
        measure, rows, folds, witnesses = self._divide(
            X, y, sensitive_features, sample_weight, rng
        )
        base_rates = self._check_base_rates(rows.n_classes)
        strengths = self._check_strengths()
        with progress_bar(len(folds) + 1, self.verbose, unit="fit") as advance:
            learned = self._learn_all(rows, refit_seed)
            advance("whole data")
            outcomes = self._answer_folds(rows, folds, rng, advance)
        judge = self._make_judge(rows, folds, outcomes, learned, measure)
        rule = make_rule(self, judge)
        candidates = self._find(judge, rule, strengths, base_rates)
        judged = self._as_judged(rows)
        tests = [judged.take(test) for _, test in folds]
        self.cv_results_ = tabulate(judge, candidates, tests, outcomes)
        best = self._choose(learned, judge, rule, candidates, witnesses)
        self._keep(judge, rule, candidates, best)
        self._compare(judge, rule, candidates, best, outcomes)
        self.estimator_ = self._refit(
            refit_seed, learned, judge.path.sketch, X, y, sensitive_features, sample_weight
        )
        return self

    def _divide(self, X, y, sensitive_features, sample_weight, rng):
        """Read the rows, hold out those that a promise needs, and fold the rest."""
        all_X, all_y = self._check_training_data(X, y)
        folds = self._split_as_given(all_X, all_y, sample_weight)
        rows = self._read_rows(all_X, all_y, sensitive_features, sample_weight)
        multiclass = "worst" if self.multiclass == "auto" else self.multiclass
        measure = DisparityMeasure(self.disparity, rows, self.min_rows, multiclass)
        self.left_out_ = measure.left_out
        self._decision = self._make_decision(rows.n_classes)
        witnesses = None
        if self.confidence is not None:
            kept, held_out = hold_out(rows, draw_seed(rng))
            witnesses, rows = self._as_judged(rows.take(held_out)), rows.take(kept)
        if folds is None:
            folds = make_folds(rows, self.cv, rng)
        check_folds(folds, rows)
        self.n_splits_ = len(folds)
        return measure, rows, folds, witnesses

    def _balances(self, rows):
        """Tell whether candidates are judged for a balanced population."""
        if self.population == "auto":
            return rows.kind != "table"
        return self.population == "balanced"

    def _as_judged(self, rows):
        """Weigh rows as the population has them that candidates are judged for."""
        return rows.balanced() if self._balances(rows) else rows

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

    def _check_base_rates(self, n_classes):
        """Check the base rates to try; a selection decides as often whatever they are."""
        if isinstance(self.base_rates, str) and self.selection_rate is not None:
            return ["keep"]
        return check_base_rates(self.base_rates, n_classes)

    def _check_strengths(self):
        """Check the strengths to try; None leaves them to the search."""
        if self.trigger_strengths is None:
            return None
        strengths = np.asarray(self.trigger_strengths, dtype=float)
        if strengths.ndim != 1 or not len(strengths):
            raise ValueError(
                "trigger_strengths must be a list of numbers, got an array of shape "
                f"{strengths.shape}."
            )
        check_strength(strengths, len(strengths), 1)
        return strengths

    def _learn_all(self, rows, seed):
        """Learn of all rows what the chosen strength will be a matter of arithmetic on."""
        seeds = draw_seeds(seed)
        learners = self._make_learners(rows, self._hidden_columns, seeds[0])
        plan = self._inject(learners[0].rows)
        debiaser = BackdoorDebiasClassifier(memory=self.memory)
        return debiaser._learn(learners, plan, seeds, answers=False)

    def _answer_folds(self, rows, folds, rng, advance):
        """Let each fold answer about its test rows."""
        # Folds train as the whole data do, which have more rows. Workers get what they
        # need.
        search = copy.copy(self).set_params(
            estimator=settle_early_stopping(self.estimator, len(rows)),
            teacher=None,
            cv=None,
            scoring=None,
        )
        material = Material(
            search, self._hidden_columns, rows, folds, self.scoring is not None
        )
        tasks = ((i, draw_seeds(draw_seed(rng))) for i in range(len(folds)))
        outcomes = []
        for outcome in run_on_workers(predict_fold, material, tasks, self.n_jobs):
            outcomes.append(outcome)
            advance("folds")
        return outcomes

    def _make_judge(self, rows, folds, outcomes, learned, measure):
        """Pool the answers of all folds, and make the path that they lie on."""
        order = np.concatenate([test for _, test in folds])
        weighted = self._as_judged(rows)
        judged = weighted.without_features().take(order)
        if self._balances(rows):
            warn_if_unweighted(self.disparity, rows)
        answers = Answers.concatenate([outcome["answers"] for outcome in outcomes])
        sketch = Sketch.of(answers, judged.weights)
        path = learned.path(sketch, self._decision)
        scores = None
        if self.scoring is not None:
            scorer = ProbabilityScorer(self.scoring)
            for outcome, (_, test) in zip(outcomes, folds):
                outcome["fold"].test = weighted.take(test)
            scores = FoldScores(scorer, [outcome["fold"] for outcome in outcomes], path)
        if not self.keep_sensitive:
            # Cells know how frequent groups are in the training data.
            warn_if_faint(cell_signal(answers, rows.without_features().take(order)))
        return Judge(judged, answers, path, measure, scores)

    def _find(self, judge, rule, strengths, base_rates):
        """Judge the strengths that were given, or those that lead to the best."""
        n_classes, per_class = judge.rows.n_classes, self.per_class
        if strengths is None:
            found = find_candidates(judge, rule, base_rates, n_classes, per_class=per_class)
        else:
            per_class = per_class is True
            found = judge_grid(judge, strengths, base_rates, n_classes, per_class=per_class)
        candidates = found + rule.more(judge, found)
        is_own = callable(self.disparity) and self.scoring is None
        if is_own and all(np.isnan(candidate.disparity) for candidate in candidates):
            raise ValueError(
                f"disparity={self.disparity!r} is NaN for every candidate, so nothing can "
                "be chosen by it."
            )
        return candidates

    def _choose(self, learned, judge, rule, candidates, witnesses):
        """Choose by the rule, or what rows that were held out promise a bound of."""
        if witnesses is None:
            return self._best_of(judge, rule, candidates)
        return self._promise(learned, judge, rule, candidates, witnesses)

    def _promise(self, learned, judge, rule, candidates, rows):
        """Find what rows that were held out promise a bound of."""
        fold = Fold(learned.learner, learned.parts, self._hidden_columns, rows)
        witness = Witness(rows, fold.answer(rows), judge.path, judge.measure)
        best, self.upper_limit_ = certify(candidates, rule, witness)
        if best is None:
            warn_of_no_promise(rule, self.upper_limit_)
            best = self._best_of(judge, rule.cautious, candidates)
            self.upper_limit_ = witness.limit(best, rule)
        return best

    def _keep(self, judge, rule, candidates, best):
        """Keep the chosen candidate, and say what it is like."""
        if self.scoring is not None and all(np.isnan(c.score) for c in candidates):
            raise ValueError(
                f"scoring={self.scoring!r} gives no candidate a score; all are NaN."
            )
        if np.any(best.strength):
            warn_of_vanished_classes(judge.rows, judge.predict(best))
        self.best_index_ = candidates.index(best)
        results = self.cv_results_
        key = "accuracy" if self.scoring is None else "score"
        self.best_score_ = float(results[f"mean_test_{key}"][self.best_index_])
        self.best_params_ = results["params"][self.best_index_]
        self.best_strength_ = self.best_params_["trigger_strength"]

    def _compare(self, judge, rule, candidates, best, outcomes):
        """Say what was gained and paid, and what was left."""
        answers = [outcome["plain"] for outcome in outcomes]
        is_known = all(log_proba is not None for log_proba in answers)
        plain = judge.judge_plain(np.concatenate(answers) if is_known else None)
        control = judge(0.0, "keep")
        self.comparison_ = compare(plain, control, best, candidates, self.disparity)
        if self.verbose:
            print(f"{type(self).__name__}: {describe(self.comparison_, self.disparity)}")
        rule.warn(best, candidates)
        if best.disparity > control.disparity:
            warn_of_negative(np.asarray(best.strength))

    def _best_of(self, judge, rule, candidates):
        """Find the best candidate; strengths of other directions have to earn it."""
        choose = weakest_of_equals(rule.choose)
        best = candidates[choose(candidates)]
        usual = [candidate for candidate in candidates if candidate.is_usual]
        if self.per_class != "auto" or best.is_usual or not usual:
            return best
        rival = usual[choose(usual)]
        if rule.accepts(best) and not rule.accepts(rival):
            return best
        gain = rule.worth(best) - rule.worth(rival)
        if self.scoring is None:
            gain -= GAIN_TO_EARN * judge.standard_error(rival)
        return best if gain > 0 else rival

    def _refit(self, seed, learned, sketch, X, y, sensitive_features, sample_weight):
        """Make a debiaser of the chosen candidate, of what has been learned of all data."""
        settings = {name: getattr(self, name) for name in PASSED_ON}
        params = dict(self.best_params_)
        if self.student == "single":
            params.pop("offset")
        debiaser = BackdoorDebiasClassifier(
            self.estimator, random_state=seed, **settings, **params
        )
        if self.student == "single":
            return debiaser.fit(
                X, y, sensitive_features=sensitive_features, sample_weight=sample_weight
            )
        for name in READ_FROM_ROWS:
            if hasattr(self, name):
                setattr(debiaser, name, getattr(self, name))
        given = [] if isinstance(self.base_rates, str) else self.base_rates
        debiaser._found_rate = not (
            isinstance(params["base_rate"], str)
            or any(np.array_equal(params["base_rate"], rate) for rate in given)
        )
        debiaser._follow(learned, np.asarray(self.best_strength_), sketch)
        return debiaser

    def with_strength(self, trigger_strength, *, base_rate=None):
        """Return a fitted debiaser of another strength, without training.

        See :meth:`BackdoorDebiasClassifier.with_strength`. Without a `base_rate`, it is the
        chosen one; but strength 0, the control, decides as often as it does by itself where
        the search has found frequencies of its own.
        """
        check_is_fitted(self)
        return self.estimator_.with_strength(trigger_strength, base_rate=base_rate)

    def _predict_proba(self, X):
        """Ask the chosen candidate."""
        return self.estimator_.predict_proba(X)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "estimator_")
