"""The structure that a file describes, looked through before anything is built of it.

Skops tells trusted types from others. Here it is also settled which kind of node may build
which type, that every array is as large as its bytes, and that what native code reads
without checks lies in bounds.
"""

import io
import json
import re

import numpy as np

from ._allowed import KEY_TYPES

# Values of arrays that a file may hold: numbers, truth values, text and times; also in
# the fields of records, of which tables of nodes consist.
ARRAY_KINDS = "biufcSUmM"
# Bytes that describe an array of a node table are 300; numpy's own limit is 10,000.
LONGEST_HEADER = 4096
MEMBER_NAME = re.compile(r"schema\.json|\d{1,20}\.npy|[0-9a-f-]{36}\.bin")
# Numbers in the state of a Mersenne twister, of which one is next.
TWISTER_SIZE = 624
# What numpy's seeds are mixed in, unless somebody asks for more.
POOL_SIZE = "4"


class Refusal(Exception):
    """A structure, or a part of it, is not what may be built; `place` says where."""

    def __init__(self, place, reason):
        super().__init__(f"{place} {reason}")
        self.place, self.reason = place, reason


def audit(schema, members, allowed):
    """Look through the parsed schema of skops; `members` maps names of files to bytes."""
    arrays = {
        name: read_array_header(name, content)
        for name, content in members.items()
        if name.endswith(".npy")
    }
    owners = {}
    todo = [(schema, "clf")]
    while todo:
        state, place = todo.pop()
        _check_name(state, place, allowed)
        _check_file(state, place, members, owners)
        children = _CHILDREN.get(state["__loader__"], _no_children)
        todo.extend(children(state, place))
        if state["__loader__"] == "TreeNode":
            _check_tree(state, place, arrays)


def _require(is_met, place, reason):
    if not is_met:
        raise Refusal(place, reason)


def _check_name(state, place, allowed):
    """Check that the kind of node may build the type that it names."""
    _require(isinstance(state, dict), place, "is described by something else than a node")
    texts = [state.get(key) for key in ("__loader__", "__module__", "__class__")]
    _require(all(isinstance(text, str) for text in texts), place, "has no type")
    number = state.get("__id__")
    _require(type(number) is int and number > 0, place, "has no number of its own")
    loader, module, name = texts
    _require(
        f"{module}.{name}" in allowed.get(loader, ()),
        place,
        f"is {_describe(loader)} {module}.{name}",
    )


def _describe(loader):
    kinds = {
        "FunctionNode": "the function",
        "TypeNode": "the class",
        "MethodNode": "a method of",
    }
    return kinds.get(loader, "of the type")


def _check_file(state, place, members, owners):
    """Check that a member is there, and belongs to one node: each use is a copy."""
    if "file" not in state:
        return
    name = state["file"]
    _require(isinstance(name, str) and name in members, place, "has lost its values")
    owner = owners.setdefault(name, state["__id__"])
    _require(owner == state["__id__"], place, "has the values of another part")


