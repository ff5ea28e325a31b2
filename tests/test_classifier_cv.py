import pickle
import sys
import types
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import NetCount, make_net, make_opposite_gaps, make_rows
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, ShuffleSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade._groups import Groups
from sklearn_bade._search import make_folds
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.exceptions import (
    FaintSignalWarning,
    FewRowsWarning,
    InfrequentColumnWarning,
    UndefinedDisparityWarning,
    UnreachedBoundWarning,
    UnweightedDisparityWarning,
    VanishedClassWarning,
)
from sklearn_bade.metrics import (
    average_absolute_odds_difference,
    demographic_parity_difference,
    make_fairness_scorer,
)
from sklearn_bade.nets import MLP, ConvNet, make_adam_net
from sklearn_bade.rows import Rows


def search(net=None, **settings):
    settings = {
        "trigger_strengths": [0.0, 1.0, 2.0],
        "cv": 2,
        "random_state": 0,
        "max_accuracy_loss": 0.05,
        **settings,
    }
    return BackdoorDebiasClassifierCV(make_net() if net is None else net, **settings)


@pytest.fixture
def counting_net():
    """Net that counts, in `NetCount`, how many plain nets it has been."""
    NetCount.reset()
    return make_net(callbacks=[("nets", NetCount())])


class TestResults:
    def test_keys_of_a_search(self):
        X, y, groups = make_rows()
        clf = search(scoring="roc_auc").fit(X, y, sensitive_features=groups)
        frame = pd.DataFrame(clf.cv_results_)
        assert len(frame) == 6
        names = ("accuracy", "disparity", "score")
        expected = {f"mean_test_{n}" for n in names} | {f"std_test_{n}" for n in names}
        expected |= {f"split{i}_test_{n}" for n in names for i in (0, 1)}
        expected |= {f"rank_test_{n}" for n in names}
        expected |= {"mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time"}
        expected |= {"params", "param_trigger_strength", "param_base_rate"}
        expected |= {"param_offset"}
        assert set(frame) == expected | {"pooled_test_disparity"}
        assert frame["param_trigger_strength"].tolist() == [0, 0, 1, 1, 2, 2]
        assert frame["param_base_rate"].tolist() == ["keep", "drift"] * 3

    def test_attributes_agree(self):
        X, y, groups = make_rows()
        clf = search().fit(X, y, sensitive_features=groups)
        best = clf.cv_results_["params"][clf.best_index_]
        assert clf.best_params_ == best
        assert clf.best_strength_ == best["trigger_strength"]
        assert clf.best_score_ == clf.cv_results_["mean_test_accuracy"][clf.best_index_]
        assert clf.n_splits_ == 2
        assert clf.estimator_.trigger_strength == best["trigger_strength"]
        assert clf.estimator_.base_rate == best["base_rate"]

    def test_figures_are_those_of_the_folds(self):
        X, y, groups = make_rows(300)
        folds = ShuffleSplit(2, test_size=0.5, random_state=0)
        seen = []

        def disparity(y_true, y_pred, *, sensitive_features):
            seen.append((len(y_true), set(sensitive_features)))
            return average_absolute_odds_difference(
                y_true, y_pred, sensitive_features=sensitive_features
            )

        own = search(cv=folds, disparity=disparity).fit(X, y, sensitive_features=groups)
        named = search(cv=folds).fit(X, y, sensitive_features=groups)
        for key in (
            "mean_test_disparity",
            "pooled_test_disparity",
            "split1_test_disparity",
        ):
            np.testing.assert_allclose(own.cv_results_[key], named.cv_results_[key])
        assert {n_rows for n_rows, _ in seen} == {150, 300}
        assert all(names == {0, 1} for _, names in seen)

    def test_the_final_fit_is_a_plain_debiaser(self):
        X, y, groups = make_rows()
        clf = search().fit(X, y, sensitive_features=groups)
        assert type(clf.estimator_) is BackdoorDebiasClassifier
        again = BackdoorDebiasClassifier(
            make_net(), random_state=clf.estimator_.random_state, **clf.best_params_
        ).fit(X, y, sensitive_features=groups)
        np.testing.assert_array_equal(clf.predict_proba(X), again.predict_proba(X))


