"""Zip files of strangers, opened with care."""

import io
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from ._audit import Refusal

# Bytes of one member, unpacked: no model of a table comes near, and memory has them.
MOST_BYTES = 2**30


def read_members(content, *, is_name, limits):
    """Read all members of a zip file; `limits` are bytes by name, for some of them."""
    with ZipFile(io.BytesIO(content)) as archive:
        infos = archive.infolist()
        names = [info.filename for info in infos]
        for info in infos:
            _check_member(info, is_name, limits.get(info.filename, MOST_BYTES))
        if len(set(names)) < len(names):
            raise Refusal("the archive", "has two members of one name")
        if sum(info.file_size for info in infos) > MOST_BYTES:
            raise Refusal("the archive", f"has more than {MOST_BYTES} bytes")
        return {info.filename: archive.read(info) for info in infos}


def _check_member(info, is_name, limit):
    name = info.filename
    if not is_name(name):
        raise Refusal("the archive", f"has a member {name[:80]!r}, which no such file has")
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise Refusal(name, f"is compressed by the method {info.compress_type}")
    if info.file_size > limit:
        raise Refusal(name, f"has {info.file_size} bytes, where {limit} are allowed")
