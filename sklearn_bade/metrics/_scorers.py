"""Fairness in scikit-learn's searches: scorers, and the choice between candidates."""

import re
from inspect import signature

import numpy as np

from .._compat import MetadataRequester, rows_before_shuffling
from .._groups import group_as_trained, sensitive_values
from .._outcomes import ChoiceRule, used_folds
from ..exceptions import UselessDisparityWarning
from ..preprocessing import open_fitted
from ..utils import warn_user
from ._disparities import (
    average_absolute_odds_difference,
    balanced_group_accuracy,
    demographic_parity_difference,
    equal_opportunity_difference,
    equalized_odds_difference,
)

# Name -> (function, sign): scikit-learn's searches maximise.
NAMED_METRICS = {
    "average_odds": (average_absolute_odds_difference, -1),
    "balanced_group_accuracy": (balanced_group_accuracy, 1),
    "demographic_parity": (demographic_parity_difference, -1),
    "equal_opportunity": (equal_opportunity_difference, -1),
    "equalized_odds": (equalized_odds_difference, -1),
}


class _FairnessScorer(MetadataRequester):
    """Score an estimator by a metric that needs the sensitive attribute."""

    __metadata_request__score = {"sensitive_features": True, "sample_weight": True}

    def __init__(self, metric, sign, sensitive_columns, options):
        self.metric = metric
        self.sign = sign
        self.sensitive_columns = sensitive_columns
        self.options = options

    def __repr__(self):
        name = getattr(self.metric, "__name__", repr(self.metric))
        return f"make_fairness_scorer({name}, sensitive_columns={self.sensitive_columns!r})"

    def __call__(self, estimator, X, y, sensitive_features=None, sample_weight=None):
        trained, _ = open_fitted(estimator, None)
        if sensitive_features is None:
            sensitive_features = self._read_column(rows_before_shuffling(X))
        sensitive_features = group_as_trained(sensitive_features, trained)
        predicted = estimator.predict(X)
        options = {"sensitive_features": sensitive_features, **self.options}
        if sample_weight is not None:
            options["sample_weight"] = sample_weight
        return self.sign * self.metric(y, predicted, **options)

    def score(self, estimator, X, y, sensitive_features=None, sample_weight=None):
        """Score; routing knows scorers by this method."""
        return self(estimator, X, y, sensitive_features, sample_weight)

    def _accept_sample_weight(self):
        """Tell scikit-learn's searches whether to hand weights on, without routing."""
        parameters = signature(self.metric).parameters.values()
        return any(p.name == "sample_weight" or p.kind == p.VAR_KEYWORD for p in parameters)

    # What TunedThresholdClassifierCV reads from a scorer, beside the two of
    # MetadataRequester.
    @property
    def _score_func(self):
        if self.sensitive_columns is not None:
            raise ValueError(
                "A fairness scorer that reads a column of X cannot tune a threshold, since "
                "scikit-learn then hands it the labels alone. Leave sensitive_columns out, "
                "and pass sensitive_features to fit with "
                "sklearn.set_config(enable_metadata_routing=True)."
            )
        return self.metric

    @property
    def _sign(self):
        return self.sign

    @property
    def _kwargs(self):
        return self.options

    def _read_column(self, X):
        if self.sensitive_columns is None:
            raise ValueError(
                "The fairness scorer got no sensitive features. Either name their column, "
                "make_fairness_scorer(..., sensitive_columns=...), or pass "
                "sensitive_features to the search with "
                "sklearn.set_config(enable_metadata_routing=True)."
            )
        return sensitive_values(X, self.sensitive_columns)


def make_fairness_scorer(
    metric, *, sensitive_columns=None, greater_is_better=False, **options
):
    """Make a scorer of a fairness metric for scikit-learn's searches.

    Scores of disparities are negative, since searches look for the greatest score.

    Parameters
    ----------
    metric : str or callable
        One of "average_odds", "equalized_odds", "equal_opportunity",
        "demographic_parity", "balanced_group_accuracy"; or a function
        ``metric(y_true, y_pred, *, sensitive_features, **options)``, which gets
        `sample_weight` too where there are weights.

    sensitive_columns : str, int, list of these, or callable, default=None
        Names or positions of the sensitive columns of X, or what reads the sensitive
        values from X. None expects
        `sensitive_features` by metadata routing, which asks for them by itself: with
        ``sklearn.set_config(enable_metadata_routing=True)`` no further call is needed.

    greater_is_better : bool, default=False
        For a callable, whether great values are good.

    **options : dict
        Further arguments of the metric, such as `pos_label`.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y, sensitive_features=None, sample_weight=None)`` returns
        a float.

    Raises
    ------
    ValueError
        If `metric` is an unknown name.

    See Also
    --------
    select_fair : Choose between candidates by accuracy and disparity.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn_bade.datasets import make_biased_classification
    >>> from sklearn_bade.metrics import make_fairness_scorer
    >>> X, y, _ = make_biased_classification(n_samples=300, random_state=0)
    >>> scorer = make_fairness_scorer("equalized_odds", sensitive_columns="group")
    >>> scorer(DummyClassifier().fit(X, y), X, y) == 0
    True
    """
    if callable(metric):
        return _FairnessScorer(
            metric, 1 if greater_is_better else -1, sensitive_columns, options
        )
    if metric not in NAMED_METRICS:
        raise ValueError(
            f"metric={metric!r} is unknown; give a function or one of "
            f"{sorted(NAMED_METRICS)}."
        )
    return _FairnessScorer(*NAMED_METRICS[metric], sensitive_columns, options)


