"""What is decided of probabilities, and that debiasing goes by it."""

import pickle
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from helpers import make_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_softmax, logit
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer, recall_score
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade._decision import (
    Decision,
    SelectionDecision,
    ThresholdDecision,
    make_decision,
)
from sklearn_bade.exceptions import (
    DebiasWarning,
    SmallSelectionWarning,
    TiedSelectionWarning,
)
from sklearn_bade.inspection import StrengthPathDisplay
from sklearn_bade.metrics import average_absolute_odds_difference

EXACT = LogisticRegression(solver="newton-cholesky", tol=1e-6)
COSTS = [[0, 1, 4], [2, 0, 1], [9, 3, 0]]
DECISIONS = [
    {},
    {"threshold": 0.3},
    {"threshold": 0.8},
    {"cost_matrix": [[0, 1], [4, 0]]},
    {"selection_rate": 0.2},
]
few = settings(max_examples=40)
seeds = st.integers(0, 10_000)


def draw_logits(seed, n_samples=30, n_classes=2):
    rng = np.random.RandomState(seed)
    return log_softmax(2 * rng.normal(size=(n_samples, n_classes)), axis=1)


def make(threshold=None, cost_matrix=None, selection_rate=None, n_classes=2):
    return make_decision(threshold, cost_matrix, selection_rate, n_classes)


def draw_costs(seed, n_classes):
    """Draw costs, of which the right decision's is the least in each row."""
    rng = np.random.RandomState(seed)
    costs = rng.uniform(0.1, 10, size=(n_classes, n_classes))
    np.fill_diagonal(costs, 0)
    return costs + rng.uniform(-3, 3, size=(n_classes, 1))


class TestDecision:
    def test_without_a_wish_the_most_probable_class_is_decided(self):
        logits = draw_logits(0, n_classes=4)
        decision = make(n_classes=4)
        assert type(decision) is Decision
        np.testing.assert_array_equal(decision.decide(logits), logits.argmax(axis=1))

    @few
    @given(seeds, st.floats(0.01, 0.99))
    def test_a_threshold_is_that_of_a_probability(self, seed, threshold):
        logits = draw_logits(seed)
        expected = np.exp(logits[:, 1]) >= threshold
        np.testing.assert_array_equal(make(threshold).decide(logits), expected)

    @few
    @given(seeds, st.integers(2, 5))
    def test_costs_are_weighed_as_brute_force_weighs_them(self, seed, n_classes):
        logits, costs = draw_logits(seed, 30, n_classes), draw_costs(seed, n_classes)
        proba = np.exp(logits)
        expected = []
        for row in proba:
            prices = [
                sum(row[true] * costs[true, decided] for true in range(n_classes))
                for decided in range(n_classes)
            ]
            expected.append(int(np.argmin(prices)))
        decision = make(cost_matrix=costs, n_classes=n_classes)
        np.testing.assert_array_equal(decision.decide(logits), expected)

    @few
    @given(seeds, st.floats(0.02, 0.98))
    def test_a_threshold_is_a_ratio_of_costs(self, seed, threshold):
        logits = draw_logits(seed)
        costs = [[0, threshold], [1 - threshold, 0]]
        np.testing.assert_array_equal(
            make(cost_matrix=costs).decide(logits), make(threshold).decide(logits)
        )

    @few
    @given(seeds, st.integers(2, 4), st.floats(0.1, 100))
    def test_costs_count_beside_each_other_only(self, seed, n_classes, unit):
        """In another currency, or with a fee for every row of a class, nothing changes."""
        logits, costs = draw_logits(seed, 30, n_classes), draw_costs(seed, n_classes)
        fee = np.random.RandomState(seed).normal(size=(n_classes, 1))
        one, two = (
            make(cost_matrix=each, n_classes=n_classes).decide(logits)
            for each in (costs, unit * (costs + fee))
        )
        np.testing.assert_array_equal(one, two)

    @pytest.mark.parametrize("n_classes", [2, 4])
    def test_equal_costs_decide_for_the_most_probable(self, n_classes):
        logits = draw_logits(1, 200, n_classes)
        decision = make(cost_matrix=1 - np.eye(n_classes), n_classes=n_classes)
        np.testing.assert_array_equal(decision.decide(logits), logits.argmax(axis=1))

    @pytest.mark.parametrize(
        "wish",
        [{"threshold": 1e-12}, {"cost_matrix": [[0, 1], [50, 0]]}, {"selection_rate": 0.5}],
    )
    def test_certain_rows_are_decided_as_they_are(self, wish):
        """Trees say that a class is impossible."""
        logits = np.array([[0, -np.inf], [-np.inf, 0], [0, -np.inf], [-np.inf, 0]])
        assert make(**wish).decide(logits).tolist() == [0, 1, 0, 1]

    @few
    @given(seeds, st.sampled_from([{"threshold": 0.3}, {"cost_matrix": COSTS}]))
    def test_a_constant_per_row_says_nothing(self, seed, wish):
        n_classes = 3 if "cost_matrix" in wish else 2
        logits = draw_logits(seed, 30, n_classes)
        shifted = logits + np.random.RandomState(seed).normal(size=(30, 1))
        decision = make(**wish, n_classes=n_classes)
        np.testing.assert_array_equal(decision.decide(shifted), decision.decide(logits))


