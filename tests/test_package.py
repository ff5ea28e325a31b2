"""The package as a whole: versions, public names, layers."""

import ast
import importlib
import re
from pathlib import Path

import pytest

import sklearn_bade

ROOT = Path(__file__).resolve().parents[1]
PUBLIC_MODULES = ["", ".datasets", ".inspection", ".metrics", ".triggers"]


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


@pytest.mark.parametrize("module", ["_groups", "_injection", "_reversal", "_selection"])
def test_modules_that_know_no_torch(module):
    tree = ast.parse((ROOT / "sklearn_bade" / f"{module}.py").read_text())
    imported = {
        getattr(node, "module", None) or alias.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert not {name for name in imported if name.startswith(("torch", "skorch", "nets"))}
