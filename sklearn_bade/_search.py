"""What a search does in each fold, and how it measures and tabulates its candidates."""

import time
import warnings
from dataclasses import dataclass
from inspect import signature

import numpy as np
from scipy.special import softmax
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import get_scorer

from ._outcomes import DISPARITIES, Outcomes, used_folds
from ._reversal import given_class_rates
from .exceptions import (
    InfrequentColumnWarning,
    UndefinedDisparityWarning,
    UnweightedDisparityWarning,
    UselessDisparityWarning,
)
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
    judged = np.unique(rows.y[np.concatenate([test for _, test in folds])])
    if len(judged) < rows.n_classes:
        missing = np.setdiff1d(np.arange(rows.n_classes), judged)
        names = ", ".join(str(rows.classes[k]) for k in missing)
        raise ValueError(
            f"The test rows of all folds together lack class {names}, so nothing can be "
            "said of it. Use other folds."
        )


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


@dataclass(frozen=True)
class Material:
    """What all folds of a search have in common, so that workers are sent it once.

    `folds` are the positions of training and test rows of each.
    """

    search: object
    hidden_columns: list
    rows: object
    folds: list
    keeps_models: bool


def predict_fold(material, number, seeds):
    """Learn base and cells of a fold's training rows, and ask about its test rows.

    Returns
    -------
    outcome : dict
        "answers", "plain" (the log-probabilities of the plain classifier, None where they
        are not known), "fit_time" and "score_time" in seconds, and "fold", which holds the
        models if they are to be kept, but no rows.
    """
    start = time.perf_counter()
    search, hidden_columns = material.search, material.hidden_columns
    train, test = (material.rows.take(part) for part in material.folds[number])
    with warnings.catch_warnings():  # said once already, of all rows
        warnings.simplefilter("ignore", InfrequentColumnWarning)
        student, _, _ = search._make_learners(train, hidden_columns, seeds[0])
    parts = learn_parts(
        student, seed=seeds[2], memory=search.memory, on_epoch=lambda stage: None
    )
    fitted = time.perf_counter()
    X = student.transform(test.without_columns(hidden_columns).X)
    answers = student.answer(parts.base, parts.cells, X)
    fold = None
    if material.keeps_models:
        fold = Fold(student.take(np.arange(0)), parts, hidden_columns, test=None)
    return {
        "plain": student.plain_log_proba(parts.base, answers, X),
        "answers": answers,
        "fold": fold,
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
        return self.classes_[self.decision.decide_proba(self.predict_proba(X))]


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
    between them; it is left out, and named. So is what rests on fewer than `min_rows` rows:
    rates of a group in a named disparity; groups as a whole, where nobody knows what a
    user's own makes of them.
    """

    def __init__(self, disparity, rows, min_rows=1, multiclass="worst"):
        self.disparity = disparity
        self.compared = {"min_rows": min_rows, "multiclass": multiclass}
        self.small_groups = []
        # Weights of the user's own must not be lost on her callable; those of a balanced
        # population are for callables that take weights.
        self.passes_weights = rows.weights is not None or takes_weights(disparity)
        truth = Outcomes.of_rows(rows, rows.y, **self.compared)
        if callable(disparity):
            _refuse_ratio(disparity)
            sizes = truth.n_rows.sum(axis=(1, 2))
            self.small_groups = np.flatnonzero((sizes > 0) & (sizes < min_rows))
        else:
            classes = truth.compared_classes()
            is_defined = np.isfinite(DISPARITIES[disparity](truth.gaps(classes)))
            self.compared["classes"] = [k for k, ok in zip(classes, is_defined) if ok]
            if not is_defined.all():
                self._warn_of_left_out(rows, truth, classes)
        self.left_out = self._list_left_out(rows, truth)

    def _list_left_out(self, rows, truth):
        """List what has rows, but fewer than are asked for."""
        labels, n_rows = rows.groups.labels.tolist(), truth.n_rows
        if callable(self.disparity):
            sizes = n_rows.sum(axis=(1, 2))
            return [
                {"group": labels[g], "rate": None, "class": None, "n_rows": int(sizes[g])}
                for g in self.small_groups
            ]
        found = []
        for kind, g, k in truth.left_out(self.disparity):
            of_class = int(n_rows[g, k].sum())
            n_found = {
                "selection": int(n_rows[g].sum()),
                "true_positive": of_class,
                "false_positive": int(n_rows[g].sum()) - of_class,
            }[kind]
            if n_found:
                row = {"group": labels[g], "rate": kind, "class": rows.classes[k]}
                found.append({**row, "n_rows": n_found})
        return found

    def _warn_of_left_out(self, rows, truth, compared):
        """Say which groups lack the rows, and for which classes that leaves something."""
        left_out = name_left_out(truth.left_out(self.disparity, compared), rows)
        consequence = (
            "Fewer than two groups are left to compare, so the most accurate candidate is "
            "taken, and nothing is known of its disparity."
        )
        if self.compared["classes"]:
            kept = ", ".join(str(rows.classes[k]) for k in self.compared["classes"])
            consequence = f"It is computed for the classes {kept} alone."
        lack = "no rows" if truth.min_rows == 1 else f"fewer than min_rows={truth.min_rows}"
        warn_user(
            f"disparity={self.disparity!r} compares groups in rates that some of them have "
            f"{lack} for: {left_out}. {consequence} Merge groups or classes, or use "
            "disparity='demographic_parity'.",
            UndefinedDisparityWarning,
        )

    def count(self, rows, predicted):
        """Count who was decided how, so that what is compared is known to all who ask."""
        return Outcomes.of_rows(rows, predicted, **self.compared)

    def __call__(self, predicted, rows):
        """Compute the disparity of each candidate's predictions, NaN where undefined."""
        if callable(self.disparity):
            return self._call_own(predicted, rows)
        return np.array([self.count(rows, p).disparity(self.disparity) for p in predicted])

    def _call_own(self, predicted, rows):
        is_small = np.isin(rows.groups.codes, self.small_groups)
        known = np.flatnonzero(rows.groups.is_known & ~is_small)
        rows, predicted = rows.take(known), predicted[:, known]
        options = {"sensitive_features": rows.groups.values}
        if rows.weights is not None and self.passes_weights:
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
        return name_left_out(self.count(rows, rows.y).left_out(self.disparity), rows)

    def warn_if_useless(self, judge, candidates):
        """Warn where the user's own disparity is blind to how candidates differ."""
        if not callable(self.disparity) or len(candidates) < 2:
            return
        if not all(abs(each.disparity) <= SMALLEST_GAP for each in candidates):
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


def takes_weights(disparity):
    """Tell whether a disparity takes weights, by its arguments."""
    if not callable(disparity):
        return True
    try:
        parameters = signature(disparity).parameters.values()
    except ValueError:  # some functions of C have no signature
        return False
    return any(p.name == "sample_weight" or p.kind is p.VAR_KEYWORD for p in parameters)


def warn_if_unweighted(disparity, rows):
    """Say so where a user's own disparity cannot be that of a balanced population."""
    if rows.weights is None and not takes_weights(disparity):
        warn_user(
            f"disparity={disparity!r} takes no sample_weight, so it compares groups as the "
            "training rows have them, while accuracies are about a population with as many "
            "of every group in each class. Let it take sample_weight, or use "
            "population='training'.",
            UnweightedDisparityWarning,
        )


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
