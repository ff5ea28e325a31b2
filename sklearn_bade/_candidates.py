"""Candidates of a search: judged by arithmetic, and found by solving.

Every strength is judged on the pooled answers of all folds, about rows that took no part in
the learning. That trains nothing, so candidates can be looked for where the choice is.
"""

from itertools import product
from typing import NamedTuple

import numpy as np

from ._outcomes import Outcomes, effective_size
from ._verdict import least_disparate

# Strengths that show the curve: denser near 0, where gaps change fastest.
GRID = np.round(
    np.concatenate([[-2.0, -1.0, -0.5, -0.25], 3 * np.linspace(0, 1, 16) ** 1.5]), 2
)
# Reach of a path, in log-probabilities, for which the grid is made: that of Adult and race
# is .14, of MEPS .23, with logistic regression. Where triggers have less to say, since
# groups are about as frequent in one class as in another, strengths are greater in
# proportion, up to the limit.
USUAL_REACH, GREATEST_UNIT = 0.1, 5e3
# Where the choice stands at the end of the grid, the next strength is so much greater, up
# to a limit: features that say little of the group need great strengths, and beyond the
# limit next to nothing but the groups decides.
GROWTH, GREATEST_TRIED = 1.5, 100.0
# Times that the strengths beside the chosen one are brought nearer to it by half. The grid
# is .1 to .3 wide; three times leave less than what the noise of any gap could tell.
N_REFINEMENTS = 3
# Strengths of which two classes try all pairs, before steps are taken from the best ones.
PAIR_GRID = (-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0)
# Steps towards the best strengths per class, in units of the strengths that are usual.
STEPS = (2.0, 1.0, 0.5, 0.25, 0.1)
# With more classes, "auto" gives none a strength of its own, as a climb costs the square of
# the classes: at 28 and 20,000 texts, it took four times as long as all the rest.
MOST_CLASSES_TO_CLIMB = 10
# How far along the ray from 0 to the best strengths per class the front is shown.
SHARES_OF_BEST = (0.25, 0.5, 0.75, 1.25, 1.5, 2.0)
# Candidates that are scored and tabulated within seconds; beyond, the grid is a mistake.
MAX_CANDIDATES = 5000


class Candidate(NamedTuple):
    """A strength, a base rate, and what was found of them.

    `recalls` are those of the classes, over all rows; `outcomes` count rows of known group.
    """

    strength: object
    base_rate: object
    offset: tuple
    accuracy: float
    disparity: float
    score: float
    recalls: np.ndarray | None = None
    outcomes: Outcomes | None = None

    @property
    def params(self):
        """Parameters of a debiaser that is this candidate."""
        return {
            "trigger_strength": self.strength,
            "base_rate": self.base_rate,
            "offset": self.offset,
        }

    @property
    def is_usual(self):
        """Tell whether all classes have the same strength, against the bias of the data."""
        return not isinstance(self.strength, tuple) and self.strength >= 0


