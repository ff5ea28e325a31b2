"""What is computed of partitions is what would be computed of all rows."""

import numpy as np
import pandas as pd
import pytest

from sklearn_bade._groups import find_groups
from sklearn_bade._path import Answers, Points, Sketch
from sklearn_bade.cluster._learner import _draw_counts
from sklearn_bade.cluster._rows import Keys, Pick, fold_starts
from sklearn_bade.cluster._values import ColumnCoder, Spread
from sklearn_bade.exceptions import CutGroupsWarning
from sklearn_bade.learners import Signal, SignalSums


def make_keys(n_rows, n_classes, n_groups, seed):
    rng = np.random.default_rng(seed)
    return Keys(rng.integers(n_classes, size=n_rows), rng.integers(-1, n_groups, n_rows))


def count(keys, n_classes, n_groups):
    cells = np.bincount(keys.cells(n_groups), minlength=n_classes * (n_groups + 1))
    return cells.reshape(n_classes, n_groups + 1)


def test_folds_divide_each_cell_over_all_partitions():
    parts = [make_keys(n, 3, 2, n) for n in (0, 1, 2, 3, 50, 0, 7)]
    counts = np.array([count(keys, 3, 2) for keys in parts])
    halves = np.zeros((2, 3, 3), dtype=int)
    for i, (keys, starts) in enumerate(zip(parts, fold_starts(counts))):
        asked = [Pick(2, asked=f, starts=starts, seed=(5, i)) for f in (0, 1)]
        left = [Pick(2, left_out=f, starts=starts, seed=(5, i)) for f in (0, 1)]
        for fold in (0, 1):
            positions = asked[fold].positions(keys)
            found = count(keys.take(positions), 3, 2)
            np.testing.assert_array_equal(found, asked[fold].count(counts[i]))
            halves[fold] += found
            rest = left[fold].positions(keys)
            assert sorted([*positions, *rest]) == list(range(len(keys)))
            n_left = left[fold].count(counts[i])
            np.testing.assert_array_equal(count(keys.take(rest), 3, 2), n_left)
    assert np.abs(halves[0] - halves[1]).max() <= 1


def test_picked_groups_are_counted():
    keys = make_keys(200, 2, 3, 0)
    pick = Pick(3, codes=np.array([0, 2]))
    assert len(pick.positions(keys)) == pick.count(count(keys, 2, 3)).sum()
    assert set(keys.groups[pick.positions(keys)]) == {0, 2}


def columns():
    rng = np.random.default_rng(0)
    mixed = pd.Series(rng.choice([1, "a", None], 60), dtype=object)
    return {
        "text": pd.Series(rng.choice(["b", "a", "c"], 60)),
        "categories": pd.Series(
            pd.Categorical(rng.choice(["b", "a"], 60), categories=["b", "a", "never"])
        ),
        "mixed": mixed,
        "truth": pd.Series(rng.choice([True, False], 60)),
        "whole": pd.Series(rng.integers(5, size=60)),
        "whole, some missing": pd.Series(rng.choice([1.0, 2.0, np.nan], 60)),
        "nullable": pd.Series(rng.choice([1, 2, None], 60)).astype("Int64"),
        "dates": pd.Series(pd.to_datetime(rng.choice(["2020-01-01", "2021-03-04"], 60))),
        "numbers": pd.Series(rng.normal(size=60)),
        "frequent": pd.Series(np.where(rng.uniform(size=60) < 0.8, 0, rng.normal(size=60))),
        "many whole": pd.Series(np.arange(60.0)),
    }


@pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.CutGroupsWarning")
@pytest.mark.parametrize("n_bins", [None, 3])
@pytest.mark.parametrize("name", columns())
def test_codes_are_those_of_all_rows_at_once(name, n_bins):
    column = columns()[name]
    parts = [column[:7], column[7:20], column[20:]]
    coder = ColumnCoder.of([Spread.of(part) for part in parts], n_bins)
    expected = find_groups(column.to_frame(), n_bins)
    assert coder.values.tolist() == expected.labels.tolist()
    found = np.concatenate([coder.encode(part) for part in parts])
    np.testing.assert_array_equal(found, expected.codes)


def test_quantiles_of_many_values_miss_by_a_thousandth():
    column = pd.Series(np.random.default_rng(0).lognormal(size=50_000))
    spreads = [Spread.of(part) for part in (column[:10_000], column[10_000:])]
    assert [len(spread.values) for spread in spreads] == [1001, 1001]
    with pytest.warns(CutGroupsWarning, match="more than 1000 different numbers"):
        assert ColumnCoder.of(spreads, None).values.tolist()[0].startswith("(-inf, ")
    ends = ColumnCoder.of(spreads, 4).ends[1:-1]
    shares = [(column <= end).mean() for end in ends]
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.75], atol=1e-3)


def test_identifiers_are_refused():
    with pytest.raises(ValueError, match="seems to be an identifier"):
        Spread.of(pd.Series([f"id {i}" for i in range(2000)]))
    numbers = [Spread.of(pd.Series(np.arange(2000)))]
    with pytest.raises(ValueError, match="seems to be an identifier"):
        ColumnCoder.of(numbers, None)
    assert len(ColumnCoder.of(numbers, 4).values) == 4


def make_answers(n_samples, seed=0):
    rng = np.random.default_rng(seed)
    margins = rng.normal(size=n_samples)
    log_proba = -np.logaddexp(0, np.stack([margins, -margins], axis=1))
    chance = rng.uniform(size=(n_samples, 2))
    return Answers(log_proba, np.stack([chance, 1 - chance], axis=2))


def test_summaries_of_parts_are_one_of_all_rows():
    answers = make_answers(20_000)
    parts = np.array_split(np.arange(20_000), [3, 5000, 5001, 5004, 12_000])
    points = [Points.of(answers.take(part)).summary() for part in parts]
    merged = Points.concatenate(points).summary()
    assert merged.n_rows.sum() == 20_000
    assert merged.n_rows.min() >= 5
    whole = Sketch.of(answers)
    for sketch in (merged.sketch(), whole):
        share = sketch.weights @ (sketch.answers.log_proba.argmax(axis=1) == 1) / 20_000
        assert abs(share - answers.log_proba.argmax(axis=1).mean()) < 3e-3
        mean = np.average(sketch.answers.group_proba, axis=0, weights=sketch.weights)
        np.testing.assert_allclose(mean, answers.group_proba.mean(axis=0))


def test_sums_of_parts_make_the_signal_of_all_rows():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet([1, 1, 1], 500)
    is_group = rng.multinomial(1, [0.2, 0.3, 0.5], 500)
    frequencies = np.broadcast_to([0.2, 0.3, 0.5], (500, 3))
    weights = rng.uniform(size=500)
    parts = [
        SignalSums.of(*(each[part] for each in (proba, is_group, frequencies, weights)))
        for part in (slice(0, 10), slice(10, 500))
    ]
    found = Signal.of_sums(SignalSums(*map(sum, zip(*parts))))
    expected = Signal.of(proba, is_group, frequencies, weights)
    np.testing.assert_allclose(found[:2], expected[:2])


def test_a_sample_holds_some_rows_of_each_class():
    counts = np.array([[50_000, 0], [50_000, 3], [0, 1], [9, 0]])
    drawn = _draw_counts(counts, 1000, np.random.default_rng(0))
    assert (drawn <= counts).all()
    assert abs(drawn.sum() - 1000) < 10
    assert drawn[:, 1].tolist() == [0, 3, 1, 0]
    assert (_draw_counts(counts, 10**6, np.random.default_rng(0)) == counts).all()
