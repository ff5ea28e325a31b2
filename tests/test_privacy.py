"""What a fitted model keeps of the rows that it has learned from.

A walk through everything that hangs on a fitted object, and through what its file brings
back, looks for values of single rows, for arrays with an entry for each row, and for the
teacher.
"""

import functools
import pickle
import types
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import make_net, make_rows
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeRegressor
from skorch import NeuralNetClassifier
from skorch.callbacks import EpochScoring
from skorch.dataset import ValidSplit

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade.defenses import (
    ActivationGuidedEditor,
    DeconfoundedClassifier,
    DistanceDrivenDetoxifier,
)
from sklearn_bade.exceptions import InfrequentColumnWarning
from sklearn_bade.learners import PathStudent
from sklearn_bade.learners._cells import ClassColumns
from sklearn_bade.nets import ConvNet, make_adam_net
from sklearn_bade.preprocessing import make_default_preprocessing
from sklearn_bade.triggers import BaseTrigger, ColumnTrigger

# Numbers of rows that nothing else counts: layers, batches, bins, points, candidates. The
# median of an even number lies between two rows.
N_ROWS, N_UNKNOWN = 698, 13
# Values that a few thousand others may equal by chance, in single precision.
CHANCE = 3
RARE_TEXT = "the-only-one-of-its-kind"
RARE_NUMBER = 98765.4375


@dataclass
class Kept:
    """What a walk has found."""

    things: list = field(default_factory=list)
    floats: list = field(default_factory=list)
    texts: set = field(default_factory=set)
    sizes: list = field(default_factory=list)

    def of_type(self, kind):
        """All objects of a class."""
        return [thing for thing in self.things if isinstance(thing, kind)]

    def values_of(self, rows):
        """List those numbers that rows hold, in single precision."""
        found = np.unique(np.concatenate([np.zeros(0, np.float32), *self.floats]))
        return np.intersect1d(found, np.asarray(rows, dtype=np.float32))

    def with_size(self, sizes):
        """List what has so many entries."""
        return [(path, size) for path, size in self.sizes if size in sizes]


def walk(thing):
    """Visit everything that a thing refers to, however it is kept."""
    kept, seen, waiting = Kept(), {}, [("", thing)]
    while waiting:
        path, thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, (type, types.ModuleType)):
            continue
        seen[id(thing)] = thing  # so that no other thing gets this number
        kept.things.append(thing)
        if isinstance(thing, str):
            kept.texts.add(thing)
        elif isinstance(thing, (float, np.floating)):
            kept.floats.append(np.array([thing], np.float32))
        else:
            waiting += [(f"{path}.{name}", part) for name, part in _parts(thing)]
            _note(kept, path, thing)
    return kept


def _note(kept, path, thing):
    """Note the sizes and numbers of a container."""
    if isinstance(thing, torch.Tensor):
        thing = thing.detach().cpu().numpy()
    if isinstance(thing, np.ndarray):
        kept.sizes += [(path, size) for size in thing.shape]
        if thing.dtype.kind in "fiu":
            with np.errstate(over="ignore", invalid="ignore"):
                kept.floats.append(thing.ravel().astype(np.float32))
        elif thing.dtype.kind in "US":
            kept.texts.update(map(str, thing.ravel()))
    elif isinstance(thing, (list, tuple, set, frozenset, dict, bytes, bytearray)):
        kept.sizes.append((path, len(thing)))


def _parts(thing):
    """List what a thing refers to, with a name for each."""
    if isinstance(thing, np.ndarray):
        if thing.dtype.names:
            return [(name, np.ascontiguousarray(thing[name])) for name in thing.dtype.names]
        parts = enumerate(thing.ravel()) if thing.dtype == object else []
        return [*parts, ("base", thing.base)]
    if isinstance(thing, dict):
        return [("keys", list(thing)), *((repr(key), part) for key, part in thing.items())]
    if isinstance(thing, (list, tuple, set, frozenset)):
        return list(enumerate(thing))
    if isinstance(thing, pd.DataFrame):
        columns = [(name, thing[name].to_numpy()) for name in thing]
        return [*columns, ("columns", list(thing.columns)), ("index", thing.index)]
    if isinstance(thing, (pd.Series, pd.Index)):
        return [("values", thing.to_numpy())]
    if issparse(thing):
        thing = thing.tocsr()
        return [("data", thing.data), ("indptr", thing.indptr)]
    return [*_hidden_parts(thing), *_attributes(thing)]


