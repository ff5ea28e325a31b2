"""Rows on disk, in random order, of which a part is read at a time."""

import shutil
import tempfile
import weakref
from itertools import pairwise
from pathlib import Path

import numpy as np

# Bytes of a part, which is read and shuffled in memory, and parts at most, each of which is
# a file that is open while rows are written. Not tuned.
PART_BYTES, MOST_PARTS = 2**25, 400


class StoredRows:
    """An array of rows whose values lie on disk.

    Rows were dealt to parts at random when they were written, so that each part is a random
    sample of all. Whoever goes through them in the order of :meth:`in_parts` reads one part
    after the other, and has shuffled rows all the same.

    Parameters
    ----------
    folder : Folder
        Where the parts are.

    name : str
        What the files of its parts begin with.

    starts : ndarray of shape (n_parts + 1,)
        Where each part starts, and the last one ends.

    row_shape : tuple of int
        Shape of a row.

    dtype : dtype
        Type of the values.

    positions : ndarray of shape (n_rows,), default=None
        Rows that belong to it, of those on disk; None takes all.
    """

    def __init__(self, folder, name, starts, row_shape, dtype, positions=None):
        self.folder = folder
        self.name = name
        self.starts = starts
        self.dtype = np.dtype(dtype)
        self.positions = positions
        n_rows = int(starts[-1]) if positions is None else len(positions)
        self.shape = (n_rows, *row_shape)
        self.ndim = len(self.shape)
        self._read_last = None, None

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, key):
        """Read one row for an integer, else an array of rows."""
        if isinstance(key, (int, np.integer)):
            return self[[key]][0]
        if isinstance(key, slice):
            key = np.arange(*key.indices(len(self)))
        keys = np.asarray(key)
        if keys.dtype == bool:
            keys = np.flatnonzero(keys)
        keys = np.where(keys < 0, keys + len(self), keys)
        if self.positions is not None:
            keys = self.positions[keys]
        parts = np.searchsorted(self.starts, keys, side="right") - 1
        rows = np.empty((len(keys), *self.shape[1:]), dtype=self.dtype)
        present = np.unique(parts)
        for part in present:
            is_here = parts == part
            values = self._part(part, is_only=len(present) == 1)
            rows[is_here] = values[keys[is_here] - self.starts[part]]
        return rows

    def __array__(self, dtype=None, copy=None):
        return self[:].astype(dtype or self.dtype, copy=False)

    def take(self, positions):
        """Select rows without reading them."""
        if self.positions is not None:
            positions = self.positions[positions]
        return StoredRows(
            self.folder, self.name, self.starts, self.shape[1:], self.dtype, positions
        )

    def in_parts(self, positions=None, permute=None):
        """Yield positions, of all rows or of some, part after part.

        Where ``permute(n)`` draws a permutation of n numbers, parts and the rows of each
        come at random.
        """
        if positions is not None:
            positions = np.sort(positions)
        rows = positions
        if self.positions is not None:
            rows = self.positions if positions is None else self.positions[positions]
        ends = self.starts if rows is None else np.searchsorted(rows, self.starts)
        permute = np.arange if permute is None else permute
        for part in permute(len(self.starts) - 1):
            members = np.arange(ends[part], ends[part + 1])
            if positions is not None:
                members = positions[members]
            yield members[permute(len(members))]

    def empty_like(self, name, row_shape, dtype):
        """Make room on disk for other values of the same rows."""
        other = StoredRows(self.folder, name, self.starts, row_shape, dtype, self.positions)
        for part, size in enumerate(np.diff(self.starts)):
            with open(other._path(part), "wb") as file:
                file.truncate(int(size) * other._row_bytes)
        return other

    def astype(self, dtype, copy=True):
        """Return itself where it has this type already; nothing else is asked for."""
        if np.dtype(dtype) != self.dtype:
            raise TypeError(f"Rows on disk are {self.dtype}, and {dtype} was asked for.")
        return self

    def parts(self):
        """List slices of rows, each of which lies in one part."""
        starts = self.starts
        if self.positions is not None:
            starts = np.searchsorted(self.positions, starts)
        return [slice(a, b) for a, b in pairwise(starts) if a < b]

    def __setitem__(self, part, values):
        """Write the rows of one of :meth:`parts`, of which all are stored."""
        number = int(np.searchsorted(self.starts, part.start, side="right")) - 1
        np.ascontiguousarray(values, dtype=self.dtype).tofile(self._path(number))

    @property
    def _row_bytes(self):
        return int(np.prod(self.shape[1:])) * self.dtype.itemsize

    def _path(self, part):
        return self.folder.path / f"{self.name}-{part}.bin"

    def _part(self, part, is_only):
        """Open a part: read it where rows of it alone are wanted, as in training."""
        known, values = self._read_last
        if known == part:
            return values
        shape = (int(self.starts[part + 1] - self.starts[part]), *self.shape[1:])
        if not is_only:  # pages that are not asked for stay on disk
            return np.memmap(self._path(part), self.dtype, "r", shape=shape)
        values = np.fromfile(self._path(part), self.dtype).reshape(shape)
        self._read_last = part, values
        return values


