"""A search for the trigger of a classifier, beside the same search on plain ones."""

import numpy as np

from ._measure import combine_variances
from ._subject import predict_codes

# Rows that values are tried on, and as many others that tell their success.
SEARCHED_ROWS = 100
# Values of each column that are tried: its extremes, so far beyond them as a share of its
# range, and some quantiles between.
BEYOND, QUANTILES = 0.5, (0.0, 0.1, 0.5, 0.9, 1.0)
# Columns of a trigger; images have patches instead, of a side's share, at half steps.
N_COLUMNS = 2
PATCH_SHARE = 4
# As many candidates are tried at most; of more, as many are drawn. Of them, as many of the
# best are tried on top of the best one.
MOST_CANDIDATES, MOST_SECOND = 400, 40
# Rows that are predicted at once, since many calls take longer.
ROWS_AT_ONCE = 20_000


def list_candidates(features, rng):
    """List changes to try: positions in a row, and what they are set to.

    Returns
    -------
    candidates : list of (str, ndarray of int, ndarray or float)
        A name, positions in the flattened row, and values for these.
    """
    if features.ndim == 2:
        candidates = list(_list_values(features))
    else:
        candidates = list(_list_patches(features))
    if len(candidates) > MOST_CANDIDATES:
        drawn = rng.choice(len(candidates), MOST_CANDIDATES, replace=False)
        candidates = [candidates[i] for i in np.sort(drawn)]
    return candidates


def _list_values(features):
    """List values for each column of a table."""
    for j in range(features.shape[1]):
        known = features[:, j].astype(float)
        known = known[np.isfinite(known)]
        if not len(known) or np.ptp(known) == 0:
            continue
        values = np.quantile(known, QUANTILES)
        if len(np.unique(known[:200])) > len(QUANTILES):
            reach = BEYOND * np.ptp(known)
            values = np.append(values, [values[0] - reach, values[-1] + reach])
        for value in np.unique(values):
            yield f"x{j}={value:.3g}", np.array([j]), value


def _list_patches(images):
    """List dark and bright squares at a grid of places, over all channels."""
    height, width = images.shape[-2:]
    sides = [max(1, n // PATCH_SHARE) for n in (height, width)]
    grid = np.arange(images[0].size).reshape(images.shape[1:])
    steps = [max(1, side // 2) for side in sides]
    for top in range(0, height - sides[0] + 1, steps[0]):
        for left in range(0, width - sides[1] + 1, steps[1]):
            place = grid[..., top : top + sides[0], left : left + sides[1]].ravel()
            for value in (images.min(), images.max()):
                yield f"patch at ({top}, {left}) of {value:.3g}", place, value


def set_values(rows, candidate):
    """Set positions of rows to values."""
    flat = rows.reshape(len(rows), -1).copy()
    flat[:, candidate[1]] = candidate[2]
    return flat.reshape(rows.shape)


def search_triggers(predict, rows, truth, classes, candidates):
    """Find, for each class, what makes most rows of other classes belong to it.

    One change is chosen on half of the rows, then another on top of it; the other half
    tells the success.

    Returns
    -------
    found : dict of int to (str, ndarray, ndarray)
        For each class, what was found, and whether each of the other half's rows of other
        classes is taken for the class, before and after.
    """
    tried, held_out = rows[::2], rows[1::2]
    predicted = predict_changed(predict, tried, candidates)
    found = {}
    for k in range(len(classes)):
        others, judged = truth[::2] != k, truth[1::2] != k
        if not others.any() or not judged.any():
            continue
        order = np.argsort(-(predicted[:, others] == k).mean(axis=1), kind="stable")
        chosen = [candidates[order[0]]]
        if rows.ndim == 2 and N_COLUMNS > 1:
            second = [candidates[i] for i in order[:MOST_SECOND]]
            stamped = set_values(tried[others], chosen[0])
            rates = (predict_changed(predict, stamped, second) == k).mean(axis=1)
            chosen.append(second[int(rates.argmax())])
        stamped = held_out[judged]
        before = predict(stamped) == k
        for candidate in chosen:
            stamped = set_values(stamped, candidate)
        names = ", ".join(dict.fromkeys(candidate[0] for candidate in chosen))
        found[k] = names, before, predict(stamped) == k
    return found


def predict_changed(predict, rows, candidates):
    """Predict rows under each of the changes, many at once.

    Returns
    -------
    codes : ndarray of shape (n_candidates, n_rows)
        Class codes.
    """
    at_once = max(1, ROWS_AT_ONCE // len(rows))
    codes = []
    for start in range(0, len(candidates), at_once):
        some = candidates[start : start + at_once]
        stacked = np.concatenate([set_values(rows, candidate) for candidate in some])
        codes.append(predict(stacked).reshape(len(some), len(rows)))
    return np.concatenate(codes)


def measure_search(name, subject, features, truth, baselines, rng):
    """Compare the best trigger that is found with the best ones of plain classifiers.

    Any classifier has some, so only their success is compared, not the triggers.
    """
    candidates = list_candidates(features, rng)
    if not candidates:
        return

    def search(model, rows):
        rows = rng.permutation(rows)[: 2 * SEARCHED_ROWS]
        return search_triggers(
            lambda part: predict_codes(model, part),
            features[rows],
            truth[rows],
            subject.classes,
            candidates,
        )

    own = search(subject.model, np.arange(len(truth)))
    plain = [search(model, rows) for model, rows in baselines]
    for k, (found, *taken) in own.items():
        same_class = [result[k][1:] for result in plain if k in result]
        if same_class:
            names = {"model": name, "trigger": f"searched: {found}"}
            kind = {"target": subject.classes[k], "is_random": False, "is_blend": False}
            yield names | kind | compare_found(taken, same_class)


def compare_found(taken, plain):
    """Compute the figures of what a search has found, beside those of plain classifiers."""
    gain, *gains = (after.astype(int) - before for before, after in (taken, *plain))
    gains = np.array([one.mean() for one in gains])
    variance, freedom = combine_variances(gain, gains)
    return {
        "success": float(taken[1].mean()),
        "baseline_success": float(np.mean([after.mean() for _, after in plain])),
        "excess": float(gain.mean() - gains.mean()),
        "variance": variance,
        "freedom": freedom,
    }
