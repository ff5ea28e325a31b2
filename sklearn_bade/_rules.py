"""Rules by which a search chooses between candidates.

A rule returns the position of the first of the best; who wins ties is decided elsewhere.
"""

from dataclasses import dataclass
from numbers import Integral

import numpy as np

from ._outcomes import MULTICLASS, ChoiceRule
from ._uncertainty import equality_p_value, expected_disparity, upper_limit
from ._verdict import least_disparate
from .exceptions import CostlyGapWarning, FewRowsWarning, UnreachedBoundWarning
from .utils import warn_user

# Settled on training rows alone (docs/guide/choosing.rst): the gap of strength 0 is left
# alone unless chance would make it as great less often than that.
LEAST_P_VALUE = 0.002
# Points of accuracy, and of the expected disparity, are worth the same.
DISPARITY_WEIGHT = 1.0
# Standard errors that this is, and share of known groups below which it is worth a word:
# on MEPS, a tenth of 6000 rows is too few to show a gap of .065.
ERRORS_TO_SHOW_GAPS, SHARE_TO_SHOW_GAPS = 3.1, 0.5
# What is paid at most for smaller gaps: accuracy, and a share of the recall of each class.
MOST_ACCURACY_PAID, LEAST_RECALL_KEPT = 0.02, 0.6
# Standard errors by which a recall has to be kept: it is that of the rows at hand.
ERRORS_OF_RECALL = 2.0
# Share of the gap of strength 0 that may be left without a word.
SHARE_TO_MENTION = 0.5
# A gap that is narrower by less is no remedy to recommend. Not tuned.
SHARE_OF_LITTLE = 0.9
# One row in so many is held out for a promise. A half would promise a little more, of a
# model that has learned from fewer rows.
PARTS_OF_A_PROMISE = 3
# Shares of the decisions of strength 0 that are tried as base rates, and what they have to
# gain, in standard errors of the gap, since they cost recall: without a price, some give it
# away for a gap that nobody can see (benchmarks/choice.py).
RATE_FACTORS, PRICE_OF_A_RATE = (0.9, 0.8), 0.25
# Share of rows by which a sketch may be wrong about decisions, in either direction.
SKETCH_ERROR = 0.001
# A floor of recall counts as reached where only the rounding of sums is missing.
ROUNDING = 1e-12
# Standard errors of the gap that other directions than that of the bias have to gain: one
# strength per class, or a negative one. Less is what the best of many gains by chance.
GAIN_TO_EARN = 0.5


class Rule:
    """What rules have in common; ``choose(candidates)`` returns where the best one is."""

    def more(self, judge, candidates):
        """Judge further candidates, that the rule could want."""
        return []

    def accepts(self, candidate):
        """Tell whether a candidate keeps what was asked for."""
        return True

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


class GivenRule(Rule):
    """One of the rules that are given by a number.

    A bound that nothing keeps is not bought at any accuracy: the default rule, `cautious`,
    chooses then.
    """

    def __init__(self, choice, cautious):
        self.choice = choice
        self.cautious = cautious

    def more(self, judge, candidates):
        if self.choice.max_disparity is None:
            return []
        return self.cautious.more(judge, candidates)

    def accepts(self, candidate):
        bound = self.choice.max_disparity
        return bound is None or candidate.disparity <= bound

    def choose(self, candidates):
        if self._is_unreached(candidates):
            return self.cautious.choose_anyway(candidates)
        accuracy = np.array([candidate.accuracy for candidate in candidates])
        disparity = np.array([candidate.disparity for candidate in candidates])
        if np.isnan(disparity).all():  # the search refuses them in the end
            return int(accuracy.argmax())
        return self.choice.choose(accuracy, disparity)

    def _is_unreached(self, candidates):
        if self.choice.max_disparity is None:
            return False
        return not any(self.accepts(each) for each in candidates)

    def warn(self, chosen, candidates):
        if not self._is_unreached(candidates):
            return
        least, control = least_disparate(candidates), self.cautious.control
        warn_user(
            "No candidate has a cross-validated disparity of at most "
            f"{self.choice.max_disparity:g}. The least that was found, "
            f"{least.disparity:.4f}, has an accuracy of {least.accuracy:.4f}, where "
            f"strength 0 has {control.accuracy:.4f}. What the default rule finds worth its "
            f"price was chosen: disparity {chosen.disparity:.4f}, accuracy "
            f"{chosen.accuracy:.4f}. If the least is worth more, use max_disparity="
            f"{np.ceil(1e4 * least.disparity) / 1e4:g}.",
            UnreachedBoundWarning,
        )


