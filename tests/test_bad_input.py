"""What bad input gets: the message says what was wrong and what to do."""

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import make_net, make_rows
from lightgbm import LGBMClassifier
from scipy.sparse import csr_array
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from skorch.dataset import Dataset

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.exceptions import FewRowsWarning
from sklearn_bade.nets import MLP


def debias(net=None, **settings):
    settings = {"random_state": 0, **settings}
    return BackdoorDebiasClassifier(make_net() if net is None else net, **settings)


def assert_fit_raises(clf, error, message, X=None, y=None, **fit_params):
    rows = make_rows()
    X, y = rows[0] if X is None else X, rows[1] if y is None else y
    with pytest.raises(error, match=message):
        clf.fit(X, y, **fit_params)
    with pytest.raises(NotFittedError):
        clf.predict(X)


GROUPS = make_rows()[2]


class TestSensitiveAttribute:
    def test_none_anywhere(self):
        message = r"sensitive_columns=\.\.\.\).*fit\(X, y, sensitive_features=\.\.\.\)"
        assert_fit_raises(debias(), ValueError, message)

    def test_name_not_in_X(self):
        X = pd.DataFrame(make_rows()[0], columns=["age", "sex", "job"])
        message = r"'gender' is not a column.*\['age', 'sex', 'job'\]"
        assert_fit_raises(debias(sensitive_columns="gender"), ValueError, message, X)

    def test_position_out_of_range(self):
        assert_fit_raises(debias(sensitive_columns=3), ValueError, "out of range.*0 to 2")

    def test_one_group(self):
        same = np.full(200, "f")
        message = "only one group.*'f'"
        assert_fit_raises(debias(), ValueError, message, sensitive_features=same)

    def test_all_missing(self):
        missing = np.full(200, np.nan)
        message = "missing in every row"
        assert_fit_raises(debias(), ValueError, message, sensitive_features=missing)

    def test_wrong_length(self):
        message = "inconsistent numbers of samples"
        assert_fit_raises(debias(), ValueError, message, sensitive_features=GROUPS[:-1])

    def test_small_cell_warns_with_name_and_count(self):
        X, y, groups = make_rows()
        groups = np.where((y == 1) & (np.cumsum(y) <= 2), 7, np.minimum(groups, 0))
        groups[np.flatnonzero(y == 0)[:50]] = 7
        with pytest.warns(FewRowsWarning, match=r"class 1 in group 7: 2 row\(s\)"):
            debias().fit(X, y, sensitive_features=groups)

    def test_nothing_but_sensitive_columns(self):
        clf = debias(sensitive_columns=[0, 1, 2], n_bins=2)
        assert_fit_raises(clf, ValueError, "n_features=3, all of them sensitive")


class TestFeatures:
    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_missing_or_infinite(self, value):
        X = make_rows()[0]
        X[3, 1] = value
        message = "contains (NaN|infinity)"
        assert_fit_raises(debias(), ValueError, message, X, sensitive_features=GROUPS)

    def test_missing_in_a_frame(self):
        X = pd.DataFrame(make_rows()[0], columns=["a", "b", "c"])
        X.loc[3, "b"] = np.nan
        message = "contains NaN"
        assert_fit_raises(debias(), ValueError, message, X, sensitive_features=GROUPS)

    def test_missing_at_predict(self):
        X, y, groups = make_rows()
        clf = debias().fit(X, y, sensitive_features=groups)
        X[0, 0] = np.nan
        with pytest.raises(ValueError, match="contains NaN"):
            clf.predict(X)

    def test_infinite_for_the_default_estimator(self):
        X = make_rows()[0]
        X[3, 1] = np.inf
        clf = BackdoorDebiasClassifier()
        assert_fit_raises(clf, ValueError, "infinity", X, sensitive_features=GROUPS)

    def test_strings_for_a_bare_net(self):
        X = pd.DataFrame({"a": np.arange(200.0), "b": "x"})
        message = "needs numbers.*Pipeline"
        assert_fit_raises(debias(), ValueError, message, X, sensitive_features=GROUPS)

    def test_sparse(self):
        X = csr_array(make_rows()[0])
        clf = BackdoorDebiasClassifier()
        message = "Sparse data was passed"
        assert_fit_raises(clf, TypeError, message, X, sensitive_features=GROUPS)

    def test_pipeline_that_names_the_sensitive_column(self):
        X = pd.DataFrame(make_rows()[0], columns=["age", "sex", "job"])
        X["sex"] = GROUPS
        pipeline = make_pipeline(
            make_column_transformer((StandardScaler(), ["age", "sex"])), make_net(2)
        )
        clf = debias(pipeline, sensitive_columns="sex")
        message = r"^'sex' is a sensitive column, which is removed before the first step"
        with pytest.raises(ValueError, match=message):
            clf.fit(X, make_rows()[1])

    def test_wrong_number_at_predict(self):
        X, y, groups = make_rows()
        clf = debias().fit(X, y, sensitive_features=groups)
        with pytest.raises(ValueError, match=r"X has 2 features.*expecting 3"):
            clf.predict(X[:, :2])


