"""Who is chosen, what that costs at most, and what is said of it."""

import re
import warnings
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import make_opposite_gaps, make_rows
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from sklearn_bade import BackdoorDebiasClassifierCV
from sklearn_bade._candidates import Candidate
from sklearn_bade._outcomes import DISPARITIES, ChoiceRule, Outcomes
from sklearn_bade._rules import (
    LEAST_P_VALUE,
    LEAST_RECALL_KEPT,
    MOST_ACCURACY_PAID,
    PARTS_OF_A_PROMISE,
    SKETCH_ERROR,
    CautiousRule,
    GivenRule,
    MostAccurateRule,
    PromiseRule,
    RecallRule,
    ScoreRule,
    share_at_floor,
)
from sklearn_bade._uncertainty import equality_p_value, expected_disparity, upper_limit
from sklearn_bade.exceptions import (
    CostlyGapWarning,
    FewRowsWarning,
    UndefinedDisparityWarning,
    UnreachedBoundWarning,
)
from sklearn_bade.metrics import average_absolute_odds_difference

EXACT = LogisticRegression(solver="newton-cholesky", tol=1e-6)
INTERACTING = make_pipeline(PolynomialFeatures(2, include_bias=False), EXACT)
faint = pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.FaintSignalWarning")
costly = pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.CostlyGapWarning")
unreached = pytest.mark.filterwarnings(
    "ignore::sklearn_bade.exceptions.UnreachedBoundWarning"
)


def make_candidate(
    strength=1.0, tpr=(0.8, 0.8), fpr=(0.2, 0.2), n=200, base_rate="keep", **figures
):
    """Make a candidate that decided so in two or more groups of n rows of each class."""
    counts = np.array([[[1 - f, f], [1 - t, t]] for t, f in zip(tpr, fpr)]) * n
    outcomes = Outcomes(counts.round().astype(int))
    hits = outcomes.counts.sum(axis=0).diagonal()
    recalls = hits / outcomes.counts.sum(axis=(0, 2))
    found = Candidate(
        strength,
        base_rate,
        (0.0, 0.0),
        hits.sum() / outcomes.counts.sum(),
        outcomes.disparity("average_odds"),
        np.nan,
        recalls,
        outcomes,
    )
    return found._replace(**figures)


UNFAIR = make_candidate(0.0, tpr=(0.9, 0.7), fpr=(0.1, 0.3))


def make_cautious(control=UNFAIR, n=200, disparity="average_odds"):
    n_rows = len(control.outcomes.counts) * n
    return CautiousRule(control, np.array([n_rows, n_rows]), disparity)


def search(classifier=None, **settings):
    settings = {"cv": 3, "random_state": 0, "per_class": False, **settings}
    return BackdoorDebiasClassifierCV(classifier or GaussianNB(), **settings)


def row(clf, model):
    """Look up a model in the comparison."""
    position = clf.comparison_["model"].tolist().index(model)
    return {name: column[position] for name, column in clf.comparison_.items()}


def odds(y_true, y_pred, *, sensitive_features):
    return average_absolute_odds_difference(
        y_true, y_pred, sensitive_features=sensitive_features
    )


class TestScoreRule:
    def test_the_greatest_score_is_chosen_and_never_nan(self):
        candidates = [make_candidate(score=score) for score in (0.2, np.nan, 0.7, 0.7)]
        assert ScoreRule().choose(candidates) == 2

    def test_accuracy_and_disparity_are_not_asked(self):
        poor = make_candidate(tpr=(0.5, 0.1), score=0.9)
        assert ScoreRule().choose([make_candidate(score=0.8), poor]) == 1


def test_the_most_accurate_where_no_gap_is_known():
    accuracies = [0.7, 0.9, 0.8]
    candidates = [make_candidate(accuracy=a, disparity=np.nan) for a in accuracies]
    assert MostAccurateRule().choose(candidates) == 1


