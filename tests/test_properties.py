"""Properties of metrics, readers and estimators, against naive references.

SKLEARN_BADE_EXAMPLES multiplies the number of examples, see CONTRIBUTING.
"""

import os
import pickle
import warnings

import fairlearn.metrics
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import make_rows
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from sklearn_bade import BackdoorDebiasClassifier, metrics
from sklearn_bade.exceptions import DebiasWarning, UndefinedDisparityWarning
from sklearn_bade.inspection import GroupRatesDisplay
from sklearn_bade.preprocessing import make_default_preprocessing

SCALE = int(os.environ.get("SKLEARN_BADE_EXAMPLES", "1"))
DISPARITIES = {
    metrics.demographic_parity_difference: lambda selection, tpr, fpr: selection,
    metrics.equal_opportunity_difference: lambda selection, tpr, fpr: tpr,
    metrics.equalized_odds_difference: lambda selection, tpr, fpr: max(tpr, fpr),
    metrics.average_absolute_odds_difference: lambda selection, tpr, fpr: (tpr + fpr) / 2,
}
CONTAINERS = {
    "list": list,
    "array": np.array,
    "series": lambda values: pd.Series(values, index=range(7, 7 + len(values))),
    "category": lambda values: pd.Series(values).astype("category"),
    "polars": pl.Series,
}


def examples(number):
    return settings(
        max_examples=SCALE * number,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


@st.composite
def judged_rows(draw, n_labels=2):
    """Draw truth, predictions, groups and weights, in containers of any kind."""
    n = draw(st.integers(2, 40))
    kinds = [list(range(4)), list("abcd"), [0.0, 1.0, 2.0, 3.0]]
    labels = draw(st.sampled_from(kinds))[:n_labels]
    values = draw(
        st.sampled_from([["f", "m", "x"], [3, 1, 2], [(1, "a"), (1, "b"), (2, "a")]])
    )
    truth, predicted = (
        draw(st.lists(st.sampled_from(labels), min_size=n, max_size=n)) for _ in "ab"
    )
    groups = draw(st.lists(st.sampled_from(values), min_size=n, max_size=n))
    weight = st.sampled_from([0.0, 0.5, 1.0, 3.0])
    weights = draw(st.none() | st.lists(weight, min_size=n, max_size=n))
    container = CONTAINERS[draw(st.sampled_from(sorted(CONTAINERS)))]
    as_given = container(groups) if not isinstance(groups[0], tuple) else groups
    return (truth, predicted, groups, weights), (
        container(truth),
        container(predicted),
        as_given,
    )


def naive_share(rows, is_counted):
    """Divide sums of weights; NaN where the whole weighs nothing."""
    whole = sum(weight for *_, weight in rows)
    part = sum(weight for *row, weight in rows if is_counted(*row))
    return part / whole if whole > 0 else np.nan


def naive_gaps(truth, predicted, groups, weights, label):
    """Compute the three gaps by going through the rows one by one."""
    weights = [1.0] * len(truth) if weights is None else weights
    rows = list(zip(truth, predicted, groups, weights))
    rates = []
    for group in sorted(set(groups)):
        own = [row for row in rows if row[2] == group]
        positive = [row for row in own if row[0] == label]
        negative = [row for row in own if row[0] != label]
        rates.append(
            [
                naive_share(part, lambda t, p, g: p == label)
                for part in (own, positive, negative)
            ]
        )
    gaps = []
    for rate in np.transpose(rates):
        known = rate[~np.isnan(rate)]
        gaps.append(np.ptp(known) if len(known) > 1 else np.nan)
    return gaps


@examples(300)
@given(judged_rows())
def test_disparities_equal_a_naive_reference_and_are_nan_where_it_is(case):
    (truth, predicted, groups, weights), given_rows = case
    label = max({*truth, *predicted})
    gaps = naive_gaps(truth, predicted, groups, weights, label)
    for metric, combine in DISPARITIES.items():
        expected = combine(*gaps) if not np.isnan(combine(*gaps)) else np.nan
        if metric in list(DISPARITIES)[2:] and np.isnan(gaps[1:]).any():
            expected = np.nan
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = metric(
                *given_rows[:2], sensitive_features=given_rows[2], sample_weight=weights
            )
        assert found == pytest.approx(expected, nan_ok=True, abs=1e-9)
        assert not np.isnan(expected) or said[0].category is UndefinedDisparityWarning


@examples(150)
@given(judged_rows(n_labels=4), st.sampled_from(["worst", "mean"]))
def test_several_labels_are_reduced_to_one_number(case, multiclass):
    (truth, predicted, groups, weights), given_rows = case
    labels = sorted({*truth, *predicted})
    assume(len(labels) > 2 and len(set(truth)) > 2 and set(truth) & set(predicted))
    gaps = [naive_gaps(truth, predicted, groups, weights, label)[0] for label in labels]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedDisparityWarning)
        found = metrics.demographic_parity_difference(
            *given_rows[:2],
            sensitive_features=given_rows[2],
            sample_weight=weights,
            multiclass=multiclass,
        )
    expected = {"worst": np.max, "mean": np.mean}[multiclass](gaps)
    assert found == pytest.approx(expected, nan_ok=True, abs=1e-9)


