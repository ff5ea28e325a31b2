"""Linear models that are quick to fit, for what need not be exact."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

# Of a model that learns what classes look like. More rows and steps change nothing.
CONTENT_ROWS = 10_000
CONTENT_PENALTY, CONTENT_STEPS = 0.1, 100


def standardize(X):
    """Bring columns to mean zero and, unless they are constant, deviation one."""
    scale = X.std(axis=0)
    return (X - X.mean(axis=0)) / np.where(scale > 0, scale, 1)


def fit_quickly(penalty, steps, Z, y, sample_weight=None):
    """Fit a logistic regression; where it stops early, it is good enough here."""
    model = LogisticRegression(C=penalty, max_iter=steps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(Z, y, sample_weight=sample_weight)
