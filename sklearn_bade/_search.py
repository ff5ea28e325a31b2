"""What a search does in each fold, and how it measures and tabulates its candidates."""

import time
import warnings
from dataclasses import replace
from inspect import signature

import numpy as np
from scipy.special import softmax
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import get_scorer

from ._groups import UNKNOWN_GROUP
from ._outcomes import DISPARITIES, Outcomes, used_folds
from ._reversal import given_class_rates
from .exceptions import UndefinedDisparityWarning, UselessDisparityWarning
from .learners import learn_parts, stratified_folds
from .utils import draw_seed, warn_user

# What rounding may leave of a gap of zero.
SMALLEST_GAP = 1e-12


def check_base_rates(base_rates, n_classes):
    """Check the base rates to try, and make them hashable."""
    if isinstance(base_rates, str):  # "auto"
        return ["keep", "drift"]
    base_rates = [_to_hashable(rate) for rate in base_rates]
    if not base_rates:
        raise ValueError("base_rates is empty; give at least one, such as 'keep'.")
    for base_rate in base_rates:
        given_class_rates(base_rate, n_classes)
    return list(dict.fromkeys(base_rates))


def _to_hashable(rate):
    return rate if isinstance(rate, str) else tuple(np.ravel(rate).astype(float).tolist())


def make_folds(rows, cv, rng):
    """Split rows into `cv` folds, stratified by class and group together."""
    folds = stratified_folds(rows, cv, draw_seed(rng))
    if not folds:
        counts = np.bincount(rows.y, minlength=rows.n_classes)
        rarest = counts.argmin()
        raise ValueError(
            f"cv={cv}, but class {rows.classes[rarest]!s} has {counts[rarest]} row(s) "
            "only. Use fewer folds, or merge rare classes."
        )
    return folds


def check_folds(folds, rows):
    """Check that each part of each fold can be trained on, or judged by."""
    for i, (train, test) in enumerate(folds):
        if not len(train) or not len(test):
            raise ValueError(
                f"Fold {i} has {len(train)} training and {len(test)} test rows whose "
                "weight is not zero. Use fewer folds, or others."
            )
        groups = rows.groups.take(train)
        n_groups = len(np.unique(groups.codes[groups.is_known]))
        if len(np.unique(rows.y[train])) < rows.n_classes or n_groups < 2:
            raise ValueError(
                f"The training rows of fold {i} lack a class or have only one group. "
                "Use fewer folds, or merge rare classes and groups."
            )


def leave_out_small(rows, min_rows, disparity):
    """Leave groups out of all comparisons in which too few of their rows would speak.

    Returns
    -------
    rows : Rows
        The same rows; those of a class that a group has fewer rows of belong to no group.
        For demographic parity, which compares all rows of a group, those of small groups.

    left_out : list of dict
        "group", "class" (None for all) and "n_rows" of what was left out.
    """
    cells = rows.count_cells().astype(int)
    if disparity == "demographic_parity":
        cells = np.broadcast_to(cells.sum(axis=0), cells.shape)
    is_small = (cells < min_rows) & (cells > 0)
    if not is_small.any():
        return rows, []
    codes = rows.groups.codes
    known = rows.groups.is_known
    codes = np.where(known & is_small[rows.y, codes], UNKNOWN_GROUP, codes)
    found = np.argwhere(is_small)
    if disparity == "demographic_parity":
        found = [(None, g) for g in np.flatnonzero(is_small.any(axis=0))]
    left_out = [
        {
            "group": rows.groups.names[g],
            "class": None if k is None else rows.classes[k],
            "n_rows": int(cells[0 if k is None else k, g]),
        }
        for k, g in found
    ]
    groups = replace(rows.groups, codes=codes)
    return replace(rows, groups=groups), left_out


