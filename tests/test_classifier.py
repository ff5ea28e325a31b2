import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from helpers import make_net, make_rows
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from skorch import NeuralNetClassifier
from skorch.callbacks import EarlyStopping, EpochScoring, LRScheduler
from skorch.dataset import Dataset, ValidSplit
from skorch.helper import predefined_split

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.exceptions import OwnLossWarning, VanishedClassWarning
from sklearn_bade.metrics import (
    average_absolute_odds_difference,
    equalized_odds_difference,
    make_fairness_scorer,
)
from sklearn_bade.nets import MLP
from sklearn_bade.triggers import BlendTrigger, ColumnTrigger


def debias(net=None, **settings):
    settings = {"random_state": 0, **settings}
    return BackdoorDebiasClassifier(make_net() if net is None else net, **settings)


def raw_frame(n_samples=300, seed=0):
    """Make a raw frame with a string column and a sensitive one, and labels."""
    X, y, _ = make_biased_classification(n_samples, random_state=seed)
    X["job"] = np.where(X["merit_0"] > 0, "skilled", "other")
    return X, y


def frame_pipeline(n_features=12):
    X, _ = raw_frame(10)
    numbers = [name for name in X if name not in ("group", "job")]
    encode = make_column_transformer(
        (StandardScaler(), numbers), (OneHotEncoder(sparse_output=True), ["job"])
    )
    return make_pipeline(encode, make_net(n_features))


class TestSensitiveAttribute:
    def test_prediction_does_not_need_the_column(self):
        X, y = raw_frame()
        clf = debias(frame_pipeline(), sensitive_columns="group").fit(X, y)
        without = X.drop(columns="group")
        np.testing.assert_array_equal(clf.predict(X), clf.predict(without))
        np.testing.assert_array_equal(clf.predict_proba(X), clf.predict_proba(without))

    def test_prediction_does_not_use_the_column(self):
        X, y, groups = make_rows()
        X = np.column_stack([X, groups])
        clf = debias(sensitive_columns=3).fit(X, y)
        flipped = X.copy()
        flipped[:, 3] = 1 - flipped[:, 3]
        np.testing.assert_array_equal(clf.predict_proba(X), clf.predict_proba(flipped))
        np.testing.assert_array_equal(clf.predict_proba(X), clf.predict_proba(X[:, :3]))

    def test_column_argument_and_callable_agree(self):
        X, y, groups = make_rows()
        with_column = np.column_stack([X, groups])
        expected = debias(sensitive_columns=-1).fit(with_column, y).predict_proba(X)
        given = debias().fit(X, y, sensitive_features=groups)
        np.testing.assert_array_equal(given.predict_proba(X), expected)
        computed = debias(sensitive_columns=lambda X: groups).fit(X, y)
        np.testing.assert_array_equal(computed.predict_proba(X), expected)

    def test_argument_wins_and_the_column_still_leaves(self):
        X, y, groups = make_rows()
        noise = np.arange(len(y)) % 2
        clf = debias(sensitive_columns=3)
        clf.fit(np.column_stack([X, noise]), y, sensitive_features=groups)
        expected = debias().fit(X, y, sensitive_features=groups)
        np.testing.assert_array_equal(clf.injection_rates_, expected.injection_rates_)
        np.testing.assert_array_equal(clf.predict_proba(X), expected.predict_proba(X))

    def test_several_columns_make_combinations(self):
        X, y = raw_frame(600)
        X["age"] = np.tile([20, 30, 40], 200)
        clf = debias(frame_pipeline(), sensitive_columns=["group", "age"]).fit(X, y)
        assert clf.groups_.tolist() == [(g, a) for g in "AB" for a in (20, 30, 40)]
        assert clf.injection_rates_.shape == (2, 6)

    def test_missing_values_leave_the_rates_to_known_rows(self):
        X, y = raw_frame()
        X.loc[::3, "group"] = None
        clf = debias(frame_pipeline(), sensitive_columns="group").fit(X, y)
        assert clf.groups_.tolist() == ["A", "B"]
        known = X["group"].notna()
        counts = pd.crosstab(y[known], X.loc[known, "group"]).to_numpy()
        shares = counts / counts.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(clf.injection_rates_, shares, atol=0.01)

    def test_missing_values_in_an_object_array(self):
        X, y, groups = make_rows()
        X = np.column_stack([X, groups]).astype(object)
        X[:5, 3] = None
        assert debias(sensitive_columns=3).fit(X, y).groups_.tolist() == [0.0, 1.0]


