"""The package as a whole: versions, public names, layers."""

import ast
import importlib
import re
from pathlib import Path

import pytest

import sklearn_bade

ROOT = Path(__file__).resolve().parents[1]
PUBLIC_MODULES = ["", ".datasets", ".defenses", ".inspection", ".metrics", ".triggers"]


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


def imported_by(path):
    """Name the modules, or the names, that a file imports."""
    tree = ast.parse(path.read_text())
    return {
        getattr(node, "module", None) or alias.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }


@pytest.mark.parametrize("module", ["_groups", "_injection", "_reversal", "_selection"])
def test_modules_that_know_no_torch(module):
    imported = imported_by(ROOT / "sklearn_bade" / f"{module}.py")
    assert not {name for name in imported if name.startswith(("torch", "skorch", "nets"))}


def test_defences_and_the_debiaser_do_not_know_each_other():
    package = ROOT / "sklearn_bade"
    debiaser = {"_classifier", "_classifier_cv", "_learners", "_path", "_students"}
    for path in (package / "defenses").glob("*.py"):
        assert not imported_by(path) & debiaser
    for path in package.glob("*.py"):
        assert "defenses" not in imported_by(path)
