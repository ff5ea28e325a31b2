import pickle

import numpy as np
import pytest
from helpers import make_net, make_rows
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade import metrics as bade_metrics
from sklearn_bade.metrics import (
    average_absolute_odds_difference,
    make_fairness_scorer,
    select_fair,
)
from sklearn_bade.metrics._scorers import NAMED_METRICS


def data_with_column():
    X, y, groups = make_rows()
    return np.column_stack([X, groups]), y, groups


def debiaser(**settings):
    return BackdoorDebiasClassifier(make_net(), random_state=0, **settings)


@pytest.mark.parametrize("name", sorted(NAMED_METRICS))
def test_named_scorers_have_the_sign_of_a_score(name):
    X, y, groups = data_with_column()
    clf = debiaser(sensitive_columns=3).fit(X, y)
    score = make_fairness_scorer(name, sensitive_columns=3)(clf, X, y)
    function, sign = NAMED_METRICS[name]
    assert score == sign * function(y, clf.predict(X), sensitive_features=groups)
    assert sign == (1 if name == "balanced_group_accuracy" else -1)
    assert function.__name__ in bade_metrics.__all__


def test_callables_and_options():
    X, y, groups = data_with_column()
    clf = debiaser(sensitive_columns=3).fit(X, y)
    scorer = make_fairness_scorer(
        average_absolute_odds_difference,
        sensitive_columns=3,
        greater_is_better=True,
        pos_label=0,
    )
    expected = average_absolute_odds_difference(
        y, clf.predict(X), sensitive_features=groups, pos_label=0
    )
    assert scorer(clf, X, y) == expected


def test_grid_search_with_a_column_and_routing_off():
    X, y, _ = data_with_column()
    scoring = {
        "accuracy": "accuracy",
        "disparity": make_fairness_scorer("average_odds", sensitive_columns=3),
    }
    search = GridSearchCV(
        debiaser(sensitive_columns=3),
        {"trigger_strength": [0.0, 1.0]},
        scoring=scoring,
        refit=select_fair(max_accuracy_loss=0.02),
        cv=2,
    ).fit(X, y)
    assert (search.cv_results_["mean_test_disparity"] <= 0).all()
    assert search.best_params_["trigger_strength"] in (0.0, 1.0)
    pickle.loads(pickle.dumps(search)).predict(X)


def test_grid_search_over_a_pipeline_with_routing_on():
    X, y, groups = make_rows()
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            make_pipeline(StandardScaler(), debiaser()),
            {"backdoordebiasclassifier__trigger_strength": [0.0, 1.0]},
            scoring=make_fairness_scorer("equalized_odds"),
            cv=2,
        ).fit(X, y, sensitive_features=groups)
        scores = cross_validate(
            make_pipeline(StandardScaler(), debiaser()),
            X,
            y,
            scoring={"odds": make_fairness_scorer("average_odds"), "accuracy": "accuracy"},
            params={"sensitive_features": groups},
            cv=2,
        )
    assert -1 <= search.best_score_ <= 0
    assert (scores["test_odds"] <= 0).all()


def test_weights_reach_the_metric():
    X, y, groups = make_rows()
    clf = debiaser().fit(X, y, sensitive_features=groups)
    weights = np.random.RandomState(0).randint(0, 3, size=200)
    scorer = make_fairness_scorer("average_odds")
    weighted = scorer(clf, X, y, sensitive_features=groups, sample_weight=weights)
    X, y, groups = (values.repeat(weights, axis=0) for values in (X, y, groups))
    assert weighted == pytest.approx(scorer(clf, X, y, sensitive_features=groups))


def test_grid_search_hands_weights_to_the_metric_with_routing_off():
    X, y, groups = data_with_column()
    weights = np.random.RandomState(0).randint(1, 4, size=200)
    scorer = make_fairness_scorer("average_odds", sensitive_columns=3)
    search = GridSearchCV(
        debiaser(sensitive_columns=3),
        {"trigger_strength": [1.0]},
        scoring={"accuracy": "accuracy", "disparity": scorer},
        refit=False,
        cv=[(np.arange(200), np.arange(200))],
    ).fit(X, y, sample_weight=weights)
    clf = debiaser(sensitive_columns=3, trigger_strength=1.0)
    clf.fit(X, y, sample_weight=weights)
    expected = average_absolute_odds_difference(
        y, clf.predict(X), sensitive_features=groups, sample_weight=weights
    )
    assert search.cv_results_["mean_test_disparity"][0] == pytest.approx(-expected)


@pytest.mark.parametrize(
    ("metric", "accepts"),
    [
        (average_absolute_odds_difference, True),
        (lambda y_true, y_pred, *, sensitive_features: 0.0, False),
        (lambda y_true, y_pred, **options: 0.0, True),
    ],
)
def test_searches_learn_whether_a_metric_takes_weights(metric, accepts):
    assert make_fairness_scorer(metric)._accept_sample_weight() is accepts


def test_no_sensitive_values_names_both_ways():
    X, y, groups = make_rows()
    clf = debiaser().fit(X, y, sensitive_features=groups)
    message = r"sensitive_columns=\.\.\..*enable_metadata_routing=True"
    with pytest.raises(ValueError, match=message):
        make_fairness_scorer("average_odds")(clf, X, y)


def test_unknown_metric():
    with pytest.raises(ValueError, match=r"metric='fairness' is unknown.*'average_odds'"):
        make_fairness_scorer("fairness")


def test_select_fair_chooses():
    results = {
        "mean_test_accuracy": np.array([0.90, 0.89, 0.80]),
        "mean_test_disparity": -np.array([0.10, 0.04, 0.01]),
    }
    assert select_fair(max_disparity=0.05)(results) == 1
    assert select_fair(max_accuracy_loss=0.2)(results) == 2
    assert select_fair(disparity_weight=1.0)(results) == 1
    with pytest.raises(ValueError, match=r"no score called 'gap'.*accuracy.*disparity"):
        select_fair(max_disparity=0.05, disparity="gap")(results)


def test_select_fair_needs_one_bound():
    with pytest.raises(ValueError, match="exactly one"):
        select_fair()


def test_scorers_can_be_printed_cloned_and_pickled():
    scorer = make_fairness_scorer("average_odds", sensitive_columns="sex")
    assert (
        repr(scorer)
        == "make_fairness_scorer(average_absolute_odds_difference, sensitive_columns='sex')"
    )
    assert repr(pickle.loads(pickle.dumps(scorer))) == repr(clone(scorer, safe=False))
