"""Links into other projects' documentation, without a network.

Each `_inventories/NAME.txt` lists what these pages refer to, as lines of an inventory:
name, domain:role, priority, location, displayed name. Intersphinx reads them packed.
"""

import zlib
from pathlib import Path

HEADER = """\
# Sphinx inventory version 2
# Project: {}
# Version:
# The remainder of this file is compressed using zlib.
"""


def pack(source, folder):
    """Write the inventory that a text file lists, and return where it lies."""
    packed = folder / f"{source.stem}.inv"
    lines = [line for line in source.read_text().splitlines() if line[:1] not in ("", "#")]
    body = "".join(f"{line}\n" for line in lines)
    content = HEADER.format(source.stem).encode() + zlib.compress(body.encode())
    if not packed.exists() or packed.read_bytes() != content:
        packed.write_bytes(content)
    return packed


def make_mapping(addresses, here):
    """Map each project to its address and its packed inventory, for intersphinx."""
    folder = Path(here, "_build", "inventories")
    folder.mkdir(parents=True, exist_ok=True)
    return {
        name: (address, str(pack(Path(here, "_inventories", f"{name}.txt"), folder)))
        for name, address in addresses.items()
    }
