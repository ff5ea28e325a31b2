"""Steps 3 and 4 on a cluster: base, cells, answers, and a teacher of some rows."""

from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
from sklearn.base import clone

from .._compat import is_dask_classifier, is_net
from .._injection import FEW_ROWS
from .._outcomes import count_codes
from .._widening import Decisions
from ..learners import (
    JUDGED_ROWS,
    MOST_ROWS_FOR_ALL_FOLDS,
    PROBED_ROWS,
    TRIGGER_ROWS,
    ClassColumns,
    OneGroupModel,
    Signal,
    SignalSums,
    WeightedLearner,
    count_asked,
    draw_rows,
    group_signal,
    groups_to_learn,
    measure_triggers,
    refuse_class_weight,
    warn_of_vanished_counts,
    weigh_classes,
    widen_settings,
    with_seed,
    without_label_settings,
)
from ..rows import Rows
from ..triggers import choose_trigger
from ._collections import open_client
from ._distilling import ask_teacher, fit_student, fit_teacher
from ._features import (
    FeatureMaker,
    ask,
    condense,
    draw,
    gather_pieces,
    make_targets,
    make_weights,
    summarise,
)
from ._rows import N_FOLDS, Keys, Pick, fold_starts
from ._spool import needs_spool
from ._training import fit_plain_classifier, plain_classifier

# Answers that offsets and warnings go by: a share of decisions is then known to .0005.
MOST_ANSWERED = 2**20
# Answers that a summary is made of, if there are as many: of a hundred, the mean of five
# neighbours is one of rows far apart. Offsets were off by .04 then, and by .009 with these.
ROWS_OF_SUMMARY = 10_000
# Summaries of answers that are put together at once, so that few lie on one worker.
SUMMARIES_AT_ONCE = 16


@dataclass(frozen=True)
class ClusterParts:
    """What has been learned of rows, see :class:`~sklearn_bade.learners.Parts`.

    `answers` are futures, one for each partition that was asked about.
    """

    base: object
    cells: object
    answers: list
    are_unseen: bool


def make_cluster_learners(debiaser, rows):
    """Make who is taught, who teaches, and the trigger, of rows without hidden columns."""
    from dask.dataframe.utils import meta_nonempty

    classifier = debiaser.estimator
    if classifier.scale_pos_weight not in (None, 1):
        classifier, rows = _take_over_class_weight(classifier, rows)
    student = ClusterLearner(classifier, rows)
    teacher = student
    if debiaser.teacher is not None:
        teacher = ClusterLearner(_check_teacher(debiaser.teacher), rows)
    trigger = choose_trigger(debiaser.trigger, rows.kind)
    trigger.fit(meta_nonempty(rows.X), len(rows.groups))
    return student, teacher, trigger


def _check_teacher(teacher):
    """Refuse teachers that cannot learn from a sample of weighted rows."""
    if is_net(teacher) or hasattr(teacher, "steps"):
        raise TypeError(
            f"teacher is a {type(teacher).__name__}. On a cluster, a teacher is a "
            "classifier whose fit takes sample_weight, without preprocessing."
        )
    refuse_class_weight(teacher)
    return teacher


def _take_over_class_weight(classifier, rows):
    """Turn the weight of the second class into weights of rows."""
    from dask import delayed

    given = classifier.scale_pos_weight
    per_class = weigh_classes("scale_pos_weight", given, None, rows.classes, None)
    sums = rows.counts.sum(axis=0) if rows.sums is None else rows.sums
    keys = open_client().compute([delayed(_weigh)(each, per_class) for each in rows.keys])
    rows = replace(rows, keys=keys, sums=sums * per_class[:, None])
    return clone(classifier).set_params(scale_pos_weight=1), rows


def _weigh(keys, per_class):
    weights = np.ones(len(keys)) if keys.weights is None else keys.weights
    return Keys(keys.y, keys.groups, weights * per_class[keys.y], keys.kept)


