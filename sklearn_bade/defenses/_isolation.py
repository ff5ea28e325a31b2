"""Finding poisoned rows: what is suspected, and the evidence that decides."""

import numpy as np
from sklearn.cluster import KMeans

from ..nets import log_probabilities, train_net
from ..utils import draw_seed
from ._exact_values import find_cells
from ._linear import CONTENT_ROWS, standardize
from ._look_alikes import (
    UNSURE_PROBABILITY,
    find_groups,
    grow,
    last_features,
    reduce_inputs,
)

# Fewer rows than these show nothing of a class. Not tuned.
LEAST_CLASS_ROWS = 30
# Suspects are looked at one by one, the largest first, and values looked for again after
# each, since poison changes what a class looks like; backdoors are few.
ROUNDS = 5
# A group of look-alikes comes before values if it is larger by so much: it may be all rows
# of a pattern of which the values are a part.
MUCH_LARGER = 1.25
# Of rows of other classes that get the values, the share that the network must take for
# the class; else the values do nothing, and their rows may stay. On so many rows, it is
# known to a few points.
LEAST_SUCCESS, STAMPED_ROWS = 0.1, 500
# Rows that are left to teach a network what classes are must be most.
MOST_UNSEEN = 0.5
# A group of which more is already known to be poison is not judged once more.
KNOWN_SHARE = 0.2
# Parts of other classes that rows of a group are looked for in. Not tuned.
N_PLACES = 10
# So many groups, the most foreign to a linear model, are shown to networks, each of which
# costs a fit.
MOST_JUDGED = 3
# Poison on tables and digits was taken for other classes by .78 and more, with .89 of the
# confidence in ordinary rows, and spread over .60 of them and more. Groups of clean data
# that were taken for others so often had up to 1.1 of it, and spread over .49.
LEAST_RELABELLED, LEAST_CONFIDENCE, LEAST_SPREAD = 0.75, 0.8, 0.55
MOST_OWN_CONTENT = 0.4

POISON, NO_EFFECT, NATURAL, TOO_MANY = "poison", "no effect", "natural", "too many rows"
EVIDENCE = [
    "class",
    "source",
    "n_rows",
    "share_of_class",
    "purity",
    "own_content",
    "relabelled_share",
    "confidence",
    "spread",
    "attack_success",
    "verdict",
]


