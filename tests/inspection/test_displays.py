import sys
from functools import cache, partial
from itertools import pairwise

import matplotlib
import numpy as np
import pandas as pd
import pytest
from helpers import make_net, make_opposite_gaps, make_rows
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


@cache
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


@cache
def fit_fast(**settings):
    """Fit a search whose figures show all that a picture can; pictures do not change it."""
    X, y, groups = make_opposite_gaps(1500, 0)
    clf = BackdoorDebiasClassifierCV(GaussianNB(), cv=3, random_state=0, **settings)
    return clf.fit(X, y, sensitive_features=groups)


def shown_texts(ax):
    """List the texts beside points that are there once a figure is drawn."""
    ax.figure.canvas.draw()
    return [text for text in ax.texts if text.get_visible()]


def texts(ax):
    return [text.get_text() for text in shown_texts(ax)]


def legend_of(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def points_in_pixels(display):
    figures = display.points_[["disparity", "accuracy"]].to_numpy()
    return display.ax_.transData.transform(figures)


def count_collisions(display):
    """Count pairs of overlapping texts, and marks that a text covers."""
    boxes = [text.get_window_extent() for text in shown_texts(display.ax_)]
    pairs = sum(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    places = [mark.get_xydata()[0] for mark in display.marks_.values()]
    pixels = display.ax_.transData.transform(places)
    return pairs + sum(box.contains(*pixel) for box in boxes for pixel in pixels)


class TestStrengthPath:
    def test_curves_show_the_results(self):
        clf = fit_search()
        display = StrengthPathDisplay.from_estimator(clf, annotate_every=1)
        assert len(display.lines_) == 2
        kept = clf.cv_results_["param_base_rate"] == "keep"
        x, y = display.lines_[0].get_data()
        np.testing.assert_array_equal(x, clf.cv_results_["pooled_test_disparity"][kept])
        np.testing.assert_array_equal(y, clf.cv_results_["mean_test_accuracy"][kept])
        assert set(texts(display.ax_)) == {"0", "1", "2"}
        assert display.ax_.get_xlabel() == "average absolute odds difference (0 is equal)"
        assert f"chosen: strength {clf.best_strength_:.3g}" in legend_of(display)

    def test_points_tell_what_is_drawn(self):
        clf = fit_fast(per_class=True)
        points = StrengthPathDisplay.from_estimator(clf).points_
        results = clf.cv_results_
        assert points["trigger_strength"].tolist() == list(
            results["param_trigger_strength"]
        )
        assert np.flatnonzero(points["chosen"]).tolist() == [clf.best_index_]
        for name in ("accuracy", "disparity"):
            for kind in ("mean", "std"):
                figures = results[f"{kind}_test_{name}"]
                np.testing.assert_allclose(points[f"{name}_{kind}"], figures)

    def test_nothing_beats_the_front(self):
        display = StrengthPathDisplay.from_estimator(fit_fast(per_class=True))
        points, front = display.points_, display.points_.iloc[display.front_]
        assert len(front) < len(points)
        assert points["on_front"].sum() == len(front)
        gap, accuracy = (points[name].to_numpy() for name in ("disparity", "accuracy"))
        no_worse = (gap <= gap[:, None]) & (accuracy >= accuracy[:, None])
        beats = no_worse & ((gap < gap[:, None]) | (accuracy > accuracy[:, None]))
        unbeaten = points[~beats.any(axis=1)].drop_duplicates(["disparity", "accuracy"])
        np.testing.assert_array_equal(
            np.sort(front["disparity"]), np.sort(unbeaten["disparity"])
        )
        np.testing.assert_array_equal(display.front_line_.get_xdata(), front["disparity"])

    def test_plain_classifier_strength_0_and_chosen_are_marked(self):
        clf = fit_search()
        display = StrengthPathDisplay.from_estimator(clf)
        assert list(display.marks_) == ["plain classifier", "strength 0", "chosen"]
        for mark, disparity, accuracy in zip(
            display.marks_.values(),
            clf.comparison_["disparity"],
            clf.comparison_["accuracy"],
        ):
            assert mark.get_xydata().tolist() == [[disparity, accuracy]]

    def test_a_plain_classifier_that_is_strength_0_is_marked_once(self):
        display = StrengthPathDisplay.from_estimator(fit_fast())
        assert list(display.marks_) == ["plain classifier, strength 0", "chosen"]

    def test_bars_are_the_spread_over_folds(self):
        clf = fit_search()
        display = StrengthPathDisplay.from_estimator(clf)
        across, along = display.spread_.lines[2]
        results = clf.cv_results_
        control = int(np.flatnonzero(results["param_trigger_strength"] == 0)[0])
        for row, i in enumerate(sorted({control, clf.best_index_})):
            for bars, axis, name in ((across, 0, "disparity"), (along, 1, "accuracy")):
                ends = bars.get_segments()[row][:, axis]
                mean, std = (results[f"{kind}_test_{name}"][i] for kind in ("mean", "std"))
                assert ends == pytest.approx([max(0, mean - std), mean + std])
        assert "mean ± std over 2 folds" in legend_of(display)

    def test_bars_of_a_gap_end_at_0(self):
        uneven = {
            "accuracy": np.full((3, 1), 0.8),
            "disparity": np.array([[0.0], [0.0], [0.3]]),
        }
        display = StrengthPathDisplay([1.0], [0.8], [0.1], best_index=0, folds=uneven)
        [ends] = display.plot().spread_.lines[2][0].get_segments()
        assert ends[:, 0] == pytest.approx([0, 0.1 + np.std([0, 0, 0.3])])

    def test_no_spread_without_folds(self):
        pooled = {
            "param_trigger_strength": np.array([0.0, 1.0]),
            "mean_test_accuracy": [0.8, 0.7],
            "pooled_test_disparity": [0.2, 0.1],
        }
        display = StrengthPathDisplay.from_cv_results(pooled, best_index=1)
        assert display.spread_ is None
        assert not any("std" in text for text in legend_of(display))

    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ({"max_disparity": 0.05}, {"max_disparity: 0.05": 0.05}),
            ({"disparity_weight": 1.0}, {}),
            ({"max_disparity": 0.05, "scoring": "accuracy"}, {}),
        ],
    )
    def test_the_bound_is_a_line(self, settings, expected):
        display = StrengthPathDisplay.from_estimator(fit_fast(**settings))
        drawn = {
            line.get_label(): line.get_xdata()[0] for line in display.bound_lines_.values()
        }
        assert drawn == expected
        assert set(expected) <= set(legend_of(display))

    @pytest.mark.parametrize(
        ("bound", "word"), [(0.3, "with 90%"), (0.01, "not promised with 90%")]
    )
    @pytest.mark.filterwarnings("ignore:No candidate keeps:UserWarning")
    def test_a_confident_bound_is_named_as_such(self, bound, word):
        clf = fit_fast(max_disparity=bound, confidence=0.9)
        display = StrengthPathDisplay.from_estimator(clf)
        promised, limit = display.bound_lines_.items()
        assert promised[0] == f"max_disparity, {word} confidence"
        assert promised[1].get_xdata()[0] == bound
        assert limit[1].get_xdata()[0] == clf.upper_limit_

    def test_the_least_accuracy_is_a_line(self):
        clf = fit_search()
        display = StrengthPathDisplay.from_estimator(clf)
        [line] = display.bound_lines_.values()
        most = clf.cv_results_["mean_test_accuracy"].max()
        assert line.get_ydata()[0] == pytest.approx(most - 0.05)

    def test_new_rows_show_the_bound_of_their_own_disparity_only(self):
        clf = fit_fast(max_disparity=0.05)
        X, y, groups = make_opposite_gaps(500, 1)
        for disparity, n_bounds in ((None, 1), ("demographic_parity", 0)):
            display = StrengthPathDisplay.from_estimator(
                clf, X, y, sensitive_features=groups, disparity=disparity
            )
            assert len(display.bound_lines_) == n_bounds
            assert list(display.marks_) == ["strength 0", "chosen"]

    def test_the_axis_names_the_disparity(self):
        def gap_in_thin_files(y_true, y_pred, *, sensitive_features):
            is_b = np.asarray(sensitive_features) == 1
            return abs(np.mean(y_pred[is_b]) - np.mean(y_pred[~is_b]))

        names = {
            "demographic_parity": "demographic parity difference",
            gap_in_thin_files: "gap in thin files",
            partial(gap_in_thin_files): "gap in thin files",
        }
        for disparity, name in names.items():
            clf = fit_fast(disparity=disparity, disparity_weight=1.0)
            display = StrengthPathDisplay.from_estimator(clf)
            assert display.ax_.get_xlabel() == f"{name} (0 is equal)"

    @pytest.mark.parametrize("size", [(6.4, 4.8), (3.9, 3.2), (3.0, 2.2), (12, 3)])
    @pytest.mark.parametrize("layout", ["constrained", None])
    def test_nothing_collides(self, size, layout):
        _, ax = plt.subplots(figsize=size, layout=layout)
        display = StrengthPathDisplay.from_estimator(
            fit_fast(per_class=True, max_disparity=0.05),
            ax=ax,
            peers={"a peer": (0.04, 0.79), "another": (0.041, 0.79)},
        )
        assert count_collisions(display) == 0
        box = ax.get_legend().get_window_extent()
        assert not any(box.contains(*point) for point in points_in_pixels(display))
        assert box.y0 >= 0
        assert box.x0 >= 0

    @pytest.mark.slow
    def test_labels_follow_when_a_figure_changes(self):
        display = StrengthPathDisplay.from_estimator(fit_fast(), annotate_every=1)
        many = len(texts(display.ax_))
        assert count_collisions(display) == 0
        display.figure_.set_size_inches(4, 3.5)
        display.ax_.set_title("smaller")
        assert len(texts(display.ax_)) < many
        assert count_collisions(display) == 0

    def test_few_strengths_are_written(self):
        display = StrengthPathDisplay.from_estimator(fit_fast())
        assert 2 <= len(texts(display.ax_)) <= 8

    def test_many_base_rates_do_not_fill_the_legend(self):
        clf = fit_fast(min_recall=0.75)
        rates = {
            rate if isinstance(rate, str) else tuple(rate)
            for rate in clf.cv_results_["param_base_rate"]
        }
        assert len(rates) > 10
        display = StrengthPathDisplay.from_estimator(clf)
        assert legend_of(display).count("other base rates") == 1
        assert len(legend_of(display)) < 10

    def test_one_candidate(self):
        clf = fit_fast(trigger_strengths=(1.0,), base_rates=("keep",), disparity_weight=1.0)
        display = StrengthPathDisplay.from_estimator(clf)
        assert texts(display.ax_) == ["1"]
        assert display.ax_.get_xlim()[0] == 0

    def test_candidates_without_a_disparity_are_not_drawn(self):
        display = StrengthPathDisplay([0.0, 1.0, 2.0], [0.8, 0.7, 0.6], [0.1, np.nan, 0.05])
        display.plot()
        assert display.front_.tolist() == [2, 0]
        assert sorted(texts(display.ax_)) == ["0", "2"]
        undefined = StrengthPathDisplay([0.0, 1.0], [0.8, 0.7], [np.nan, np.nan]).plot()
        assert len(undefined.front_) == 0
        assert texts(undefined.ax_) == []

    @pytest.mark.slow
    def test_peers_and_given_axes(self):
        _, ax = plt.subplots()
        display = StrengthPathDisplay.from_estimator(
            fit_search(), ax=ax, peers={"plain": (0.2, 0.8)}
        )
        assert display.ax_ is ax
        assert display.figure_ is ax.figure
        assert "plain" in texts(ax)

    @pytest.mark.slow
    def test_strengths_per_class_are_a_front(self):
        clf = fit_search(per_class=True, base_rates=("keep",))
        display = StrengthPathDisplay.from_estimator(clf)
        assert display.lines_ == []
        [dots] = display.dots_
        assert len(dots.get_xdata()) == 9
        line = display.front_line_
        assert (np.diff(line.get_xdata()) > 0).all()
        assert (np.diff(line.get_ydata()) > 0).all()

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

    @pytest.mark.slow
    def test_given_base_rates(self):
        clf = fit_search(base_rates=("keep", (0.6, 0.4)))
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
        expected = "average absolute odds difference (0 is equal)"
        assert display.ax_.get_xlabel() == expected
        assert list(display.marks_) == ["strength 0", "chosen"]
        assert len(display.bound_lines_) == 1
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
        drawn = display.lines_ + display.dots_
        assert len(drawn) == n_curves
        assert sum(len(artist.get_xdata()) for artist in drawn) == 2

    def test_results_without_strengths(self):
        with pytest.raises(ValueError, match=r"no trigger_strength.*\['C'\]"):
            StrengthPathDisplay.from_cv_results({"param_C": [1], "mean_test_score": [1]})


