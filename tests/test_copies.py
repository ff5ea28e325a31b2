"""Training on weighted copies of rows."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.naive_bayes import GaussianNB

from sklearn_bade._copies import FEWEST_ROWS_TO_STOP_EARLY, fit_on_copies


class Recording(HistGradientBoostingClassifier):
    """Gradient boosting that remembers which rows it has seen."""

    def fit(self, X, y, sample_weight=None, **validation):
        self.learned = X[:, 0], y, sample_weight
        self.held_out = tuple(v if v.ndim == 1 else v[:, 0] for v in validation.values())
        return super().fit(X, y, sample_weight, **validation)


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
    def test_no_copy_of_them_is_learned(self):
        clf, _ = fit(boosting(early_stopping=True))
        learned, held_out = set(clf.learned[0]), set(clf.held_out[0])
        assert not learned & held_out
        assert learned | held_out == set(range(200))
        assert len(held_out) == 20
        assert sum(row % 2 for row in held_out) == 10

    @pytest.mark.parametrize("part", ["learned", "held_out"])
    def test_copies_keep_their_labels_and_weights(self, part):
        clf, weights = fit(boosting(early_stopping=True))
        rows, labels, sample_weight = getattr(clf, part)
        np.testing.assert_array_equal(weights[labels, rows.astype(int)], sample_weight)
        assert (sample_weight > 0).all()
        assert len(rows) == (weights[:, np.unique(rows).astype(int)] > 0).sum()

    def test_the_share_is_the_classifiers_own(self):
        clf, _ = fit(boosting(early_stopping=True, validation_fraction=0.25))
        assert len(set(clf.held_out[0])) == 50

    def test_the_draw_follows_the_seed(self):
        one, two, three = (
            fit(boosting(early_stopping=True).set_params(random_state=seed))[0].held_out[0]
            for seed in (0, 0, 1)
        )
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
    def test_where_the_classifier_asks_for_nothing(self, settings):
        clf, _ = fit(boosting(**settings))
        assert clf.held_out == ()
        assert set(clf.learned[0]) == set(range(200))

    @pytest.mark.parametrize("extra", [0, 1])
    def test_rows_are_counted_and_not_copies(self, extra):
        clf, _ = fit(boosting(), FEWEST_ROWS_TO_STOP_EARLY + extra)
        plain = clone(boosting()).fit(
            np.arange(FEWEST_ROWS_TO_STOP_EARLY + extra)[:, None],
            np.arange(FEWEST_ROWS_TO_STOP_EARLY + extra) % 2,
        )
        assert clf.do_early_stopping_ is plain.do_early_stopping_ is bool(extra)
        assert bool(clf.held_out) is bool(extra)

    def test_where_the_classifier_could_not_take_it(self):
        clf, weights = fit(GaussianNB())
        np.testing.assert_allclose(clf.class_count_, weights.sum(axis=1))
