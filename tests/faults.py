"""Faults that users make or meet, and what the package does about each.

The page "Reliability" of the documentation is made from this table, and `test_faults.py` tries
every line of it.
"""

import datetime
import threading
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from helpers import make_net, make_rows
from scipy.sparse import csr_array
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade import exceptions as said
from sklearn_bade.inspection import GroupRatesDisplay, audit_backdoor
from sklearn_bade.metrics import (
    attack_success_rate,
    balanced_group_accuracy,
    defense_effectiveness_rating,
    demographic_parity_difference,
    equal_opportunity_difference,
    equalized_odds_difference,
    group_rates,
    make_fairness_scorer,
    robust_accuracy,
    select_fair,
)
from sklearn_bade.triggers import BlendTrigger, ColumnTrigger, PatchTrigger, ValueTrigger

X, Y, G = make_rows(240)
NAMES = np.array(["f", "m"])[G]
LABELS = np.array(["no", "yes"])[Y]
FRAME = pd.DataFrame(X, columns=["a", "b", "c"]).assign(sex=NAMES)
SHUFFLED = np.random.RandomState(1).permutation(240)


@dataclass
class Fault:
    """What was done, what comes of it, and how to try it.

    `outcome` is a class of errors or warnings, or "works"; `text` is a pattern of what it
    says, and `do` tries it.
    """

    area: str
    what: str
    outcome: object
    text: str
    do: object


def fit(estimator=None, rows=X, y=Y, groups=G, weights=None, **settings):
    estimator = LogisticRegression() if estimator is None else estimator
    clf = BackdoorDebiasClassifier(estimator, random_state=0, **settings)
    return clf.fit(rows, y, sensitive_features=groups, sample_weight=weights)


def fit_frame(frame=FRAME, y=Y, estimator=None, columns="sex", **settings):
    estimator = LogisticRegression() if estimator is None else estimator
    clf = BackdoorDebiasClassifier(
        estimator, sensitive_columns=columns, random_state=0, **settings
    )
    return clf.fit(frame, y)


def search(**settings):
    settings = {"trigger_strengths": [0.0, 1.0], "cv": 2, "max_disparity": 1.0, **settings}
    clf = BackdoorDebiasClassifierCV(LogisticRegression(), random_state=0, **settings)
    return clf.fit(X, Y, sensitive_features=G)


def gap(y_true=Y, y_pred=Y, groups=G, metric=demographic_parity_difference, **options):
    return metric(y_true, y_pred, sensitive_features=groups, **options)


def series(values, index=SHUFFLED):
    return pd.Series(values, index=index)


def same_as_plain(clf, reference):
    np.testing.assert_allclose(clf.predict_proba(X), reference.predict_proba(X), atol=1e-6)


def default(frame, y=Y):
    return BackdoorDebiasClassifier(sensitive_columns="sex", random_state=0).fit(frame, y)


def drift(trained, served):
    """Train the default network on one frame, and compare what it says of another."""
    clf = default(trained)
    np.testing.assert_allclose(
        clf.predict_proba(served)[1:], clf.predict_proba(trained)[1:], atol=1e-6
    )


def grid(score, **rule):
    clf = BackdoorDebiasClassifier(
        LogisticRegression(), sensitive_columns="sex", random_state=0
    )
    scoring = {"accuracy": "accuracy", "disparity": score}
    candidates = {"trigger_strength": [0.0, 1.0]}
    rule = rule or {"max_disparity": 1.0}
    return GridSearchCV(
        clf, candidates, scoring=scoring, refit=select_fair(**rule), cv=2
    ).fit(FRAME, Y)


def nan_scores(estimator, X, y):
    return float("nan")


