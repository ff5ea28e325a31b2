"""
Search on a cluster
===================

A search for a strength trains each fold once, and every fold by itself, so folds can be
trained on as many machines as there are. :class:`~sklearn_bade.BackdoorDebiasClassifierCV`
leaves that to joblib, and joblib leaves it to Dask, which runs on a laptop, on a batch
system or in a cloud. One line moves the search there; the result is the same.
"""

# %%
# A cluster
# ---------
# Two workers on this machine stand for a cluster. Elsewhere, the client gets the address of
# a scheduler instead: ``Client("tcp://scheduler:8786")``.
#
# Workers that are processes of their own (``processes=True``, which is the usual choice:
# one process for each core, one thread in each) begin by importing the script that has
# started them. A script therefore has to start them below
# ``if __name__ == "__main__":``, or each worker would start workers. A notebook needs no
# such line, and neither does this page, where the two workers are threads of one process.

import tempfile
from time import perf_counter

import numpy as np
import pandas as pd
from distributed import Client, LocalCluster
from joblib import parallel_config
from matplotlib import pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade.datasets import make_biased_classification

cluster = LocalCluster(
    n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
)
client = Client(cluster)
print(f"{len(client.ncores())} workers, {sum(client.ncores().values())} threads")

# %%
# The search, here and there
# --------------------------
# Twenty strengths, five folds. The rows are sent to each worker once, and workers cut the
# folds themselves. If a worker is lost, Dask trains its folds again on another.

X, y, _ = make_biased_classification(n_samples=4_000, random_state=0)
strengths = np.linspace(0, 2, 20)


def make_search():
    """Make an unfitted search."""
    return BackdoorDebiasClassifierCV(
        LogisticRegression(),
        sensitive_columns="group",
        trigger_strengths=strengths,
        cv=5,
        random_state=0,
    )


local = make_search().fit(X, y)
with parallel_config("dask"):
    search = make_search().fit(X, y)

for key, figures in local.cv_results_.items():
    if "time" not in key:
        np.testing.assert_array_equal(search.cv_results_[key], figures)
np.testing.assert_array_equal(search.predict_proba(X), local.predict_proba(X))
print(f"strength {search.best_strength_:.2f} here and there, equal to the last bit")

# %%
# A memory that workers share
# ---------------------------
# scikit-learn's own searches run on the cluster as well, but know nothing of what strengths
# have in common: they fit every candidate in every fold. With ``memory``, a folder that all
# workers see, a fold is trained for the first candidate, and the others read what it has
# learned. A second search of the same rows trains nothing at all.

figures = {}
with tempfile.TemporaryDirectory() as folder, parallel_config("dask"):
    for name, memory in {"none": None, "empty": folder, "filled": folder}.items():
        grid = GridSearchCV(
            BackdoorDebiasClassifier(
                LogisticRegression(),
                sensitive_columns="group",
                memory=memory,
                random_state=0,
            ),
            {"trigger_strength": strengths[::4]},
            cv=3,
        )
        start = perf_counter()
        grid.fit(X, y)
        figures[name] = {
            "seconds": perf_counter() - start,
            "best accuracy": grid.best_score_,
        }
client.close()
cluster.close()

table = pd.DataFrame(figures).T.rename_axis("memory")
table.round(3)

# %%
# The picture
# -----------
# Above: what the search on the cluster has found at each strength. Below: what a memory
# saves a grid search of five strengths in three folds.

results = pd.DataFrame(search.cv_results_)
results = results[results["param_base_rate"] == "keep"].sort_values(
    "param_trigger_strength"
)
figure, panels = plt.subplots(3, 1, figsize=(5.6, 7.6), layout="constrained")
for axes, column, title, color in zip(
    panels,
    ("mean_test_accuracy", "pooled_test_disparity"),
    ("Accuracy", "Average odds"),
    ("0.5", "#009E73"),
):
    axes.plot(results["param_trigger_strength"], results[column], "o-", color=color)
    axes.axvline(search.best_strength_, color="black", linestyle="dashed", label="chosen")
    axes.set(title=title, xlabel="trigger strength")
panels[0].legend(frameon=False)
bars = panels[2].barh(table.index[::-1], table["seconds"][::-1], color="#56B4E9")
panels[2].bar_label(bars, fmt="%.1f s", padding=3)
panels[2].margins(x=0.12)
panels[2].set(title="A grid search on the cluster", ylabel="memory", xlabel="seconds")
for axes in panels:
    axes.spines[["top", "right"]].set_visible(False)
plt.show()
