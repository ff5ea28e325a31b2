"""Strengths that widen the gaps that they are to narrow."""

from typing import NamedTuple

import numpy as np

from ._outcomes import Outcomes, count_codes
from ._uncertainty import interval
from .exceptions import WideningStrengthWarning
from .utils import warn_user

# A strength may trade one notion of fairness for another, and is to; one that does worse by
# both serves nobody.
NOTIONS = {"average_odds": "average odds", "demographic_parity": "demographic parity"}


class Decisions(NamedTuple):
    """What is decided of rows.

    Attributes
    ----------
    n_rows, n_predicted : ndarray of shape (n_classes,)
        Rows of each class, and for how many it is predicted.

    outcomes : Outcomes
        Those of rows of known group.
    """

    n_rows: np.ndarray
    n_predicted: np.ndarray
    outcomes: Outcomes

    @classmethod
    def count(cls, predicted, y, groups, n_classes, n_groups, weights=None):
        """Count class codes and predicted codes, and by group code."""
        outcomes = Outcomes.count(y, predicted, groups, n_classes, n_groups, weights)
        return cls(*count_codes(y, predicted, n_classes), outcomes)

    @classmethod
    def add(cls, several):
        """Put the decisions about several lots of rows together."""
        n_rows, n_predicted, outcomes = zip(*several)
        return cls(sum(n_rows), sum(n_predicted), Outcomes.add(outcomes))


def warn_of_negative(strength):
    """Say so where a strength can only add to the bias."""
    if is_negative(strength):
        warn_user(
            f"trigger_strength={strength.tolist()} adds to the bias of the data "
            "instead of reversing it. A negative strength belongs beside a positive "
            "one, where gaps have opposite signs.",
            WideningStrengthWarning,
        )


def is_negative(strength):
    """Tell whether a strength reverses nothing, and adds to some group's bias."""
    return np.any(strength) and (strength <= 0).all()


def warn_of_wider_gaps(strength, before, after):
    """Say so where gaps are wider than without, by more than chance.

    `before` and `after` are outcomes at strength 0 and at `strength`. Limits of the one
    gap and of the other that do not meet are stricter than those of their difference: what
    is warned of in each fit must not be a matter of chance in one of twenty.
    """
    limits = [
        [interval(outcomes, name) for name in NOTIONS] for outcomes in (before, after)
    ]
    if all(lower > upper for (_, upper), (lower, _) in zip(*limits)):
        gaps = ", ".join(
            f"{said} {after.disparity(name):.3f} instead of {before.disparity(name):.3f}"
            for name, said in NOTIONS.items()
        )
        warn_user(
            f"With trigger_strength={strength.tolist()}, gaps between groups "
            f"are wider among the rows of fit than with 0: {gaps}. Let "
            "BackdoorDebiasClassifierCV choose the strength.",
            WideningStrengthWarning,
        )