def read_array_header(name, content):
    """Return dtype and shape of an array, of which each byte must be there."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    _require(read is not None, name, f"is an array of the unknown format {version}")
    shape, _, dtype = read(stream, max_header_size=LONGEST_HEADER)
    fields = [dtype[i] for i in range(len(dtype))] if dtype.names else [dtype]
    kinds = {field.base.kind for field in fields}
    _require(kinds <= set(ARRAY_KINDS), name, f"is an array of the type {dtype}")
    n_values = 1
    for length in shape:
        _require(length >= 0, name, f"is an array of the shape {shape}")
        n_values *= length
    n_left = len(content) - stream.tell()
    _require(
        n_values * dtype.itemsize == n_left,
        name,
        f"is an array of {n_values} values, {dtype.itemsize} bytes each, in {n_left} bytes",
    )
    return dtype, shape


def _no_children(state, place):
    return ()


def _part(container, key, place):
    _require(isinstance(container, dict) and key in container, place, f"lacks its {key}")
    return container[key]


def _of_content(state, place):
    return [(_part(state, "content", place), place)]


def _of_object(state, place):
    """Return the attributes, where there are any."""
    return [] if state.get("content") is None else _of_content(state, place)


def _of_list(state, place):
    content = _part(state, "content", place)
    _require(isinstance(content, list), place, "is no list")
    return [(each, f"{place}[{i}]") for i, each in enumerate(content)]


def _of_dict(state, place):
    content, keys = _part(state, "content", place), _part(state, "key_types", place)
    _require(isinstance(content, dict), place, "is no dictionary")
    types = _part(keys, "content", place)
    _require(isinstance(types, list) and len(types) == len(content), place, "lost keys")
    for each in types:
        name = f"{_part(each, '__module__', place)}.{_part(each, '__class__', place)}"
        is_key = name in KEY_TYPES and _part(each, "__loader__", place) == "TypeNode"
        _require(is_key, place, f"has keys of the type {name}")
    values = [(value, f"{place}.{key}") for key, value in content.items()]
    return [(keys, place), *values]


def _of_defaultdict(state, place):
    content = _part(state, "content", place)
    return [(_part(content, key, place), place) for key in ("main", "default_factory")]


def _of_array(state, place):
    if state.get("type") == "numpy":
        name = _part(state, "file", place)
        _require(str(name).endswith(".npy"), place, "is an array without values")
        return []
    _require(state.get("type") == "json", place, "is an array of an unknown kind")
    return [*_of_list(state, place), (_part(state, "shape", place), place)]


def _of_masked(state, place):
    content = _part(state, "content", place)
    return [(_part(content, key, place), place) for key in ("data", "mask")]


def _of_generator(state, place):
    content = _part(state, "content", place)
    parts = {key: _part(content, key, place) for key in ("bit_generator", "seed_seq")}
    name = _scalar(parts["bit_generator"], "bit_generator", place)
    _require(name == '"PCG64"', place, f"draws numbers by {name}")
    pool = _scalar(parts["seed_seq"], "pool_size", place)
    _require(pool == POOL_SIZE, place, f"mixes its seed in a pool of {pool}")
    return [(part, place) for part in parts.values()]


def _of_random_state(state, place):
    content = _part(state, "content", place)
    position = _scalar(
        _part(_part(content, "content", place), "state", place), "pos", place
    )
    is_inside = position.isdigit() and len(position) < 4 and int(position) <= TWISTER_SIZE
    _require(is_inside, place, f"is at the position {position} of its numbers")
    return [(content, place)]


def _of_partial(state, place):
    content = _part(state, "content", place)
    keys = ("func", "args", "kwds", "namespace")
    return [(_part(content, key, place), f"{place}.{key}") for key in keys]


def _of_reduced(state, place):
    arguments = _part(_part(state, "__reduce__", place), "args", place)
    return [(_part(state, "content", place), place), (arguments, place)]


def _of_json(state, place):
    """Check that text holds one value."""
    content = _part(state, "content", place)
    is_text = isinstance(content, str) and not content.lstrip().startswith(("[", "{"))
    _require(is_text, place, "is no single value")
    json.loads(content)
    return ()


def _of_slice(state, place):
    content = _part(state, "content", place)
    ends = [_part(content, key, place) for key in ("start", "stop", "step")]
    are_numbers = all(end is None or type(end) is int for end in ends)
    _require(are_numbers, place, "is a slice between things that are no numbers")
    return ()


_CHILDREN = {
    "ConstructorFromReduceNode": _of_content,
    "DTypeNode": _of_content,
    "DefaultDictNode": _of_defaultdict,
    "DictNode": _of_dict,
    "JsonNode": _of_json,
    "ListNode": _of_list,
    "LossNode": _of_reduced,
    "MaskedArrayNode": _of_masked,
    "NdArrayNode": _of_array,
    "ObjectNode": _of_object,
    "PartialNode": _of_partial,
    "RandomGeneratorNode": _of_generator,
    "RandomStateNode": _of_random_state,
    "SetNode": _of_list,
    "SliceNode": _of_slice,
    "TreeNode": _of_reduced,
    "TupleNode": _of_list,
}


def _scalar(state, key, place):
    """Return the text of one value in a dictionary."""
    value = _part(_part(_part(state, "content", place), key, place), "content", place)
    _require(isinstance(value, str), place, f"has no {key}")
    return value


def _check_tree(state, place, arrays):
    """Check the sizes that scikit-learn believes while it builds a tree."""
    arguments = _part(
        _part(_part(state, "__reduce__", place), "args", place), "content", place
    )
    _require(isinstance(arguments, list) and len(arguments) == 3, place, "is no tree")
    _, shape = arrays.get(_part(arguments[1], "file", place), (None, None))
    n_outputs = _part(arguments[2], "content", place)
    _require(shape is not None and n_outputs == str(shape[0]), place, "lost outputs")
    content = _part(_part(state, "content", place), "content", place)
    _, n_nodes = arrays.get(
        _part(_part(content, "nodes", place), "file", place), (None, ())
    )
    count = _scalar(_part(state, "content", place), "node_count", place)
    _require(
        n_nodes and count == str(n_nodes[0]), place, f"has {n_nodes} nodes, not {count}"
    )
