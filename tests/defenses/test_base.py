"""What D3 and the editor have in common: the fitted network that they take."""

import pickle
import warnings
from copy import deepcopy

import numpy as np
import pytest
import torch
from helpers import make_net, make_rows
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_bade.datasets import make_colored_digits
from sklearn_bade.defenses import ActivationGuidedEditor, DistanceDrivenDetoxifier
from sklearn_bade.nets import ConvNet, make_adam_net
from sklearn_bade.preprocessing import to_float32

# The trainings of these tests are too short to be good.
pytestmark = pytest.mark.filterwarnings("ignore:Balanced accuracy on the clean rows")


def make_detoxifier(estimator):
    return DistanceDrivenDetoxifier(
        estimator, epochs=5, eps=9.0, match_class_shares=False, random_state=0
    )


def make_editor(estimator):
    return ActivationGuidedEditor(estimator, target_class=1, random_state=0)


@pytest.fixture(params=[make_detoxifier, make_editor])
def make_defense(request):
    return request.param


def weights(net):
    return {k: v.clone() for k, v in net.module_.state_dict().items()}


def test_the_given_network_is_left_alone(make_defense, small_net, small_bed):
    before = weights(small_net)
    defense = make_defense(small_net).fit(*small_bed.clean)
    after = weights(small_net)
    assert all(torch.equal(before[name], after[name]) for name in before)
    repaired = weights(defense.estimator_)
    assert any(not torch.equal(before[name], repaired[name]) for name in before)


def test_equal_seeds_give_equal_networks(make_defense, small_net, small_bed):
    X = small_bed.test[0]
    one, two = (make_defense(small_net).fit(*small_bed.clean) for _ in range(2))
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    assert one.predict_proba(X).sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_a_frozen_network_survives_cloning_and_pickling(make_defense, small_net, small_bed):
    X = small_bed.test[0]
    defense = make_defense(FrozenEstimator(small_net))
    fitted = clone(defense).fit(*small_bed.clean)
    copied = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copied.predict_proba(X), fitted.predict_proba(X))


def test_a_network_at_the_end_of_a_pipeline(make_defense, small_bed):
    X, y = small_bed.poisoned
    torch.manual_seed(0)
    steps = StandardScaler(), FunctionTransformer(to_float32)
    pipeline = make_pipeline(*steps, make_net(12, 3)).fit(X, y)
    defense = make_defense(pipeline).fit(*small_bed.clean)
    X_test = small_bed.test[0]
    repaired = defense.estimator_
    assert repaired[0] is pipeline[0]
    np.testing.assert_array_equal(repaired.predict(X_test), defense.predict(X_test))


def test_a_clone_of_a_bare_network_is_not_fitted(make_defense, small_net, small_bed):
    with pytest.raises(NotFittedError, match="wrap the fitted network in"):
        clone(make_defense(small_net)).fit(*small_bed.clean)


def test_another_classifier(make_defense, small_bed):
    other = LogisticRegression().fit(*small_bed.clean)
    with pytest.raises(TypeError, match=r"NeuralNetClassifier.*got LogisticRegression"):
        make_defense(other).fit(*small_bed.clean)


@pytest.mark.parametrize("labels", [["a", "b", "c"], [0, 1, 3], [True, False, "c"]])
def test_labels_that_the_network_does_not_know(make_defense, small_net, small_bed, labels):
    X, y = small_bed.clean
    with pytest.raises(ValueError, match=r"labels, \[0, 1, 2\]; got .* as `classes`"):
        make_defense(small_net).fit(X, np.array(labels)[y])


def test_labels_of_any_kind(make_defense, small_net, small_bed):
    X, y = small_bed.clean
    names = np.array(["low", "middle", "top"])
    defense = make_defense(small_net).set_params(classes=names)
    if isinstance(defense, ActivationGuidedEditor):
        defense.set_params(target_class="middle")
    defense.fit(X, names[y])
    plain = make_defense(small_net).fit(X, y)
    assert defense.classes_.tolist() == names.tolist()
    np.testing.assert_array_equal(defense.predict(X), names[plain.predict(X)])


@pytest.mark.parametrize("classes", [["a", "b"], ["a", "b", "b"], [["a", "b", "c"]]])
def test_as_many_labels_as_outputs(make_defense, small_net, small_bed, classes):
    with pytest.raises(ValueError, match="classes must hold the 3 different labels"):
        make_defense(small_net).set_params(classes=classes).fit(*small_bed.clean)


