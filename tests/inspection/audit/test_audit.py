import numpy as np
import pandas as pd
import pytest
from helpers import load_real, make_net, make_paper_net
from poisoned import make_small
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade.datasets import (
    make_biased_classification,
    make_colored_digits,
    poison,
)
from sklearn_bade.defenses import ActivationGuidedEditor, DeconfoundedClassifier
from sklearn_bade.exceptions import SingleBaselineWarning
from sklearn_bade.inspection import audit_backdoor
from sklearn_bade.nets import make_default_net, train_net
from sklearn_bade.triggers import BlendTrigger, ColumnTrigger, PatchTrigger

X, Y, _ = make_biased_classification(3000, label_bias=0.9, random_state=0)
TRAIN, TEST = slice(0, 1500), slice(1500, 3000)


@pytest.fixture(scope="module")
def debiased():
    clf = BackdoorDebiasClassifier(
        sensitive_columns="group", keep_teacher=True, random_state=0
    )
    return clf.fit(X[TRAIN], Y[TRAIN])


@pytest.fixture(scope="module")
def audit(debiased):
    return audit_backdoor(debiased, X[TEST], Y[TEST], n_triggers=3)


def test_the_teacher_is_flagged_and_the_student_is_not(audit):
    assert set(audit.flagged["model"]) == {"teacher"}
    assert audit.flagged["trigger"].str.startswith("own").all()
    assert audit.verdict.startswith(f"{len(audit.flagged)} of {len(audit.table)} attacks")


def test_own_trigger_has_no_way_into_the_student(audit):
    table = audit.table
    own = table[(table["model"] == "student") & table["trigger"].str.startswith("own")]
    assert len(own) == 4
    assert (own["excess"] == 0).all()


def test_table(audit):
    table = audit.table
    assert len(table) == 2 * (2 + 3 + 2 + 2 + 1)
    assert table["success"].between(0, 1).all()
    assert table["baseline_success"].between(0, 1).all()
    assert (table["low"] <= table["excess"]).all()
    assert (table["excess"] <= table["high"]).all()
    assert ((table["low"] > audit.margin) == table["flagged"]).all()
    assert set(table["target"]) == {0, 1}


def test_it_shows_itself(audit):
    assert audit.verdict in repr(audit)
    assert "<table" in audit._repr_html_()
    assert audit.verdict in audit._repr_html_()


@pytest.mark.slow
def test_equal_seeds_give_equal_tables(debiased, audit):
    again = audit_backdoor(debiased, X[TEST], Y[TEST], n_triggers=3)
    pd.testing.assert_frame_equal(again.table, audit.table)


@pytest.mark.slow
def test_a_known_trigger_finds_a_backdoor_and_its_removal():
    bed = make_small()
    settings = {"triggers": {"vendor's": bed.trigger}, "n_triggers": 2}
    baseline = [train_net(bed.make(), *bed.trained, seed=seed) for seed in range(3)]
    audit = audit_backdoor(bed.fit(), *bed.test, baseline=baseline, **settings)
    assert audit.flagged[["trigger", "target"]].to_numpy().tolist() == [["vendor's", 1]]
    defended = DeconfoundedClassifier(bed.make(), random_state=0).fit(*bed.poisoned)
    audit = audit_backdoor(defended, *bed.test, baseline=baseline, **settings)
    assert audit.flagged.empty
    assert audit.verdict.startswith(f"None of {len(audit.table)} attacks")


@pytest.mark.parametrize(
    "make",
    [
        lambda: LogisticRegression().fit(X.iloc[TRAIN, 1:], Y[TRAIN]),
        lambda: FrozenEstimator(
            make_pipeline(StandardScaler(), LogisticRegression()).fit(
                X.iloc[TRAIN, 1:], Y[TRAIN]
            )
        ),
        lambda: HistGradientBoostingClassifier(max_iter=10).fit(
            X.iloc[TRAIN, 1:], Y[TRAIN]
        ),
        lambda: GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(
            X.iloc[TRAIN, 1:], Y[TRAIN]
        ),
    ],
)
def test_plain_classifiers_are_not_flagged(make):
    audit = audit_backdoor(make(), X.iloc[TEST, 1:], Y[TEST], n_triggers=2)
    assert set(audit.table["model"]) == {"classifier"}
    assert audit.flagged.empty


@pytest.mark.parametrize(
    "clf",
    [
        BackdoorDebiasClassifier(
            make_pipeline(StandardScaler(), make_net(10)),
            sensitive_columns="group",
            trigger=BlendTrigger(),
            random_state=0,
        ),
        BackdoorDebiasClassifier(LogisticRegression(), sensitive_columns="group"),
        BackdoorDebiasClassifierCV(
            LogisticRegression(),
            sensitive_columns="group",
            trigger_strengths=[0.0, 1.0],
            cv=2,
            max_disparity=1.0,
        ),
    ],
)
def test_students_of_all_kinds(clf):
    names = np.array(["no", "yes"])
    clf.fit(X[TRAIN], names[Y[TRAIN]])
    audit = audit_backdoor(clf, X[TEST], names[Y[TEST]], n_triggers=1)
    assert set(audit.table["model"]) == {"student"}
    assert set(audit.table["target"]) == {"no", "yes"}