class TestInputs:
    @pytest.mark.parametrize("container", ["pandas", "polars", "list"])
    def test_containers_agree(self, container):
        X, y, groups = make_rows()
        X = np.column_stack([X, groups])
        expected = debias(sensitive_columns=3).fit(X, y).predict_proba(X)
        names = ["a", "b", "c", "sex"]
        other = {
            "pandas": lambda: pd.DataFrame(X, columns=names),
            "polars": lambda: pl.DataFrame(X, schema=names),
            "list": lambda: X.tolist(),
        }[container]()
        feature = 3 if container == "list" else "sex"
        clf = debias(sensitive_columns=feature).fit(other, y)
        np.testing.assert_allclose(clf.predict_proba(other), expected, rtol=1e-5)
        assert clf.n_features_in_ == 4
        if container != "list":
            assert clf.feature_names_in_.tolist() == names

    @pytest.mark.parametrize("dtype", [np.float64, np.int32, bool])
    def test_numeric_types(self, dtype):
        X, y, groups = make_rows()
        X = (X > 0).astype(dtype)
        clf = debias().fit(X, y, sensitive_features=groups)
        expected = debias().fit(X.astype(np.float32), y, sensitive_features=groups)
        np.testing.assert_array_equal(clf.predict(X), expected.predict(X))

    @pytest.mark.parametrize("labels", [["yes", "no"], [True, False], [7, -3], ["b", "a"]])
    def test_labels_come_back_as_they_were(self, labels):
        X, y, groups = make_rows()
        y = np.asarray(labels)[y]
        clf = debias().fit(X, y, sensitive_features=groups)
        assert clf.classes_.tolist() == sorted(labels)
        predicted = clf.predict(X)
        assert predicted.dtype == y.dtype
        assert set(predicted) == set(labels)
        assert clf.score(X, y) > 0.6

    @pytest.mark.parametrize("polars", [False, True])
    def test_default_estimator_takes_a_raw_frame(self, polars):
        X, y = raw_frame()
        X.loc[:9, "merit_1"] = np.nan
        X.loc[5:8, "job"] = None
        if polars:
            X = pl.DataFrame(
                {name: X[name].astype(object).tolist() for name in X}, strict=False
            )
        clf = BackdoorDebiasClassifier(sensitive_columns="group", random_state=0).fit(X, y)
        assert clf.score(X, y) > 0.6

    def test_columns_in_another_order_are_refused(self):
        X, y = raw_frame()
        clf = debias(frame_pipeline(), sensitive_columns="group").fit(X, y)
        for reordered in (X[X.columns[::-1]], X.drop(columns="group").iloc[:, ::-1]):
            with pytest.raises(ValueError, match="feature names should match"):
                clf.predict(reordered)

    def test_frame_without_names_may_lack_the_column(self):
        X, y, groups = make_rows()
        frame = pd.DataFrame(np.column_stack([X, groups]))
        clf = debias(sensitive_columns=3).fit(frame, y)
        np.testing.assert_array_equal(clf.predict(frame), clf.predict(frame[[0, 1, 2]]))
        np.testing.assert_array_equal(clf.predict(frame), clf.predict(frame.to_numpy()))


class TestManyClassesAndGroups:
    def test_shapes(self):
        X, y, groups = make_rows(600, n_classes=3, n_groups=4)
        clf = debias(make_net(n_classes=3))
        clf.fit(X, y, sensitive_features=groups)
        assert clf.injection_rates_.shape == (3, 4)
        proba = clf.predict_proba(X)
        assert proba.shape == (600, 3)
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)

    def test_one_strength_per_class(self):
        X, y, groups = make_rows()
        same = debias(trigger_strength=[1.5, 1.5]).fit(X, y, sensitive_features=groups)
        single = debias(trigger_strength=1.5).fit(X, y, sensitive_features=groups)
        np.testing.assert_array_equal(same.predict_proba(X), single.predict_proba(X))
        other = debias(trigger_strength=[0.0, 3.0]).fit(X, y, sensitive_features=groups)
        assert np.abs(other.predict_proba(X) - single.predict_proba(X)).max() > 0.01