class PoisonSearch:
    """A search for rows that owe their label to a trigger.

    Attributes
    ----------
    is_poisoned : ndarray of shape (n_samples,), dtype=bool
        Rows with enough evidence against them.

    score : ndarray of shape (n_samples,)
        How surely each of them is poison, from 0 to 1.

    suspects : list of dict
        The evidence, with the keys of `EVIDENCE` and the suspected "rows".
    """

    def __init__(self, net, X, y, n_classes, max_poison_rate, rng):
        self.net, self.X, self.y = net, X, y
        self.n_classes, self.rng = n_classes, rng
        self.most_rows = max_poison_rate * len(y)
        self.counts = np.bincount(y, minlength=n_classes)
        self.is_poisoned = np.zeros(len(y), dtype=bool)
        self.score = np.zeros(len(y))
        self.suspects = []
        self.undefended = None

    def run(self):
        """Judge suspects, the largest first."""
        if self.counts.max() < LEAST_CLASS_ROWS:
            return self
        self.undefended = self._train(np.ones(len(self.y), dtype=bool))
        self.Z = reduce_inputs(self.X, self.rng)
        self.left = np.ones(len(self.y), dtype=bool)
        cells, groups = self._list_cells(), self._list_groups()
        for _ in range(ROUNDS):
            groups = [group for group in groups if self._is_new(group)]
            if groups and (not cells or groups[0].n_rows > MUCH_LARGER * cells[0].n_rows):
                found = self._judge_look_alikes(groups.pop(0))
            elif cells:
                self._judge_values(cells[0])
                found = True
            else:
                break
            cells = self._list_cells() if found else cells
        return self

    def _train(self, rows):
        """Train a network on some of the rows."""
        seed = draw_seed(self.rng)
        X, y = self.X[rows], self.y[rows]
        return train_net(self.net, X, y, seed=seed, n_outputs=self.n_classes)

    def _note(self, k, source, rows, **evidence):
        """Add a line to the evidence."""
        line = dict.fromkeys(EVIDENCE, np.nan) | {"class": k, "source": source}
        line |= {"n_rows": int(rows.sum()), "share_of_class": rows.sum() / self.counts[k]}
        self.suspects.append(line | {"rows": rows} | evidence)
        return self.suspects[-1]

    def _remove(self, line, rows, score):
        """Call rows poison, unless there would be too many of them."""
        if (self.is_poisoned | rows).sum() > self.most_rows:
            line["verdict"] = TOO_MANY
            return
        line["verdict"] = POISON
        self.is_poisoned |= rows
        self.score[rows] = score[rows]

    def _list_cells(self):
        """Find exact values that mark rows of a class, among those not judged by values."""
        X, y = self.X[self.left], self.y[self.left]
        cells = find_cells(X, y, self.n_classes, self.rng)
        for cell in cells:
            rows = np.zeros(len(self.y), dtype=bool)
            rows[np.flatnonzero(self.left)[cell.rows]] = True
            cell.rows = rows
        return cells

    def _list_groups(self):
        """Find groups of look-alikes; those that are most foreign are the ones to judge."""
        features = last_features(self.undefended, self.X)
        groups = []
        for k in np.flatnonzero(self.counts >= LEAST_CLASS_ROWS):
            most = self.most_rows
            groups += find_groups(self.Z, features, self.y, self.y == k, most, self.rng)
        groups.sort(key=lambda group: -group.linear_relabelled)
        return sorted(groups[:MOST_JUDGED], key=lambda group: -group.n_rows)

    def _is_new(self, group):
        """Tell whether a group is more than the rest of what was found."""
        return (group.rows & self.is_poisoned).sum() <= KNOWN_SHARE * group.rows.sum()

    def _judge_values(self, cell):
        """Decide whether values matter to the network."""
        success = self._stamped_success(cell.rows, cell.class_code)
        line = self._note(
            cell.class_code,
            "exact values",
            cell.rows,
            purity=cell.purity,
            own_content=cell.own_content,
            attack_success=success,
            verdict=NO_EFFECT,
        )
        if success >= LEAST_SUCCESS:
            self._remove(line, cell.rows, np.full(len(cell.rows), cell.purity))
        self.left &= ~cell.rows

    def _stamped_success(self, rows, k):
        """Give others what all rows of a cell share, and see how many are taken for k."""
        flat = self.X.reshape(len(self.y), -1)
        shared = np.ptp(flat[rows], axis=0) == 0
        others = np.flatnonzero((self.y != k) & ~rows)
        others = self.rng.permutation(others)[:STAMPED_ROWS]
        stamped = flat[others]
        stamped[:, shared] = flat[rows][0, shared]
        stamped = stamped.reshape(-1, *self.X.shape[1:])
        before, after = (
            log_probabilities(self.undefended, X).argmax(axis=1) == k
            for X in (self.X[others], stamped)
        )
        return float(after.mean() - before.mean())

    def _judge_look_alikes(self, group):
        """Ask a network that never saw a group what its rows are; tell if it is poison.

        Poison is taken for other classes, as surely as ordinary rows are for theirs. What
        is just rare in its class leaves the network unsure.
        """
        k = group.class_code
        unseen = group.probability > UNSURE_PROBABILITY
        if unseen.mean() > MOST_UNSEEN or (self.y[~unseen] == k).all():
            self._note(k, group.source, group.rows, purity=group.purity, verdict=TOO_MANY)
            return False
        net = self._train(~unseen)
        probability = np.exp(log_probabilities(net, self.X))
        relabelled = probability.argmax(axis=1) != k
        line = self._note(
            k,
            group.source,
            group.rows,
            purity=group.purity,
            own_content=locate(probability[:, k], group.rows, self.y == k, unseen),
            relabelled_share=float(relabelled[group.rows].mean()),
            confidence=relative_confidence(probability, k, group.rows, unseen),
            spread=self._spread(net, group.rows, (self.y != k) & ~unseen),
            verdict=NATURAL,
        )
        is_foreign = (
            line["relabelled_share"] >= LEAST_RELABELLED
            and line["confidence"] >= LEAST_CONFIDENCE
            and line["spread"] >= LEAST_SPREAD
            and line["own_content"] <= MOST_OWN_CONTENT
        )
        if is_foreign:
            self._remove(line, *self._complete(group, relabelled))
            self.left &= ~self.is_poisoned
        return is_foreign

    def _spread(self, net, rows, others):
        """Compare where rows lie among other classes with where all of those lie.

        Poison comes from all over them, and natural groups resemble a part.
        """
        features = standardize(last_features(net, self.X))
        others = self.rng.permutation(np.flatnonzero(others))[:CONTENT_ROWS]
        n_places = min(N_PLACES, len(np.unique(features[others], axis=0)))
        kmeans = KMeans(n_places, n_init=1, random_state=draw_seed(self.rng))
        of_others = np.bincount(kmeans.fit_predict(features[others]), minlength=n_places)
        of_rows = np.bincount(kmeans.predict(features[rows]), minlength=n_places)
        shares = of_others / of_others.sum(), of_rows / of_rows.sum()
        return float(np.minimum(*shares).sum())

    def _complete(self, group, relabelled):
        """Find all rows of the class that look like those which are surely poison."""
        own = (self.y == group.class_code) & ~self.is_poisoned
        sure = group.rows & relabelled
        rows, probability = grow(self.Z, own, sure, self.most_rows, self.rng)
        rows |= own & relabelled & (probability > UNSURE_PROBABILITY)
        return rows | sure, np.maximum(probability, 0.5)


def locate(probability, rows, own, unseen):
    """Tell where rows stand between other classes (0) and their own (1), for a network."""
    of_others, of_own = (probability[part & ~unseen].mean() for part in (~own, own))
    if of_own <= of_others:
        return np.nan
    return float((probability[rows].mean() - of_others) / (of_own - of_others))


def relative_confidence(probability, k, rows, unseen):
    """Tell how sure a network is that rows are of another class, as of ordinary rows."""
    others = np.delete(probability[rows], k, axis=1).max(axis=1).mean()
    return float(others / probability[~unseen].max(axis=1).mean())