@dataclass
class RecallRule(Rule):
    """The most accurate candidate in which the recall of each group reaches a floor.

    With several classes, that of each class in each group; groups without rows of a class
    have none. If no candidate reaches the floor, the one that comes nearest.
    """

    floor: float

    def choose(self, candidates):
        return int(np.argmax([self.worth(candidate) for candidate in candidates]))

    def worth(self, candidate):
        missing = self.floor - self.least(candidate)
        # Whoever misses the floor is worth less than all who reach it.
        return candidate.accuracy if missing <= ROUNDING else -missing

    def accepts(self, candidate):
        return self.least(candidate) >= self.floor - ROUNDING

    def least(self, candidate):
        """Find the least recall of a group; that of nobody is no obstacle."""
        outcomes = candidate.outcomes
        recalls = outcomes.rates()["true_positive"][:, outcomes.compared_classes()]
        return np.min(recalls, where=np.isfinite(recalls), initial=1.0)

    def more(self, judge, candidates):
        """Decide for the greater of two classes as often as the floor needs."""
        if judge.rows.n_classes != 2:
            return []
        added = []
        for strength in {c.strength for c in candidates if np.ndim(c.strength) == 0}:
            share = share_at_floor(judge, strength, self.floor)
            if 0 < share < 1:
                added.append(judge(strength, (1 - share, share)))
        return added

    def warn(self, chosen, candidates):
        least = self.least(chosen)
        if least < self.floor - ROUNDING:
            warn_user(
                f"No candidate has a recall of at least {self.floor:g} in each group; the "
                f"least of the chosen one is {least:.4f}. Use a smaller min_recall, or "
                "base_rates with more decisions for the class whose recall is low.",
                UnreachedBoundWarning,
            )


def share_at_floor(judge, strength, floor):
    """Find the share of rows to decide for, at which each group's recall is the floor."""
    logits = judge.path.logits(judge.answers, strength)
    margins = logits[:, 1] - logits[:, 0]
    rows, codes = judge.rows, judge.rows.groups.codes
    weights = np.ones(len(rows)) if rows.weights is None else rows.weights
    cut = np.inf
    for g in range(len(rows.groups)):
        members = np.flatnonzero((codes == g) & (rows.y == 1))
        order = members[np.argsort(-margins[members], kind="stable")]
        if len(order):
            ends = np.cumsum(weights[order])
            reached = ends >= (floor - ROUNDING) * ends[-1]
            cut = min(cut, margins[order[reached.argmax()]])
    # A little more, as offsets are found on a sketch of the rows.
    return float(np.average(margins >= cut, weights=weights)) + SKETCH_ERROR


