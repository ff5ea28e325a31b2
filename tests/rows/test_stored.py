"""Rows on disk, dealt to parts at random."""

import gc

import numpy as np
import pytest

from sklearn_bade.rows import RowWriter, _stored, compute_rows


@pytest.fixture
def stored(monkeypatch):
    """Store rows in several parts, and return what they are in memory."""
    monkeypatch.setattr(_stored, "PART_BYTES", 400)
    X = np.arange(600, dtype=np.float32).reshape(200, 3)
    writer = RowWriter(200, (3,), np.float32, np.random.RandomState(0))
    for start in range(0, 200, 50):
        writer.write(X[start : start + 50])
    rows, order = writer.close()
    assert len(rows.parts()) == 6
    return rows, X[order]


def test_all_rows_are_there(stored):
    rows, X = stored
    assert rows.shape == X.shape
    np.testing.assert_array_equal(np.asarray(rows), X)
    assert len(np.unique(X[:, 0])) == 200


@pytest.mark.parametrize(
    "key",
    [
        7,
        -1,
        slice(20, 90),
        slice(None, None, -3),
        [3, 150, 3, 0],
        np.arange(200) % 7 == 0,
        np.array([-1, -200]),
        np.array([], dtype=int),
    ],
)
def test_rows_are_indexed_as_those_of_arrays(stored, key):
    rows, X = stored
    np.testing.assert_array_equal(rows[key], X[key])


def test_a_selection_of_a_selection(stored):
    rows, X = stored
    once, twice = np.arange(3, 190, 2), np.array([0, 8, 50])
    taken = rows.take(once)
    np.testing.assert_array_equal(np.asarray(taken.take(twice)), X[once][twice])
    parts = [taken[part] for part in taken.parts()]
    np.testing.assert_array_equal(np.concatenate(parts), X[once])


@pytest.mark.parametrize("members", [None, np.arange(5, 200, 3)[::-1]])
def test_an_epoch_meets_each_row_once_and_part_after_part(stored, members):
    rows, _ = stored
    rng = np.random.RandomState(0)
    pieces = list(rows.in_parts(members, rng.permutation))
    of_parts = [np.searchsorted(rows.starts, piece, side="right") for piece in pieces]
    assert all(len(np.unique(parts)) == 1 for parts in of_parts if len(parts))
    met = np.concatenate(pieces)
    expected = np.arange(200) if members is None else np.sort(members)
    np.testing.assert_array_equal(np.sort(met), expected)
    assert not np.array_equal(met, expected)


def test_parts_are_random_samples(monkeypatch):
    """Rows that come sorted must not end up in one part each."""
    monkeypatch.setattr(_stored, "PART_BYTES", 80_000)
    writer = RowWriter(40_000, (1,), np.float64, np.random.RandomState(0))
    for start in range(0, 40_000, 1000):
        writer.write(np.arange(start, start + 1000.0)[:, None])
    rows, _ = writer.close()
    means = [rows[part].mean() for part in rows.parts()]
    np.testing.assert_allclose(means, 20_000, atol=600)


def test_other_values_of_the_rows_lie_beside_them(stored):
    rows, X = stored
    doubled = compute_rows(rows, 3, np.float32, "double", lambda part: 2 * rows[part])
    np.testing.assert_array_equal(np.asarray(doubled), 2 * X)
    np.testing.assert_array_equal(doubled[[9, 100]], 2 * X[[9, 100]])
    in_memory = compute_rows(X, 3, np.float32, "double", lambda part: 2 * X[part])
    np.testing.assert_array_equal(in_memory, 2 * X)


def test_the_folder_goes_with_the_last_rows(stored):
    rows, _ = stored
    path, some = rows.folder.path, rows.take(np.arange(3))
    assert path.exists()
    writer = RowWriter(2, (1,), np.float32, np.random.RandomState(0))
    other = writer.folder.path
    writer.write(np.zeros((2, 1)))
    writer.close()
    del writer
    gc.collect()
    assert not other.exists()
    assert some[0].shape == (3,)


def test_a_full_disk_is_noticed():
    writer = RowWriter(10, (2,), np.float32, np.random.RandomState(0))
    writer.write(np.ones((10, 2)))
    writer.files[0].truncate(16)  # as far as the disk had room
    with pytest.raises(OSError, match=r"Of 80 bytes of features, .* TMPDIR"):
        writer.close()
