"""Seeds, and generators that are left as they were found."""

import sys
from contextlib import contextmanager, nullcontext

import numpy as np
from sklearn.utils import check_random_state


def draw_seed(rng):
    """Draw a seed."""
    return int(rng.randint(2**31 - 1))


def draw_seeds(random_state, n_seeds=3):
    """Draw a list of seeds from what a user gave as `random_state`."""
    return check_random_state(random_state).randint(2**31 - 1, size=n_seeds).tolist()


@contextmanager
def seeded(seed, device="cpu"):
    """Seed the global generators of NumPy and torch, and restore them afterwards.

    Skorch's splits, random augmentation and many transformers draw from these. `device`
    is that of a net, whose generator is seeded too.
    """
    numpy_state = np.random.get_state()
    with _forked_torch(device) as torch:
        if torch is not None:
            torch.manual_seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(numpy_state)


def _forked_torch(device):
    """Fork torch's generators where torch is loaded; otherwise nobody draws from them."""
    torch = sys.modules.get("torch")
    return nullcontext() if torch is None else _fork(torch, torch.device(device))


@contextmanager
def _fork(torch, device):
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield torch