class Folder:
    """A temporary folder, which goes with the last rows in it."""

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="sklearn_bade_"))
        self._finalizer = weakref.finalize(
            self, shutil.rmtree, self.path, ignore_errors=True
        )


class RowWriter:
    """Deal rows to parts at random, and write them to disk.

    Parameters
    ----------
    n_rows : int
        Rows that will come.

    row_shape : tuple of int
        Shape of a row.

    dtype : dtype
        Type of the values.

    rng : RandomState
        Who deals.
    """

    def __init__(self, n_rows, row_shape, dtype, rng):
        self.row_shape, self.dtype = row_shape, np.dtype(dtype)
        n_bytes = n_rows * max(1, int(np.prod(row_shape))) * self.dtype.itemsize
        self.n_parts = int(np.clip(-(-n_bytes // PART_BYTES), 1, MOST_PARTS))
        self.rng = rng
        self.folder = Folder()
        self.dealt, self.n_written = np.empty(n_rows, dtype=np.int16), 0
        paths = [self.folder.path / f"X-{part}.bin" for part in range(self.n_parts)]
        self.files = [path.open("wb") for path in paths]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for file in self.files:
            file.close()

    def write(self, rows):
        """Write some rows."""
        parts = self.rng.randint(self.n_parts, size=len(rows)).astype(np.int16)
        self.dealt[self.n_written : self.n_written + len(rows)] = parts
        self.n_written += len(rows)
        for part in np.unique(parts):
            np.ascontiguousarray(rows[parts == part], self.dtype).tofile(self.files[part])

    def _check_disk(self):
        """Refuse files that are shorter than what was written, as on a full disk."""
        wanted = self.n_written * int(np.prod(self.row_shape)) * self.dtype.itemsize
        found = sum(Path(file.name).stat().st_size for file in self.files)
        if found != wanted:
            raise OSError(
                f"Of {wanted} bytes of features, {found} are in {self.folder.path}. Is "
                "the disk full? Name a folder with more room in the environment variable "
                "TMPDIR."
            )

    def close(self):
        """Return what was written, and the position that each row of it had before."""
        self.__exit__()
        self._check_disk()
        n_rows = len(self.dealt)
        order = np.empty(n_rows, np.int32 if n_rows < 2**31 else np.int64)
        starts = [0]
        for part in range(self.n_parts):  # a sort would take several times the memory
            members = np.flatnonzero(self.dealt == part)
            starts.append(starts[-1] + len(members))
            order[starts[-2] : starts[-1]] = members
        starts = np.array(starts)
        stored = StoredRows(self.folder, "X", starts, self.row_shape, self.dtype)
        return stored, order
