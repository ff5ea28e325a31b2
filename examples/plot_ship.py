"""
Ship a debiased classifier
==========================

A classifier is trained in one place and asked in another. This example takes one there in
two ways: as a file that Python loads without pickle, and as an ONNX file that answers where
there is neither this package nor scikit-learn nor torch, one raw row or many at a time.

The data are those of :doc:`plot_quickstart`, with a column of text beside the numbers.
"""

# %%
# A classifier of raw columns
# ---------------------------
# The column of text stands for a postcode: it gives the group away in part. The boosting
# is small, so that the page is built quickly.

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from matplotlib import pyplot as plt
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.saving import export_onnx, load, save

X, y, _ = make_biased_classification(n_samples=6000, random_state=0)
rng = np.random.RandomState(0)
is_typical = rng.uniform(size=len(X)) < 0.8
X["town"] = np.where((X["group"] == "A") == is_typical, "North", "South")
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)

encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
boosting = make_pipeline(
    make_column_transformer((encoder, ["town"]), remainder="passthrough"),
    HistGradientBoostingClassifier(max_iter=30),
)
debiased = BackdoorDebiasClassifier(
    boosting, sensitive_columns="group", trigger_strength=1.5, random_state=0
).fit(X_train, y_train)

# %%
# For Python: save and load
# -------------------------
# The file holds data and no code.

folder = TemporaryDirectory()
save(debiased, Path(folder.name) / "debiased.bade")
again = load(Path(folder.name) / "debiased.bade")
print("equal answers:", np.array_equal(again.predict(X_test), debiased.predict(X_test)))

# %%
# For everybody else: ONNX
# ------------------------
# Some rows tell the types of the columns, and the file is tried on them. Its inputs are the
# columns of the frame without the sensitive one; encoder, base, cells and the arithmetic
# between them are inside.

path = export_onnx(debiased, Path(folder.name) / "debiased.onnx", X_train[:100])
print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")

# %%
# A server without torch
# ----------------------
# Another process reads the rows as they would arrive, as text, and answers with
# onnxruntime and NumPy alone, as it makes sure of at the end.

server = """
import csv, sys
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1])
rows = list(csv.DictReader(sys.stdin))
inputs = {
    each.name: np.array(
        [[row[each.name]] for row in rows], object if "string" in each.type else float
    )
    for each in session.get_inputs()
}
label, probabilities = session.run(["label", "probabilities"], inputs)
assert not {"torch", "sklearn", "sklearn_bade"} & sys.modules.keys()
for row in zip(label, *probabilities.T):
    print(*row, sep=",")
"""
answer = subprocess.run(
    [sys.executable, "-c", server, str(path)],
    input=X_test.drop(columns="group").to_csv(index=False),
    capture_output=True,
    text=True,
    check=True,
)
served = np.array([line.split(",") for line in answer.stdout.split()], dtype=float)
folder.cleanup()

proba = debiased.predict_proba(X_test)
gap = np.abs(served[:, 1:] - proba).max()
print(f"greatest difference of a probability: {gap:.1e}")
print("equal labels:", np.array_equal(served[:, 0], debiased.predict(X_test)))

# %%
# The picture
# -----------
# Above: what is served against what the classifier says. Below: the share of each group
# that gets a positive decision; what has been debiased stays so on the way.

figure, (top, bottom) = plt.subplots(2, 1, figsize=(5.6, 6.8), layout="constrained")
top.scatter(proba[:, 1], served[:, 2], s=8, color="#009E73", alpha=0.3)
top.axline((0, 0), slope=1, color="black", linestyle="dashed", linewidth=1)
top.set(
    title="Probability of a positive decision",
    xlabel="predict_proba",
    ylabel="served by onnxruntime",
)
decisions = {
    "strength 0": debiased.with_strength(0.0).predict(X_test),
    "debiased": debiased.predict(X_test),
    "debiased, served": served[:, 0],
}
groups, width = ["A", "B"], 0.27
for i, (name, decided) in enumerate(decisions.items()):
    shares = [decided[X_test["group"] == group].mean() for group in groups]
    color = ("0.6", "#009E73", "#56B4E9")[i]
    places = np.arange(2) + (i - 1) * width
    bars = bottom.bar(places, shares, width, label=name, color=color)
    bottom.bar_label(bars, fmt="%.2f")
bottom.set(title="Positive decisions", ylabel="share of the group")
bottom.set_xticks([0, 1], [f"group {group}" for group in groups])
for axes in (top, bottom):
    axes.spines[["top", "right"]].set_visible(False)
figure.legend(loc="outside lower center", ncols=3, frameon=False)
plt.show()
