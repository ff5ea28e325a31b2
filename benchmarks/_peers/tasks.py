"""Rows of the tasks: real data, generated tables, and those of a user's own loader."""

from importlib import import_module
from typing import NamedTuple

import numpy as np
from _common import load
from frontier import N_GENERATED, REAL, make_thin_files

from sklearn_bade.datasets import make_biased_classification

# Test rows of thin files are those of another seed, further away than any number of seeds
# that somebody would run.
SEED_OF_TEST = 10_000
# Rows that learn, and that are tested on, in a run that only shows that all works.
QUICK_ROWS = 400


class Rows(NamedTuple):
    """Features, class codes and group codes of the same rows."""

    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray

    def take(self, positions):
        """Select rows."""
        return Rows(*(each[positions] for each in self))

    @property
    def cells(self):
        """One number of the class and the group of each row."""
        return self.y * (self.groups.max() + 1) + self.groups


def make_biased_decisions(seed):
    """Make decisions of a biased office, of which features tell the group.

    Training and test rows are drawn together, as a seed also says what columns measure.
    """
    X, y, _ = make_biased_classification(2 * N_GENERATED, as_frame=False, random_state=seed)
    rows = Rows(X[:, 1:].astype(np.float32), y, X[:, 0].astype(int))
    return [rows.take(np.arange(start, len(y), 2)) for start in (0, 1)]


def make_thin(seed):
    """Make thin files, of which features hardly tell the group."""
    return [Rows(*make_thin_files(each)) for each in (seed, seed + SEED_OF_TEST)]


GENERATED = {"biased decisions": make_biased_decisions, "thin files": make_thin}
TASKS = (*REAL, *GENERATED)


def encode(sets):
    """Make codes of classes and groups, the same in training and test rows."""
    classes, groups = (np.unique(np.concatenate([s[i] for s in sets])) for i in (1, 2))
    if len(classes) != 2:
        raise ValueError(f"Peers decide between two classes; y holds {classes.tolist()}.")
    return [
        Rows(np.asarray(X), np.searchsorted(classes, y), np.searchsorted(groups, s))
        for X, y, s in sets
    ]


def load_task(name, seed, *, is_quick=False):
    """Load training and test rows of a task, or of a loader named as "module:function"."""
    if name in GENERATED:
        sets = GENERATED[name](seed)
    elif name in REAL:
        sets = encode(load(name))
    else:
        module, _, function = name.partition(":")
        sets = encode(getattr(import_module(module), function)())
    return [rows.take(slice(QUICK_ROWS)) for rows in sets] if is_quick else sets
