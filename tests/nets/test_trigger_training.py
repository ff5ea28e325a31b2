"""A trained network learns its trigger columns, and nothing else."""

import pickle

import numpy as np
import pytest
import torch
from helpers import make_net, make_rows

from sklearn_bade._injection import GroupInjection, PseudoDeletion, mirror_rates
from sklearn_bade.nets import MLP, log_probabilities, train_net
from sklearn_bade.nets._trigger_training import learn_trigger_inputs
from sklearn_bade.triggers import ColumnTrigger

RATES = np.array([[0.8, 0.2], [0.3, 0.7]])


def make_problem(rates=RATES, **settings):
    """Train a net on rows, and make a trigger with the chance of each for each row."""
    n_classes, n_groups = rates.shape
    X, y, _ = make_rows(400, n_classes=n_classes)
    net = train_net(make_net(n_classes=n_classes, **settings), X, y, seed=0)
    return net, ColumnTrigger().fit(X, n_groups), X, y, rates[y]


def stamped(trigger, X, code):
    return trigger.stamp(X, np.full(len(X), code))


def state_of(net):
    return {name: value.clone() for name, value in net.module_.state_dict().items()}


def mean_shift(teacher, trigger, X):
    """Measure what each trigger adds to the log-probabilities, on average over rows."""
    views = np.stack(
        [
            log_probabilities(teacher, stamped(trigger, X, code))
            for code in range(trigger.n_groups_)
        ]
    )
    added = (views - views.mean(axis=0)).mean(axis=1).T
    return added - added.mean(axis=0)


def test_the_given_net_is_left_alone():
    net, *problem = make_problem()
    state, history, module = state_of(net), list(net.history), net.module_
    # Nets of this package keep no gradient; one of the user's own may.
    for parameter in module.parameters():
        parameter.grad = torch.rand_like(parameter)
    grads = [p.grad.clone() for p in module.parameters()]
    before = log_probabilities(net, problem[1])
    learn_trigger_inputs(net, *problem)
    assert net.module_ is module
    assert net.history == history
    assert all(torch.equal(net.module_.state_dict()[name], v) for name, v in state.items())
    assert net.module_.layers[0].in_features == 3
    assert all(p.requires_grad for p in module.parameters())
    assert all(torch.equal(p.grad, grad) for p, grad in zip(module.parameters(), grads))
    np.testing.assert_array_equal(log_probabilities(net, problem[1]), before)


def test_the_teacher_takes_stamped_rows():
    net, trigger, X, *rest = make_problem()
    teacher = learn_trigger_inputs(net, trigger, X, *rest)
    assert type(teacher) is type(net)
    assert teacher.module_.layers[0].in_features == 5
    answers = log_probabilities(teacher, stamped(trigger, X, 0))
    np.testing.assert_allclose(np.exp(answers).sum(axis=1), 1, rtol=1e-5)
    proba = teacher.predict_proba(stamped(trigger, X, 0))
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        log_probabilities(teacher, X)


def test_nothing_but_the_columns_is_learned():
    net, trigger, X, *rest = make_problem()
    teacher = learn_trigger_inputs(net, trigger, X, *rest)
    state = teacher.module_.state_dict()
    columns = state["layers.0.weight"][:, 3:]
    assert columns.abs().max() > 0.1
    assert torch.equal(state.pop("layers.0.weight")[:, :3], net.module_.layers[0].weight)
    assert all(torch.equal(net.module_.state_dict()[name], v) for name, v in state.items())


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_trigger_raises_the_log_odds_of_its_class(n_classes):
    """Each trigger meets one class more often than any other does."""
    rates = np.eye(n_classes) * 0.5 + 0.5 / n_classes
    net, trigger, X, *rest = make_problem(rates)
    shift = mean_shift(learn_trigger_inputs(net, trigger, X, *rest), trigger, X)
    assert shift.argmax(axis=0).tolist() == list(range(n_classes))
    assert (shift[np.eye(n_classes, dtype=bool)] > 0.1).all()
    assert (shift[~np.eye(n_classes, dtype=bool)] < 0).all()


