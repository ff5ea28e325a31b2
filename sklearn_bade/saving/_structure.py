"""The structure of a classifier, written and read by skops."""

import io
import json
import warnings
from functools import cache
from hashlib import sha256
from zipfile import ZipFile

import numpy as np

from ._allowed import allowed_names
from ._audit import MEMBER_NAME, Refusal, audit
from ._containers import read_members

# A node of skops takes some 200 bytes of text; a forest of a thousand trees, 10 MB.
MOST_SCHEMA_BYTES = 2**27
PLACE = "clf"
# Numbers that each writing gives anew, and the attributes of a partial function, of which
# having none is written in two ways.
PASSING = {"__id__", "namespace"}


def dump_structure(model, trusted):
    """Return the bytes of a structure, which have been read back; ValueError otherwise."""
    allowed = allowed_names(trusted)
    try:
        content = _dump(model)
        schema, members = open_structure(content)
        audit(schema, members, allowed)
        again = _dump(_construct(content, allowed))
    except Refusal as refusal:
        raise ValueError(
            f"{refusal}, which is not on the list of what a file may build. Take it out; "
            "or, if you would build it from any file that you load, give the class or "
            "function itself in trusted=[...], here and in load."
        ) from refusal
    except Exception as error:
        place = _find_culprit(model)
        raise ValueError(
            f"{place} cannot be saved ({error}). Plain values, arrays, and estimators of "
            "scikit-learn and this package can."
        ) from error
    if _signature(*open_structure(again)) != _signature(schema, members):
        raise ValueError(
            f"{PLACE} would not be the same after loading, and was not saved. Its "
            "parameters and attributes must be plain values, arrays and estimators."
        )
    return content


def load_structure(content, trusted):
    """Build a structure of bytes that anybody may have written."""
    allowed = allowed_names(trusted)
    schema, members = open_structure(content)
    audit(schema, members, allowed)
    return _construct(content, allowed)


def open_structure(content):
    """Return the parsed schema of a file of skops, and its members by name."""
    members = read_members(
        content, is_name=MEMBER_NAME.fullmatch, limits={"schema.json": MOST_SCHEMA_BYTES}
    )
    if "schema.json" not in members:
        raise Refusal("the structure", "has no schema")
    schema = json.loads(members["schema.json"])
    if not isinstance(schema, dict):
        raise Refusal("the schema", "is no dictionary")
    if schema.get("protocol") != _protocol():
        # Nodes of older protocols may look at less before they build something.
        raise Refusal("the schema", f"has the protocol {str(schema.get('protocol'))[:20]}")
    return schema, members


@cache
def _protocol():
    """Return the protocol that skops writes."""
    import skops.io

    with ZipFile(io.BytesIO(skops.io.dumps(None))) as archive:
        return json.loads(archive.read("schema.json"))["protocol"]


def _dump(model):
    """Write by skops, without white space, and without what lies between fields."""
    import skops.io

    stream = io.BytesIO()
    with ZipFile(io.BytesIO(skops.io.dumps(model))) as old, ZipFile(stream, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "schema.json":
                content = json.dumps(json.loads(content), separators=(",", ":"))
            elif name.endswith(".npy"):
                content = _without_padding(content)
            new.writestr(name, content)
    return stream.getvalue()


def _without_padding(content):
    """Blank the bytes between the fields of a table: they are whatever memory held."""
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if not array.dtype.names:
        return content
    blank = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        blank[name] = array[name]
    stream = io.BytesIO()
    np.save(stream, blank, allow_pickle=False)
    return stream.getvalue()


def _construct(content, allowed):
    """Build by skops what has been looked through."""
    import skops.io

    names = sorted(set().union(*allowed.values()))
    with warnings.catch_warnings():
        # Versions are compared once for the file, and not for each estimator in it.
        warnings.simplefilter("ignore")
        return skops.io.loads(content, trusted=names)


def _signature(schema, members):
    """Describe a structure without the numbers that each writing gives anew."""

    def plain(state):
        if isinstance(state, list):
            return [plain(each) for each in state]
        if not isinstance(state, dict):
            return state
        parts = {key: plain(value) for key, value in state.items() if key not in PASSING}
        if "file" in parts and "__loader__" in parts:
            parts["file"] = sha256(members[parts["file"]]).hexdigest()
        return parts

    return plain(schema)


def _find_culprit(model, place=PLACE):
    """Name the innermost attribute that skops cannot write."""
    import skops.io

    parts = model if isinstance(model, dict) else getattr(model, "__dict__", {})
    for name, value in parts.items():
        try:
            skops.io.dumps(value)
        except Exception:
            return _find_culprit(value, f"{place}.{name}")
    return place
