import sys

import matplotlib
import numpy as np
import pytest
from helpers import make_net, make_rows
from matplotlib import pyplot as plt
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade.inspection import GroupRatesDisplay, StrengthPathDisplay
from sklearn_bade.metrics import (
    average_absolute_odds_difference,
    group_rates,
    make_fairness_scorer,
    select_fair,
)

matplotlib.use("agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def data_with_column():
    X, y, groups = make_rows()
    return np.column_stack([X, groups]), y, groups


def fit_search(**settings):
    X, y, _ = data_with_column()
    return BackdoorDebiasClassifierCV(
        make_net(),
        sensitive_columns=3,
        trigger_strengths=[0.0, 1.0, 2.0],
        max_accuracy_loss=0.05,
        cv=2,
        random_state=0,
        **settings,
    ).fit(X, y)


def texts(ax):
    return [text.get_text() for text in ax.texts]


class TestStrengthPath:
    def test_curves_show_the_results(self):
        clf = fit_search()
        display = StrengthPathDisplay.from_estimator(clf, annotate_every=1)
        assert len(display.lines_) == 2
        kept = clf.cv_results_["param_base_rate"] == "keep"
        x, y = display.lines_[0].get_data()
        np.testing.assert_array_equal(x, clf.cv_results_["pooled_test_disparity"][kept])
        np.testing.assert_array_equal(y, clf.cv_results_["mean_test_accuracy"][kept])
        assert texts(display.ax_) == ["0", "1", "2"] * 2
        assert display.ax_.get_xlabel() == "average absolute odds difference (0 is equal)"
        legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
        assert legend[-1] == f"chosen: strength {clf.best_strength_:.2g}"

    def test_peers_and_given_axes(self):
        _, ax = plt.subplots()
        display = StrengthPathDisplay.from_estimator(
            fit_search(), ax=ax, peers={"plain": (0.2, 0.8)}
        )
        assert display.ax_ is ax
        assert display.figure_ is ax.figure
        assert "plain" in texts(ax)

    def test_strengths_per_class_are_a_front(self):
        clf = fit_search(per_class=True, base_rates=["keep"])
        display = StrengthPathDisplay.from_estimator(clf)
        [line] = display.lines_
        assert line.get_linestyle() == ":"
        assert len(line.get_xdata()) == 9
        assert (np.diff(line.get_xdata()) >= 0).all()

    @pytest.mark.parametrize("kind", ["search", "classifier", "pipeline"])
    def test_new_rows_are_judged_without_training(self, kind):
        X, y, groups = make_rows(300)
        clf = BackdoorDebiasClassifier(GaussianNB(), trigger_strength=0.7, random_state=0)
        if kind == "search":
            clf = BackdoorDebiasClassifierCV(
                GaussianNB(), trigger_strengths=[0.0, 0.7], cv=2, disparity_weight=1.0,
                random_state=0,
            )  # fmt: skip
        if kind == "pipeline":
            clf = make_pipeline(StandardScaler(), clf)
            clf.fit(X, y, backdoordebiasclassifier__sensitive_features=groups)
        else:
            clf.fit(X, y, sensitive_features=groups)
        X_new, y_new, new_groups = make_rows(200, seed=1)
        display = StrengthPathDisplay.from_estimator(
            clf, X_new, y_new, sensitive_features=new_groups, references=True
        )
        predicted = clf.predict(X_new)
        expected = average_absolute_odds_difference(
            y_new, predicted, sensitive_features=new_groups
        )
        assert display.disparity[display.best_index] == pytest.approx(expected)
        assert display.accuracy[display.best_index] == (predicted == y_new).mean()
        assert len(display.reference_lines_) == 2
        shown = {line.get_label() for line in display.reference_lines_}
        assert shown == {"told the group, fitted here", "closed-form rule, fitted here"}

    def test_new_rows_need_a_path(self):
        X, y, groups = make_rows()
        clf = BackdoorDebiasClassifier(GaussianNB(), student="single", random_state=0)
        clf.fit(X, y, sensitive_features=groups)
        with pytest.raises(ValueError, match="student='path'"):
            StrengthPathDisplay.from_estimator(clf, X, y, sensitive_features=groups)
        with pytest.raises(ValueError, match=r"no search.*Give X and y"):
            StrengthPathDisplay.from_estimator(clf)

    def test_references_are_for_two_classes_and_average_odds(self):
        X, y, groups = make_rows(300, n_classes=3)
        clf = BackdoorDebiasClassifier(GaussianNB(), random_state=0)
        clf.fit(X, y, sensitive_features=groups)
        settings = {"sensitive_features": groups, "references": True}
        with pytest.raises(ValueError, match="got 3 classes"):
            StrengthPathDisplay.from_estimator(clf, X, y, **settings)

    def test_given_base_rates(self):
        clf = fit_search(base_rates=["keep", (0.6, 0.4)])
        display = StrengthPathDisplay.from_estimator(clf)
        assert [line.get_label() for line in display.lines_] == [
            "base rate kept",
            "base rate 0.6, 0.4",
        ]

    def test_grid_search(self):
        X, y, _ = data_with_column()
        search = GridSearchCV(
            BackdoorDebiasClassifier(make_net(), sensitive_columns=3, random_state=0),
            {"trigger_strength": [0.0, 1.0]},
            scoring={
                "accuracy": "accuracy",
                "gap": make_fairness_scorer("average_odds", sensitive_columns=3),
            },
            refit=select_fair(max_accuracy_loss=0.1, disparity="gap"),
            cv=2,
        ).fit(X, y)
        display = StrengthPathDisplay.from_estimator(search, disparity="gap")
        x, _ = display.lines_[0].get_data()
        np.testing.assert_array_equal(x, -search.cv_results_["mean_test_gap"])
        assert display.best_index == search.best_index_
        with pytest.raises(ValueError, match=r"no score called 'disparity', only"):
            StrengthPathDisplay.from_cv_results(search.cv_results_)

    @pytest.mark.parametrize(
        ("grid", "n_curves"),
        [
            ({"trigger_strength": [[0.0, 0.0], [1.0, 0.0]]}, 1),
            ({"trigger_strength": [0.0, (0.0, 1.0)]}, 2),
            ({"trigger_strength": [0.0], "base_rate": ["keep", [0.7, 0.3]]}, 2),
        ],
    )
    def test_grids_of_lists(self, grid, n_curves):
        X, y, _ = data_with_column()
        search = GridSearchCV(
            BackdoorDebiasClassifier(GaussianNB(), sensitive_columns=3, random_state=0),
            grid,
            scoring={
                "accuracy": "accuracy",
                "disparity": make_fairness_scorer("average_odds", sensitive_columns=3),
            },
            refit=select_fair(disparity_weight=1.0),
            cv=2,
        ).fit(X, y)
        display = StrengthPathDisplay.from_estimator(search)
        assert len(display.lines_) == n_curves
        assert sum(len(line.get_xdata()) for line in display.lines_) == 2

    def test_results_without_strengths(self):
        with pytest.raises(ValueError, match=r"no trigger_strength.*\['C'\]"):
            StrengthPathDisplay.from_cv_results({"param_C": [1], "mean_test_score": [1]})


class TestGroupRates:
    def test_bars_show_the_rates(self):
        X, y, groups = data_with_column()
        clf = BackdoorDebiasClassifier(make_net(), sensitive_columns=3, random_state=0)
        display = GroupRatesDisplay.from_estimator(clf.fit(X, y), X, y)
        expected = group_rates(y, clf.predict(X), sensitive_features=groups)
        for bars, group in zip(display.bars_, (0, 1)):
            heights = [bar.get_height() for bar in bars]
            np.testing.assert_allclose(heights, expected.loc[group].iloc[2:])

    def test_counts_are_those_of_the_rates(self):
        y_true, groups = [1, 1, 0, 1, 0, 0], ["a"] * 3 + ["b"] * 3
        display = GroupRatesDisplay.from_predictions(
            y_true, y_true, sensitive_features=groups
        )
        assert display.counts.loc["a"].tolist() == [3, 2, 1]
        assert display.counts.loc["b"].tolist() == [3, 1, 2]

    def test_confidence_limits_are_wilsons(self):
        y_true, y_pred = [1] * 10, [1] * 5 + [0] * 5
        groups = ["a", "b"] * 5
        y_true, y_pred, groups = y_true + [0, 0], y_pred + [0, 0], [*groups, "a", "b"]
        display = GroupRatesDisplay.from_predictions(
            y_true, y_pred, sensitive_features=groups
        )
        low, high = display._confidence_limits()
        # Three of five, and two of five: published limits of the Wilson interval.
        assert low.loc["a", "true_positive_rate"] == pytest.approx(0.2307, abs=1e-4)
        assert high.loc["b", "true_positive_rate"] == pytest.approx(0.7693, abs=1e-4)

    def test_sensitive_values_by_argument_or_error(self):
        X, y, groups = make_rows()
        clf = BackdoorDebiasClassifier(make_net(), random_state=0)
        clf.fit(X, y, sensitive_features=groups)
        GroupRatesDisplay.from_estimator(clf, X, y, sensitive_features=groups)
        with pytest.raises(ValueError, match="No sensitive attribute was given"):
            GroupRatesDisplay.from_estimator(clf, X, y)

    def test_only_classifiers(self):
        with pytest.raises(ValueError, match="is not a classifier"):
            GroupRatesDisplay.from_estimator(StandardScaler(), [[0]], [0])


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"sklearn-bade\[plot\]"):
        StrengthPathDisplay([0.0], [1.0], [0.0]).plot()