class TestSelection:
    @few
    @given(seeds, st.floats(0.001, 0.999), st.integers(1, 50), st.integers(1, 60))
    def test_the_share_is_rounded_to_rows_whatever_the_ties(self, seed, rate, n, n_values):
        margins = np.random.RandomState(seed).randint(n_values, size=n).astype(float)
        logits = np.column_stack([np.zeros(n), margins])
        selected = make(selection_rate=rate).decide(logits)
        assert selected.sum() == np.floor(rate * n + 0.5)
        if 0 < selected.sum() < n:
            assert margins[selected == 1].min() >= margins[selected == 0].max()

    @few
    @given(seeds, st.floats(0.05, 0.95))
    def test_the_order_of_rows_that_differ_does_not_matter(self, seed, rate):
        logits = draw_logits(seed)
        order = np.random.RandomState(seed).permutation(30)
        decision = make(selection_rate=rate)
        shuffled = decision.decide(logits[order])
        np.testing.assert_array_equal(shuffled, decision.decide(logits)[order])

    @few
    @given(seeds)
    def test_more_are_selected_beside_those_that_were(self, seed):
        logits = draw_logits(seed)
        shares = [make(selection_rate=rate).decide(logits) for rate in (0.2, 0.4, 0.9)]
        assert (np.diff(shares, axis=0) >= 0).all()

    def test_lots_decide_ties_alike_each_time_and_not_by_position(self):
        decision = SelectionDecision(0.5)
        first = decision.decide(np.zeros((200, 2)))
        np.testing.assert_array_equal(first, decision.decide(np.zeros((200, 2))))
        for part in (first[:100], first[::2]):
            assert 30 < part.sum() < 70

    @pytest.mark.parametrize(
        ("margins", "rate", "said"),
        [
            ([1, 2, 2, 2, 3], 0.4, "3 rows share .* 1 of these"),
            ([0, 0, 0, 0], 0.5, "4 rows share .* 2 of these"),
        ],
    )
    def test_rows_that_are_treated_unlike_are_counted(self, margins, rate, said):
        logits = np.column_stack([np.zeros(len(margins)), margins])
        with pytest.warns(TiedSelectionWarning, match=said):
            SelectionDecision(rate).decide(logits, warns=True)

    @pytest.mark.parametrize(
        ("margins", "rate"),
        [([1, 2, 2, 3], 0.75), ([1, 2, 2, 3], 0.25)],
    )
    def test_ties_that_lie_on_one_side_are_no_news(self, margins, rate):
        logits = np.column_stack([np.zeros(len(margins)), margins])
        SelectionDecision(rate).decide(logits, warns=True)


