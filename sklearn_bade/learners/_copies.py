"""Training on weighted copies of rows: one per trigger, or one per class."""

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split

# What early_stopping="auto" goes by in scikit-learn 1.9.
MOST_ROWS_WITHOUT_EARLY_STOPPING = 10_000


def fit_on_copies(classifier, weights, make_copies, y):
    """Fit a seeded classifier on copies of rows.

    `weights`, of shape (n_copies, n_samples), weigh each copy of each row; zero leaves it
    out. ``make_copies(selections)`` takes the positions of the rows of each copy, and
    returns their features and labels, copy after copy. `y` are the class codes of the rows.

    Gradient boosting that stops early by rows of its own choice would judge itself by
    copies of rows that it has learned from. It is handed whole rows instead, which it
    does not learn from at all, and then trained on all rows for as long: what is left to
    chance is the length of the training, and no longer the rows. Whether it stops early
    depends on the number of rows, not of copies.
    """

    def part(is_member):
        selections = [np.flatnonzero(copy) for copy in weights * is_member]
        X, labels = make_copies(selections)
        return X, labels, np.concatenate([w[rows] for w, rows in zip(weights, selections)])

    classifier = settle_early_stopping(classifier, len(y))
    held_out = _rows_to_stop_by(classifier, y)
    if len(held_out):
        is_held_out = np.isin(np.arange(len(y)), held_out)
        validation = zip(("X_val", "y_val", "sample_weight_val"), part(is_held_out))
        probe = clone(classifier).fit(*part(~is_held_out), **dict(validation))
        classifier = train_as_long(classifier, probe)
    X, labels, sample_weight = part(True)
    return classifier.fit(X, labels, sample_weight=sample_weight)


def train_as_long(classifier, fitted):
    """Fix the number of iterations, where a fitted classifier has found it out."""
    if fitted is None or not isinstance(classifier, HistGradientBoostingClassifier):
        return classifier
    return clone(classifier).set_params(early_stopping=False, max_iter=fitted.n_iter_)


def settle_early_stopping(estimator, n_samples):
    """Decide for all folds of a search what depends on the number of rows.

    A clone of the classifier or pipeline stops early where it would on the whole data.
    """
    if estimator is None:
        return None
    settled = {
        name: n_samples > MOST_ROWS_WITHOUT_EARLY_STOPPING
        for name, value in estimator.get_params().items()
        if name.split("__")[-1] == "early_stopping" and value == "auto"
    }
    return clone(estimator).set_params(**settled) if settled else estimator


def _rows_to_stop_by(classifier, y):
    """Draw rows that tell when to stop, as many as the classifier itself would."""
    if (
        not isinstance(classifier, HistGradientBoostingClassifier)
        or not classifier.early_stopping
        or classifier.validation_fraction is None
    ):
        return np.zeros(0, dtype=int)
    # The only row of a class is learned from.
    rows = np.flatnonzero(np.bincount(y)[y] > 1)
    _, held_out = train_test_split(
        rows,
        test_size=classifier.validation_fraction,
        stratify=y[rows],
        random_state=classifier.random_state,
    )
    return held_out