class TestBadInput:
    def test_features_that_are_no_numbers(self):
        clf = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(X[["group"]], Y)
        model = clf[-1]
        model.n_features_in_ = 1
        with pytest.raises(TypeError, match="got a classifier that takes others"):
            audit_backdoor(model, X[["group"]], Y)

    def test_labels_that_are_not_known(self, debiased):
        with pytest.raises(ValueError, match=r"it knows \[0, 1\]"):
            audit_backdoor(debiased, X[TEST], Y[TEST] + 5)

    @pytest.mark.parametrize("n_rows", [0, 3])
    def test_classes_of_too_few_rows(self, n_rows):
        """Plain classifiers that never see a class would make any other look bad."""
        features, y = X.drop(columns="group"), Y.copy()
        clf = LogisticRegression().fit(features, np.arange(len(y)) % 3)
        y[y == 2] = 0
        y[:n_rows] = 2
        with pytest.raises(ValueError, match=f"8 rows or more of each.* {n_rows} of"):
            audit_backdoor(clf, features, y)

    def test_no_baseline_at_all(self, debiased):
        with pytest.raises(ValueError, match="baseline holds no classifier"):
            audit_backdoor(debiased, X[TEST], Y[TEST], baseline=[])

    def test_triggers_that_are_none(self, debiased):
        with pytest.raises(TypeError, match="triggers\\['mine'\\] is not a trigger"):
            audit_backdoor(debiased, X[TEST], Y[TEST], triggers={"mine": 3})

    def test_triggers_that_append_columns(self, debiased):
        trigger = ColumnTrigger().fit(X)
        with pytest.raises(ValueError, match="appends columns"):
            audit_backdoor(debiased, X[TEST], Y[TEST], triggers={"mine": trigger})

    def test_a_baseline_of_other_classes(self, debiased):
        three = LogisticRegression().fit(X.iloc[:, 1:], np.arange(len(X)) % 3)
        with pytest.raises(ValueError, match="A baseline knows 3 classes"):
            audit_backdoor(debiased, X[TEST], Y[TEST], baseline=[three, three])

    def test_a_single_baseline(self, debiased):
        features = X.drop(columns="group")[TRAIN]
        plain = LogisticRegression().fit(features, Y[TRAIN])
        with pytest.warns(
            SingleBaselineWarning, match="With one baseline, the audit cannot tell"
        ):
            audit_backdoor(debiased, X[TEST], Y[TEST], baseline=plain)


@pytest.mark.slow
def test_a_planted_patch_is_flagged():
    images, rows, y, y_rows, *_ = make_colored_digits(correlation=0.0, random_state=0)
    patch = PatchTrigger(size=2).fit(images)
    poisoned = poison(images, y, trigger=patch, target_class=1, random_state=0)
    net = make_default_net(images, 2).set_params(max_epochs=15)
    net = train_net(net, *poisoned[:2], seed=0)
    audit = audit_backdoor(net, rows, y_rows, triggers={"planted": patch}, n_triggers=2)
    assert set(audit.flagged["trigger"]) == {"planted"}
    assert set(audit.flagged["target"]) == {1}


def test_forests_can_be_audited():
    """Their `estimator_` is a template, not what an audit should look at."""
    forest = RandomForestClassifier(10, random_state=0)
    features = X.drop(columns="group")
    audit = audit_backdoor(
        forest.fit(features[TRAIN], Y[TRAIN]), features[TEST], Y[TEST], n_triggers=1
    )
    assert set(audit.table["model"]) == {"classifier"}


@pytest.mark.parametrize("kind", ["gaps", "constant", "booleans"])
def test_tables_of_all_kinds(kind):
    rng = np.random.RandomState(0)
    rows = rng.normal(size=(200, 4))
    y = (rows[:, 0] > 0).astype(int)
    if kind == "gaps":
        rows[rng.uniform(size=rows.shape) < 0.2] = np.nan
    elif kind == "constant":
        rows[:] = 1
    else:
        rows = rows > 0
    clf = HistGradientBoostingClassifier(max_iter=5).fit(rows, y)
    audit = audit_backdoor(clf, rows, y, n_triggers=2)
    searched = audit.table["trigger"].str.startswith("searched").any()
    assert searched == (kind != "constant")
    assert audit.flagged.empty


def test_labels_of_a_repair_in_any_order():
    bed = make_small()
    names = np.array(["top", "low", "middle"])
    editor = ActivationGuidedEditor(bed.fit(), trigger=bed.trigger, classes=names)
    editor.fit(bed.clean[0])
    X_test, y_test = bed.test
    audit = audit_backdoor(editor, X_test, names[y_test], n_triggers=1, search=False)
    assert set(audit.table["target"]) == set(names)


@pytest.mark.slow
def test_adult(data_home):
    """No attack on the student does better than on plain nets; the teacher is flagged."""
    (X, y, sensitive), (X_test, y_test, _) = load_real("race", data_home)
    net = make_paper_net(X.shape[1])
    plain = [train_net(net, X, y, seed=seed) for seed in range(2)]
    clf = BackdoorDebiasClassifier(net, keep_teacher=True, random_state=0)
    clf.fit(X, y, sensitive_features=sensitive)
    audit = audit_backdoor(clf, X_test, y_test, baseline=plain, n_triggers=4)
    assert set(audit.flagged["model"]) == {"teacher"}
