"""The student of the path: two models, and the arithmetic between them."""

from copy import copy

import numpy as np
from scipy.special import softmax
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin

from .._compat import check_feature_names_in
from .._path import Answers
from ..rows import column_names, name_columns, read_all


class PathStudent(ClassifierMixin, BaseEstimator):
    """A debiased classifier of which every part is fitted.

    Parameters
    ----------
    base : estimator object
        The classifier as it is without debiasing.

    cells : object
        How likely each group is, given the features and the class: what the reversal takes
        away is weighed by it. It is asked by ``cells.group_proba(X)``.

    path : Path
        What triggers add, and where offsets come from.

    strength : ndarray of shape (), (n_classes,) or (n_classes, n_groups)
        Strength of the reversal.

    offset : ndarray of shape (n_classes,)
        What is added to the logit of each class.

    classes_ : ndarray of shape (n_classes,)
        Labels of the classes.

    learner : type
        Kind of learner that asks the base.

    preprocessing : Pipeline or None, default=None
        Fitted steps that make the features of base and cells.

    transform_output : str, default="default"
        What the steps returned in training.

    n_features_in_ : int or None, default=None
        Number of columns of a table without its sensitive ones.

    input_names : ndarray of shape (n_features_in_,) or None, default=None
        Their names, where they have any; these are `feature_names_in_`.
    """

    def __init__(
        self,
        base,
        cells,
        path,
        strength,
        offset,
        classes_,
        learner,
        preprocessing=None,
        transform_output="default",
        n_features_in_=None,
        input_names=None,
    ):
        self.base = base
        self.cells = cells
        self.path = path
        self.strength = strength
        self.offset = offset
        self.classes_ = classes_
        self.learner = learner
        self.preprocessing = preprocessing
        self.transform_output = transform_output
        self.n_features_in_ = n_features_in_
        self.input_names = input_names
        # Tools may set the public attribute to None, as shap does in its copies.
        if input_names is not None:
            self.feature_names_in_ = input_names

    def __sklearn_clone__(self):
        return copy(self)

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y):
        """Refuse, as all parts are fitted; tools demand that there is a `fit`."""
        raise NotImplementedError(
            "A PathStudent is made of fitted parts. Fit the debiaser that it belongs to."
        )

    def transform(self, X):
        """Make the features of base and cells from rows without sensitive columns."""
        X = self._check_columns(X)
        if self.preprocessing is not None:
            # Steps return what was learned from, whatever is set today.
            with config_context(transform_output=self.transform_output):
                X = self.preprocessing.transform(read_all(X))
        return self.learner.to_input(X)

    def _check_columns(self, X):
        """Give an array the names that were learned from, and refuse frames of others."""
        if self.input_names is None:
            return X
        given, known = column_names(X), list(self.input_names)
        if given is not None and given != known:
            raise ValueError(
                "The feature names should match those that the student learned from, in "
                f"the same order: {known}. Got {given}."
            )
        return name_columns(X, known)

    def get_feature_names_out(self, input_features=None):
        """Name the features that :meth:`transform` makes.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns that `transform` takes; None takes those of `fit`, or "x0",
            "x1", ... where it had none.

        Returns
        -------
        feature_names_out : ndarray of str
            Names of the features of base and cells.
        """
        if self.n_features_in_ is None:
            raise AttributeError("Only the features of tables have names.")
        names = check_feature_names_in(self, input_features)
        if self.preprocessing is None:
            return names
        return self.preprocessing.get_feature_names_out(names)

    def predict_proba(self, X):
        """Estimate class probabilities of rows without sensitive columns."""
        return self.predict_transformed(self.transform(X))

    def predict(self, X):
        """Predict class labels of rows without sensitive columns."""
        proba = self.predict_proba(X)
        return self.classes_[self.path.decision.decide_proba(proba)]

    def predict_transformed(self, X):
        """Estimate class probabilities of features that :meth:`transform` has made."""
        if not np.any(self.strength) and not np.any(self.offset):
            return self.learner.predict_proba(self.base, X)
        answers = self.answer(X)
        return softmax(self.path.logits(answers, self.strength) + self.offset, axis=1)

    def answer(self, X):
        """Ask base and cells about features that :meth:`transform` has made."""
        return self.learner.answer(self.base, self.cells, X)

    def with_strength(self, strength, offset):
        """Return a student of another strength that shares all parts."""
        sibling = copy(self)
        sibling.strength, sibling.offset = strength, offset
        return sibling


def answer_rows(log_proba, group_proba):
    """Put together what base and cells say, in double precision."""
    return Answers(np.asarray(log_proba, float), np.asarray(group_proba, float))