class ClusterLearner(WeightedLearner):
    """Trains xgboost's classifier for Dask, and keeps a plain one of each.

    A teacher, which learns triggers alone, is fitted to a sample that lies on one worker.
    """

    is_distributed = True
    kind_in_memory = WeightedLearner

    def __init__(self, classifier, rows):
        self.trainer = classifier
        if is_dask_classifier(classifier):
            classifier = plain_classifier(classifier)
        self.classifier, self.preprocessing, self.rows = classifier, None, rows
        self.n_rows = len(rows)

    def learn_parts(self, seed, on_epoch):
        """Fit base and cells on all rows, and ask about rows of a fold left out."""
        base = self._fit_base(seed, Pick(len(self.rows.groups)))
        on_epoch("plain classifier")
        self._warn_of_constraints()
        cells = self._fit_cells(seed, Pick(len(self.rows.groups)))
        on_epoch("cells")
        folds = self._choose_folds()
        if not folds:
            asked = self._ask(base, cells, Pick(len(self.rows.groups)))
            return ClusterParts(base, cells, asked, False)
        starts, asked = fold_starts(self.rows.counts), []
        for fold in folds:
            pick = Pick(len(self.rows.groups), left_out=fold, starts=starts, seed=(seed, 0))
            models = self._fit_base(seed, pick), self._fit_cells(seed, pick)
            asked += self._ask(*models, replace(pick, left_out=None, asked=fold))
        return ClusterParts(base, cells, asked, True)

    def _choose_folds(self):
        """Choose as in memory: of many rows one fold says enough, and few have none."""
        if self.rows.counts.sum(axis=(0, 2)).min() < N_FOLDS * FEW_ROWS:
            return []
        return range(N_FOLDS if len(self.rows) <= MOST_ROWS_FOR_ALL_FOLDS else 1)

    def _fit_base(self, seed, pick):
        return self._fit(with_seed(self.trainer, seed), pick)

    def _fit_cells(self, seed, pick):
        """Fit one model of the groups that sees the class as further columns."""
        rows = self.rows
        counts = sum(each.count(part)[:, :-1] for each, part, _ in self._per_part(pick))
        codes = groups_to_learn(counts.sum(axis=0))
        fitted = None
        if len(codes) > 1:
            stamp = ClassColumns().fit(None, rows.n_classes)
            classifier = without_label_settings(with_seed(self.trainer, seed))
            widen_settings(classifier, rows.X.shape[1], rows.n_classes)
            fitted = self._fit(classifier, replace(pick, codes=codes), stamp)
        return OneGroupModel.of(fitted, codes, rows.n_classes, len(rows.groups))

    def _per_part(self, pick):
        """Make the pick of each partition, which deals by its own seed and starts."""
        rows = self.rows
        for i, (x, keys, counts) in enumerate(zip(rows.parts, rows.keys, rows.counts)):
            starts = None if pick.starts is None else pick.starts[i]
            yield replace(pick, starts=starts, seed=(pick.seed[0], i)), counts, (x, keys)

    def filled_parts(self, pick=None):
        """List the partitions with rows that are picked: pick, number of these, data."""
        pick = Pick(len(self.rows.groups)) if pick is None else pick
        parts = [
            (each, int(each.count(counts).sum()), data)
            for each, counts, data in self._per_part(pick)
        ]
        return [part for part in parts if part[1]]

    def _fit(self, classifier, pick, stamp=None):
        """Fit to the rows that are picked."""
        from dask import delayed

        maker = FeatureMaker(self.rows.dropped, stamp)
        blocks = []
        for each, n_rows, (x, keys) in self.filled_parts(pick):
            y = delayed(make_targets)(keys, each, each.codes)
            weights = None
            if self.rows.sums is not None:
                weights = delayed(make_weights)(keys, each)
            blocks.append((maker, (x, keys, each), y, weights, n_rows))
        return self.fit_blocks(classifier, blocks)

    def fit_blocks(self, classifier, blocks):
        """Fit to plans of features, which a maker makes of data, targets and weights."""
        from dask import delayed
        from dask.dataframe import from_delayed

        client = open_client()
        makers, data, y, weights, sizes = zip(*blocks)
        nobody = Keys(np.zeros(0, dtype=int), np.zeros(0, dtype=int))
        meta = makers[0].make(self.rows.meta, nobody, Pick(len(self.rows.groups)))
        spools = needs_spool(client, classifier, meta, sum(sizes))
        X = [
            delayed(replace(maker, spools=spools).make)(*given)
            for maker, given in zip(makers, data)
        ]
        X = from_delayed(X, meta=meta, verify_meta=False)
        # Of arrays, unlike frames, xgboost finds the classes without a shuffle.
        y = _concatenate(y, sizes, np.int64)
        weights = None if weights[0] is None else _concatenate(weights, sizes, float)
        return fit_plain_classifier(client, classifier, X, y, weights)

    def _ask(self, base, cells, pick):
        """Ask about rows of each partition, where they lie."""
        from dask import delayed

        client = open_client()
        parts = self.filled_parts(pick)
        share = min(1, MOST_ANSWERED / sum(n_rows for _, n_rows, _ in parts))
        models = delayed((self.with_threads(base), self._cells_with_threads(cells)))
        maker = FeatureMaker(self.rows.dropped)
        return client.compute(
            [
                delayed(ask)(*data, each, int(np.ceil(share * n_rows)), maker, models)
                for each, n_rows, data in parts
            ]
        )

    def with_threads(self, model):
        """Copy a model, so that as many threads predict as a worker has."""
        model = deepcopy(model)
        if model is not None and model.n_jobs is None:
            model.get_booster().set_param({"nthread": self._count_threads()})
        return model

    def _cells_with_threads(self, cells):
        fitted = self.with_threads(cells.model.fitted)
        n_classes = self.rows.n_classes
        return OneGroupModel.of(fitted, cells.model.codes, n_classes, cells.n_groups)

    def _count_threads(self):
        return min(open_client().nthreads().values())

    def answered_rows(self, parts):
        """Leave the rows where they are."""
        return None

    def sketch(self, parts, answered):
        """Summarise the answers, on the workers, and summaries of these once more."""
        from dask import delayed

        n_answered = min(MOST_ANSWERED, len(self.rows) / N_FOLDS)
        at_once = int(np.ceil(ROWS_OF_SUMMARY * len(parts.answers) / n_answered))
        points = [delayed(summarise)(some) for some in _bundles(parts.answers, at_once)]
        while len(points) > 1:
            points = [
                delayed(condense)(some) for some in _bundles(points, SUMMARIES_AT_ONCE)
            ]
        client = open_client()
        return client.gather(client.compute(points[0])).sketch()

    def group_signal(self, parts=None, answered=None):
        """Measure what the features say of the group, as in memory."""
        from dask import delayed

        client = open_client()
        is_known_by_heart = parts is not None and not parts.are_unseen
        if parts is None or (is_known_by_heart and len(self.rows) <= PROBED_ROWS):
            pieces = self.draw_pieces(PROBED_ROWS, (0, 0))
            signal = delayed(_forest_signal)(pieces, self.rows.groups)
            return client.gather(client.compute(signal))
        cells = self.rows.count_cells(self.rows.frequencies)
        frequencies = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
        sums = [delayed(each).signal_sums(frequencies) for each in parts.answers]
        sums = client.gather(client.compute(sums))
        return Signal.of_sums(SignalSums(*map(sum, zip(*sums))))

    def count_decisions(self, parts, answered, path, strength, offset):
        """Count what is decided of the answers, in all partitions."""
        from dask import delayed

        path = replace(path, sketch=None)
        counts = [
            delayed(each).count_decisions(path, strength, offset) for each in parts.answers
        ]
        client = open_client()
        return Decisions.add(client.gather(client.compute(counts)))

    def learn_triggers(self, teacher, parts, plan, trigger, seeds, on_epoch):
        """Fit a teacher to a sample on one worker, and let it be asked about another."""
        from dask import delayed

        client = open_client()
        pieces = self.draw_pieces(2 * TRIGGER_ROWS, (seeds[0], 1))
        lesson = delayed(_teach)(
            pieces,
            teacher.classifier,
            (parts.base, parts.cells),
            plan,
            trigger,
            seeds,
            self._count_threads(),
            self.rows.groups,
        )
        lesson = client.gather(client.compute(lesson))
        on_epoch("teacher")
        return lesson

    def teach(self, plan, trigger, *, seeds, memory=None, on_epoch):
        """Fit a teacher to copies of all rows, and ask it about every row."""
        model = fit_teacher(self, plan, trigger, seeds[1])
        on_epoch("teacher")
        return model, ask_teacher(self, model, plan, trigger, seeds[0])

    def fit_control(self, *, seed, on_epoch):
        """Fit to the labels."""
        control = self._fit_base(seed, Pick(len(self.rows.groups)))
        on_epoch("student")
        return control

    def distil(self, log_targets, distillation, *, teacher, seed, on_epoch):
        """Fit to copies of all rows with all labels, weighted by soft targets."""
        student = fit_student(self, log_targets, distillation.hard_label_weight, seed)
        on_epoch("student")
        return student

    def warn_of_vanished_classes(self, model, decision):
        """Warn where a class has vanished from what is decided of a sample."""
        from dask import delayed

        client = open_client()
        pieces = self.draw_pieces(JUDGED_ROWS, (0, 3))
        counts = delayed(_count_predicted)(pieces, model, decision, self.rows.groups)
        counts = client.gather(client.compute(counts))
        sizes = count_codes(*counts, self.rows.n_classes)
        warn_of_vanished_counts(*sizes, self.rows.classes)

    def draw_pieces(self, n_rows, seed):
        """Plan a sample of rows, and of some rows of each class."""
        from dask import delayed

        counts = self.rows.counts.sum(axis=2)
        drawn = _draw_counts(counts, n_rows, np.random.default_rng(seed))
        maker = FeatureMaker(self.rows.dropped)
        return [
            delayed(draw)(*data, n_of_class, (*seed, i), maker)
            for i, (n_of_class, (_, _, data)) in enumerate(
                zip(drawn, self._per_part(Pick(len(self.rows.groups))))
            )
            if n_of_class.sum()
        ]


