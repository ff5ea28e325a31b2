"""Rules by which a search chooses between candidates.

A rule returns the position of the first of the best; who wins ties is decided elsewhere.
"""

from dataclasses import dataclass

import numpy as np

from ._uncertainty import equality_p_value, expected_disparity
from ._verdict import least_disparate
from .exceptions import CostlyGapWarning
from .utils import warn_user

# Settled on training rows alone (docs/choosing.rst): the gap of strength 0 is left alone
# unless chance would make it as great less often than that.
LEAST_P_VALUE = 0.01
# Points of accuracy, and of the expected disparity, are worth the same.
DISPARITY_WEIGHT = 1.0
# What is paid at most for smaller gaps: accuracy, and a share of the recall of each class.
MOST_ACCURACY_PAID, LEAST_RECALL_KEPT = 0.02, 0.6
# Standard errors by which a recall has to be kept: it is that of the rows at hand.
ERRORS_OF_RECALL = 2.0
# Share of the gap of strength 0 that may be left without a word.
SHARE_TO_MENTION = 0.5
# Standard errors of the gap that other directions than that of the bias have to gain: one
# strength per class, or a negative one. Less is what the best of many gains by chance.
GAIN_TO_EARN = 0.5


class Rule:
    """What all rules have in common."""

    def choose(self, candidates):
        """Return the position of the best candidate."""
        raise NotImplementedError

    def worth(self, candidate):
        """Say what strengths per class climb: accuracy minus disparity."""
        value = candidate.accuracy - candidate.disparity
        return -np.inf if np.isnan(value) else value

    def warn(self, chosen, candidates):
        """Say what the chosen candidate falls short of."""
        # Not every rule promises anything.


class ScoreRule(Rule):
    """The greatest score; NaN is never chosen."""

    def choose(self, candidates):
        return int(np.argmax([self.worth(candidate) for candidate in candidates]))

    def worth(self, candidate):
        return -np.inf if np.isnan(candidate.score) else candidate.score


class MostAccurateRule(Rule):
    """The greatest accuracy, where no rows tell anything of the disparity."""

    def choose(self, candidates):
        return int(np.argmax([candidate.accuracy for candidate in candidates]))


@dataclass
class GivenRule(Rule):
    """One of the rules that are given by a number."""

    choice: object

    def choose(self, candidates):
        accuracy = np.array([candidate.accuracy for candidate in candidates])
        disparity = np.array([candidate.disparity for candidate in candidates])
        return self.choice.choose(accuracy, disparity)

    def warn(self, chosen, candidates):
        most = max(candidate.accuracy for candidate in candidates)
        self.choice.warn_if_unreached(chosen.accuracy, chosen.disparity, most)


class CautiousRule(Rule):
    """The default rule: as fair as rows can tell, at a price that is limited.

    What starts within noise of fair is left alone. Else the greatest accuracy minus
    expected disparity is chosen, of candidates that pay no more than so many points of the
    accuracy, and so much of the recall of each class, of strength 0.

    Parameters
    ----------
    control : Candidate
        Strength 0.

    class_rows : ndarray of shape (n_classes,)
        Rows of each class that candidates are judged on.

    disparity : str or callable
        Name of the disparity; of a user's own, nothing is known but its value.
    """

    def __init__(self, control, class_rows, disparity):
        self.control = control
        self.class_rows = np.maximum(class_rows, 1)
        self.name = None if callable(disparity) else disparity
        self.p_value = np.nan
        if self.name is not None:
            self.p_value = equality_p_value(control.outcomes, self.name)

    @property
    def is_fair_already(self):
        """Tell whether strength 0 is within noise of fair."""
        return self.p_value >= LEAST_P_VALUE

    def choose(self, candidates):
        if self.is_fair_already:
            return int(np.argmin([np.abs(c.strength).sum() for c in candidates]))
        worth = [self.worth(candidate) for candidate in candidates]
        if np.isneginf(worth).all():  # grids without strength 0 may hold no cheap one
            worth = [candidate.accuracy for candidate in candidates]
        return int(np.argmax(worth))

    def worth(self, candidate):
        if not self.is_affordable(candidate):
            return -np.inf
        value = candidate.accuracy - DISPARITY_WEIGHT * self.gap(candidate)
        return -np.inf if np.isnan(value) else value

    def gap(self, candidate):
        """Compute the gap that a candidate is judged by."""
        if self.name is None:
            return candidate.disparity
        return expected_disparity(candidate.outcomes, self.name)

    def is_affordable(self, candidate):
        """Tell whether a candidate pays no more than the rule allows.

        A class's recall has to be kept on other rows too, so by more than its noise.
        """
        if not np.any(candidate.strength) and candidate.base_rate == self.control.base_rate:
            return True
        recall, least = candidate.recalls, LEAST_RECALL_KEPT * self.control.recalls
        error = np.sqrt(recall * (1 - recall) / self.class_rows)
        keeps_accuracy = candidate.accuracy >= self.control.accuracy - MOST_ACCURACY_PAID
        is_kept = recall - ERRORS_OF_RECALL * error >= least
        return keeps_accuracy and bool(is_kept[least > 0].all())

    def warn(self, chosen, candidates):
        """Say where a gap is left that is more than noise, and what closing it costs."""
        if self.is_fair_already or self.name is None:
            return
        left, before = chosen.disparity, self.control.disparity
        if left <= SHARE_TO_MENTION * before:
            return
        if equality_p_value(chosen.outcomes, self.name) >= LEAST_P_VALUE:
            return
        warn_user(
            f"A gap of {left:.3f} ({self.name}) is left, of {before:.3f} at strength 0. "
            + self._price(before, candidates),
            CostlyGapWarning,
        )

    def _price(self, before, candidates):
        """Say what narrowing the gap costs, and how to ask for it."""
        halved = [c for c in candidates if c.disparity <= SHARE_TO_MENTION * before]
        other = max(halved, key=lambda c: c.accuracy, default=least_disparate(candidates))
        if other.disparity >= before:
            return (
                "No strength narrows it: the classifier, or what the features say of the "
                "group, leaves nothing to correct by."
            )
        name = "Half of it" if halved else "The least that was found"
        return (
            f"{name} ({other.disparity:.3f}) has an accuracy of {other.accuracy:.3f} "
            f"instead of {self.control.accuracy:.3f}, and a least recall of a class of "
            f"{other.recalls.min():.3f} instead of {self.control.recalls.min():.3f}. The "
            f"default rule pays at most {MOST_ACCURACY_PAID:g} of accuracy, "
            f"{1 - LEAST_RECALL_KEPT:.0%} of a recall, and a point of accuracy for a point "
            "of disparity; if it is worth more, use max_disparity="
            f"{np.ceil(1000 * other.disparity) / 1000:g}."
        )
