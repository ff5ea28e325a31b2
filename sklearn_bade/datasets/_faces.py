"""Faces from a local copy."""

import os
import re
from importlib.util import find_spec
from numbers import Integral
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._compat import Interval, StrOptions, validate_params
from ..exceptions import SkippedFilesWarning
from ..utils import warn_user

# As the owners of UTKFace name their files and codes.
FACE_SUFFIXES = {".jpg", ".jpeg", ".png"}
UTKFACE_NAME = re.compile(r"(\d{1,3})_([01])_([0-4])_\d+\D")
GENDERS = np.array(["male", "female"])
RACES = np.array(["White", "Black", "Asian", "Indian", "Other"])

# As the owners of CelebA name theirs.
CELEBA_IMAGES = "img_align_celeba"
CELEBA_ATTRIBUTES = "list_attr_celeba"
CELEBA_PARTITION = "list_eval_partition"
CELEBA_FOLDERS = ("Anno", "Eval")  # as its owners lay it out
CELEBA_SUBSETS = {"train": [0], "validation": [1], "test": [2], "all": [0, 1, 2]}

UTKFACE_DESCR = """UTKFace: faces with age, gender and race, as their file names say. Zhang,
Song and Qi, "Age Progression/Regression by Conditional Adversarial Autoencoder", 2017.
For research only, not for commercial use."""

CELEBA_DESCR = """CelebA: faces of celebrities, aligned, with 40 attributes. Liu, Luo, Wang
and Tang, "Deep Learning Face Attributes in the Wild", 2015. For research only, not for
commercial use."""


def _bundle(paths, frame, target, sensitive, image_size, descr, on_error):
    """Put lazily read images, labels and sensitive values together."""
    _check_pillow()
    from ._face_files import (
        find_broken,
        open_faces,
    )  # imports torch, which tables do not need

    if not paths:
        raise ValueError("No image is left; choose another part of the data.")
    broken = find_broken(paths) if on_error == "skip" else []
    if broken:
        names = ", ".join(paths[i].name for i in broken[:5])
        warn_user(
            f"{len(broken)} of {len(paths)} images are left out, since they cannot be "
            f"read: {names}{', ...' if len(broken) > 5 else ''}",
            SkippedFilesWarning,
        )
    kept = np.setdiff1d(np.arange(len(paths)), broken)
    skipped = [str(paths[i]) for i in broken]
    paths, frame = [paths[i] for i in kept], frame.iloc[kept]
    y = frame[target].to_numpy()
    return Bunch(
        data=open_faces(paths, y, image_size),
        target=y,
        sensitive_features=frame[sensitive].to_numpy(),
        frame=frame,
        filenames=[str(path) for path in paths],
        skipped=skipped,
        DESCR=descr,
    )


def _check_pillow():
    """Say how to install what reads images."""
    if find_spec("PIL") is None:
        raise ImportError(
            "Reading images needs Pillow. Install it with `pip install sklearn-bade[data]`."
        )


def _check_folder(folder, content):
    """Check that a folder exists, and say what should be in it."""
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"There is no folder {folder}. It should hold {content}, which their owners "
            "hand out for research; there is no download without asking them."
        )
    return folder