class Fold:
    """What a fold's models say of its test rows, and of others if a scorer asks."""

    def __init__(self, learner, parts, hidden_columns, test):
        self.learner = learner
        self.parts = parts
        self.hidden_columns = hidden_columns
        self.test = test

    def answer(self, rows):
        """Ask base and cells about raw rows."""
        X = self.learner.transform(rows.without_columns(self.hidden_columns).X)
        return self.learner.answer(self.parts.base, self.parts.cells, X)

    def score(self, scorer, path, logits, strength, offset):
        """Apply a scorer to the logits of the test rows."""

        def predict_others(X):
            answers = self.answer(self.test.with_features(X))
            return softmax(path.logits(answers, strength) + offset, axis=1)

        with warnings.catch_warnings():  # the search names the folds
            warnings.simplefilter("ignore", UndefinedDisparityWarning)
            return scorer(softmax(logits, axis=1), self.test, predict_others, path.decision)


def predict_fold(search, hidden_columns, train, test, *, seeds, keeps_models):
    """Learn base and cells of the training rows, and ask about the test rows.

    Returns
    -------
    outcome : dict
        "answers", "plain" (the log-probabilities of the plain classifier, None where they
        are not known), "fit_time" and "score_time" in seconds, and "fold", which holds the
        models if they are to be kept.
    """
    start = time.perf_counter()
    student, _, _ = search._make_learners(train, hidden_columns, seeds[0])
    parts = learn_parts(
        student, seed=seeds[2], memory=search.memory, on_epoch=lambda stage: None
    )
    fitted = time.perf_counter()
    fold = Fold(student, parts, hidden_columns, test)
    X = student.transform(test.without_columns(hidden_columns).X)
    answers = student.answer(parts.base, parts.cells, X)
    return {
        "plain": student.plain_log_proba(parts.base, answers, X),
        "answers": answers,
        "fold": fold if keeps_models else None,
        "fit_time": fitted - start,
        "score_time": time.perf_counter() - fitted,
    }


class FoldScores:
    """Scores of candidates in each fold, whose test rows lie below one another."""

    def __init__(self, scorer, folds, path):
        self.scorer = scorer
        self.folds = folds
        self.path = path
        self.ends = np.cumsum([len(fold.test) for fold in folds])
        self.known = {}

    def by_fold(self, logits, strength, offset):
        """Score each fold, unless that was done before."""
        key = strength, tuple(offset)
        if key not in self.known:
            pieces = zip(self.folds, np.split(logits, self.ends[:-1]))
            self.known[key] = np.array(
                [
                    fold.score(self.scorer, self.path, piece, strength, offset)
                    for fold, piece in pieces
                ]
            )
        return self.known[key]

    def __call__(self, logits, strength, offset):
        """Average over the folds."""
        return self.by_fold(logits, strength, offset).mean()


class _Candidate(ClassifierMixin, BaseEstimator):
    """A fold's student as scikit-learn's scorers know classifiers.

    The fold's test rows, which scorers mostly ask for, have been predicted already. Tools
    such as `permutation_importance` demand that there is a `fit`, and never call it.
    """

    def __init__(self, classes, rows, proba, predict_others, decision):
        self.classes = classes
        self.rows = rows
        self.proba = proba
        self.predict_others = predict_others
        self.decision = decision

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
        with np.errstate(divide="ignore"):
            log_proba = np.log(self.predict_proba(X))
        return self.classes_[self.decision.decide(log_proba)]


class ProbabilityScorer:
    """Apply a scikit-learn scorer to probabilities of rows.

    A scorer that takes sensitive features, and has no column of its own to read them
    from, is given the groups, and the rows whose group is known.
    """

    def __init__(self, scoring):
        self.scorer = get_scorer(scoring) if isinstance(scoring, str) else scoring

    def __call__(self, proba, rows, predict_others, decision):
        takes, options = signature(self.scorer).parameters, {}
        reads_column = getattr(self.scorer, "sensitive_columns", None) is not None
        if "sensitive_features" in takes and not reads_column:
            known = np.flatnonzero(rows.groups.is_known)
            proba, rows = proba[known], rows.take(known)
            options["sensitive_features"] = rows.groups.values
        takes_weights = getattr(
            self.scorer, "_accept_sample_weight", lambda: "sample_weight" in takes
        )
        if rows.weights is not None and takes_weights():
            options["sample_weight"] = rows.weights
        candidate = _Candidate(rows.classes, rows.X, proba, predict_others, decision)
        return self.scorer(candidate, rows.X, rows.labels, **options)


