import numpy as np
import pytest
import torch
from poisoned import make_small
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_bade.defenses import ActivationGuidedEditor, measure_relearning
from sklearn_bade.defenses._base import draw_anew
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
    with pytest.raises(ValueError, match=r"900 rows are to be poisoned, and \d+ of the"):
        measure(net, bed, n_poisoned=[0, 900])


def test_a_trigger_that_appends_columns(net, bed):
    with pytest.raises(ValueError, match="appends columns"):
        measure(net, bed, trigger=ColumnTrigger().fit(bed.test[0]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_poisoned": [-1]}, "must not be negative"),
        ({"n_poisoned": []}, "must hold whole numbers"),
        ({"n_poisoned": [5.0]}, "must hold whole numbers"),
        ({"target_class": 7}, r"labels, \[0, 1, 2\]; got \['7'\]"),
        ({"test_share": 1e-6}, "leaves none of other classes"),
    ],
)
def test_bad_settings(net, bed, settings, message):
    with pytest.raises(ValueError, match=message):
        measure(net, bed, **settings)


@pytest.mark.slow
def test_lists_labels_and_pipelines(net, bed):
    X, y = bed.test
    names = np.array(["low", "middle", "top"])
    editor = ActivationGuidedEditor(net, trigger=bed.trigger, classes=names)
    editor.fit(bed.clean[0])
    settings = {"trigger": bed.trigger, "n_poisoned": [5]}
    plain = measure_relearning(editor, X, names[y], target_class="middle", **settings)
    identity = FunctionTransformer(np.float32)
    for clf in (make_pipeline(identity, editor), FrozenEstimator(editor)):
        table = measure_relearning(clf, X, names[y], target_class="middle", **settings)
        assert table.equals(plain)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        measure_relearning(editor, X, names[y][:-1], target_class="middle", **settings)


def test_weights_that_cannot_be_drawn_anew(bed):
    class Raw(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(12, 3))
            self.head = torch.nn.Linear(3, 3)

        def forward(self, X):
            return self.head(X @ self.weight)

    normed = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 3))
    for module, name in ((Raw(), "weight"), (normed, "original0")):
        with pytest.raises(ValueError, match=f"{name}'.* cannot be drawn anew"):
            draw_anew(module)


def test_layers_that_start_alike_are_drawn_anew():
    """New weights of a normalisation are those that it began with."""
    module = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.LayerNorm(4))
    before = module[0].weight.detach().clone()
    draw_anew(module)
    assert not torch.equal(module[0].weight, before)