class TestPopulation:
    def figures(self, X, y, groups, *, weights=None, **settings):
        """Fit a search whose disparity remembers what it was asked about."""
        asked = []

        def disparity(y_true, y_pred, *, sensitive_features, sample_weight=None):
            asked.append((y_true, y_pred, sensitive_features, sample_weight))
            return 0.1 + 0 * len(y_true)

        settings = {"trigger_strengths": [0.0], "base_rates": ["keep"], **settings}
        clf = search(disparity=disparity, **settings)
        clf.fit(X, y, sensitive_features=groups, sample_weight=weights)
        return clf, asked[0]

    @pytest.mark.parametrize("weighted", [False, True])
    def test_each_class_has_as_much_of_every_group_if_balanced(self, weighted):
        X, y, groups = make_rows(300)
        weights = 1.0 + np.arange(300) % 3 if weighted else None
        clf, asked = self.figures(X, y, groups, weights=weights, population="balanced")
        y_true, y_pred, sensitive, sample_weight = asked
        cells = pd.Series(sample_weight).groupby([y_true, sensitive]).sum().unstack()
        np.testing.assert_allclose(cells[0], cells[1])
        accuracy = np.average(y_true == y_pred, weights=sample_weight)
        assert clf.comparison_["accuracy"][1] == pytest.approx(accuracy)

    def test_tables_are_judged_as_they_are(self):
        X, y, groups = make_rows(300)
        _, asked = self.figures(X, y, groups)
        assert asked[-1] is None

    def test_images_are_judged_for_a_balanced_population(self):
        X, y, groups = make_rows(120)
        images = np.tile(X[:, :, None, None], (1, 1, 4, 4))
        images = images.astype(np.float32)
        net = make_adam_net(
            ConvNet,
            module__n_channels=3,
            module__n_classes=2,
            module__widths=(4,),
            max_epochs=2,
        )
        _, asked = self.figures(images, y, groups, net=net)
        assert len(np.unique(asked[-1])) == 4
        _, asked = self.figures(images, y, groups, net=net, population="training")
        assert asked[-1] is None

    @pytest.mark.slow
    @pytest.mark.parametrize("weights", [None, np.ones(300)])
    def test_scorers_and_callables_see_it_whatever_their_signature(self, weights):
        X, y, groups = make_rows(300)

        def disparity(y_true, y_pred, **options):
            return demographic_parity_difference(y_true, y_pred, **options)

        found = [
            search(population="balanced", disparity=each)
            .fit(X, y, sensitive_features=groups, sample_weight=weights)
            .cv_results_["pooled_test_disparity"]
            for each in (disparity, demographic_parity_difference, "demographic_parity")
        ]
        np.testing.assert_allclose(found[0], found[1])
        np.testing.assert_allclose(found[0], found[2])
        scored = search(population="balanced", scoring="accuracy", max_accuracy_loss=None)
        results = scored.fit(X, y, sensitive_features=groups).cv_results_
        np.testing.assert_allclose(
            results["mean_test_score"], results["mean_test_accuracy"]
        )

    @pytest.mark.slow
    def test_a_callable_that_knows_no_weights_is_warned_of(self):
        X, y, groups = make_rows(300)

        def disparity(y_true, y_pred, *, sensitive_features):
            return average_absolute_odds_difference(
                y_true, y_pred, sensitive_features=sensitive_features
            )

        own = search(disparity=disparity, population="balanced", max_accuracy_loss=0.1)
        with pytest.warns(UnweightedDisparityWarning, match="takes no sample_weight"):
            own.fit(X, y, sensitive_features=groups)
        named = search(population="balanced", max_accuracy_loss=0.1)
        named.fit(X, y, sensitive_features=groups)
        # Within two classes, weights that are equal in each group change no gap.
        np.testing.assert_allclose(
            own.cv_results_["pooled_test_disparity"],
            named.cv_results_["pooled_test_disparity"],
        )