class TestCautiousRule:
    def test_what_is_within_noise_of_fair_is_left_alone(self):
        control = make_candidate(0.0, tpr=(0.8, 0.78), fpr=(0.2, 0.22))
        better = make_candidate(1.0, accuracy=0.99)
        rule = make_cautious(control)
        assert rule.is_fair_already
        assert rule.choose([better, control]) == 1
        assert rule.choose_anyway([better, control]) == 0

    def test_what_is_no_noise_is_not(self):
        rule = make_cautious()
        assert equality_p_value(UNFAIR.outcomes, "average_odds") < LEAST_P_VALUE
        assert rule.choose([UNFAIR, make_candidate(1.0)]) == 1

    def test_without_strength_zero_the_weakest_is_left_alone(self):
        rule = make_cautious(make_candidate(0.0))
        strengths = [2.0, (-0.5, 1.0), (0.5, 0.5), -1.5]
        assert rule.choose([make_candidate(w) for w in strengths]) == 2

    def test_the_greatest_accuracy_minus_expected_gap(self):
        rng = np.random.RandomState(0)
        pairs = 0.8 + rng.uniform(-0.05, 0.05, size=(40, 2, 2))
        candidates = [
            make_candidate(float(i), tpr=tpr, fpr=1 - fpr)
            for i, (tpr, fpr) in enumerate(pairs, start=1)
        ]
        worth = [
            c.accuracy - expected_disparity(c.outcomes, "average_odds")
            if c.accuracy >= UNFAIR.accuracy - MOST_ACCURACY_PAID
            else -np.inf
            for c in candidates
        ]
        assert make_cautious().choose(candidates) == np.argmax(worth)

    @pytest.mark.parametrize(("paid", "chosen"), [(0.019, 1), (0.021, 0)])
    def test_no_more_is_paid_than_the_limit(self, paid, chosen):
        perfect = make_candidate(1.0, accuracy=UNFAIR.accuracy - paid)
        assert make_cautious().choose([UNFAIR, perfect]) == chosen

    @pytest.mark.parametrize("share", [0.3, 0.55, 0.6, 0.63, 0.7, 0.9])
    @pytest.mark.parametrize("n", [30, 20_000])
    @pytest.mark.parametrize("k", [0, 1])
    def test_the_recall_of_each_class_is_kept_by_more_than_its_noise(self, share, n, k):
        recalls = UNFAIR.recalls.copy()
        recalls[k] = kept = share * recalls[k]
        rule = make_cautious(n=n)
        noise = 2 * np.sqrt(kept * (1 - kept) / (2 * n))
        is_kept = kept - noise >= LEAST_RECALL_KEPT * UNFAIR.recalls[k]
        candidate = make_candidate(1.0, recalls=recalls)
        assert rule.keeps_recall(candidate) == is_kept
        assert rule.choose([UNFAIR, candidate]) == int(is_kept)

    def test_a_class_that_strength_zero_never_names_cannot_be_kept(self):
        control = UNFAIR._replace(recalls=np.array([1.0, 0.0]))
        candidate = make_candidate(1.0, recalls=np.array([0.9, 0.0]))
        assert make_cautious(control).keeps_recall(candidate)

    def test_strength_zero_is_always_affordable_but_not_at_another_base_rate(self):
        rule = make_cautious(n=10)
        few = UNFAIR._replace(recalls=np.array([0.05, 0.9]))
        assert rule.is_affordable(few)
        moved = few._replace(base_rate=(0.6, 0.4), offset=(0.1, -0.1))
        assert not rule.is_affordable(moved)

    def test_if_nothing_is_affordable_the_most_accurate_is_taken(self):
        candidates = [make_candidate(w, accuracy=a) for w, a in ((1.0, 0.5), (2.0, 0.6))]
        assert make_cautious().choose(candidates) == 1

    def test_a_gap_of_the_users_own_is_taken_as_it_is(self):
        rule = make_cautious(disparity=odds)
        assert np.isnan(rule.p_value)
        assert not rule.is_fair_already
        narrow = make_candidate(1.0, tpr=(0.9, 0.1), disparity=0.0, accuracy=0.79)
        recalls = narrow._replace(recalls=UNFAIR.recalls)
        assert rule.gap(recalls) == 0
        assert rule.choose([UNFAIR, recalls]) == 1

    def test_a_gap_of_nan_is_never_chosen(self):
        rule = make_cautious(disparity=odds)
        unknown = make_candidate(1.0, accuracy=0.99, disparity=np.nan)
        assert rule.choose([unknown, UNFAIR]) == 1

    def test_nothing_is_said_where_at_most_half_the_gap_is_left(self):
        half = make_candidate(1.0, tpr=(0.85, 0.75), fpr=(0.15, 0.25))
        make_cautious().warn(half, [UNFAIR, half])

    def test_nothing_is_said_of_noise(self):
        left = UNFAIR._replace(outcomes=make_candidate().outcomes)
        make_cautious().warn(left, [UNFAIR, left])

    def test_what_is_left_is_said_and_what_half_of_it_costs(self):
        dear, dearer = (
            make_candidate(w, tpr=(0.75, 0.7), fpr=(0.25, 0.3), accuracy=accuracy)
            for w, accuracy in ((2.0, 0.725), (3.0, 0.71))
        )
        with pytest.warns(CostlyGapWarning) as said:
            make_cautious().warn(UNFAIR, [UNFAIR, dear, dearer])
        assert re.search(
            r"A gap of 0\.200 \(average_odds\) is left, of 0\.200 at strength 0\. Half of "
            r"it \(0\.050\) has an accuracy of 0\.725 \(.*strength 0 0\.800\).* least "
            r"recall of a class of 0\.725 \(.*strength 0 0\.800\).*disparity=0\.051?\.$",
            str(said[0].message),
        )

    def test_the_least_is_named_where_nothing_halves_the_gap(self):
        best = make_candidate(1.0, tpr=(0.85, 0.7), fpr=(0.15, 0.3))
        with pytest.warns(CostlyGapWarning, match=r"The least that was found \(0\.150\)"):
            make_cautious().warn(UNFAIR, [UNFAIR, best])

    def test_what_is_hardly_less_is_no_remedy(self):
        best = make_candidate(1.0, tpr=(0.85, 0.7), fpr=(0.15, 0.3))
        with pytest.warns(CostlyGapWarning, match=r"found is 0\.150, hardly less\.$"):
            make_cautious().warn(best, [UNFAIR, best])

    def test_it_is_said_that_nothing_narrows_the_gap(self):
        wider = make_candidate(1.0, tpr=(0.9, 0.6), fpr=(0.1, 0.4))
        with pytest.warns(CostlyGapWarning, match="No strength that was tried narrows it"):
            make_cautious().warn(UNFAIR, [UNFAIR, wider])


