"""Seeds, and generators that are left as they were found."""

import sys
from contextlib import contextmanager, nullcontext
from threading import RLock

import numpy as np
from sklearn.utils import check_random_state

# Torch and NumPy have one global generator for all threads. Whoever seeds them holds this
# lock, so that fits in several threads draw what they would draw one after the other.
_GENERATORS = RLock()


def draw_seed(rng):
    """Draw a seed."""
    return int(rng.randint(2**31 - 1))


def draw_seeds(random_state, n_seeds=3):
    """Draw a list of seeds from what a user gave as `random_state`."""
    return check_random_state(random_state).randint(2**31 - 1, size=n_seeds).tolist()


@contextmanager
def seeded(seed, device="cpu", *, numpy=True):
    """Seed torch's global generator, and NumPy's if asked for, and restore them afterwards.

    Weights, dropout and shuffling draw from the former; skorch's random splits, datasets
    that change their rows and many transformers from the latter, which is left alone where
    none of these is at work. `device` is that of a net, whose generator is seeded too.
    """
    with _GENERATORS, _seeded_torch(seed, device), _seeded_numpy(seed, numpy):
        yield


def _seeded_torch(seed, device):
    """Seed torch where it is loaded; otherwise nobody draws from it."""
    torch = sys.modules.get("torch")
    return nullcontext() if torch is None else _fork(torch, seed, device)


@contextmanager
def _fork(torch, seed, device):
    """Seed for a device, or for all where none is named, and restore them.

    Who computes on the CPU alone leaves the generators of GPUs as they are; `manual_seed`
    would set those of all GPUs.
    """
    if device is not None and torch.device(device).type == "cpu":
        devices, sow = [], torch.default_generator.manual_seed
    else:
        devices, sow = range(torch.cuda.device_count()), torch.manual_seed
    with torch.random.fork_rng(devices=devices):
        sow(seed)
        yield


@contextmanager
def _seeded_numpy(seed, is_asked_for):
    if not is_asked_for:
        yield
        return
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)