@validate_params(
    {
        "folder": [str, os.PathLike],
        "target": [StrOptions({"gender", "race"})],
        "sensitive": [StrOptions({"age", "gender", "race"})],
        "image_size": [Interval(Integral, 1, None, closed="left")],
        "on_error": [StrOptions({"raise", "skip"})],
    },
    prefer_skip_nested_validation=True,
)
def load_utkface(
    folder, *, target="gender", sensitive="race", image_size=64, on_error="raise"
):
    """Load the UTKFace faces from a local copy.

    Parameters
    ----------
    folder : str or path-like
        Folder with the images, also in folders below it. Their names begin with age,
        gender and race: ``25_0_2_20170116174525125.jpg``. Files with other names, and all
        but one of the same name, are left out, with a warning.

    target : {"gender", "race"}, default="gender"
        What to predict.

    sensitive : {"age", "gender", "race"}, default="race"
        Sensitive attribute.

    image_size : int, default=64
        Height and width to which images are cut and scaled.

    on_error : {"raise", "skip"}, default="raise"
        What to do with files that cannot be read as images: raise an OSError when they are
        read, or read all files once now, leave the broken ones out with a warning, and list
        them as `skipped`.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With `data`, a :class:`skorch.helper.SliceDataset` of images of shape (3,
        image_size, image_size) and dtype uint8, read when they are needed; `target` and
        `sensitive_features` of shape (n_samples,); `frame` with the columns "age" (years),
        "gender" and "race"; `filenames`, `skipped` and `DESCR`.

    Raises
    ------
    ImportError
        If Pillow is not installed.

    FileNotFoundError
        If there is no such folder, or no image of such a name in it.

    OSError
        If an image is broken; raised when it is read.

    Notes
    -----
    Reading files in every epoch takes longer than training a small network. Where the
    images fit into memory, ``np.stack(list(data))`` reads them once.

    Examples
    --------
    >>> from sklearn_bade import BackdoorDebiasClassifier
    >>> from sklearn_bade.datasets import load_utkface
    >>> faces = load_utkface("UTKFace")  # doctest: +SKIP
    >>> clf = BackdoorDebiasClassifier(random_state=0)
    >>> clf.fit(
    ...     faces.data, faces.target, sensitive_features=faces.sensitive_features
    ... )  # doctest: +SKIP
    """
    folder = _check_folder(folder, "the images of UTKFace")
    found = sorted(
        p for p in folder.rglob("*") if p.suffix.lower() in FACE_SUFFIXES and p.is_file()
    )
    files = list({path.name: path for path in reversed(found)}.values())[::-1]
    if len(files) < len(found):
        warn_user(
            f"{len(found) - len(files)} of {len(found)} images are left out, since another "
            "folder holds one of the same name.",
            SkippedFilesWarning,
        )
    matches = [UTKFACE_NAME.match(path.name) for path in files]
    misnamed = [path.name for path, match in zip(files, matches) if not match]
    if len(misnamed) == len(files):
        raise FileNotFoundError(
            f"{folder} has no image whose name begins with age, gender and race, like "
            f"25_0_2_20170116174525125.jpg; it has {len(files)} image(s) of other names."
        )
    if misnamed:
        warn_user(
            f"{len(misnamed)} of {len(files)} images are left out, since their names do "
            f"not begin with age, gender and race: {', '.join(misnamed[:5])}, ...",
            SkippedFilesWarning,
        )
    codes = np.array([match.groups() for match in matches if match], dtype=np.int64)
    frame = pd.DataFrame(
        {"age": codes[:, 0], "gender": GENDERS[codes[:, 1]], "race": RACES[codes[:, 2]]}
    )
    paths = [path for path, match in zip(files, matches) if match]
    return _bundle(paths, frame, target, sensitive, image_size, UTKFACE_DESCR, on_error)