class DisparityMeasure:
    """Compute the disparity that a search goes by, named or the user's own.

    With several classes, a class that fewer than two groups have rows of cannot be compared
    between them; it is left out, and named.
    """

    def __init__(self, disparity, rows):
        self.disparity = disparity
        if callable(disparity):
            _refuse_ratio(disparity)
            return
        truth = Outcomes.of_rows(rows, rows.y)
        compared = truth.compared_classes()
        is_defined = np.isfinite(DISPARITIES[disparity](truth.gaps(compared)))
        self.classes = [k for k, defined in zip(compared, is_defined) if defined]
        if not is_defined.all():
            self._warn_of_left_out(rows, truth, compared)

    def _warn_of_left_out(self, rows, truth, compared):
        """Say which groups lack the rows, and for which classes that leaves something."""
        left_out = name_left_out(truth.left_out(self.disparity, compared), rows)
        consequence = (
            "Fewer than two groups are left to compare, so the most accurate candidate is "
            "taken, and nothing is known of its disparity."
        )
        if self.classes:
            kept = ", ".join(str(rows.classes[k]) for k in self.classes)
            consequence = f"It is computed for the classes {kept} alone."
        warn_user(
            f"disparity={self.disparity!r} compares groups in rates that some of them have "
            f"no rows for: {left_out}. {consequence} Merge groups or classes, or use "
            "disparity='demographic_parity'.",
            UndefinedDisparityWarning,
        )

    def __call__(self, predicted, rows):
        """Compute the disparity of each candidate's predictions, NaN where undefined."""
        if callable(self.disparity):
            return self._call_own(predicted, rows)
        if not self.classes:
            return np.full(len(predicted), np.nan)
        gaps = (Outcomes.of_rows(rows, p).gaps(self.classes) for p in predicted)
        return np.array([DISPARITIES[self.disparity](each).max() for each in gaps])

    def _call_own(self, predicted, rows):
        known = np.flatnonzero(rows.groups.is_known)
        rows, predicted = rows.take(known), predicted[:, known]
        options = {"sensitive_features": rows.groups.values}
        if rows.weights is not None:
            options["sample_weight"] = rows.weights
        values = np.array(
            [self.disparity(rows.labels, rows.classes[p], **options) for p in predicted],
            dtype=float,
        )
        if (values < -SMALLEST_GAP).any():
            raise DisparitySignError(
                f"disparity={self.disparity!r} returned {values.min():.4g}. A disparity is "
                "0 where groups are treated alike, and greater the less they are; change "
                "its sign."
            )
        return values

    def of_fold(self, predicted, rows):
        """Compute the disparities of a fold; NaN where it has too few rows for that."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UndefinedDisparityWarning)
                return self(predicted, rows)
        except DisparitySignError:
            raise
        except ValueError:
            return np.full(len(predicted), np.nan)

    def reason(self, rows):
        """Say which groups of a fold lack the rows that are compared."""
        if callable(self.disparity):
            return ""
        truth = Outcomes.of_rows(rows, rows.y)
        return name_left_out(truth.left_out(self.disparity, self.classes), rows)

    def warn_if_useless(self, judge, candidates):
        """Warn where the user's own disparity is blind to how candidates differ."""
        if not callable(self.disparity) or len(candidates) < 2:
            return
        if any(abs(candidate.disparity) > SMALLEST_GAP for candidate in candidates):
            return
        first = judge.predict(candidates[0])
        if all((judge.predict(each) == first).all() for each in candidates):
            return
        warn_user(
            f"disparity={self.disparity!r} is 0 for every candidate, although they "
            "decide differently, so it says nothing. Where it comes from another "
            "package, labels may be the cause: fairlearn's metrics take 0 and 1 and "
            "may count no other.",
            UselessDisparityWarning,
        )