@examples(150)
@given(judged_rows())
def test_rates_equal_a_naive_reference(case):
    (truth, predicted, groups, weights), given_rows = case
    table = metrics.group_rates(
        *given_rows[:2], sensitive_features=given_rows[2], sample_weight=weights
    )
    label = max({*truth, *predicted})
    ones = [1.0] * len(truth) if weights is None else weights
    rows = list(zip(truth, predicted, groups, ones))
    for name, group in zip(table.index, sorted(set(groups))):
        own = [row for row in rows if row[2] == group]
        expected = {
            "selection_rate": naive_share(own, lambda t, p, g: p == label),
            "accuracy": naive_share(own, lambda t, p, g: p == t),
        }
        for column, value in expected.items():
            assert table.loc[name, column] == pytest.approx(value, nan_ok=True)
    assert table["count"].sum() == sum(weight > 0 for weight in ones)


@pytest.mark.slow
@examples(100)
@given(judged_rows())
def test_fairlearn_agrees_where_everything_is_defined(case):
    (truth, predicted, groups, _), _ = case
    assume(not isinstance(groups[0], tuple))
    label = max({*truth, *predicted})
    assume(not np.isnan(naive_gaps(truth, predicted, groups, None, label)).any())
    assume(
        all(
            {t == label for t, g in zip(truth, groups) if g == k} == {True, False}
            for k in set(groups)
        )
    )
    codes = [(np.array(values) == label).astype(int) for values in (truth, predicted)]
    for name in ("demographic_parity", "equalized_odds"):
        theirs = getattr(fairlearn.metrics, f"{name}_difference")
        ours = getattr(metrics, f"{name}_difference")
        expected = theirs(*codes, sensitive_features=groups)
        assert ours(*codes, sensitive_features=groups) == pytest.approx(expected)


@examples(100)
@given(st.permutations(range(8)), st.sampled_from(["y_pred", "sensitive_features"]))
def test_the_order_of_labels_is_never_overlooked(order, name):
    rows = {
        "y_true": pd.Series([0, 1] * 4),
        "y_pred": pd.Series([0, 1, 1, 0] * 2),
        "sensitive_features": pd.Series(list("ffffmmmm")),
    }
    expected = metrics.demographic_parity_difference(**rows)
    rows[name] = rows[name].iloc[order]
    if list(order) == list(range(8)):
        assert metrics.demographic_parity_difference(**rows) == expected
    else:
        with pytest.raises(ValueError, match="another order"):
            metrics.demographic_parity_difference(**rows)


class Fixed:
    """A classifier that predicts what it was given."""

    def __init__(self, predicted):
        self.predicted = predicted

    def predict(self, X):
        return self.predicted


@examples(100)
@given(judged_rows())
def test_scorers_are_minus_the_metrics(case):
    (truth, *_), (y_true, y_pred, groups) = case
    X = np.zeros((len(truth), 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedDisparityWarning)
        for name in ("demographic_parity", "equalized_odds", "equal_opportunity"):
            scorer = metrics.make_fairness_scorer(name)
            score = scorer(Fixed(y_pred), X, y_true, sensitive_features=groups)
            metric = getattr(metrics, f"{name}_difference")
            expected = -metric(y_true, y_pred, sensitive_features=groups)
            assert score == pytest.approx(expected, nan_ok=True)


@examples(20)
@given(judged_rows())
def test_displays_show_the_rates(case):
    _, (y_true, y_pred, groups) = case
    options = {"sensitive_features": groups}
    display = GroupRatesDisplay.from_predictions(y_true, y_pred, **options)
    plt.close(display.figure_)
    table = metrics.group_rates(y_true, y_pred, **options)
    if table.index.nlevels == 1:
        pd.testing.assert_frame_equal(display.rates, table[list(display.rates)])
    is_known = display.rates.notna()
    assert (display.lower.isna() == ~is_known).all(axis=None)
    for above in (display.rates - display.lower, display.upper - display.rates):
        assert (above[is_known].fillna(0) >= -1e-12).all(axis=None)  # but for rounding


CASTS = {
    "float": lambda s: s.astype(float),
    "text": lambda s: s.astype(str),
    "object": lambda s: s.astype(object),
    "nullable": lambda s: s.astype("Int64"),
    "category": lambda s: s.astype("category"),
}


@examples(200)
@given(
    st.lists(st.integers(0, 3), min_size=40, max_size=60),
    st.sampled_from(sorted(CASTS)),
    st.sampled_from(sorted(CASTS)),
)
def test_columns_are_read_by_value_and_not_by_type(values, trained, served):
    """A float with a decimal point is text of its own, "1.0", and no test of value."""
    assume(not {"float", "text"} <= {trained, served})
    column = pd.Series(values)
    preprocessing = make_default_preprocessing()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DebiasWarning)
        expected = preprocessing.fit_transform(pd.DataFrame({"x": CASTS[trained](column)}))
        found = preprocessing.transform(pd.DataFrame({"x": CASTS[served](column)}))
    np.testing.assert_allclose(found, expected)


