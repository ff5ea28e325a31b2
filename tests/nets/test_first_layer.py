import pytest
import torch

from sklearn_bade.nets import MLP
from sklearn_bade.nets._first_layer import cut_back, find_first_linear, widen


def test_widening_keeps_parameters_and_old_weights():
    layer = torch.nn.Linear(3, 5)
    parameter, before = layer.weight, layer.weight.detach().clone()
    widen(layer, 2)
    assert layer.weight is parameter
    assert layer.weight.shape == (5, 5)
    assert layer.in_features == 5
    assert torch.equal(layer.weight[:, :3], before)


def test_zero_triggers_change_nothing_and_cutting_back_undoes_widening():
    teacher, student = MLP(3, 2), MLP(3, 2)
    X = torch.randn(10, 3)
    expected = teacher(X)
    widen(find_first_linear(teacher, 3), 2)
    padded = torch.nn.functional.pad(X, (0, 2))
    torch.testing.assert_close(teacher(padded), expected)
    student.load_state_dict(cut_back(teacher.state_dict(), student.state_dict()))
    torch.testing.assert_close(student(X), expected)


def test_first_layer_by_its_inputs():
    module = torch.nn.Sequential(torch.nn.Linear(7, 3), torch.nn.Linear(3, 4))
    assert find_first_linear(module, 3) is module[1]


def test_no_layer_names_what_there_is():
    with pytest.raises(ValueError, match=r"MLP has no linear layer with 9.*\[3, 64, 32\]"):
        find_first_linear(MLP(3, 2), 9)