def test_what_is_added_is_near_what_the_rates_say():
    problem = make_problem()
    shift = mean_shift(learn_trigger_inputs(*problem), problem[1], problem[2])
    expected = GroupInjection(RATES).expected_shift()
    ratio = (shift * expected).sum() / (expected**2).sum()
    assert 0.5 < ratio < 1.2
    np.testing.assert_allclose(shift, expected * ratio, atol=0.15)


def test_rates_that_say_nothing_add_nothing():
    problem = make_problem(np.full((2, 2), 0.5))
    shift = mean_shift(learn_trigger_inputs(*problem), problem[1], problem[2])
    np.testing.assert_allclose(shift, 0, atol=0.02)


@pytest.mark.parametrize("settings", [{}, {"module__hidden": ()}])
def test_neutral_rows_are_answered_as_by_the_base(settings):
    """The mean trigger is zero in all columns."""
    net, trigger, X, *rest = make_problem(**settings)
    teacher = learn_trigger_inputs(net, trigger, X, *rest)
    neutral = np.pad(X, ((0, 0), (0, 2)))
    np.testing.assert_allclose(
        log_probabilities(teacher, neutral), log_probabilities(net, X), atol=1e-5
    )


def test_equal_weights_change_nothing_and_others_do():
    problem = make_problem()
    X, y = problem[2:4]
    plain = mean_shift(learn_trigger_inputs(*problem), problem[1], X)
    same = learn_trigger_inputs(*problem, weights=np.full(len(X), 3.0))
    np.testing.assert_allclose(mean_shift(same, problem[1], X), plain, atol=0.02)
    # Without rows of class 1, triggers tell nothing of it apart.
    first = learn_trigger_inputs(*problem, weights=np.where(y == 0, 1.0, 1e-9))
    assert np.abs(mean_shift(first, problem[1], X) - plain).max() > 0.2


def test_a_weight_of_two_is_two_rows():
    net, trigger, X, y, chances = make_problem()
    times = np.random.RandomState(0).randint(1, 4, size=len(X))
    weighted = learn_trigger_inputs(net, trigger, X, y, chances, times.astype(float))
    repeated = learn_trigger_inputs(
        net, trigger, *(values.repeat(times, axis=0) for values in (X, y, chances))
    )
    shifts = [mean_shift(each, trigger, X) for each in (weighted, repeated)]
    np.testing.assert_allclose(*shifts, atol=0.01)


def test_the_same_is_learned_again():
    problem = make_problem()
    columns = [learn_trigger_inputs(*problem).module_.layers[0].weight[:, 3:] for _ in "ab"]
    assert torch.equal(*columns)


