"""
Train on a table that does not fit into memory
==============================================

A folder of Parquet files may be larger than memory, and is then read batch by batch: by a
network in training, and by any fitted classifier when it predicts. The folder of this page
is small, so that the page is built quickly; nothing else would change with a large one.
"""

# %%
# A folder of files
# -----------------
# Forty thousand applications in ten files, with a number that identifies the applicant and
# the recorded decision among the columns. Half of the deserving of group B were turned
# down.

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import torch
from matplotlib import pyplot as plt
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.metrics import average_absolute_odds_difference
from sklearn_bade.nets import MLP
from sklearn_bade.scale import predict_parquet

folder = TemporaryDirectory()
train, new, predicted = (Path(folder.name) / name for name in ("train", "new", "predicted"))
X, y, _ = make_biased_classification(n_samples=60_000, random_state=0)
table = X.assign(decision=y, applicant=np.arange(len(X)))
for place, rows in ((train, table[:40_000]), (new, table[40_000:])):
    place.mkdir()
    for number, part in enumerate(np.array_split(np.arange(len(rows)), 10)):
        rows.iloc[part].to_parquet(place / f"part-{number}.parquet")
print(f"{len(list(train.iterdir()))} files of training rows")

# %%
# Fit
# ---
# X is the folder, y the name of a column. The column that identifies applicants is no
# feature, and so it is not selected. Preprocessing is fitted on rows that are drawn at
# random; then all rows are read once, and what it makes of them is what the network reads,
# epoch by epoch, from a temporary folder.

features = make_column_selector(pattern="merit|proxy")
net = NeuralNetClassifier(
    MLP,
    module__n_features=10,
    module__n_classes=2,
    module__hidden=(32,),
    criterion=torch.nn.CrossEntropyLoss,
    optimizer=torch.optim.Adam,
    lr=2e-3,
    max_epochs=3,
    batch_size=256,
    iterator_train__shuffle=True,
    train_split=None,
    verbose=0,
)
clf = BackdoorDebiasClassifier(
    make_pipeline(make_column_transformer((StandardScaler(), features)), net),
    sensitive_columns="group",
    trigger_strength=1.5,
    random_state=0,
).fit(ds.dataset(train), "decision")

# %%
# Predict
# -------
# Predictions go from one folder to another, a batch at a time, with the columns that one
# wants to keep.

predict_parquet(clf, new, predicted, keep=["applicant", "group", "decision"])
answers = ds.dataset(predicted).to_table().to_pandas()
answers.head().round(3)

# %%
# The answers are a table as any other, from which figures are computed in passing. Strength
# 0 is the same network without debiasing.

plain = clf.with_strength(0)
plain_predicted = Path(folder.name) / "plain"
predict_parquet(plain, new, plain_predicted, keep=["group", "decision"])
answers["strength 0"] = ds.dataset(plain_predicted).to_table().to_pandas()["prediction"]
folder.cleanup()

models = {"strength 0": "strength 0", "debiased": "prediction"}
pd.DataFrame(
    {
        name: {
            "accuracy": (answers[column] == answers["decision"]).mean(),
            "average odds": average_absolute_odds_difference(
                answers["decision"], answers[column], sensitive_features=answers["group"]
            ),
        }
        for name, column in models.items()
    }
).round(3)

# %%
# The share of each group that gets a positive decision:

figure, axes = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
for shift, (name, column), color in zip((-0.2, 0.2), models.items(), ("0.6", "#009E73")):
    shares = answers.groupby("group")[column].mean()
    bars = axes.bar(np.arange(2) + shift, shares, 0.38, color=color, label=name)
    axes.bar_label(bars, fmt="%.2f")
axes.set_xticks([0, 1], ["group A", "group B"])
axes.set(title="Positive decisions", ylabel="share of the group")
axes.spines[["top", "right"]].set_visible(False)
figure.legend(loc="outside lower center", ncols=2, frameon=False)
plt.show()