class CautiousRule(Rule):
    """The default rule: as fair as rows can tell, at a price that is limited.

    What starts within noise of fair is left alone. Else the greatest accuracy minus
    expected disparity is chosen, of candidates that pay no more than so many points of the
    accuracy, and so much of the recall of each class, of strength 0.

    Parameters
    ----------
    control : Candidate
        Strength 0.

    class_sizes : ndarray of shape (n_classes,)
        Rows of each class that candidates are judged on; fewer where weights differ.

    disparity : str or callable
        Name of the disparity; of a user's own, nothing is known but its value.

    varies_rates : bool, default=False
        Whether to try base rates with fewer decisions for the greater of two classes.

    over_classes : callable, default=np.max
        What makes one figure of the expected disparities of several classes.

    weighed : str or None, default=None
        Name of the disparity that is weighed against accuracy; None for `disparity`.

    known_share : float, default=1.0
        Share of the rows whose group is known.
    """

    def __init__(
        self,
        control,
        class_sizes,
        disparity,
        *,
        varies_rates=False,
        over_classes=np.max,
        weighed=None,
        known_share=1.0,
    ):
        self.control = control
        self.class_sizes = np.maximum(class_sizes, 1)
        self.name = None if callable(disparity) else disparity
        self.varies_rates = varies_rates
        self.over_classes = over_classes
        self.weighed = weighed or self.name
        self.known_share = known_share
        self.p_value, self.error = np.nan, 0.0
        if self.name is not None:
            self.error = control.outcomes.standard_error(self.name)
            self.p_value = equality_p_value(control.outcomes, self.name)

    @property
    def is_fair_already(self):
        """Tell whether strength 0 is within noise of fair."""
        return self.p_value >= LEAST_P_VALUE

    def more(self, judge, candidates):
        """Judge single strengths at base rates with fewer decisions."""
        if not self.varies_rates or judge.rows.n_classes > 2:
            return []
        share = np.average(judge.predict(self.control), weights=judge.rows.weights)
        strengths = {c.strength for c in candidates if np.ndim(c.strength) == 0}
        rates = [np.round(share * factor, 4) for factor in RATE_FACTORS]
        return [
            judge(strength, (float(1 - rate), float(rate)))
            for strength in sorted(strengths)
            for rate in rates
            if rate > 0
        ]

    def choose(self, candidates):
        if self.is_fair_already:
            return int(np.argmin([np.abs(c.strength).sum() for c in candidates]))
        return self.choose_anyway(candidates)

    def choose_anyway(self, candidates):
        """Choose without asking whether strength 0 is within noise of fair."""
        worth = [self.worth(candidate) for candidate in candidates]
        if np.isneginf(worth).all():  # grids without strength 0 may hold no cheap one
            worth = [candidate.accuracy for candidate in candidates]
        return int(np.argmax(worth))

    def worth(self, candidate):
        if not self.is_affordable(candidate):
            return -np.inf
        value = candidate.accuracy - DISPARITY_WEIGHT * self.gap(candidate)
        if self.varies_rates and not isinstance(candidate.base_rate, str):
            value -= PRICE_OF_A_RATE * self.error
        return -np.inf if np.isnan(value) else value

    def gap(self, candidate):
        """Compute the gap that a candidate is judged by."""
        if self.name is None:
            return candidate.disparity
        outcomes = candidate.outcomes
        return expected_disparity(outcomes, self.weighed, over_classes=self.over_classes)

    def is_affordable(self, candidate):
        """Tell whether a candidate pays no more than the rule allows.

        A class's recall has to be kept on other rows too, so by more than its noise.
        """
        if self.is_control(candidate):
            return True
        keeps_accuracy = candidate.accuracy >= self.control.accuracy - MOST_ACCURACY_PAID
        return keeps_accuracy and self.keeps_recall(candidate)

    def is_control(self, candidate):
        """Tell whether a candidate decides as strength 0 does."""
        return not np.any(candidate.strength) and not np.any(candidate.offset)

    def keeps_recall(self, candidate):
        """Tell whether no class is given up; a gap may close because one is."""
        if self.is_control(candidate):
            return True
        recall, least = candidate.recalls, LEAST_RECALL_KEPT * self.control.recalls
        error = np.sqrt(recall * (1 - recall) / self.class_sizes)
        is_kept = recall - ERRORS_OF_RECALL * error >= least
        return bool(is_kept[least > 0].all())

    def warn(self, chosen, candidates):
        """Say where more was paid than allowed, or more than noise is left of a gap."""
        if not any(self.is_affordable(candidate) for candidate in candidates):
            self._warn_of_no_choice(chosen)
        elif self.name is not None and not self.is_fair_already:
            self._warn_of_gap(chosen, candidates)
        elif self.known_share < SHARE_TO_SHOW_GAPS and self.is_control(chosen):
            self._warn_of_unknown_groups()

    def _warn_of_unknown_groups(self):
        """Say that a gap may be there all the same, and how great it would have to be."""
        gap, unseen = self.control.disparity, ERRORS_TO_SHOW_GAPS * self.error
        warn_user(
            f"Strength 0 was kept: the group is known of {self.known_share:.1%} of the "
            f"rows, and a gap as that in these ({gap:.3f}, {self.name}) may be chance. "
            f"Less than about {unseen:.3f} would not have shown. See what "
            "with_strength(1.0) does on rows of known group, or record the group of more.",
            FewRowsWarning,
        )

    def _warn_of_no_choice(self, chosen):
        """Say that nothing was affordable, as in a grid without strength 0."""
        warn_user(
            "No candidate keeps the limits of the default rule "
            f"({MOST_ACCURACY_PAID:g} of accuracy, {1 - LEAST_RECALL_KEPT:.0%} of a "
            "recall), so the most accurate one was chosen: accuracy "
            f"{chosen.accuracy:.3f}, where strength 0 has {self.control.accuracy:.3f}. Let "
            "the search look for strengths, or add 0 to trigger_strengths and 'keep' to "
            "base_rates.",
            CostlyGapWarning,
        )

    def _warn_of_gap(self, chosen, candidates):
        """Say that much of a gap is left, what more would cost, and how to ask for it."""
        left, before = chosen.disparity, self.control.disparity
        is_noise = equality_p_value(chosen.outcomes, self.name) >= LEAST_P_VALUE
        if left <= SHARE_TO_MENTION * before or is_noise:
            return
        halved = [c for c in candidates if c.disparity <= SHARE_TO_MENTION * before]
        other = max(halved, key=lambda c: c.accuracy, default=least_disparate(candidates))
        said = f"A gap of {left:.3f} ({self.name}) is left, of {before:.3f} at strength 0. "
        if other.disparity >= before:
            said += (
                "No strength that was tried narrows it: what the features say of the "
                "group, or the classifier, leaves nothing to correct by."
            )
        elif other.disparity > SHARE_OF_LITTLE * left:
            said += f"The least that was found is {other.disparity:.3f}, hardly less."
        else:
            said += self._price(
                other, chosen, "Half of it" if halved else "The least that was found"
            )
        warn_user(said, CostlyGapWarning)

    def _price(self, other, chosen, name):
        """Say what a narrower gap costs, why it was not chosen, and how to ask for it."""
        bound = np.ceil(1000 * other.disparity) / 1000
        remedy = f"If it is worth that, use max_disparity={bound:g}."
        if not self.is_affordable(other):
            reason = (
                f"It costs more than {MOST_ACCURACY_PAID:g} of accuracy, or "
                f"{1 - LEAST_RECALL_KEPT:.0%} of a recall."
            )
        elif self.worth(other) > self.worth(chosen):
            reason = (
                "It takes a negative strength, or one per class, and gains less over what "
                "was chosen than noise could."
            )
            remedy = f"To take it all the same, use max_disparity={bound:g}."
        else:
            reason = "It costs more than a point of accuracy for a point of disparity."
        return (
            f"{name} ({other.disparity:.3f}) has an accuracy of {other.accuracy:.3f} "
            f"(chosen {chosen.accuracy:.3f}, strength 0 {self.control.accuracy:.3f}) and a "
            f"least recall of a class of {other.recalls.min():.3f} (chosen "
            f"{chosen.recalls.min():.3f}, strength 0 {self.control.recalls.min():.3f}). "
            f"{reason} {remedy}"
        )


