"""
Adult: who earns more than 50,000 dollars?
==========================================

The raw census table goes in, strings and missing values included; a table of accuracies
and disparities comes out. First with the default estimator, then with a network of one's
own at the end of a pipeline.

Usage: ``python examples/adult.py [sex|race]``. The data are downloaded on first use;
without a network, let the environment variable ``SKLEARN_BADE_DATA`` name a folder that
holds them.
"""

import sys

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from skorch import NeuralNetClassifier

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.datasets import fetch_adult
from sklearn_bade.metrics import (
    average_absolute_odds_difference,
    balanced_group_accuracy,
    demographic_parity_difference,
)

# What BackdoorDebiasClassifierCV finds, on the training data, for networks like these.
STRENGTHS = {"sex": 0.25, "race": 1.6}


class Network(torch.nn.Module):
    """Three hidden layers; it finds out the number of its inputs by itself."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.LazyLinear(128),
            torch.nn.ReLU(),
            torch.nn.Linear(128, 256),
            torch.nn.ReLU(),
            torch.nn.Linear(256, 512),
            torch.nn.ReLU(),
            torch.nn.Linear(512, 2),
        )

    def forward(self, X):
        """Compute logits."""
        return self.layers(X)


def load(subset, sensitive):
    """Load one part of the data, with race as White or other."""
    X, y = fetch_adult(subset=subset, return_X_y=True)
    if sensitive == "race":
        X["race"] = np.where(X["race"] == "White", "White", "other")
    return X, y


def make_own_pipeline():
    """Build a pipeline that encodes the raw frame and ends in a skorch network."""
    encode = make_column_transformer(
        (
            make_pipeline(SimpleImputer(), StandardScaler()),
            make_column_selector(dtype_include="number"),
        ),
        (
            OneHotEncoder(handle_unknown="ignore"),
            make_column_selector(dtype_exclude="number"),
        ),
        sparse_threshold=0,
    )
    net = NeuralNetClassifier(
        Network,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        max_epochs=10,
        batch_size=128,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )
    return make_pipeline(encode, FunctionTransformer(np.float32), net)


def summarize(y_true, y_pred, groups):
    """Compute one row of the table."""
    return {
        "accuracy": (y_pred == y_true).mean(),
        "bACC": balanced_group_accuracy(y_true, y_pred, sensitive_features=groups),
        "average odds": average_absolute_odds_difference(
            y_true, y_pred, sensitive_features=groups
        ),
        "demographic parity difference": demographic_parity_difference(
            y_true, y_pred, sensitive_features=groups
        ),
    }


def main(sensitive):
    """Compare plain and debiased networks on one sensitive attribute."""
    X_train, y_train = load("train", sensitive)
    X_test, y_test = load("test", sensitive)
    groups = X_test[sensitive]
    X_new = X_test.drop(columns=sensitive)
    own = make_own_pipeline()
    settings = {"sensitive_columns": sensitive, "random_state": 0, "verbose": 1}
    strength = STRENGTHS[sensitive]

    torch.manual_seed(0)
    labels, codes = np.unique(y_train, return_inverse=True)
    plain = clone(own).fit(X_train.drop(columns=sensitive), codes)
    rows = {"own network, plain": labels[plain.predict(X_new)]}
    for name, estimator in {"own network": own, "default estimator": None}.items():
        clf = BackdoorDebiasClassifier(estimator, trigger_strength=strength, **settings)
        rows[f"{name}, debiased"] = clf.fit(X_train, y_train).predict(X_new)

    table = {name: summarize(y_test, y_pred, groups) for name, y_pred in rows.items()}
    print(f"Adult, sensitive attribute: {sensitive}, trigger strength {strength}")
    print(pd.DataFrame(table).T.round(4).to_string())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "sex")