class TestSettings:
    @pytest.mark.parametrize("base_rate", ["keep", "drift"])
    @pytest.mark.parametrize("injection", ["mirror", "balanced"])
    @pytest.mark.parametrize("student_init", ["teacher", "scratch"])
    def test_every_combination_learns(self, base_rate, injection, student_init):
        X, y, groups = make_rows()
        clf = debias(
            base_rate=base_rate,
            injection=injection,
            student="single",
            student_init=student_init,
        )
        assert clf.fit(X, y, sensitive_features=groups).score(X, y) > 0.6

    def test_keep_holds_the_base_rate_of_soft_targets(self):
        settings = {"student": "single", "student_epochs": 5}
        rng = np.random.RandomState(0)
        groups = (rng.uniform(size=3000) < 0.2).astype(int)
        X = rng.normal(size=(3000, 3)) + groups[:, None]
        y = (rng.uniform(size=3000) < np.where(groups, 0.6, 0.1)).astype(int)
        off = {}
        for base_rate in ("keep", "drift"):
            clf = debias(base_rate=base_rate, trigger_strength=2.0, **settings)
            with warnings.catch_warnings():  # debiased, nobody is likelier than not
                warnings.simplefilter("ignore", VanishedClassWarning)
                proba = clf.fit(X, y, sensitive_features=groups).predict_proba(X)
            off[base_rate] = abs(proba[:, 1].mean() - y.mean())
        assert off["keep"] < 0.02 < off["drift"]

    def test_temperature_and_hard_labels_matter(self):
        X, y, groups = make_rows()

        def proba(**settings):
            clf = debias(student="single", **settings)
            return clf.fit(X, y, sensitive_features=groups).predict_proba(X)

        plain = proba()
        assert np.abs(proba(temperature=5.0) - plain).max() > 1e-3
        assert np.abs(proba(hard_label_weight=0.5) - plain).max() > 1e-3

    def test_only_hard_labels_is_a_plain_classifier(self):
        X, y, groups = make_rows()
        settings = {
            "student": "single",
            "hard_label_weight": 1.0,
            "student_init": "scratch",
        }
        weak = debias(trigger_strength=0.0, **settings).fit(X, y, sensitive_features=groups)
        strong = debias(trigger_strength=5.0, **settings).fit(
            X, y, sensitive_features=groups
        )
        np.testing.assert_array_equal(weak.predict_proba(X), strong.predict_proba(X))

    def test_student_epochs(self):
        X, y, groups = make_rows()

        def history(**settings):
            clf = debias(student="single", **settings)
            return clf.fit(X, y, sensitive_features=groups).student_.history

        assert len(history(student_epochs=3)) == 3
        assert len(history()) == 1
        assert len(history(student_init="scratch")) == 5

    @pytest.mark.parametrize("n_bins", [2, 3])
    def test_n_bins(self, n_bins):
        X, y, _ = make_rows()
        X[:, 1] += X[:, 0]
        clf = debias(make_net(2), sensitive_columns=0, n_bins=n_bins).fit(X, y)
        assert len(clf.groups_) == n_bins

    def test_custom_trigger_is_cloned(self):
        X, y, groups = make_rows()
        trigger = ColumnTrigger(scale=2.0)
        clf = debias(trigger=trigger, keep_teacher=True).fit(
            X, y, sensitive_features=groups
        )
        assert clf.trigger_.scale == 2.0
        assert not hasattr(trigger, "patterns_")

    def test_blend_trigger_starts_the_student_afresh(self):
        X, y, groups = make_rows()
        clf = debias(trigger=BlendTrigger(), student="single")
        clf.fit(X, y, sensitive_features=groups)
        assert len(clf.student_.history) == 5
        assert clf.score(X, y) > 0.6

    def test_blend_trigger_may_not_start_from_the_teacher(self):
        X, y, groups = make_rows()
        clf = debias(trigger=BlendTrigger(), student="single", student_init="teacher")
        with pytest.raises(ValueError, match=r"hand the backdoor on.*scratch"):
            clf.fit(X, y, sensitive_features=groups)