class Judge:
    """Judges strengths by the answers of all folds.

    Parameters
    ----------
    rows : Rows
        The test rows of all folds, below one another; their X is not used.

    answers : Answers
        What base and cells of each fold say of them.

    path : Path
        The path, with a sketch of the answers.

    measure : callable
        Returns the disparity of predictions of rows, see
        :class:`~sklearn_bade._search.DisparityMeasure`.

    score : callable or None
        Returns the score of a candidate's logits, if the search goes by one.
    """

    def __init__(self, rows, answers, path, measure, score=None):
        self.rows = rows
        self.answers = answers
        self.path = path
        self.measure = measure
        self.score = score
        self.known = {}
        weights = np.ones(len(rows)) if rows.weights is None else rows.weights
        self.class_weights = self._count_by_class(np.ones(len(rows)))
        squares = self._count_by_class(weights)
        self.class_sizes = effective_size(self.class_weights, squares)

    def __call__(self, strength, base_rate):
        """Judge a strength, unless that was done before."""
        strength = _to_hashable(strength)
        key = strength, base_rate
        if key not in self.known:
            offset = self.path.offset(strength, base_rate)
            logits = self.path.logits(self.answers, strength) + offset
            judged = self._judge_decisions(strength, base_rate, offset, logits)
            if self.score is not None:
                judged = judged._replace(score=self.score(logits, strength, offset))
            self.known[key] = judged
        return self.known[key]

    def _judge_decisions(self, strength, base_rate, offset, logits):
        """Count what is decided of logits."""
        rows, predicted = self.rows, self.path.decision.decide(logits)
        is_right, outcomes = predicted == rows.y, self.count(predicted)
        if callable(self.measure.disparity):
            disparity = self.measure(predicted[None], rows)[0]
        else:
            disparity = outcomes.disparity(self.measure.disparity)
        return Candidate(
            strength,
            base_rate,
            tuple(offset.tolist()),
            np.average(is_right, weights=rows.weights),
            disparity,
            np.nan,
            self._count_by_class(is_right) / self.class_weights,
            outcomes,
        )

    def judge_plain(self, log_proba):
        """Judge what the plain classifier says of the rows; None if that is not known."""
        if log_proba is None:
            unknown = np.full(self.rows.n_classes, np.nan)
            return Candidate(np.nan, "", (), np.nan, np.nan, np.nan, unknown)
        return self._judge_decisions(np.nan, "", np.zeros(self.rows.n_classes), log_proba)

    def count(self, predicted):
        """Count predicted codes by group and class."""
        return self.measure.count(self.rows, predicted)

    def _count_by_class(self, is_counted):
        """Sum the weights of rows, class by class."""
        weights = is_counted * (1 if self.rows.weights is None else self.rows.weights)
        return np.bincount(self.rows.y, weights, minlength=self.rows.n_classes)

    def logits(self, candidate):
        """Compute what a candidate says of the rows."""
        return self.path.logits(self.answers, candidate.strength) + candidate.offset

    def predict(self, candidate):
        """Predict class codes of the rows."""
        return self.path.decision.decide(self.logits(candidate)).astype(np.int32)

    def standard_error(self, candidate):
        """Estimate that of the candidate's disparity; 0 for a disparity without a name."""
        if callable(self.measure.disparity):
            return 0.0
        return candidate.outcomes.standard_error(self.measure.disparity)


def weakest_of_equals(choose):
    """Let a choice between candidates win no tie by strength.

    `choose` takes candidates and returns the position of the first of the best.
    """

    def choose_weakest(candidates):
        sizes = [np.abs(candidate.strength).sum() for candidate in candidates]
        order = np.argsort(sizes, kind="stable")
        return int(order[choose([candidates[i] for i in order])])

    return choose_weakest


def judge_grid(judge, strengths, base_rates, n_classes, *, per_class):
    """Judge the strengths of a user's own, or all combinations of them."""
    strengths = strengths.tolist()
    if per_class:
        n_candidates = len(strengths) ** n_classes * len(base_rates)
        if n_candidates > MAX_CANDIDATES:
            raise ValueError(
                f"per_class=True with {n_classes} classes and {len(strengths)} "
                f"strengths makes {n_candidates} candidates; give fewer "
                "trigger_strengths."
            )
        strengths = product(strengths, repeat=n_classes)
    return [judge(*pair) for pair in product(strengths, base_rates)]