class PromiseRule(Rule):
    """The most accurate candidate that should pass the test on held-out rows.

    One that gives up a class promises nothing: with one answer for everybody, no groups
    differ. `cautious` is the default rule, which knows.
    """

    def __init__(self, bound, confidence, cautious):
        self.name = cautious.name
        self.bound = bound
        self.confidence = confidence
        self.cautious = cautious

    def more(self, judge, candidates):
        return self.cautious.more(judge, candidates)

    def limit(self, candidate):
        """Guess the limit on held-out rows, which are fewer than those that choose."""
        limit = upper_limit(candidate.outcomes, self.name, self.confidence)
        return candidate.disparity + np.sqrt(PARTS_OF_A_PROMISE - 1) * (
            limit - candidate.disparity
        )

    def choose(self, candidates):
        return int(np.argmax([self.worth(candidate) for candidate in candidates]))

    def worth(self, candidate):
        excess = self.limit(candidate) - self.bound
        if np.isnan(excess) or not self.cautious.keeps_recall(candidate):
            return -np.inf
        return candidate.accuracy - max(0, excess)

    def in_order(self, candidates):
        """Sort candidates by their limits, and keep those that gain accuracy by theirs."""
        candidates = [c for c in candidates if np.isfinite(self.worth(c))]
        kept, most = [], -np.inf
        for candidate in sorted(candidates, key=lambda c: (self.limit(c), -c.accuracy)):
            if candidate.accuracy > most:
                kept.append(candidate)
                most = candidate.accuracy
        return kept