@st.composite
def training_data(draw):
    """Draw rows, labels and groups that a classifier can be debiased on."""
    X, y, groups = make_rows(
        draw(st.integers(60, 120)),
        n_groups=draw(st.integers(2, 3)),
        seed=draw(st.integers(0, 99)),
    )
    labels = draw(st.sampled_from([[0, 1], ["no", "yes"], [True, False], [-1, 7]]))
    names = draw(st.sampled_from([[0, 1, 2], ["a", "b", "c"], [1.5, 2.5, 3.5]]))
    missing = draw(st.booleans())
    sensitive = pd.Series(np.array(names, dtype=object)[groups])
    if missing:
        sensitive[::5] = None
    return X, np.array(labels)[y], sensitive


@pytest.mark.slow
@examples(120)
@given(training_data(), st.sampled_from(["frame", "polars", "list", "fortran", "float64"]))
def test_containers_of_rows_agree(data, container):
    X, y, sensitive = data
    names = ["a", "b", "c"]
    other = {
        "frame": lambda: pd.DataFrame(X, columns=names),
        "polars": lambda: pl.DataFrame(X, schema=names),
        "list": lambda: X.tolist(),
        "fortran": lambda: np.asfortranarray(X),
        "float64": lambda: X.astype(float),
    }[container]()
    exact = LogisticRegression(solver="newton-cholesky")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DebiasWarning)
        one, two = (
            BackdoorDebiasClassifier(exact, random_state=0).fit(
                rows, y, sensitive_features=sensitive
            )
            for rows in (X.astype(float), other)
        )
    proba = one.predict_proba(X.astype(float))
    np.testing.assert_allclose(two.predict_proba(other), proba, atol=1e-3)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert np.isfinite(proba).all()
    assert set(one.predict(X.astype(float))) <= set(y)


class Lifetime(RuleBasedStateMachine):
    """Whatever a classifier lives through, it predicts what its last fit has learned."""

    @initialize()
    def begin(self):
        self.X, self.y, self.groups = make_rows(80)
        self.clf = BackdoorDebiasClassifier(LogisticRegression(), random_state=0)
        self.expected = None

    @rule(
        strength=st.sampled_from([0.0, 0.5, 2.0]),
        base_rate=st.sampled_from(["keep", "drift"]),
    )
    def set_params(self, strength, base_rate):
        self.clf.set_params(trigger_strength=strength, base_rate=base_rate)

    @rule()
    def fit(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DebiasWarning)
            self.clf.fit(self.X, self.y, sensitive_features=self.groups)
            fresh = clone(self.clf).fit(self.X, self.y, sensitive_features=self.groups)
        self.expected = fresh.predict_proba(self.X)

    @rule()
    def fail_to_fit(self):
        with pytest.raises(ValueError, match="only one group"):
            self.clf.fit(self.X, self.y, sensitive_features=np.zeros(80))
        self.expected = None

    @rule()
    def clone(self):
        self.clf, self.expected = clone(self.clf), None

    @rule()
    def pickle(self):
        self.clf = pickle.loads(pickle.dumps(self.clf))

    @precondition(lambda self: self.expected is None)
    @rule()
    def predict_unfitted(self):
        with pytest.raises(NotFittedError):
            self.clf.predict(self.X)

    @precondition(lambda self: self.expected is not None)
    @rule()
    def predict(self):
        np.testing.assert_array_equal(self.clf.predict_proba(self.X), self.expected)


TestLifetime = Lifetime.TestCase
TestLifetime.settings = settings(max_examples=15 * SCALE, stateful_step_count=15)
