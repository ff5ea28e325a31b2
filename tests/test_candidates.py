"""Where a search looks for strengths, and what it finds."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers import make_opposite_gaps, make_rows
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from sklearn.tree import DecisionTreeClassifier

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade._candidates import (
    GREATEST_TRIED,
    GREATEST_UNIT,
    GRID,
    GROWTH,
    MAX_CANDIDATES,
    USUAL_REACH,
    Candidate,
    find_candidates,
    judge_grid,
    weakest_of_equals,
)
from sklearn_bade._outcomes import ChoiceRule
from sklearn_bade._reversal import check_strength
from sklearn_bade._rules import GivenRule

EXACT = LogisticRegression(solver="newton-cholesky", tol=1e-6)
INTERACTING = make_pipeline(PolynomialFeatures(2, include_bias=False), EXACT)
faint = pytest.mark.filterwarnings(
    "ignore::sklearn_bade.exceptions.FaintSignalWarning"  # no feature tells the group
)


class FakeJudge:
    """Judge strengths by formulas, and remember what was asked."""

    score = None

    def __init__(self, accuracy, disparity, reach=1.0):
        self.accuracy, self.disparity = accuracy, disparity
        self.path = SimpleNamespace(reach=reach)
        self.asked = []

    def __call__(self, strength, base_rate):
        if np.ndim(strength):
            strength = tuple(float(each) for each in strength)
        self.asked.append(strength)
        w = np.array(strength)
        figures = self.accuracy(w), self.disparity(w)
        return Candidate(strength, base_rate, (0.0, 0.0), *map(float, figures), np.nan)


class LeastDisparate:
    """What chooses here where nothing keeps a bound."""

    def more(self, judge, candidates):
        return []

    def choose_anyway(self, candidates):
        return int(np.nanargmin([candidate.disparity for candidate in candidates]))


def find(judge, rule=None, base_rates=("keep",), n_classes=2, per_class=False):
    rule = GivenRule(rule or ChoiceRule(disparity_weight=1.0), LeastDisparate())
    found = find_candidates(judge, rule, list(base_rates), n_classes, per_class=per_class)
    return found, found[weakest_of_equals(rule.choose)(found)]


def line_towards(target, scale=1.0):
    """Make a problem of which the best single strength is known."""
    return FakeJudge(
        lambda w: 0.8 - 1e-6 * np.abs(w).max(),
        lambda w: 0.5 * np.tanh(np.abs(w - target).max() / scale / 10),
    )


class TestLine:
    @pytest.mark.parametrize("target", [-1.3, -0.1, 0.0, 0.07, 0.9, 2.4])
    def test_the_grid_is_refined_around_the_best(self, target):
        found, best = find(line_towards(target))
        strengths = np.array([candidate.strength for candidate in found])
        assert set(GRID) <= set(strengths)
        assert (np.diff(strengths) > 0).all()
        assert abs(best.strength - target) < 0.07

    @pytest.mark.parametrize("target", [-40.0, -2.9, 3.2, 8.0, 70.0])
    def test_it_is_extended_while_the_best_stands_at_its_end(self, target):
        found, best = find(line_towards(target))
        assert abs(best.strength - target) < 0.1 * abs(target)
        others = [c.strength for c in found if c.strength * target < 0]
        assert set(others) < set(GRID)

    @pytest.mark.parametrize("sign", [-1, 1])
    @pytest.mark.parametrize("reach", [1.0, 0.02, 1e-3, 0.0])
    def test_there_is_an_end(self, sign, reach):
        """Whatever a search finds, a classifier of that strength takes."""
        judge = FakeJudge(lambda w: 0.8, lambda w: np.exp(-sign * w / 1e5), reach=reach)
        found, best = find(judge)
        unit = min(max(1.0, USUAL_REACH / max(reach, 1e-9)), GREATEST_UNIT)
        greatest = np.abs([candidate.strength for candidate in found]).max()
        assert 0.5 * GREATEST_TRIED < greatest / unit < GROWTH * GREATEST_TRIED
        check_strength(best.strength, 2, 2)

    def test_the_grid_is_wider_where_triggers_say_little(self):
        shown = []
        for reach in (0.5, 0.1, 0.01):
            found, _ = find(FakeJudge(lambda w: 0.8, np.abs, reach=reach))
            shown.append(np.abs([candidate.strength for candidate in found]).max())
        np.testing.assert_allclose(shown, [3, 3, 30])

    @pytest.mark.parametrize(
        "rule",
        [
            ChoiceRule(max_disparity=0.02),
            ChoiceRule(max_disparity=0.2),
            ChoiceRule(max_accuracy_loss=0.01),
            ChoiceRule(disparity_weight=1.0),
        ],
    )
    @pytest.mark.parametrize("per_class", [False, True])
    def test_where_nothing_changes_nothing_is_reversed(self, rule, per_class):
        """Of strengths that are equally good, the weakest needs no excuse."""
        judge = FakeJudge(lambda w: 0.8, lambda w: 0.1)
        _, best = find(judge, rule, base_rates=("keep", "drift"), per_class=per_class)
        assert best.strength == 0

    def test_a_gap_that_is_unknown_is_nobodys_best(self):
        judge = FakeJudge(lambda w: 0.8, lambda w: np.nan if w > 2 else 1 - w / 10)
        _, best = find(judge)
        assert 1.5 < best.strength <= 2

    def test_each_base_rate_has_a_line_of_its_own(self):
        found, _ = find(line_towards(1.0), base_rates=("keep", "drift", (0.3, 0.7)))
        names = [candidate.base_rate for candidate in found]
        assert len(set(map(names.count, names))) == 1
        assert set(names) == {"keep", "drift", (0.3, 0.7)}


def plane_towards(target):
    """Make a problem of which the best strength per class is known."""
    target = np.array(target)
    return FakeJudge(
        lambda w: 0.8 - 1e-4 * np.abs(w).max(),
        lambda w: 0.4 * np.tanh(np.abs(w - target).mean() / 5),
    )


class TestClasses:
    @pytest.mark.parametrize(
        "target", [(-2.2, 1.1), (3.0, 0.0), (1.5, 1.5), (-7.0, 12.0), (1.0, -1.0, 2.0)]
    )
    def test_strengths_per_class_are_climbed_to(self, target):
        found, best = find(plane_towards(target), n_classes=len(target), per_class=True)
        if len(set(target)) > 1:
            assert isinstance(best.strength, tuple)
        distance = np.abs(np.array(best.strength) - target).max()
        assert distance <= 0.25 * max(1, np.abs(target).max() / 2)
        assert any(not isinstance(candidate.strength, tuple) for candidate in found)

    def test_only_the_front_is_shown(self):
        found, _ = find(plane_towards((-2.0, 1.0)), per_class=True)
        front = [each for each in found if isinstance(each.strength, tuple)]
        for one in front:
            assert not any(
                other.accuracy >= one.accuracy and other.disparity < one.disparity
                for other in front
            )

    def test_one_strength_for_all_if_nothing_else_was_asked_for(self):
        found, _ = find(plane_towards((-2.0, 1.0)))
        assert all(not isinstance(candidate.strength, tuple) for candidate in found)

    def test_there_is_an_end(self):
        judge = FakeJudge(lambda w: 0.8, lambda w: np.exp(-(w * [1, -1]).sum() / 1e4))
        find(judge, per_class=True)
        assert np.abs([np.ravel(w).max() for w in judge.asked]).max() <= 200
        assert len(judge.asked) < 3000


class TestGivenStrengths:
    def test_all_pairs(self):
        judge = line_towards(1.0)
        strengths = np.array([0.0, 1.0, -1.0])
        found = judge_grid(judge, strengths, ["keep", "drift"], 2, per_class=True)
        assert len(found) == 9 * 2
        assert {c.strength for c in found} >= {(0.0, 0.0), (-1.0, 1.0)}

    def test_too_many_are_refused(self):
        strengths = np.arange(float(MAX_CANDIDATES))
        with pytest.raises(ValueError, match="give fewer trigger_strengths"):
            judge_grid(line_towards(1.0), strengths, ["keep"], 2, per_class=True)


def search(classifier=EXACT, **settings):
    settings = {"cv": 3, "random_state": 0, **settings}
    return BackdoorDebiasClassifierCV(classifier, **settings)


def figures(clf):
    """Look up odd and accuracy out of folds, of strength 0 and of the choice."""
    results = clf.cv_results_
    strengths = [params["trigger_strength"] for params in results["params"]]
    shown = [strengths.index(0.0), clf.best_index_]
    gaps, accuracies = (
        results[key][shown] for key in ("pooled_test_disparity", "mean_test_accuracy")
    )
    return gaps, accuracies, strengths


def check_refit(clf, classifier, X, y, groups):
    """Check that the chosen parameters, fitted alike, predict the same bits."""
    settings = {"random_state": clf.random_state, **clf.best_params_}
    again = BackdoorDebiasClassifier(clone(classifier), **settings)
    again.fit(X, y, sensitive_features=groups)
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


class TestSearch:
    @faint
    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_gaps_of_opposite_sign(self, seed):
        X, y, groups = make_opposite_gaps(4000, seed)
        clf = search(INTERACTING, disparity_weight=1.0)
        clf.fit(X, y, sensitive_features=groups)
        gaps, accuracies, strengths = figures(clf)
        assert gaps[1] <= 0.6 * gaps[0]
        assert accuracies[1] >= accuracies[0] - 0.015
        assert isinstance(clf.best_strength_, tuple)
        pairs = [strength for strength in strengths if isinstance(strength, tuple)]
        assert any(min(pair) < 0 < max(pair) for pair in pairs)

    @faint
    def test_strengths_of_opposite_sign_are_chosen_and_predict(self):
        X, y, groups = make_opposite_gaps(4000, 0)
        clf = search(INTERACTING, disparity_weight=1.0)
        clf.fit(X, y, sensitive_features=groups)
        assert min(clf.best_strength_) < 0 < max(clf.best_strength_)
        check_refit(clf, INTERACTING, X, y, groups)

    @faint
    def test_what_was_chosen_holds_for_new_rows(self):
        X, y, groups = make_opposite_gaps(4000, 0)
        X_new, y_new, groups_new = make_opposite_gaps(20_000, 100)
        clf = search(INTERACTING, disparity_weight=1.0)
        clf.fit(X, y, sensitive_features=groups)

        def odd(model):
            predicted = model.predict(X_new)
            rates = [
                [predicted[(y_new == k) & (groups_new == g)].mean() for g in (0, 1)]
                for k in (0, 1)
            ]
            return np.abs(np.diff(rates)).mean()

        assert odd(clf) < 0.6 * odd(clf.with_strength(0.0))

    @pytest.mark.parametrize("seed", [0, 1])
    def test_features_that_say_little_of_the_group_need_more_than_three(self, seed):
        X, y, groups = self.hardly_told_apart(seed)
        clf = search(max_disparity=0.02, per_class=False, base_rates=["keep"])
        clf.fit(X, y, sensitive_features=groups)
        gaps, _, strengths = figures(clf)
        assert clf.best_strength_ > 3
        assert max(strengths) > clf.best_strength_
        assert gaps[1] <= 0.02 < gaps[0]

    def hardly_told_apart(self, seed):
        rng = np.random.RandomState(seed)
        groups = rng.randint(2, size=3000)
        X = rng.normal(size=(3000, 3))
        X[:, 0] += 0.8 * groups
        score = X[:, 0] + X[:, 1] + 0.5 * groups + rng.normal(size=3000)
        return X, (score > 0.5).astype(int), groups

    def test_one_strength_for_all_if_that_is_asked_for(self):
        X, y, groups = make_rows(1000)
        clf = search(max_accuracy_loss=0.05, per_class=False)
        clf.fit(X, y, sensitive_features=groups)
        _, _, strengths = figures(clf)
        assert all(isinstance(strength, float) for strength in strengths)
        assert isinstance(clf.best_strength_, float)
        assert clf.cv_results_["param_trigger_strength"].dtype == float

    @pytest.mark.parametrize("seed", [0, 1])
    def test_one_strength_for_all_where_it_does(self, seed):
        X, y, groups = make_rows(2000, seed=seed)
        clf = search(max_accuracy_loss=0.05).fit(X, y, sensitive_features=groups)
        gaps, _, strengths = figures(clf)
        assert any(isinstance(strength, tuple) for strength in strengths)
        assert isinstance(clf.best_strength_, float)
        assert gaps[1] < 0.5 * gaps[0]

    @pytest.mark.parametrize("classifier", [EXACT, GaussianNB()])
    @pytest.mark.parametrize("per_class", [True, "auto"])
    def test_the_choice_fitted_alike_predicts_the_same_bits(self, classifier, per_class):
        X, y, groups = make_rows(500)
        clf = search(classifier, max_accuracy_loss=0.03, per_class=per_class)
        clf.fit(X, y, sensitive_features=groups)
        check_refit(clf, classifier, X, y, groups)

    def test_three_classes_and_groups(self):
        X, y, groups = make_rows(600, n_classes=3, n_groups=3)
        clf = search(GaussianNB(), cv=2, disparity_weight=1.0)
        clf.fit(X, y, sensitive_features=groups)
        gaps, accuracies, _ = figures(clf)
        assert accuracies[1] - gaps[1] > accuracies[0] - gaps[0]
        check_refit(clf, GaussianNB(), X, y, groups)

    def test_siblings_of_the_choice(self):
        X, y, groups = make_rows(500)
        clf = search(max_accuracy_loss=0.03).fit(X, y, sensitive_features=groups)
        before = clf.predict_proba(X)
        plain = clone(EXACT).fit(X, y).predict_proba(X)
        np.testing.assert_array_equal(clf.with_strength(0).predict_proba(X), plain)
        base_rate = clf.best_params_["base_rate"]
        again = clf.with_strength(clf.best_strength_)
        np.testing.assert_allclose(again.predict_proba(X), before)
        assert again.base_rate == base_rate
        assert clf.with_strength(1.0, base_rate="drift").base_rate == "drift"
        np.testing.assert_array_equal(clf.predict_proba(X), before)
        with pytest.raises(ValueError, match="one per class"):
            clf.with_strength([1.0, 2.0, 3.0])

    def test_every_candidate_can_be_had_without_training(self):
        """Siblings decide as the table says they did, on the rows of all folds."""
        X, y, groups = make_rows(500)
        clf = search(max_accuracy_loss=0.03).fit(X, y, sensitive_features=groups)
        for params in clf.cv_results_["params"][::9]:
            strength, base_rate = params["trigger_strength"], params["base_rate"]
            if np.any(strength) and (np.array(strength) <= 0).all():
                continue  # a warning would say that it widens gaps
            sibling = clf.with_strength(strength, base_rate=base_rate)
            np.testing.assert_allclose(sibling.student_.offset, params["offset"])

    @faint
    @pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.UnreachedBoundWarning")
    @pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.WeakTriggerWarning")
    @pytest.mark.parametrize("rule", [{"max_disparity": 0.02}, {"disparity_weight": 1.0}])
    def test_groups_as_frequent_in_each_class_leave_nothing_to_reverse(self, rule):
        """Triggers then say nothing, and all strengths are one."""
        rng = np.random.RandomState(0)
        y, groups = np.tile([0, 1], 200), np.repeat([0, 1], 200)
        X = rng.normal(size=(400, 3)) + np.column_stack([y, 2 * groups, 0 * y])
        clf = search(cv=2, **rule).fit(X, y, sensitive_features=groups)
        assert clf.best_strength_ == 0

    @pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.CostlyGapWarning")
    def test_decisions_that_never_change_are_those_of_strength_zero(self):
        X, y, groups = make_rows(300)
        X = (X[:, :1] > 0.5).astype(float)
        tree = DecisionTreeClassifier(max_depth=1)
        clf = search(tree, cv=2, per_class=False, trigger_strengths=[-1e-3, 0.0, 1e-3])
        clf.fit(X, y, sensitive_features=groups)
        assert clf.best_strength_ == 0

    @pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.DebiasWarning")
    def test_three_classes_and_few_different_rows(self):
        """Offsets of great strengths are sought there among a handful of answers."""
        rng = np.random.RandomState(4)
        groups = rng.randint(2, size=400)
        told = rng.uniform(size=400) < np.where(groups, 0.6, 0.4)
        X = np.column_stack([told, rng.uniform(size=400) < 0.5]).astype(float)
        score = X.sum(axis=1) + 0.7 * groups + rng.normal(size=400)
        y = np.clip(score.round().astype(int), 0, 2)
        clf = search(GaussianNB(), cv=2).fit(X, y, sensitive_features=groups)
        assert all(np.isfinite(p["offset"]).all() for p in clf.cv_results_["params"])
