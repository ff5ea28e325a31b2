"""Training on weighted copies of rows."""

from typing import ClassVar

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.naive_bayes import GaussianNB

from sklearn_bade.learners._copies import (
    MOST_ROWS_WITHOUT_EARLY_STOPPING,
    fit_on_copies,
    train_as_long,
)


class Recording(HistGradientBoostingClassifier):
    """Gradient boosting that remembers which rows its clones have seen."""

    fits: ClassVar = []

    def fit(self, X, y, sample_weight=None, **validation):
        held_out = tuple(v if v.ndim == 1 else v[:, 0] for v in validation.values())
        self.fits.append(((X[:, 0], y, sample_weight), held_out))
        return super().fit(X, y, sample_weight, **validation)


@pytest.fixture(autouse=True)
def fits():
    """What has been fitted: rows, labels and weights learned, and those held out."""
    Recording.fits.clear()
    return Recording.fits


def fit(classifier, n_samples=200):
    """Fit on one copy per label; the only feature is the number of the row."""
    rng = np.random.RandomState(0)
    y = np.arange(n_samples) % 2
    weights = rng.uniform(0.1, 1, size=(2, n_samples))
    weights[0, ::10] = 0

    def make_copies(selections):
        labels = np.repeat([0, 1], [len(rows) for rows in selections])
        return np.concatenate(selections)[:, None].astype(float), labels

    return fit_on_copies(classifier, weights, make_copies, y), weights


def boosting(**settings):
    return Recording(max_iter=3, random_state=0, **settings)


class TestWholeRowsAreHeldOut:
    def test_no_copy_of_them_is_learned(self, fits):
        fit(boosting(early_stopping=True))
        (learned, *_), (held_out, *_) = fits[0]
        assert not set(learned) & set(held_out)
        assert set(learned) | set(held_out) == set(range(200))
        assert len(set(held_out)) == 20
        assert sum(row % 2 for row in set(held_out)) == 10

    @pytest.mark.parametrize("part", [0, 1])
    def test_copies_keep_their_labels_and_weights(self, fits, part):
        _, weights = fit(boosting(early_stopping=True))
        rows, labels, sample_weight = fits[0][part]
        np.testing.assert_array_equal(weights[labels, rows.astype(int)], sample_weight)
        assert (sample_weight > 0).all()
        assert len(rows) == (weights[:, np.unique(rows).astype(int)] > 0).sum()

    def test_in_the_end_all_rows_are_learned_for_as_long(self, fits):
        clf, weights = fit(
            boosting(early_stopping=True, n_iter_no_change=1).set_params(max_iter=500)
        )
        assert len(fits) == 2
        learned, held_out = fits[1]
        assert set(learned[0]) == set(range(200))
        assert learned[2].sum() == pytest.approx(weights.sum())
        assert held_out == ()
        assert clf.n_iter_ == clf.max_iter < 500

    def test_the_only_row_of_a_class_is_learned(self, fits):
        y = np.append(np.arange(199) % 2, 2)

        def make_copies(selections):
            return np.concatenate(selections)[:, None], y[np.concatenate(selections)]

        clf = fit_on_copies(
            boosting(early_stopping=True), np.ones((1, 200)), make_copies, y
        )
        assert clf.classes_.tolist() == [0, 1, 2]
        assert 199 in fits[0][0][0]

    def test_the_share_is_the_classifiers_own(self, fits):
        fit(boosting(early_stopping=True, validation_fraction=0.25))
        assert len(set(fits[0][1][0])) == 50

    def test_the_draw_follows_the_seed(self, fits):
        for seed in (0, 0, 1):
            fit(boosting(early_stopping=True).set_params(random_state=seed))
        one, two, three = (held_out[0] for _, held_out in fits[::2])
        np.testing.assert_array_equal(one, two)
        assert set(one) != set(three)


class TestNothingIsHeldOut:
    @pytest.mark.parametrize(
        "settings",
        [
            {},
            {"early_stopping": False},
            {"early_stopping": True, "validation_fraction": None},
        ],
    )
    def test_where_the_classifier_asks_for_nothing(self, fits, settings):
        fit(boosting(**settings))
        [(learned, held_out)] = fits
        assert held_out == ()
        assert set(learned[0]) == set(range(200))

    @pytest.mark.parametrize("extra", [0, 1])
    def test_rows_are_counted_and_not_copies(self, fits, extra):
        rows = np.arange(MOST_ROWS_WITHOUT_EARLY_STOPPING + extra)
        fit(boosting(), len(rows))
        assert len(fits) == 1 + extra
        plain = boosting().fit(rows[:, None], rows % 2)
        assert plain.do_early_stopping_ is bool(extra)

    def test_where_the_classifier_could_not_take_it(self):
        clf, weights = fit(GaussianNB())
        np.testing.assert_allclose(clf.class_count_, weights.sum(axis=1))


def test_as_long_as_another():
    X, y = np.arange(200)[:, None], np.arange(200) % 2
    fitted = boosting(early_stopping=True).fit(X, y)
    clf = train_as_long(boosting(early_stopping=True).set_params(max_iter=50), fitted)
    assert clf.max_iter == fitted.n_iter_ == 3
    assert clf.early_stopping is False
    other = GaussianNB()
    assert train_as_long(other, other) is other
