"""Bias in Bios from a local copy."""

import os
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from .._compat import StrOptions, validate_params

# In the order of the codes in the release by LabHC, and spelled as in both releases.
PROFESSIONS = (
    "accountant",
    "architect",
    "attorney",
    "chiropractor",
    "comedian",
    "composer",
    "dentist",
    "dietitian",
    "dj",
    "filmmaker",
    "interior_designer",
    "journalist",
    "model",
    "nurse",
    "painter",
    "paralegal",
    "pastor",
    "personal_trainer",
    "photographer",
    "physician",
    "poet",
    "professor",
    "psychologist",
    "rapper",
    "software_engineer",
    "surgeon",
    "teacher",
    "yoga_teacher",
)

# What the columns of the two releases hold -> what is returned.
RELEASE_CODES = {
    "profession": dict(enumerate(PROFESSIONS)),
    "gender": {0: "male", 1: "female"},
}
RECORD_CODES = {
    "title": {name: name for name in PROFESSIONS},
    "gender": {"M": "male", "F": "female"},
}

PLACES = ("", "data")  # the release by LabHC has its files in the latter
SUFFIXES = (".parquet", ".jsonl", ".csv")
PICKLES = {".pkl", ".pickle"}
SPLIT_IN_NAME = re.compile(r"(?<![a-z])(train|dev|test)(?![a-z])")
EXPECTED = (
    "files that end in .parquet, .jsonl or .csv, in it or else in a folder data in it"
)

PICKLE_REFUSED = """{names} will not be read, since loading a pickle runs whatever code is \
in it. If you trust where the file comes from, convert it once, in a process that can do \
no harm, and load the folder of the new file:

    import json, pickle
    with open("BIOS.pkl", "rb") as file:
        records = pickle.load(file)
    keys = ["raw", "start_pos", "bio", "title", "gender"]
    with open("bios.jsonl", "w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps({{key: record[key] for key in keys}}) + "\\n")

The release by LabHC also comes as parquet files, which need no conversion."""


@validate_params(
    {
        "folder": [str, os.PathLike],
        "split": [StrOptions({"train", "dev", "test"}), None],
        "scrubbed": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def load_bias_in_bios(folder, *, split=None, scrubbed=False):
    """Load Bias in Bios, biographies with profession and gender, from a local copy.

    Two forms are read, which their columns tell apart: the release by LabHC on Hugging
    Face, and the records that the authors' own programs make.

    Parameters
    ----------
    folder : str or path-like
        Folder with files that end in ``.parquet``, ``.jsonl`` (JSON lines) or ``.csv``, all
        in the same way, or else with these in a folder ``data`` in it. The release by LabHC
        has the columns "hard_text", "profession" (codes from 0 to 27) and "gender" (0 for
        male, 1 for female). The authors' records have "raw", "start_pos", "bio", "title"
        and "gender" ("M" or "F"). Pickles are refused, and the error says how to convert
        them.

    split : {"train", "dev", "test"}, default=None
        Part of the data: the files with this word in their names, like
        ``train-00000-of-00001.parquet``; "validation" is the same as "dev". None reads all
        files, in the order of their names. The authors' records come without a split.

    scrubbed : bool, default=False
        Whether to return texts in which the person's name, pronouns, "Mr", "Mrs" and "Ms"
        are replaced by an underscore. Only the authors' records have them.

    Returns
    -------
    X : ndarray of shape (n_samples,), dtype=object
        Texts, without the first sentence, which says the profession.

    y : ndarray of shape (n_samples,)
        Names of 28 professions, such as "nurse" and "software_engineer".

    gender : ndarray of shape (n_samples,)
        "female" or "male", the sensitive attribute; the authors took it from the pronouns.

    Raises
    ------
    ImportError
        If there are parquet files, and neither pyarrow nor polars is installed.

    FileNotFoundError
        If there is no such folder, or no such file in it.

    ValueError
        If there are only pickles, if files lack columns or texts or hold unknown codes, if
        it is unclear which files to read, or if scrubbed texts are asked for and absent.

    See Also
    --------
    make_biased_biographies : Generated biographies, with a test in which gender and
        occupation are independent.

    References
    ----------
    M. De-Arteaga et al., "Bias in Bios: A Case Study of Semantic Representation Bias in a
    High-Stakes Setting", 2019. `arXiv:1901.09451 <https://arxiv.org/abs/1901.09451>`_

    Examples
    --------
    >>> from sklearn_bade.datasets import load_bias_in_bios
    >>> X, y, gender = load_bias_in_bios(
    ...     "bias_in_bios", split="train"
    ... )  # doctest: +SKIP
    """
    paths = _select(_find_files(Path(folder)), split)
    parts = [_decode(_read(path), path, scrubbed) for path in paths]
    X, y, gender = (np.concatenate(arrays) for arrays in zip(*parts))
    return X, y, gender


def _find_files(folder):
    """List the files that can be read, and refuse pickles if there is nothing else."""
    if not folder.is_dir():
        raise FileNotFoundError(
            f"There is no folder {folder}. It should hold a copy of Bias in Bios: "
            f"{EXPECTED}."
        )
    seen = []
    for place in PLACES:
        files = sorted(path for path in (folder / place).glob("*") if path.is_file())
        known = [path for path in files if path.suffix in SUFFIXES]
        if known:
            _check_one_ending(known)
            return known
        seen += files
    pickles = [path.name for path in seen if path.suffix in PICKLES]
    if pickles:
        raise ValueError(PICKLE_REFUSED.format(names=", ".join(pickles)))
    names = ", ".join(path.name for path in seen[:5]) or "no file at all"
    raise FileNotFoundError(f"{folder} should hold {EXPECTED}; it has {names}.")


def _check_one_ending(paths):
    """Check that no other form of the same data lies beside."""
    suffixes = sorted({path.suffix for path in paths})
    if len(suffixes) > 1:
        raise ValueError(
            f"{paths[0].parent} has files that end in {' and in '.join(suffixes)}, which "
            "may hold the same biographies twice. Leave those of one ending there."
        )


def _select(paths, split):
    """Choose files by the split in their names."""
    stems = [path.stem.lower().replace("validation", "dev") for path in paths]
    splits = [" ".join(SPLIT_IN_NAME.findall(stem)) for stem in stems]
    listed = ", ".join(path.name for path in paths)
    if split is None:
        if "" in splits and len(set(splits)) > 1:
            raise ValueError(
                "Some files name a split and some do not, so that they may hold the same "
                f"biographies twice: {listed}. Leave those of one kind in the folder."
            )
        return paths
    selected = [path for path, own in zip(paths, splits) if own == split]
    if not selected:
        raise FileNotFoundError(
            f"No file has the word {split!r} in its name; there is {listed}. Rename the "
            "files, or load all of them with split=None and divide them with "
            "sklearn.model_selection.train_test_split."
        )
    return selected


def _read(path):
    """Read a table, and leave texts as they are, whether they look like numbers or not."""
    try:
        if path.suffix == ".parquet":
            return _read_parquet(path)
        if path.suffix == ".jsonl":
            return pd.read_json(path, lines=True, dtype=False, encoding="utf-8")
        texts = dict.fromkeys(("hard_text", "raw", "bio"), str)
        return pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=[""])
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is broken ({error}). Copy or convert it again."
        ) from error