class TestCut:
    """Where the log-odds lie above which the greater of two classes is decided."""

    @few
    @given(seeds, st.sampled_from(DECISIONS))
    def test_it_parts_rows_as_decisions_do(self, seed, wish):
        logits = draw_logits(seed, 200)
        decision, margins = make(**wish), logits[:, 1] - logits[:, 0]
        beyond = margins > decision.cut(margins, np.ones(200))
        decided = decision.decide(logits)
        assert np.abs(beyond - decided).sum() <= 1

    @pytest.mark.parametrize("rate", [0.1, 0.5, 0.77])
    def test_a_share_is_one_of_weights(self, rate):
        rng = np.random.RandomState(0)
        margins, weights = rng.normal(size=500), rng.randint(1, 5, size=500)
        cut = SelectionDecision(rate).cut(margins, weights.astype(float))
        repeated = np.repeat(margins, weights)
        assert (repeated > cut).mean() == pytest.approx(rate, abs=0.01)

    def test_a_threshold_is_where_log_odds_are_its_own(self):
        decision = ThresholdDecision(0.2)
        assert decision.cut(None, None) == pytest.approx(logit(0.2))
        assert expit(decision.margin) == pytest.approx(0.2)


class TestBadWishes:
    def refuse(self, message, n_classes=2, **wish):
        X, y, groups = make_rows(90, n_classes=n_classes)
        for estimator in (BackdoorDebiasClassifier, BackdoorDebiasClassifierCV):
            clf = estimator(GaussianNB(), **wish)
            with pytest.raises(ValueError, match=message):
                clf.fit(X, y, sensitive_features=groups)
            assert not hasattr(clf, "student_")
            assert not hasattr(clf, "estimator_")

    @pytest.mark.parametrize("name", ["threshold", "selection_rate"])
    @pytest.mark.parametrize("value", [0, 1, -0.2, 1.5, "half", np.nan, [0.5]])
    def test_shares_lie_between_zero_and_one(self, name, value):
        self.refuse(f"'{name}' parameter", **{name: value})

    @pytest.mark.parametrize(
        "wish",
        [
            {"threshold": 0.5, "selection_rate": 0.5},
            {"threshold": 0.5, "cost_matrix": [[0, 1], [1, 0]]},
            {"selection_rate": 0.5, "cost_matrix": [[0, 1], [1, 0]]},
        ],
    )
    def test_one_wish_at_most(self, wish):
        self.refuse("Give at most one of ", **wish)

    @pytest.mark.parametrize("name", ["threshold", "selection_rate"])
    def test_three_classes_have_no_greater_of_two(self, name):
        self.refuse(f"{name}=0.4 is about .* y has 3.*cost_matrix", 3, **{name: 0.4})

    @pytest.mark.parametrize("n_classes", [2, 3])
    @pytest.mark.parametrize("costs", [np.eye(4), [0, 1], [[0.0]], 1.0])
    def test_costs_need_a_row_for_each_class(self, costs, n_classes):
        shape = rf"\({n_classes}, {n_classes}\)|array-like"
        self.refuse(shape, n_classes, cost_matrix=costs)

    @pytest.mark.parametrize("cost", [np.nan, np.inf, -np.inf])
    def test_costs_are_finite(self, cost):
        self.refuse("with NaN or infinity", cost_matrix=[[0, cost], [1, 0]])

    @pytest.mark.parametrize(
        "costs", [[[0, -1], [1, 0]], [[0, 0], [1, 0]], [[1, 0], [0, 1]]]
    )
    def test_a_right_decision_is_the_cheapest(self, costs):
        self.refuse("charge more for a wrong decision", cost_matrix=costs)

    def test_costs_are_numbers(self):
        self.refuse("could not convert string", cost_matrix=[["a", "b"], ["c", "d"]])


def fit(classifier=EXACT, n_samples=600, n_classes=2, **wish):
    X, y, groups = make_rows(n_samples, n_classes=n_classes, seed=3)
    clf = BackdoorDebiasClassifier(
        classifier, random_state=0, **{"trigger_strength": 3.0, **wish}
    )
    return clf.fit(X, y, sensitive_features=groups), X, y, groups


