"""One protocol for all methods: how a dial is chosen, and what is measured.

See the docstring of `peers.py`, which states it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import process_time

import numpy as np
from frontier import make_boosting, make_logistic
from sklearn.model_selection import train_test_split

from sklearn_bade import DefaultNetClassifier
from sklearn_bade._candidates import Candidate
from sklearn_bade._outcomes import Outcomes
from sklearn_bade._rules import CautiousRule
from sklearn_bade.learners import settle_early_stopping
from sklearn_bade.learners._weighted import with_seed

# Notions of fairness, and what the package calls their disparity.
NOTIONS = {"average odds": "average_odds", "demographic parity": "demographic_parity"}
# Of methods that know of no notion; their figures stand beside those of both.
ANY = "any"
# Share of the training rows that candidates learn from; the others judge them. Not tuned.
SHARE_THAT_LEARNS = 0.5
LEARNERS = {
    "logistic": make_logistic,
    "boosting": make_boosting,
    "network": lambda n_features: DefaultNetClassifier(),
}


@dataclass(frozen=True)
class Method:
    """A way to a fairer classifier.

    Attributes
    ----------
    name, learner : str
        What it is called, and what it trains, see `LEARNERS`.

    fit : callable
        ``fit(bench, part, learner, notion, dial)`` learns from a part of the rows and
        returns a function that decides about any rows.

    dials : tuple of float
        Values to choose from, from weak to strong. Without any, nothing is chosen, or the
        method chooses by itself.

    notions : tuple of str
        Notions of fairness that it is run for.

    package : str or None
        What has to be installed.

    needs_attribute : bool
        Whether its predictions need the sensitive attribute.

    takes_many_groups : bool
        Whether there may be more than two groups.
    """

    name: str
    learner: str
    fit: Callable
    dials: tuple = ()
    notions: tuple = tuple(NOTIONS)
    package: str | None = None
    needs_attribute: bool = False
    takes_many_groups: bool = True


class Workbench:
    """Rows of one task and seed, and what several methods need, which is made once.

    Parameters
    ----------
    train, test : Rows
        Training and test rows.

    seed : int
        Seed of the split, the folds and the learners.

    memory : str
        Folder in which searches for different notions share what they train.

    max_iter : int, default=50
        Rounds of ExponentiatedGradient at most; its own default.
    """

    def __init__(self, train, test, seed, memory, max_iter=50):
        self.train, self.test = train, test
        self.seed, self.memory, self.max_iter = seed, memory, max_iter
        learns, judges = train_test_split(
            np.arange(len(train.y)),
            train_size=SHARE_THAT_LEARNS,
            stratify=train.cells,
            random_state=seed,
        )
        self.learning, self.judging = train.take(learns), train.take(judges)
        self._made, self._seconds, self._used = {}, {}, set()

    def rows(self, part):
        """Return the rows that are "learning", or all for "train"."""
        return getattr(self, part)

    def learner(self, name):
        """Make a classifier to train.

        What scikit-learn settles by the number of rows is settled by that of all rows, so
        that a dial means the same for half of them.
        """
        made = LEARNERS[name](self.train.X.shape[1])
        return with_seed(settle_early_stopping(made, len(self.train.y)), self.seed)

    def once(self, make, *key):
        """Return ``make(self, *key)``, which is called only once."""
        name = make, *key
        if name not in self._made:
            start = process_time()
            self._made[name] = make(self, *key)
            self._seconds[name] = process_time() - start
        self._used.add(name)
        return self._made[name]

    def seconds(self, make, *key):
        """Tell how long something takes that is made once."""
        self.once(make, *key)
        return self._seconds[make, *key]

    def time(self, run):
        """Run a method; it pays for all that it uses, whoever made it."""
        self._used, already = set(), set(self._made)
        start = process_time()
        result = run()
        seconds = process_time() - start
        return result, seconds + sum(self._seconds[k] for k in self._used & already)


def fit_plain(bench, part, learner):
    """Train a classifier as it is."""
    rows = bench.rows(part)
    return bench.learner(learner).fit(rows.X, rows.y)


def decide_plainly(bench, part, learner, notion=ANY, dial=None):
    """Decide as the classifier does that is trained as it is."""
    model = bench.once(fit_plain, part, learner)
    return lambda rows: model.predict(rows.X)


def judge(predicted, rows, notion, strength):
    """Judge predictions as the package's searches judge candidates."""
    is_right = predicted == rows.y
    outcomes = Outcomes.count(rows.y, predicted, rows.groups, 2, rows.groups.max() + 1)
    recalls = np.array([is_right[rows.y == k].mean() for k in (0, 1)])
    disparity = outcomes.disparity(NOTIONS[notion])
    return Candidate(
        strength, "keep", (), is_right.mean(), disparity, np.nan, recalls, outcomes
    )


def choose(judged, rows, notion):
    """Choose by the package's default rule; the first candidate is the plain classifier.

    The rule's first question, whether the plain classifier is within noise of fair, is not
    asked: half of the rows would answer yes more often than all of them, by which peers
    would stay as they are where ours does not.
    """
    rule = CautiousRule(judged[0], np.bincount(rows.y, minlength=2), NOTIONS[notion])
    return rule.choose_anyway(judged)


def choose_dial(bench, method, notion):
    """Choose a method's dial on training rows; None stands for the plain classifier."""
    rows, learner = bench.judging, method.learner
    ways = [decide_plainly(bench, "learning", learner)]
    ways += [method.fit(bench, "learning", learner, notion, d) for d in method.dials]
    judged = [judge(way(rows), rows, notion, float(i)) for i, way in enumerate(ways)]
    return (None, *method.dials)[choose(judged, rows, notion)]


def choose_and_fit(bench, method, notion):
    """Choose the dial, if there is one, and learn from all training rows."""
    if not method.dials:
        return None, method.fit(bench, "train", method.learner, notion, None)
    dial = choose_dial(bench, method, notion)
    fit = decide_plainly if dial is None else method.fit
    return dial, fit(bench, "train", method.learner, notion, dial)


def run_method(bench, method, notion):
    """Run one method for one notion of fairness, and measure it on the test rows."""
    (dial, decide), seconds = bench.time(lambda: choose_and_fit(bench, method, notion))
    plain = bench.seconds(fit_plain, "train", method.learner)
    return {
        "dial": dial,
        **measure(np.asarray(decide(bench.test)).astype(int), bench.test),
        "seconds": round(seconds, 3),
        "cost": round(seconds / plain, 2),
        "needs_attribute": method.needs_attribute,
    }


def measure(predicted, rows):
    """Compute the figures of predictions, and standard errors that test rows leave."""
    figures = {}
    for notion, name in NOTIONS.items():
        judged = judge(predicted, rows, notion, 0.0)
        figures[name] = judged.disparity
        figures[f"{name}_error"] = judged.outcomes.standard_error(name)
    accuracy, error = judged.accuracy, judged.accuracy * (1 - judged.accuracy)
    figures |= {"accuracy": accuracy, "accuracy_error": np.sqrt(error / len(rows.y))}
    figures["recall"] = judged.recalls[1]
    return {name: round(float(value), 5) for name, value in figures.items()}
