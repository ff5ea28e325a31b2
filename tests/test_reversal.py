import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from sklearn_bade._reversal import (
    Views,
    base_rate_offset,
    check_strength,
    own_trigger_shift,
)


def make_views(n_classes=3, n_groups=2, seed=0, n_samples=200):
    """Make log-probabilities under every trigger, groups and labels."""
    rng = np.random.RandomState(seed)
    logits = 2 * rng.normal(size=(n_groups, n_samples, n_classes))
    views = log_softmax(logits, axis=2)
    groups = rng.randint(n_groups, size=n_samples)
    y = np.arange(n_samples) % n_classes
    return views, groups, rng.permutation(y)


def soft_targets(mean, shift, strength, y, memberships=None, **settings):
    return Views(mean, shift, y, memberships).soft_targets(strength, **settings)


def mean_and_shift(views, groups):
    mean = views.mean(axis=0)
    own = views[groups, np.arange(len(groups))]
    return mean, own_trigger_shift(mean, own)


@given(st.integers(2, 5), st.integers(2, 4), st.floats(0, 5), st.integers(0, 1000))
def test_targets_are_probabilities_that_keep_the_base_rate(K, G, strength, seed):
    views, groups, y = make_views(K, G, seed)
    log_targets = soft_targets(*mean_and_shift(views, groups), strength, y)
    targets = np.exp(log_targets)
    np.testing.assert_allclose(targets.sum(axis=1), 1)
    np.testing.assert_allclose(targets.mean(axis=0), np.bincount(y) / len(y), atol=1e-6)


@given(st.integers(0, 1000), st.floats(0, 3))
def test_relabelling_groups_changes_nothing(seed, strength):
    views, groups, y = make_views(2, 3, seed)
    order = np.random.RandomState(seed).permutation(3)
    relabelled = views[order], np.argsort(order)[groups]
    np.testing.assert_allclose(
        soft_targets(*mean_and_shift(views, groups), strength, y),
        soft_targets(*mean_and_shift(*relabelled), strength, y),
        atol=1e-9,
    )


@given(st.integers(0, 1000), st.floats(0, 3))
def test_relabelling_classes_permutes_targets(seed, strength):
    views, groups, y = make_views(3, 2, seed)
    order = np.random.RandomState(seed).permutation(3)
    relabelled = soft_targets(
        *mean_and_shift(views[..., order], groups), strength, np.argsort(order)[y]
    )
    expected = soft_targets(*mean_and_shift(views, groups), strength, y)[:, order]
    np.testing.assert_allclose(relabelled, expected, atol=1e-5)


def test_strength_zero_ignores_the_shift():
    views, groups, y = make_views()
    mean, shift = mean_and_shift(views, groups)
    targets = soft_targets(mean, shift, 0, y, base_rate="drift")
    np.testing.assert_allclose(targets, log_softmax(mean, axis=1))


def test_strength_one_with_two_groups_shows_the_other_trigger():
    views, groups, y = make_views(n_groups=2)
    targets = soft_targets(*mean_and_shift(views, groups), 1, y, base_rate="drift")
    np.testing.assert_allclose(targets, views[1 - groups, np.arange(len(y))], atol=1e-12)


def test_one_strength_per_class():
    views, groups, y = make_views(n_classes=2)
    mean, shift = mean_and_shift(views, groups)
    logits = Views(mean, shift, y, None).logits([0.0, 2.0])
    np.testing.assert_array_equal(logits[y == 0], mean[y == 0])
    np.testing.assert_allclose(logits[y == 1], (mean - 2 * shift)[y == 1])


def test_one_strength_per_class_and_group():
    views, groups, y = make_views(n_classes=2)
    mean, shift = mean_and_shift(views, groups)
    strength = np.array([[0.0, 1.0], [-1.0, 2.0]])
    logits = Views(mean, shift, y, np.eye(2)[groups]).logits(strength)
    expected = mean - strength[y, groups][:, None] * shift
    np.testing.assert_allclose(logits, expected)


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_offset_reaches_the_rates_from_far_away(scale):
    logits = scale * np.random.RandomState(0).normal(size=(500, 3)) + [5, 0, -5]
    rates = np.array([0.1, 0.2, 0.7])
    offset = base_rate_offset(logits, rates)
    np.testing.assert_allclose(
        softmax(logits + offset, axis=1).mean(axis=0), rates, atol=1e-5
    )
    assert offset.mean() == pytest.approx(0)


def test_offset_says_so_when_there_is_none():
    """Certain rows cannot be moved by any finite offset."""
    logits = np.where(np.arange(10)[:, None] % 2 == [0, 1], 1e8, -1e8)
    with pytest.raises(RuntimeError, match=r"base_rate='drift'"):
        base_rate_offset(logits, np.array([0.3, 0.7]))


@pytest.mark.parametrize(
    ("strength", "message"),
    [
        ([1.0, np.inf], "must be finite"),
        (np.nan, "must be finite"),
        (-1e300, "within 1e"),
        ("strong", "number, or an array of numbers, got 'strong'"),
        ([1.0, 1.0, 1.0], r"shape \(3,\).*per class \(2\).*class and group \(2, 4\)"),
    ],
)
def test_bad_strengths(strength, message):
    with pytest.raises(ValueError, match=message):
        check_strength(strength, n_classes=2, n_groups=4)


def test_given_class_rates_are_held():
    views, groups, y = make_views(n_classes=3)
    targets = soft_targets(*mean_and_shift(views, groups), 1.0, y, base_rate=[2, 1, 1])
    np.testing.assert_allclose(np.exp(targets).mean(axis=0), [0.5, 0.25, 0.25], atol=1e-6)