def check_rules(search):
    """Refuse two rules of choice, and a confidence in what nobody could promise."""
    names = "max_disparity", "max_accuracy_loss", "disparity_weight", "min_recall"
    given = [name for name in names if getattr(search, name) is not None]
    if len(given) > 1 and search.scoring is None:
        values = ", ".join(f"{name}={getattr(search, name)!r}" for name in given)
        raise ValueError(f"Give exactly one rule of choice, or none; got {values}.")
    if search.min_recall is not None and search.selection_rate is not None:
        raise ValueError(
            f"min_recall={search.min_recall:g} needs as many decisions as the floor asks "
            f"for, and selection_rate={search.selection_rate:g} fixes how many there are. "
            "Give one of them."
        )
    if search.confidence is None:
        return
    needs = {
        "max_disparity": given == ["max_disparity"] and search.scoring is None,
        "a disparity by name": not callable(search.disparity),
        "student='path'": search.student == "path",
        "a number of folds as cv": isinstance(search.cv, Integral),
    }
    missing = [what for what, is_given in needs.items() if not is_given]
    if missing:
        raise ValueError(
            f"confidence={search.confidence:g} is that of max_disparity, judged by rows "
            f"that are held out; it needs {' and '.join(missing)}, and no other rule."
        )


def make_rule(search, judge):
    """Make the rule that a search was asked for, given what strength 0 is like."""
    if search.scoring is not None:
        return ScoreRule()
    if search.min_recall is not None:
        return RecallRule(search.min_recall)
    control = judge(0.0, "keep")
    # A named disparity that no rows tell anything of has been warned of.
    if not callable(search.disparity) and np.isnan(control.disparity):
        if search.confidence is not None:
            raise ValueError(
                f"confidence={search.confidence:g} is asked for, but disparity="
                f"{search.disparity!r} cannot be computed: fewer than two groups have the "
                "rows that it compares."
            )
        return MostAccurateRule()
    # A selection has a rate of its own, whatever is added to the logits.
    varies_rates = isinstance(search.base_rates, str) and search.selection_rate is None
    decides_itself = search.multiclass == "auto"
    multiclass = "mean" if decides_itself else search.multiclass
    # Of one class among many, false positives are few, and would halve what recall shows.
    by_recall = decides_itself and judge.rows.n_classes > 2
    weighs_recall = by_recall and search.disparity == "average_odds"
    cautious = CautiousRule(
        control,
        judge.class_sizes,
        search.disparity,
        varies_rates=varies_rates,
        # Of several classes, the widest gap is mostly noise, and one that can be closed
        # should be, whatever another class's is.
        over_classes=MULTICLASS[multiclass],
        weighed="equal_opportunity" if weighs_recall else None,
        known_share=float(judge.rows.groups.is_known.mean()),
    )
    bounds = search.max_disparity, search.max_accuracy_loss, search.disparity_weight
    if search.confidence is not None:
        return PromiseRule(search.max_disparity, search.confidence, cautious)
    if all(bound is None for bound in bounds):
        return cautious
    return GivenRule(ChoiceRule(*bounds), cautious)
