"""Configuration of the documentation."""

import sys
import warnings
from pathlib import Path

import sklearn_bade

HERE = Path(__file__).parent

project = "sklearn_bade"
author = "the sklearn_bade developers"
copyright = f"2026, {author}"
version = release = sklearn_bade.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "auto_examples/*.ipynb"]
templates_path = ["_templates"]

autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
autodoc_default_options = {"members": True, "inherited-members": False}

html_theme = "pydata_sphinx_theme"
html_title = f"sklearn_bade {version}"
html_show_sourcelink = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "reset_modules": ("matplotlib",),
    "show_memory": False,
    "write_computation_times": False,
}


def skip_request_methods(app, what, name, obj, skip, options):
    """Leave out scikit-learn's routing methods, which refer to its own glossary."""
    return skip or (name.startswith("set_") and name.endswith("_request"))


def write_faults(app):
    """Write the table of faults, which the tests try line by line."""
    sys.path.insert(0, str(HERE.parent / "tests"))
    from faults import FAULTS

    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 15 50 35", ""]
    lines += ["   * - area", "     - fault", "     - outcome"]
    for fault in FAULTS:
        outcome = (
            fault.outcome if isinstance(fault.outcome, str) else fault.outcome.__name__
        )
        lines += [f"   * - {fault.area}", f"     - {fault.what}".replace("`", "``")]
        lines += [f"     - {outcome}"]
    (HERE / "_faults.inc").write_text("\n".join(lines) + "\n")


def setup(app):
    """Connect the hooks."""
    app.connect("builder-inited", write_faults)
    app.connect("autodoc-skip-member", skip_request_methods)


# tqdm asks for notebook widgets that the build does not have.
warnings.filterwarnings("ignore", message="IProgress not found")
