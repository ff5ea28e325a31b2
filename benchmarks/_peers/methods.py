"""The methods that are compared, each in the way that its documentation recommends.

fairlearn, OxonFair and fairret are imported where they are used, so that the others run
without them.
"""

import numpy as np
from _common import resample
from frontier import BOUNDS, N_FOLDS, answer_out_of_fold
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade.inspection._reference import apply_multipliers, closed_form_front

from .networks import ADVERSARY_FACTORS, STRENGTHS, oppose, regularize
from .protocol import ANY, NOTIONS, Method, decide_plainly

# Classifiers of the methods that take any.
ALL = ("logistic", "boosting", "network")
# Bounds of ExponentiatedGradient with boosting: two, as each costs some forty plain fits.
FEW_BOUNDS = (0.01, 0.05)
# Points of accuracy that the plug-in rule gives for a point of the gap. A first grid began
# at a half, which already cost more than two points on training rows of biased decisions.
PRICES = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
# Multipliers that are tried for demographic parity, which has one, as many below zero as
# above it; the greatest moves chances by one half where features tell the group by a factor
# of two. Not tuned.
PARITY_MULTIPLIERS = np.linspace(-0.5, 0.5, 401)


def search(bench, part, learner, notion):
    """Let our search choose by cross-validation, all settings at their defaults."""
    rows = bench.rows(part)
    estimator = None if learner == "network" else bench.learner(learner)
    return BackdoorDebiasClassifierCV(
        estimator,
        disparity=NOTIONS[notion],
        memory=bench.memory,
        random_state=bench.seed,
    ).fit(rows.X, rows.y, sensitive_features=rows.groups)


def debias(bench, part, learner, notion, dial):
    """Decide as our search chose."""
    model = bench.once(search, part, learner, notion)
    return lambda rows: model.predict(rows.X)


def keep_control(bench, part, learner, notion, dial):
    """Decide as our debiaser does without any debiasing."""
    model = bench.once(search, part, learner, "average odds")
    control = model.with_strength(0.0, base_rate="keep")
    return lambda rows: control.predict(rows.X)


def make_independent(rows):
    """Weigh rows so that class and group are independent (Kamiran and Calders, 2012)."""
    of_class, of_group, of_cell = (
        np.bincount(codes)[codes] / len(codes)
        for codes in (rows.y, rows.groups, rows.cells)
    )
    return of_class * of_group / of_cell


def reweigh(bench, part, learner, notion, dial):
    """Train with the weights of `make_independent`."""
    rows = bench.rows(part)
    weights = make_independent(rows)
    model = bench.learner(learner).fit(rows.X, rows.y, sample_weight=weights)
    return lambda rows: model.predict(rows.X)


def balance(bench, part, learner, notion, dial):
    """Draw rows so that every class and group is as frequent."""
    rows = bench.rows(part)
    rows = rows.take(resample(rows.cells, bench.seed))
    model = bench.learner(learner).fit(rows.X, rows.y)
    return lambda rows: model.predict(rows.X)


def reduce(bench, part, learner, notion, dial):
    """Train by fairlearn's reductions; the dial is the bound of the gaps."""
    from fairlearn.reductions import (
        DemographicParity,
        EqualizedOdds,
        ExponentiatedGradient,
    )

    rows = bench.rows(part)
    kind = EqualizedOdds if notion == "average odds" else DemographicParity
    model = ExponentiatedGradient(
        bench.learner(learner), kind(difference_bound=dial), max_iter=bench.max_iter
    ).fit(rows.X, rows.y, sensitive_features=rows.groups)
    return lambda rows: model.predict(rows.X, random_state=bench.seed)


def split(bench, rows):
    """Make the folds of out-of-fold answers."""
    splitter = StratifiedKFold(N_FOLDS, shuffle=True, random_state=bench.seed)
    return list(splitter.split(rows.X, rows.cells))


def answer(bench, part, learner, target):
    """Predict "y" or "groups" out of fold, and train a model of them on all rows."""
    rows, model = bench.rows(part), bench.learner(learner)
    codes = getattr(rows, target)
    proba = cross_val_predict(
        model, rows.X, codes, cv=split(bench, rows), method="predict_proba"
    )
    return proba, model.fit(rows.X, codes)