class DisparitySignError(ValueError):
    """A disparity of the user's own is negative."""


def _refuse_ratio(disparity):
    if getattr(disparity, "__name__", "").endswith("ratio"):
        raise ValueError(
            f"disparity={disparity.__name__} is a ratio, which is 1 where groups are "
            "treated alike. Give a difference, such as 1 minus the ratio."
        )


def name_left_out(left_out, rows):
    """Name rates that rest on no rows: those of :meth:`Outcomes.left_out`."""
    names = rows.groups.names
    return ", ".join(
        f"{kind}_rate of group {names[g]!r}"
        + (f" for class {rows.classes[k]!s}" if rows.n_classes > 2 else "")
        for kind, g, k in left_out
    )


def tabulate(judge, candidates, tests, outcomes):
    """Make the keys of scikit-learn's searches from what each fold has answered."""
    results = _tabulate_parameters([candidate.params for candidate in candidates])
    for name in ("fit_time", "score_time"):
        times = np.array([outcome[name] for outcome in outcomes])
        results[f"mean_{name}"] = np.full(len(candidates), times.mean())
        results[f"std_{name}"] = np.full(len(candidates), times.std())
    figures = [_judge_folds(judge, candidate, tests) for candidate in candidates]
    accuracy, by_fold, scores = (np.array(each).T for each in zip(*figures))
    results |= summarize("accuracy", accuracy)
    reasons = [judge.measure.reason(test) for test in tests]
    results |= summarize("disparity", by_fold, reasons)
    results["pooled_test_disparity"] = np.array([c.disparity for c in candidates])
    judge.measure.warn_if_useless(judge, candidates)
    results["rank_test_accuracy"] = _rank(results["mean_test_accuracy"])
    results["rank_test_disparity"] = _rank(-results["pooled_test_disparity"])
    if judge.score is not None:
        results |= summarize("score", scores)
        results["rank_test_score"] = _rank(results["mean_test_score"])
    return results


def _judge_folds(judge, candidate, tests):
    """Compute a candidate's accuracy, disparity and score in each fold."""
    logits = judge.logits(candidate)
    ends = np.cumsum([len(test) for test in tests])
    pieces = np.split(judge.predict(candidate), ends[:-1])
    accuracy = [np.average(p == t.y, weights=t.weights) for p, t in zip(pieces, tests)]
    disparity = [judge.measure.of_fold(p[None], t)[0] for p, t in zip(pieces, tests)]
    scores = np.full(len(tests), np.nan)
    if judge.score is not None:
        scores = judge.score.by_fold(logits, candidate.strength, candidate.offset)
    return accuracy, disparity, scores


def _tabulate_parameters(candidates):
    """Make a search's keys from what the candidates differ in."""
    columns = {}
    for name in ("trigger_strength", "base_rate", "offset"):
        values = [candidate[name] for candidate in candidates]
        numbers = all(isinstance(value, float) for value in values)
        column = np.empty(len(values), dtype=float if numbers else object)
        column[:] = values
        columns[f"param_{name}"] = np.ma.array(column)
    return {**columns, "params": candidates}


def summarize(name, by_fold, reasons=None):
    """Make a search's keys from figures of shape (n_folds, n_candidates).

    Folds without a figure for some candidate are left out of means for all of them, so that
    candidates are compared on the same rows.
    """
    results = {f"split{i}_test_{name}": values for i, values in enumerate(by_fold)}
    kept = used_folds(by_fold, name, reasons)
    results[f"mean_test_{name}"] = kept.mean(axis=0)
    results[f"std_test_{name}"] = kept.std(axis=0)
    return results


def _rank(values):
    """Rank scores from the best, which is 1; NaN comes last."""
    return rankdata(np.nan_to_num(-values, nan=np.inf), method="min").astype(np.int32)