class TestClassifier:
    @pytest.mark.parametrize("wish", DECISIONS)
    def test_predictions_are_what_is_decided_of_probabilities(self, wish):
        clf, X, _, _ = fit(**wish)
        proba = clf.predict_proba(X)[:, 1]
        cut = 0.2 if "cost_matrix" in wish else wish.get("threshold", 0.5)
        if "selection_rate" in wish:
            cut = np.sort(proba)[::-1][119]
        np.testing.assert_array_equal(clf.predict(X), proba >= cut)
        np.testing.assert_array_equal(clf.student_.predict(X), clf.predict(X))

    @pytest.mark.parametrize("wish", DECISIONS)
    @pytest.mark.parametrize("strength", [3.0, [-2.0, 2.0]])
    def test_the_share_of_decisions_is_kept(self, wish, strength):
        clf, X, _, _ = fit(n_samples=1500, trigger_strength=strength, **wish)
        control = clf.with_strength(0)
        changed = (clf.predict(X) != control.predict(X)).mean()
        moved = abs(clf.predict(X).mean() - control.predict(X).mean())
        assert moved < 0.01
        assert changed > 0

    @pytest.mark.parametrize("wish", DECISIONS[1:4])
    def test_another_decision_would_not_be_kept(self, wish):
        """The offset is one for these decisions, and not for all."""
        clf, *_ = fit(n_samples=1500, trigger_strength=8.0, **wish)
        offset = clf.student_.offset
        plain, *_ = fit(n_samples=1500, trigger_strength=8.0)
        assert np.abs(offset - plain.student_.offset).max() > 0.02

    @pytest.mark.parametrize("rates", [(0.9, 0.1), (0.3, 0.7)])
    @pytest.mark.parametrize("wish", DECISIONS[:4])
    def test_frequencies_of_the_users_own_are_those_of_decisions(self, rates, wish):
        clf, X, _, _ = fit(n_samples=1500, base_rate=rates, **wish)
        assert clf.predict(X).mean() == pytest.approx(rates[1], abs=0.01)

    @pytest.mark.parametrize("classifier", [EXACT, GaussianNB()])
    @pytest.mark.parametrize("strength", [1.0, 6.0])
    def test_costs_of_three_classes_keep_the_share_of_each(self, classifier, strength):
        clf, X, _, _ = fit(
            classifier, 1200, 3, cost_matrix=COSTS, trigger_strength=strength
        )
        proba = clf.predict_proba(X)
        np.testing.assert_array_equal(clf.predict(X), (proba @ COSTS).argmin(axis=1))
        shares = [
            np.bincount(each.predict(X), minlength=3) / 1200
            for each in (clf, clf.with_strength(0))
        ]
        np.testing.assert_allclose(*shares, atol=0.03)

    @pytest.mark.parametrize("wish", DECISIONS)
    def test_probabilities_of_strength_zero_are_those_of_the_plain_classifier(self, wish):
        clf, X, y, _ = fit(trigger_strength=0.0, **wish)
        plain = clone(EXACT).fit(X, y)
        np.testing.assert_array_equal(clf.predict_proba(X), plain.predict_proba(X))
        again = fit(**wish)[0].with_strength(0)
        np.testing.assert_array_equal(again.predict_proba(X), plain.predict_proba(X))
        np.testing.assert_array_equal(again.predict(X), clf.predict(X))

    @pytest.mark.parametrize(
        "labels", [["no", "yes"], [False, True], [-1, 7], [2.0, 5.0]], ids=str
    )
    @pytest.mark.parametrize("wish", DECISIONS[1:])
    def test_labels_are_the_users_own(self, labels, wish):
        X, y, groups = make_rows(300)
        clf = BackdoorDebiasClassifier(GaussianNB(), random_state=0, **wish)
        clf.fit(X, np.array(labels)[y], sensitive_features=groups)
        codes = clone(clf).fit(X, y, sensitive_features=groups).predict(X)
        predicted = clf.predict(X)
        assert predicted.dtype == np.array(labels).dtype
        np.testing.assert_array_equal(predicted, np.array(labels)[codes])
        assert clf.score(X, np.array(labels)[y]) == (codes == y).mean()

    @pytest.mark.parametrize("wish", DECISIONS[1:])
    def test_frames_and_arrays_agree(self, wish):
        X, y, groups = make_rows(300)
        frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(group=groups)
        clf = BackdoorDebiasClassifier(
            GaussianNB(), sensitive_columns="group", random_state=0, **wish
        ).fit(frame, y)
        table = np.column_stack([X, groups])
        expected = clf.predict(frame)
        np.testing.assert_array_equal(clf.predict(frame.drop(columns="group")), expected)
        by_position = clone(clf).set_params(sensitive_columns=3).fit(table, y)
        np.testing.assert_array_equal(by_position.predict(table), expected)

    @pytest.mark.parametrize("wish", DECISIONS[:4])
    def test_a_row_alone_is_decided_as_among_others(self, wish):
        clf, X, _, _ = fit(**wish)
        singly = [clf.predict(X[i : i + 1])[0] for i in range(20)]
        np.testing.assert_array_equal(singly, clf.predict(X)[:20])

    @pytest.mark.parametrize(("rate", "selected"), [(0.3, 0), (0.5, 1), (0.9, 1)])
    def test_of_one_row_all_or_none_is_selected(self, rate, selected):
        clf, X, _, _ = fit(selection_rate=rate)
        with pytest.warns(SmallSelectionWarning, match=f"of 1 row.* is {selected}"):
            assert clf.predict(X[:1]).tolist() == [selected]

    def test_a_selection_is_one_of_the_rows_at_hand(self):
        clf, X, _, _ = fit(selection_rate=0.2)
        for part in (X, X[:50], X[:7], X[X[:, 0] > 1]):
            assert clf.predict(part).sum() == np.floor(0.2 * len(part) + 0.5)

    def test_ties_at_the_end_of_a_selection_are_said(self):
        X, y, groups = make_rows(300)
        clf = BackdoorDebiasClassifier(
            DecisionTreeClassifier(max_depth=1), trigger_strength=0.0, selection_rate=0.1
        ).fit(X, y, sensitive_features=groups)
        with pytest.warns(TiedSelectionWarning, match="0.1 of 300 rows is 30"):
            assert clf.predict(X).sum() == 30

    @pytest.mark.parametrize("wish", DECISIONS[1:])
    @pytest.mark.parametrize("how", ["pickle", "clone"])
    def test_copies_decide_alike(self, wish, how):
        clf, X, y, groups = fit(**wish)
        expected = clf.predict(X)
        if how == "pickle":
            copied = pickle.loads(pickle.dumps(clf))
        else:
            copied = clone(clf).fit(X, y, sensitive_features=groups)
        np.testing.assert_array_equal(copied.predict(X), expected)
        assert clf.get_params().items() >= wish.items()

    def test_weights_are_rows_to_the_offset_and_not_to_a_selection(self):
        X, y, groups = make_rows(400)
        weights = np.where(X[:, 1] > 0, 3, 1)
        repeated = np.repeat(np.arange(400), weights)
        for wish in DECISIONS[1:]:
            clf = BackdoorDebiasClassifier(
                GaussianNB(), trigger_strength=2.0, random_state=0, **wish
            )
            clf.fit(X, y, sensitive_features=groups, sample_weight=weights)
            proba = clf.predict_proba(X)
            again = clone(clf).fit(
                X[repeated], y[repeated], sensitive_features=groups[repeated]
            )
            np.testing.assert_allclose(again.predict_proba(X), proba, atol=0.02)
            if "selection_rate" in wish:
                assert clf.predict(X).sum() == 80

    @pytest.mark.parametrize("wish", DECISIONS[1:])
    def test_rows_of_unknown_group_are_decided_too(self, wish):
        X, y, groups = make_rows(400)
        partly = np.where(np.arange(400) % 5 == 0, np.nan, groups)
        clf = BackdoorDebiasClassifier(EXACT, trigger_strength=2.0, random_state=0, **wish)
        clf.fit(X, y, sensitive_features=partly)
        control = clf.with_strength(0).predict(X).mean()
        assert clf.predict(X).mean() == pytest.approx(control, abs=0.02)

    @pytest.mark.parametrize("wish", DECISIONS)
    def test_siblings_keep_the_decision(self, wish):
        clf, X, _, _ = fit(**wish)
        sibling, (fresh, *_) = clf.with_strength(1.0), fit(trigger_strength=1.0, **wish)
        np.testing.assert_allclose(sibling.predict_proba(X), fresh.predict_proba(X))
        np.testing.assert_array_equal(sibling.predict(X), fresh.predict(X))

    def test_a_single_student_decides_alike(self):
        clf, X, _, _ = fit(student="single", threshold=0.3)
        np.testing.assert_array_equal(clf.predict(X), clf.predict_proba(X)[:, 1] >= 0.3)

    def test_grid_search_over_thresholds(self, tmp_path):
        X, y, groups = make_rows(300)
        thresholds = [0.05, 0.5, 0.95]
        grid = GridSearchCV(
            BackdoorDebiasClassifier(
                EXACT, sensitive_columns=3, memory=str(tmp_path), random_state=0
            ),
            {"threshold": thresholds},
            scoring={"share": make_scorer(lambda y_true, y_pred: y_pred.mean())},
            refit=False,
            cv=2,
        ).fit(np.column_stack([X, groups]), y)
        shares = grid.cv_results_["mean_test_share"]
        assert shares[0] > 0.7 > shares[1] > 0.3 > shares[2]