class TestDefaultRule:
    @faint
    def test_fair_tables_are_left_alone_though_something_else_tempts(self):
        """One in a hundred would be moved by chance; about as many tempt as not."""
        tempting = 0
        for seed in range(16):
            rng = np.random.RandomState(seed)
            X, groups = rng.normal(size=(400, 3)), rng.randint(2, size=400)
            y = (X[:, 0] + rng.normal(size=400) > 0).astype(int)
            clf = search(trigger_strengths=[-1.0, 0.0, 1.0, 4.0], per_class=True, cv=2)
            clf.fit(X, y, sensitive_features=groups)
            assert not np.any(clf.best_strength_)
            least, control = row(clf, "least disparate"), row(clf, "strength 0")
            worth = [each["accuracy"] - each["disparity"] for each in (least, control)]
            tempting += worth[0] > worth[1] + 0.01
        assert tempting >= 4

    @costly
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("pull", [1.0, 3.0])
    def test_it_narrows_the_gap_and_keeps_its_budget(self, seed, pull):
        rng = np.random.RandomState(seed)
        groups = rng.randint(2, size=900)
        X = rng.normal(size=(900, 3)) + pull * groups[:, None] * [1, 0, 0]
        y = (X[:, 0] + X[:, 1] + rng.normal(size=900) > 1 + pull / 2).astype(int)
        clf = search().fit(X, y, sensitive_features=groups)
        control, chosen = row(clf, "strength 0"), row(clf, "chosen")
        assert chosen["disparity"] < control["disparity"]
        assert chosen["accuracy"] >= control["accuracy"] - MOST_ACCURACY_PAID - 1e-12
        assert chosen["least_recall"] >= LEAST_RECALL_KEPT * control["least_recall"]

    @costly
    @pytest.mark.parametrize("seed", range(3))
    def test_a_rare_class_is_not_given_up_though_that_would_be_fair(self, seed):
        rng = np.random.RandomState(seed)
        groups = rng.randint(2, size=1500)
        X = rng.normal(size=(1500, 3)) + groups[:, None] * [1.5, 0, 0]
        y = (X[:, 0] + X[:, 1] + rng.normal(size=1500) > 3).astype(int)
        clf = search(base_rates=["keep", (0.99, 0.01)]).fit(X, y, sensitive_features=groups)
        control, chosen, least = (
            row(clf, model)["least_recall"]
            for model in ("strength 0", "chosen", "least disparate")
        )
        assert least < LEAST_RECALL_KEPT * control <= chosen

    def test_a_disparity_of_the_users_own(self):
        X, y, groups = make_rows(600)
        clf = search(disparity=odds).fit(X, y, sensitive_features=groups)
        control, chosen = row(clf, "strength 0"), row(clf, "chosen")
        assert chosen["disparity"] < 0.5 * control["disparity"]
        assert chosen["accuracy"] >= control["accuracy"] - MOST_ACCURACY_PAID - 1e-12
        worth = chosen["accuracy"] - chosen["disparity"]
        assert worth >= control["accuracy"] - control["disparity"]

    def test_a_grid_without_strength_zero(self):
        """What was paid is still told beside strength 0, and that it is too much."""
        X, y, groups = make_rows(600)
        clf = search(trigger_strengths=[2.0, 5.0])
        with pytest.warns(CostlyGapWarning, match="No candidate keeps the limits.*add 0"):
            clf.fit(X, y, sensitive_features=groups)
        assert clf.best_strength_ in (2.0, 5.0)
        assert 0.0 not in clf.cv_results_["param_trigger_strength"]
        chosen = row(clf, "chosen")["disparity"]
        assert chosen < row(clf, "strength 0")["disparity"]

    @pytest.mark.parametrize("base_rates", [["drift"], [(0.6, 0.4)], [(0.6, 0.4), "drift"]])
    @pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.CostlyGapWarning")
    def test_strength_zero_is_the_plain_classifier_whatever_rates_are_tried(
        self, base_rates
    ):
        X, y, groups = make_rows(600)
        clf = search(base_rates=base_rates).fit(X, y, sensitive_features=groups)
        control, chosen = row(clf, "strength 0"), row(clf, "chosen")
        assert control["base_rate"] == "keep"
        for column in ("accuracy", "disparity", "least_recall"):
            assert control[column] == row(clf, "plain")[column]
        assert chosen["base_rate"] in base_rates

    @pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.CostlyGapWarning")
    def test_the_order_of_base_rates_does_not_matter(self):
        X, y, groups = make_rows(600)
        rates = ["keep", (0.3, 0.7)]
        one, two = (
            search(base_rates=given).fit(X, y, sensitive_features=groups)
            for given in (rates, rates[::-1])
        )
        assert one.best_params_ == two.best_params_

    def test_without_a_gap_to_judge_by_accuracy_is_all_there_is(self):
        X, y, groups = make_rows(300)
        y[groups == 1] = 0
        clf = search(disparity="equal_opportunity", base_rates=["keep"])
        with (
            pytest.warns(UndefinedDisparityWarning, match="most accurate candidate"),
            pytest.warns(FewRowsWarning),
        ):
            clf.fit(X, y, sensitive_features=groups)
        accuracy = clf.cv_results_["mean_test_accuracy"]
        assert accuracy[clf.best_index_] == pytest.approx(accuracy.max())
        assert np.isnan(row(clf, "chosen")["disparity"])

    @faint
    def test_a_gap_that_is_left_is_said_and_the_advice_can_be_followed(self):
        """Classes that differ by nothing but what tells the group."""
        rng = np.random.RandomState(0)
        groups = rng.randint(2, size=1500)
        y = (rng.uniform(size=1500) < np.where(groups, 0.8, 0.2)).astype(int)
        X = np.column_stack([groups + 0.5 * rng.normal(size=1500), rng.normal(size=1500)])
        with pytest.warns(CostlyGapWarning) as said:
            clf = search().fit(X, y, sensitive_features=groups)
        message = str(said[0].message)
        chosen, control = row(clf, "chosen"), row(clf, "strength 0")
        assert f"A gap of {chosen['disparity']:.3f} (average_odds) is left" in message
        assert f"of {control['disparity']:.3f} at strength 0" in message
        assert f"strength 0 {control['accuracy']:.3f}" in message
        bound = float(re.search(r"max_disparity=([\d.]+\d)\.$", message).group(1))
        followed = search(max_disparity=bound).fit(X, y, sensitive_features=groups)
        assert row(followed, "chosen")["disparity"] <= bound < chosen["disparity"]
        promised = re.search(r"has an accuracy of ([\d.]+\d) ", message).group(1)
        assert row(followed, "chosen")["accuracy"] >= float(promised) - 5e-4