def test_a_single_student_at_strength_one_is_the_papers():
    """It learns what the teacher says of each row under the other group's trigger."""
    X, y, groups = make_rows(300)
    exact = LogisticRegression(solver="newton-cholesky", tol=1e-8)
    clf = BackdoorDebiasClassifier(
        exact, student="single", base_rate="drift", keep_teacher=True, random_state=0
    ).fit(X, y, sensitive_features=groups)
    targets = clf.teacher_.predict_proba(clf.trigger_.stamp(X, 1 - groups))
    by_hand = clone(exact).fit(
        np.vstack([X, X]), np.repeat([0, 1], 300), sample_weight=targets.T.ravel()
    )
    np.testing.assert_allclose(clf.predict_proba(X), by_hand.predict_proba(X), atol=1e-5)


class TestTheControl:
    """Strength 0 is the plain classifier, and a class that vanishes is named."""

    def unbalanced(self):
        rng = np.random.RandomState(0)
        groups = (rng.uniform(size=4000) < 0.84).astype(int)
        X = rng.normal(size=(4000, 3)).astype(np.float32)
        X[:, 0] += 0.9 * groups
        score = X[:, 0] + 0.8 * X[:, 1] + 0.7 * rng.normal(size=4000)
        return X, (score > -0.9).astype(int), groups

    @pytest.mark.slow
    @pytest.mark.parametrize("epochs", [3, 8])
    def test_networks_lie_within_the_spread_of_plain_ones(self, epochs):
        X, y, groups = self.unbalanced()
        net = make_net(max_epochs=epochs, lr=2e-3, batch_size=128)
        plain, ours = [], []
        for seed in range(5):
            torch.manual_seed(seed)
            plain.append(clone(net).fit(X, y).predict(X))
            clf = debias(clone(net), trigger_strength=0.0, random_state=seed)
            ours.append(clf.fit(X, y, sensitive_features=groups).predict(X))
        for rows in (slice(None), y == 0, y == 1):
            shares = [np.array([p[rows].mean() for p in each]) for each in (plain, ours)]
            spread = shares[0].std(ddof=1) + shares[1].std(ddof=1)
            assert abs(shares[0].mean() - shares[1].mean()) < 2 * spread + 0.01

    def test_other_classifiers_are_the_plain_one(self):
        X, y, groups = make_rows()
        exact = LogisticRegression(solver="newton-cholesky")
        clf = debias(exact, trigger_strength=0.0).fit(X, y, sensitive_features=groups)
        plain = clone(exact).fit(X, y)
        np.testing.assert_allclose(clf.predict_proba(X), plain.predict_proba(X), atol=1e-6)

    def test_a_class_that_vanishes_is_named(self):
        X, y, groups = self.unbalanced()
        net = make_net(max_epochs=1, lr=1e-3, batch_size=128)
        with pytest.warns(VanishedClassWarning, match=r"0: \d+ for \d+"):
            debias(net).fit(X, y, sensitive_features=groups)


class TestWhatIsKept:
    def test_no_teacher_and_no_trigger(self):
        X, y, groups = make_rows()
        clf = debias().fit(X, y, sensitive_features=groups)
        loaded = pickle.loads(pickle.dumps(clf))
        assert not hasattr(loaded, "teacher_")
        assert not hasattr(loaded, "trigger_")
        shapes = [tuple(p.shape) for p in loaded.student_.base.module_.parameters()]
        assert shapes == [(16, 3), (16,), (2, 16), (2,)]
        assert not [name for name in vars(loaded.student_) if "teacher" in name]
        np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))

    @pytest.mark.slow
    def test_pickle_does_not_grow_with_the_data(self):
        X, y, groups = make_rows(200)
        small = pickle.dumps(debias().fit(X, y, sensitive_features=groups))
        X, y, groups = make_rows(5000)
        large = pickle.dumps(debias().fit(X, y, sensitive_features=groups))
        # The sketch has 2048 points at most, of six numbers and a weight.
        assert len(large) < len(small) + 20_000 + 2048 * 8 * 7

    def test_teacher_on_request(self):
        X, y, groups = make_rows()
        clf = debias(keep_teacher=True).fit(X, y, sensitive_features=groups)
        stamped = [clf.trigger_.stamp(X, np.full(len(X), g)) for g in (0, 1)]
        proba = [clf.teacher_.predict_proba(rows)[:, 1].mean() for rows in stamped]
        assert proba[1] > proba[0] + 0.1

    def test_student_is_the_users_own_class(self):
        class OwnNet(NeuralNetClassifier):
            pass

        X, y, groups = make_rows()
        net = OwnNet(
            MLP,
            module__n_features=3,
            module__n_classes=2,
            criterion=torch.nn.CrossEntropyLoss,
            max_epochs=2,
            train_split=None,
            verbose=0,
        )
        clf = debias(net, student="single", keep_teacher=True)
        clf.fit(X, y, sensitive_features=groups)
        assert type(clf.student_) is type(clf.teacher_) is OwnNet
        np.testing.assert_allclose(
            clf.student_.predict_proba(X), clf.predict_proba(X), rtol=1e-5
        )

    def test_the_users_estimator_is_left_alone(self):
        X, y, groups = make_rows()
        net = make_net()
        before = dict(vars(net))
        debias(net).fit(X, y, sensitive_features=groups)
        assert not net.initialized_
        assert vars(net) == before

    def test_student_pipeline_takes_raw_rows(self):
        X, y = raw_frame()
        clf = debias(frame_pipeline(), sensitive_columns="group").fit(X, y)
        alone = clf.student_.predict(X.drop(columns="group"))
        np.testing.assert_array_equal(alone, clf.predict(X))