class TestGroupRates:
    def test_dots_show_the_rates(self):
        X, y, groups = data_with_column()
        clf = BackdoorDebiasClassifier(make_net(), sensitive_columns=3, random_state=0)
        display = GroupRatesDisplay.from_estimator(clf.fit(X, y), X, y)
        expected = group_rates(y, clf.predict(X), sensitive_features=groups)
        for dots, group in zip(display.dots_, (0, 1)):
            heights = dots.lines[0].get_ydata()
            np.testing.assert_allclose(heights, expected.loc[group].iloc[2:])
            ends = np.array(dots.lines[2][0].get_segments())[:, :, 1]
            np.testing.assert_allclose(ends[:, 0], display.lower.loc[group])
            np.testing.assert_allclose(ends[:, 1], display.upper.loc[group])

    def test_before_and_after(self):
        X, y, groups = data_with_column()
        clf = BackdoorDebiasClassifier(make_net(), sensitive_columns=3, random_state=0)
        after = clf.fit(X, y)
        before = GaussianNB().fit(X, y)
        display = GroupRatesDisplay.from_estimator({"before": before, "after": after}, X, y)
        for name, model in (("before", before), ("after", after)):
            expected = group_rates(y, model.predict(X), sensitive_features=groups)
            rates = display.rates.loc[name]
            np.testing.assert_array_equal(rates, expected[list(rates)])
            assert (display.lower.loc[name] <= rates).all(axis=None)
        assert legend_of(display) == ["group 0.0", "group 1.0", "before", "after"]
        dots = [container.lines[0] for container in display.dots_]
        assert len(dots) == 4
        colors = [each.get_color() for each in dots]
        assert colors[:2] == colors[2:]
        hollow = [each.get_markerfacecolor() == "white" for each in dots]
        assert hollow == [True, True, False, False]

    def test_predictions_of_several_models(self):
        y_true, groups = np.tile([0, 1], 20), np.repeat(["a", "b"], 20)
        always = np.ones(40, dtype=int)
        predictions = {"always": always, "never": 0 * always, "right": y_true}
        display = GroupRatesDisplay.from_predictions(
            y_true, predictions, sensitive_features=groups
        )
        selected = display.rates["selection_rate"].unstack()
        assert selected.loc["always"].tolist() == [1, 1]
        assert selected.loc["never"].tolist() == [0, 0]
        assert selected.loc["right"].tolist() == [0.5, 0.5]
        with pytest.raises(ValueError, match="at least"):
            GroupRatesDisplay.from_predictions(y_true, {}, sensitive_features=groups)

    def test_weights_count_by_their_effective_number_of_rows(self):
        y_true, groups = np.tile([0, 1], 40), np.repeat(["a", "b"], 40)
        y_pred = np.tile([0, 1, 1, 1, 0, 0, 0, 1], 10)
        options = {"sensitive_features": groups}
        plain = GroupRatesDisplay.from_predictions(y_true, y_pred, **options)
        doubled, uneven = (
            GroupRatesDisplay.from_predictions(y_true, y_pred, sample_weight=w, **options)
            for w in (np.full(80, 2.0), np.tile([0.1] * 8 + [4.0] * 8, 5))
        )
        pd.testing.assert_frame_equal(doubled.lower, plain.lower)
        pd.testing.assert_frame_equal(uneven.counts, plain.counts)
        width = uneven.upper - uneven.lower
        assert (width > plain.upper - plain.lower).all(axis=None)
        expected = group_rates(
            y_true, y_pred, sample_weight=np.tile([0.1] * 8 + [4.0] * 8, 5), **options
        )
        pd.testing.assert_frame_equal(uneven.rates, expected[list(uneven.rates)])

    def test_a_rate_of_no_rows_is_left_out(self):
        display = GroupRatesDisplay.from_predictions(
            [1, 0, 1, 1], [1, 0, 0, 1], sensitive_features=["a", "a", "b", "b"]
        )
        display.figure_.canvas.draw()
        assert np.isnan(display.lower.loc["b", "false_positive_rate"])
        assert np.isnan(display.dots_[1].lines[0].get_ydata()[2])

    def test_the_class_is_named(self):
        _, y, groups = make_rows(n_classes=3)
        labels = np.array(["high", "low", "mid"])[y]
        display = GroupRatesDisplay.from_predictions(
            labels, labels, sensitive_features=groups, pos_label="low"
        )
        assert display.ax_.get_xlabel() == "of class low"
        assert display.rates["true_positive_rate"].tolist() == [1, 1]

    def test_the_scale(self):
        y, groups = np.tile([0, 0, 0, 0, 1], 400), np.repeat([0, 1], 1000)
        wide, near = (
            GroupRatesDisplay.from_predictions(
                y, np.roll(y, 1), sensitive_features=groups, zoom=zoom
            ).ax_.get_ylim()
            for zoom in (False, True)
        )
        assert wide[0] <= 0 < 1 <= wide[1]
        assert near[1] < 0.5

    def test_no_tick_is_above_1_beside_a_legend_inside(self):
        display = GroupRatesDisplay.from_predictions(
            [0, 1, 0, 1], [0, 1, 1, 0], sensitive_features=[0, 0, 1, 1], ax=plt.gca()
        )
        assert display.ax_.get_ylim()[1] > 1.1
        assert max(display.ax_.get_yticks()) == 1

    @pytest.mark.parametrize("confidence", [0, 1, 2, -0.5, "95%", np.nan])
    def test_confidence_is_checked(self, confidence):
        options = {"sensitive_features": [0, 1], "confidence": confidence}
        with pytest.raises(ValueError, match="between 0 and 1"):
            GroupRatesDisplay.from_predictions([0, 1], [0, 1], **options)

    @pytest.mark.parametrize("size", [None, (6.4, 4.8), (3.9, 3.2), (12, 3)])
    def test_many_groups_with_long_names(self, size):
        _, y, groups = make_rows(600, n_groups=12)
        names = np.array([f"a group with the long name of number {i}" for i in range(12)])
        ax = None if size is None else plt.subplots(figsize=size, layout="constrained")[1]
        display = GroupRatesDisplay.from_predictions(
            y,
            {"before": y, "after": np.roll(y, 1)},
            sensitive_features=names[groups],
            ax=ax,
        )
        display.figure_.canvas.draw()
        legend = display.ax_.get_legend().get_window_extent()
        assert len(legend_of(display)) == 14
        styles = {
            (dots.lines[0].get_color(), dots.lines[0].get_marker())
            for dots in display.dots_
        }
        assert len(styles) == 12
        assert not legend.overlaps(display.ax_.get_window_extent())
        ticks = [label.get_window_extent() for label in display.ax_.get_xticklabels()]
        assert not any(a.overlaps(b) for a, b in pairwise(ticks))
        if size is None:
            height = display.figure_.bbox.height
            assert legend.y0 >= 0
            assert display.ax_.get_window_extent().height > height / 3

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
        low, high = display.lower, display.upper
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