class TestGivenRule:
    def test_a_bound_that_somebody_keeps_needs_no_second_thought(self):
        given = GivenRule(ChoiceRule(max_disparity=0.05), make_cautious())
        cheap = make_candidate(1.0, tpr=(0.6, 0.6), fpr=(0.4, 0.4))
        candidates = [UNFAIR, cheap, make_candidate(2.0, tpr=(0.7, 0.7), fpr=(0.4, 0.4))]
        assert given.choose(candidates) == 2
        given.warn(candidates[2], candidates)

    def test_a_bound_that_nobody_keeps_is_left_to_the_default_rule(self):
        given = GivenRule(ChoiceRule(max_disparity=0.001), make_cautious())
        dear = make_candidate(2.0, tpr=(0.5, 0.49), fpr=(0.5, 0.49))
        worthy = make_candidate(1.0, tpr=(0.83, 0.78), fpr=(0.17, 0.22))
        candidates = [UNFAIR, dear, worthy]
        assert given.choose(candidates) == 2
        with pytest.warns(UnreachedBoundWarning) as said:
            given.warn(worthy, candidates)
        assert re.search(
            r"at most 0\.001\. The least that was found, 0\.0100, has an accuracy of "
            r"0\.5000, where strength 0 has 0\.8000\..* was chosen: disparity 0\.0500, "
            r"accuracy 0\.8050\..*use max_disparity=0\.01(01)?\.$",
            str(said[0].message),
        )

    def test_noise_does_not_excuse_from_a_bound(self):
        """Who gives a bound wants it kept, also where strength 0 may be fair."""
        control = make_candidate(0.0, tpr=(0.8, 0.76))
        given = GivenRule(ChoiceRule(max_disparity=0.0), make_cautious(control))
        assert given.cautious.is_fair_already
        nearer = make_candidate(1.0, tpr=(0.8, 0.79))
        assert given.choose([control, nearer]) == 1

    @pytest.mark.parametrize(
        "rule", [{"max_accuracy_loss": 0.0}, {"disparity_weight": 9.0}]
    )
    def test_other_rules_know_no_bound(self, rule):
        given = GivenRule(ChoiceRule(**rule), make_cautious())
        given.warn(UNFAIR, [UNFAIR])
        assert given.choose([UNFAIR]) == 0

    @pytest.mark.parametrize("seed", [0, 1])
    def test_the_least_that_was_found_and_its_price_are_named(self, seed):
        X, y, groups = make_rows(500, seed=seed)
        with pytest.warns(UnreachedBoundWarning) as said:
            clf = search(max_disparity=0.0).fit(X, y, sensitive_features=groups)
        found = [float(each) for each in re.findall(r"\d\.\d{4}", str(said[0].message))]
        least, control, chosen = (
            row(clf, model) for model in ("least disparate", "strength 0", "chosen")
        )
        expected = [least["disparity"], least["accuracy"], control["accuracy"]]
        expected += [chosen["disparity"], chosen["accuracy"]]
        np.testing.assert_allclose(found[:5], expected, atol=5.1e-5)
        assert control["accuracy"] - chosen["accuracy"] <= MOST_ACCURACY_PAID + 1e-12
        bound = float(re.search(r"max_disparity=([\d.]+\d)\.$", said[0].message.args[0])[1])
        followed = search(max_disparity=bound).fit(X, y, sensitive_features=groups)
        assert row(followed, "chosen")["disparity"] <= bound <= least["disparity"] + 1e-4

    @faint
    def test_strengths_per_class_keep_bounds_that_one_for_all_does_not(self):
        X, y, groups = make_opposite_gaps(3000, 0)
        clf = search(INTERACTING, max_disparity=0.02, per_class=True, cv=2)
        clf.fit(X, y, sensitive_features=groups)
        results = clf.cv_results_
        gaps, accuracy = results["pooled_test_disparity"], results["mean_test_accuracy"]
        is_single = [isinstance(p["trigger_strength"], float) for p in results["params"]]
        assert gaps[is_single].min() > 0.02
        assert gaps[clf.best_index_] <= 0.02
        assert accuracy[clf.best_index_] == pytest.approx(accuracy[gaps <= 0.02].max())