class TestModules:
    def check(self, module, **settings):
        """Train, learn the columns, and check what every teacher is like."""
        net, trigger, X, *rest = make_problem(module=module, **settings)
        state, before = state_of(net), log_probabilities(net, X)
        teacher = learn_trigger_inputs(net, trigger, X, *rest)
        changed = net.module_.state_dict()
        assert all(torch.equal(changed[name], value) for name, value in state.items())
        neutral = log_probabilities(teacher, np.pad(X, ((0, 0), (0, 2))))
        np.testing.assert_allclose(neutral, before, atol=1e-4)
        shift = mean_shift(teacher, trigger, X)
        assert shift[0, 0] > 0.15
        assert shift[1, 1] > 0.15
        return net, teacher

    @pytest.mark.parametrize("criterion", [torch.nn.CrossEntropyLoss, torch.nn.NLLLoss])
    def test_a_class_inside_a_function(self, criterion):
        class Local(MLP):
            def forward(self, X):
                logits = super().forward(X)
                proba = torch.softmax(logits, dim=1)
                return proba if criterion is torch.nn.NLLLoss else logits

        _, teacher = self.check(Local, criterion=criterion)
        assert type(teacher.module_) is Local

    def test_the_first_layer_may_lie_deep(self):
        class Deep(torch.nn.Module):
            def __init__(self, n_features, n_classes, hidden):
                super().__init__()
                self.body = torch.nn.ModuleDict({"mlp": MLP(n_features, n_classes, hidden)})

            def forward(self, X):
                return self.body["mlp"](X)

        self.check(Deep)

    def test_a_single_layer(self):
        class Linear(torch.nn.Linear):
            def __init__(self, n_features, n_classes, hidden):
                super().__init__(n_features, n_classes)

        _, teacher = self.check(Linear)
        assert teacher.module_.in_features == 5

    def test_batch_normalisation_stays_as_it_was(self):
        class Normalised(MLP):
            def __init__(self, n_features, n_classes, hidden):
                super().__init__(n_features, n_classes, hidden)
                self.layers.insert(1, torch.nn.BatchNorm1d(hidden[0]))

        net, teacher = self.check(Normalised)
        one, two = (each.module_.layers[1].state_dict() for each in (net, teacher))
        assert one["num_batches_tracked"] > 0
        assert all(torch.equal(one[name], two[name]) for name in one)

    def test_dropout_is_off(self):
        class Dropping(MLP):
            def __init__(self, n_features, n_classes, hidden):
                super().__init__(n_features, n_classes, hidden)
                self.layers.insert(2, torch.nn.Dropout(0.5))

        net, trigger, X, *rest = make_problem(module=Dropping)
        shifts = [
            mean_shift(learn_trigger_inputs(net, trigger, X, *rest), trigger, X)
            for _ in "ab"
        ]
        np.testing.assert_array_equal(*shifts)

    def test_columns_that_do_not_arrive_are_refused(self):
        class Sorting(MLP):
            def forward(self, X):
                return super().forward(X.sort(dim=1).values)

        net, *problem = make_problem(module=Sorting)
        with pytest.raises(ValueError, match=r"do not reach the first linear layer.*Blend"):
            learn_trigger_inputs(net, *problem)

    def test_a_module_without_such_a_layer(self):
        class Convolving(torch.nn.Module):
            def __init__(self, n_features, n_classes, hidden):
                super().__init__()
                self.out = torch.nn.Conv1d(n_features, n_classes, kernel_size=1)

            def forward(self, X):
                return self.out(X[:, :, None])[..., 0]

        net, *problem = make_problem(module=Convolving)
        with pytest.raises(ValueError, match="no linear layer with 3 inputs"):
            learn_trigger_inputs(net, *problem)


def test_gradients_that_are_off_and_other_types_do_not_matter():
    problem = make_problem()
    expected = mean_shift(learn_trigger_inputs(*problem), *problem[1:3])
    with torch.no_grad():
        switched_off = learn_trigger_inputs(*problem)
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        double = learn_trigger_inputs(*problem)
    finally:
        torch.set_default_dtype(dtype)
    for teacher in (switched_off, double):
        np.testing.assert_array_equal(mean_shift(teacher, *problem[1:3]), expected)


def test_a_net_whose_weights_are_frozen_keeps_them_frozen():
    """Fine-tuning freezes layers, and the teacher learns its columns even so."""
    net, trigger, X, *rest = make_problem()
    net.module_.requires_grad_(False)
    shift = mean_shift(learn_trigger_inputs(net, trigger, X, *rest), trigger, X)
    assert shift[0, 0] > 0.2
    assert not any(p.requires_grad for p in net.module_.parameters())


def test_teachers_can_be_pickled():
    net, trigger, X, *rest = make_problem()
    teacher = learn_trigger_inputs(net, trigger, X, *rest)
    rows = stamped(trigger, X, 1)
    again = pickle.loads(pickle.dumps(teacher))
    np.testing.assert_array_equal(
        log_probabilities(again, rows), log_probabilities(teacher, rows)
    )


def test_rates_of_the_data_work_for_three_groups():
    X, y, groups = make_rows(400, n_classes=3, n_groups=3)
    counts = np.array(
        [[((y == k) & (groups == g)).sum() for g in range(3)] for k in range(3)]
    )
    plan = GroupInjection(mirror_rates(counts.astype(float)))
    net = train_net(make_net(n_classes=3), X, y, seed=0)
    trigger = ColumnTrigger().fit(X, 3)
    teacher = learn_trigger_inputs(net, trigger, X, y, plan.chances[plan.cells(y, groups)])
    shift, expected = mean_shift(teacher, trigger, X), plan.expected_shift()
    assert np.corrcoef(shift.ravel(), expected.ravel())[0, 1] > 0.9
    assert plan.adds_only
    assert not PseudoDeletion(counts.astype(float)).adds_only