class TestRandomness:
    def test_same_seed_same_bits(self):
        X, y, groups = make_rows()
        one, same, other = (
            debias(random_state=seed).fit(X, y, sensitive_features=groups).predict_proba(X)
            for seed in (1, 1, 2)
        )
        np.testing.assert_array_equal(one, same)
        assert (one != other).any()

    def test_generators_outside_are_left_alone(self):
        X, y, groups = make_rows()
        torch.manual_seed(3)
        np.random.seed(3)
        expected = torch.rand(3), np.random.uniform(size=3)
        torch.manual_seed(3)
        np.random.seed(3)
        debias(random_state=0).fit(X, y, sensitive_features=groups)
        assert torch.equal(torch.rand(3), expected[0])
        np.testing.assert_array_equal(np.random.uniform(size=3), expected[1])


class TestNets:
    def test_callbacks_splits_and_schedules_work(self):
        X, y, groups = make_rows()
        net = make_net(
            train_split=ValidSplit(5, stratified=True),
            max_epochs=6,
            callbacks=[
                ("stop", EarlyStopping(patience=2)),
                ("rate", LRScheduler("StepLR", step_size=1, gamma=0.1)),
                ("auc", EpochScoring("roc_auc", use_caching=False)),
            ],
        )
        clf = debias(net, keep_teacher=True).fit(X, y, sensitive_features=groups)
        for fitted in (clf.teacher_, clf.student_.base):
            assert {"valid_loss", "valid_acc", "roc_auc"} <= set(fitted.history[0])
        assert clf.teacher_.optimizer_.param_groups[0]["lr"] < 0.01

    def test_validation_set_of_the_users_own(self):
        X, y, groups = make_rows()
        valid = Dataset(X[:50], y[:50])
        net = make_net(train_split=predefined_split(valid))
        clf = debias(net, keep_teacher=True).fit(X, y, sensitive_features=groups)
        for fitted in (clf.teacher_, clf.student_.base):
            assert "valid_loss" in fitted.history[-1]

    def test_random_validation_split_follows_the_seed(self):
        X, y, groups = make_rows()
        net = make_net(train_split=ValidSplit(0.2, stratified=True))
        one, two = (
            debias(net).fit(X, y, sensitive_features=groups).predict_proba(X)
            for _ in range(2)
        )
        np.testing.assert_array_equal(one, two)

    def test_class_weights_count_once(self):
        X, y, groups = make_rows(1000)
        weight = torch.tensor([1.0, 4.0])
        settings = {"trigger_strength": 0.0, "base_rate": "drift", "keep_teacher": True}
        net = make_net(criterion__weight=weight)
        clf = debias(net, **settings).fit(X, y, sensitive_features=groups)
        neutral = np.pad(X, ((0, 0), (0, 2)))
        teacher = clf.teacher_.predict_proba(neutral)[:, 1].mean()
        assert teacher > y.mean() + 0.05
        assert clf.predict_proba(X)[:, 1].mean() == pytest.approx(teacher, abs=0.03)

    def test_loss_of_the_nets_own_warns_and_sees_rows(self):
        seen = []

        class Penalised(NeuralNetClassifier):
            def get_loss(self, y_pred, y_true, X=None, training=False):
                seen.append(tuple(X.shape[1:]))
                return super().get_loss(y_pred, y_true, X=X, training=training)

        X, y, groups = make_rows()
        net = make_net()
        net.__class__ = Penalised
        with pytest.warns(OwnLossWarning, match="Penalised has a get_loss of its own"):
            debias(net, student="single").fit(X, y, sensitive_features=groups)
        assert set(seen) == {(5,)}
        seen.clear()
        debias(net).fit(X, y, sensitive_features=groups)
        assert set(seen) == {(3,)}

    def test_buffers_that_are_no_statistics_are_left_alone(self):
        class Masked(MLP):
            def __init__(self, n_features, n_classes, hidden):
                super().__init__(n_features, n_classes, hidden)
                self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
                self.register_buffer("flags", torch.tensor([True, False]))

        X, y, groups = make_rows()
        clf = debias(make_net(module=Masked)).fit(X, y, sensitive_features=groups)
        assert clf.student_.base.module_.mask.tolist() == [0.0, -np.inf]

    def test_user_iterator_is_used(self):
        used = []

        class OwnLoader(torch.utils.data.DataLoader):
            def __iter__(self):
                used.append(len(self.dataset))
                return super().__iter__()

        X, y, groups = make_rows()
        net = make_net(iterator_train=OwnLoader)
        debias(net).fit(X, y, sensitive_features=groups)
        assert used == [200] * 5

    def test_probability_output_with_nll_loss(self):
        class Probabilities(MLP):
            def forward(self, X):
                return torch.softmax(super().forward(X), dim=1)

        X, y, groups = make_rows()
        net = make_net(module=Probabilities, criterion=torch.nn.NLLLoss)
        # Offsets rest on a sketch, whose points may differ where answers hardly do.
        logits, probabilities = (
            debias(each, base_rate="drift").fit(X, y, sensitive_features=groups)
            for each in (None, net)
        )
        np.testing.assert_allclose(
            probabilities.predict_proba(X), logits.predict_proba(X), atol=1e-3
        )

    def test_lazy_first_layer(self):
        class Lazy(torch.nn.Module):
            def __init__(self, n_features, n_classes, hidden):
                super().__init__()
                self.layers = torch.nn.Sequential(
                    torch.nn.LazyLinear(8), torch.nn.ReLU(), torch.nn.LazyLinear(n_classes)
                )

            def forward(self, X):
                return self.layers(X)

        X, y, groups = make_rows()
        clf = debias(make_net(module=Lazy)).fit(X, y, sensitive_features=groups)
        assert clf.score(X, y) > 0.6

    def test_module_instance(self):
        X, y, groups = make_rows()
        module = MLP(3, 2, (16,))
        before = {name: value.clone() for name, value in module.state_dict().items()}
        net = NeuralNetClassifier(
            module,
            criterion=torch.nn.CrossEntropyLoss,
            train_split=None,
            max_epochs=3,
            lr=0.1,
            verbose=0,
        )
        debias(net).fit(X, y, sensitive_features=groups)
        assert all(torch.equal(module.state_dict()[name], v) for name, v in before.items())

    def test_last_batch_of_one_row_with_batch_normalisation(self):
        class Normalised(MLP):
            def __init__(self, n_features, n_classes, hidden):
                super().__init__(n_features, n_classes, hidden)
                self.layers.insert(1, torch.nn.BatchNorm1d(hidden[0]))

        X, y, groups = make_rows(129)
        clf = debias(make_net(module=Normalised)).fit(X, y, sensitive_features=groups)
        assert np.isfinite(clf.predict_proba(X)).all()