def make_judge(y, codes, margins, weights=None):
    """Make a judge of rows whose margins do not depend on the strength."""

    class Rows:
        n_classes = 2

        def __len__(self):
            return len(y)

    rows, n_groups = Rows(), len(np.unique(codes[codes >= 0]))

    class Groups(list):
        pass

    rows.groups, rows.y, rows.weights = Groups(range(n_groups)), y, weights
    rows.groups.codes = codes
    logits = np.column_stack([np.zeros(len(y)), margins])
    path = SimpleNamespace(logits=lambda answers, strength: logits)
    return SimpleNamespace(rows=rows, path=path, answers=None)


def least_recall(y, codes, predicted, weights=None):
    """Compute the least recall of class 1 in any group, row by row."""
    weights = np.ones(len(y)) if weights is None else weights
    return min(
        weights[(y == 1) & (codes == g) & predicted].sum()
        / weights[(y == 1) & (codes == g)].sum()
        for g in np.unique(codes)
    )


def lack_of_recall(y_true, y_pred, *, sensitive_features):
    """Tell as a disparity how far the least recall of a class in a group is from 1."""
    return 1 - min(
        (y_pred == k)[(y_true == k) & (sensitive_features == g)].mean()
        for g in np.unique(sensitive_features)
        for k in (np.unique(y_true) if len(np.unique(y_true)) > 2 else [1])
    )