@validate_params(
    {
        "folder": [str, os.PathLike],
        "target": [str],
        "sensitive": [str],
        "subset": [StrOptions(set(CELEBA_SUBSETS))],
        "image_size": [Interval(Integral, 1, None, closed="left")],
        "on_error": [StrOptions({"raise", "skip"})],
    },
    prefer_skip_nested_validation=True,
)
def load_celeba(
    folder,
    *,
    target="Attractive",
    sensitive="Male",
    subset="train",
    image_size=64,
    on_error="raise",
):
    """Load the CelebA faces from a local copy.

    Parameters
    ----------
    folder : str or path-like
        Folder with ``list_attr_celeba.txt``, ``list_eval_partition.txt`` and the folder
        ``img_align_celeba`` of images; or with these in the folders ``Anno``, ``Eval`` and
        ``Img``, as their owners lay them out. The two lists may also end in ``.csv``.

    target, sensitive : str, default="Attractive", "Male"
        Names of two of the 40 attributes: what to predict, and the sensitive one.

    subset : {"train", "validation", "test", "all"}, default="train"
        Part of the published split.

    image_size : int, default=64
        Height and width to which images are cut and scaled.

    on_error : {"raise", "skip"}, default="raise"
        What to do with files that cannot be read as images: raise an OSError when they are
        read, or read all files once now, leave the broken ones out with a warning, and list
        them as `skipped`.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With `data`, a :class:`skorch.helper.SliceDataset` of images of shape (3,
        image_size, image_size) and dtype uint8, read when they are needed; `target` and
        `sensitive_features` of shape (n_samples,), where 1 says that the face has the
        attribute, and 0 that it has not; `frame` with all attributes; `filenames`,
        `skipped` and `DESCR`.

    Raises
    ------
    ImportError
        If Pillow is not installed.

    FileNotFoundError
        If the folder, one of the lists or an image is missing.

    ValueError
        If there is no such attribute, or a list is broken.

    OSError
        If an image is broken; raised when it is read.

    See Also
    --------
    load_utkface : Its notes say how to read files once.

    Examples
    --------
    >>> from sklearn_bade.datasets import load_celeba
    >>> faces = load_celeba("celeba", target="Gray_Hair")  # doctest: +SKIP
    """
    folder = _check_folder(folder, "the images and lists of CelebA")
    frame = _read_celeba_list(folder, CELEBA_ATTRIBUTES)
    for name in (target, sensitive):
        if name not in frame:
            raise ValueError(
                f"{name!r} is no attribute of CelebA. The attributes are: "
                f"{', '.join(frame.columns)}."
            )
    if not frame.isin([-1, 1]).all(axis=None):
        raise ValueError(
            f"{CELEBA_ATTRIBUTES} holds values other than -1 and 1; the file is broken."
        )
    frame = (frame + 1) // 2
    if subset != "all":
        part = _read_celeba_list(folder, CELEBA_PARTITION).iloc[:, 0]
        if not part.isin([0, 1, 2]).all():
            raise ValueError(
                f"{CELEBA_PARTITION} holds values other than 0, 1 and 2; the file is "
                "broken."
            )
        absent = frame.index.difference(part.index)
        if len(absent):
            raise ValueError(
                f"{CELEBA_PARTITION} lacks {len(absent)} of the {len(frame)} images that "
                f"{CELEBA_ATTRIBUTES} names, among them {absent[0]}. Download it again."
            )
        frame = frame[part.loc[frame.index].isin(CELEBA_SUBSETS[subset])]
    paths = _find_celeba_images(folder, frame.index)
    return _bundle(paths, frame, target, sensitive, image_size, CELEBA_DESCR, on_error)


def _read_celeba_list(folder, name):
    """Read a list of integers by file name.

    Files of text begin with the number of rows and a line of names, or with neither.
    """
    places = [folder, *(folder / inner for inner in CELEBA_FOLDERS)]
    tables = [place / f"{name}.csv" for place in places]
    texts = [place / f"{name}.txt" for place in places]
    text = next((path for path in texts if path.exists()), None)
    table = next((path for path in tables if path.exists()), None)
    if text is None and table is None:
        raise FileNotFoundError(f"{folder} has neither {name}.txt nor {name}.csv.")
    path = table if text is None else text
    try:
        listed = pd.read_csv(table, index_col=0) if text is None else _parse_list(text)
    except (ValueError, IndexError, pd.errors.ParserError) as error:
        raise ValueError(f"{path} is broken ({error}). Download it again.") from error
    if not listed.shape[1] or listed.index.has_duplicates:
        raise ValueError(
            f"{path} is broken: it lists no values, or an image twice. Download it again."
        )
    return listed


def _parse_list(path):
    """Parse a list of text, which begins with its length and names, or with neither."""
    lines = path.read_text().rstrip().splitlines()
    columns = None
    if lines and lines[0].strip().isdigit():
        n_rows, columns, lines = int(lines[0]), lines[1].split(), lines[2:]
        if len(lines) != n_rows:
            raise ValueError(
                f"it announces {n_rows} rows and has {len(lines)}; it seems to be cut off"
            )
    index, *values = zip(*(line.split() for line in lines), strict=True)
    values = np.array(values, dtype=np.int64).T
    return pd.DataFrame(values, index=list(index), columns=columns)


def _find_celeba_images(folder, names):
    """Find the files, which some archives nest in two folders of one name."""
    images = folder / CELEBA_IMAGES
    if (folder / "Img" / CELEBA_IMAGES).is_dir():
        images = folder / "Img" / CELEBA_IMAGES
    if (images / CELEBA_IMAGES).is_dir():
        images = images / CELEBA_IMAGES
    if not images.is_dir():
        raise FileNotFoundError(f"{folder} has no folder {CELEBA_IMAGES} of images.")
    missing = sorted(set(names) - set(os.listdir(images)))
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(names)} images that {CELEBA_ATTRIBUTES} names are not "
            f"in {images}, among them {', '.join(missing[:3])}. Unpack the archive again."
        )
    return [images / name for name in names]