def search(**settings):
    settings = {
        "trigger_strengths": [0.0, 1.0, 3.0],
        "max_accuracy_loss": 0.05,
        "cv": 2,
        "random_state": 0,
        **settings,
    }
    return BackdoorDebiasClassifierCV(GaussianNB(), **settings)


class TestSearch:
    @pytest.mark.parametrize("wish", DECISIONS)
    def test_figures_are_those_of_the_decision(self, wish):
        X, y, groups = make_rows(400)
        shares = {}

        def disparity(y_true, y_pred, *, sensitive_features):
            gap = average_absolute_odds_difference(
                y_true, y_pred, sensitive_features=sensitive_features
            )
            if len(y_true) == 400:
                shares[gap] = y_pred.mean(), (y_true == y_pred).mean()
            return gap

        clf = search(disparity=disparity, base_rates=["keep"], **wish)
        clf.fit(X, y, sensitive_features=groups)
        share, accuracy = zip(*shares.values())
        np.testing.assert_allclose(share, share[0], atol=0.05)
        assert clf.best_score_ == pytest.approx(
            accuracy[
                list(shares).index(
                    clf.cv_results_["pooled_test_disparity"][clf.best_index_]
                )
            ]
        )

    @pytest.mark.parametrize("wish", DECISIONS)
    def test_the_choice_fitted_alike_decides_the_same(self, wish):
        X, y, groups = make_rows(300)
        clf = search(**wish).fit(X, y, sensitive_features=groups)
        again = BackdoorDebiasClassifier(
            GaussianNB(), random_state=0, **wish, **clf.best_params_
        ).fit(X, y, sensitive_features=groups)
        np.testing.assert_array_equal(again.predict(X), clf.predict(X))
        np.testing.assert_array_equal(clf.estimator_.predict(X), clf.predict(X))
        np.testing.assert_array_equal(
            pickle.loads(pickle.dumps(clf)).predict(X), clf.predict(X)
        )

    @pytest.mark.parametrize("wish", DECISIONS[1:])
    def test_scorers_see_what_is_decided(self, wish):
        X, y, groups = make_rows(400)
        shares = []

        def scorer(clf, X, y):
            predicted = clf.predict(X)
            shares.append(predicted.mean())
            proba = clf.predict_proba(X)[:, 1]
            assert proba[predicted == 1].min() >= proba[predicted == 0].max()
            return (predicted == y).mean()

        clf = search(scoring=scorer, base_rates=["keep"], **wish)
        clf.fit(X, y, sensitive_features=groups)
        wanted = clf.estimator_.with_strength(0).predict(X).mean()
        np.testing.assert_allclose(shares, wanted, atol=0.15)
        if "selection_rate" in wish:
            assert set(shares) == {0.2}
        else:
            key = "split{}_test_accuracy"
            scores = [clf.cv_results_[key.format(i)] for i in (0, 1)]
            np.testing.assert_allclose(
                clf.cv_results_["mean_test_score"], np.mean(scores, 0)
            )

    def test_a_recall_that_is_maximised_is_one_at_the_threshold(self):
        X, y, groups = make_rows(400)
        low, high = (
            search(scoring=make_scorer(recall_score), threshold=t)
            .fit(X, y, sensitive_features=groups)
            .best_score_
            for t in (0.1, 0.9)
        )
        assert low > 0.9 > 0.6 > high

    @pytest.mark.parametrize("wish", DECISIONS)
    def test_new_rows_are_judged_at_the_decision(self, wish):
        X, y, groups = make_rows(400)
        X_new, y_new, groups_new = make_rows(300, seed=1)
        clf = search(**wish).fit(X, y, sensitive_features=groups)
        display = StrengthPathDisplay.from_estimator(
            clf,
            X_new,
            y_new,
            sensitive_features=groups_new,
            strengths=[0.0, clf.best_strength_, 5.0],
        )
        plt.close(display.figure_)
        models = clf.with_strength(0.0), clf, clf.with_strength(5.0)
        for i, model in enumerate(models):
            predicted = model.predict(X_new)
            gap = average_absolute_odds_difference(
                y_new, predicted, sensitive_features=groups_new
            )
            assert display.accuracy[i] == pytest.approx((predicted == y_new).mean())
            assert display.disparity[i] == pytest.approx(gap)

    def test_costs_of_three_classes(self):
        X, y, groups = make_rows(500, n_classes=3)
        clf = search(cost_matrix=COSTS).fit(X, y, sensitive_features=groups)
        expected = (clf.predict_proba(X) @ COSTS).argmin(axis=1)
        np.testing.assert_array_equal(clf.predict(X), expected)
        assert (expected != clf.predict_proba(X).argmax(axis=1)).any()