class TestRecallRule:
    def test_the_most_accurate_in_which_each_group_reaches_the_floor(self):
        candidates = [
            make_candidate(0.0, tpr=(0.95, 0.6), accuracy=0.9),
            make_candidate(1.0, tpr=(0.8, 0.75), accuracy=0.8),
            make_candidate(2.0, tpr=(0.75, 0.75), accuracy=0.85),
        ]
        assert RecallRule(0.75).choose(candidates) == 2
        assert RecallRule(0.6).choose(candidates) == 0

    def test_if_none_does_the_nearest_is_chosen_and_that_is_said(self):
        candidates = [
            make_candidate(0.0, tpr=(0.95, 0.6), accuracy=0.9),
            make_candidate(1.0, tpr=(0.8, 0.75), accuracy=0.8),
        ]
        rule = RecallRule(0.9)
        assert rule.choose(candidates) == 1
        with pytest.warns(UnreachedBoundWarning, match=r"at least 0\.9.* one is 0\.750"):
            rule.warn(candidates[1], candidates)

    def test_groups_without_rows_of_the_class_have_none(self):
        counts = make_candidate(tpr=(0.8, 0.7, 0.0), fpr=(0.1, 0.1, 0.1)).outcomes.counts
        counts[2, 1] = 0
        candidate = make_candidate(outcomes=Outcomes(counts))
        assert RecallRule(0.7).least(candidate) == pytest.approx(0.7)

    def test_of_three_classes_each_counts(self):
        counts = np.full((2, 3, 3), 1) + np.diag([8, 3, 18])
        candidate = make_candidate(outcomes=Outcomes(counts))
        assert RecallRule(0.5).least(candidate) == pytest.approx(4 / 6)

    @settings(max_examples=50)
    @given(st.integers(0, 10_000), st.floats(0.05, 1.0), st.booleans())
    @example(7574, 0.05000000000000001, False)  # one of twenty, but for rounding
    def test_the_share_of_rows_is_the_smallest_that_reaches_the_floor(
        self, seed, floor, weighs
    ):
        rng = np.random.RandomState(seed)
        y, codes = rng.randint(2, size=(2, 60))
        y[:4], codes[:4] = 1, [0, 1, 0, 1]
        weights = rng.randint(1, 5, size=60).astype(float) if weighs else None
        margins = rng.normal(size=60)
        share = share_at_floor(make_judge(y, codes, margins, weights), 1.0, floor)
        allowed = [
            np.average(margins >= cut, weights=weights)
            for cut in margins
            if least_recall(y, codes, margins >= cut, weights) >= floor - 1e-12
        ]
        assert share == pytest.approx(min(allowed) + SKETCH_ERROR, abs=1e-9)

    @pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.WideningStrengthWarning")
    @pytest.mark.parametrize("floor", [0.7, 0.9, 1.0])
    @pytest.mark.parametrize(
        "decision", [{}, {"threshold": 0.7}, {"cost_matrix": [[0, 3], [1, 0]]}]
    )
    def test_two_classes_reach_any_floor_on_the_pooled_rows(self, floor, decision):
        X, y, groups = make_rows(400)
        clf = search(disparity=lack_of_recall, min_recall=floor, **decision)
        clf.fit(X, y, sensitive_features=groups)
        results = clf.cv_results_
        reaches = results["pooled_test_disparity"] <= 1 - floor + 1e-9
        assert reaches[clf.best_index_]
        assert not reaches.all()
        accuracy = results["mean_test_accuracy"]
        assert clf.best_score_ == pytest.approx(accuracy[reaches].max(), abs=1e-3)

    def test_base_rates_are_tried_at_which_the_floor_is_just_reached(self):
        X, y, groups = make_rows(400)
        clf = search(disparity=lack_of_recall, min_recall=0.9, base_rates=["keep"])
        clf.fit(X, y, sensitive_features=groups)
        gaps = clf.cv_results_["pooled_test_disparity"]
        own = np.array([rate != "keep" for rate in clf.cv_results_["param_base_rate"]])
        assert own.sum() == (~own).sum()
        assert (gaps[~own] > 0.1).all()
        # A row more or less, of the hundred of each group.
        np.testing.assert_allclose(gaps[own], 0.1, atol=0.03)

    @unreached
    @pytest.mark.parametrize("weights", [None, "doubled"])
    def test_weights_are_those_of_rows(self, weights):
        X, y, groups = make_rows(400)
        weights = None if weights is None else 1.0 + (np.arange(400) % 2)
        clf = search(EXACT, min_recall=0.85, base_rates=["keep"], cv=2)
        clf.fit(X, y, sensitive_features=groups, sample_weight=weights)
        assert clf.best_params_["base_rate"] != "keep"
        predicted = clf.predict(X) == 1
        assert least_recall(y, groups, predicted, weights) > 0.8

    @pytest.mark.parametrize("floor", [0.3, 0.45])
    def test_three_classes_reach_a_floor_that_some_strength_reaches(self, floor):
        X, y, groups = make_rows(600, n_classes=3)
        clf = search(disparity=lack_of_recall, min_recall=floor, cv=2)
        clf.fit(X, y, sensitive_features=groups)
        results = clf.cv_results_
        reaches = results["pooled_test_disparity"] <= 1 - floor + 1e-9
        assert reaches[clf.best_index_]
        assert clf.best_score_ == results["mean_test_accuracy"][reaches].max()

    def test_three_classes_say_so_if_none_does(self):
        X, y, groups = make_rows(600, n_classes=3)
        clf = search(disparity=lack_of_recall, min_recall=0.95, cv=2)
        with pytest.warns(UnreachedBoundWarning) as said:
            clf.fit(X, y, sensitive_features=groups)
        gaps = clf.cv_results_["pooled_test_disparity"]
        assert gaps[clf.best_index_] == gaps.min()
        assert f"the chosen one is {1 - gaps.min():.3f}" in str(said[0].message)