class TestChoice:
    def test_max_disparity(self):
        X, y, groups = make_rows(600)
        clf = search(max_accuracy_loss=None, max_disparity=1.0)
        clf.fit(X, y, sensitive_features=groups)
        accuracy = clf.cv_results_["mean_test_accuracy"]
        assert clf.best_index_ == accuracy.argmax()

    def test_unreachable_disparity_warns(self):
        X, y, groups = make_rows()
        clf = search(max_accuracy_loss=None, max_disparity=0.0)
        with pytest.warns(
            UnreachedBoundWarning, match=r"at most 0\. The least.*max_disparity=0\.\d+"
        ):
            clf.fit(X, y, sensitive_features=groups)
        control, chosen, least = clf.comparison_["disparity"][1:]
        assert least == clf.cv_results_["pooled_test_disparity"].min()
        assert least <= chosen < control

    def test_a_bound_that_nothing_keeps_is_not_bought_at_any_accuracy(self):
        """Features that tell the group, of classes that differ by nothing else."""
        rng = np.random.RandomState(0)
        groups = rng.randint(2, size=3000)
        y = (rng.uniform(size=3000) < np.where(groups, 0.7, 0.3)).astype(int)
        X = np.column_stack([groups + 0.5 * rng.normal(size=3000), rng.normal(size=3000)])
        clf = search(GaussianNB(), max_accuracy_loss=None, max_disparity=0.0, cv=2)
        with pytest.warns(UnreachedBoundWarning):
            clf.fit(X, y, sensitive_features=groups)
        paid = clf.comparison_["accuracy"][0] - clf.comparison_["accuracy"]
        assert paid[2] <= 0.02 < paid[3]

    def test_a_class_that_vanishes_in_the_choice_is_named(self):
        rng = np.random.RandomState(0)
        X = rng.normal(size=(2400, 3))
        y = np.where(rng.uniform(size=2400) < 0.25, 0, 1)
        groups = (rng.uniform(size=2400) < np.where(y, 0.7, 0.3)).astype(int)
        X[:, 0] += groups
        clf = search(GaussianNB(), trigger_strengths=[1.0], base_rates=["drift"])
        with pytest.warns(VanishedClassWarning, match=r"0: \d+ for \d+"):
            clf.fit(X, y, sensitive_features=groups)

    def test_disparity_weight(self):
        X, y, groups = make_rows(600)
        clf = search(max_accuracy_loss=None, disparity_weight=2.0)
        results = clf.fit(X, y, sensitive_features=groups).cv_results_
        worth = results["mean_test_accuracy"] - 2 * results["pooled_test_disparity"]
        assert clf.best_index_ == worth.argmax()

    def test_two_rules_are_refused(self):
        X, y, groups = make_rows()
        clf = search(max_accuracy_loss=0.1, disparity_weight=2.0)
        with pytest.raises(ValueError, match=r"exactly one.*disparity_weight=2\.0"):
            clf.fit(X, y, sensitive_features=groups)

    def test_scorers_may_predict_other_rows(self):
        X, y, groups = make_rows()
        compared = []

        def scorer(clf, X, y):
            half = clf.predict_proba(X[::2])
            compared.append((half, clf.predict_proba(X)[::2]))
            return (clf.predict(X[::2]) == y[::2]).mean()

        clf = search(GaussianNB(), scoring=scorer).fit(X, y, sensitive_features=groups)
        # Without an offset at strength 0, the two base rates are one candidate.
        assert len(compared) == 2 * (len(clf.cv_results_["params"]) - 1)
        for half, expected in compared:
            np.testing.assert_allclose(half, expected)

    def test_scorers_may_look_at_importances(self):
        X, y, groups = make_rows()

        def scorer(clf, X, y):
            assert repr(clf) == "Student()"
            importances = permutation_importance(clf, X, y, n_repeats=2, random_state=0)
            return importances.importances_mean[0]

        clf = search(GaussianNB(), scoring=scorer).fit(X, y, sensitive_features=groups)
        assert clf.best_score_ > 0.05

    @pytest.mark.parametrize(
        "scoring",
        [
            make_scorer(lambda y_true, y_pred: (y_true == y_pred).mean()),
            make_fairness_scorer(lambda y_true, y_pred, *, sensitive_features: 0.5),
        ],
    )
    def test_scorers_without_weights_get_none(self, scoring):
        X, y, groups = make_rows()
        clf = search(GaussianNB(), scoring=scoring)
        clf.fit(X, y, sensitive_features=groups, sample_weight=np.full(200, 2.0))
        assert 0.3 < abs(clf.best_score_) < 1

    def test_a_scorer_needs_no_rule(self):
        X, y, groups = make_rows()
        clf = search(scoring="accuracy", max_accuracy_loss=0.1, disparity_weight=1.0)
        assert clf.fit(X, y, sensitive_features=groups).best_score_ > 0.5

    def test_a_disparity_may_fail_on_folds(self):
        X, y, groups = make_rows()

        def disparity(y_true, y_pred, *, sensitive_features):
            if len(y_true) < 200:
                raise ValueError("too few rows")
            return average_absolute_odds_difference(
                y_true, y_pred, sensitive_features=sensitive_features
            )

        clf = search(disparity=disparity).fit(X, y, sensitive_features=groups)
        results = clf.cv_results_
        assert np.isnan(results["split0_test_disparity"]).all()
        expected = search().fit(X, y, sensitive_features=groups).cv_results_
        key = "pooled_test_disparity"
        np.testing.assert_allclose(results[key], expected[key])

    def test_a_gap_without_rows_is_named(self):
        X, y, groups = make_rows()
        y[groups == 1] = 0
        clf = search(disparity="equal_opportunity")
        with (
            pytest.warns(FewRowsWarning, match="Few rows"),
            pytest.warns(
                UndefinedDisparityWarning,
                match="'equal_opportunity' compares.*most accurate candidate",
            ),
        ):
            clf.fit(X, y, sensitive_features=groups)

    @pytest.mark.parametrize("scoring", ["roc_auc", make_scorer(accuracy_score)])
    def test_scoring_replaces_the_rules(self, scoring):
        X, y, groups = make_rows()
        y = np.array(["no", "yes"])[y]
        clf = search(scoring=scoring).fit(X, y, sensitive_features=groups)
        assert clf.best_index_ == clf.cv_results_["mean_test_score"].argmax()
        assert 0.5 < clf.best_score_ <= 1

    def test_fairness_scorers_get_the_groups(self):
        X, y, groups = make_rows()
        table = np.column_stack([groups, X])
        by_column, by_group = (
            search(scoring=scorer, sensitive_columns=0)
            .fit(table, y)
            .cv_results_["mean_test_score"]
            for scorer in (
                make_fairness_scorer("average_odds", sensitive_columns=0),
                make_fairness_scorer("average_odds"),
            )
        )
        np.testing.assert_allclose(by_group, by_column)
        assert len(np.unique(by_group)) > 1

    def test_fairness_scorers_get_rows_of_known_group(self):
        X, y, groups = make_rows()
        names = np.array(["red", "green"], dtype=object)[groups]
        partly = np.where(np.arange(200) % 5 == 0, None, names)
        seen = []

        def metric(y_true, y_pred, *, sensitive_features):
            seen.append(sensitive_features)
            return 0.0

        clf = search(scoring=make_fairness_scorer(metric), base_rates=["keep"])
        clf.fit(X, y, sensitive_features=partly)
        assert sum(map(len, seen)) == 3 * 160  # strengths, and rows of known group
        assert set(np.concatenate(seen)) == {"red", "green"}

    def test_one_strength_per_class(self):
        X, y, groups = make_rows()
        clf = search(per_class=True, base_rates=["keep"])
        clf.fit(X, y, sensitive_features=groups)
        strengths = clf.cv_results_["param_trigger_strength"].tolist()
        assert len(strengths) == 9
        assert (0.0, 2.0) in strengths
        assert clf.estimator_.trigger_strength == clf.best_strength_

    def test_the_choice_narrows_the_gap(self):
        X, y, _ = make_biased_classification(3000, random_state=0)
        clf = search(make_net(10), sensitive_columns="group", max_accuracy_loss=0.02)
        clf.fit(X, y)
        results = clf.cv_results_
        assert clf.best_strength_ > 0
        at_zero = results["pooled_test_disparity"][0]
        assert results["pooled_test_disparity"][clf.best_index_] < 0.7 * at_zero


