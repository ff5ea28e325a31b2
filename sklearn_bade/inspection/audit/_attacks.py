"""Attacks that an audit tries: own, random and given triggers."""

import warnings

import numpy as np

from ..._groups import NO_TRIGGER
from ...exceptions import ChannelOrderWarning, InvisibleTriggerWarning
from ...rows import kind_of, row_slices
from ...triggers import BlendTrigger, PatchTrigger, ValueTrigger, choose_trigger
from ...utils import draw_seed
from ._subject import predict_codes

# Random triggers, not tuned: faint blends, few columns, a small part of a side.
BLEND_SHARE, N_BLENDS, N_COLUMNS, MOST_OF_SIDE = 0.1, 2, 2, 4


class Attack:
    """One trigger against one model, with rows before and after stamping."""

    def __init__(
        self,
        model_name,
        trigger_name,
        predict,
        unstamped,
        stamped,
        plain=None,
        is_random=False,
        is_blend=False,
    ):
        self.names = {"model": model_name, "trigger": trigger_name}
        self.is_random, self.is_blend = is_random, is_blend
        self.predict = predict
        self.unstamped, self.stamped = unstamped, stamped
        self.plain = (unstamped, stamped) if plain is None else plain


def list_attacks(subject, X, triggers, n_triggers, rng):
    """List all attacks."""
    features = subject.features(X)
    first = np.zeros(len(features), dtype=np.int64)

    def predict(rows):
        return predict_codes(subject.model, rows)

    name = "classifier" if subject.debiaser is None else "student"
    for trigger_name, stamped in _own_stamps(subject, features):
        yield Attack(name, trigger_name, predict, features, stamped)
    for trigger_name, trigger in _random_triggers(features, n_triggers, rng):
        stamped = _stamp(trigger, features, first)
        kind = {"is_random": True, "is_blend": isinstance(trigger, BlendTrigger)}
        yield Attack(name, trigger_name, predict, features, stamped, **kind)
    for trigger_name, trigger in triggers.items():
        stamped = subject.features(_stamp(trigger, X, first))
        kind = {"is_blend": isinstance(trigger, BlendTrigger)}
        yield Attack(name, trigger_name, predict, features, stamped, **kind)
    if hasattr(subject.debiaser, "teacher_") and subject.debiaser.teacher is None:
        yield from _teacher_attacks(subject.debiaser, features)


def _stamp(trigger, X, codes):
    """Stamp rows; images slice by slice, since blends take several times their memory."""
    if len(X.shape) == 2:
        return trigger.stamp(X, codes)
    stamped = np.empty_like(X)
    for rows in row_slices(X.shape):
        stamped[rows] = trigger.stamp(X[rows], codes[rows])
    return stamped


def _own_stamps(subject, features):
    """Stamp a debiaser's own trigger as far as the student has an input for it."""
    debiaser = subject.debiaser
    if debiaser is None:
        return
    trigger = getattr(debiaser, "trigger_", None)
    if trigger is None:
        own = choose_trigger(debiaser.trigger, kind_of(features))
        trigger = own.fit(features, len(debiaser.groups_))
    for g, group in enumerate(debiaser.groups_):
        codes = np.full(len(features), g)
        stamped = _stamp(trigger, features, codes)[:, : features.shape[1]]
        yield f"own, {group}", stamped


def _teacher_attacks(debiaser, features):
    """Attack a teacher with the trigger that it was trained on."""
    trigger, teacher = debiaser.trigger_, debiaser.teacher_

    def predict(rows):
        return predict_codes(teacher, rows)

    none = np.full(len(features), NO_TRIGGER)
    unstamped = trigger.stamp(features, none)
    for g, group in enumerate(debiaser.groups_):
        stamped = trigger.stamp(features, np.full(len(features), g))
        width = features.shape[1]
        plain = features, stamped[:, :width]
        yield Attack("teacher", f"own, {group}", predict, unstamped, stamped, plain)


def _random_triggers(features, n_triggers, rng):
    """Draw triggers that an attacker might use."""
    if features.ndim == 2:
        yield from _random_values(features, n_triggers, rng)
    elif features.ndim == 4:
        yield from _random_patches(features, n_triggers, rng)
    for i in range(N_BLENDS):
        seed = draw_seed(rng)
        blend = BlendTrigger(alpha=BLEND_SHARE, random_state=seed)
        yield f"blend {i + 1}", blend.fit(features)


def _random_values(features, n_triggers, rng):
    """Draw columns of a table, and values for them."""
    n_columns = min(N_COLUMNS, features.shape[1])
    varied = [j for j, column in enumerate(features.T) if len(np.unique(column)) > 1]
    if not varied:
        return
    for i in range(n_triggers):
        columns = rng.choice(varied, size=min(n_columns, len(varied)), replace=False)
        values = features[rng.randint(len(features)), columns]
        yield f"values {i + 1}", ValueTrigger(columns.tolist(), values).fit(features)


def _random_patches(images, n_triggers, rng):
    """Draw places in images, and colours between the darkest and the brightest."""
    low, high = images.min(axis=(0, 2, 3)), images.max(axis=(0, 2, 3))
    for i in range(n_triggers):
        size = [
            rng.randint(1, 1 + max(1, side // MOST_OF_SIDE)) for side in images.shape[2:]
        ]
        position = [rng.randint(1 + n - m) for n, m in zip(images.shape[2:], size)]
        color = rng.uniform(low, high)
        if images.dtype.kind in "iu":
            color = np.rint(color)
        trigger = PatchTrigger(position=[position], size=size, values=[color])
        with warnings.catch_warnings():
            # An attacker may paint what she likes.
            warnings.simplefilter("ignore", InvisibleTriggerWarning)
            warnings.simplefilter("ignore", ChannelOrderWarning)
            trigger.fit(images)
        yield f"patch {i + 1}", trigger
