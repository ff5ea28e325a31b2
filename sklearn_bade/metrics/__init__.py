"""Disparities between groups, and scorers and choices for scikit-learn's searches."""

from ._disparities import (
    balanced_group_accuracy,
    demographic_parity_difference,
    equal_opportunity_difference,
    equalized_odds_difference,
    group_rates,
    mean_odds_gap,
)
from ._scorers import make_fairness_scorer, select_fair

__all__ = [
    "balanced_group_accuracy",
    "demographic_parity_difference",
    "equal_opportunity_difference",
    "equalized_odds_difference",
    "group_rates",
    "make_fairness_scorer",
    "mean_odds_gap",
    "select_fair",
]