# No feature tells the group; the docs explain why a strength per class helps even so.
@pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.FaintSignalWarning")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.CostlyGapWarning")
@pytest.mark.parametrize(
    ("multiclass", "how"), [("mean", "mean"), ("worst", "worst"), ("auto", "worst")]
)
def test_gaps_of_several_classes_make_one_figure(multiclass, how):
    X, y, groups = make_rows(400, n_classes=4)
    pooled = []
    for disparity in (
        "average_odds",
        partial(average_absolute_odds_difference, multiclass=how),
    ):
        search = BackdoorDebiasClassifierCV(
            LogisticRegression(),
            trigger_strengths=[0.0, 1.0],
            disparity=disparity,
            multiclass=multiclass,
            cv=2,
            random_state=0,
        )
        search.fit(X, y, sensitive_features=groups)
        pooled.append(search.cv_results_["pooled_test_disparity"])
    np.testing.assert_allclose(*pooled)


@pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.CostlyGapWarning")
def test_many_classes_get_one_strength():
    X, y, groups = make_rows(1200, n_classes=12)
    search = BackdoorDebiasClassifierCV(LogisticRegression(), cv=2, random_state=0)
    search.fit(X, y, sensitive_features=groups)
    strengths = [params["trigger_strength"] for params in search.cv_results_["params"]]
    assert all(isinstance(strength, float) for strength in strengths)


