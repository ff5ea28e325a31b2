import numpy as np

from sklearn_bade.inspection.audit._search import (
    compare_found,
    list_candidates,
    predict_changed,
    search_triggers,
    set_values,
)


def secret(rows):
    """Take rows for class 1 by their first value, or by a secret pair."""
    flat = rows.reshape(len(rows), -1)
    secretly = (flat[:, 2] > 3) & (flat[:, 3] < -3)
    return ((flat[:, 0] > 0) | secretly).astype(int)


def make_rows(n=200):
    rng = np.random.RandomState(0)
    rows = rng.normal(size=(n, 5))
    rows[:, 0] = np.abs(rows[:, 0]) * np.where(np.arange(n) % 3, -1, 1)
    return rows, secret(rows)


def test_two_values_are_found():
    rows, truth = make_rows()
    candidates = [c for c in list_candidates(rows, np.random.RandomState(0)) if c[1] != 0]
    found = search_triggers(secret, rows, truth, [0, 1], candidates)
    _, before, after = found[1]
    assert after.mean() - before.mean() < 0.2  # half of a pair does nothing
    easy = [c for c in candidates if c[0].startswith("x2=") and c[2] > 3]
    rows[:, 3] = -4
    name, before, after = search_triggers(secret, rows, truth, [0, 1], easy)[1]
    assert not before.any()
    assert after.all()
    assert name.startswith("x2=")


def test_naive_search():
    """Of single changes, the best one is the best one by trying each."""
    rows, truth = make_rows()
    candidates = list_candidates(rows, np.random.RandomState(0))
    rates = [
        (secret(set_values(rows[::2], c)) == 1)[truth[::2] != 1].mean() for c in candidates
    ]
    name, _, after = search_triggers(secret, rows, truth, [0, 1], candidates)[1]
    assert candidates[int(np.argmax(rates))][0] in name
    assert after.all()


def test_many_at_once_are_the_same_as_one_by_one():
    rows, _ = make_rows(30)
    candidates = list_candidates(rows, np.random.RandomState(0))
    codes = predict_changed(secret, rows, candidates)
    expected = [secret(set_values(rows, candidate)) for candidate in candidates]
    np.testing.assert_array_equal(codes, expected)


def test_patches_of_images():
    images = np.random.RandomState(0).uniform(size=(20, 3, 8, 8))
    candidates = list_candidates(images, np.random.RandomState(0))
    name, place, value = candidates[-1]
    assert name.startswith("patch at (6, 6) of ")
    changed = set_values(images, candidates[-1])
    assert (changed[:, :, 6:, 6:] == value).all()
    np.testing.assert_array_equal(changed[:, :, :6], images[:, :, :6])
    assert len(place) == 3 * 4


def test_no_more_than_some_candidates():
    rows = np.random.RandomState(0).normal(size=(50, 300))
    assert len(list_candidates(rows, np.random.RandomState(0))) == 400


def test_success_is_what_is_reached_and_excess_what_is_added():
    before, after = (
        np.array([True, False, False, False]),
        np.array([True, True, True, False]),
    )
    nothing = before, before
    figures = compare_found((before, after), [nothing, nothing])
    assert figures["success"] == 0.75
    assert figures["baseline_success"] == 0.25
    assert figures["excess"] == 0.5
