"""What an audit looks at: the classifier, and what it predicts from."""

import numpy as np
from scipy.sparse import issparse
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from ...learners import PathStudent, looks_ids_up, predict_proba
from ...rows import is_frame


def predict_codes(model, features):
    """Predict class codes from features."""
    return predict_proba(model, features).argmax(axis=1)


def find_chosen(clf):
    """Find what a search has chosen, or a defence has repaired."""
    for attribute in ("best_estimator_", "estimator_"):
        if not hasattr(clf, "estimators_"):  # an ensemble's estimator_ is a template
            clf = getattr(clf, attribute, clf)
    return clf


def open_steps(clf):
    """Separate fitted preprocessing from the classifier behind it."""
    while isinstance(clf, FrozenEstimator):
        clf = clf.estimator
    if isinstance(clf, Pipeline):
        return clf[:-1], find_chosen(clf[-1])
    return None, clf


class Subject:
    """A classifier under audit: its features, and what predicts from them."""

    def __init__(self, clf, X):
        self.classes = clf.classes_
        self.steps, clf = open_steps(find_chosen(clf))
        self.debiaser = clf if hasattr(clf, "student_") else None
        self.student_steps, self.model = open_steps(getattr(clf, "student_", clf))
        # The part of a student that a plain classifier is compared with.
        self.plain = getattr(self.model, "base", self.model)
        features = self.features(X)
        if looks_ids_up(self.plain, features):
            raise TypeError(
                "The audit changes numbers, and X holds ids of tokens. To see what a token "
                "of your choice does, use sklearn_bade.metrics.attack_success_rate with a "
                "TokenTrigger."
            )
        if features.dtype.kind not in "fiub":
            raise TypeError(
                "The audit changes numeric features; got a classifier that takes others. "
                "Put it at the end of a Pipeline that encodes them."
            )

    def features(self, X):
        """Make the model's features from rows."""
        if self.steps is not None:
            X = self.steps.transform(X)
        if self.debiaser is not None:
            X = self.debiaser._student_features(X)
        if self.student_steps is not None:
            X = self.student_steps.transform(X)
        if isinstance(self.model, PathStudent):
            X = self.model.transform(X)
        if issparse(X):
            raise TypeError(
                "The audit changes features at will, and those of this classifier are "
                f"sparse, of shape {X.shape}, as those of texts are. What it makes of them "
                "may be no text's."
            )
        return X.to_numpy() if is_frame(X) else np.asarray(X)

    def encode(self, y):
        """Turn labels into codes."""
        order = np.argsort(self.classes)
        places = np.searchsorted(self.classes, y, sorter=order)
        codes = order[places.clip(max=len(self.classes) - 1)]
        if (self.classes[codes] != y).any():
            raise ValueError(
                "y holds labels that the classifier does not know; it knows "
                f"{self.classes.tolist()}."
            )
        return codes