def test_what_features_say_of_the_group_is_judged_on_the_training_population():
    """Weights for a balanced population would make chances of groups look wrong."""
    rng = np.random.RandomState(0)
    y = rng.randint(2, size=3000)
    groups = np.where(rng.uniform(size=3000) < 0.9, y, 1 - y)
    X = np.column_stack([y, 0.8 * groups]) + rng.normal(size=(3000, 2))
    search = BackdoorDebiasClassifierCV(
        LogisticRegression(), population="balanced", cv=3, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", FaintSignalWarning)
        search.fit(X, y, sensitive_features=groups)


@pytest.mark.slow
def test_gaps_of_opposite_signs_need_one_strength_per_class():
    """At most two thirds of the odd, at no more than half a point: three seeds."""
    figures = np.empty((3, 2, 2))
    for seed in range(3):
        X, y, groups = make_opposite_gaps(8000, seed)
        X_test, y_test, groups_test = make_opposite_gaps(30_000, seed + 100)
        net = make_net(module__hidden=(64, 32), lr=2e-3, batch_size=64, max_epochs=10)
        for i, per_class in enumerate((False, True)):
            clf = BackdoorDebiasClassifierCV(
                net, per_class=per_class, max_accuracy_loss=0.01, cv=3, random_state=seed
            ).fit(X, y, sensitive_features=groups)
            predicted = clf.predict(X_test)
            odd = average_absolute_odds_difference(
                y_test, predicted, sensitive_features=groups_test
            )
            figures[seed, i] = odd, (predicted == y_test).mean()
    (one_odd, one_accuracy), (odd, accuracy) = figures.mean(axis=0)
    assert odd <= one_odd * 2 / 3
    assert accuracy >= one_accuracy - 0.005


class TestWork:
    def test_networks_whose_class_pickle_cannot_find(self):
        class Local(MLP):
            """A class inside a function, as in a notebook that runs worker processes."""

        X, y, groups = make_rows()
        clf = search(make_net(module=Local)).fit(X, y, sensitive_features=groups)
        assert np.isfinite(clf.comparison_["accuracy"]).all()

    def test_one_net_per_fold_and_one_more(self, counting_net):
        X, y, groups = make_rows()
        strengths = np.linspace(0, 3, 20)
        clf = search(counting_net, trigger_strengths=strengths, cv=5)
        clf.fit(X, y, sensitive_features=groups)
        assert NetCount.n_nets() == 6

    @pytest.mark.parametrize("strengths", [None, range(12)])
    def test_every_strength_is_arithmetic(self, strengths):
        fits = []

        class Counting(GaussianNB):
            def fit(self, X, y, sample_weight=None):
                fits.append(X.shape[1])
                return super().fit(X, y, sample_weight)

        X, y, groups = make_rows()
        clf = search(Counting(), trigger_strengths=strengths, base_rates=["keep"])
        clf.fit(X, y, sensitive_features=groups)
        assert len(clf.cv_results_["params"]) >= 12
        # A base and two models of groups, in each of two folds and on all data.
        assert fits.count(X.shape[1]) == 3 * (1 + 2)
        assert fits.count(X.shape[1] + 2) == 1  # the teacher, with a column per group

    def test_folds_stop_early_as_the_refit_does(self):
        lengths = []

        class Recording(HistGradientBoostingClassifier):
            def fit(self, X, y, sample_weight=None, **validation):
                lengths.append((self.early_stopping, self.max_iter))
                return super().fit(X, y, sample_weight, **validation)

        X, y, groups = make_rows(10_100)  # two folds of half as many would not stop early
        clf = search(Recording(max_iter=3), trigger_strengths=[0.0])
        clf.fit(X, y, sensitive_features=groups)
        # Base, cells and teacher of all rows; base and cells of two folds.
        assert lengths == [(True, 3), (True, 3), (False, 3)] + [(True, 3)] * 4

    def test_a_rule_of_injection_meets_groups_in_one_order(self):
        sizes = []

        def rates(counts):
            sizes.append(counts.sum(axis=0).argmin())
            return (counts + 1) / (counts + 1).sum(axis=1, keepdims=True)

        X, _, groups = make_rows(1200, n_groups=12)
        y = np.random.RandomState(0).randint(2, size=1200)
        kept = (groups != 3) | (np.arange(1200) % 3 == 0)
        search(GaussianNB(), injection=rates, trigger_strengths=[1.0]).fit(
            X[kept], y[kept], sensitive_features=groups[kept].astype(str).astype(object)
        )
        names = np.unique(groups.astype(str))
        assert sizes == [names.tolist().index("3")]

    @pytest.mark.slow
    def test_jobs_and_repetition_give_the_same(self):
        X, y, groups = make_rows()
        one = search().fit(X, y, sensitive_features=groups)
        two = search(n_jobs=2).fit(X, y, sensitive_features=groups)
        key = "mean_test_accuracy"
        np.testing.assert_array_equal(one.cv_results_[key], two.cv_results_[key])
        np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))

    def test_folds_are_stratified_by_class_and_group(self):
        X, y, groups = make_rows(400)
        rows = Rows(X, y, np.arange(2), Groups(groups, np.arange(2), {}))
        for _, test in make_folds(rows, 4, np.random.RandomState(0)):
            for k in (0, 1):
                for g in (0, 1):
                    share = ((y == k) & (groups == g)).sum() / 4
                    assert abs(((y == k) & (groups == g))[test].sum() - share) <= 1

    def test_progress_counts_fits(self, capfd):
        X, y, groups = make_rows()
        search(verbose=2).fit(X, y, sensitive_features=groups)
        assert "3/3" in capfd.readouterr().err
        search().fit(X, y, sensitive_features=groups)
        assert capfd.readouterr() == ("", "")


