import fairlearn.metrics
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_bade.exceptions import UndefinedDisparityWarning
from sklearn_bade.metrics import (
    average_absolute_odds_difference,
    balanced_group_accuracy,
    demographic_parity_difference,
    equal_opportunity_difference,
    equalized_odds_difference,
    group_rates,
)

DISPARITIES = [
    demographic_parity_difference,
    equal_opportunity_difference,
    equalized_odds_difference,
    average_absolute_odds_difference,
]


def make_predictions(seed=0, n_classes=2, n_groups=3, n_samples=400):
    rng = np.random.RandomState(seed)
    groups = rng.randint(n_groups, size=n_samples)
    y_true = rng.randint(n_classes, size=n_samples)
    wrong = rng.uniform(size=n_samples) < 0.2 + 0.1 * groups
    y_pred = np.where(wrong, rng.randint(n_classes, size=n_samples), y_true)
    return y_true, y_pred, groups


def rates_by_hand(y_true, y_pred, groups, label):
    def share(rows):
        return (y_pred[rows] == label).mean()

    labels = np.unique(groups)
    tpr = np.array([share((groups == g) & (y_true == label)) for g in labels])
    fpr = np.array([share((groups == g) & (y_true != label)) for g in labels])
    selection = np.array([share(groups == g) for g in labels])
    return tpr, fpr, selection


def test_against_the_definitions():
    y_true, y_pred, groups = make_predictions()
    tpr, fpr, selection = rates_by_hand(y_true, y_pred, groups, 1)
    given_groups = {"sensitive_features": groups}
    assert demographic_parity_difference(y_true, y_pred, **given_groups) == pytest.approx(
        np.ptp(selection)
    )
    assert equal_opportunity_difference(y_true, y_pred, **given_groups) == pytest.approx(
        np.ptp(tpr)
    )
    assert equalized_odds_difference(y_true, y_pred, **given_groups) == pytest.approx(
        max(np.ptp(tpr), np.ptp(fpr))
    )
    assert average_absolute_odds_difference(
        y_true, y_pred, **given_groups
    ) == pytest.approx((np.ptp(tpr) + np.ptp(fpr)) / 2)
    cells = [
        (y_pred[(y_true == k) & (groups == g)] == k).mean()
        for k in (0, 1)
        for g in (0, 1, 2)
    ]
    assert balanced_group_accuracy(y_true, y_pred, **given_groups) == pytest.approx(
        np.mean(cells)
    )


def test_against_fairlearn_with_weights():
    y_true, y_pred, groups = make_predictions()
    options = {
        "sensitive_features": groups,
        "sample_weight": np.random.RandomState(1).uniform(size=len(groups)),
    }
    for name in ("demographic_parity", "equal_opportunity", "equalized_odds"):
        ours = globals()[f"{name}_difference"](y_true, y_pred, **options)
        theirs = getattr(fairlearn.metrics, f"{name}_difference")(y_true, y_pred, **options)
        assert ours == pytest.approx(theirs)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.permutations(["x", "y", "z"]))
def test_relabelling_groups_changes_nothing(seed, names):
    y_true, y_pred, groups = make_predictions(seed)
    for disparity in DISPARITIES:
        expected = disparity(y_true, y_pred, sensitive_features=groups)
        relabelled = disparity(y_true, y_pred, sensitive_features=np.array(names)[groups])
        assert 0 <= relabelled <= 1
        assert relabelled == pytest.approx(expected)


@pytest.mark.parametrize("disparity", DISPARITIES)
def test_integer_weights_equal_repeated_rows(disparity):
    y_true, y_pred, groups = make_predictions()
    weight = np.random.RandomState(2).randint(4, size=len(groups))
    weighted = disparity(y_true, y_pred, sensitive_features=groups, sample_weight=weight)
    rows = np.repeat(np.arange(len(groups)), weight)
    repeated = disparity(y_true[rows], y_pred[rows], sensitive_features=groups[rows])
    assert weighted == pytest.approx(repeated)


@pytest.mark.parametrize("labels", [["<=50K", ">50K"], [-1, 1], [False, True]])
def test_any_labels(labels):
    y_true, y_pred, groups = make_predictions()
    expected = equal_opportunity_difference(y_true, y_pred, sensitive_features=groups)
    named = [np.asarray(labels)[y] for y in (y_true, y_pred)]
    assert equal_opportunity_difference(*named, sensitive_features=groups) == expected


def test_pos_label_chooses_the_class():
    y_true, y_pred, groups = make_predictions()
    gap = equal_opportunity_difference(
        y_true, y_pred, sensitive_features=groups, pos_label=0
    )
    tpr, _, _ = rates_by_hand(y_true, y_pred, groups, 0)
    assert gap == pytest.approx(np.ptp(tpr))
    with pytest.raises(ValueError, match=r"pos_label=7 is not among the labels \[0, 1\]"):
        average_absolute_odds_difference(
            y_true, y_pred, sensitive_features=groups, pos_label=7
        )


def test_several_classes_are_compared_with_the_rest():
    y_true, y_pred, groups = make_predictions(n_classes=3)
    gaps = [np.ptp(rates_by_hand(y_true, y_pred, groups, label)[2]) for label in (0, 1, 2)]
    options = {"sensitive_features": groups}
    worst = demographic_parity_difference(y_true, y_pred, **options)
    mean = demographic_parity_difference(y_true, y_pred, multiclass="mean", **options)
    assert worst == pytest.approx(max(gaps))
    assert mean == pytest.approx(np.mean(gaps))
    with pytest.raises(ValueError, match=r"multiclass must be one of \['mean', 'worst'\]"):
        demographic_parity_difference(y_true, y_pred, multiclass="best", **options)


def test_rows_of_unknown_group_are_left_out():
    y_true, y_pred, groups = make_predictions()
    missing = pd.Series(groups, dtype="Int64")
    missing[:100] = pd.NA
    assert average_absolute_odds_difference(
        y_true, y_pred, sensitive_features=missing
    ) == pytest.approx(
        average_absolute_odds_difference(
            y_true[100:], y_pred[100:], sensitive_features=groups[100:]
        )
    )


def test_undefined_rates_are_named_not_guessed():
    y_true, y_pred, groups = make_predictions()
    y_true = np.where(groups == 2, 0, y_true)
    rates = group_rates(y_true, y_pred, sensitive_features=groups)
    assert np.isnan(rates.loc[2, "true_positive_rate"])
    with pytest.warns(UndefinedDisparityWarning, match="true_positive_rate of group 2"):
        gap = equal_opportunity_difference(y_true, y_pred, sensitive_features=groups)
    tpr, _, _ = rates_by_hand(y_true[groups < 2], y_pred[groups < 2], groups[groups < 2], 1)
    assert gap == pytest.approx(np.ptp(tpr))


def test_rates_table():
    y_true, y_pred, groups = make_predictions(n_classes=3)
    frame = pd.DataFrame({"sex": np.array(["f", "m", "m"])[groups], "old": groups > 1})
    table = group_rates(y_true, y_pred, sensitive_features=frame)
    assert table.index.names == ["label", "group"]
    assert table.loc[0].index.tolist() == ["f, False", "m, False", "m, True"]
    assert table.loc[0, "count"].sum() == len(y_true)
    assert list(table) == [
        "count",
        "accuracy",
        "selection_rate",
        "true_positive_rate",
        "false_positive_rate",
    ]


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        average_absolute_odds_difference([0, 1, 1], [0, 1], sensitive_features=["a", "b"])
