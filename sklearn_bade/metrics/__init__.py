"""Disparities between groups, scorers for searches, and the success of backdoors."""

from ._attacks import attack_success_rate, defense_effectiveness_rating, robust_accuracy
from ._disparities import (
    average_absolute_odds_difference,
    balanced_group_accuracy,
    demographic_parity_difference,
    equal_opportunity_difference,
    equalized_odds_difference,
    group_rates,
)
from ._intervals import DisparityInterval, disparity_interval, group_gaps
from ._scorers import make_fairness_scorer, select_fair

__all__ = [
    "DisparityInterval",
    "attack_success_rate",
    "average_absolute_odds_difference",
    "balanced_group_accuracy",
    "defense_effectiveness_rating",
    "demographic_parity_difference",
    "disparity_interval",
    "equal_opportunity_difference",
    "equalized_odds_difference",
    "group_gaps",
    "group_rates",
    "make_fairness_scorer",
    "robust_accuracy",
    "select_fair",
]
