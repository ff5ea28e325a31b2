"""What a search says that it did, and what it left out."""

import re

import numpy as np
import pandas as pd
import pytest
from helpers import make_rows
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from sklearn_bade import BackdoorDebiasClassifierCV
from sklearn_bade._candidates import Candidate
from sklearn_bade._groups import Groups
from sklearn_bade._outcomes import Outcomes
from sklearn_bade._search import DisparityMeasure
from sklearn_bade._uncertainty import interval
from sklearn_bade._verdict import compare, describe, least_disparate
from sklearn_bade.metrics import average_absolute_odds_difference
from sklearn_bade.rows import Rows

EXACT = LogisticRegression(solver="newton-cholesky", tol=1e-6)
few_rows = pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.FewRowsWarning")
FIGURES = ["accuracy", "disparity", "lower", "upper", "least_recall"]


def make_candidate(strength, accuracy, disparity, seed=0):
    outcomes = Outcomes(np.random.RandomState(seed).randint(5, 60, size=(2, 2, 2)))
    recalls = np.array([0.9, 0.1 + 0.1 * seed])
    return Candidate(
        strength, "keep", (0.0, 0.0), accuracy, disparity, np.nan, recalls, outcomes
    )


def search(classifier=None, **settings):
    settings = {
        "trigger_strengths": [0.0, 1.0, 3.0, 6.0],
        "max_accuracy_loss": 0.05,
        "cv": 2,
        "random_state": 0,
        **settings,
    }
    return BackdoorDebiasClassifierCV(classifier or GaussianNB(), **settings)


def table_of(clf):
    return pd.DataFrame(clf.comparison_).set_index("model")


class Recorder:
    """A disparity that remembers what it was asked to judge."""

    def __init__(self):
        self.seen = {}

    def __call__(self, y_true, y_pred, *, sensitive_features):
        gap = average_absolute_odds_difference(
            y_true, y_pred, sensitive_features=sensitive_features
        )
        self.seen[gap] = y_true, y_pred, sensitive_features
        return gap


class TestLeastDisparate:
    def test_the_most_accurate_of_equals(self):
        candidates = [
            make_candidate(1.0, 0.7, 0.1),
            make_candidate(2.0, 0.8, 0.1),
            make_candidate(3.0, 0.9, 0.2),
        ]
        assert least_disparate(candidates) is candidates[1]

    def test_nan_comes_last(self):
        candidates = [make_candidate(1.0, 0.9, np.nan), make_candidate(2.0, 0.5, 0.9)]
        assert least_disparate(candidates) is candidates[1]
        assert least_disparate(candidates[:1]) is candidates[0]


class TestCompare:
    CANDIDATES = [
        make_candidate(0.0, 0.8, 0.3, seed=1),
        make_candidate((1.0, -0.5), 0.79, 0.1, seed=2),
        make_candidate(2.0, 0.5, 0.01, seed=3),
    ]

    def table(self, disparity="average_odds"):
        control, chosen, _ = self.CANDIDATES
        return compare(control, control, chosen, self.CANDIDATES, disparity)

    def test_a_row_for_each_model(self):
        table = pd.DataFrame(self.table()).set_index("model")
        assert table.index.tolist() == ["plain", "strength 0", "chosen", "least disparate"]
        order = [0, 0, 1, 2]
        for name, column in (("accuracy", "accuracy"), ("disparity", "disparity")):
            expected = [getattr(self.CANDIDATES[i], name) for i in order]
            assert table[column].tolist() == expected
        assert table["trigger_strength"].tolist() == [0.0, 0.0, (1.0, -0.5), 2.0]
        assert table["least_recall"].tolist() == pytest.approx([0.2, 0.2, 0.3, 0.4])
        assert all(table[name].dtype == float for name in FIGURES)

    def test_limits_are_those_of_a_95_percent_interval(self):
        table = self.table()
        for i, candidate in zip((1, 2, 3), self.CANDIDATES):
            expected = interval(candidate.outcomes, "average_odds", 0.95)
            assert (table["lower"][i], table["upper"][i]) == expected

    def test_a_disparity_of_the_users_own_has_none(self):
        table = self.table(lambda y_true, y_pred, *, sensitive_features: 0.0)
        assert np.isnan(table["lower"]).all()
        assert np.isnan(table["upper"]).all()
        assert np.isfinite(table["disparity"]).all()

    def test_one_line_says_what_was_gained_and_paid(self):
        table = self.table()
        line = describe(table, "average_odds")
        assert "\n" not in line
        for i in (1, 2):
            gap = f"{table['disparity'][i]:.3f} "
            limits = f"[{table['lower'][i]:.3f}, {table['upper'][i]:.3f}]"
            assert gap + limits in line
            assert f"{table['accuracy'][i]:.3f}" in line
            assert f"{table['least_recall'][i]:.3f}" in line
        assert line.startswith("average_odds 0.300")
        assert "[1.0, -0.5]" in line

    def test_without_an_interval_the_line_has_none(self):
        line = describe(self.table(len), len)
        assert line.startswith("disparity 0.300")
        assert "nan" not in line


