"""Fitted classifiers saved to a file and loaded from it, without pickle."""

import io
import json
import os
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

import sklearn
from sklearn.utils.validation import check_is_fitted

from .._base import BaseDebiasClassifier
from ..exceptions import ModelFileError, OtherVersionWarning
from ..utils import __version__, warn_user
from ._audit import Refusal
from ._containers import MOST_BYTES, read_members
from ._files import import_library, write_whole
from ._nets import check_modules, put_together, take_apart
from ._structure import dump_structure, load_structure
from ._trees import check_trees

FORMAT, FORMAT_VERSION = "sklearn_bade model", 1
MANIFEST, STRUCTURE, WEIGHTS = "manifest.json", "structure.skops", "weights.safetensors"
# A manifest is a dozen lines.
LIMITS = {MANIFEST: 2**16}
# What every zip file with members begins with.
ZIP_MAGIC = b"PK\x03\x04"


def save(clf, path, *, trusted=()):
    """Save a fitted classifier to a file that holds no code.

    The file is a zip archive of a manifest, a structure in the format of skops, and the
    weights of networks in that of safetensors. It is written as a whole or not at all.

    Of networks, only what predicts is kept: settings of the module, weights and buffers. A
    classifier that was given a network can be fitted again after loading as soon as it is
    given one anew, ``clf.set_params(estimator=net)``; all others can be fitted as they are.

    Parameters
    ----------
    clf : BackdoorDebiasClassifier or BackdoorDebiasClassifierCV
        A fitted classifier.

    path : str or path-like
        Where to save it; a file that is there is replaced.

    trusted : class, or iterable of classes and functions, default=()
        What else the classifier may consist of, such as a transformer of yours, or
        ``xgboost.XGBClassifier`` and ``xgboost.Booster``. :func:`load` must be given the
        same.

    Raises
    ------
    ImportError
        If skops, or safetensors for a network, is not installed.

    FileNotFoundError
        If there is no such folder.

    TypeError
        If `clf` is of another class.

    ValueError
        If a part cannot be saved, such as a lambda or an object of a class that is not
        named in `trusted`; the message names the attribute. No file is left behind.

    sklearn.exceptions.NotFittedError
        If `clf` is not fitted.

    See Also
    --------
    load : Load what was saved.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> from sklearn_bade import BackdoorDebiasClassifier
    >>> from sklearn_bade.datasets import make_biased_classification
    >>> from sklearn_bade.saving import load, save
    >>> X, y, _ = make_biased_classification(n_samples=500, random_state=0)
    >>> clf = BackdoorDebiasClassifier(
    ...     HistGradientBoostingClassifier(max_iter=5), sensitive_columns="group"
    ... ).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.bade")
    ...     save(clf, path)
    ...     loaded = load(path)
    >>> bool((loaded.predict_proba(X) == clf.predict_proba(X)).all())
    True
    """
    if not isinstance(clf, BaseDebiasClassifier):
        raise TypeError(
            "save takes a BackdoorDebiasClassifier or a BackdoorDebiasClassifierCV, got a "
            f"{type(clf).__name__}. Use skops for other estimators."
        )
    check_is_fitted(clf)
    trusted = _check_trusted(trusted)
    import_library("skops.io")
    bare, weights = take_apart(clf)
    members = {STRUCTURE: dump_structure(bare, trusted)}
    if weights:
        members[WEIGHTS] = import_library("safetensors.torch").save(weights)
    sums = {name: sha256(content).hexdigest() for name, content in members.items()}
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "sklearn_bade": __version__,
        "scikit-learn": sklearn.__version__,
        "sha256": sums,
    }
    members = {MANIFEST: json.dumps(manifest, indent=1).encode(), **members}
    n_bytes = sum(map(len, members.values()))
    if n_bytes > MOST_BYTES:
        raise ValueError(
            f"The classifier takes {n_bytes} bytes, and load takes {MOST_BYTES} at "
            "most. Save a smaller one, without the teacher."
        )
    write_whole(path, _pack(members))


