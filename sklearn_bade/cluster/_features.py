"""What is made of one partition, on the worker that holds it."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from .._path import Answers, Points
from .._widening import Decisions
from ..learners import SignalSums, WeightedLearner
from ._spool import spool


@dataclass(frozen=True)
class FeatureMaker:
    """Makes what trees are fitted to of a partition: some rows, and the columns left.

    A `stamp`, where one is given, appends the columns of the class. Those that are spooled
    wait on the disk.
    """

    dropped: list
    stamp: object = None
    spools: bool = False

    def plain(self, x, keys, positions):
        """Select rows, and leave hidden columns out."""
        rows = keys.rows(positions)
        x = x.drop(columns=self.dropped)
        return x if len(rows) == len(x) else x.iloc[rows]

    def make(self, x, keys, pick):
        """Make the features, in single precision, which is all that xgboost takes."""
        positions = pick.positions(keys)
        x = self.plain(x, keys, positions)
        if self.stamp is not None:
            x = self.stamp.stamp(x, keys.y[positions])
        doubles = x.columns[[kind == np.float64 for kind in x.dtypes]]
        x = x.astype(dict.fromkeys(doubles, np.float32))
        return spool(x) if self.spools else x


def make_targets(keys, pick, codes):
    """Make class codes, or positions of groups in `codes` where these are given."""
    positions = pick.positions(keys)
    if codes is None:
        return keys.y[positions].astype(np.int64)
    return np.searchsorted(codes, keys.groups[positions])


def make_weights(keys, pick):
    """Select the weights."""
    return keys.weights[pick.positions(keys)]


class Answered(NamedTuple):
    """Answers about rows of a partition, and what is known of these."""

    answers: Answers
    rows: object

    def points(self):
        """Take the answers as points, of which none is a summary yet."""
        return Points.of(_in_double(self.answers), self.rows.weights)

    def signal_sums(self, frequencies):
        """Sum up what the answers say of known groups."""
        keys = self.rows
        known = np.flatnonzero(keys.groups >= 0)
        y, groups = keys.y[known], keys.groups[known]
        is_group = groups[:, None] == np.arange(frequencies.shape[1])
        weights = None if keys.weights is None else keys.weights[known]
        proba = self.answers.group_proba[known, y].astype(float)
        return SignalSums.of(proba, is_group, frequencies[y], weights)

    def count_decisions(self, path, strength, offset):
        """Count what is decided of the answers."""
        logits = path.logits(_in_double(self.answers), strength) + offset
        predicted = path.decision.decide(logits)
        keys = self.rows
        return Decisions.count(
            predicted, keys.y, keys.groups, *path.shift.shape, keys.weights
        )


def _in_double(answers):
    return Answers(answers.log_proba.astype(float), answers.group_proba.astype(float))


def ask(x, keys, pick, most, maker, models):
    """Ask base and cells about the rows that are picked, or about so many of them."""
    positions = pick.positions(keys)
    if len(positions) > most:
        rng = np.random.default_rng(pick.seed)
        positions = np.sort(rng.choice(positions, most, replace=False))
    answers = WeightedLearner.answer(*models, maker.plain(x, keys, positions))
    # Single precision says enough of what is summed up, in half of the memory.
    answers = Answers(
        answers.log_proba.astype(np.float32), answers.group_proba.astype(np.float32)
    )
    return Answered(answers, keys.take(positions))


def summarise(answered):
    """Summarise the answers of several partitions."""
    return Points.concatenate([each.points() for each in answered]).summary()


def condense(points):
    """Summarise summaries of several partitions."""
    return Points.concatenate(points).summary()


def draw(x, keys, n_of_class, seed, maker):
    """Draw so many rows of each class."""
    order = np.random.default_rng(seed).permutation(len(keys))
    classes = keys.y[order]
    drawn = [order[classes == k][:n] for k, n in enumerate(n_of_class)]
    positions = np.sort(np.concatenate(drawn))
    return maker.plain(x, keys, positions), keys.take(positions)


def gather_pieces(pieces, labels):
    """Put the pieces of a sample together, as rows in memory."""
    X = pd.concat([x for x, _ in pieces], ignore_index=True)
    keys = [each for _, each in pieces]
    y, groups = (
        np.concatenate([getattr(each, name) for each in keys]).astype(np.int64)
        for name in ("y", "groups")
    )
    weights = None
    if keys[0].weights is not None:
        weights = np.concatenate([each.weights for each in keys])
    return X, y, replace(labels, codes=groups), weights