class Answered(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose input is what another one has answered."""

    def fit(self, X, y):
        """Learn nothing; without this method it would be no estimator."""
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict_proba(self, X):
        """Repeat the answers."""
        return np.asarray(X)


def post_process(bench, part, learner, notion, dial):
    """Give each group thresholds of its own, found on answers out of fold."""
    from fairlearn.postprocessing import ThresholdOptimizer

    rows, kind = bench.rows(part), NOTIONS[notion]
    proba, model = bench.once(answer, part, learner, "y")
    optimizer = ThresholdOptimizer(
        estimator=Answered(),
        constraints="equalized_odds" if kind == "average_odds" else kind,
        prefit=True,
        predict_method="predict_proba",
    ).fit(proba, rows.y, sensitive_features=rows.groups)
    return lambda rows: optimizer.predict(
        model.predict_proba(rows.X),
        sensitive_features=rows.groups,
        random_state=bench.seed,
    )


def infer_groups(bench, part, learner, notion, dial):
    """Give each inferred group a threshold; the dial is the bound of the gap."""
    from oxonfair import DataDict, FairPredictor
    from oxonfair import group_metrics as gm

    rows = bench.rows(part)
    proba, model = bench.once(answer, part, learner, "y")
    membership, group_model = bench.once(answer, part, learner, "groups")
    known = DataDict(rows.y, np.hstack([proba, membership]), rows.groups)
    # It adds to what the first function returns in place.
    predictor = FairPredictor(
        lambda X: X[:, :2].copy(), known, inferred_groups=lambda X: X[:, 2:]
    )
    gap = gm.equalized_odds if notion == "average odds" else gm.demographic_parity
    predictor.fit(gm.accuracy, gap, dial)

    def decide(rows):
        models = model, group_model
        return predictor.predict(np.hstack([m.predict_proba(rows.X) for m in models]))

    return decide


def tell_cells(bench, part, learner):
    """Let base and cells answer out of fold, and train both on all rows."""
    rows, estimator = bench.rows(part), bench.learner(learner)
    answers = answer_out_of_fold(estimator, *rows, split(bench, rows), bench.seed)
    clf = BackdoorDebiasClassifier(
        estimator, trigger_strength=0.0, random_state=bench.seed
    ).fit(rows.X, rows.y, sensitive_features=rows.groups)
    return answers.cells.reshape(-1, 2, 2), clf.student_


def decide_by_parity(multipliers, cells, y, groups):
    """Decide as is optimal for demographic parity where the group may not be seen.

    Predict 1 where p(1|x) - 1/2 exceeds a multiplier times P(1|x) / P(1) - P(0|x) / P(0),
    chances of the groups; `cells`, `y` and `groups` as for `apply_multipliers`.
    """
    shares, chances = np.bincount(groups) / len(groups), cells.sum(axis=1)
    bracket = chances[:, 1] / shares[1] - chances[:, 0] / shares[0]
    return cells[:, 1].sum(axis=1) - 0.5 > multipliers[:, None] * bracket


def parity_front(cells, y, groups):
    """Judge the rule of `decide_by_parity` at all multipliers."""
    decided = decide_by_parity(PARITY_MULTIPLIERS, cells, y, groups)
    rates = [decided[:, groups == g].mean(axis=1) for g in (0, 1)]
    accuracy = (decided == y).mean(axis=1)
    return accuracy, np.abs(rates[1] - rates[0]), PARITY_MULTIPLIERS


def find_front(bench, part, learner, notion):
    """Find multipliers of the optimal rule, and their figures, on answers out of fold."""
    rows, (cells, _) = bench.rows(part), bench.once(tell_cells, part, learner)
    if notion == "average odds":
        return closed_form_front(cells, rows.y, rows.groups, return_multipliers=True)
    return parity_front(cells, rows.y, rows.groups)


def plug_in(bench, part, learner, notion, dial):
    """Decide by the optimal rule; the dial is the price of a gap in points of accuracy."""
    known, (_, student) = bench.rows(part), bench.once(tell_cells, part, learner)
    accuracy, disparity, multipliers = bench.once(find_front, part, learner, notion)
    best = int(np.argmax(accuracy - dial * disparity))
    apply = apply_multipliers if notion == "average odds" else decide_by_parity

    def decide(rows):
        cells = student.answer(student.transform(rows.X)).cells.reshape(-1, 2, 2)
        return apply(multipliers[[best]], cells, known.y, known.groups)[0]

    return decide


def list_methods():
    """List all methods, in the order of the tables."""
    fairlearn = {"package": "fairlearn"}
    methods = [Method("plain", each, decide_plainly, notions=(ANY,)) for each in ALL]
    methods += [Method("sklearn_bade", each, debias) for each in ALL]
    methods += [Method("strength 0", each, keep_control, notions=(ANY,)) for each in ALL]
    methods += [Method("reweighing", each, reweigh, notions=(ANY,)) for each in ALL]
    methods += [
        Method("balanced resampling", each, balance, notions=(ANY,))
        for each in ("logistic", "boosting")
    ]
    return methods + [
        Method("ExponentiatedGradient", "logistic", reduce, BOUNDS, **fairlearn),
        Method("AdversarialFairness", "network", oppose, ADVERSARY_FACTORS, **fairlearn),
        Method("fairret", "network", regularize, STRENGTHS, package="fairret"),
        Method("OxonFair", "boosting", infer_groups, BOUNDS, package="oxonfair"),
        Method("plug-in rule", "boosting", plug_in, PRICES, takes_many_groups=False),
        Method(
            "ThresholdOptimizer",
            "boosting",
            post_process,
            needs_attribute=True,
            **fairlearn,
        ),
        Method("ExponentiatedGradient", "boosting", reduce, FEW_BOUNDS, **fairlearn),
    ]