def load(path, *, module=None, trusted=()):
    """Load a classifier that :func:`save` has written.

    Nothing is imported or run because the file says so: what may be built is a fixed list
    of types of scikit-learn and this package, and what you name. The numbers in a file are
    those of whoever wrote it, and so are its predictions: load files of people whom you
    would trust with these.

    Parameters
    ----------
    path : str or path-like
        A file that :func:`save` has written.

    module : class, torch.nn.Module, or dict of str to these, default=None
        Class of the network that was saved; an instance, where the class was given one;
        by name, where there are several. The package's own networks need none.

    trusted : iterable of classes and functions, default=()
        What was named as such in :func:`save`.

    Returns
    -------
    clf : BackdoorDebiasClassifier or BackdoorDebiasClassifierCV
        A classifier with the same predictions, to the bit, under the same versions on the
        same kind of machine; on the CPU.

    Raises
    ------
    sklearn_bade.exceptions.ModelFileError
        If the file is damaged, foreign, changed, too large or of a newer format, or holds
        what is neither on the list nor in `trusted`.

    FileNotFoundError
        If there is no such file.

    ImportError
        If skops, or safetensors and torch for a network, is not installed.

    ValueError
        If a network needs a `module` that is not given.

    Warns
    -----
    sklearn_bade.exceptions.OtherVersionWarning
        If it was saved under another version of this package or scikit-learn.

    See Also
    --------
    save : Save a classifier; there is an example.
    """
    trusted = _check_trusted(trusted)
    import_library("skops.io")
    content = _read(Path(path))
    with _explaining(path):
        members = read_members(content, is_name=_is_member, limits=LIMITS)
        manifest = _check_manifest(members)
    if WEIGHTS in members:
        for name in ("torch", "skorch", "safetensors.torch"):
            import_library(name)
    with _explaining(path):
        bare = load_structure(members[STRUCTURE], trusted)
        if not isinstance(bare, BaseDebiasClassifier):
            raise Refusal("the structure", f"is that of a {type(bare).__name__}")
        check_trees(bare)
    check_modules(bare, module)
    library = import_library("safetensors.torch") if WEIGHTS in members else None
    with _explaining(path):
        weights = library.load(members[WEIGHTS]) if library else {}
        clf = put_together(bare, weights, module)
        check_is_fitted(clf)
    _compare_versions(manifest)
    return clf


def _is_member(name):
    return name in (MANIFEST, STRUCTURE, WEIGHTS)


def _check_trusted(trusted):
    """Check that types are given themselves: a name would have to be imported."""
    trusted = [trusted] if isinstance(trusted, type) else list(trusted)
    for named in trusted:
        if not (hasattr(named, "__module__") and hasattr(named, "__name__")):
            raise TypeError(
                f"trusted holds {named!r}; give classes and functions themselves, such as "
                "trusted=[MyTransformer]."
            )
    return trusted


def _pack(members):
    """Put members into a zip archive; weights hardly shrink."""
    stream = io.BytesIO()
    with ZipFile(stream, "w") as archive:
        for name, content in members.items():
            method = ZIP_STORED if name == WEIGHTS else ZIP_DEFLATED
            archive.writestr(name, content, method)
    return stream.getvalue()


def _read(path):
    """Read a file that begins as those of :func:`save` do."""
    with path.open("rb") as stream, _explaining(path):
        if os.fstat(stream.fileno()).st_size > MOST_BYTES:
            raise Refusal("the file", f"has more than {MOST_BYTES} bytes")
        content = stream.read()
        if not content.startswith(ZIP_MAGIC):
            begins = f"begins with {content[:8]!r}" if content else "is empty"
            raise Refusal("the file", f"{begins}, and so is none that save has written")
        return content


def _check_manifest(members):
    """Check format, version and check sums."""
    if MANIFEST not in members:
        raise Refusal("the archive", "has no manifest, as all that save writes have")
    manifest = json.loads(members[MANIFEST])
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise Refusal("the manifest", f"does not say that this is a {FORMAT}")
    version = manifest.get("format_version")
    if type(version) is not int or not 1 <= version <= FORMAT_VERSION:
        raise Refusal(
            "the manifest",
            f"says version {str(version)[:20]} of the format, and this version of "
            f"sklearn_bade reads up to {FORMAT_VERSION}; a newer one may read it",
        )
    sums = manifest.get("sha256")
    expected = {name: sha256(each).hexdigest() for name, each in members.items()}
    del expected[MANIFEST]
    if STRUCTURE not in expected or sums != expected:
        raise Refusal("the archive", "has other members, or other sums, than its manifest")
    return manifest


def _compare_versions(manifest):
    """Warn where a file comes from other versions."""
    now = {"sklearn_bade": __version__, "scikit-learn": sklearn.__version__}
    others = [
        f"{name} {str(manifest.get(name))[:20]}, and {version} is running"
        for name, version in now.items()
        if manifest.get(name) != version
    ]
    if others:
        warn_user(
            f"The file was saved under {'; under '.join(others)}. Predictions may differ, "
            "or fail: check some that you know, or fit and save again.",
            OtherVersionWarning,
        )


@contextmanager
def _explaining(path):
    """Turn whatever a file has caused into the one error that is documented."""
    try:
        yield
    except Exception as error:
        known = isinstance(error, Refusal)
        if isinstance(error, BadZipFile):
            reason = f"it is damaged or cut off ({error})"
        else:
            reason = str(error) if known else f"{type(error).__name__}: {error}"
        raise ModelFileError(
            f"{os.fspath(path)!r} was not loaded: {reason[:500]}. Get the file anew from "
            "where it was saved, or save the classifier again; types of your own are named "
            "in trusted=[...], and networks are given as module=."
        ) from error
