"""The report beside loops over rows, on odd rows, and of models of many kinds."""

import pickle
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from helpers import make_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade.exceptions import CutGroupsWarning, FavourableLabelWarning
from sklearn_bade.inspection import (
    FairnessReport,
    correction_importance,
    decided_otherwise,
)
from sklearn_bade.metrics import disparity_interval

report_of = FairnessReport.from_predictions
few = settings(max_examples=15)
TABLES = [
    "rates",
    "impact",
    "gaps",
    "disparities",
    "accuracy",
    "changes",
    "decisions",
    "calibration",
    "groups",
]
rows_of_three_groups = st.lists(
    st.tuples(*[st.integers(0, 1)] * 3, st.sampled_from("abc"), st.integers(1, 3)),
    min_size=8,
    max_size=40,
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def make_decisions(n_samples=300, n_groups=2, n_classes=2, seed=0):
    """Make labels, decisions of two models, scores and groups."""
    rng = np.random.RandomState(seed)
    y = rng.randint(n_classes, size=n_samples)
    decided = [np.where(rng.rand(n_samples) < r, y, rng.randint(n_classes, size=n_samples))
               for r in (0.7, 0.8)]  # fmt: skip
    scores = np.clip(0.5 * decided[0] + 0.5 * rng.rand(n_samples), 0, 1)
    groups = np.array(list("abcdefghijkl"))[rng.randint(n_groups, size=n_samples)]
    return y, *decided, scores, groups


def one(table, **values):
    """Select the rows of a table that have given values."""
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def rate_by_loop(kind, y, predicted, weights, is_member):
    """Compute a rate of class 1, row by row."""
    hits = total = 0.0
    for truth, said, weight, member in zip(y, predicted, weights, is_member):
        counted, hit = {
            "selection": (True, said == 1),
            "true_positive": (truth == 1, said == 1),
            "false_positive": (truth != 1, said == 1),
            "precision": (said == 1, truth == 1),
            "accuracy": (True, truth == said),
        }[kind]
        if member and counted:
            total += weight
            hits += weight * hit
    return hits / total if total else np.nan


def same_tables(one, other, tables=TABLES, **kwargs):
    for name in tables:
        pd.testing.assert_frame_equal(one.to_frame(name), other.to_frame(name), **kwargs)


def reachable(thing, seen=None):
    """List all that an object holds."""
    seen = {} if seen is None else seen
    if id(thing) in seen:
        return seen.values()
    seen[id(thing)] = thing
    if isinstance(thing, dict):
        for each in (*thing.keys(), *thing.values()):
            reachable(each, seen)
    elif isinstance(thing, (list, tuple, set)):
        for each in thing:
            reachable(each, seen)
    elif hasattr(thing, "__dict__") and not isinstance(thing, (type, pd.DataFrame)):
        reachable(vars(thing), seen)
    return seen.values()


P_OF_GROUPS = [0.4, 0.3, 0.2, 0.05, 0.02, 0.01, 0.01, 0.01]


class TestRates:
    @few
    @given(rows_of_three_groups)
    def test_they_are_what_a_loop_over_rows_counts(self, rows):
        y, first, second, groups, weights = map(np.array, zip(*rows))
        if len({*y, *first, *second}) < 2:
            y[0], first[0] = 0, 1
        report = report_of(
            y,
            {"one": first, "two": second},
            sensitive_features=groups,
            sample_weight=weights,
            pos_label=1,
        )
        table = report.to_frame()
        assert len(table) == 2 * 5 * len(set(groups))
        for _, row in table.iterrows():
            said = first if row["model"] == "one" else second
            found = rate_by_loop(row["rate"], y, said, weights, groups == row["group"])
            np.testing.assert_allclose(row["value"], found)
            if np.isfinite(found):
                assert 0 <= row["lower"] <= row["value"] + 1e-12
                assert row["value"] - 1e-12 <= row["upper"] <= 1
            else:
                assert np.isnan(row[["lower", "upper"]].astype(float)).all()

    @settings(max_examples=4)
    @given(st.randoms(use_true_random=False))
    def test_another_order_of_the_rows_changes_nothing(self, random):
        y, first, second, scores, groups = make_decisions(60, 3)
        order = list(range(60))
        random.shuffle(order)
        reports = [
            report_of(
                y[rows],
                {"one": first[rows], "two": second[rows]},
                y_score={"one": scores[rows]},
                sensitive_features=groups[rows],
            )
            for rows in (np.arange(60), np.array(order))
        ]
        same_tables(*reports)

    def test_whole_weights_are_repeated_rows(self):
        y, first, second, scores, groups = make_decisions(200, 3)
        weights = np.random.RandomState(1).randint(4, size=200)
        repeated = np.repeat(np.arange(200), weights)
        weighed = report_of(
            y,
            {"one": first, "two": second},
            y_score={"one": scores},
            sensitive_features=groups,
            sample_weight=weights,
        )
        plain = report_of(
            y[repeated],
            {"one": first[repeated], "two": second[repeated]},
            y_score={"one": scores[repeated]},
            sensitive_features=groups[repeated],
        )
        for name, column in {
            "rates": "value",
            "gaps": "gap",
            "impact": "impact_ratio",
            "disparities": "value",
            "changes": "change",
            "decisions": "gained",
            "calibration": "mean_score",
        }.items():
            found, expected = (r.to_frame(name)[column] for r in (weighed, plain))
            np.testing.assert_allclose(found, expected, err_msg=name)

    @pytest.mark.parametrize("scale", [1 / 300, 1e-3, 7.0])
    def test_the_unit_of_weights_does_not_matter(self, scale):
        y, first, second, scores, groups = make_decisions()
        reports = [
            report_of(
                y,
                {"one": first, "two": second},
                y_score={"one": scores},
                sensitive_features=groups,
                sample_weight=np.full(300, weight),
            )
            for weight in (1.0, scale)
        ]
        tables = [t for t in TABLES if t != "decisions"]  # sums of weights
        same_tables(*reports, tables=tables, rtol=1e-6)

    def test_rows_of_weight_zero_are_none(self):
        y, first, second, scores, groups = make_decisions(200)
        kept = np.arange(200) < 150
        reports = [
            report_of(
                y[rows],
                {"one": first[rows], "two": second[rows]},
                y_score={"one": scores[rows]},
                sensitive_features=groups[rows],
                sample_weight=kept[rows].astype(float),
            )
            for rows in (np.arange(200), np.flatnonzero(kept))
        ]
        same_tables(*reports)

    def test_weights_that_are_all_zero_are_refused(self):
        y, first, *_, groups = make_decisions()
        with pytest.raises(ValueError, match="weight"):
            report_of(y, first, sensitive_features=groups, sample_weight=np.zeros(300))

    def test_intersections_are_groups_of_their_own(self):
        y, first, _, _, groups = make_decisions()
        sex = np.random.RandomState(1).choice(["f", "m"], 300)
        table = pd.DataFrame({"race": groups, "sex": sex})
        report = report_of(y, first, sensitive_features=table)
        assert report.attributes_ == ["race", "sex", "race and sex"]
        rates = one(report.to_frame(), attribute="race and sex", rate="selection")
        assert rates["group"].tolist() == ["a, f", "a, m", "b, f", "b, m"]
        for _, row in rates.iterrows():
            members = (groups == row["group"][0]) & (sex == row["group"][-1])
            assert row["value"] == first[members].mean()
            assert row["rows"] == members.sum()

    @pytest.mark.parametrize("favourable", [None, "b"])
    def test_of_three_labels_each_or_one_is_compared(self, favourable):
        y, first, *_, groups = make_decisions(n_classes=3)
        labels = np.array(["a", "b", "c"])
        report = report_of(
            labels[y], labels[first], sensitive_features=groups, pos_label=favourable
        )
        assert report.labels_ == (["a", "b", "c"] if favourable is None else ["b"])
        for _, row in one(report.to_frame(), rate="selection").iterrows():
            share = (labels[first][groups == row["group"]] == row["label"]).mean()
            np.testing.assert_allclose(row["value"], share)

    def test_without_truth_nothing_is_said_of_errors(self):
        _, first, second, scores, groups = make_decisions()
        report = report_of(
            None,
            {"one": first, "two": second},
            y_score={"one": scores},
            sensitive_features=groups,
        )
        assert set(report.to_frame()["rate"]) == {"selection", "scoring"}
        assert set(report.to_frame("disparities")["disparity"]) == {"demographic_parity"}
        assert set(report.to_frame("changes")["figure"]) == {
            "demographic_parity",
            "selection",
        }
        assert not len(report.to_frame("accuracy"))
        assert not len(report.to_frame("calibration"))
        assert any("not known" in note for note in report.notes_)

    def test_a_group_without_positives_has_no_true_positive_rate(self):
        y, first, *_, groups = make_decisions(n_groups=3)
        y[groups == "b"] = 0
        report = report_of(y, first, sensitive_features=groups)
        rates = one(report.to_frame(), rate="true_positive").set_index("group")["value"]
        assert rates.isna().tolist() == [False, True, False]
        gaps = one(report.to_frame("gaps"), rate="true_positive")
        with_b = (gaps["group"] == "b") | (gaps["other"] == "b")
        unknown = gaps.loc[with_b, ["gap", "gap_lower", "ratio", "p_value"]].isna()
        assert unknown.all(axis=None)
        assert np.isfinite(gaps.loc[~with_b, "gap"]).all()
        assert "not computable" in report._repr_html_()

    def test_a_single_group_has_rates_and_no_gaps(self):
        y, first, second, *_ = make_decisions()
        report = report_of(y, {"one": first, "two": second}, sensitive_features=["a"] * 300)
        assert report.to_frame("disparities")["value"].isna().all()
        assert not len(report.to_frame("gaps"))
        assert report.to_frame()["value"].notna().all()
        report._repr_html_()

    def test_scoring_is_the_share_above_the_median_of_all(self):
        y, first, _, scores, groups = make_decisions()
        report = report_of(y, first, y_score=scores, sensitive_features=groups)
        for _, row in one(report.to_frame(), rate="scoring").iterrows():
            above = scores[groups == row["group"]] > np.median(scores)
            np.testing.assert_allclose(row["value"], above.mean())


class TestImpact:
    def test_new_yorks_own_example_has_a_ratio_of_82_hundredths(self):
        """Of 1,000 each, 543 and 447 are selected (6 RCNY 5-300)."""
        selected = np.concatenate([np.arange(1000) < 543, np.arange(1000) < 447])
        report = report_of(None, selected, sensitive_features=["m"] * 1000 + ["f"] * 1000)
        impact = report.to_frame("impact").set_index("group")
        assert impact["value"].to_dict() == {"f": 0.447, "m": 0.543}
        assert round(impact.loc["f", "impact_ratio"], 2) == 0.82
        assert impact.loc["m", "impact_ratio"] == 1
        assert impact["reference"].tolist() == ["m", "m"]
        assert impact["four_fifths"].tolist() == ["met", "met"]

    def test_four_fifths_may_be_missed_by_chance(self):
        groups = np.repeat(["a", "b"], 40)
        few_rows = np.r_[np.arange(40) < 20, np.arange(40) < 15]
        verdicts = [
            report_of(None, np.repeat(few_rows, k), sensitive_features=np.repeat(groups, k))
            .to_frame("impact")
            .set_index("group")["four_fifths"]
            for k in (1, 20)
        ]
        assert verdicts[0].to_dict() == {"a": "met", "b": "missed, may be chance"}
        assert verdicts[1].to_dict() == {"a": "met", "b": "missed"}

    def test_a_small_group_is_no_reference_and_is_still_shown(self):
        groups = ["a"] * 500 + ["b"] * 500 + ["c"] * 5
        decided = np.r_[np.arange(500) < 250, np.arange(500) < 200, np.ones(5)].astype(int)
        report = report_of(None, decided, sensitive_features=groups)
        impact = report.to_frame("impact").set_index("group")
        assert set(impact["reference"]) == {"a"}
        assert impact["impact_ratio"].to_dict() == {"a": 1, "b": 0.8, "c": 2}
        assert impact["is_small"].tolist() == [False, False, True]
        assert any("c has fewer than 30 rows" in note for note in report.notes_)

    def test_where_nobody_is_selected_it_cannot_be_computed(self):
        report = report_of(
            None, [0] * 60 + [2] * 60, sensitive_features=["a", "b"] * 60, pos_label=0
        )
        nobody = report_of(
            [1] * 60 + [0] * 60, [0] * 120, sensitive_features=["a", "b"] * 60
        ).to_frame("impact")
        assert (report.to_frame("impact")["four_fifths"] == "met").all()
        assert (nobody["four_fifths"] == "not computable").all()
        assert nobody["impact_ratio"].isna().all()


class TestGapsAndDisparities:
    def test_swapping_two_groups_flips_signs_and_turns_ratios_over(self):
        y, first, second, _, groups = make_decisions()
        swapped = np.where(groups == "a", "b", "a")
        gaps, flipped = (
            report_of(y, {"one": first, "two": second}, sensitive_features=g).to_frame(
                "gaps"
            )
            for g in (groups, swapped)
        )
        np.testing.assert_allclose(gaps["gap"], -flipped["gap"])
        np.testing.assert_allclose(gaps["gap_lower"], -flipped["gap_upper"])
        np.testing.assert_allclose(gaps["ratio"], 1 / flipped["ratio"])
        np.testing.assert_allclose(gaps["ratio_lower"], 1 / flipped["ratio_upper"])
        np.testing.assert_allclose(gaps["p_value"], flipped["p_value"])

    def test_other_names_of_the_groups_change_no_figure(self):
        y, first, _, scores, groups = make_decisions(n_groups=3)
        renamed = pd.Series(groups).map({"a": "x", "b": "y", "c": "zebra"})
        for name in ("rates", "gaps", "disparities", "impact"):
            one, other = (
                report_of(y, first, y_score=scores, sensitive_features=g)
                .to_frame(name)
                .select_dtypes("number")
                for g in (groups, renamed)
            )
            pd.testing.assert_frame_equal(one, other)

    def test_disparities_are_those_of_the_metric(self):
        y, first, *_, groups = make_decisions(n_groups=4)
        table = report_of(y, first, sensitive_features=groups).to_frame("disparities")
        assert len(table) == 4
        for _, row in table.iterrows():
            expected = disparity_interval(
                y, first, sensitive_features=groups, disparity=row["disparity"]
            )
            np.testing.assert_allclose(row[["value", "lower", "upper"]].tolist(), expected)


class TestChanges:
    def test_they_are_second_less_first(self):
        y, first, second, _, groups = make_decisions()
        models = {"one": first, "two": second}
        report = report_of(y, models, sensitive_features=groups)
        changes, rates = report.to_frame("changes"), report.to_frame()
        for _, row in changes[changes["group"].notna()].iterrows():
            before, after = (
                one(rates, model=m, group=row["group"], rate=row["figure"])["value"].item()
                for m in models
            )
            np.testing.assert_allclose(row["change"], after - before)
            assert row["lower"] <= row["change"] <= row["upper"]
        accuracy = one(changes, figure="accuracy").iloc[0]
        np.testing.assert_allclose(
            accuracy["change"], (second == y).mean() - (first == y).mean()
        )

    def test_the_other_order_testeds_flips_signs(self):
        y, first, second, _, groups = make_decisions()
        there, back = (
            report_of(y, models, sensitive_features=groups).to_frame("changes")
            for models in (
                {"one": first, "two": second},
                {"two": second, "one": first},
            )
        )
        assert there["before"].unique().tolist() == ["one"]
        assert back["before"].unique().tolist() == ["two"]
        np.testing.assert_allclose(there["change"], -back["change"])
        of_rates = there["group"].notna() | (there["figure"] == "accuracy")
        np.testing.assert_allclose(there["lower"][of_rates], -back["upper"][of_rates])

    def test_decisions_are_counted_by_group(self):
        y, first, second, _, groups = make_decisions()
        report = report_of(y, {"one": first, "two": second}, sensitive_features=groups)
        for _, row in report.to_frame("decisions").iterrows():
            members = groups == row["group"]
            assert row["rows"] == members.sum()
            assert row["gained"] == ((second > first) & members).sum()
            assert row["lost"] == ((second < first) & members).sum()

    def test_paired_intervals_are_shorter_than_those_of_other_rows(self):
        y, first, _, _, groups = make_decisions(2000)
        nearly = np.where(np.arange(2000) % 50 == 0, 1 - first, first)
        report = report_of(y, {"one": first, "two": nearly}, sensitive_features=groups)
        row = one(report.to_frame("changes"), figure="selection", group="a").iloc[0]
        limits = one(report.to_frame(), rate="selection", group="a").iloc[0]
        assert row["upper"] - row["lower"] < 0.6 * (limits["upper"] - limits["lower"])

    def test_a_gap_changes_no_more_than_the_rates_that_it_compares(self):
        """Here both models agree on every row, and some groups are small."""
        rng = np.random.RandomState(0)
        y, groups = rng.randint(2, size=600), rng.choice([*"abcdefgh"], 600, p=P_OF_GROUPS)
        said = np.where(rng.uniform(size=600) < 0.8, y, 1 - y)
        report = FairnessReport.from_predictions(
            y, {"a": said, "b": said}, sensitive_features=groups
        )
        changes = report.to_frame("changes").set_index("figure")
        parity, rates = changes.loc["demographic_parity"], changes.loc["selection"]
        most = rates["upper"].max() - rates["lower"].min()
        assert parity["change"] == 0
        assert -most <= parity["lower"] <= 0 <= parity["upper"] <= most


class TestCalibration:
    def test_bins_hold_what_a_loop_counts(self):
        y, first, _, scores, groups = make_decisions()
        scores[:3] = [0, 1, 0.3]
        report = report_of(y, first, y_score=scores, sensitive_features=groups, n_bins=5)
        table = report.to_frame("calibration")
        assert len(table) == 2 * 5
        assert table["rows"].sum() == 300
        for _, row in table.iterrows():
            is_last = row["bin_upper"] == 1
            inside = [
                g == row["group"]
                and row["bin_lower"] <= s
                and (s < row["bin_upper"] or is_last)
                for s, g in zip(scores, groups)
            ]
            assert row["rows"] == sum(inside)
            np.testing.assert_allclose(row["mean_score"], scores[inside].mean())
            np.testing.assert_allclose(row["observed"], y[inside].mean())

    def test_scores_outside_of_0_and_1_are_cut_at_their_quantiles(self):
        y, first, _, scores, groups = make_decisions()
        report = report_of(
            y, first, y_score=10 + 5 * scores, sensitive_features=groups, n_bins=4
        )
        bins = report.to_frame("calibration")
        ends = np.unique(bins[["bin_lower", "bin_upper"]])
        np.testing.assert_allclose(ends, np.quantile(10 + 5 * scores, np.arange(5) / 4))
        np.testing.assert_allclose(bins.groupby("bin_lower")["rows"].sum(), 75, atol=2)

    def test_scores_that_are_all_the_same_are_one_bin(self):
        y, first, *_, groups = make_decisions()
        report = report_of(
            y, first, y_score=np.full((300, 2), 5.0), sensitive_features=groups
        )
        bins = one(report.to_frame("calibration"), group="a")
        bins = bins[bins["rows"] > 0]
        assert bins["rows"].tolist() == [(groups == "a").sum()]

    def test_two_columns_say_the_same_as_one(self):
        y, first, _, scores, groups = make_decisions()
        reports = [
            report_of(y, first, y_score=s, sensitive_features=groups, pos_label=1)
            for s in (scores, np.column_stack([1 - scores, scores]))
        ]
        same_tables(*reports)

    def test_missing_scores_are_refused(self):
        y, first, _, scores, groups = make_decisions()
        scores[5] = np.nan
        with pytest.raises(ValueError, match="NaN"):
            report_of(y, first, y_score=scores, sensitive_features=groups)

    @pytest.mark.parametrize("n_scores", [299, 301])
    def test_scores_of_other_rows_are_refused(self, n_scores):
        y, first, *_, groups = make_decisions()
        with pytest.raises(ValueError, match="inconsistent"):
            report_of(y, first, y_score=np.ones(n_scores) / 2, sensitive_features=groups)

    def test_scores_of_one_label_do_not_do_for_three(self):
        y, first, _, scores, groups = make_decisions(n_classes=3)
        with pytest.raises(ValueError, match="one column for each label"):
            report_of(y, first, y_score=scores, sensitive_features=groups)


class TestUnknownAndSmallGroups:
    def test_rows_of_unknown_group_are_counted_and_left_out(self):
        y, first, second, scores, groups = make_decisions()
        gapped = groups.astype(object)
        gapped[::10] = None
        report = report_of(
            y,
            {"one": first, "two": second},
            y_score={"one": scores},
            sensitive_features=gapped,
        )
        known = np.arange(300) % 10 > 0
        others = report_of(
            y[known],
            {"one": first[known], "two": second[known]},
            y_score={"one": scores[known]},
            sensitive_features=groups[known],
        )
        assert report.unknown_ == {"sensitive attribute": 30}
        assert report.n_rows_ == 300
        assert any("30 of 300 rows" in note for note in report.notes_)
        same_tables(report, others, [t for t in TABLES if t != "groups"])

    @pytest.mark.parametrize("of", [np.array(["a", "b"]), np.array([1, 2])])
    def test_none_stands_for_the_unknown_group(self, of):
        y, first, *_, groups = make_decisions()
        table = report_of(
            y, first, sensitive_features=of[(groups == "b").astype(int)]
        ).to_frame("groups")
        assert table["group"].tolist() == [*of.tolist(), None]
        assert table["rows"].tolist() == [(groups == "a").sum(), (groups == "b").sum(), 0]

    def test_a_column_that_is_all_missing_is_refused(self):
        y, first, *_, groups = make_decisions()
        table = pd.DataFrame({"race": groups, "sex": [None] * 300})
        with pytest.raises(ValueError, match="missing in every row"):
            report_of(y, first, sensitive_features=table)

    def test_columns_never_known_together_are_reported_one_by_one(self):
        y, first, *_, groups = make_decisions()
        table = pd.DataFrame({"race": groups, "sex": groups}, dtype=object)
        table.iloc[:150, 0], table.iloc[150:, 1] = None, None
        report = report_of(y, first, sensitive_features=table)
        assert report.attributes_[:2] == ["race", "sex"]
        assert report.unknown_["race"] == report.unknown_["sex"] == 150

    def test_two_columns_of_one_name_are_not_mixed_up(self):
        y, first, *_, groups = make_decisions()
        other = np.random.RandomState(1).choice(["x", "y"], 300)
        table = pd.DataFrame(np.column_stack([groups, other]), columns=["sex", "sex"])
        report = report_of(y, first, sensitive_features=table)
        assert report.attributes_ == ["sex (0)", "sex (1)", "sex (0) and sex (1)"]

    def test_names_that_look_alike_stay_apart(self):
        y, first, *_ = make_decisions()
        report = report_of(y, first, sensitive_features=[1, "1"] * 150)
        rates = one(report.to_frame(), rate="selection")
        assert rates["group"].nunique() == 2
        assert rates["value"].tolist() == [first[::2].mean(), first[1::2].mean()]

    @pytest.mark.parametrize(
        "make",
        [
            lambda c: pd.Categorical(np.array(["x", "y"])[c]),
            lambda c: c.astype(bool),
            lambda c: pd.cut(c, [-1, 0.5, 2]),
            lambda c: pl.Series(np.array(["x", "y"])[c]),
            lambda c: pl.DataFrame({"sex": c}),
            lambda c: c.tolist(),
            lambda c: c / 2,
            lambda c: pd.Series(c, index=range(1000, 1300)),
            lambda c: np.array(["x" * 200, "y" * 300])[c],
            lambda c: np.array(["$y^", "_x"])[c],
        ],
    )
    def test_groups_may_come_in_any_container(self, make):
        y, first, _, scores, groups = make_decisions()
        codes = (groups == "b").astype(int)
        report = report_of(y, first, y_score=scores, sensitive_features=make(codes))
        rates = one(report.to_frame(), rate="selection")["value"]
        assert rates.tolist() == [first[codes == 0].mean(), first[codes == 1].mean()]

    def test_many_numbers_are_cut_once_with_a_warning(self):
        y, first, *_, groups = make_decisions()
        ages = pd.DataFrame({"age": np.random.RandomState(0).rand(300), "sex": groups})
        with pytest.warns(CutGroupsWarning) as caught:
            report = report_of(y, first, sensitive_features=ages)
        assert len(caught) == 1
        assert len(one(report.to_frame("groups"), attribute="age and sex")) == 5


class TestOrderOfRows:
    """Rows are taken by position, so labels in another order are refused."""

    @pytest.mark.parametrize("shuffled", ["y_pred", "sensitive_features", "sample_weight"])
    @pytest.mark.parametrize("others", ["all", "only groups and predictions"])
    def test_the_same_labels_in_another_order_are_refused(self, shuffled, others):
        y, first, *_, groups = make_decisions()
        given = {
            "y_pred": pd.Series(first),
            "sensitive_features": pd.Series(groups),
            "sample_weight": pd.Series(np.ones(300)),
        }
        given[shuffled] = given[shuffled].sample(frac=1, random_state=0)
        with pytest.raises(ValueError, match="another order"):
            report_of(pd.Series(y) if others == "all" else None, **given)

    @pytest.mark.parametrize("shuffled", ["time", "y_score"])
    def test_so_are_those_of_time_and_scores(self, shuffled):
        y, first, _, scores, groups = make_decisions()
        given = {"time": pd.Series(groups), "y_score": pd.Series(scores)}
        given[shuffled] = given[shuffled].sample(frac=1, random_state=0)
        with pytest.raises(ValueError, match="another order"):
            report_of(pd.Series(y), pd.Series(first), sensitive_features=groups, **given)

    def test_so_are_weights_beside_X(self):
        X, y, groups = make_rows()
        weights = pd.Series(np.ones(200)).sample(frac=1, random_state=0)
        with pytest.raises(ValueError, match="another order"):
            FairnessReport.from_estimator(
                LogisticRegression().fit(X, y),
                pd.DataFrame(X),
                y,
                sensitive_features=groups,
                sample_weight=weights,
            )


class TestLabels:
    def test_the_alphabet_is_not_trusted_in_silence(self):
        y, first, *_, groups = make_decisions()
        text = np.array(["no", "yes"])
        with pytest.warns(FavourableLabelWarning, match="'yes'"):
            report_of(text[y], text[first], sensitive_features=groups)
        report = report_of(text[y], text[first], sensitive_features=groups, pos_label="no")
        assert "The favourable label is 'no'." in report.notes_

    @pytest.mark.parametrize("make", [pd.Categorical, pl.Series, list, pd.Series])
    @pytest.mark.parametrize("dtype", [int, bool, float])
    def test_labels_may_be_of_any_kind(self, make, dtype):
        y, first, *_, groups = make_decisions()
        reports = [
            report_of(
                make(y.astype(dtype)), make(first.astype(dtype)), sensitive_features=g
            )
            for g in (groups,)
        ]
        plain = report_of(y, first, sensitive_features=groups)
        assert reports[0].to_frame()["value"].equals(plain.to_frame()["value"])
        assert reports[0].labels_ == [1]

    def test_models_that_speak_of_other_labels_are_refused_without_truth_too(self):
        _, first, *_, groups = make_decisions()
        text = np.array(["no", "yes"])[first]
        with pytest.raises(ValueError, match="labels"):
            report_of(None, {"one": first, "two": text}, sensitive_features=groups)

    @pytest.mark.parametrize("bad", ["z", 7, 0.5])
    def test_an_unknown_favourable_label_is_refused(self, bad):
        y, first, *_, groups = make_decisions()
        with pytest.raises(ValueError, match="not among the labels"):
            report_of(y, first, sensitive_features=groups, pos_label=bad)

    def test_a_long_label_that_these_rows_do_not_have_stays_whole(self):
        X, y, groups = make_rows(n_classes=3)
        names = np.array(["a", "b", "longer"])
        model = LogisticRegression(max_iter=1000).fit(X, names[y])
        kept = model.predict(X) != "longer"
        truth = np.where(y == 0, "a", "b")[kept]
        report = FairnessReport.from_estimator(
            model, X[kept], truth, sensitive_features=groups[kept]
        )
        assert report.labels_ == ["a", "b", "longer"]

    def test_a_truth_of_one_short_label_does_not_shorten_the_other(self):
        X, y, groups = make_rows()
        model = LogisticRegression().fit(X, np.array(["no", "yes"])[y])
        with pytest.warns(FavourableLabelWarning, match="'yes'"):
            report = FairnessReport.from_estimator(
                model, X[y == 0], ["no"] * sum(y == 0), sensitive_features=groups[y == 0]
            )
        assert report.labels_ == ["yes"]

    def test_a_label_that_nobody_gets_is_known_from_the_model(self):
        X, y, groups = make_rows()
        model = LinearSVC().fit(X, y)
        lost = model.predict(X) == 0
        report = FairnessReport.from_estimator(
            model, X[lost], sensitive_features=groups[lost]
        )
        assert report.labels_ == [1]
        assert (report.to_frame()["value"] == 0).all()

    def test_models_may_know_different_labels(self):
        X, y, groups = make_rows(n_classes=3)
        two = LogisticRegression().fit(X[y < 2], y[y < 2])
        three = LogisticRegression().fit(X, y)
        report = FairnessReport.from_estimator(
            {"two": two, "three": three}, X, y, sensitive_features=groups
        )
        assert report.labels_ == [0, 1, 2]
        share = one(report.to_frame(), model="two", label=2, rate="selection")["value"]
        assert (share == 0).all()

    @pytest.mark.parametrize("y_true", [None, [0] * 80])
    def test_a_single_label_is_said_to_be_taken(self, y_true):
        with pytest.warns(FavourableLabelWarning, match="0 is the only label that occurs"):
            FairnessReport.from_predictions(
                y_true, [0] * 80, sensitive_features=["a", "b"] * 40
            )


class TestOptions:
    @pytest.mark.parametrize(
        "bad",
        [
            {"confidence": 0},
            {"confidence": 1.0},
            {"confidence": 95},
            {"confidence": "0.95"},
            {"confidence": None},
            {"confidence": np.nan},
            {"min_rows": -1},
            {"min_rows": 1.5},
            {"min_share": 1},
            {"n_bins": 0},
            {"n_resamples": 1},
        ],
    )
    def test_bad_ones_are_refused_by_name(self, bad):
        y, first, *_, groups = make_decisions()
        with pytest.raises(ValueError, match=next(iter(bad))):
            report_of(y, first, sensitive_features=groups, **bad)

    @pytest.mark.parametrize("n_groups", [299, 301])
    def test_lengths_must_agree(self, n_groups):
        y, first, *_ = make_decisions()
        groups = (["a", "b"] * 151)[:n_groups]
        with pytest.raises(ValueError, match="inconsistent"):
            report_of(y, first, sensitive_features=groups)

    def test_rows_there_must_be(self):
        with pytest.raises(ValueError, match="no rows"):
            report_of([], [], sensitive_features=[])

    def test_an_empty_dict_is_no_model(self):
        y, *_, groups = make_decisions()
        with pytest.raises(ValueError, match="empty dict"):
            report_of(y, {}, sensitive_features=groups)

    def test_scores_of_a_model_without_predictions_are_refused(self):
        y, first, _, scores, groups = make_decisions()
        with pytest.raises(ValueError, match="'two'"):
            report_of(y, {"one": first}, y_score={"two": scores}, sensitive_features=groups)

    def test_an_unknown_table_is_refused(self):
        y, first, *_, groups = make_decisions()
        with pytest.raises(ValueError, match="table must be one of"):
            report_of(y, first, sensitive_features=groups).to_frame("ratings")


def make_report(seed=0):
    y, first, second, scores, groups = make_decisions(397, 3, seed=seed)
    return report_of(
        y,
        {"one": first, "two": second},
        y_score={"one": scores, "two": 7 * scores},
        sensitive_features=groups,
        sample_weight=1 + scores,
        time=np.arange(397) // 150,
    )


shared_report = cache(make_report)


def test_decisions_that_are_nearly_all_alike_are_told():
    y, groups = np.arange(1000) % 3 == 0, np.arange(1000) % 2
    decided = {"few": np.arange(1000) >= 50, "more": np.arange(1000) >= 51}
    notes = report_of(y, decided, sensitive_features=groups, pos_label=True).notes_
    assert [note for note in notes if "alike" in note] == [
        note for note in notes if note.startswith("few decides 95% of the rows for True.")
    ]
    assert sum("alike" in note for note in notes) == 1


class TestTheReportItself:
    def test_it_is_the_same_twice(self):
        one, other = make_report(), make_report()
        same_tables(one, other, [*TABLES, "periods"])
        assert one._repr_html_() == other._repr_html_()

    def test_it_leaves_the_global_random_state_alone(self):
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        make_report(1)._repr_html_()
        np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002

    def test_it_survives_pickling(self):
        copied = pickle.loads(pickle.dumps(shared_report()))
        same_tables(shared_report(), copied, [*TABLES, "periods"])
        assert copied.notes_ == shared_report().notes_

    def test_it_holds_no_row(self):
        report = shared_report()
        for name in TABLES:
            report.to_frame(name)
        for thing in reachable(report):
            size = len(thing) if hasattr(thing, "__len__") else 0
            assert not (size >= 397 and not isinstance(thing, (str, bytes, pd.DataFrame)))
            assert 397 not in getattr(thing, "shape", ())

    def test_tables_are_copies(self):
        report = shared_report()
        table = report.to_frame("rates")
        table.iloc[:, table.columns.get_loc("value")] = -1.0
        del table["lower"]
        assert (report.to_frame("rates")["value"] >= 0).all()
        assert "lower" in report.to_frame("rates")

    def test_it_shows_its_disparities(self):
        assert "397 rows" in repr(shared_report())
        assert "average_odds" in repr(shared_report())

    @pytest.mark.parametrize("named", [{"attribute": "colour"}, {"label": 5}])
    def test_what_it_does_not_know_it_does_not_draw(self, named):
        with pytest.raises(ValueError, match="must be among"):
            shared_report().plot(**named)

    def test_pictures_show_the_rates_of_the_table(self):
        display = shared_report().plot()
        rates = shared_report().to_frame()
        for (model, group), row in display.rates.iterrows():
            for kind in ("selection", "true_positive", "false_positive", "scoring"):
                expected = one(rates, model=model, group=group, rate=kind)
                assert row[f"{kind}_rate"] == expected["value"].item()
                assert display.lower.loc[(model, group), f"{kind}_rate"] == pytest.approx(
                    expected["lower"].item()
                )


class TestPeriods:
    @pytest.mark.parametrize(
        "make",
        [
            lambda t: np.array(["2025-01", "2025-02", "2025-03"])[t],
            lambda t: t.tolist(),
            lambda t: pd.to_datetime("2025-01-01") + pd.to_timedelta(t, unit="D"),
            lambda t: (
                pd.to_datetime("2025-01-01") + pd.to_timedelta(t, unit="D")
            ).to_numpy(),
            lambda t: pd.Series(pd.PeriodIndex.from_ordinals(t + 600, freq="M")),
            lambda t: pd.PeriodIndex.from_ordinals(t + 600, freq="M"),
            lambda t: pl.Series(np.array(["x", "y", "z"])[t]),
            lambda t: pd.Categorical(np.array(["x", "y", "z"])[t]),
        ],
    )
    def test_each_is_a_report_of_its_rows(self, make):
        y, first, _, scores, groups = make_decisions()
        at = np.random.RandomState(0).randint(3, size=300)
        report = report_of(
            y, first, y_score=scores, sensitive_features=groups, time=make(at)
        )
        table = report.to_frame("periods")
        periods = table["period"].unique().tolist()
        assert len(periods) == 3
        assert "By time" in report._repr_html_()
        for i, period in enumerate(periods):
            rows = at == i
            part = report_of(
                y[rows], first[rows], y_score=scores[rows], sensitive_features=groups[rows]
            )
            found = table[table["period"] == period]
            expected = pd.concat(
                [
                    part.to_frame("rates").rename(columns={"rate": "figure"}),
                    part.to_frame("disparities").rename(columns={"disparity": "figure"}),
                ]
            )
            for name in ("value", "lower", "upper"):
                np.testing.assert_allclose(found[name], expected[name])

    @pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
    def test_rows_of_no_known_time_are_in_no_period(self, missing):
        y, first, *_, groups = make_decisions()
        time = ["2025"] * 100 + ["2026"] * 100 + [missing] * 100
        report = report_of(y, first, sensitive_features=groups, time=time)
        table = report.to_frame("periods")
        assert table["period"].unique().tolist() == ["2025", "2026"]
        rows = one(table, period="2026", figure="selection")["rows"]
        assert rows.sum() == 100

    def test_a_period_may_lack_a_group(self):
        y, first, _, scores, groups = make_decisions()
        time = np.where((groups == "b") & (np.arange(300) < 150), 2, np.arange(300) // 150)
        report = report_of(y, first, y_score=scores, sensitive_features=groups, time=time)
        lacking = one(report.to_frame("periods"), period=0)
        assert one(lacking, group="b")["value"].isna().all()
        assert one(lacking, figure="average_odds")["value"].isna().all()

    @pytest.mark.parametrize("with_scores", [False, True])
    def test_a_period_may_have_no_known_group(self, with_scores):
        y, first, _, scores, groups = make_decisions()
        groups = groups.astype(object)
        groups[:150] = None
        report = report_of(
            y,
            first,
            y_score=scores if with_scores else None,
            sensitive_features=groups,
            time=np.arange(300) // 150,
        )
        assert one(report.to_frame("periods"), period=0)["value"].isna().all()

    def test_without_time_there_are_none(self):
        y, first, *_, groups = make_decisions()
        with pytest.raises(ValueError, match="time="):
            report_of(y, first, sensitive_features=groups).to_frame("periods")

    @pytest.mark.parametrize("time", [np.arange(300), [None] * 300])
    def test_times_that_are_no_periods_are_refused(self, time):
        y, first, *_, groups = make_decisions()
        with pytest.raises(ValueError, match="different values"):
            report_of(y, first, sensitive_features=groups, time=time)

    def test_lengths_must_agree(self):
        y, first, *_, groups = make_decisions()
        with pytest.raises(ValueError, match="inconsistent"):
            report_of(y, first, sensitive_features=groups, time=[2025] * 299)


class TestCompare:
    def test_a_report_has_not_moved_from_itself(self):
        y, first, second, scores, groups = make_decisions(n_groups=3)
        report = report_of(
            y,
            {"one": first, "two": second},
            y_score={"one": scores},
            sensitive_features=groups,
        )
        table = report.compare(report)
        assert not table["moved"].any()
        assert (table["change"].dropna() == 0).all()

    def test_what_has_moved_is_found_first(self):
        y, first, _, scores, groups = make_decisions(2000)
        lost = np.where((groups == "b") & (np.arange(2000) % 2 == 0), 0, first)
        before, after = (
            report_of(y, p, y_score=s, sensitive_features=groups)
            for p, s in ((first, scores), (lost, 0.5 * scores))
        )
        table = before.compare(after)
        top = table[table["moved"] & (table["figure"] == "selection")]
        assert top["group"].tolist() == ["b"]
        assert (top["upper"] < 0).all()
        np.testing.assert_allclose(
            top["change"], lost[groups == "b"].mean() - first[groups == "b"].mean()
        )
        gap = one(table, figure="selection gap").iloc[0]
        assert gap["moved"]
        scoring = one(table, figure="mean score")
        assert scoring["moved"].all()
        assert (table["p_adjusted"].dropna().diff().dropna() >= 0).all()
        assert not one(table, figure="share of rows")["moved"].any()

    def test_turning_time_round_flips_signs(self):
        reports = []
        for seed in range(2):
            y, first, _, scores, groups = make_decisions(n_groups=3, seed=seed)
            reports.append(report_of(y, first, y_score=scores, sensitive_features=groups))
        there, back = reports[0].compare(reports[1]), reports[1].compare(reports[0])
        keys = ["figure", "group"]
        kept = ~there["figure"].str.endswith("gap"), ~back["figure"].str.endswith("gap")
        there, back = (
            t[k].sort_values(keys).reset_index(drop=True)
            for t, k in zip((there, back), kept)
        )
        np.testing.assert_allclose(there["change"], -back["change"])
        np.testing.assert_allclose(there["lower"], -back["upper"])
        np.testing.assert_allclose(there["p_value"], back["p_value"])

    @pytest.mark.slow
    def test_where_nothing_changes_a_false_alarm_is_rare(self):
        """At most one report of twenty, with some room for chance: 400 are drawn."""
        rng = np.random.RandomState(0)

        def draw():
            y = rng.randint(2, size=600)
            decided = np.where(rng.rand(600) < 0.75, y, 1 - y)
            scores = 0.3 * decided + 0.7 * rng.rand(600)
            groups = rng.choice(["a", "b", "c"], 600)
            return report_of(y, decided, y_score=scores, sensitive_features=groups)

        alarms = [draw().compare(draw())["moved"].any() for _ in range(400)]
        assert np.mean(alarms) <= 0.05 + 1.64 * np.sqrt(0.05 * 0.95 / 400)

    def test_later_rows_may_lack_the_truth(self):
        y, first, *_, groups = make_decisions()
        before = report_of(y, first, sensitive_features=groups)
        table = before.compare(report_of(None, first, sensitive_features=groups))
        assert set(table["figure"]) == {
            "selection",
            "selection gap",
            "demographic_parity",
            "share of rows",
        }

    def test_disparities_are_compared_in_the_same_labels(self):
        y, first, *_, groups = make_decisions(n_classes=3)
        every = report_of(y, first, sensitive_features=groups)
        single = report_of(y, first, sensitive_features=groups, pos_label=2)
        table = every.compare(single)
        assert (table["change"].dropna().abs() < 1e-12).all()

    def test_groups_that_were_cut_elsewhere_raise_no_alarm(self):
        y, first, *_ = make_decisions()
        rng = np.random.RandomState(0)
        reports = []
        for _ in range(2):
            with pytest.warns(CutGroupsWarning):
                reports.append(report_of(y, first, sensitive_features=rng.rand(300)))
        with pytest.raises(ValueError, match=r"was cut at .* the groups are not the same"):
            reports[0].compare(reports[1])

    def test_a_group_that_is_new_or_gone_is_seen(self):
        y, first, *_, groups = make_decisions()
        before = report_of(y, first, sensitive_features=groups)
        new = np.where(np.arange(300) % 3 == 0, "new", groups)
        table = one(
            before.compare(report_of(y, first, sensitive_features=new)),
            figure="share of rows",
        ).set_index("group")
        assert table.loc["new", "value_before"] == 0
        np.testing.assert_allclose(table.loc["new", "value"], 1 / 3)
        assert table.loc["new", "moved"]

    @pytest.mark.parametrize("what", ["model", "label", "attribute"])
    def test_reports_with_nothing_in_common_are_refused(self, what):
        y, first, *_, groups = make_decisions()
        frame = pd.DataFrame({"race": groups})
        before = report_of(y, {"m": first}, sensitive_features=frame, pos_label=1)
        name = "n" if what == "model" else "m"
        later = report_of(
            y,
            {name: first},
            sensitive_features=frame.set_axis(["sex"], axis=1)
            if what == "attribute"
            else frame,
            pos_label=0 if what == "label" else 1,
        )
        with pytest.raises(ValueError, match=what):
            before.compare(later)

    def test_holm_allows_for_the_number_of_figures(self):
        y, first, *_, groups = make_decisions()
        lost = np.where((groups == "b") & (np.arange(300) % 3 == 0), 0, first)
        table = report_of(y, first, sensitive_features=groups).compare(
            report_of(y, lost, sensitive_features=groups)
        )
        tested = table[table["p_value"].notna()]
        tested = tested.sort_values("p_value")
        adjusted = 0.0
        for i, (_, row) in enumerate(tested.iterrows()):
            adjusted = max(adjusted, min(1.0, (len(tested) - i) * row["p_value"]))
            np.testing.assert_allclose(row["p_adjusted"], adjusted)
        assert 0 < tested["p_value"].iloc[0] < 0.05
        assert (table["moved"] == (table["p_adjusted"] < 0.05)).all()


def make_frame(n_samples=400):
    X, y, groups = make_rows(n_samples)
    frame = pd.DataFrame(X, columns=["u", "v", "w"])
    return frame.assign(sex=np.array(["f", "m"])[groups]), y


def debiaser(**settings):
    settings = {"sensitive_columns": "sex", "random_state": 0, **settings}
    return BackdoorDebiasClassifier(LogisticRegression(), **settings)


@cache
def fitted(**settings):
    return debiaser(**settings).fit(*make_frame())

    def test_anything_else_is_refused(self):
        report = FairnessReport.from_predictions(
            [0, 1] * 40, [0, 1] * 40, sensitive_features=["a", "a", "b", "b"] * 20
        )
        with pytest.raises(TypeError, match="FairnessReport, got 3"):
            report.compare(3)


class TestFromEstimator:
    def test_a_debiased_model_stands_beside_its_control(self):
        X, y = make_frame()
        report = FairnessReport.from_estimator(fitted(), X, y)
        assert report.models_ == ["strength 0", "debiased"]
        assert report.attributes_ == ["sex"]
        control = fitted().with_strength(0).predict(X)
        for group in "fm":
            share = one(
                report.to_frame(), model="strength 0", group=group, rate="selection"
            )["value"].item()
            np.testing.assert_allclose(share, control[X["sex"] == group].mean())

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({}, "greatest probability"),
            ({"threshold": 0.3}, "at least 0.3"),
            ({"selection_rate": 0.25}, "0.25"),
            ({"cost_matrix": ((0, 1), (3, 0))}, "cost"),
        ],
    )
    def test_the_decision_is_said(self, settings, words):
        X, y = make_frame()
        report = FairnessReport.from_estimator(fitted(**settings), X, y)
        assert any(words in note for note in report.notes_ if note.startswith("Decision"))
        assert any("favourable label is 1" in note for note in report.notes_)

    def test_how_far_a_model_goes_is_said(self):
        X, y = make_frame()
        report = FairnessReport.from_estimator(fitted(trigger_strength=1.5), X, y)
        assert "debiased: strength 1.5, which was given." in report.notes_
        search = BackdoorDebiasClassifierCV(
            LogisticRegression(),
            sensitive_columns="sex",
            trigger_strengths=[0.0, 0.75],
            disparity="equal_opportunity",
            max_accuracy_loss=1.0,
            random_state=0,
        ).fit(X, y)
        chosen = search.best_params_["trigger_strength"]
        notes = FairnessReport.from_estimator({"a": search}, X, y).notes_
        start = f"a: strength {chosen} and base rate "
        (note,) = [note for note in notes if note.startswith(start)]
        assert note.endswith("with a view to equal_opportunity.")

    def test_of_another_favourable_label_a_threshold_is_said_rightly(self):
        X, y, groups = make_rows()
        model = FixedThresholdClassifier(LogisticRegression(), threshold=0.3, pos_label=0)
        notes = FairnessReport.from_estimator(
            model.fit(X, y), X, y, sensitive_features=groups, pos_label=0
        ).notes_
        assert not any(
            "greater label where its probability is at least 0.3" in n for n in notes
        )

    @pytest.mark.parametrize("name", ["single", "search", "grid", "pipeline"])
    def test_models_may_be_wrapped(self, name):
        X, y = make_frame()
        model = {
            "single": lambda: debiaser(student="single", trigger_strength=1.0),
            "search": lambda: BackdoorDebiasClassifierCV(
                LogisticRegression(), sensitive_columns="sex", cv=2, random_state=0
            ),
            "grid": lambda: GridSearchCV(
                debiaser(), {"trigger_strength": [0.5, 1.0]}, cv=2
            ),
            "pipeline": lambda: make_pipeline("passthrough", debiaser()),
        }[name]().fit(X, y)
        report = FairnessReport.from_estimator(model, X, y)
        assert report.attributes_ == ["sex"]
        last = report.models_[-1]
        for group in "fm":
            found = one(report.to_frame(), model=last, group=group, rate="accuracy")
            right = (model.predict(X) == y)[X["sex"] == group].mean()
            np.testing.assert_allclose(found["value"].item(), right)

    def test_a_threshold_around_a_debiaser_is_a_model_as_any(self):
        X, y = make_frame()
        model = FixedThresholdClassifier(debiaser(), threshold=0.3).fit(X, y)
        report = FairnessReport.from_estimator(model, X, y, sensitive_columns="sex")
        found = one(
            report.to_frame(), model=report.models_[-1], rate="selection", group="f"
        )
        share = model.predict(X)[X["sex"] == "f"].mean()
        np.testing.assert_allclose(found["value"].item(), share)

    def test_columns_behind_a_scaler_are_cut_where_training_cut_them(self):
        X, y, _ = make_rows(400)
        ages = 20 + 50 * np.random.RandomState(0).rand(400)
        X = np.column_stack([X, ages])
        pipe = make_pipeline(StandardScaler(), debiaser(sensitive_columns=3))
        with pytest.warns(CutGroupsWarning):
            pipe.fit(X, y)
        report = FairnessReport.from_estimator(pipe, X, y)
        assert report.to_frame("groups")["rows"].tolist() == [200, 200, 0]

    def test_columns_that_a_step_has_moved_are_found(self):
        X, y, groups = make_rows(400)
        X = np.column_stack([groups, X[:, :2], X[:, 2] > 0.2])
        moved = make_column_transformer(("passthrough", [1, 2, 3]), ("passthrough", [0]))
        pipe = make_pipeline(moved, debiaser(sensitive_columns=3)).fit(X, y)
        report = FairnessReport.from_estimator(pipe, X, y)
        counts = np.bincount(groups).tolist()
        assert report.to_frame("groups")["rows"].tolist() == [*counts, 0]

    def test_numbers_are_cut_where_training_cut_them(self):
        X, y, _ = make_rows(400)
        ages = 20 + 50 * np.random.RandomState(0).rand(400)
        X = np.column_stack([X, ages])
        with pytest.warns(CutGroupsWarning):
            clf = debiaser(sensitive_columns=3).fit(X, y)
        young = X[:, 3] < 40
        report = FairnessReport.from_estimator(clf, X[young], y[young])
        ends = clf.cut_points_[0]
        n_low = (X[young, 3] <= ends[1]).sum()
        table = report.to_frame("groups")
        assert table["rows"].sum() == young.sum()
        assert table["rows"].iloc[0] == n_low

    @pytest.mark.parametrize("codes", [["f", "m"], [0, 1]])
    def test_cut_points_of_one_column_are_not_those_of_another(self, codes):
        X, y, groups = make_rows(400)
        ages = 20 + 50 * np.random.RandomState(0).rand(400)
        X = np.column_stack([X, ages])
        with pytest.warns(CutGroupsWarning):
            clf = debiaser(sensitive_columns=3).fit(X, y)
        report = FairnessReport.from_estimator(
            clf, X, y, sensitive_features=np.array(codes)[groups]
        )
        assert report.to_frame("groups")["rows"].tolist() == [*np.bincount(groups), 0]

    def test_the_order_of_a_dict_is_that_of_the_report(self):
        X, y = make_frame()
        models = {"b": fitted(), "a": fitted().with_strength(0)}
        report = FairnessReport.from_estimator(models, X, y)
        assert report.models_ == ["b", "a"]
        assert report.to_frame("rates")["model"].unique().tolist() == ["b", "a"]
        assert report.to_frame("changes")["before"].unique().tolist() == ["b"]

    def test_a_model_may_have_no_probabilities(self):
        X, y, groups = make_rows()
        models = {"plain": LogisticRegression().fit(X, y), "svm": LinearSVC().fit(X, y)}
        report = FairnessReport.from_estimator(models, X, y, sensitive_features=groups)
        scoring = one(report.to_frame(), rate="scoring")
        assert scoring["model"].unique().tolist() == ["plain"]
        assert "svm" in report._repr_html_()
        report.plot()

    @pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
    def test_tables_of_any_kind_will_do(self, frame):
        X, y = make_frame()
        X = frame(X.to_dict(orient="list"))
        report = FairnessReport.from_estimator(debiaser().fit(X, y), X, y)
        assert report.attributes_ == ["sex"]
        expected = FairnessReport.from_estimator(fitted(), make_frame()[0], y)
        np.testing.assert_allclose(
            report.to_frame("rates")["value"], expected.to_frame("rates")["value"]
        )

    @pytest.mark.parametrize(
        "config", [{"transform_output": "pandas"}, {"enable_metadata_routing": True}]
    )
    def test_settings_of_sklearn_change_nothing(self, config):
        X, y = make_frame()
        expected = FairnessReport.from_estimator(fitted(), X, y)
        with sklearn.config_context(**config):
            report = FairnessReport.from_estimator(debiaser().fit(X, y), X, y)
        same_tables(report, expected)

    def test_a_model_must_be_fitted(self):
        X, y = make_frame()
        with pytest.raises(NotFittedError):
            FairnessReport.from_estimator(debiaser(), X, y)

    def test_a_regressor_is_refused(self):
        X, y, groups = make_rows()
        with pytest.raises(ValueError, match="not a classifier"):
            FairnessReport.from_estimator(
                LinearRegression().fit(X, y), X, y, sensitive_features=groups
            )

    def test_sensitive_values_are_needed(self):
        X, y, _ = make_rows()
        with pytest.raises(ValueError, match="No sensitive attribute"):
            FairnessReport.from_estimator(LogisticRegression().fit(X, y), X, y)

    def test_no_rows_are_refused(self):
        X, y = make_frame()
        with pytest.raises(ValueError, match=r"0 sample|no rows"):
            FairnessReport.from_estimator(fitted(), X[:0], y[:0])


