"""
Choose how far to go
====================

How strong debiasing should be differs from data set to data set, so it is chosen by
cross-validation. Three ways to do so, from the fastest to the most flexible:

- :class:`~sklearn_bade.BackdoorDebiasClassifierCV` trains two models per fold and tries
  every strength by arithmetic;
- ``GridSearchCV`` over :class:`~sklearn_bade.BackdoorDebiasClassifier` with a column name,
  which also works for parameters of preprocessing and network;
- the same with metadata routing, where the sensitive values travel beside X through a
  pipeline.
"""

# %%
# The data
# --------
# Biased decisions about applicants, with a column of strings beside the numbers.

import tempfile

import numpy as np
import pandas as pd
import sklearn
import torch
from matplotlib import pyplot as plt
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from skorch import NeuralNetClassifier

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.inspection import GroupRatesDisplay, StrengthPathDisplay
from sklearn_bade.metrics import (
    average_absolute_odds_difference,
    make_fairness_scorer,
    select_fair,
)

X, y, _ = make_biased_classification(n_samples=6000, random_state=0)
X["experience"] = np.where(X.pop("merit_0") > 0, "long", "short")
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)

# %%
# A pipeline that ends in a network
# ---------------------------------
# The sensitive column "group" is taken away before the first step, so the pipeline does
# not name it.


class Network(torch.nn.Module):
    """One hidden layer."""

    def __init__(self, n_features=11):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(n_features, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2)
        )

    def forward(self, X):
        """Compute logits."""
        return self.layers(X)


def make_network():
    """Build the skorch network."""
    return NeuralNetClassifier(
        Network,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=3e-3,
        max_epochs=10,
        batch_size=128,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )


numbers = [name for name in X if name not in ("group", "experience")]
preprocessing = make_column_transformer(
    (StandardScaler(), numbers), (OneHotEncoder(), ["experience"]), sparse_threshold=0
)
pipeline = make_pipeline(preprocessing, make_network())

# %%
# Along the path
# --------------
# The default rule leaves alone what is within noise of fair, and pays at most two points of
# accuracy. What it did, on the predictions of all folds together:

search = BackdoorDebiasClassifierCV(
    pipeline, sensitive_columns="group", random_state=0
).fit(X_train, y_train)
print("chosen along the path:", search.best_strength_)
pd.DataFrame(search.comparison_).drop(columns="base_rate").set_index("model").round(3)

# %%
# The curve shows what fairness costs: the plain classifier, the chosen point, and how much
# folds differ there.

StrengthPathDisplay.from_estimator(search)
plt.show()

# %%
# The same strengths on the test set, with what a rule that may not see the group, and one
# that is told it, could reach there. Nothing is trained for it.

StrengthPathDisplay.from_estimator(search, X_test, y_test, references=True)
plt.show()

# %%
# The rates of both groups on the test set, before and after:

models = {"strength 0": search.with_strength(0), "chosen": search}
GroupRatesDisplay.from_estimator(models, X_test, y_test)
plt.show()

# %%
# Another strength is at hand: a sibling shares all models with what was chosen.

milder = search.with_strength(0.5)
print(f"accuracy, chosen: {search.score(X_test, y_test):.3f}")
print(f"accuracy, strength 0.5: {milder.score(X_test, y_test):.3f}")

# %%
# GridSearchCV with a column
# --------------------------
# The scorer reads the column from X, and ``select_fair`` applies a rule of its own: the
# least disparate candidate that costs at most a point of accuracy. With ``memory``, the
# candidates of a fold share all that is trained.

memory = tempfile.TemporaryDirectory()
grid = GridSearchCV(
    BackdoorDebiasClassifier(
        pipeline, sensitive_columns="group", memory=memory.name, random_state=0
    ),
    {"trigger_strength": [0.0, 0.75, 1.5, 2.25]},
    scoring={
        "accuracy": "accuracy",
        "disparity": make_fairness_scorer("average_odds", sensitive_columns="group"),
    },
    refit=select_fair(max_accuracy_loss=0.01),
    cv=3,
).fit(X_train, y_train)
print("chosen with a column:", grid.best_params_)

# %%
# GridSearchCV with metadata routing
# ----------------------------------
# Here the classifier is the last step of the pipeline, and the sensitive values are an
# array of their own: no column of X has to survive the preprocessing. Our classes and
# scorers ask for ``sensitive_features`` by themselves, so nothing else must be requested.

group_train = X_train["group"].to_numpy()
with sklearn.config_context(enable_metadata_routing=True):
    routed = GridSearchCV(
        make_pipeline(
            preprocessing,
            BackdoorDebiasClassifier(make_network(), memory=memory.name, random_state=0),
        ),
        {"backdoordebiasclassifier__trigger_strength": [0.0, 0.75, 1.5, 2.25]},
        scoring={"accuracy": "accuracy", "disparity": make_fairness_scorer("average_odds")},
        refit=select_fair(max_accuracy_loss=0.01),
        cv=3,
    ).fit(X_train.drop(columns="group"), y_train, sensitive_features=group_train)
print("chosen with routing:", routed.best_params_)
memory.cleanup()

# %%
# All three on the test set
# -------------------------

X_new = X_test.drop(columns="group")
rows = {}
for name, model in {"path": search, "column": grid, "routing": routed}.items():
    y_pred = model.predict(X_new)
    gap = average_absolute_odds_difference(
        y_test, y_pred, sensitive_features=X_test["group"]
    )
    rows[name] = {"accuracy": (y_pred == y_test).mean(), "average odds": gap}
pd.DataFrame(rows).T.round(3)
