"""A generator whose bias is known, so that true debiasing can be measured."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from .._compat import Interval, validate_params

# Not tuned: with these, a plain classifier repeats much of the bias, see the quickstart.
N_MERIT_COLUMNS = 6
N_PROXY_COLUMNS = 4
MEASUREMENT_NOISE = 1.2
LUCK = 0.5


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "n_classes": [Interval(Integral, 2, None, closed="left")],
        "n_groups": [Interval(Integral, 2, None, closed="left")],
        "label_bias": [Interval(Real, 0, 1, closed="both")],
        "proxy": [Interval(Real, 0, None, closed="left")],
        "merit_gap": [Interval(Real, None, None, closed="neither")],
        "group_weights": ["array-like", None],
        "class_weights": ["array-like", None],
        "as_frame": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_biased_classification(
    n_samples=5000,
    *,
    n_classes=2,
    n_groups=2,
    label_bias=0.5,
    proxy=3.0,
    merit_gap=0.0,
    group_weights=None,
    class_weights=None,
    as_frame=True,
    random_state=None,
):
    """Generate decisions that treat groups unfairly, and what they should have been.

    The story: every applicant has a hidden merit. Some columns measure merit, with
    noise; others are proxies of the group (a postcode, say) and say nothing of merit.
    The *fair* outcome depends on merit and luck alone. The *recorded* outcome is what
    a biased office wrote down: an applicant of group g who deserved more than the
    lowest class was moved down by one class with a probability of `label_bias` times
    the disadvantage of the group, which grows evenly from 0 for the first group to 1
    for the last. A classifier trained on the recorded outcomes learns, through the
    proxies, to repeat the office's bias; the fair outcomes tell whether it does.

    Parameters
    ----------
    n_samples : int, default=5000
        Number of applicants.

    n_classes : int, default=2
        Number of outcomes, in increasing order of merit.

    n_groups : int, default=2
        Number of groups.

    label_bias : float, default=0.5
        Probability, from 0 to 1, that a deserving applicant of the last group is moved
        down by one class.

    proxy : float, default=3.0
        Distance of the groups' centres in the proxy columns, in standard deviations.
        0 makes features say nothing of the group, unless `merit_gap` does.

    merit_gap : float, default=0.0
        Difference in mean merit between the first and the last group, in standard
        deviations of merit.

    group_weights : array-like of shape (n_groups,), default=None
        Shares of the groups; even by default.

    class_weights : array-like of shape (n_classes,), default=None
        Shares of the fair outcomes. By default they fall as 1, 1/2, 1/3, ...

    as_frame : bool, default=True
        Whether to return pandas objects. Otherwise arrays, with the code of the group
        in the first column of `X`.

    random_state : int, RandomState instance or None, default=None
        Seed of the data.

    Returns
    -------
    X : {pandas.DataFrame, ndarray} of shape (n_samples, 11)
        The column "group" (letters in a frame, codes in an array), six columns
        "merit_0", ... that measure merit, and four columns "proxy_0", ...

    y : {pandas.Series, ndarray} of shape (n_samples,)
        Recorded outcomes, from 0 to n_classes - 1: what one would train on.

    y_fair : {pandas.Series, ndarray} of shape (n_samples,)
        Fair outcomes: what one would never see.

    Raises
    ------
    ValueError
        If weights have a wrong length, are negative, or sum to zero.

    Examples
    --------
    >>> from sklearn_bade.datasets import make_biased_classification
    >>> X, y, y_fair = make_biased_classification(n_samples=4000, random_state=0)
    >>> X.columns[0], X.shape
    ('group', (4000, 11))
    >>> y_fair.groupby(X["group"]).mean().round(1).to_dict()
    {'A': 0.3, 'B': 0.3}
    >>> y.groupby(X["group"]).mean().round(1).to_dict()
    {'A': 0.3, 'B': 0.2}
    """
    rng = check_random_state(random_state)
    group_shares = normalize_shares(group_weights, np.ones(n_groups), "group_weights")
    falling = 1 / np.arange(1, n_classes + 1)
    class_shares = normalize_shares(class_weights, falling, "class_weights")

    group = rng.choice(n_groups, size=n_samples, p=group_shares)
    disadvantage = np.linspace(0, 1, n_groups)[group]
    merit = rng.normal(size=n_samples) - merit_gap * disadvantage

    noise = rng.normal(scale=MEASUREMENT_NOISE, size=(n_samples, N_MERIT_COLUMNS))
    merit_columns = merit[:, None] + noise
    centres = _group_centres(n_groups, rng)
    proxy_columns = proxy * centres[group] + rng.normal(size=(n_samples, N_PROXY_COLUMNS))

    luck = rng.normal(scale=LUCK, size=n_samples)
    y_fair = _cut_at_shares(merit + luck, class_shares)
    moved_down = rng.uniform(size=n_samples) < label_bias * disadvantage
    y = np.where(moved_down, np.maximum(y_fair - 1, 0), y_fair)

    features = np.hstack([merit_columns, proxy_columns])
    if not as_frame:
        return np.column_stack([group, features]), y, y_fair
    return (
        _as_frame(group, features),
        pd.Series(y, name="y"),
        pd.Series(y_fair, name="y_fair"),
    )


def normalize_shares(weights, default, name):
    """Check weights and make them sum to one."""
    weights = np.asarray(default if weights is None else weights, dtype=float)
    if weights.shape != default.shape or not (weights >= 0).all() or not weights.sum() > 0:
        raise ValueError(
            f"{name} must hold {len(default)} weights that are not negative and not all "
            f"zero, got {weights.tolist()}."
        )
    return weights / weights.sum()


def _group_centres(n_groups, rng):
    """Draw centres for the groups, one unit apart from each other on average."""
    centres = rng.normal(size=(n_groups, N_PROXY_COLUMNS))
    gaps = centres[:, None] - centres[None, :]
    distances = np.sqrt((gaps**2).sum(axis=2))
    return centres / distances[np.triu_indices(n_groups, 1)].mean()


def _cut_at_shares(score, shares):
    """Cut scores into ordered classes of given shares."""
    cuts = np.quantile(score, np.cumsum(shares)[:-1])
    return np.searchsorted(cuts, score)


def _as_frame(group, features):
    """Name the columns."""
    names = [f"merit_{i}" for i in range(N_MERIT_COLUMNS)]
    names += [f"proxy_{i}" for i in range(N_PROXY_COLUMNS)]
    frame = pd.DataFrame(features, columns=names)
    frame.insert(0, "group", np.asarray(_letters(group.max() + 1))[group])
    return frame


def _letters(n_groups):
    """Name groups A to Z, or by number if there are more."""
    if n_groups > 26:
        return [f"group_{i}" for i in range(n_groups)]
    return [chr(ord("A") + i) for i in range(n_groups)]
