"""Changes saved files in thousands of ways: `python tests/saving/fuzz.py 10000`.

Each third file has damaged bytes; in all others the check sums are made to fit again, as
somebody would who changes a file on purpose. Loading may succeed, as a number can be
another one, or raise `ModelFileError`; the exit status is 1 if anything else happened.
What was loaded is asked to predict, which may fail, but must not end the process.
"""

import io
import json
import sys
import tempfile
import warnings
from collections import Counter
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.exceptions import ModelFileError
from sklearn_bade.saving import load, save

# Values that stand where others belong: of other types, sizes and meanings.
ODD_VALUES = (
    [None, True, -1, 0, 2**31, 2**63, 10**30, float("nan"), "", "null", "-1", "1e9", "\0"]
    + [[], {}, [[]], "[1]", "{}", "[" * 3000, "os", "system", "builtins", "eval", "exec"]
    + ["subprocess", "Popen", "sklearn_bade.saving._nets", "SavedNet", "functools"]
    + ["sklearn.tree._tree", "Tree", "sklearn.dummy", "DummyClassifier", "numpy", "load"]
    + [f"{kind}Node" for kind in ("Object", "Method", "Type", "Function", "Tree", "Loss")]
    + [f"{kind}Node" for kind in ("NdArray", "Json", "Bytes", "Set", "Cached", "Partial")]
)


def make_files(folder):
    """Save a few small classifiers; return their paths, and rows to predict."""
    X, y, _ = make_biased_classification(200, random_state=0)
    estimators = {
        "boosting": HistGradientBoostingClassifier(max_iter=2),
        "forest": RandomForestClassifier(2, max_depth=3),
        "net": None,
    }
    paths = []
    for name, estimator in estimators.items():
        clf = BackdoorDebiasClassifier(estimator, sensitive_columns="group", random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of few rows
            save(clf.fit(X, y), folder / f"{name}.bade")
        paths.append(folder / f"{name}.bade")
    return paths, X[:20]


def unzip(content):
    """Read the members of an archive."""
    with ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rezip(members):
    """Make an archive of members."""
    stream = io.BytesIO()
    with ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def forge(members):
    """Make an archive whose check sums fit."""
    manifest = json.loads(members["manifest.json"])
    manifest["sha256"] = {
        name: sha256(content).hexdigest()
        for name, content in members.items()
        if name != "manifest.json"
    }
    return rezip({**members, "manifest.json": json.dumps(manifest).encode()})


def damage(content, rng):
    """Change, cut out, insert or cut off bytes."""
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(content)))
        other = rng.bytes(rng.integers(1, 20))
        kind = rng.integers(5)
        if kind == 0:
            content = content[:at]
        else:
            gap = (at + 1, at + len(other), at, at + 50)[kind - 1]
            new = (other[:1], other, other, b"")[kind - 1]
            content = content[:at] + new + content[gap:]
        content = content or b"P"
    return content


def damage_json(tree, rng):
    """Change values, keys and places of a parsed text."""
    spots, todo = [], [tree]
    while todo:
        part = todo.pop()
        keys = list(part) if isinstance(part, dict) else range(len(part))
        spots += [(part, key) for key in keys]
        todo += [part[key] for key in keys if isinstance(part[key], (dict, list))]
    for _ in range(rng.integers(1, 4)):
        (part, key), (source, name) = (spots[i] for i in rng.integers(len(spots), size=2))
        kind = rng.integers(4)
        with suppress(KeyError, IndexError):  # what an earlier change has taken away
            if kind == 0:
                del part[key]
            elif kind == 1:
                part[key] = json.loads(json.dumps(source[name]))
            elif kind == 2 and isinstance(part[key], str):
                part[key] = part[key][:-1] + str(rng.integers(10))
            else:
                part[key] = ODD_VALUES[rng.integers(len(ODD_VALUES))]
    return tree


def damage_array(content, rng):
    """Change values of an array, or bytes of its file."""
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if rng.integers(4) == 0 or not array.size:
        return damage(content, rng)
    flat = array.reshape(-1)
    for _ in range(rng.integers(1, 6)):
        at = rng.integers(len(flat))
        if array.dtype.names:
            name = array.dtype.names[rng.integers(len(array.dtype.names))]
            flat[name][at] = (0, 1, 2, 5, 99, 127)[rng.integers(6)]
        elif array.dtype.kind in "biuf":
            flat[at] = (0, 1, 2, 5, 99, 127)[rng.integers(6)]
    stream = io.BytesIO()
    np.save(stream, array if rng.integers(4) else flat[:at], allow_pickle=False)
    return stream.getvalue()


def mutate(content, rng):
    """Make another file of a good one."""
    if rng.integers(3) == 0:
        return damage(content, rng)
    members, kind = unzip(content), rng.integers(10)
    if kind < 7:
        inner = unzip(members["structure.skops"])
        arrays = [name for name in inner if name.endswith(".npy")]
        if kind < 4:
            schema = damage_json(json.loads(inner["schema.json"]), rng)
            inner["schema.json"] = json.dumps(schema).encode()
        else:
            name = arrays[rng.integers(len(arrays))]
            inner[name] = damage_array(inner[name], rng)
        return forge({**members, "structure.skops": rezip(inner)})
    if kind == 7:
        name = list(members)[-1]
        return forge({**members, name: damage(members[name], rng)})
    manifest = damage_json({"all": json.loads(members["manifest.json"])}, rng)
    return rezip({**members, "manifest.json": json.dumps(manifest.get("all")).encode()})


def ask(path, rows):
    """Load a file and predict; return what happened, and raise what must not happen."""
    try:
        clf = load(path)
    except ModelFileError:
        return "refused"
    try:
        clf.predict_proba(rows)
    except Exception:
        return "loaded, cannot predict"
    return "loaded"


def run(n_files, seed=0):
    """Try mutated files; return counts of what happened, and what must not have."""
    counts, faults = Counter(), []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of versions, and of odd numbers in models
        paths, rows = make_files(Path(folder))
        good = [path.read_bytes() for path in paths]
        for i in range(n_files):
            rng = np.random.default_rng([seed, i])
            mutant = Path(folder) / "mutant.bade"
            mutant.write_bytes(mutate(good[i % len(good)], rng))
            try:
                counts[ask(mutant, rows)] += 1
            except Exception as error:
                faults.append(f"{i}: {type(error).__name__}: {error}")
    return counts, faults


if __name__ == "__main__":
    counts, faults = run(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
    print(dict(counts), *faults, sep="\n")
    sys.exit(bool(faults))