def _read_parquet(path):
    """Read a parquet file with what is installed."""
    if find_spec("pyarrow") is not None:
        return pd.read_parquet(path, engine="pyarrow")
    if find_spec("polars") is None:
        raise ImportError(
            f"Reading {path.name} needs pyarrow or polars. Install one of them with "
            "`pip install pyarrow` or `pip install polars`."
        )
    import polars

    try:
        return pd.DataFrame(polars.read_parquet(path).to_dict(as_series=False))
    except polars.exceptions.PolarsError as error:
        raise ValueError(error) from error


def _decode(frame, path, scrubbed):
    """Turn the columns of either form into texts, names of professions, and genders."""
    is_release = not {"hard_text", "profession"}.isdisjoint(frame.columns)
    if is_release and scrubbed:
        raise ValueError(
            f"{path} has no scrubbed texts; only the authors' records, with a column "
            "'bio', have them. Pass scrubbed=False."
        )
    frame = frame.reset_index(drop=True)
    codes = RELEASE_CODES if is_release else RECORD_CODES
    unscrubbed = ["hard_text"] if is_release else ["raw", "start_pos"]
    sources = ["bio"] if scrubbed else unscrubbed
    absent = [name for name in [*sources, *codes] if name not in frame]
    if absent:
        raise ValueError(
            f"{path} lacks the column(s) {', '.join(absent)}; it has "
            f"{', '.join(map(str, frame.columns)) or 'none'}. Needed are hard_text, "
            "profession and gender, or raw, start_pos, bio, title and gender."
        )
    if frame.empty:
        raise ValueError(f"{path} has no rows. Copy or convert it again.")
    labels = [_name(frame[column], names, path) for column, names in codes.items()]
    return _texts(frame, sources, path), *labels


def _name(values, names, path):
    """Give codes their names."""
    unknown = values[~values.isin(list(names))]
    if len(unknown):
        raise ValueError(
            f"{path} has {len(unknown)} unknown value(s) in the column {values.name}, "
            f"among them {unknown.tolist()[0]!r} in row {unknown.index[0]}. Known are "
            f"{', '.join(map(repr, names))}."
        )
    return np.array([names[value] for value in values], dtype=np.str_)


def _texts(frame, sources, path):
    """Take the texts, without the first sentence if they still have it."""
    texts = frame[sources[0]].to_numpy(dtype=object, copy=True)
    starts = _starts(frame["start_pos"], path) if "start_pos" in sources else None
    empty = []
    for i, text in enumerate(texts):
        if isinstance(text, str) and starts is not None:
            texts[i] = text = text[starts[i] :].strip()
        if not isinstance(text, str) or not text.strip():
            empty.append(i)
    if empty:
        raise ValueError(
            f"{path} has no text in {len(empty)} of its {len(texts)} row(s), among them "
            f"row {empty[0]}. Remove these rows, or take a complete copy."
        )
    return texts


def _starts(values, path):
    """Check where the second sentences begin."""
    starts = pd.to_numeric(values, errors="coerce")
    bad = values[~((starts >= 0) & (starts % 1 == 0))]
    if len(bad):
        raise ValueError(
            f"{path} has {len(bad)} value(s) in the column start_pos that are no positions "
            f"in a text, among them {bad.tolist()[0]!r} in row {bad.index[0]}."
        )
    return starts.to_numpy(dtype=np.int64)
