"""What saving and exporting have in common: optional libraries, and files written whole."""

import os
from importlib import import_module
from pathlib import Path
from uuid import uuid4


def import_library(name):
    """Import what only saving and exporting need, or say how to install it."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"Saving and loading need {name.partition('.')[0]}: pip install "
            "sklearn-bade[export]"
        ) from error


def write_whole(path, content):
    """Write bytes beside their place, and put them there when they are complete."""
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(path.parent)!r} to write into.")
    new = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with new.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)
