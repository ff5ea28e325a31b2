import numpy as np
import pandas as pd
import pytest

from sklearn_bade.inspection.audit._baselines import Baselines
from sklearn_bade.inspection.audit._measure import (
    add_own_ways,
    combine_variances,
    compare,
)


def test_few_plain_classifiers_give_few_degrees_of_freedom():
    same, spread = np.zeros(100), np.array([0.0, 0.1, 0.2])
    assert combine_variances(same, spread) == pytest.approx((0.01 * (1 + 1 / 3), 2))
    paired = np.tile([0.0, 1.0], 50)
    assert combine_variances(paired, np.zeros(3)) == pytest.approx((0.25 / 100, 99))
    assert combine_variances(paired, np.zeros(1)) == pytest.approx((0.25 / 100, 99))
    variance, freedom = combine_variances(paired, spread)
    assert variance > 0.01
    assert 2 < freedom < 99


def test_chance_on_rows_of_ones_own_is_not_a_difference():
    paired = np.zeros(100)
    variance, _ = combine_variances(paired, np.array([0.0, 0.1, 0.2]), by_chance=0.01)
    assert variance == pytest.approx(0)


def test_each_classifier_is_compared_on_its_rows():
    gain = np.array([1, 1, 0, 0])
    rows = [np.array([0, 1]), np.array([2, 3])]
    plain = [np.array([0, 1]), np.array([0, 0])]
    baselines = Baselines([None, None], rows)
    assert not baselines.share_rows
    excess, *_ = compare(gain, plain, np.ones(4, dtype=bool), baselines)
    assert excess == pytest.approx(1 / 4)
    only_first = np.array([True, False, False, False])
    assert compare(gain, plain, only_first, baselines)[0] == pytest.approx(1)


def test_innocent_triggers_show_how_a_model_differs():
    table = pd.DataFrame(
        {
            "model": ["a"] * 6 + ["b"],
            "is_blend": [False] * 6 + [False],
            "is_random": [True] * 5 + [False, False],
            "excess": [0.1, -0.1, 0.1, -0.1, 0.9, 0.5, 0.5],
            "variance": [0.0] * 7,
        }
    )
    add_own_ways(table)
    spread = (1.4826 * 0.1) ** 2
    assert table["variance"].tolist() == pytest.approx([spread] * 6 + [0.0])
