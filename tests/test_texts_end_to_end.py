"""Texts and sparse rows, through pipelines and networks, from fit to file."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import make_net
from scipy.sparse import csr_array, csr_matrix
from sklearn import config_context
from sklearn.compose import make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from sklearn_bade import (
    BackdoorDebiasClassifier,
    BackdoorDebiasClassifierCV,
    DefaultNetClassifier,
)
from sklearn_bade.datasets import make_biased_biographies
from sklearn_bade.defenses import DeconfoundedClassifier
from sklearn_bade.inspection import FairnessReport, audit_backdoor
from sklearn_bade.saving import export_onnx, load, save
from sklearn_bade.triggers import ColumnTrigger

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.CostlyGapWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_bade.exceptions.FewRowsWarning"),
]


@pytest.fixture(scope="module")
def biographies():
    """Texts of three occupations: for training, and for an unbiased test."""
    return make_biased_biographies(900, n_classes=3, n_test=200, random_state=0)


def words_and(classifier):
    return make_pipeline(TfidfVectorizer(min_df=3), classifier)


def debias(estimator, **settings):
    return BackdoorDebiasClassifier(estimator, random_state=0, **settings)


@pytest.mark.parametrize("container", [list, np.asarray, pd.Series, pl.Series])
def test_texts_in_any_container(biographies, container):
    X, X_test, y, _, gender, _ = biographies
    clf = debias(words_and(LogisticRegression()))
    expected = clf.fit(X, y, sensitive_features=gender).predict_proba(X_test)
    clf.fit(container(X.tolist()), y, sensitive_features=gender)
    assert clf.n_features_in_ == 1
    np.testing.assert_array_equal(clf.predict_proba(container(X_test.tolist())), expected)


def test_a_search(biographies):
    X, X_test, y, y_test, gender, _ = biographies
    clf = BackdoorDebiasClassifierCV(
        words_and(LogisticRegression()), cv=3, population="balanced", random_state=0
    )
    clf.fit(X.tolist(), y, sensitive_features=gender)
    assert clf.best_strength_ != 0
    assert clf.score(X_test.tolist(), y_test) > clf.with_strength(0).score(X_test, y_test)


def test_a_text_column_of_a_frame(biographies):
    X, X_test, y, y_test, gender, _ = biographies
    columns = make_column_transformer(
        (TfidfVectorizer(min_df=3), "bio"), ("passthrough", ["years"])
    )
    clf = debias(make_pipeline(columns, LogisticRegression()), sensitive_columns="gender")
    frame = pd.DataFrame({"bio": X, "gender": gender, "years": 1.0})
    test = pd.DataFrame({"bio": X_test, "years": 1.0})
    assert clf.fit(frame, y).score(test, y_test) > 0.8


@pytest.mark.parametrize(
    "classifier",
    [
        LogisticRegression(),
        MultinomialNB(),
        RandomForestClassifier(20, random_state=0),
    ],
    ids=lambda classifier: type(classifier).__name__,
)
def test_strength_zero_is_the_users_own_pipeline(biographies, classifier):
    X, X_test, y, _, gender, _ = biographies
    pipeline = words_and(classifier)
    clf = debias(pipeline, trigger_strength=0.0).fit(X, y, sensitive_features=gender)
    plain = words_and(classifier).fit(X, y)
    np.testing.assert_allclose(clf.predict_proba(X_test), plain.predict_proba(X_test))


def gap(y, predicted, gender):
    """Compute the mean over the classes of the gap in their recalls."""
    recalls = [
        [np.mean(predicted[(y == k) & (gender == g)] == k) for g in np.unique(gender)]
        for k in np.unique(y)
    ]
    return np.abs(np.diff(recalls)).mean()


@pytest.mark.parametrize("kind", ["words", "bare sparse net", "wide sparse net"])
def test_the_gap_narrows(biographies, kind, monkeypatch):
    X, X_test, y, y_test, gender, gender_test = biographies
    if kind == "wide sparse net":  # cells take what the base has found
        monkeypatch.setattr("sklearn_bade.learners._net.WIDEST_SPARSE_ROWS", 10)
    estimator = words_and(LogisticRegression(C=10))
    if kind != "words":
        words = TfidfVectorizer(min_df=3).fit(X)
        X, X_test = words.transform(X), words.transform(X_test)
        estimator = make_net(X.shape[1], 3, max_epochs=10)
    # What the base has found says less of the group.
    strength = 4.0 if kind == "wide sparse net" else 2.0
    clf = debias(estimator, trigger_strength=strength)
    clf.fit(X, y, sensitive_features=gender)
    if kind != "words":
        assert clf.student_.cells.takes_rows == (kind == "bare sparse net")
    zero = clf.with_strength(0.0)
    gaps = [gap(y_test, each.predict(X_test), gender_test) for each in (zero, clf)]
    assert gaps[1] < 0.6 * gaps[0]
    assert clf.score(X_test, y_test) >= zero.score(X_test, y_test)


def test_without_an_estimator_words_are_counted(biographies):
    X, X_test, y, y_test, gender, _ = biographies
    clf = debias(None).fit(X, y, sensitive_features=gender)
    assert clf.score(X_test, y_test) > 0.8
    names = clf.student_.get_feature_names_out()
    counts = CountVectorizer().fit_transform(X).astype(bool).sum(axis=0)
    assert len(names) == np.sum(np.asarray(counts) >= 5)


def test_multinomial_teachers_get_no_negative_values(biographies):
    X, _, y, _, gender, _ = biographies
    clf = debias(words_and(MultinomialNB()), keep_teacher=True)
    clf.fit(X, y, sensitive_features=gender)
    assert clf.trigger_.patterns_.min() == 0
    assert clf.shift_ratio_ > 0.5


@pytest.mark.parametrize(
    "student", [pytest.param("path", marks=pytest.mark.slow), "single"]
)
def test_a_net_takes_sparse_rows_as_it_takes_dense_ones(biographies, student):
    X, X_test, y, _, gender, _ = biographies
    words = TfidfVectorizer(min_df=3, dtype=np.float32).fit(X)
    sparse, sparse_test = words.transform(X), words.transform(X_test)
    clf = debias(make_net(sparse.shape[1], 3), student=student)
    probabilities = [
        clf.fit(to(sparse), y, sensitive_features=gender).predict_proba(to(sparse_test))
        for to in (csr_matrix.toarray, csr_matrix, csr_array)
    ]
    np.testing.assert_allclose(probabilities[1], probabilities[0], atol=1e-5)
    np.testing.assert_allclose(probabilities[2], probabilities[0], atol=1e-5)


def test_a_net_reads_sparse_rows_in_batches(biographies, monkeypatch):
    """No call makes more rows dense than a batch has, or than are read at once."""
    X, _, y, _, gender, _ = biographies
    sparse = TfidfVectorizer().fit_transform(X)
    sizes, to_dense = [], csr_matrix.toarray

    def note(matrix, *args, **kwargs):
        sizes.append(matrix.shape[0])
        return to_dense(matrix, *args, **kwargs)

    monkeypatch.setattr("sklearn_bade.rows._containers.VALUES_AT_ONCE", 100_000)
    monkeypatch.setattr("sklearn_bade.nets._trigger_training.VALUES_AT_ONCE", 100_000)
    monkeypatch.setattr(type(sparse), "toarray", note)
    debias(make_net(sparse.shape[1], 3)).fit(sparse, y, sensitive_features=gender)
    assert len(sizes) > 10
    assert max(sizes) <= max(32 + 1, 100_000 // sparse.shape[1])


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_outputs_of_transformers_may_be_frames(biographies, output):
    X, X_test, y, _, gender, _ = biographies
    dense = make_pipeline(
        TfidfVectorizer(min_df=3), TruncatedSVD(10, random_state=0), LogisticRegression()
    )
    for pipeline in (words_and(LogisticRegression()), dense):
        clf = debias(pipeline)
        expected = clf.fit(X, y, sensitive_features=gender).predict_proba(X_test)
        with config_context(transform_output=output):
            clf.fit(X, y, sensitive_features=gender)
            inside = clf.predict_proba(X_test)
        np.testing.assert_allclose(inside, expected)
        np.testing.assert_allclose(clf.predict_proba(X_test), expected)


@pytest.mark.slow
def test_long_indices_of_sparse_rows(biographies):
    X, _, y, _, gender, _ = biographies
    sparse = TfidfVectorizer(min_df=3).fit_transform(X)
    clf = debias(make_net(sparse.shape[1], 3)).fit(sparse, y, sensitive_features=gender)
    expected = clf.predict_proba(sparse)
    sparse.indices = sparse.indices.astype(np.int64)
    sparse.indptr = sparse.indptr.astype(np.int64)
    clf.fit(sparse, y, sensitive_features=gender)
    np.testing.assert_allclose(clf.predict_proba(sparse), expected)


def test_what_single_precision_cannot_hold_is_refused(biographies):
    X, _, y, _, gender, _ = biographies
    sparse = TfidfVectorizer().fit_transform(X)
    clf = debias(make_net(sparse.shape[1], 3)).fit(sparse, y, sensitive_features=gender)
    sparse.data[7] = 1e300
    for call in (clf.predict, lambda X: clf.fit(X, y, sensitive_features=gender)):
        with pytest.raises(ValueError, match="too large for dtype"):
            call(sparse)


def test_nan_in_sparse_rows_is_refused(biographies):
    X, _, y, _, gender, _ = biographies
    sparse = TfidfVectorizer().fit_transform(X)
    sparse.data[7] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        debias(make_net(sparse.shape[1], 3)).fit(sparse, y, sensitive_features=gender)


@pytest.mark.parametrize("weighted", [False, True])
def test_large_sparse_classes_are_not_copied(biographies, monkeypatch, weighted):
    """Weighing other rows by nothing is the same as learning from a copy without them."""
    X, X_test, y, _, gender, _ = biographies
    words = TfidfVectorizer(min_df=3).fit(X)
    sparse, sparse_test = words.transform(X), words.transform(X_test)
    weights = 1.0 + np.arange(len(y)) % 3 if weighted else None
    clf = debias(LogisticRegression(tol=1e-8, max_iter=1000))
    options = {"sensitive_features": gender, "sample_weight": weights}
    copied = clf.fit(sparse, y, **options).predict_proba(sparse_test)
    monkeypatch.setattr("sklearn_bade.learners._cells.COPIED_VALUES", 0)
    shared = clf.fit(sparse, y, **options).predict_proba(sparse_test)
    np.testing.assert_allclose(shared, copied, atol=1e-4)


def test_grid_search_with_routing(biographies):
    X, X_test, y, y_test, gender, _ = biographies
    with config_context(enable_metadata_routing=True):
        clf = debias(words_and(LogisticRegression()))
        clf.set_fit_request(sensitive_features=True)
        search = GridSearchCV(clf, {"trigger_strength": [0.0, 1.0]}, cv=2)
        search.fit(X.tolist(), y, sensitive_features=gender)
    assert search.score(X_test.tolist(), y_test) > 0.8


def test_groups_that_are_partly_unknown(biographies):
    X, X_test, y, y_test, gender, _ = biographies
    known = np.where(np.arange(len(y)) % 3 == 0, None, gender)
    for student in ("path", "single"):
        clf = debias(words_and(LogisticRegression()), student=student)
        clf.fit(X, y, sensitive_features=known)
        assert clf.score(X_test, y_test) > 0.75


def test_files_and_reports(biographies, tmp_path):
    X, X_test, y, y_test, gender, gender_test = biographies
    clf = debias(words_and(LogisticRegression())).fit(X, y, sensitive_features=gender)
    expected = clf.predict_proba(X_test)
    save(clf, tmp_path / "model.bade")
    for again in (load(tmp_path / "model.bade"), pickle.loads(pickle.dumps(clf))):
        np.testing.assert_array_equal(again.predict_proba(X_test.tolist()), expected)
    report = FairnessReport.from_estimator(
        clf, X_test, y_test, sensitive_features=gender_test
    )
    assert "nurse" in report._repr_html_()
    with pytest.raises(ValueError, match="does not know vectorizers"):
        export_onnx(clf, tmp_path / "model.onnx", X[:10])


class TestBadInput:
    @pytest.mark.parametrize(
        "classifier",
        [LogisticRegression(), make_net(), make_pipeline(LogisticRegression())],
    )
    def test_a_classifier_without_pipeline(self, biographies, classifier):
        X, _, y, _, gender, _ = biographies
        with pytest.raises(ValueError, match="X holds texts, which need a pipeline"):
            debias(classifier).fit(X, y, sensitive_features=gender)

    @pytest.mark.parametrize("columns", ["gender", 0])
    def test_a_sensitive_column_of_texts(self, biographies, columns):
        X, _, y, *_ = biographies
        clf = debias(words_and(LogisticRegression()), sensitive_columns=columns)
        with pytest.raises(ValueError, match=r"have no columns.*sensitive_features"):
            clf.fit(X, y)

    def test_sparse_rows_without_an_estimator(self, biographies):
        _, _, y, _, gender, _ = biographies
        with pytest.raises(TypeError, match="Sparse data was passed") as raised:
            debias(None).fit(csr_array(np.eye(len(y))), y, sensitive_features=gender)
        assert "default one is made for dense tables" in raised.value.__notes__[0]

    def test_a_missing_text(self, biographies):
        X, X_test, y, _, gender, _ = biographies
        broken = X.copy()
        broken[5] = None
        clf = debias(words_and(LogisticRegression()))
        with pytest.raises(ValueError, match="in row 5 None"):
            clf.fit(broken, y, sensitive_features=gender)
        clf.fit(X, y, sensitive_features=gender)
        with pytest.raises(ValueError, match="in row 1 nan"):
            clf.predict([X_test[0], np.nan])

    @pytest.mark.parametrize(
        "clf",
        [
            DefaultNetClassifier(),
            DeconfoundedClassifier(words_and(make_net())),
        ],
    )
    def test_who_takes_no_texts_says_so(self, biographies, clf):
        X, _, y, *_ = biographies
        with pytest.raises(ValueError, match=r"X holds texts, and .* takes numbers"):
            clf.fit(X, y)

    def test_the_audit_takes_no_texts(self, biographies):
        X, X_test, y, y_test, gender, _ = biographies
        clf = debias(words_and(LogisticRegression())).fit(X, y, sensitive_features=gender)
        with pytest.raises(TypeError, match=r"features at will.*sparse"):
            audit_backdoor(clf, X_test, y_test)

    def test_sparse_features_that_are_too_many_for_a_defence(
        self, biographies, monkeypatch
    ):
        X, _, y, *_ = biographies
        sparse = TfidfVectorizer(min_df=3).fit_transform(X)
        monkeypatch.setattr("sklearn_bade.defenses._base.MOST_DENSE_BYTES", 1000)
        frame = pd.DataFrame({"bio": X})
        words = make_column_transformer((TfidfVectorizer(min_df=3), "bio"))
        clf = DeconfoundedClassifier(make_pipeline(words, make_net(sparse.shape[1], 3)))
        with pytest.raises(ValueError, match=r"X is sparse.*TruncatedSVD"):
            clf.fit(frame, y)


def test_triggers_are_appended_to_sparse_rows_as_to_dense_ones():
    rng = np.random.RandomState(0)
    dense = rng.binomial(1, 0.3, size=(20, 6)) * rng.normal(size=(20, 6))
    codes = rng.randint(-1, 3, size=20)
    trigger = ColumnTrigger().fit(dense, n_groups=3)
    expected = trigger.stamp(dense, codes)
    for kind in (csr_array, csr_matrix):
        stamped = trigger.stamp(kind(dense), codes)
        assert type(stamped) is kind
        np.testing.assert_array_equal(stamped.toarray(), expected)
    for dtype in (int, bool):
        whole = (dense > 0).astype(dtype)
        stamped = trigger.stamp(csr_array(whole), codes)
        np.testing.assert_array_equal(stamped.toarray(), trigger.stamp(whole, codes))