class TestDecidedOtherwise:
    def test_they_are_the_rows_of_another_decision(self):
        X, _ = make_frame()
        X.index = [f"row {i}" for i in range(len(X))]
        before, after = fitted().with_strength(0), fitted()
        table = decided_otherwise(before, after, X)
        said = before.predict(X), after.predict(X)
        assert table.index.tolist() == X.index[said[0] != said[1]].tolist()
        assert len(table)
        for name, row in table.iterrows():
            assert row["group"] == X.loc[name, "sex"]
            i = row["position"]
            assert X.index[i] == name
            assert (row["before"], row["after"]) == (said[0][i], said[1][i])
            assert row["outcome"] == ("gained" if said[1][i] == 1 else "lost")
            assert row["proba_after"] == after.predict_proba(X)[i, 1]

    def test_the_favourable_label_may_be_the_other_one(self):
        X, _ = make_frame()
        models = fitted().with_strength(0), fitted()
        one, other = (decided_otherwise(*models, X, pos_label=k) for k in (1, 0))
        swapped = other["outcome"].map({"gained": "lost", "lost": "gained"})
        assert one["outcome"].tolist() == swapped.tolist()
        np.testing.assert_allclose(one["proba_after"], 1 - other["proba_after"])

    def test_a_model_decides_nothing_otherwise_than_itself(self):
        table = decided_otherwise(fitted(), fitted(), make_frame()[0])
        assert not len(table)
        assert "outcome" in table

    def test_of_three_labels_some_rows_neither_gain_nor_lose(self):
        X, y, groups = make_rows(n_classes=3)
        one, other = (LogisticRegression(C=c).fit(X, y) for c in (1e-3, 1e3))
        table = decided_otherwise(one, other, X, sensitive_features=groups)
        neither = (table["before"] != 2) & (table["after"] != 2)
        assert neither.any()
        assert (table.loc[neither, "outcome"] == "other").all()

    def test_rows_of_unknown_group_are_listed(self):
        X, _ = make_frame()
        models = fitted().with_strength(0), fitted()
        groups = np.array([None, "x"] * 200, dtype=object)
        table = decided_otherwise(*models, X, sensitive_features=groups)
        expected = [groups[i] for i in table["position"]]
        assert None in expected
        assert table["group"].tolist() == expected

    @pytest.mark.parametrize("n_rows", [399, 401])
    def test_sensitive_values_of_other_rows_are_refused(self, n_rows):
        X, _ = make_frame()
        groups = (["a", "b"] * 201)[:n_rows]
        with pytest.raises(ValueError, match="inconsistent"):
            decided_otherwise(
                fitted().with_strength(0), fitted(), X, sensitive_features=groups
            )

    def test_models_of_different_labels_are_refused(self):
        X, y, groups = make_rows()
        one, other = LogisticRegression().fit(X, y), LogisticRegression().fit(X, y + 1)
        with pytest.raises(ValueError, match="different labels"):
            decided_otherwise(one, other, X, sensitive_features=groups)

    def test_a_model_without_probabilities_is_refused_in_words(self):
        X, y, groups = make_rows()
        one, other = LinearSVC().fit(X, y), LogisticRegression().fit(X, y)
        with pytest.raises((ValueError, TypeError), match="predict_proba"):
            decided_otherwise(one, other, X, sensitive_features=groups)


