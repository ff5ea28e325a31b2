"""Linear models that are quick to fit, for what need not be exact."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

# Of a model that learns what classes look like. More rows and steps change nothing.
CONTENT_ROWS = 10_000
CONTENT_PENALTY, CONTENT_STEPS = 0.1, 100
# Of means of float32: columns that differ by less are constant.
ROUNDING = 1e-6


def standardize(X):
    """Bring columns to mean zero and, unless they are constant, deviation one."""
    mean, scale = (f(X, axis=0, dtype=np.float64) for f in (np.mean, np.std))
    scale = np.where(scale > ROUNDING * np.abs(mean), scale, 1)
    return (X - mean.astype(X.dtype)) / scale.astype(X.dtype)


def fit_quickly(penalty, steps, Z, y, sample_weight=None):
    """Fit a logistic regression; where it stops early, it is good enough here."""
    model = LogisticRegression(C=penalty, max_iter=steps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(Z, y, sample_weight=sample_weight)