class TestComparison:
    def fit(self, **settings):
        X, y, groups = make_rows(400)
        return search(**settings).fit(X, y, sensitive_features=groups)

    @pytest.mark.parametrize("per_class", [False, True])
    @pytest.mark.parametrize("decision", [{}, {"threshold": 0.7}, {"selection_rate": 0.3}])
    def test_its_rows_are_those_of_the_results(self, per_class, decision):
        clf = self.fit(per_class=per_class, **decision)
        table, results = table_of(clf), clf.cv_results_
        gaps, accuracy = results["pooled_test_disparity"], results["mean_test_accuracy"]
        zero = [not np.any(params["trigger_strength"]) for params in results["params"]]
        positions = {
            "strength 0": np.flatnonzero(zero)[0],
            "chosen": clf.best_index_,
            "least disparate": np.lexsort((-accuracy, gaps))[0],
        }
        for model, position in positions.items():
            assert table.loc[model, "disparity"] == gaps[position]
            assert table.loc[model, "accuracy"] == pytest.approx(accuracy[position])
            params = results["params"][position]
            if model == "chosen":
                assert table.loc[model, "trigger_strength"] == params["trigger_strength"]
                assert table.loc[model, "base_rate"] == params["base_rate"]
        lower, upper = table["lower"], table["upper"]
        assert (lower <= table["disparity"]).all()
        assert (table["disparity"] <= upper).all()

    def test_strength_zero_is_the_plain_classifier(self):
        table = table_of(self.fit())
        pd.testing.assert_series_equal(
            table.loc["plain", FIGURES], table.loc["strength 0", FIGURES], check_names=False
        )

    def test_its_figures_are_those_of_the_predictions_of_all_folds(self):
        recorder = Recorder()
        own, named = self.fit(disparity=recorder), self.fit()
        for model in ("strength 0", "chosen", "least disparate"):
            row = table_of(own).loc[model]
            y, predicted, groups = recorder.seen[row["disparity"]]
            assert len(y) == 400
            assert row["accuracy"] == (y == predicted).mean()
            recalls = [(predicted == y)[y == k].mean() for k in (0, 1)]
            assert row["least_recall"] == pytest.approx(min(recalls))
            outcomes = Outcomes.count(y, predicted, groups, 2, 2)
            expected = table_of(named).loc[model, ["lower", "upper"]].tolist()
            assert interval(outcomes, "average_odds") == pytest.approx(expected)

    def test_weights_count(self):
        X, y, groups = make_rows(400)
        doubled = np.arange(400) < 200
        weights = np.where(doubled, 2.0, 1.0)
        clf = search().fit(X, y, sensitive_features=groups, sample_weight=weights)
        accuracy = clf.cv_results_["mean_test_accuracy"][clf.best_index_]
        row = table_of(clf).loc["chosen"]
        assert row["accuracy"] == pytest.approx(accuracy, abs=0.01)
        assert row["accuracy"] != table_of(self.fit()).loc["chosen", "accuracy"]

    def test_strength_zero_is_told_beside_a_grid_that_lacks_it(self):
        clf = self.fit(trigger_strengths=[2.0, 4.0])
        without = table_of(clf).loc["strength 0", FIGURES].astype(float)
        within = table_of(self.fit()).loc["strength 0", FIGURES].astype(float)
        pd.testing.assert_series_equal(without, within)

    def test_one_base_rate_of_frequencies_fits_into_the_table(self):
        table = table_of(self.fit(base_rates=[(0.6, 0.4)]))
        assert table["base_rate"].tolist()[1:] == ["keep", *[(0.6, 0.4)] * 2]

    def test_three_classes(self):
        X, y, groups = make_rows(500, n_classes=3, n_groups=3)
        clf = search().fit(X, y, sensitive_features=groups)
        table = table_of(clf)
        gaps = clf.cv_results_["pooled_test_disparity"]
        assert table.loc["least disparate", "disparity"] == gaps.min()
        assert (table["least_recall"] < table["accuracy"]).all()

    def test_one_line_is_printed_if_asked_for(self, capsys):
        clf = self.fit(verbose=1)
        printed = capsys.readouterr().out
        expected = (
            f"BackdoorDebiasClassifierCV: {describe(clf.comparison_, clf.disparity)}\n"
        )
        assert printed == expected
        assert printed.count("\n") == 1

    def test_nothing_is_printed_otherwise(self, capsys):
        self.fit()
        assert capsys.readouterr().out == ""

    def test_figures_that_are_printed_are_rounded_ones_of_the_table(self, capsys):
        clf = self.fit(verbose=1, per_class=True)
        row = table_of(clf).loc["chosen"]
        numbers = re.findall(r"-?\d+\.\d+", capsys.readouterr().out)
        for name in FIGURES:
            assert f"{row[name]:.3f}" in numbers


