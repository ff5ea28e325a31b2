import numpy as np
import pytest
from poisoned import make_small

from sklearn_bade.defenses import ActivationGuidedEditor, measure_relearning
from sklearn_bade.triggers import ColumnTrigger


@pytest.fixture(scope="module")
def bed():
    return make_small()


@pytest.fixture(scope="module")
def net(bed):
    return bed.fit()


def measure(clf, bed, **settings):
    X, y = bed.test
    settings = {"trigger": bed.trigger, "target_class": bed.target} | settings
    return measure_relearning(clf, X, y, **settings)


def test_a_backdoor_that_is_there_needs_no_rows(net, bed):
    table = measure(net, bed, n_poisoned=[0, 40])
    assert table["n_poisoned"].tolist() == [0, 40]
    assert table["success"][0] > 0.9
    assert table["baseline_success"][0] < 0.3


def test_more_rows_bring_it_back(net, bed):
    edited = ActivationGuidedEditor(net, trigger=bed.trigger).fit(bed.clean[0])
    table = measure(edited, bed, n_poisoned=[0, 60], epochs=1)
    assert table["success"][1] > table["success"][0] + 0.3
    assert table["baseline_success"][1] > table["baseline_success"][0]


def test_equal_seeds_give_equal_tables_and_the_network_stays(net, bed):
    X = bed.test[0]
    before = net.predict_proba(X)
    first, again = (measure(net, bed, n_poisoned=[5]) for _ in range(2))
    assert first.equals(again)
    np.testing.assert_array_equal(net.predict_proba(X), before)


def test_too_few_rows(net, bed):
    with pytest.raises(ValueError, match=r"900 rows shall be poisoned, and \d+ of the"):
        measure(net, bed, n_poisoned=[0, 900])


def test_a_trigger_that_appends_columns(net, bed):
    with pytest.raises(ValueError, match="appends columns"):
        measure(net, bed, trigger=ColumnTrigger().fit(bed.test[0]))
