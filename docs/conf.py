"""Configuration of the documentation."""

import importlib
import inspect
import os
import sys
import warnings
from pathlib import Path

import sklearn_bade

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))
from local_inventories import make_mapping  # noqa: E402

project = "sklearn_bade"
author = "the sklearn_bade developers"
copyright = f"2026, {author}"
version = release = sklearn_bade.__version__

# Where the source can be read on the web, up to the package's folder; without an address,
# the pages hold the source themselves.
repository = os.environ.get("SKLEARN_BADE_REPOSITORY")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.linkcode" if repository else "sphinx.ext.viewcode",
    "numpydoc",
    "matplotlib.sphinxext.plot_directive",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx-mathjax-offline",  # formulas without a request to another host
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build", "auto_examples/*.ipynb"]
templates_path = ["_templates"]
default_role = "literal"  # single backquotes are names of parameters
toc_object_entries_show_parents = "hide"

autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
autodoc_default_options = {"members": True, "inherited-members": False}

bibtex_bibfiles = ["references.bib"]
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
intersphinx_mapping = make_mapping(
    {
        "matplotlib": "https://matplotlib.org/stable/",
        "numpy": "https://numpy.org/doc/stable/",
        "pandas": "https://pandas.pydata.org/docs/",
        "sklearn": "https://scikit-learn.org/stable/",
        "skorch": "https://skorch.readthedocs.io/en/stable/",
        "torch": "https://docs.pytorch.org/docs/stable/",
        "xgboost": "https://xgboost.readthedocs.io/en/stable/",
    },
    HERE,
)

plot_formats = ["svg"]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = False

html_theme = "pydata_sphinx_theme"
html_title = f"sklearn_bade {version}"
html_logo = html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_show_sourcelink = False
single_pages = ("index", "start", "changelog", "bibliography", "auto_examples/index")
html_sidebars = {page: [] for page in single_pages}
# Pages without sections, whose right column would be empty.
lists = ("index", "auto_examples/index", "guide/index", "background/index", "bibliography")
html_context = {"default_mode": "light"}  # pictures are drawn for it
html_theme_options = {
    "logo": {"text": "sklearn_bade"},
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "secondary_sidebar_items": {"**": ["page-toc"]} | {page: [] for page in lists},
    "footer_start": ["copyright"],
    "footer_end": [],
}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "within_subsection_order": "example_order.ExampleOrder",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sklearn_bade",),
    "reference_url": {"sklearn_bade": None},
    "remove_config_comments": True,
    "reset_modules": ("matplotlib",),
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
}


def linkcode_resolve(domain, info):
    """Find the lines of an object in the repository."""
    if domain != "py" or not info["module"]:
        return None
    found = importlib.import_module(info["module"])
    for name in info["fullname"].split("."):
        found = getattr(found, name, None)
    try:
        file = inspect.getsourcefile(inspect.unwrap(found))
        lines, first = inspect.getsourcelines(found)
    except TypeError:  # data and properties have no lines of their own
        return None
    path = Path(file).relative_to(Path(sklearn_bade.__file__).parent).as_posix()
    return f"{repository}/{path}#L{first}-L{first + len(lines) - 1}"


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