@few
@given(seeds, st.sampled_from(DECISIONS[1:]), st.sampled_from([0.0, 2.0]))
def test_predictions_do_not_hang_on_the_order_of_rows(seed, wish, strength):
    rng = np.random.RandomState(seed)
    X, y, groups = make_rows(100, seed=seed % 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DebiasWarning)
        clf = BackdoorDebiasClassifier(
            GaussianNB(), trigger_strength=strength, random_state=0, **wish
        ).fit(X, y, sensitive_features=groups)
        order = rng.permutation(100)
        np.testing.assert_array_equal(clf.predict(X[order]), clf.predict(X)[order])


def test_what_is_set_after_fit_waits_for_the_next_fit():
    clf, X, _, _ = fit(threshold=0.5)
    before = clf.predict(X)
    clf.set_params(threshold=0.9)
    np.testing.assert_array_equal(clf.predict(X), before)
    np.testing.assert_array_equal(clf.student_.predict(X), before)


@pytest.mark.parametrize("threshold", [0.8, 0.9, 5 / 6, 0.41, 0.42])
def test_a_probability_that_is_the_threshold_meets_it(threshold):
    decision = ThresholdDecision(threshold)
    assert decision.decide_proba(np.array([[1 - threshold, threshold]])).tolist() == [1]
    less = threshold - 1e-6
    assert decision.decide_proba(np.array([[1 - less, less]])).tolist() == [0]


def test_references_of_other_decisions_are_refused():
    clf, X, y, groups = fit(threshold=0.7)
    with pytest.raises(ValueError, match="decides by threshold, cost_matrix"):
        StrengthPathDisplay.from_estimator(
            clf, X, y, sensitive_features=groups, references=True
        )
