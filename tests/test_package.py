"""The package as a whole: versions, public names, floors, maps."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_bade

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "sklearn_bade"
PUBLIC_MODULES = [
    "",
    ".datasets",
    ".defenses",
    ".exceptions",
    ".inspection",
    ".metrics",
    ".saving",
    ".scale",
    ".triggers",
]


def public_names():
    for module in PUBLIC_MODULES:
        names = importlib.import_module(f"sklearn_bade{module}").__all__
        yield from (f"{module}.{name}".lstrip(".") for name in names if name[0] != "_")


@pytest.mark.parametrize("name", list(public_names()))
def test_every_public_name_is_in_the_api_page(name):
    page = (ROOT / "docs" / "api.rst").read_text()
    assert re.search(rf"^    {re.escape(name)}$", page, re.MULTILINE)


def test_version_is_the_same_everywhere():
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"version: {sklearn_bade.__version__}\n" in citation
    assert f"\n{sklearn_bade.__version__} " in (ROOT / "CHANGELOG.rst").read_text()


def test_versions_are_shown(capsys):
    sklearn_bade.show_versions()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"sklearn_bade: {sklearn_bade.__version__}"
    assert {"torch", "scikit-learn"} <= {line.split(":")[0] for line in lines}


def modules():
    """List the modules of the package as dotted names, without the package's own."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield ".".join(path.relative_to(PACKAGE).with_suffix("").parts), path


def imported_by(path):
    """Name what a file imports at its top, as dotted names below the package."""
    here = path.relative_to(PACKAGE).parent.parts
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = [*here[: len(here) - node.level + 1], *(node.module or "").split(".")]
            yield ".".join(part for part in base if part)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def imports():
    """Map each room (a folder, or a file on the top floor) to what its files import."""
    rooms = {}
    for name, path in modules():
        rooms.setdefault(name.split(".")[0], set()).update(imported_by(path))
    return rooms


def test_arrows_between_rooms_make_no_circle():
    rooms = imports()
    rooms.pop("__init__")
    arrows = {
        room: {name.split(".")[0] for name in names} & rooms.keys() - {room}
        for room, names in rooms.items()
    }
    while arrows:
        ground = {room for room, below in arrows.items() if not below & arrows.keys()}
        assert ground, f"these rooms import each other: {sorted(arrows)}"
        arrows = {room: below for room, below in arrows.items() if room not in ground}


@pytest.mark.parametrize("room", ["_groups", "_injection", "_outcomes", "_reversal"])
def test_rooms_that_know_no_estimator(room):
    assert not imports()[room] & {"learners", "nets", "sklearn.base", "torch", "skorch"}


@pytest.mark.parametrize(
    "floor", ["nets", "defenses", "learners._net", "datasets._face", "saving._onnx_nets"]
)
def test_torch_stays_on_its_floor(floor):
    """Everything that imports torch at its top lies behind one of these doors."""
    doors = (
        "nets",
        "defenses",
        "learners._net",
        "datasets._face_files",
        "saving._onnx_nets",
    )
    for name, path in modules():
        torch = {i for i in imported_by(path) if i.split(".")[0] in ("torch", "skorch")}
        assert not torch or name.startswith(doors), f"{name} imports {torch}"
    assert any(name.startswith(floor) for name, _ in modules())


def test_defences_and_the_debiaser_do_not_know_each_other():
    rooms = imports()
    debiaser = {"_base", "_classifier", "_classifier_cv", "_search", "learners"}
    assert not rooms["defenses"] & debiaser
    assert all("defenses" not in names for names in rooms.values())


@pytest.mark.parametrize("library", ["sklearn", "skorch"])
def test_private_names_of_other_libraries_are_imported_in_one_place(library):
    pattern = rf"^\s*from {library}[\w.]* import [^#\n]*\b_\w|^\s*from {library}\S*\._"
    for name, path in modules():
        if name != "_compat":
            assert not re.search(pattern, path.read_text(), re.MULTILINE), name


def test_the_map_of_contributing_is_complete():
    contributing = (ROOT / "CONTRIBUTING.rst").read_text()
    mapped = set(re.findall(r"^``([\w/.]+)``", contributing, re.MULTILINE))
    top = {p.name for p in PACKAGE.glob("*.py")}
    top |= {f"{p.name}/" for p in PACKAGE.iterdir() if (p / "__init__.py").exists()}
    assert top <= mapped
    assert {name for name in mapped if name.startswith("_")} <= top


WITHOUT_TORCH = """
import pickle, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "skorch"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
import sklearn_bade, sklearn_bade.metrics, sklearn_bade.inspection, sklearn_bade.datasets
from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
X, y, _ = sklearn_bade.datasets.make_biased_classification(300, random_state=0)
boosting = HistGradientBoostingClassifier(max_iter=3)
for clf in (
    BackdoorDebiasClassifier(boosting, sensitive_columns="group"),
    BackdoorDebiasClassifierCV(
        boosting, sensitive_columns="group", trigger_strengths=[1.0], cv=2, max_disparity=1
    ),
):
    clf = pickle.loads(pickle.dumps(clf.fit(X, y)))
    assert clf.predict(X.drop(columns="group")).shape == (300,)
"""


def test_other_classifiers_than_nets_need_no_torch():
    """Torch and skorch cannot be imported in this process."""
    subprocess.run([sys.executable, "-W", "error", "-c", WITHOUT_TORCH], check=True)


WITHOUT_EXTRAS = """
import sys
engines = "accelerate", "dask", "distributed", "pyarrow", "xgboost"
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in engines:
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
from sklearn.linear_model import LogisticRegression
from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.scale import predict_parquet
X, y, _ = make_biased_classification(300, random_state=0)
settings = {"sensitive_columns": "group", "random_state": 0}
clf = BackdoorDebiasClassifier(LogisticRegression(), **settings).fit(X, y)
assert clf.predict(X).shape == (300,)
search = BackdoorDebiasClassifierCV(
    LogisticRegression(), trigger_strengths=[1.0], cv=2, max_disparity=1, **settings
)
assert search.fit(X, y).predict(X).shape == (300,)
assert BackdoorDebiasClassifier(**settings).fit(X, y).predict(X).shape == (300,)
try:
    predict_parquet(clf, "rows", "predictions")
except ImportError as error:
    assert 'pip install "sklearn-bade[distributed]"' in str(error)
else:
    raise AssertionError("nothing was said of pyarrow")
"""


@pytest.mark.slow
def test_one_machine_needs_nothing_of_the_extra_for_several():
    """Neither Dask nor pyarrow, xgboost or accelerate can be imported in this process."""
    subprocess.run([sys.executable, "-W", "error", "-c", WITHOUT_EXTRAS], check=True)


def test_importing_the_package_imports_no_engine():
    said = (
        "import sys, sklearn_bade, sklearn_bade.scale\n"
        "engines = {'accelerate', 'dask', 'distributed', 'skorch', 'torch', 'xgboost'}\n"
        "assert not engines & sys.modules.keys(), engines & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", said], check=True)
