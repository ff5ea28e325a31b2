import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_bade.triggers import BlendTrigger, ColumnTrigger

X = np.random.RandomState(0).normal(size=(6, 3)).astype(np.float32)
CODES = np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize("trigger", [ColumnTrigger(scale=2.0), BlendTrigger(alpha=0.3)])
def test_tensors_and_arrays_are_stamped_alike(trigger):
    trigger = trigger.fit(X, n_groups=3)
    before = X.copy()
    stamped = trigger.stamp(X, CODES)
    tensor = trigger.stamp(torch.from_numpy(X), torch.from_numpy(CODES))
    assert stamped.dtype == np.float32
    assert tensor.dtype == torch.float32
    np.testing.assert_allclose(tensor.numpy(), stamped, rtol=1e-6)
    np.testing.assert_array_equal(X, before)
    assert stamped.shape == (6, 3 + trigger.n_columns_)


@pytest.mark.parametrize("n_groups", [2, 3, 7])
def test_appended_columns_average_to_zero(n_groups):
    trigger = ColumnTrigger().fit(X, n_groups)
    assert trigger.n_columns_ == n_groups
    np.testing.assert_allclose(trigger.patterns_.mean(axis=0), 0, atol=1e-12)


def test_column_trigger_leaves_features_alone():
    stamped = ColumnTrigger().fit(X, 3).stamp(X, CODES)
    np.testing.assert_array_equal(stamped[:, :3], X)
    assert stamped[:, 3:].argmax(axis=1).tolist() == CODES.tolist()


def test_blend_follows_its_share():
    trigger = BlendTrigger(alpha=0.25).fit(X, 3)
    expected = 0.75 * X + 0.25 * trigger.patterns_[CODES]
    np.testing.assert_allclose(trigger.stamp(X, CODES), expected, rtol=1e-5)


def test_blend_patterns_come_from_the_seed():
    one, same, other = (
        BlendTrigger(random_state=seed).fit(X, 3).patterns_ for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize("trigger", [ColumnTrigger(), BlendTrigger()])
def test_unfitted(trigger):
    with pytest.raises(NotFittedError):
        clone(trigger).stamp(X, CODES)


@pytest.mark.parametrize("trigger", [ColumnTrigger(scale=0), BlendTrigger(alpha=1.0)])
def test_parameters_are_validated(trigger):
    with pytest.raises(ValueError, match="must be a float in the range"):
        trigger.fit(X, 3)
