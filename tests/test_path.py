"""Arithmetic of the path, beside loops that spell it out."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from sklearn_bade._path import LEAST_ROWS_OF_POINT, MOST_POINTS, Answers, Path, Sketch

SHAPES = ["number", "per class", "per class and group"]
few = settings(max_examples=20)
sizes = st.tuples(st.integers(2, 4), st.integers(2, 3))
seeds = st.integers(0, 1000)


def make_answers(n_samples=60, n_classes=2, n_groups=2, seed=0):
    """Make what base and cells could say of rows."""
    rng = np.random.RandomState(seed)
    logits = 1.5 * rng.normal(size=(n_samples, n_classes))
    group_proba = rng.dirichlet(np.ones(n_groups), size=(n_samples, n_classes))
    return Answers(log_softmax(logits, axis=1), group_proba)


def make_path(n_classes=2, n_groups=2, seed=0, answers=None, weights=None):
    """Make a path whose triggers say something, with a sketch if there are answers."""
    rng = np.random.RandomState(seed + 1)
    shift = rng.normal(size=(n_classes, n_groups))
    rates = rng.dirichlet(np.full(n_groups, 3.0), size=n_classes)
    sketch = None if answers is None else Sketch.of(answers, weights)
    return Path(shift - shift.mean(axis=0), rates, sketch)


def make_strength(shape, n_classes, n_groups, seed=0):
    rng = np.random.RandomState(seed + 2)
    shapes = dict(zip(SHAPES, [(), (n_classes,), (n_classes, n_groups)]))
    return np.asarray(rng.normal(scale=2.0, size=shapes[shape]))


def of_all_cells(strength, n_classes, n_groups):
    """Write out the strength of each class and group."""
    strength = np.asarray(strength)
    if strength.ndim == 1:
        strength = strength[:, None]
    return np.broadcast_to(strength, (n_classes, n_groups))


def naive_logits(path, answers, strength):
    """Take what the docs say from each row, class by class and group by group."""
    n_classes, n_groups = path.shift.shape
    weights = of_all_cells(strength, n_classes, n_groups)
    logits = answers.log_proba.copy()
    for n in range(len(logits)):
        for k in range(n_classes):
            mean = sum(path.group_rates[k, g] * path.shift[:, g] for g in range(n_groups))
            taken = [weights[k, g] * (path.shift[:, g] - mean) for g in range(n_groups)]
            # With strengths per group, what is left on average belongs to no group.
            shared = sum(path.group_rates[k, g] * taken[g] for g in range(n_groups))
            for g in range(n_groups):
                chance = np.exp(answers.log_proba[n, k]) * answers.group_proba[n, k, g]
                logits[n] -= chance * (taken[g] - shared)
    return logits


def decided(logits, weights=None):
    """Compute the share of decisions for each class."""
    counts = np.bincount(logits.argmax(axis=1), weights, minlength=logits.shape[1])
    return counts / counts.sum()


@pytest.mark.parametrize("shape", SHAPES)
class TestLogits:
    @given(sizes=sizes, seed=seeds)
    @few
    def test_they_are_those_of_a_loop(self, shape, sizes, seed):
        answers, path = make_answers(8, *sizes, seed), make_path(*sizes, seed)
        strength = make_strength(shape, *sizes, seed)
        expected = naive_logits(path, answers, strength)
        np.testing.assert_allclose(path.logits(answers, strength), expected, atol=1e-12)

    @given(sizes=sizes, seed=seeds)
    @few
    def test_a_strength_may_be_written_out(self, shape, sizes, seed):
        answers, path = make_answers(8, *sizes, seed), make_path(*sizes, seed)
        strength = make_strength(shape, *sizes, seed)
        written_out = of_all_cells(strength, *sizes)
        np.testing.assert_allclose(
            path.logits(answers, written_out), path.logits(answers, strength), atol=1e-12
        )

    @given(sizes=sizes, seed=seeds)
    @few
    def test_what_all_groups_share_is_no_matter_of_groups(self, shape, sizes, seed):
        answers, path = make_answers(8, *sizes, seed), make_path(*sizes, seed)
        strength = make_strength(shape, *sizes, seed)
        constant = np.random.RandomState(seed).normal(size=(sizes[0], 1))
        moved = Path(path.shift + constant, path.group_rates, None)
        np.testing.assert_allclose(
            moved.logits(answers, strength), path.logits(answers, strength), atol=1e-10
        )

    @given(sizes=sizes, seed=seeds)
    @few
    def test_relabelling_groups_changes_nothing(self, shape, sizes, seed):
        answers, path = make_answers(8, *sizes, seed), make_path(*sizes, seed)
        strength = make_strength(shape, *sizes, seed)
        order = np.random.RandomState(seed).permutation(sizes[1])
        relabelled = Path(path.shift[:, order], path.group_rates[:, order], None)
        others = Answers(answers.log_proba, answers.group_proba[..., order])
        logits = relabelled.logits(
            others, strength[:, order] if strength.ndim == 2 else strength
        )
        np.testing.assert_allclose(logits, path.logits(answers, strength), atol=1e-12)

    @given(sizes=sizes, seed=seeds)
    @few
    def test_relabelling_classes_permutes(self, shape, sizes, seed):
        answers, path = make_answers(8, *sizes, seed), make_path(*sizes, seed)
        strength = make_strength(shape, *sizes, seed)
        order = np.random.RandomState(seed).permutation(sizes[0])
        relabelled = Path(path.shift[order], path.group_rates[order], None)
        others = Answers(answers.log_proba[:, order], answers.group_proba[:, order])
        logits = relabelled.logits(others, strength[order] if strength.ndim else strength)
        expected = path.logits(answers, strength)[:, order]
        np.testing.assert_allclose(logits, expected, atol=1e-12)

    def test_strength_zero_is_the_base(self, shape):
        answers, path = make_answers(8, 3, 2), make_path(3, 2)
        nothing = 0 * make_strength(shape, 3, 2)
        np.testing.assert_array_equal(path.logits(answers, nothing), answers.log_proba)

    def test_the_mean_over_the_groups_stays(self, shape):
        """Where features say nothing of the group, there is nothing to be reversed."""
        answers, path = make_answers(8, 3, 2), make_path(3, 2)
        blind = np.broadcast_to(path.group_rates, answers.group_proba.shape)
        answers = Answers(answers.log_proba, blind)
        logits = path.logits(answers, make_strength(shape, 3, 2))
        np.testing.assert_allclose(logits, answers.log_proba, atol=1e-12)


def test_strengths_add_up():
    """The path is a straight line, in as many dimensions as strengths have."""
    answers, path = make_answers(), make_path()
    one, two = make_strength(SHAPES[2], 2, 2, 0), make_strength(SHAPES[2], 2, 2, 1)
    steps = [path.logits(answers, w) - answers.log_proba for w in (one, two, one + two)]
    np.testing.assert_allclose(steps[0] + steps[1], steps[2], atol=1e-12)


class TestReach:
    def test_it_is_the_spread_of_what_is_reversed(self):
        path = Path(
            np.array([[-0.1, 0.3], [0.1, -0.3]]), np.array([[0.5, 0.5], [1, 0]]), None
        )
        assert path.reach == pytest.approx(0.2)

    @given(sizes=sizes, seed=seeds)
    @few
    def test_it_grows_with_what_triggers_say(self, sizes, seed):
        path = make_path(*sizes, seed)
        more = Path(3 * path.shift, path.group_rates, None)
        assert more.reach == pytest.approx(3 * path.reach)
        nothing = Path(path.shift[:, :1].repeat(sizes[1], axis=1), path.group_rates, None)
        assert nothing.reach == pytest.approx(0, abs=1e-12)


class TestOffset:
    @pytest.mark.parametrize("shape", SHAPES)
    @given(st.integers(2, 3), seeds)
    @few
    def test_keep_keeps_the_decisions_of_strength_zero(self, shape, n_classes, seed):
        answers = make_answers(2000, n_classes, seed=seed)
        weights = np.random.RandomState(seed).uniform(0.5, 2, size=2000)
        path = make_path(n_classes, seed=seed, answers=answers, weights=weights)
        strength = make_strength(shape, n_classes, 2, seed)
        offset = path.offset(strength, "keep")
        points, weights = path.sketch.answers, path.sketch.weights
        expected = decided(points.log_proba, weights)
        kept = decided(path.logits(points, strength) + offset, weights)
        # Two classes go by the rank of the points, more by smoothed decisions.
        most = 2 * weights.max() / weights.sum() if n_classes == 2 else 0.03
        np.testing.assert_allclose(kept, expected, atol=most)

    @pytest.mark.parametrize("rates", [[0.2, 0.8], [5, 1], [0.1, 0.3, 0.6], [3, 1, 1]])
    @pytest.mark.parametrize("strength", [0.0, 1.0, -2.0])
    def test_given_rates_are_reached(self, rates, strength):
        answers = make_answers(4000, len(rates))
        path = make_path(len(rates), answers=answers)
        offset = path.offset(strength, rates)
        shares = decided(path.logits(answers, strength) + offset)
        np.testing.assert_allclose(shares, np.divide(rates, sum(rates)), atol=0.02)

    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_drift_is_zero(self, n_classes):
        path = make_path(n_classes, answers=make_answers(n_classes=n_classes))
        assert path.offset(2.0, "drift").tolist() == [0.0] * n_classes

    @pytest.mark.parametrize("shape", SHAPES)
    def test_strength_zero_has_none(self, shape):
        path = make_path(3, answers=make_answers(n_classes=3))
        assert not path.offset(0 * make_strength(shape, 3, 2), "keep").any()

    @pytest.mark.parametrize("n_classes", [2, 3])
    @given(seeds)
    @few
    def test_offsets_sum_to_zero(self, n_classes, seed):
        answers = make_answers(300, n_classes, seed=seed)
        path = make_path(n_classes, answers=answers, seed=seed)
        assert path.offset(1.5, "keep").sum() == pytest.approx(0, abs=1e-12)

    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_keep_holds_for_other_rows(self, n_classes):
        one, two = (make_answers(5000, n_classes, seed=seed) for seed in (0, 1))
        path = make_path(n_classes, answers=one)
        shares = decided(path.logits(two, 1.0) + path.offset(1.0, "keep"))
        np.testing.assert_allclose(shares, decided(two.log_proba), atol=0.03)

    @pytest.mark.parametrize("margins", [[-3, -1], [1, 3], [-2], [2]])
    def test_next_to_nothing_moves_no_decision_of_many_equal_rows(self, margins):
        """Tables of few categories have few different answers, and often one decision."""
        margins = np.repeat(margins, 60).astype(float)
        log_proba = log_softmax(np.column_stack([0 * margins, margins]), axis=1)
        group_proba = np.tile([[0.3, 0.7], [0.6, 0.4]], (len(margins), 1, 1))
        answers = Answers(log_proba, group_proba)
        path = make_path(answers=answers)
        logits = path.logits(answers, 1e-6) + path.offset(1e-6, "keep")
        np.testing.assert_allclose(decided(logits), decided(log_proba))

    @pytest.mark.parametrize("strength", [100.0, 1e6])
    @pytest.mark.parametrize("n_classes", [2, 3])
    @pytest.mark.parametrize("n_points", [2, 400])
    def test_there_is_one_however_great_the_strength(self, n_points, n_classes, strength):
        """Searches go to 100, and users are allowed a million."""
        answers = make_answers(n_points, n_classes)
        answers = answers.take(np.arange(400) % n_points)
        path = make_path(n_classes, answers=answers)
        assert np.isfinite(path.offset(strength, "keep")).all()


class TestSketch:
    @pytest.mark.parametrize("n_samples", [10, 500, 30_000])
    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_points_are_few_and_stand_for_several_rows(self, n_samples, n_classes):
        sketch = Sketch.of(make_answers(n_samples, n_classes))
        assert sketch.weights.min() >= LEAST_ROWS_OF_POINT
        assert 1 < len(sketch.weights) <= MOST_POINTS
        assert sketch.weights.sum() == n_samples
        np.testing.assert_allclose(np.exp(sketch.answers.log_proba).sum(axis=1), 1)
        np.testing.assert_allclose(sketch.answers.group_proba.sum(axis=2), 1)

    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_no_point_is_a_row(self, n_classes):
        answers = make_answers(3000, n_classes)
        assert distance_to_rows(Sketch.of(answers), answers) > 1e-6

    @pytest.mark.parametrize("weight", [0.1, 10.0])
    def test_no_point_is_a_row_whatever_rows_weigh(self, weight):
        answers = make_answers(300)
        sketch = Sketch.of(answers, np.full(300, weight))
        assert distance_to_rows(sketch, answers) > 1e-6

    def test_no_point_is_a_row_of_a_class_that_weighs_more(self):
        """Balanced class weights make a rare class's rows ten times as heavy."""
        answers = make_answers(400)
        weights = np.where(np.arange(400) % 20 == 0, 10.0, 10 / 19)
        assert distance_to_rows(Sketch.of(answers, weights), answers) > 1e-6

    @given(seeds, st.integers(2, 3))
    @few
    def test_a_weight_of_two_is_two_rows(self, seed, n_classes):
        answers = make_answers(200, n_classes, seed=seed)
        weights = np.random.RandomState(seed).randint(1, 4, size=200)
        weighted = Sketch.of(answers, weights.astype(float))
        repeated = Sketch.of(answers.take(np.repeat(np.arange(200), weights)))
        for one, two in zip(in_order(weighted), in_order(repeated)):
            np.testing.assert_allclose(one, two, atol=1e-9)

    @given(seeds)
    @few
    def test_the_order_of_the_rows_does_not_matter(self, seed):
        answers = make_answers(200, seed=seed)
        order = np.random.RandomState(seed).permutation(200)
        shuffled = Sketch.of(answers.take(order))
        for one, two in zip(in_order(Sketch.of(answers)), in_order(shuffled)):
            np.testing.assert_allclose(one, two, atol=1e-9)

    def test_few_rows_make_one_point(self):
        sketch = Sketch.of(make_answers(9))
        assert sketch.weights.tolist() == [9]

    def test_infinite_margins_are_cut(self):
        """Forests are certain of rows, and their means must stay finite."""
        certain = np.log(np.maximum(np.eye(2)[np.arange(50) % 2], 1e-300))
        answers = Answers(certain, np.full((50, 2, 2), 0.5))
        sketch = Sketch.of(answers)
        assert np.isfinite(sketch.answers.log_proba).all()
        np.testing.assert_allclose(
            decided(sketch.answers.log_proba, sketch.weights), [0.5, 0.5]
        )