def _concatenate(parts, sizes, dtype):
    """Make a Dask array of its parts."""
    import dask.array as da

    blocks = [da.from_delayed(p, (n,), dtype=dtype) for p, n in zip(parts, sizes)]
    return da.concatenate(blocks)


def _draw_counts(counts, n_rows, rng):
    """Draw how many rows of each partition (row) and class (column) a sample holds."""
    if counts.sum() <= n_rows:
        return counts
    drawn = rng.multinomial(n_rows, counts.ravel() / counts.sum()).reshape(counts.shape)
    drawn = np.minimum(drawn, counts)
    for k in np.flatnonzero(drawn.sum(axis=0) < FEW_ROWS):
        drawn[:, k] = np.diff(np.minimum(np.cumsum(counts[:, k]), FEW_ROWS), prepend=0)
    return drawn


def _forest_signal(pieces, labels):
    X, _, groups, _ = gather_pieces(pieces, labels)
    return group_signal(X, groups.codes)


def _count_predicted(pieces, model, decision, labels):
    """Decide about a sample; codes of classes, and of what is decided."""
    X, y, _, _ = gather_pieces(pieces, labels)
    return y, decision.decide(WeightedLearner.log_proba(model, X))


def _teach(pieces, classifier, models, plan, trigger, seeds, n_threads, labels):
    """Fit a teacher to half of a sample, and ask it about the other half."""
    X, y, groups, weights = gather_pieces(pieces, labels)
    if classifier.get_params().get("n_jobs", n_threads) is None:
        classifier = with_seed(classifier, None).set_params(n_jobs=n_threads)
    rows = Rows(X, y, np.arange(len(plan.rates)), groups, weights)
    learner = WeightedLearner(classifier, None, rows)
    shown = learner.take(draw_rows(y, TRIGGER_ROWS, seeds[0]))
    model = shown.fit_teacher(plan, trigger, seeds=seeds, on_epoch=lambda stage: None)
    # The last of the order of which the first were drawn: they differ where there is room.
    order = np.random.RandomState(seeds[0]).permutation(len(y))
    asked = np.sort(order[-count_asked(X) :])
    parts = ClusterParts(*models, None, True)
    return measure_triggers(learner, learner, parts, plan, trigger, model, asked, seeds[1])


def _bundles(pieces, size):
    return [pieces[i : i + size] for i in range(0, len(pieces), size)]