class TestCorrectionImportance:
    def test_what_no_feature_carries_is_the_mean(self):
        X, y, _ = make_rows()
        before = LogisticRegression().fit(X, y)
        after = clone(before).fit(X, y)
        after.intercept_ = after.intercept_ + 0.5
        importance = correction_importance(before, after, X)
        np.testing.assert_allclose(importance["importance"], 0, atol=1e-5)
        assert importance.attrs["mean_correction"] == pytest.approx(0.5, abs=1e-5)

    @pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pd.DataFrame.to_numpy])
    def test_it_is_zero_of_what_both_models_weigh_alike(self, make):
        X, y, _ = make_rows()
        frame = pd.DataFrame(X.astype(float), columns=list("abc"))
        X = make(frame.to_dict(orient="list") if make is pl.DataFrame else frame)
        models = [LogisticRegression().fit(X, y) for _ in range(2)]
        models[1].coef_ = models[0].coef_ + [[0, 0.5, 0]]
        table = correction_importance(*models, X)
        assert table.index[0] in ("b", 1)
        assert table["importance"].iloc[0] > 0.1
        np.testing.assert_allclose(table["importance"].iloc[1:], 0, atol=1e-9)

    def test_it_is_seeded_and_leaves_rows_alone(self):
        X, _ = make_frame()
        kept = X.copy()
        models = fitted().with_strength(0), fitted()
        one, other = (correction_importance(*models, X, random_state=3) for _ in range(2))
        pd.testing.assert_frame_equal(one, other)
        pd.testing.assert_frame_equal(X, kept)
        assert one.loc["sex", "importance"] == 0
        assert one["importance"].is_monotonic_decreasing

    def test_without_shap_it_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "shap", None)
        X, _ = make_frame()
        with pytest.raises(ImportError, match="pip install shap"):
            correction_importance(fitted().with_strength(0), fitted(), X, method="shap")

    @pytest.mark.parametrize(
        "bad", [{"method": "lime"}, {"n_repeats": 0}, {"n_repeats": 1.5}, {"pos_label": 7}]
    )
    def test_bad_arguments_are_refused(self, bad):
        X, _ = make_frame()
        with pytest.raises(ValueError, match=next(iter(bad))):
            correction_importance(fitted().with_strength(0), fitted(), X, **bad)
