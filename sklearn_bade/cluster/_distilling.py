"""A single student on a cluster: weighted copies of partitions, views, soft targets."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import softmax

from .._reversal import Views, WeightedMeans, given_class_rates, solve_offset
from ..learners import (
    PROBED_ROWS,
    WeightedLearner,
    apply_memberships,
    learn_groups,
    read_views,
    widen_settings,
    with_seed,
)
from ._collections import open_client
from ._features import FeatureMaker, gather_pieces, make_targets


@dataclass(frozen=True)
class Marker:
    """Stamps one trigger on all rows."""

    trigger: object
    code: int

    def stamp(self, X, codes):
        """Stamp rows, of whatever class."""
        return self.trigger.stamp(X, np.full(len(X), self.code))


def fit_teacher(learner, plan, trigger, seed):
    """Fit to copies of all rows under all triggers, weighted by their chances."""
    from dask import delayed

    classifier = with_seed(learner.trainer, seed)
    widen_settings(classifier, learner.rows.X.shape[1], trigger.n_columns_)
    blocks = []
    for j, code in enumerate(plan.codes):
        maker = FeatureMaker(learner.rows.dropped, Marker(trigger, code))
        for pick, n_rows, (x, keys) in learner.filled_parts():
            y = delayed(make_targets)(keys, pick, None)
            weights = delayed(_weigh_by_chance)(keys, plan, j)
            blocks.append((maker, (x, keys, pick), y, weights, n_rows))
    return learner.fit_blocks(classifier, blocks)


def _weigh_by_chance(keys, plan, j):
    cells = plan.cells(keys.y.astype(np.int64), keys.groups.astype(np.int64))
    chances = plan.chances[cells, j]
    return chances if keys.weights is None else chances * keys.weights


def fit_student(learner, targets, hard, seed):
    """Fit to copies of all rows with all labels, weighted by the soft targets."""
    from dask import delayed

    blocks = []
    for k in range(learner.rows.n_classes):
        maker = FeatureMaker(learner.rows.dropped)
        parts = zip(learner.filled_parts(), targets)
        for (pick, n_rows, (x, keys)), log_targets in parts:
            y = delayed(np.full)(n_rows, k)
            weights = delayed(_weigh_by_target)(keys, log_targets, k, hard)
            blocks.append((maker, (x, keys, pick), y, weights, n_rows))
    return learner.fit_blocks(with_seed(learner.trainer, seed), blocks)


def _weigh_by_target(keys, log_targets, k, hard):
    weights = (1 - hard) * softmax(log_targets, axis=1)[:, k] + hard * (keys.y == k)
    return weights if keys.weights is None else weights * keys.weights


@dataclass(frozen=True)
class ClusterViews:
    """Futures of the :class:`~sklearn_bade._reversal.Views` of each partition.

    `class_sizes` are numbers, or weights, of the rows of each class.
    """

    parts: list
    class_sizes: np.ndarray

    def soft_targets(self, strength, base_rate):
        """Plan the student's targets; means of all partitions say where they are held."""
        from dask import delayed

        client, n_classes = open_client(), len(self.class_sizes)
        offset = np.zeros(n_classes)
        if not (isinstance(base_rate, str) and base_rate == "drift"):
            rates = given_class_rates(base_rate, n_classes)
            if rates is None:
                rates = self.class_sizes / self.class_sizes.sum()

            def mean_row(offset):
                sums = [delayed(_sum_up)(part, strength, offset) for part in self.parts]
                *totals, weight = map(sum, zip(*client.gather(client.compute(sums))))
                return tuple(total / weight for total in totals)

            offset = solve_offset(mean_row, rates)
        return [delayed(_log_targets)(part, strength, offset) for part in self.parts]


def _log_targets(views, strength, offset):
    return views.logits(strength) + offset


def _sum_up(views, strength, offset):
    def logits_of(part):
        return views.logits(strength, part)

    return WeightedMeans(logits_of, len(views.y), views.weights).sums(offset)


def ask_teacher(learner, model, plan, trigger, seed):
    """Plan the views of each partition, and let them be computed where it lies."""
    from dask import delayed

    client, rows = open_client(), learner.rows
    forest = None
    if rows.counts[:, :, -1].any():  # some groups are unknown
        known = learner.draw_pieces(PROBED_ROWS, (seed, 2))
        forest = delayed(_fit_forest)(known, rows.groups, seed)
    maker = FeatureMaker(rows.dropped)
    model = delayed(learner.with_threads(model))
    views = [
        delayed(_read)(x, keys, maker, model, plan, trigger, forest, rows.groups, seed)
        for _, _, (x, keys) in learner.filled_parts()
    ]
    sizes = rows.counts.sum(axis=0) if rows.sums is None else rows.sums
    return ClusterViews(client.compute(views), sizes.sum(axis=1))


def _fit_forest(pieces, labels, seed):
    X, _, groups, _ = gather_pieces(pieces, labels)
    return learn_groups(X, groups, seed)


def _read(x, keys, maker, model, plan, trigger, forest, labels, seed):
    """Ask a teacher about the rows of a partition under all triggers."""
    X = maker.plain(x, keys, np.arange(len(keys)))
    groups = replace(labels, codes=keys.groups.astype(np.int64))
    memberships = apply_memberships(X, groups, forest, seed)
    base, shift = read_views(WeightedLearner, model, X, memberships, plan, trigger)
    return Views(base, shift, keys.y, memberships, keys.weights)