def make_counted(cells):
    """Make rows of which the cells, of shape (n_classes, n_groups), hold so many."""
    cells = np.array(cells)
    places = np.repeat(np.arange(cells.size), cells.ravel())
    y, codes = np.divmod(places, cells.shape[1])
    labels = np.array(list("abcd"))[: cells.shape[1]]
    X = np.zeros((len(y), 1))
    return Rows(X, y, np.arange(cells.shape[0]) * 10, Groups(codes, labels, {}))


class TestSmallGroups:
    CELLS = [[50, 3, 30], [40, 9, 20]]

    def test_rates_are_left_out_one_by_one(self):
        measure = DisparityMeasure("average_odds", make_counted(self.CELLS), 10)
        assert measure.left_out == [
            {"group": "b", "rate": "true_positive", "class": 10, "n_rows": 9},
            {"group": "b", "rate": "false_positive", "class": 10, "n_rows": 3},
        ]

    def test_demographic_parity_compares_all_rows_of_a_group(self):
        measure = DisparityMeasure("demographic_parity", make_counted(self.CELLS), 13)
        assert measure.left_out == [
            {"group": "b", "rate": "selection", "class": 10, "n_rows": 12}
        ]

    @pytest.mark.parametrize("min_rows", [1, 3])
    def test_enough_is_enough(self, min_rows):
        rows = make_counted(self.CELLS)
        assert DisparityMeasure("average_odds", rows, min_rows).left_out == []

    def test_weights_are_no_rows(self):
        rows = make_counted(self.CELLS).with_weights(np.full(152, 100.0))
        left_out = DisparityMeasure("average_odds", rows, 10).left_out
        assert [each["n_rows"] for each in left_out] == [9, 3]

    def test_groups_are_named_as_in_groups(self):
        rows = make_counted(self.CELLS)
        labels = np.empty(3, dtype=object)
        labels[:] = [("a", 0), ("b", 0), ("b", 1)]
        rows = Rows(rows.X, rows.y, rows.classes, Groups(rows.groups.codes, labels, {}))
        left_out = DisparityMeasure("equal_opportunity", rows, 10).left_out
        assert [each["group"] for each in left_out] == [("b", 0)]

    def test_a_small_cell_changes_no_other_rate(self):
        """Of three classes, false positives rest on the rows of the other two."""
        rows = make_counted([[60, 60, 60], [70, 5, 60], [80, 80, 80]])
        predicted = np.random.RandomState(0).randint(3, size=len(rows))
        few, all_rows = (
            DisparityMeasure("average_odds", rows, n).count(rows, predicted)
            for n in (10, 1)
        )
        np.testing.assert_array_equal(
            few.rates()["false_positive"], all_rows.rates()["false_positive"]
        )
        is_left_out = np.isnan(few.rates()["true_positive"])
        np.testing.assert_array_equal(is_left_out, [[0, 0, 0], [0, 1, 0], [0, 0, 0]])

    def test_for_a_disparity_of_the_users_own_groups_are_left_out_whole(self):
        rows = make_counted(self.CELLS)
        seen = []

        def own(y_true, y_pred, *, sensitive_features):
            seen.append(sorted(set(sensitive_features)))
            return 0.0

        measure = DisparityMeasure(own, rows, 13)
        measure(rows.y[None], rows)
        assert seen == [["a", "c"]]
        assert measure.left_out == [
            {"group": "b", "rate": None, "class": None, "n_rows": 12}
        ]