class TestLabels:
    def test_one_class(self):
        y = np.full(200, "yes")
        message = "only one class: every row is.*'yes'"
        assert_fit_raises(debias(), ValueError, message, y=y, sensitive_features=GROUPS)

    def test_missing(self):
        y = make_rows()[1].astype(float)
        y[0] = np.nan
        message = "y contains NaN"
        assert_fit_raises(debias(), ValueError, message, y=y, sensitive_features=GROUPS)

    def test_regression_targets(self):
        y = np.linspace(0, 1, 200)
        message = "Unknown label type: continuous"
        assert_fit_raises(debias(), ValueError, message, y=y, sensitive_features=GROUPS)


class TestParameters:
    @pytest.mark.parametrize(
        "settings",
        [
            {"injection": "upside down"},
            {"hard_label_weight": 1.1},
            {"temperature": 0},
            {"student_epochs": 0},
            {"student_init": "random"},
            {"trigger": "none"},
            {"n_bins": 1},
        ],
    )
    def test_names_the_parameter(self, settings):
        name = next(iter(settings))
        clf = BackdoorDebiasClassifier(**{"estimator": make_net(), **settings})
        message = f"The '{name}' parameter of BackdoorDebiasClassifier must be"
        assert_fit_raises(clf, ValueError, message, sensitive_features=GROUPS)

    def test_estimator_that_is_none(self):
        message = "The 'estimator' parameter of BackdoorDebiasClassifier must be"
        with pytest.raises(ValueError, match=message):
            BackdoorDebiasClassifier("net").fit(*make_rows()[:2], sensitive_features=GROUPS)

    def test_strengths_for_another_number_of_classes(self):
        clf = debias(trigger_strength=[1.0, 1.0, 1.0])
        message = r"one per class \(2\)"
        assert_fit_raises(clf, ValueError, message, sensitive_features=GROUPS)

    @pytest.mark.parametrize("base_rate", [[0.5, 0.3, 0.2], [1.0, 0.0], "other"])
    def test_base_rates_that_are_none(self, base_rate):
        clf = debias(base_rate=base_rate)
        message = "base_rate.*(one per class|must be a str)"
        assert_fit_raises(clf, ValueError, message, sensitive_features=GROUPS)

    def test_balanced_with_three_groups(self):
        clf = debias(injection="balanced")
        groups = np.arange(200) % 3
        message = "2 classes and 3 groups"
        assert_fit_raises(clf, ValueError, message, sensitive_features=groups)


class Embedding(torch.nn.Module):
    """No linear layer sees the features."""

    def __init__(self, n_features, n_classes, hidden):
        super().__init__()
        self.table = torch.nn.Embedding(3, n_classes)

    def forward(self, X):
        return self.table((X > 0).long()).sum(dim=1)


class NormalisedFirst(MLP):
    """A layer of fixed width stands before the first linear layer."""

    def __init__(self, n_features, n_classes, hidden):
        super().__init__(n_features, n_classes, hidden)
        self.norm = torch.nn.LayerNorm(n_features)

    def forward(self, X):
        return super().forward(self.norm(X))


class Rescaled(MLP):
    """Input is changed before the first linear layer."""

    def forward(self, X):
        return super().forward(2 * X)