def in_threads():
    """Fit in two threads, and compare with a fit alone."""
    expected = fit(make_net()).predict_proba(X)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(fit(make_net()).predict_proba(X)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for proba in found:
        np.testing.assert_array_equal(proba, expected)


class Interrupted(LogisticRegression):
    """A classifier that is interrupted while it is fitted."""

    def fit(self, X, y, sample_weight=None):
        # Not by a signal: a shell's background jobs, and with them their tests, ignore SIGINT.
        raise KeyboardInterrupt


class Sampler:
    """What imbalanced-learn calls a sampler."""

    def fit_resample(self, X, y):
        return X, y

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


def with_columns(names):
    return FRAME.set_axis(names, axis=1)


def masked(values):
    return np.ma.masked_array(values, mask=np.arange(len(values)) % 4 == 0)


def check_masked():
    rates = group_rates(Y, Y, sensitive_features=masked(G))
    assert rates["count"].sum() == 180


def check_html():
    marked = np.array(["<b>f", "<b>m"])[G]
    clf = fit(groups=marked, keep_teacher=True)
    audit = audit_backdoor(clf, X, Y, n_triggers=1)
    assert "<b>" not in audit._repr_html_()


def check_plot():
    import matplotlib.pyplot as plt

    names = np.array(["_f", "$m^"])[G]
    display = GroupRatesDisplay.from_predictions(Y, Y[::-1], sensitive_features=names)
    display.figure_.canvas.draw()
    shown = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    plt.close(display.figure_)
    assert len(shown) == 2
    assert any("_f" in text for text in shown)


def check_rare_values():
    import pickle

    frame = FRAME.assign(town=np.where(np.arange(240) < 3, "smallville", "city"))
    stored = pickle.dumps(default(frame))
    assert b"smallville" not in stored
    assert b"city" in stored


def check_global_outputs():
    from sklearn import config_context

    frame = FRAME.assign(town=np.tile(["x", "y"], 120))
    expected = default(frame).predict_proba(frame)
    with config_context(transform_output="pandas"):
        np.testing.assert_array_equal(default(frame).predict_proba(frame), expected)


def check_dates():
    dates = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(240), unit="D")
    frame = FRAME.assign(when=dates)
    later = frame.assign(when=dates + pd.Timedelta(days=900))
    clf = default(frame, (np.arange(240) > 120).astype(int))
    assert clf.score(frame, (np.arange(240) > 120).astype(int)) > 0.85
    assert (clf.predict(later) == 1).mean() > 0.9


def check_cut_points():
    ages = np.concatenate([X[:120, 0] * 5 + 30.5, X[120:, 0] * 5 + 60.5])
    frame = FRAME.drop(columns="sex").assign(age=ages)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", said.CutGroupsWarning)
        clf = fit_frame(frame, columns="age")
    display = GroupRatesDisplay.from_estimator(clf, frame[120:], Y[120:])
    assert set(display.rates.index) <= set(clf.groups_)


def check_select_fair_score():
    search = grid(make_fairness_scorer("demographic_parity", sensitive_columns="sex"))
    assert search.score(FRAME, Y) == search.best_estimator_.score(FRAME, Y)


def check_importance():
    from sklearn.inspection import permutation_importance

    scorer = make_fairness_scorer("demographic_parity", sensitive_columns="sex")
    found = permutation_importance(
        fit_frame(), FRAME, Y, scoring=scorer, n_repeats=2, random_state=0
    )
    assert found.importances_mean[3] == 0


def check_threshold():
    from sklearn import config_context

    with config_context(enable_metadata_routing=True):
        clf = BackdoorDebiasClassifier(LogisticRegression(), random_state=0)
        scorer = make_fairness_scorer("demographic_parity")
        tuned = TunedThresholdClassifierCV(clf, scoring=scorer, cv=2)
        assert 0 <= tuned.fit(X, Y, sensitive_features=G).best_threshold_ <= 1


VALUE = ValueTrigger([0], [9.0]).fit(X)
TOWN = FRAME.assign(code=np.tile([1, 2, 3], 80))
FLAG = FRAME.assign(flag=np.tile([True, False], 120))
ROUTED = make_fairness_scorer("demographic_parity")
BY_COLUMN = make_fairness_scorer("demographic_parity", sensitive_columns="sex")
ONE_WITHOUT_POSITIVES = np.where(G == 1, 0, Y)