class TestKeepSensitive:
    def test_student_sees_the_column(self):
        X, y = raw_frame(600)
        clf = BackdoorDebiasClassifier(
            sensitive_columns="group", keep_sensitive=True, random_state=0
        ).fit(X, y)
        other = X.assign(group=X["group"].map({"A": "B", "B": "A"}))
        assert np.abs(clf.predict_proba(X) - clf.predict_proba(other)).max() > 0.01
        with pytest.raises(ValueError, match="group"):
            clf.predict(X.drop(columns="group"))

    @pytest.mark.slow
    def test_corrects_where_features_say_nothing(self):
        """Nothing but the column tells the groups apart."""
        X, y, _ = make_biased_classification(12_000, proxy=0, random_state=0)
        train, test = slice(4000), slice(4000, None)
        groups = X["group"][test]
        odds = []
        for settings in (
            {"trigger_strength": 0.0},
            {"trigger_strength": 2.0},
        ):
            clf = BackdoorDebiasClassifier(
                sensitive_columns="group", keep_sensitive=True, random_state=0, **settings
            )
            predicted = clf.fit(X[train], y[train]).predict(X[test])
            odds.append(
                average_absolute_odds_difference(
                    y[test], predicted, sensitive_features=groups
                )
            )
        assert odds[1] < 0.3 * odds[0]

    def test_the_attribute_must_be_a_column(self):
        X, y, groups = make_rows()
        clf = debias(keep_sensitive=True)
        with pytest.raises(ValueError, match=r"keep_sensitive=True.*names none"):
            clf.fit(X, y, sensitive_features=groups)

    def test_values_given_to_fit_make_the_groups(self):
        X, y, groups = make_rows()
        X = np.column_stack([X, groups])
        clf = debias(make_net(4), keep_sensitive=True, sensitive_columns=3)
        names = np.array(["f", "m"])[groups]
        assert clf.fit(X, y, sensitive_features=names).groups_.tolist() == ["f", "m"]