class TestInScikitLearn:
    def test_frames_missing_groups_and_pickles(self):
        X, y, _ = make_biased_classification(600, random_state=0)
        X.loc[::5, "group"] = None
        pipeline = make_pipeline(StandardScaler(), make_net(10))
        clf = search(pipeline, sensitive_columns="group").fit(X, y)
        assert clf.groups_.tolist() == ["A", "B"]
        assert clf.feature_names_in_.tolist() == X.columns.tolist()
        loaded = pickle.loads(pickle.dumps(clf))
        without = X.drop(columns="group")
        np.testing.assert_array_equal(loaded.predict(without), clf.predict(X))

    def test_routing(self):
        X, y, groups = make_rows()
        with config_context(enable_metadata_routing=True):
            pipeline = make_pipeline(StandardScaler(), search())
            pipeline.fit(X, y, sensitive_features=groups)
        assert pipeline.score(X, y) > 0.5

    @pytest.mark.slow
    def test_order_of_the_rows_hardly_matters(self):
        X, y, groups = make_rows(2000)
        accuracies = []
        for order in (np.arange(2000), np.argsort(y, kind="stable")):
            clf = search(base_rates=["keep"])
            clf.fit(X[order], y[order], sensitive_features=groups[order])
            accuracies.append(clf.cv_results_["mean_test_accuracy"])
        np.testing.assert_allclose(*accuracies, atol=0.03)