def test_a_bare_module_with_weights(make_defense, small_net, small_bed):
    module = deepcopy(small_net.module_)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    bare = make_defense(module).fit(*small_bed.clean)
    plain = make_defense(small_net).fit(*small_bed.clean)
    X = small_bed.test[0]
    np.testing.assert_array_equal(bare.predict_proba(X), plain.predict_proba(X))
    assert all(torch.equal(before[n], value) for n, value in module.state_dict().items())
    copied = clone(make_defense(module)).fit(*small_bed.clean)
    np.testing.assert_array_equal(copied.predict(X), bare.predict(X))


def test_a_bare_module_that_ends_in_a_softmax(small_net, small_bed):
    """Its outputs are probabilities, and no softmax is put upon them."""
    module = torch.nn.Sequential(deepcopy(small_net.module_), torch.nn.Softmax(dim=1))
    X = small_bed.clean[0]
    bare, plain = (
        ActivationGuidedEditor(net, trigger=small_bed.trigger).fit(X)
        for net in (module, small_net)
    )
    X = small_bed.test[0]
    np.testing.assert_allclose(bare.predict_proba(X), plain.predict_proba(X), atol=1e-4)
    d3 = DistanceDrivenDetoxifier(module, random_state=0).fit(*small_bed.clean)
    accuracy, success = small_bed.figures(d3)
    assert accuracy > 0.8
    assert success <= 0.1


def test_a_net_that_was_initialized_with_weights(make_defense, small_net, small_bed):
    net = clone(small_net).initialize()
    net.module_.load_state_dict(small_net.module_.state_dict())
    given = make_defense(net).fit(*small_bed.clean)
    plain = make_defense(small_net).fit(*small_bed.clean)
    X = small_bed.test[0]
    np.testing.assert_array_equal(given.predict_proba(X), plain.predict_proba(X))


def test_a_bare_module_behind_preprocessing(make_defense, small_net, small_bed):
    X, y = small_bed.clean
    halve = FunctionTransformer(lambda rows: rows / 2)
    pipeline = make_pipeline(halve, deepcopy(small_net.module_))
    defense = make_defense(pipeline).fit(2 * X, y)
    plain = make_defense(small_net).fit(X, y)
    np.testing.assert_allclose(defense.predict_proba(2 * X), plain.predict_proba(X))


def test_one_output_for_each_class(make_defense, small_bed):
    X, y = small_bed.clean
    with pytest.raises(ValueError, match=r"two or more .* array of shape \(1, 1\)"):
        make_defense(torch.nn.Linear(12, 1)).fit(X, y)


def test_other_features_at_predict(make_defense, small_net, small_bed):
    defense = make_defense(small_net).fit(*small_bed.clean)
    with pytest.raises(ValueError, match="X has 9 features"):
        defense.predict(small_bed.test[0][:, :9])


def test_unfitted(make_defense, small_net, small_bed):
    with pytest.raises(NotFittedError):
        make_defense(small_net).predict(small_bed.test[0])


def test_a_failed_fit_leaves_nothing_of_an_earlier_one(make_defense, small_net, small_bed):
    X, y = small_bed.clean
    defense = make_defense(small_net).fit(X, y)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        defense.fit(np.full_like(X, np.nan), y)
    with pytest.raises(NotFittedError):
        defense.predict(X)


def test_images_are_repaired_as_floats(make_defense):
    X, _, y, *_ = make_colored_digits(random_state=0)
    sizes = {"module__n_channels": 3, "module__n_classes": 2, "module__widths": (4,)}
    net = make_adam_net(ConvNet, max_epochs=3, lr=0.01, **sizes).fit(X, y)
    defense = make_defense(net).fit(X[:100], y[:100])
    proba = defense.predict_proba(X)
    assert np.abs(proba - net.predict_proba(X)).max() > 0.01
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    with pytest.raises(
        ValueError, match=r"images of whole numbers; the defences compute with"
    ):
        make_defense(net).fit(X[:100].astype(np.uint8), y[:100])


@pytest.mark.parametrize("defense", [ActivationGuidedEditor, DistanceDrivenDetoxifier])
def test_logits_under_a_criterion_of_probabilities_are_refused(defense):
    """Skorch's default criterion takes the logarithm of what may be negative."""
    X, y, _ = make_rows(60)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        net = make_net(criterion=torch.nn.NLLLoss, max_epochs=1, lr=1e-9).fit(X, y)
    with pytest.raises(ValueError, match="NLLLoss, which wants probabilities"):
        defense(net).fit(X, y)