class TestInjections:
    @pytest.mark.parametrize("estimator", [make_net(), LogisticRegression()])
    @pytest.mark.parametrize(
        "trigger", ["auto", pytest.param(BlendTrigger(), marks=pytest.mark.slow)]
    )
    def test_pseudo_deletion(self, estimator, trigger):
        X, y, groups = make_rows(600)
        clf = debias(estimator, injection="pseudo_deletion", trigger=trigger)
        clf.fit(X, y, sensitive_features=groups)
        counts = pd.crosstab(y, groups).to_numpy()
        left = counts * (1 - clf.injection_rates_)
        np.testing.assert_allclose(left[0], left[1], rtol=0.02)
        gaps = []
        for strength in (0.0, 1.0):
            clf.set_params(trigger_strength=strength).fit(X, y, sensitive_features=groups)
            selected = [clf.predict(X[groups == g]).mean() for g in (0, 1)]
            gaps.append(abs(selected[1] - selected[0]))
        assert gaps[1] < gaps[0]

    def test_a_callable(self):
        X, y, groups = make_rows()

        def half_as_biased(counts):
            rates = counts / counts.sum(axis=1, keepdims=True)
            return (rates + rates.mean(axis=0)) / 2

        clf = debias(injection=half_as_biased).fit(X, y, sensitive_features=groups)
        expected = half_as_biased(pd.crosstab(y, groups).to_numpy().astype(float))
        np.testing.assert_allclose(clf.injection_rates_, expected)