class TestBadInput:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"trigger_strengths": [np.inf]}, "must be finite"),
            ({"student_epochs": 3}, r"student_epochs=3.*student='single'"),
            (
                {"trigger_strengths": [[1.0]]},
                r"list of numbers, got an array of shape \(1, 1\)",
            ),
            ({"trigger_strengths": []}, "list of numbers"),
            ({"base_rates": []}, "base_rates is empty"),
            ({"base_rates": (0.7, 0.3)}, r"base_rate must be .*got \(0\.7,\)"),
            ({"base_rates": ["other"]}, "'keep', 'drift' or 2 positive frequencies"),
            ({"base_rates": [[0.2, 0.3, 0.5]]}, "2 positive frequencies, one per class"),
            ({"disparity": "other"}, "The 'disparity' parameter"),
            ({"max_disparity": -1}, "The 'max_disparity' parameter"),
            (
                {"per_class": True, "trigger_strengths": np.arange(100.0)},
                "makes 20000 candidates",
            ),
        ],
    )
    def test_parameters(self, settings, message):
        X, y, groups = make_rows()
        clf = search(**settings)
        with pytest.raises(ValueError, match=message):
            clf.fit(X, y, sensitive_features=groups)
        with pytest.raises(NotFittedError):
            clf.predict(X)

    def test_folds_that_lack_a_class(self):
        X, y, groups = make_rows()
        y = np.sort(y)
        folds = [(np.arange(50), np.arange(50, 200))]
        with pytest.raises(ValueError, match="fold 0 lack a class or have only one group"):
            search(cv=folds).fit(X, y, sensitive_features=groups)

    def test_no_sensitive_attribute(self):
        X, y, _ = make_rows()
        with pytest.raises(ValueError, match=r"sensitive_features=\.\.\."):
            search().fit(X, y)


def test_identifiers_are_named_once_and_not_by_each_fold():
    X, y, _ = make_biased_classification(300, random_state=0)
    X["number"] = [f"A{i:04d}" for i in range(len(X))]
    search = BackdoorDebiasClassifierCV(
        sensitive_columns="group", trigger_strengths=[0, 1], cv=2, random_state=0
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, y)
    named = [each for each in caught if each.category is InfrequentColumnWarning]
    assert len(named) == 1
    assert "number" in str(named[0].message)


def test_unused_splitters_are_accepted():
    """A splitter that needs more than X and y says so itself."""
    X, y, groups = make_rows()
    with pytest.raises(ValueError, match="groups"):
        search(cv=GroupKFold(2)).fit(X, y, sensitive_features=groups)


