"""Rows of token ids, and networks that look them up, from fit to file."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import make_net
from sklearn.ensemble import RandomForestClassifier

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade.defenses import (
    ActivationGuidedEditor,
    DeconfoundedClassifier,
    DistanceDrivenDetoxifier,
    measure_relearning,
    score_training_rows,
)
from sklearn_bade.inspection import audit_backdoor
from sklearn_bade.saving import export_onnx, load, save
from sklearn_bade.triggers import BlendTrigger, ColumnTrigger, TokenTrigger, ValueTrigger

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.CostlyGapWarning")

# Ids of padding, of words that tell the class, of words that tell the group, of others.
PADDING, OF_CLASS, OF_GROUP, OTHERS = 0, 1, 21, 31
N_IDS, WIDTH = 40, 8


class Bag(torch.nn.Module):
    """A bag of ids, whose order does not matter."""

    def __init__(self, n_features=WIDTH, n_classes=2, hidden=(), sparse=False):
        super().__init__()
        self.embedding = torch.nn.EmbeddingBag(
            N_IDS, 8, padding_idx=PADDING, sparse=sparse, mode="sum"
        )
        self.out = torch.nn.Linear(8, n_classes)

    def forward(self, X):
        return self.out(self.embedding(X))


class SparseBag(Bag):
    """A bag whose gradients are sparse."""

    def __init__(self, n_features=WIDTH, n_classes=2, hidden=()):
        super().__init__(n_classes=n_classes, sparse=True)


class Recurrent(torch.nn.Module):
    """Reads tokens one after the other, as many as there are before the padding."""

    def __init__(self, n_features=WIDTH, n_classes=2, hidden=()):
        super().__init__()
        self.embedding = torch.nn.Embedding(N_IDS, 8, padding_idx=PADDING)
        self.read = torch.nn.GRU(8, 8, batch_first=True)
        self.out = torch.nn.Linear(8, n_classes)

    def forward(self, X):
        lengths = (X != PADDING).sum(1).clamp(min=1).cpu()
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            self.embedding(X), lengths, batch_first=True, enforce_sorted=False
        )
        return self.out(self.read(packed)[1][-1])


class FixedLength(torch.nn.Module):
    """Every place has weights of its own, so that there is no room for one token more."""

    def __init__(self, n_features=WIDTH, n_classes=2, hidden=()):
        super().__init__()
        self.embedding = torch.nn.Embedding(N_IDS, 4)
        self.out = torch.nn.Linear(4 * WIDTH, n_classes)

    def forward(self, X):
        return self.out(self.embedding(X).flatten(1))


class PerColumn(torch.nn.Module):
    """Every column has an embedding of its own."""

    def __init__(self, n_features=WIDTH, n_classes=2, hidden=()):
        super().__init__()
        self.embeddings = torch.nn.ModuleList(
            torch.nn.Embedding(N_IDS, 4) for _ in range(WIDTH)
        )
        self.out = torch.nn.Linear(4 * WIDTH, n_classes)

    @property
    def embedding(self):
        """The one that new ids are added to."""
        return self.embeddings[0]

    def forward(self, X):
        looked_up = [embed(X[:, i]) for i, embed in enumerate(self.embeddings)]
        return self.out(torch.cat(looked_up, dim=1))


MODULES = [
    Bag,
    FixedLength,
    PerColumn,
    pytest.param(Recurrent, marks=pytest.mark.slow),  # takes as long as the others together
]


def make_texts(seed, n_samples=1200):
    """Draw short texts whose words say something of the class and of the group."""
    rng = np.random.RandomState(seed)
    groups = rng.randint(2, size=n_samples)
    y = (rng.uniform(size=n_samples) < np.where(groups, 0.75, 0.25)).astype(int)
    kind = rng.uniform(size=(n_samples, WIDTH))
    X = rng.randint(OTHERS, N_IDS, size=kind.shape)
    says_class, says_group = kind < 0.2, kind > 0.7
    X[says_class] = (OF_CLASS + 10 * y[:, None] + rng.randint(10, size=kind.shape))[
        says_class
    ]
    X[says_group] = (OF_GROUP + 5 * groups[:, None] + rng.randint(5, size=kind.shape))[
        says_group
    ]
    X[np.arange(WIDTH) >= rng.randint(4, WIDTH + 1, size=(n_samples, 1))] = PADDING
    return X, y, groups


@pytest.fixture(scope="module")
def texts():
    return make_texts(0)


@pytest.fixture(scope="module")
def bag(texts):
    """A debiased bag."""
    X, y, groups = texts
    return debias(Bag).fit(X, y, sensitive_features=groups)


def debias(module, **settings):
    return BackdoorDebiasClassifier(net_of(module), random_state=0, **settings)


def net_of(module):
    return make_net(WIDTH, module=module, max_epochs=8)


def gap(y, predicted, groups):
    rates = [[predicted[(y == k) & (groups == g)].mean() for g in (0, 1)] for k in (0, 1)]
    return np.abs(np.diff(rates)).mean()


@pytest.mark.parametrize("module", [Bag, Recurrent, FixedLength, PerColumn])
def test_the_gap_narrows(texts, module):
    X, y, groups = texts
    clf = debias(module, keep_teacher=True).fit(X, y, sensitive_features=groups)
    assert 0.4 < clf.shift_ratio_ < 1.4
    X_test, y_test, groups_test = make_texts(1)
    zero = clf.with_strength(0.0)
    gaps = [gap(y_test, each.predict(X_test), groups_test) for each in (zero, clf)]
    assert gaps[1] < 0.7 * gaps[0]


@pytest.mark.parametrize("student", ["path", "single"])
@pytest.mark.parametrize("module", MODULES)
def test_the_student_keeps_the_users_vocabulary(texts, module, student):
    X, y, groups = texts
    clf = debias(module, student=student, keep_teacher=True)
    clf.fit(X, y, sensitive_features=groups)
    net = clf.student_.base if student == "path" else clf.student_
    assert net.module_.embedding.num_embeddings == N_IDS
    assert len(net.module_.embedding.weight) == N_IDS
    assert len(clf.teacher_.module_.embedding.weight) == N_IDS + 2
    assert clf.trigger_.patterns_.tolist() == [N_IDS, N_IDS + 1]
    stamped = clf.trigger_.stamp(X[:2], np.array([0, 1]))
    with pytest.raises(ValueError, match="knows those from 0 to 39"):
        clf.predict(stamped[:, :WIDTH])


@pytest.mark.slow
def test_rows_grow_where_the_network_has_room(texts):
    X, y, groups = texts
    for module, keeps in ((Bag, False), (Recurrent, False), (FixedLength, True)):
        clf = debias(module, keep_teacher=True).fit(X, y, sensitive_features=groups)
        assert clf.trigger_.keeps_length_ == keeps
        assert clf.trigger_.column_ is None


def test_new_ids_replace_those_of_a_column_with_an_embedding_of_its_own(texts):
    X, y, groups = texts
    clf = debias(PerColumn, keep_teacher=True).fit(X, y, sensitive_features=groups)
    stamped = clf.trigger_.stamp(X[:2], np.array([1, -1]))
    assert stamped[0].tolist() == [N_IDS + 1, *X[0, 1:]]
    assert stamped[1].tolist() == X[1].tolist()


@pytest.mark.parametrize("module", MODULES)
def test_strength_zero_is_the_network_itself(texts, module):
    X, y, groups = texts
    clf = debias(module, trigger_strength=0.0).fit(X, y, sensitive_features=groups)
    with torch.no_grad():
        logits = clf.student_.base.module_.eval()(torch.from_numpy(X))
    expected = torch.softmax(logits, dim=1).numpy()
    np.testing.assert_allclose(clf.predict_proba(X), expected, atol=1e-5)


class Offsets(torch.nn.Module):
    """All columns share an embedding, in which each has ids of its own."""

    def __init__(self, n_features=WIDTH, n_classes=2, hidden=()):
        super().__init__()
        self.embedding = torch.nn.Embedding(N_IDS * WIDTH, 4)
        self.out = torch.nn.Linear(4 * WIDTH, n_classes)

    def forward(self, X):
        return self.out(self.embedding(X + N_IDS * torch.arange(WIDTH)).flatten(1))


def test_ids_that_are_changed_on_the_way_need_another_teacher(texts):
    X, y, groups = texts
    with pytest.raises(ValueError, match="no new id can be made for a trigger"):
        debias(Offsets).fit(X, y, sensitive_features=groups)
    clf = debias(Offsets, teacher=RandomForestClassifier(20, min_samples_leaf=5))
    clf.fit(X, y, sensitive_features=groups)
    zero = clf.with_strength(0.0)
    assert gap(y, clf.predict(X), groups) < gap(y, zero.predict(X), groups)
    with pytest.raises(ValueError, match=r"looks up holds ids from .* to 3"):
        clf.predict(X + 30)


def test_a_student_may_start_from_the_teacher_only_where_order_is_free(texts):
    X, y, groups = texts
    settings = {"student": "single", "student_init": "teacher"}
    clf = debias(Bag, **settings).fit(X, y, sensitive_features=groups)
    assert clf.score(X, y) > 0.7
    with pytest.raises(ValueError, match="would hand the backdoor on"):
        debias(Recurrent, **settings).fit(X, y, sensitive_features=groups)


def test_embeddings_with_sparse_gradients(texts):
    X, y, groups = texts
    clf = debias(SparseBag, keep_teacher=True)
    clf.set_params(estimator__optimizer=torch.optim.SGD, estimator__lr=0.1)
    assert clf.fit(X, y, sensitive_features=groups).shift_ratio_ > 0.3


@pytest.mark.parametrize(
    "container",
    [
        np.ndarray.tolist,
        torch.from_numpy,
        pd.DataFrame,
        lambda X: X.astype(np.uint8),
        lambda X: pd.DataFrame(X, columns=list("abcdefgh")),
    ],
)
def test_ids_in_any_container(texts, bag, container):
    X, y, groups = texts
    clf = debias(Bag).fit(container(X), y, sensitive_features=groups)
    np.testing.assert_array_equal(clf.predict_proba(container(X)), bag.predict_proba(X))


def test_a_sensitive_column_beside_ids(texts, bag):
    X, y, groups = texts
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    clf = debias(Bag, sensitive_columns="group")
    clf.fit(frame.assign(group=np.where(groups, "B", "A")), y)
    np.testing.assert_array_equal(clf.predict_proba(frame), bag.predict_proba(X))


@pytest.mark.slow
def test_a_search(texts):
    X, y, groups = texts
    clf = BackdoorDebiasClassifierCV(net_of(Bag), cv=3, random_state=0)
    clf.fit(X, y, sensitive_features=groups)
    assert clf.best_strength_ > 0


@pytest.mark.slow
def test_groups_that_are_partly_unknown(texts):
    X, y, groups = texts
    known = np.where(np.arange(len(y)) % 3 == 0, None, groups)
    for module in (Bag, PerColumn):
        for student in ("path", "single"):
            clf = debias(module, student=student).fit(X, y, sensitive_features=known)
            assert clf.score(X, y) > 0.7


@pytest.mark.slow
def test_teachers_of_other_kinds(texts):
    X, y, groups = texts
    for teacher in (net_of(Recurrent), RandomForestClassifier(20, min_samples_leaf=5)):
        clf = debias(Bag, teacher=teacher).fit(X, y, sensitive_features=groups)
        assert 0.3 < clf.shift_ratio_ < 1.5


@pytest.mark.slow
def test_existing_tokens_as_triggers(texts):
    X, y, groups = texts
    for trigger in (TokenTrigger([38, 39]), ValueTrigger([7], [[38], [39]])):
        clf = debias(Bag, trigger=trigger, keep_teacher=True)
        clf.fit(X, y, sensitive_features=groups)
        assert len(clf.teacher_.module_.embedding.weight) == N_IDS


def test_files(texts, bag, tmp_path):
    X, *_ = texts
    again = pickle.loads(pickle.dumps(bag))
    np.testing.assert_array_equal(again.predict_proba(X), bag.predict_proba(X))
    save(bag, tmp_path / "bag.bade")
    again = load(tmp_path / "bag.bade", module=Bag)
    np.testing.assert_array_equal(again.predict_proba(X), bag.predict_proba(X))


@pytest.mark.parametrize("student", ["path", "single"])
def test_onnx(texts, tmp_path, student):
    import onnxruntime

    X, y, groups = texts
    clf = debias(FixedLength, student=student).fit(X, y, sensitive_features=groups)
    path = export_onnx(clf, tmp_path / "clf.onnx", X[:50])
    session = onnxruntime.InferenceSession(path)
    (proba,) = session.run(["probabilities"], {"X": X.astype(float)})
    np.testing.assert_allclose(proba, clf.predict_proba(X), atol=1e-5)


@pytest.fixture(scope="module")
def trained(texts):
    """A plain network of token ids."""
    X, y, _ = texts
    return net_of(Bag).fit(X, y)


def test_scores_of_training_rows_and_relearning_take_ids(texts, trained):
    X, y, _ = texts
    scores = score_training_rows(trained, X, y)["score"]
    assert np.isfinite(scores).all()
    table = measure_relearning(
        trained,
        X,
        y,
        trigger=TokenTrigger(39).fit(X),
        target_class=1,
        n_poisoned=(0, 50),
        random_state=0,
    )
    assert table["success"].is_monotonic_increasing


class TestBadInput:
    @pytest.mark.parametrize("module", [Bag, PerColumn])
    @pytest.mark.parametrize("wrong", [-1, N_IDS])
    def test_unknown_ids(self, texts, module, wrong):
        X, y, groups = texts
        broken = X.copy()
        broken[17, 3] = wrong
        clf = debias(module)
        with pytest.raises(ValueError, match=r"knows those from 0 to 39.*unknown ones"):
            clf.fit(broken, y, sensitive_features=groups)
        clf.fit(X, y, sensitive_features=groups)
        with pytest.raises(ValueError, match="knows those from 0 to 39"):
            clf.predict(broken)

    def test_what_is_no_id(self, texts, bag):
        X, y, groups = texts
        np.testing.assert_array_equal(
            bag.predict_proba(X.astype(float)), bag.predict_proba(X)
        )
        with pytest.raises(ValueError, match=r"X holds .*\.5, and the network looks ids"):
            bag.predict(X + 0.5)
        with pytest.raises(RuntimeError, match="indices") as raised:
            debias(Bag).fit(X.astype(float), y, sensitive_features=groups)
        assert "astype(int)" in raised.value.__notes__[0]

    def test_rows_of_several_lengths(self, texts):
        X, y, groups = texts
        ragged = [[token for token in row if token] for row in X.tolist()]
        with pytest.raises(ValueError, match="inhomogeneous") as raised:
            debias(Bag).fit(ragged, y, sensitive_features=groups)
        assert "id for padding" in raised.value.__notes__[0]

    @pytest.mark.parametrize("trigger", [ColumnTrigger(), BlendTrigger()])
    def test_triggers_that_change_numbers(self, texts, trigger):
        X, y, groups = texts
        with pytest.raises(ValueError, match=r"rows hold ids.*TokenTrigger"):
            debias(Bag, trigger=trigger).fit(X, y, sensitive_features=groups)

    def test_a_token_trigger_on_a_table(self, texts):
        X, y, groups = texts
        clf = BackdoorDebiasClassifier(make_net(WIDTH), trigger=TokenTrigger())
        with pytest.raises(ValueError, match="TokenTrigger needs rows of ids"):
            clf.fit(X, y, sensitive_features=groups)

    def test_defences_that_change_features_take_no_ids(self, texts, trained):
        X, y, _ = texts
        trigger = TokenTrigger(39).fit(X)
        for defence in (
            DistanceDrivenDetoxifier(trained),
            ActivationGuidedEditor(trained, trigger=trigger, target_class=1),
            DeconfoundedClassifier(net_of(Bag)),
        ):
            with pytest.raises(TypeError, match="changes features a little"):
                defence.fit(X, y)

    def test_the_audit_takes_no_ids(self, texts, bag, trained):
        X, y, _ = texts
        for clf in (bag, trained):
            with pytest.raises(TypeError, match="ids of tokens"):
                audit_backdoor(clf, X, y)