class TestLeftOut:
    """Two large groups, and a third of six rows that nobody would judge by."""

    def data(self):
        X, y, groups = make_rows(400)
        names = np.array(["large", "other"], dtype=object)[groups]
        names[:6] = "small"
        y[:6] = [0, 0, 1, 1, 1, 1]
        return X, y, names

    def fit(self, **settings):
        X, y, names = self.data()
        return search(**settings).fit(X, y, sensitive_features=names)

    @few_rows
    def test_it_is_named_with_its_counts(self):
        clf = self.fit(min_rows=5)
        assert clf.left_out_ == [
            {"group": "small", "rate": "true_positive", "class": 1, "n_rows": 4},
            {"group": "small", "rate": "false_positive", "class": 1, "n_rows": 2},
        ]
        assert self.fit().left_out_ == []

    @few_rows
    def test_labels_are_named_as_they_were_given(self):
        X, y, names = self.data()
        y = np.array(["no", "yes"])[y]
        clf = search(min_rows=4).fit(X, y, sensitive_features=names)
        assert clf.left_out_ == [
            {"group": "small", "rate": "false_positive", "class": "yes", "n_rows": 2}
        ]

    @few_rows
    def test_gaps_are_those_of_the_other_groups(self):
        recorder = Recorder()
        own = self.fit(min_rows=7, disparity=recorder)
        named = self.fit(min_rows=7)
        assert all("small" not in groups for *_, groups in recorder.seen.values())
        key = "pooled_test_disparity"
        np.testing.assert_allclose(own.cv_results_[key], named.cv_results_[key])
        assert (self.fit().cv_results_[key] > named.cv_results_[key] + 0.01).any()

    @few_rows
    @pytest.mark.parametrize("classifier", [EXACT, GaussianNB()])
    def test_what_is_learned_and_its_accuracy_stay_what_they_are(self, classifier):
        X, *_ = self.data()
        some, none = (self.fit(classifier=classifier, min_rows=n) for n in (5, 1))
        assert some.groups_.tolist() == none.groups_.tolist() == ["large", "other", "small"]
        np.testing.assert_array_equal(some.estimator_.shift_, none.estimator_.shift_)
        for strength in (0.0, 2.0, [1.0, -1.0]):
            one, two = (
                clf.with_strength(strength, base_rate="keep") for clf in (some, none)
            )
            np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
        for key in ("mean_test_accuracy", "param_offset"):
            ours, theirs = some.cv_results_[key], none.cv_results_[key]
            assert ours.tolist() == theirs.tolist()

    @few_rows
    def test_the_choice_no_longer_hangs_on_six_rows(self):
        """The search keeps a bound for the two groups that it could not keep for three."""
        rule = {"max_accuracy_loss": None, "max_disparity": 0.12}
        rule["base_rates"] = ["keep", "drift"]
        clf = self.fit(min_rows=5, **rule)
        assert table_of(clf).loc["chosen", "disparity"] <= 0.12
        with pytest.warns(
            UserWarning, match="No candidate has a cross-validated disparity"
        ):
            self.fit(**rule)

    def test_all_rows_that_are_left_count_for_the_accuracy(self):
        with pytest.warns(UserWarning, match="Few rows"):
            clf = self.fit(min_rows=5)
        accuracy = table_of(clf).loc["chosen", "accuracy"]
        assert accuracy * 400 == pytest.approx(round(accuracy * 400))