class TestPromiseRule:
    def make(self, bound=0.1, confidence=0.9):
        return PromiseRule(bound, confidence, make_cautious())

    def test_fewer_rows_are_held_out_so_the_limit_lies_higher_there(self):
        candidate = make_candidate(tpr=(0.8, 0.7))
        limit = self.make().limit(candidate)
        again = upper_limit(candidate.outcomes, "average_odds", 0.9)
        ratio = (limit - candidate.disparity) / (again - candidate.disparity)
        assert ratio == pytest.approx(np.sqrt(PARTS_OF_A_PROMISE - 1))

    def test_who_gives_up_a_class_promises_nothing(self):
        nobody = make_candidate(1.0, tpr=(0.0, 0.0), fpr=(0.0, 0.0), accuracy=0.99)
        rule = self.make(bound=0.9)
        assert nobody.disparity == 0
        assert np.isneginf(rule.worth(nobody))
        assert rule.in_order([nobody, UNFAIR]) == [UNFAIR]
        assert rule.in_order([nobody]) == []

    def test_the_safest_come_first_and_only_those_that_gain_by_more_risk(self):
        gaps, accuracies = (0.0, 0.05, 0.1, 0.15), (0.8, 0.79, 0.85, 0.85)
        candidates = [
            make_candidate(float(i), tpr=(0.8, 0.8 - gap), accuracy=accuracy)
            for i, (gap, accuracy) in enumerate(zip(gaps, accuracies), start=1)
        ]
        ordered = self.make().in_order(candidates[::-1])
        assert [candidate.strength for candidate in ordered] == [1.0, 3.0]

    def test_the_order_is_one_of_limits_and_not_of_gaps(self):
        """Fewer rows make a narrower gap the less safe one."""
        few = make_candidate(1.0, tpr=(0.8, 0.8), n=15, accuracy=0.9)
        many = make_candidate(2.0, tpr=(0.8, 0.75), n=2000, accuracy=0.7)
        assert [c.strength for c in self.make().in_order([few, many])] == [2.0, 1.0]

    def test_the_most_accurate_that_should_pass_is_worth_most(self):
        rule = self.make(bound=0.2)
        safe = make_candidate(1.0, accuracy=0.8)
        bold = make_candidate(2.0, tpr=(0.8, 0.75), accuracy=0.82)
        wild = make_candidate(3.0, tpr=(0.9, 0.4), accuracy=0.9)
        assert rule.choose([safe, bold, wild]) == 1
        assert rule.worth(bold) == 0.82
        assert rule.worth(wild) < 0.9


RULES = {"max_disparity": 0.1, "max_accuracy_loss": 0.1, "disparity_weight": 1.0}
RULES["min_recall"] = 0.5


class TestCheckedRules:
    def refuse(self, message, **settings):
        X, y, groups = make_rows(60)
        clf = search(**settings)
        with pytest.raises(ValueError, match=message):
            clf.fit(X, y, sensitive_features=groups)
        assert not hasattr(clf, "estimator_")

    @pytest.mark.parametrize("given", list(combinations(RULES, 2)))
    def test_two_rules_are_refused_by_name(self, given):
        rules = {name: RULES[name] for name in given}
        said = ", ".join(f"{name}={value!r}" for name, value in rules.items())
        self.refuse(f"exactly one rule of choice, or none; got {said}", **rules)

    def test_all_rules_at_once_are_refused(self):
        self.refuse("; got " + ", ".join(f"{n}={v!r}" for n, v in RULES.items()), **RULES)

    def test_a_rule_that_is_zero_is_one(self):
        self.refuse("exactly one rule", max_disparity=0.0, max_accuracy_loss=0.0)

    @pytest.mark.parametrize(
        ("settings", "missing"),
        [
            ({}, "needs max_disparity,"),
            ({"min_recall": 0.5}, "needs max_disparity,"),
            ({"disparity_weight": 1.0}, "needs max_disparity,"),
            ({"max_disparity": 0.1, "scoring": "roc_auc"}, "max_disparity"),
            ({"max_disparity": 0.1, "disparity": odds}, "a disparity by name"),
            ({"max_disparity": 0.1, "student": "single"}, "student='path'"),
            ({"max_disparity": 0.1, "cv": [([0], [1])]}, "a number of folds as cv"),
            ({"max_disparity": 0.1, "cv": None}, "a number of folds as cv"),
            (
                {"disparity": odds, "student": "single"},
                "needs max_disparity and a disparity by name and student='path',",
            ),
        ],
    )
    def test_confidence_needs_all_that_a_promise_rests_on(self, settings, missing):
        self.refuse(rf"confidence=0\.9 .*{re.escape(missing)}", confidence=0.9, **settings)

    @pytest.mark.parametrize("confidence", [0, 1, 1.5, -0.1, "high", np.nan])
    def test_confidence_lies_between_zero_and_one(self, confidence):
        self.refuse("'confidence' parameter", max_disparity=0.1, confidence=confidence)

    @pytest.mark.parametrize("floor", [0, 1.1, -1, np.nan])
    def test_a_floor_is_a_share(self, floor):
        self.refuse("'min_recall' parameter", min_recall=floor)

    @pytest.mark.parametrize("min_rows", [0, -1, 2.5, None])
    def test_rows_are_counted_in_whole_numbers(self, min_rows):
        self.refuse("'min_rows' parameter", min_rows=min_rows)