def distance_to_rows(sketch, answers):
    """Find how close any point comes to any row."""
    points, rows = (
        np.column_stack([a.log_proba, a.group_proba.reshape(len(a.log_proba), -1)])
        for a in (sketch.answers, answers)
    )
    return np.abs(points[:, None] - rows).max(axis=2).min()


def in_order(sketch):
    """Sort the points, whose order says nothing."""
    order = np.lexsort(sketch.answers.log_proba.round(6).T)
    answers = sketch.answers.take(order)
    return answers.log_proba, answers.group_proba, sketch.weights[order]


class TestAnswers:
    def test_cells_are_the_chances_of_class_and_group(self):
        answers = make_answers(5, 3, 2)
        cells = answers.cells.reshape(5, 3, 2)
        np.testing.assert_allclose(cells.sum(axis=(1, 2)), 1)
        np.testing.assert_allclose(cells.sum(axis=2), np.exp(answers.log_proba))

    def test_parts_below_one_another(self):
        answers = make_answers(10)
        halves = answers.take(np.arange(4)), answers.take(np.arange(4, 10))
        again = Answers.concatenate(halves)
        np.testing.assert_array_equal(again.log_proba, answers.log_proba)
        np.testing.assert_array_equal(again.group_proba, answers.group_proba)

    def test_pickles_hold_no_more_than_what_was_given(self):
        answers = make_answers(1000)
        size = len(pickle.dumps(answers))
        np.testing.assert_array_equal(
            pickle.loads(pickle.dumps(answers)).cells, answers.cells
        )
        assert len(pickle.dumps(answers)) == size