def _hidden_parts(thing):
    """List what functions, methods, generators, trees and tensors refer to."""
    if isinstance(thing, functools.partial):
        return [("func", thing.func), ("args", thing.args), ("keywords", thing.keywords)]
    if isinstance(thing, types.MethodType):
        return [("self", thing.__self__), ("func", thing.__func__)]
    if isinstance(thing, types.FunctionType):
        cells = [cell.cell_contents for cell in thing.__closure__ or ()]
        defaults = thing.__defaults__, thing.__kwdefaults__
        return [("closure", cells), ("defaults", defaults)]
    if isinstance(thing, types.GeneratorType) and thing.gi_frame is not None:
        return [("frame", dict(thing.gi_frame.f_locals))]
    if isinstance(thing, torch.Tensor):
        storage = thing.detach().untyped_storage()
        return [("grad", thing.grad), ("storage", _read_storage(storage, thing.dtype))]
    if type(thing).__module__.startswith("sklearn.") and hasattr(thing, "__getstate__"):
        return [("state", thing.__getstate__())]  # trees keep theirs outside of Python
    return []


def _read_storage(storage, dtype):
    """Read all that a tensor's memory holds, of which it may be a small view."""
    whole = torch.empty(0, dtype=dtype).set_(storage)
    return whole.numpy().copy()


def _attributes(thing):
    """List attributes, those without a dict included."""
    slots = [name for base in type(thing).__mro__ for name in _slots(base)]
    named = {name: getattr(thing, name) for name in slots if hasattr(thing, name)}
    return [*named.items(), *getattr(thing, "__dict__", {}).items()]


def _slots(base):
    slots = vars(base).get("__slots__", ())
    return [slots] if isinstance(slots, str) else slots