@pytest.mark.parametrize("name", sorted(DISPARITIES))
def test_every_named_disparity_has_a_default_rule(name):
    X, y, groups = make_rows(400)
    clf = search(disparity=name, trigger_strengths=[0.0, 1.0, 4.0])
    clf.fit(X, y, sensitive_features=groups)
    control, chosen = row(clf, "strength 0"), row(clf, "chosen")
    assert chosen["disparity"] <= control["disparity"]
    assert control["accuracy"] - chosen["accuracy"] <= MOST_ACCURACY_PAID + 1e-12


def test_strength_zero_of_a_search_is_the_control_whatever_rate_was_found():
    X, y, groups = make_rows(900)
    clf = search(EXACT, min_recall=0.9).fit(X, y, sensitive_features=groups)
    assert isinstance(clf.best_params_["base_rate"], tuple)
    plain = clone(EXACT).fit(X, y)
    control = clf.with_strength(0)
    np.testing.assert_array_equal(control.predict_proba(X), plain.predict_proba(X))
    same = clf.with_strength(clf.best_strength_)
    np.testing.assert_allclose(same.predict_proba(X), clf.predict_proba(X), atol=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.DebiasWarning")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("bound", [0.03, 0.04, 0.05])
def test_a_bound_that_only_strengths_per_class_keep_is_kept(seed, bound):
    """They need not gain more than noise, where one strength breaks what was asked for."""
    X, y, groups = make_opposite_gaps(1500, seed)
    clf = search(EXACT, per_class="auto", max_disparity=bound)
    clf.fit(X, y, sensitive_features=groups)
    disparity = clf.cv_results_["pooled_test_disparity"]
    if disparity.min() <= bound:
        assert disparity[clf.best_index_] <= bound
    else:
        assert row(clf, "least disparate")["disparity"] > bound


def test_few_known_groups_are_said_to_show_little():
    X, y, groups = make_rows(2000)
    known = np.where(np.arange(2000) % 20 == 0, groups.astype(float), np.nan)
    clf = search(EXACT)
    with pytest.warns(FewRowsWarning, match="known of 5.0% of the rows") as caught:
        clf.fit(X, y, sensitive_features=known)
    assert clf.best_strength_ == 0
    said = float(re.search(r"Less than about (\S+) would", str(caught[0].message)).group(1))
    assert row(clf, "strength 0")["disparity"] < said < 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("error", FewRowsWarning)
        clf.fit(X, y, sensitive_features=groups)
    assert clf.best_strength_ > 0


@pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.DebiasWarning")
def test_a_class_that_one_group_lacks_does_not_switch_the_rule_off():
    X, y, groups = make_rows(1500, n_classes=3)
    kept = (y < 2) | (groups == 1)
    clf = search(EXACT, per_class="auto", multiclass="worst")
    clf.fit(X[kept], y[kept], sensitive_features=groups[kept])
    control, chosen = row(clf, "strength 0"), row(clf, "chosen")
    assert np.isfinite([chosen["lower"], chosen["upper"]]).all()
    assert control["accuracy"] - chosen["accuracy"] <= MOST_ACCURACY_PAID + 1e-12
    assert chosen["disparity"] < 0.8 * control["disparity"]


@pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.DebiasWarning")
@pytest.mark.parametrize("rule", [{"max_disparity": 0.5, "confidence": 0.9}, {}])
def test_what_nobody_can_compute_is_no_crash(rule):
    X, y, groups = make_rows(600)
    y = y * (groups == 0)
    clf = search(**rule)
    if "confidence" in rule:
        with pytest.raises(ValueError, match="fewer than two groups have the rows"):
            clf.fit(X, y, sensitive_features=groups)
        return
    assert np.isnan(row(clf.fit(X, y, sensitive_features=groups), "chosen")["disparity"])


def test_a_disparity_that_is_never_known_is_refused():
    X, y, groups = make_rows(300)
    for rule in ({}, {"max_disparity": 0.1}, {"disparity_weight": 1.0}):
        clf = search(disparity=lambda *_, **__: np.nan, **rule)
        with pytest.raises(ValueError, match="is NaN for every candidate"):
            clf.fit(X, y, sensitive_features=groups)


def test_a_floor_beside_a_fixed_number_of_decisions_is_refused():
    X, y, groups = make_rows(300)
    with pytest.raises(ValueError, match=r"selection_rate=0\.3 fixes how many"):
        search(min_recall=0.8, selection_rate=0.3).fit(X, y, sensitive_features=groups)