class TestNets:
    @pytest.mark.parametrize(
        ("module", "message"),
        [
            (Embedding, r"no linear layer with 3 inputs.*take \[\].*BlendTrigger"),
            (NormalisedFirst, "cannot take 2 trigger columns.*BlendTrigger"),
            (Rescaled, "do not reach the first linear layer.*BlendTrigger"),
        ],
    )
    def test_first_layer_that_cannot_be_widened(self, module, message):
        clf = debias(make_net(module=module))
        assert_fit_raises(clf, ValueError, message, sensitive_features=GROUPS)

    def test_wrong_number_of_outputs(self):
        clf = debias(make_net(n_classes=3))
        message = "returned an output of shape.*y has 2 classes"
        assert_fit_raises(clf, ValueError, message, sensitive_features=GROUPS)

    @pytest.mark.parametrize("criterion", [torch.nn.MSELoss, torch.nn.BCELoss()])
    def test_criterion_without_soft_targets(self, criterion):
        clf = debias(make_net(criterion=criterion))
        message = "criterion is (MSELoss|BCELoss).*CrossEntropyLoss"
        assert_fit_raises(clf, ValueError, message, sensitive_features=GROUPS)

    def test_dataset_class_of_its_own(self):
        class OwnDataset(Dataset):
            pass

        clf = debias(make_net(dataset=OwnDataset))
        message = "dataset class of its own.*OwnDataset"
        assert_fit_raises(clf, ValueError, message, sensitive_features=GROUPS)

    def test_classifiers_without_weights(self):
        clf = debias(KNeighborsClassifier())
        message = "KNeighborsClassifier.*no sample_weight.*NeuralNetClassifier"
        assert_fit_raises(clf, TypeError, message, sensitive_features=GROUPS)

    def test_loss_turned_nan_names_stage_epoch_and_causes(self):
        clf = debias(make_net(optimizer=torch.optim.SGD, lr=1e30))
        message = "training the plain network, in epoch 1.*learning rate.*scaled.*criterion"
        assert_fit_raises(clf, RuntimeError, message, sensitive_features=GROUPS)

    def test_nan_in_the_student_names_the_student(self):
        class Break(Callback):
            def on_train_begin(self, net, **kwargs):
                if net.stage_name == "student":
                    for parameter in net.module_.parameters():
                        parameter.data.fill_(torch.nan)

        net = make_net(callbacks=[("break", Break())])
        clf = debias(net, student="single", student_init="scratch")
        message = "training the student, in epoch 1"
        assert_fit_raises(clf, RuntimeError, message, sensitive_features=GROUPS)


class InterruptedMLP(MLP):
    """Ctrl-C arrives in the third forward pass in training."""

    passes = 0

    def forward(self, X):
        if self.training:
            self.passes += 1
            if self.passes == 3:
                raise KeyboardInterrupt
        return super().forward(X)


def test_interrupt_reaches_the_caller_and_leaves_nothing_behind():
    X, y, groups = make_rows()
    clf = debias(make_net(module=InterruptedMLP))
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y, sensitive_features=groups)
    with pytest.raises(NotFittedError):
        clf.predict(X)


def test_failed_refit_leaves_nothing_of_the_first_fit():
    X, y, groups = make_rows()
    clf = debias().fit(X, y, sensitive_features=groups)
    with pytest.raises(ValueError, match="only one group"):
        clf.fit(X, y, sensitive_features=np.zeros(len(y)))
    with pytest.raises(NotFittedError):
        clf.predict(X)


def test_columns_that_may_be_left_out_are_told_from_those_that_may_not():
    X, y, _ = make_biased_classification(100, random_state=0)
    clf = BackdoorDebiasClassifier(LogisticRegression(), sensitive_columns="group")
    clf.fit(X, y)
    with pytest.raises(ValueError, match="merit_0") as raised:
        clf.predict(X.drop(columns=["group", "merit_0"]))
    assert raised.value.__notes__ == ["The sensitive columns ['group'] may be left out."]
    with pytest.raises(ValueError, match="merit_0") as raised:
        clf.predict(X.drop(columns="merit_0"))
    assert not hasattr(raised.value, "__notes__")


@pytest.mark.parametrize(
    "classifier",
    [LogisticRegression(), HistGradientBoostingClassifier(), LGBMClassifier(verbose=-1)],
    ids=["logistic", "boosting", "lightgbm"],
)
@pytest.mark.parametrize("kept", [["when"], ["city"], ["when", "city"]], ids="-".join)
def test_columns_that_are_no_numbers_are_named(classifier, kept):
    X, y, _ = make_biased_classification(100, random_state=0)
    more = {
        "when": pd.date_range("2024-01-01", periods=100),
        "city": np.resize(["Bonn", "Ulm"], 100),
    }
    frame = X.assign(**{name: more[name] for name in kept})
    clf = BackdoorDebiasClassifier(classifier, sensitive_columns="group")
    with pytest.raises(ValueError, match=r"(?s)needs numbers.*Pipeline") as raised:
        clf.fit(frame, y)
    assert f"in {kept} (" in str(raised.value)