def make_people(n_rows=N_ROWS):
    """Make rows of numbers that differ in every place, labels, and groups, some unknown."""
    X, y, groups = make_rows(n_rows)
    X = (np.random.RandomState(1).normal(scale=1e-3, size=X.shape) + X).astype(np.float32)
    groups = pd.Series(np.where(groups, "B", "A"), dtype=object)
    groups[:: n_rows // N_UNKNOWN] = None
    return X, y, groups


def make_frame():
    """Put the rows into a frame, with text, and values that a single row has."""
    X, y, groups = make_people()
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    frame["town"] = np.where(np.arange(N_ROWS) % 3, "east", "west")
    frame.loc[100, "town"] = RARE_TEXT
    frame["bonus"] = 0.0
    frame.loc[100, "bonus"] = RARE_NUMBER
    frame["award"] = np.nan
    frame.loc[100, "award"] = RARE_NUMBER
    return frame.assign(group=groups), y


def fit(estimator=None, search=False, **settings):
    X, y, groups = make_people()
    debiaser = BackdoorDebiasClassifierCV if search else BackdoorDebiasClassifier
    clf = debiaser(estimator, random_state=0, **settings)
    return clf.fit(X, y, sensitive_features=groups)


pytestmark = [
    pytest.mark.filterwarnings(f"ignore::sklearn_bade.exceptions.{name}")
    for name in ("CostlyGapWarning", "WideningStrengthWarning")  # not what is tested here
]
BOOSTING = HistGradientBoostingClassifier(max_iter=5)
CALIBRATED = CalibratedClassifierCV(SVC(), ensemble=False, cv=2)
# Estimators with the settings of the debiaser, and how many of their kind are kept: base
# and cells, of which additive classifiers need one for each class.
KINDS = {
    "logistic": (LogisticRegression(), {}, 3),
    "forest": (RandomForestClassifier(5, max_depth=4), {}, 2),
    "pipeline": (make_pipeline(StandardScaler(), LogisticRegression()), {}, 3),
    "net": (make_net(), {}, 2),
    "default net": (None, {}, 2),
    "net with a validation split": (
        make_net(train_split=ValidSplit(3), callbacks=[EpochScoring("roc_auc")]),
        {},
        2,
    ),
    "another teacher": (LogisticRegression(), {"teacher": BOOSTING}, 3),
    "keep_sensitive": (
        LogisticRegression(),
        {"keep_sensitive": True, "sensitive_columns": 0, "n_bins": 2},
        3,
    ),
    "single logistic": (LogisticRegression(), {"student": "single"}, 1),
    "single pipeline": (
        make_pipeline(StandardScaler(), LogisticRegression()),
        {"student": "single"},
        1,
    ),
    "single net": (make_net(), {"student": "single"}, 1),
}
RULES = {
    "default": {},
    "bound": {"max_disparity": 0.5},
    "promise": {"max_disparity": 0.9, "confidence": 0.5},
    "loss": {"max_accuracy_loss": 0.1},
    "weight": {"disparity_weight": 1.0},
    "floor": {"min_recall": 0.1},
    "scoring": {"scoring": "accuracy"},
    "callable": {"disparity": lambda y, y_pred, *, sensitive_features: 0.1},
    "threshold": {"threshold": 0.4},
    "costs": {"cost_matrix": [[0, 1], [2, 0]]},
    "selection": {"selection_rate": 0.3},
}


def row_counts():
    """Count rows: all, those of known group, of each class, and of folds of these."""
    _, y, groups = make_people()
    is_known = groups.notna().to_numpy()
    counts = {N_ROWS, int(is_known.sum()), *np.bincount(y), *np.bincount(y[is_known])}
    kept_back = N_ROWS // 3  # what a promise is judged on
    for whole in (N_ROWS, N_ROWS - kept_back, N_ROWS - kept_back - 1):
        fold = whole // 3
        counts |= {whole, fold, fold + 1, whole - fold, whole - fold - 1}
    return counts


def count_fitted(kept, kind):
    """Count the fitted classifiers of a class."""
    if kind is NeuralNetClassifier:
        return sum(thing.initialized_ for thing in kept.of_type(kind))
    return sum(hasattr(thing, "classes_") for thing in kept.of_type(kind))


def both(clf):
    """Walk a fitted object, and what its file brings back."""
    return [walk(clf), walk(pickle.loads(pickle.dumps(clf)))]


def assert_no_rows(clf, *secrets):
    """Look for values of rows, and for anything with an entry for each row."""
    for kept in both(clf):
        for values in secrets:
            assert len(kept.values_of(values)) <= CHANCE
        assert kept.with_size(row_counts()) == []


def assert_no_bytes(clf, *secrets):
    """Look for neighbouring values of rows in the bytes of a file."""
    data = pickle.dumps(clf)
    for values in secrets:
        for kind in (np.float32, np.float64):
            rows = np.asarray(values, kind)
            for neighbours in (rows[:, :2], np.column_stack([rows[:-1, 0], rows[1:, 0]])):
                assert not any(pair.tobytes() in data for pair in neighbours)


class Slotted:
    __slots__ = ("hidden",)

    def __init__(self, hidden):
        self.hidden = hidden


class Cached:
    def __init__(self, rows):
        self.make = lambda: rows

    @functools.cached_property
    def hidden(self):
        return self.make() * 1

    def method(self):
        return self.hidden


def in_default(rows):
    def function(values=rows):
        return values

    return function


def in_generator(rows):
    def generate():
        yield rows.sum()
        yield rows

    generator = generate()
    next(generator)
    return generator


def with_gradient(rows):
    parameter = torch.nn.Parameter(torch.zeros(rows.shape))
    parameter.grad = torch.from_numpy(rows).float()
    return parameter


HIDING_PLACES = {
    "closure": lambda rows: lambda: rows,
    "default": in_default,
    "partial": lambda rows: functools.partial(max, rows),
    "method": lambda rows: Slotted(rows).__init__,
    "slot": Slotted,
    "cached": Cached,
    "generator": in_generator,
    "view": lambda rows: rows[:1, :1],
    "objects": lambda rows: np.array([None, {"rows": rows}], dtype=object),
    "structured": lambda rows: np.rec.fromarrays(rows.T, names="a,b,c"),
    "frame": lambda rows: pd.DataFrame(rows),
    "index": lambda rows: pd.DataFrame(index=rows[:, 0]),
    "key": lambda rows: {tuple(row): None for row in rows.tolist()},
    "tensor view": lambda rows: torch.from_numpy(rows.copy())[0, :1],
    "gradient": with_gradient,
    "module": lambda rows: torch.nn.ParameterList([torch.from_numpy(rows)]),
    "neighbours": lambda rows: KNeighborsClassifier().fit(rows, rows[:, 0] > 0),
    "support vectors": lambda rows: SVC().fit(rows, rows[:, 0] > 0),
    "leaves": lambda rows: DecisionTreeRegressor().fit(rows, rows[:, 0]),
}


@pytest.mark.parametrize("place", HIDING_PLACES)
def test_the_walk_finds_what_is_hidden(place):
    rows = make_people()[0].astype(np.float64)
    hidden = {"deep": [HIDING_PLACES[place](rows)]}
    assert len(walk(hidden).values_of(rows)) > CHANCE


@pytest.mark.parametrize("kind", KINDS)
def test_no_row_and_no_teacher_is_kept(kind):
    estimator, settings, n_models = KINDS[kind]
    clf = fit(estimator, **settings)
    X = make_people()[0]
    secrets = [X]
    if isinstance(clf.student_, PathStudent):
        secrets.append(clf.student_.transform(X))
    assert_no_rows(clf, *secrets)
    assert_no_bytes(clf, *secrets)
    classifier = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    classifier_class = NeuralNetClassifier if estimator is None else type(classifier)
    for kept in both(clf):
        assert count_fitted(kept, classifier_class) == n_models
        assert {type(trigger) for trigger in kept.of_type(BaseTrigger)} <= {ClassColumns}
        if "teacher" in settings:
            assert count_fitted(kept, type(settings["teacher"])) == 0


def test_a_teacher_is_kept_where_it_is_asked_for():
    (kept, _) = both(fit(BOOSTING, keep_teacher=True))
    assert count_fitted(kept, HistGradientBoostingClassifier) == 3
    assert ColumnTrigger in {type(trigger) for trigger in kept.of_type(BaseTrigger)}


@pytest.mark.parametrize("rule", RULES)
def test_a_search_keeps_no_row(rule):
    clf = fit(LogisticRegression(), search=True, cv=3, **RULES[rule])
    X, *_ = make_people()
    clf.disparity = None  # the user's own function
    assert_no_rows(clf, X)
    assert_no_bytes(clf, X)
    assert count_fitted(walk(clf), LogisticRegression) == 3


@pytest.mark.slow
def test_a_search_of_nets_keeps_no_row():
    clf = fit(make_net(max_epochs=2), search=True, cv=3, trigger_strengths=[0.0, 1.0])
    assert_no_rows(clf, make_people()[0])
    assert count_fitted(walk(clf), NeuralNetClassifier) == 2


@pytest.mark.parametrize("estimator", [LogisticRegression(), make_net(max_epochs=2)])
def test_weights_caches_and_progress_leave_nothing(estimator, tmp_path, capsys):
    X, y, groups = make_people()
    weights = np.random.RandomState(3).uniform(0.5, 2.0, N_ROWS)
    for _ in range(2):  # the second fit reads from the cache
        clf = BackdoorDebiasClassifier(
            estimator, memory=tmp_path, verbose=2, random_state=0
        )
        clf.fit(X, y, sensitive_features=groups, sample_weight=weights)
        assert_no_rows(clf, X, weights, weights / weights.mean())


def test_images_are_not_kept():
    _, y, groups = make_people()
    pixels = np.random.RandomState(2).normal(size=(N_ROWS, 1, 4, 4)).astype(np.float32)
    pixels[:, 0, 0, 0] += y
    pixels[:, 0, 3, 3] += (groups == "B").to_numpy()
    net = make_adam_net(
        ConvNet,
        module__n_channels=1,
        module__n_classes=2,
        module__widths=(4,),
        max_epochs=2,
    )
    clf = BackdoorDebiasClassifier(net, random_state=0)
    clf.fit(pixels, y, sensitive_features=groups)
    assert_no_rows(clf, pixels)


@pytest.mark.parametrize("classifier", [BOOSTING, CALIBRATED], ids=["bins", "vectors"])
def test_only_what_two_plain_models_keep_is_kept(classifier):
    """Edges of bins are values of rows, and support vectors are rows: of two models."""
    X, y, groups = make_people()
    is_known = groups.notna().to_numpy()
    told = ColumnTrigger().fit(X, 2).stamp(X, y)[is_known]
    plain = [clone(classifier).fit(X, y), clone(classifier).fit(told, groups[is_known])]
    allowed = walk(plain).values_of(X)
    assert len(allowed) > CHANCE
    for kept in both(fit(classifier)):
        assert len(np.setdiff1d(kept.values_of(X), allowed)) <= CHANCE
        assert count_fitted(kept, type(classifier)) == 2


@pytest.mark.parametrize("student", ["path", "single"])
def test_rare_values_are_not_kept(student):
    frame, y = make_frame()
    with pytest.warns(InfrequentColumnWarning, match="award"):
        clf = BackdoorDebiasClassifier(
            sensitive_columns="group", student=student, random_state=0
        ).fit(frame, y)
    data = pickle.dumps(clf)
    assert RARE_TEXT.encode() not in data
    assert np.float64(RARE_NUMBER).tobytes() not in data
    for kept in both(clf):
        assert RARE_TEXT not in kept.texts
        assert len(kept.values_of([RARE_NUMBER])) == 0
    assert_no_rows(clf, frame[["a", "b", "c"]])


def test_rare_numbers_are_read_as_such():
    frame, _ = make_frame()
    reader = make_default_preprocessing()
    with pytest.warns(InfrequentColumnWarning):
        features = reader.fit_transform(frame[["bonus", "award"]])
    assert features[:, 0].tolist() == (frame["bonus"] > 0).astype(float).tolist()
    assert not features[:, 1].any()
    other = pd.DataFrame({"bonus": [0.0, 1.0, np.nan], "award": [1.0, np.nan, 2.0]})
    assert reader.transform(other).tolist() == [[0, 0], [1, 0], [0, 0]]


def test_extremes_of_a_sensitive_measurement_are_not_kept():
    X, y, _ = make_people()
    incomes = 1000 * np.exp(X[:, 0].astype(np.float64))
    incomes[7] = RARE_NUMBER
    clf = BackdoorDebiasClassifier(LogisticRegression(), n_bins=3)
    clf.fit(X, y, sensitive_features=incomes)
    (kept, _) = both(clf)
    assert len(kept.values_of([incomes.min(), incomes.max()])) == 0
    assert not any("98765" in text for text in kept.texts)


@pytest.mark.parametrize("kind", ["logistic", "forest", "net"])
@pytest.mark.parametrize("search", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_points_of_the_sketch_are_means_of_several_rows(kind, search):
    estimator, _, _ = KINDS[kind]
    settings = {"cv": 3, "trigger_strengths": [0.0, 1.0]} if search else {}
    clf = fit(estimator, search=search, **settings)
    sketch = getattr(clf, "estimator_", clf).student_.path.sketch
    assert sketch.weights.min() >= 5
    assert sketch.weights.sum() == N_ROWS


def test_batches_leave_nothing_beside_the_weights():
    """The gradient of a last batch of one row would give the row away."""
    clf = fit(make_net(batch_size=N_ROWS - 1))
    nets = walk(clf.student_).of_type(NeuralNetClassifier)
    assert len(nets) == 2
    for net in nets:
        assert all(parameter.grad is None for parameter in net.module_.parameters())
        assert not net.optimizer_.state_dict()["state"]


@pytest.mark.parametrize(
    "defense",
    [
        ActivationGuidedEditor(None, target_class=1),
        DistanceDrivenDetoxifier(None, epochs=1, eps=9),
    ],
)
@pytest.mark.filterwarnings("ignore:Balanced accuracy on the clean rows")
def test_repaired_networks_keep_no_row(defense):
    X, y, _ = make_people()
    net = make_net(max_epochs=2).fit(X, y)
    clf = clone(defense).set_params(estimator=net, random_state=0).fit(X, y)
    clf.estimator = None  # the user's own network
    assert_no_rows(clf, X)
    assert all(weights.grad is None for weights in clf.estimator_.module_.parameters())


@pytest.mark.slow
def test_training_in_spite_of_poison_keeps_a_score_of_each_row_and_no_more():
    X, y, _ = make_people()
    clf = DeconfoundedClassifier(make_net(max_epochs=2), random_state=0).fit(X, y)
    assert len(clf.backdoor_score_) == len(clf.sample_weight_) == N_ROWS
    del clf.backdoor_score_, clf.sample_weight_
    assert_no_rows(clf, X)