class _FairSelector:
    """Choose from `cv_results_`; a class, so that it can be pickled.

    It equals the name of the accuracy's score, since a search looks up by its `refit` what
    its `score` computes.
    """

    def __init__(self, rule, accuracy, disparity):
        self.rule = rule
        self.accuracy = accuracy
        self.disparity = disparity

    def __repr__(self):
        given = {k: v for k, v in vars(self.rule).items() if v is not None}
        return f"select_fair({', '.join(f'{k}={v!r}' for k, v in given.items())})"

    def __eq__(self, other):
        if isinstance(other, str):
            return other == self.accuracy
        return isinstance(other, _FairSelector) and vars(self) == vars(other)

    def __hash__(self):
        return hash(self.accuracy)

    def __call__(self, cv_results):
        disparity = -self._mean(cv_results, self.disparity)
        if (disparity < 0).any():
            raise ValueError(
                f"The score {self.disparity!r} is positive for some candidates, and that "
                "of a disparity cannot be: searches maximise, so the score is minus the "
                "gap. Make it by make_fairness_scorer, or by make_scorer(..., "
                "greater_is_better=False)."
            )
        if len(disparity) > 1 and (disparity == 0).all():
            warn_user(
                f"The score {self.disparity!r} is 0 for every candidate, so it tells none "
                "of them apart. Where it comes from another package, labels may be the "
                "cause: fairlearn's metrics take 0 and 1 and may count no other.",
                UselessDisparityWarning,
            )
        accuracy = self._mean(cv_results, self.accuracy)
        best = self.rule.choose(accuracy, disparity)
        most = np.nanmax(accuracy)
        self.rule.warn_if_unreached(accuracy[best], disparity[best], most)
        return best

    def _mean(self, cv_results, name):
        """Average a score over the folds that have one for every candidate."""
        if f"mean_test_{name}" not in cv_results:
            have = [k[10:] for k in cv_results if k.startswith("mean_test_")]
            raise ValueError(
                f"The search has no score called {name!r}, only {have}. Give it as "
                f"scoring={{{name!r}: ...}} or tell select_fair the name."
            )
        splits = [
            scores
            for key, scores in cv_results.items()
            if re.fullmatch(rf"split\d+_test_{re.escape(name)}", key)
        ]
        if not splits:
            return cv_results[f"mean_test_{name}"]
        return used_folds(np.array(splits), name).mean(axis=0)


def select_fair(
    *,
    max_disparity=None,
    max_accuracy_loss=None,
    disparity_weight=None,
    accuracy="accuracy",
    disparity="disparity",
):
    """Make a rule for ``GridSearchCV(refit=...)`` that weighs accuracy and disparity.

    Give exactly one of the first three parameters.

    Parameters
    ----------
    max_disparity : float, default=None
        Choose the most accurate candidate whose mean disparity is at most this. If
        there is none, the least disparate one is chosen, with a warning.

    max_accuracy_loss : float, default=None
        Choose the least disparate candidate whose mean accuracy is at most this much
        below that of the most accurate one.

    disparity_weight : float, default=None
        Choose the candidate with the greatest mean accuracy minus this many times its mean
        disparity.

    accuracy, disparity : str
        Names of the two scores in the search's `scoring`; the latter made by
        :func:`make_fairness_scorer`, so that it is negative.

    Returns
    -------
    rule : callable
        Takes `cv_results_` and returns the index of the chosen candidate.

    Raises
    ------
    ValueError
        If none or several of the first three are given.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_bade import BackdoorDebiasClassifier
    >>> from sklearn_bade.metrics import make_fairness_scorer, select_fair
    >>> disparity = make_fairness_scorer("average_odds", sensitive_columns="group")
    >>> search = GridSearchCV(
    ...     BackdoorDebiasClassifier(sensitive_columns="group"),
    ...     {"trigger_strength": [0.0, 1.0, 2.0]},
    ...     scoring={"accuracy": "accuracy", "disparity": disparity},
    ...     refit=select_fair(max_disparity=0.05),
    ... )
    """
    rule = ChoiceRule(max_disparity, max_accuracy_loss, disparity_weight)
    return _FairSelector(rule, accuracy, disparity)