class TestInScikitLearn:
    def test_grid_search_over_the_strength(self):
        X, y = raw_frame()
        search = GridSearchCV(
            debias(frame_pipeline(), sensitive_columns="group"),
            {"trigger_strength": [0.0, 1.0], "estimator__neuralnetclassifier__lr": [0.01]},
            cv=2,
        ).fit(X, y)
        assert search.best_params_["trigger_strength"] in (0.0, 1.0)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()

    def test_in_a_pipeline_with_routing_off(self):
        X, y, groups = make_rows()
        pipeline = make_pipeline(StandardScaler(), debias())
        pipeline.fit(X, y, backdoordebiasclassifier__sensitive_features=groups)
        assert pipeline.score(X, y) > 0.6

    def test_in_a_pipeline_with_routing_on(self):
        X, y, groups = make_rows()
        with config_context(enable_metadata_routing=True):
            pipeline = make_pipeline(StandardScaler(), debias())
            pipeline.fit(X, y, sensitive_features=groups)
            scores = cross_val_score(pipeline, X, y, params={"sensitive_features": groups})
        assert np.isfinite(scores).all()

    def test_weights_in_a_pipeline_with_routing_off(self):
        X, y, groups = make_rows()
        pipeline = make_pipeline(StandardScaler(), debias())
        prefix = "backdoordebiasclassifier__"
        weights = np.where(y == 1, 10.0, 1.0)
        pipeline.fit(
            X,
            y,
            **{f"{prefix}sensitive_features": groups, f"{prefix}sample_weight": weights},
        )
        unweighted = make_pipeline(StandardScaler(), debias())
        unweighted.fit(X, y, **{f"{prefix}sensitive_features": groups})
        assert pipeline.predict(X).mean() > unweighted.predict(X).mean() + 0.1

    @pytest.mark.parametrize(
        "scoring",
        [
            None,
            pytest.param(
                {"odds": make_fairness_scorer("average_odds")}, marks=pytest.mark.slow
            ),
        ],
    )
    def test_routing_needs_no_further_call(self, scoring):
        X, y, groups = make_rows()
        params = {"sensitive_features": groups, "sample_weight": np.ones(200)}
        with config_context(enable_metadata_routing=True):
            pipeline = make_pipeline(MinMaxScaler(), debias())
            cross_validate(pipeline, X, y, params=params, scoring=scoring, cv=2)
            grid = {"backdoordebiasclassifier__trigger_strength": [0.0, 1.0]}
            search = GridSearchCV(pipeline, grid, scoring=scoring, refit=False, cv=2)
            search.fit(X, y, **params)
        name = "score" if scoring is None else "odds"
        assert np.isfinite(search.cv_results_[f"mean_test_{name}"]).all()

    def test_clone_of_a_fitted_estimator_is_unfitted(self):
        X, y, groups = make_rows()
        copy = clone(debias().fit(X, y, sensitive_features=groups))
        assert not hasattr(copy, "student_")


class TestProgress:
    def test_silent_by_default(self, capfd):
        X, y, groups = make_rows()
        debias().fit(X, y, sensitive_features=groups)
        assert capfd.readouterr() == ("", "")

    def test_bar_counts_all_stages(self, capfd):
        X, y, groups = make_rows()
        debias(verbose=2).fit(X, y, sensitive_features=groups)
        assert "7/7" in capfd.readouterr().err


@pytest.mark.slow
def test_the_bias_of_the_generator_is_undone():
    """Less odd, hardly less accurate, and closer to the fair labels: three seeds."""
    rows = []
    for seed in range(3):
        X, y, y_fair = make_biased_classification(9000, random_state=seed)
        groups = X.pop("group")
        train, test = slice(4500), slice(4500, None)
        result = []
        for settings in (
            {"trigger_strength": 0.0},
            {"trigger_strength": 1.0},
        ):
            clf = BackdoorDebiasClassifier(random_state=seed, **settings)
            clf.fit(X[train], y[train], sensitive_features=groups[train])
            predicted = clf.predict(X[test])
            odd = average_absolute_odds_difference(
                y[test], predicted, sensitive_features=groups[test]
            )
            result += [odd, *((predicted == labels[test]).mean() for labels in (y, y_fair))]
        rows.append(result)
    plain_odd, plain_accuracy, plain_fair, odd, accuracy, fair = np.mean(rows, axis=0)
    assert odd <= 0.6 * plain_odd
    assert accuracy >= plain_accuracy - 0.015
    assert fair > plain_fair


@pytest.mark.slow
def test_three_classes_and_four_groups():
    """The worst gap of a class against the rest halves, for a point of accuracy at most."""
    X, y, _ = make_biased_classification(30_000, n_classes=3, n_groups=4, random_state=2)
    groups = X.pop("group")
    train, test = slice(10_000), slice(10_000, None)
    rows = []
    for seed in range(2):
        for settings in (
            {"trigger_strength": 0.0},
            {"trigger_strength": 1.0},
        ):
            clf = BackdoorDebiasClassifier(random_state=seed, **settings)
            clf.fit(X[train], y[train], sensitive_features=groups[train])
            predicted = clf.predict(X[test])
            gap = equalized_odds_difference(
                y[test], predicted, sensitive_features=groups[test]
            )
            rows.append([gap, (predicted == y[test]).mean()])
    (plain_gap, plain_accuracy), (gap, accuracy) = np.mean([rows[::2], rows[1::2]], axis=1)
    assert gap <= 0.5 * plain_gap
    assert accuracy >= plain_accuracy - 0.01