def find_candidates(judge, rule, base_rates, n_classes, *, per_class):
    """Look for candidates where the choice is.

    Parameters
    ----------
    judge : Judge
        Judges strengths.

    rule : Rule
        Chooses between candidates.

    base_rates : list
        Base rates to try.

    n_classes : int
        Number of classes.

    per_class : bool or "auto"
        Whether classes get strengths of their own too; "auto" if there are not too many.

    Returns
    -------
    candidates : list of Candidate
        A grid of single strengths, refined and extended around the best, and the front of
        strengths per class.
    """
    choose = weakest_of_equals(rule.choose)
    if per_class == "auto":
        per_class = n_classes <= MOST_CLASSES_TO_CLIMB
    reach = max(judge.path.reach, USUAL_REACH / GREATEST_UNIT)
    unit = max(1.0, USUAL_REACH / reach)
    found = []
    for base_rate in base_rates:
        line = _search_line(judge, choose, base_rate, unit)
        found += line
        if per_class:
            best = line[choose(line)].strength
            climbed = _search_classes(judge, rule, base_rate, best, n_classes, unit)
            found += _front(climbed, rule)
    return found


def _search_line(judge, choose, base_rate, unit):
    """Judge single strengths, more of them around the best and beyond the ends."""
    grid = np.unique(np.round(unit * GRID, 4)).tolist()
    line = [judge(strength, base_rate) for strength in grid]
    limit = unit * GREATEST_TRIED

    def add(*strengths):
        line.extend(judge(float(strength), base_rate) for strength in strengths)
        line.sort(key=lambda candidate: candidate.strength)

    def wanted():
        least = least_disparate(line)
        return {choose(line), next(i for i, each in enumerate(line) if each is least)}

    while len(line) - 1 in wanted() and line[-1].strength < limit:
        add(line[-1].strength * GROWTH)
    while 0 in wanted() and -line[0].strength < limit:
        add(line[0].strength * GROWTH)
    for _ in range(N_REFINEMENTS):
        strengths = np.array([candidate.strength for candidate in line])
        best = choose(line)
        beside = strengths[max(best - 1, 0) : best + 2]
        midpoints = np.round((beside[1:] + beside[:-1]) / 2, 4)
        add(*(set(midpoints) - set(strengths)))
    return line


def _search_classes(judge, rule, base_rate, best_single, n_classes, unit):
    """Judge strengths per class, in steps towards what is worth most to the rule."""
    judged = {}

    def worth(strength):
        strength = tuple(np.round(strength, 4).tolist())
        return rule.worth(judged.setdefault(strength, judge(strength, base_rate)))

    starts = [np.full(n_classes, best_single), np.zeros(n_classes)]
    if n_classes == 2:
        starts += [unit * np.array(pair) for pair in product(PAIR_GRID, repeat=2)]
    best = max(starts, key=worth)
    for step in STEPS:
        size = max(unit, np.abs(best).max() / 2)
        best = _climb(worth, best, step * size, unit * GREATEST_TRIED)
    for share in SHARES_OF_BEST:
        worth(share * best)
    return list(judged.values())


def _climb(worth, best, step, limit):
    """Move along the axes, or all together or apart, while that is for the better.

    Where features say of the group what they say of the class, strengths of two classes
    all but replace each other, and the best ones lie along a diagonal.
    """
    ones = np.ones(len(best))
    directions = [*np.eye(len(best)), ones, np.where(np.arange(len(best)), ones, -ones)]
    while True:
        moves = [
            best + move
            for direction in directions
            for move in (step * direction, -step * direction)
        ]
        better = max(moves, key=worth)
        if worth(better) <= worth(best) or np.abs(better).max() > limit:
            return best
        best = better


def _front(candidates, rule):
    """Keep what no other is better than in both figures, and what is worth most."""
    ordered = sorted(candidates, key=lambda c: (c.disparity, -c.accuracy))
    kept, most = [], -np.inf
    for candidate in ordered:
        if candidate.accuracy > most:
            kept.append(candidate)
            most = candidate.accuracy
    best = max(candidates, key=rule.worth)
    return kept if any(each is best for each in kept) else [*kept, best]


def _to_hashable(strength):
    if np.ndim(strength) == 0:
        return float(strength)
    return tuple(_to_hashable(each) for each in strength)
