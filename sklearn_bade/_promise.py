"""A bound that holds with confidence: judged on rows that chose nothing.

Candidates are put in order by the rows that chose them, the safest first. On held-out rows
each is tested at the full level, until one fails; the last that passed is taken. A test
comes only after all before it have passed, so that the chance of taking any candidate
beyond the bound is that of a single test (fixed-sequence testing, Maurer, Hothorn and
Lehmacher, 1995; as in "Learn then Test", arXiv:2110.01052).
"""

import numpy as np

from ._candidates import Judge
from ._path import Answers
from ._rules import PARTS_OF_A_PROMISE
from ._uncertainty import upper_limit
from .exceptions import UnreachedBoundWarning
from .learners import stratified_folds
from .utils import warn_user


def hold_out(rows, seed):
    """Split positions of rows into those that choose, and those that judge in the end."""
    folds = stratified_folds(rows, PARTS_OF_A_PROMISE, seed)
    if not folds:
        raise ValueError(
            f"confidence holds rows out, and needs {PARTS_OF_A_PROMISE} of each class at "
            "least. Merge rare classes, or leave confidence out."
        )
    return folds[0]


class Witness:
    """Held-out rows, and what the fitted models say of them.

    Parameters
    ----------
    rows : Rows
        The rows, which took part in nothing.

    answers : Answers
        What base and cells say of them.

    path : Path
        The path.

    measure : DisparityMeasure
        The disparity.
    """

    def __init__(self, rows, answers: Answers, path, measure):
        self.judge = Judge(rows.without_features(), answers, path, measure)

    def limit(self, candidate, rule):
        """Compute the upper limit of a candidate's disparity, as a rule asks for it."""
        logits = self.judge.logits(candidate)
        outcomes = self.judge.count(self.judge.path.decision.decide(logits))
        return upper_limit(outcomes, rule.name, rule.confidence)


def certify(candidates, rule, witness):
    """Find the most accurate candidate that a bound is promised of.

    Returns
    -------
    candidate : Candidate or None
        None if not even the safest one passes.

    limit : float
        Its limit on the held-out rows, or that of the safest; NaN without any.
    """
    passed = None, np.nan
    for candidate in rule.in_order(candidates):
        limit = witness.limit(candidate, rule)
        if not limit <= rule.bound:
            return passed if passed[0] else (None, limit)
        passed = candidate, limit
    return passed


def warn_of_no_promise(rule, limit):
    """Say that no candidate keeps the bound with confidence, and what could be promised."""
    advice = (
        "the rows that were held out say nothing of the disparity. Use more rows, or merge "
        "groups."
    )
    if np.isfinite(limit):
        advice = (
            f"on the rows that were held out, the safest one lies below {limit:.3f} only. "
            f"Use a larger max_disparity, such as {np.ceil(100 * limit) / 100:g}, or more "
            "rows."
        )
    warn_user(
        f"No candidate keeps the bound {rule.bound:g} ({rule.name}) with a confidence of "
        f"{rule.confidence:g}: {advice} The default rule has chosen, and promises nothing; "
        "upper_limit_ is only what was measured.",
        UnreachedBoundWarning,
    )