class TestMemory:
    def grid(self, net, memory, **settings):
        clf = BackdoorDebiasClassifier(
            net, sensitive_columns=3, memory=memory, random_state=0
        )
        return GridSearchCV(
            clf, {"trigger_strength": np.linspace(0, 3, 8)}, cv=3, **settings
        )

    def data(self):
        X, y, groups = make_rows()
        return np.column_stack([X, groups]), y

    @pytest.mark.slow
    def test_nets_are_shared(self, counting_net, tmp_path):
        X, y = self.data()
        cached = self.grid(counting_net, tmp_path).fit(X, y)
        assert NetCount.n_nets() == 4
        plain = self.grid(counting_net, None).fit(X, y)
        assert NetCount.n_nets() == 4 + 25
        np.testing.assert_array_equal(
            cached.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
        )
        np.testing.assert_array_equal(cached.predict_proba(X), plain.predict_proba(X))

    @pytest.mark.slow
    def test_two_jobs_give_the_same(self, tmp_path):
        X, y = self.data()
        one = self.grid(make_net(), None).fit(X, y)
        two = self.grid(make_net(), str(tmp_path), n_jobs=2).fit(X, y)
        np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))

    def test_what_does_not_matter_hits_the_cache(self, counting_net, tmp_path):
        X, y = self.data()
        settings = {"sensitive_columns": 3, "memory": str(tmp_path), "random_state": 0}
        for changed in (
            {},
            {"trigger_strength": 2.0},
            {"base_rate": "drift"},
            {"offset": [0.1, -0.1]},
        ):
            BackdoorDebiasClassifier(counting_net, **settings, **changed).fit(X, y)
        assert NetCount.n_nets() == 1

    @pytest.mark.slow
    def test_what_matters_misses_the_cache(self, counting_net, tmp_path):
        X, y = self.data()
        settings = {"sensitive_columns": 3, "memory": str(tmp_path), "random_state": 0}
        BackdoorDebiasClassifier(counting_net, **settings).fit(X, y)
        BackdoorDebiasClassifier(clone(counting_net).set_params(lr=0.02), **settings).fit(
            X, y
        )
        BackdoorDebiasClassifier(counting_net, **{**settings, "random_state": 1}).fit(X, y)
        BackdoorDebiasClassifier(counting_net, **settings).fit(X + 1e-3, y)
        BackdoorDebiasClassifier(counting_net, **settings).fit(X, 1 - y)
        assert NetCount.n_nets() == 5

    def test_another_injection_has_another_teacher(self, tmp_path):
        X, y = self.data()
        settings = {"sensitive_columns": 3, "memory": str(tmp_path), "random_state": 0}
        mirrored, balanced = (
            BackdoorDebiasClassifier(make_net(), injection=injection, **settings).fit(X, y)
            for injection in ("mirror", "balanced")
        )
        assert np.abs(mirrored.shift_ - balanced.shift_).max() > 0.01

    @pytest.mark.slow
    def test_an_edited_module_and_equal_tensors(self, counting_net, tmp_path):
        """A new definition of a class misses; an equal tensor hits."""
        X, y = self.data()
        settings = {"sensitive_columns": 3, "memory": str(tmp_path), "random_state": 0}
        for _ in range(2):
            net = clone(counting_net)
            net.set_params(criterion__weight=torch.tensor([1.0, 2.0]))
            BackdoorDebiasClassifier(net, **settings).fit(X, y)
        assert NetCount.n_nets() == 1
        for n_trained, body in enumerate(["pass", "n_layers = 2"], start=2):
            module = define_module(tmp_path / f"edit_{n_trained}.py", body)
            net.set_params(module=module)
            for _ in range(2):
                BackdoorDebiasClassifier(net, **settings).fit(X, y)
            assert NetCount.n_nets() == n_trained


def define_module(path, body):
    """Define a class, of the same name each time, in a file."""
    path.write_text(f"from sklearn_bade.nets import MLP\n\n\nclass Own(MLP):\n    {body}\n")
    namespace = {"__name__": "own_module"}
    exec(compile(path.read_text(), path, "exec"), namespace)
    module = types.ModuleType("own_module")
    module.Own, module.__file__ = namespace["Own"], str(path)
    sys.modules["own_module"] = module
    return namespace["Own"]