FAULTS = [
    # Rows
    Fault("Rows", "labels of `y` in another row order than `X`", ValueError, "another order.*loc", lambda: fit(rows=FRAME[["a", "b", "c"]], y=series(Y))),
    Fault("Rows", "sensitive values in another row order", ValueError, "another order", lambda: fit(rows=FRAME[["a", "b", "c"]], groups=series(G))),
    Fault("Rows", "weights in another row order", ValueError, "sample_weight.*another order", lambda: fit(rows=FRAME[["a", "b", "c"]], weights=series(np.ones(240)))),
    Fault("Rows", "predictions in another row order", ValueError, "y_pred.*another order", lambda: gap(pd.Series(Y), series(Y))),
    Fault("Rows", "row labels that agree in part", said.RowOrderWarning, "239 of 240", lambda: gap(pd.Series(Y), series(Y, np.arange(1, 241)))),
    Fault("Rows", "row labels that differ wholly: taken by position", "works", "", lambda: gap(pd.Series(Y), series(Y, np.arange(1000, 1240)))),
    Fault("Rows", "no rows", ValueError, "0 sample", lambda: fit(rows=FRAME[["a", "b", "c"]][:0], y=[], groups=[])),
    Fault("Rows", "different lengths", ValueError, "inconsistent", lambda: fit(groups=G[:-1])),
    Fault("Rows", "weights of 1e308, whose sum is infinite", ValueError, "finite sum", lambda: fit(weights=np.full(240, 1e308))),
    Fault("Rows", "negative weights", ValueError, "[Nn]egative", lambda: fit(weights=-np.ones(240))),
    Fault("Rows", "weights of zero everywhere", ValueError, "zero", lambda: fit(weights=np.zeros(240))),
    Fault("Rows", "NaN in a bare array", ValueError, "NaN", lambda: fit(rows=np.where(np.arange(3) == 0, np.nan, X))),
    # Labels
    Fault("Labels", "one class only", ValueError, "only one class", lambda: fit(y=np.ones(240))),
    Fault("Labels", "missing labels", ValueError, "NaN, None or NA", lambda: fit(y=pd.Series(LABELS).mask(G == 0))),
    Fault("Labels", "masked labels", ValueError, "masked", lambda: fit(y=masked(Y))),
    Fault("Labels", "continuous targets", ValueError, "continuous", lambda: fit(y=X[:, 0].astype(float))),
    Fault("Labels", "labels of pandas' nullable types", "works", "", lambda: same_as_plain(fit(y=pd.Series(Y, dtype="Int64")), fit())),
    Fault("Labels", "labels in a one-column frame", "works", "", lambda: same_as_plain(fit(y=pd.DataFrame({"y": Y})), fit())),
    # Sensitive attribute
    Fault("Groups", "no sensitive attribute", ValueError, "No sensitive attribute", lambda: fit(groups=None)),
    Fault("Groups", "one group only", ValueError, "only one group", lambda: fit(groups=np.zeros(240))),
    Fault("Groups", "missing in every row", ValueError, "missing in every row", lambda: fit(groups=np.full(240, None))),
    Fault("Groups", "an identifier", ValueError, "identifier", lambda: fit(groups=np.arange(240).astype(str))),
    Fault("Groups", "infinity", ValueError, "infinity", lambda: fit(groups=np.where(G, np.inf, 0.0))),
    Fault("Groups", "masked values are missing", "works", "", check_masked),
    Fault("Groups", "`1` and `'1'` are two groups with names of their own", "works", "", lambda: gap(groups=np.array([1, "1"], dtype=object)[G])),
    Fault("Groups", "measurements are cut, and it is said where", said.CutGroupsWarning, r"cut into the groups \(", lambda: fit(groups=X[:, 0].astype(float))),
    Fault("Groups", "new rows are cut where those of training were", "works", "", check_cut_points),
    Fault("Groups", "nine in ten have one value", said.CutGroupsWarning, "0, ", lambda: gap(groups=np.where(np.arange(240) % 10, 0.0, np.arange(240) + 0.5))),
    Fault("Groups", "few rows of a class in a group", said.FewRowsWarning, "row", lambda: fit(groups=np.where(np.arange(240) < 4, 2, G))),
    Fault("Groups", "a dict of columns", "works", "", lambda: same_as_plain(fit(groups={"sex": G}), fit())),
    Fault("Groups", "a name instead of values", ValueError, "no array of one value per row", lambda: fit(groups="sex")),
    # Columns
    Fault("Columns", "an unknown name", ValueError, "not a column", lambda: fit_frame(columns="gender")),
    Fault("Columns", "a position beyond the table", ValueError, "out of range", lambda: fit_frame(columns=9)),
    Fault("Columns", "`True` as a column", ValueError, "neither the name", lambda: fit_frame(columns=True)),
    Fault("Columns", "`[1.9]` as a column", ValueError, "neither the name", lambda: fit_frame(columns=[1.9])),
    Fault("Columns", "`[None]` as a column", ValueError, "neither the name", lambda: fit_frame(columns=[None])),
    Fault("Columns", "an integer that is a name elsewhere", ValueError, "could mean", lambda: fit_frame(with_columns([3, 0, 1, 2]), columns=3)),
    Fault("Columns", "two columns of one name", ValueError, "several columns called a", lambda: fit_frame(with_columns(["a", "a", "c", "sex"]))),
    Fault("Columns", "a level of the row index", ValueError, "reset_index", lambda: fit_frame(FRAME.set_index("sex"))),
    Fault("Columns", "names of two levels", "works", "", lambda: fit_frame(FRAME.set_axis(pd.MultiIndex.from_tuples([("n", "a"), ("n", "b"), ("n", "c"), ("d", "sex")]), axis=1), columns=("d", "sex"))),
    Fault("Columns", "nothing but sensitive columns", ValueError, "all of them sensitive", lambda: fit_frame(FRAME[["sex"]])),
    Fault("Columns", "text in a bare classifier", ValueError, "Pipeline that encodes", lambda: fit_frame(FRAME.assign(town="x"), estimator=HistGradientBoostingClassifier(max_iter=2))),
    Fault("Columns", "text in a bare network", ValueError, "needs numbers", lambda: fit_frame(FRAME.assign(town="x"), estimator=make_net(4))),
    Fault("Columns", "other columns at prediction", ValueError, "feature names", lambda: fit_frame().predict(FRAME.rename(columns={"a": "z"}))),
    Fault("Columns", "an array after a frame", "works", "", lambda: fit_frame().predict(FRAME[["a", "b", "c"]].to_numpy())),
    # Values
    Fault("Values", "categories of integers, served as floats", "works", "", lambda: drift(TOWN.astype({"code": "category"}), TOWN.astype({"code": float}))),
    Fault("Values", "text '1', served as the number 1", "works", "", lambda: drift(TOWN.astype({"code": str}), TOWN)),
    Fault("Values", "truth values, served as 0 and 1", "works", "", lambda: drift(FLAG, FLAG.astype({"flag": int}))),
    Fault("Values", "truth values with a hole", "works", "", lambda: drift(FLAG, FLAG.astype({"flag": object}).mask(pd.DataFrame({"flag": np.arange(240) == 0}).reindex(columns=FLAG.columns, fill_value=False)))),
    Fault("Values", "numbers served as text", "works", "", lambda: drift(FRAME, FRAME.astype({"a": str}))),
    Fault("Values", "text where numbers were", said.UnreadableValueWarning, "cannot be read", lambda: default(FRAME).predict(FRAME.astype({"a": object}).assign(a="n/a"))),
    Fault("Values", "dates are numbers, also beyond those of training", "works", "", check_dates),
    Fault("Values", "times of the day", "works", "", lambda: default(FRAME.assign(at=[datetime.time(i % 24) for i in range(240)]))),
    Fault("Values", "free text", said.InfrequentColumnWarning, "Identifiers and free text", lambda: default(FRAME.assign(note=[f"note {i}" for i in range(240)]))),
    Fault("Values", "bytes in another machine's order", "works", "", lambda: same_as_plain(fit(rows=X.astype(">f4")), fit())),
    Fault("Values", "output set to pandas for all of scikit-learn", "works", "", check_global_outputs),
    Fault("Values", "a sparse matrix for a linear model", "works", "", lambda: fit(rows=csr_array(X)).predict(csr_array(X))),
    # Pipelines and settings
    Fault("Pipelines", "a step that names the sensitive column", ValueError, "removed before the first step", lambda: fit_frame(estimator=make_pipeline(make_column_transformer((OneHotEncoder(), ["sex"])), LogisticRegression()))),
    Fault("Pipelines", "a step that resamples rows", TypeError, "weigh the rows instead", lambda: fit(make_pipeline(Sampler(), LogisticRegression()))),
    Fault("Pipelines", "a classifier without weights", TypeError, "no sample_weight", lambda: fit(KNeighborsClassifier())),
    Fault("Pipelines", "a setting of networks for another classifier", ValueError, "setting of networks", lambda: fit(student="single", temperature=2.0)),
    Fault("Pipelines", "a setting of the distillation where the student is a path", ValueError, "student='single'", lambda: fit(temperature=2.0)),
    Fault("Pipelines", "a strength of 1e300", ValueError, "within 1e", lambda: fit(trigger_strength=1e300)),
    Fault("Pipelines", "a negative strength that stands alone", said.WideningStrengthWarning, "adds to the bias", lambda: fit(trigger_strength=-1.0)),
    Fault("Pipelines", "base rates of another number of classes", ValueError, "one per class", lambda: fit(base_rate=[0.2, 0.3, 0.5])),
    Fault("Pipelines", "a cache that is a file", ValueError, "cannot be used as a folder", lambda: fit(memory=__file__)),
    Fault("Pipelines", "a learning rate at which the loss explodes", RuntimeError, "loss became", lambda: fit(make_net(lr=1e30, optimizer=torch.optim.SGD))),
    # Metrics
    Fault("Metrics", "probabilities as predictions", ValueError, "class labels", lambda: gap(y_pred=np.linspace(0, 1, 240))),
    Fault("Metrics", "predictions in other labels than the truth", ValueError, "in common", lambda: gap(LABELS, Y)),
    Fault("Metrics", "NaN among predictions", ValueError, "NaN", lambda: gap(y_pred=np.where(G, np.nan, Y))),
    Fault("Metrics", "no rows", ValueError, "no rows", lambda: gap([], [], [])),
    Fault("Metrics", "negative weights", ValueError, "not negative", lambda: gap(sample_weight=-np.ones(240))),
    Fault("Metrics", "a group without positives", said.UndefinedDisparityWarning, "NaN", lambda: gap(ONE_WITHOUT_POSITIVES, metric=equal_opportunity_difference)),
    Fault("Metrics", "one group", said.UndefinedDisparityWarning, "only one group", lambda: gap(groups=np.zeros(240))),
    Fault("Metrics", "one of three groups without positives: left out by name", said.UndefinedDisparityWarning, "other groups", lambda: gap(np.where(np.arange(240) < 20, 0, Y), groups=np.where(np.arange(240) < 20, 2, G), metric=equalized_odds_difference)),
    Fault("Metrics", "a group with fewer than `min_rows` rows", said.UndefinedDisparityWarning, "Fewer than 30", lambda: gap(groups=np.where(np.arange(240) < 20, 2, G), min_rows=30)),
    Fault("Metrics", "a class and group without rows in balanced accuracy", said.UndefinedDisparityWarning, "mean is that of", lambda: gap(ONE_WITHOUT_POSITIVES, metric=balanced_group_accuracy)),
    Fault("Metrics", "rates of one group: a table of one row", "works", "", lambda: group_rates(Y, Y, sensitive_features=np.zeros(240)).loc[0]),
    Fault("Metrics", "an unknown target of an attack", ValueError, "not among the labels", lambda: attack_success_rate(fit(), X, Y, VALUE, "1")),
    Fault("Metrics", "the same for robust accuracy", ValueError, "not among the labels", lambda: robust_accuracy(fit(), X, Y, VALUE, [0])),
    Fault("Metrics", "percent instead of shares", ValueError, "between 0 and 1", lambda: defense_effectiveness_rating(95, 5, 0.9, 0.9)),
    Fault("Metrics", "a confidence of 2", ValueError, "between 0 and 1", lambda: GroupRatesDisplay.from_predictions(Y, Y, sensitive_features=G, confidence=2)),
    # Searches
    Fault("Searches", "a gap with the wrong sign in `select_fair`", ValueError, "positive", lambda: grid("accuracy")),
    Fault("Searches", "a disparity with the wrong sign", ValueError, "change its sign", lambda: search(disparity=lambda a, b, *, sensitive_features: -0.1)),
    Fault("Searches", "a disparity that is always 0", said.UselessDisparityWarning, "fairlearn", lambda: search(disparity=lambda a, b, *, sensitive_features: 0.0, trigger_strengths=[0.0, 3.0])),
    Fault("Searches", "scores that are all NaN", ValueError, "all are NaN", lambda: search(scoring=nan_scores)),
    Fault("Searches", "a column scorer for a threshold", ValueError, "cannot tune a threshold", lambda: TunedThresholdClassifierCV(fit_frame(), scoring=BY_COLUMN, cv=2).fit(FRAME, Y)),
    Fault("Searches", "a routed scorer for a threshold", "works", "", check_threshold),
    Fault("Searches", "a scorer without sensitive values", ValueError, "no sensitive features", lambda: ROUTED(fit(), X, Y)),
    Fault("Searches", "`score` after `refit=select_fair(...)`", "works", "", check_select_fair_score),
    Fault("Searches", "permutation importance of the sensitive column", "works", "", check_importance),
    Fault("Searches", "a bound that nothing keeps", said.UnreachedBoundWarning, "No candidate", lambda: search(max_disparity=0.0)),
    # Triggers
    Fault("Triggers", "NaN in rows to be blended", "works", "", lambda: BlendTrigger().fit(np.where(np.arange(240)[:, None] == 3, np.nan, X)).stamp(X, np.full(240, -1))),
    Fault("Triggers", "a patch on a table", ValueError, "needs images", lambda: PatchTrigger().fit(X)),
    Fault("Triggers", "an attack by appended columns", ValueError, "appends columns", lambda: attack_success_rate(fit(), X, Y, ColumnTrigger().fit(X), 0)),
    # Processes and files
    Fault("Processes", "fits in several threads", "works", "", in_threads),
    Fault("Processes", "Ctrl-C", KeyboardInterrupt, "", lambda: fit(Interrupted())),
    Fault("Processes", "inference mode of torch", "works", "", lambda: torch.inference_mode()(lambda: fit(make_net()))()),
    Fault("Processes", "markup in names of groups", "works", "", check_html),
    Fault("Processes", "dollars and underlines in names of groups", "works", "", check_plot),
    Fault("Processes", "rare values of text in a pickle", "works", "", check_rare_values),
    Fault("Processes", "scaling by a step without columns to scale", ValueError, "", lambda: fit(make_pipeline(make_column_transformer((StandardScaler(), [7])), LogisticRegression()))),
]  # fmt: skip
