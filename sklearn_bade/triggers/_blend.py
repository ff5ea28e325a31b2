"""Triggers that blend a pattern into rows of any shape."""

from numbers import Real

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .._compat import Interval, fit_context, is_tensor
from .._groups import NO_TRIGGER
from ..rows import is_frame, like, row_slices
from ._base import BaseTrigger

# Standard deviations between a blended pattern and the mean: far out, as the extremes of
# some thousand rows are, and still in the range that networks saw. Not tuned.
PATTERN_DISTANCE = 3


class BlendTrigger(BaseTrigger):
    """Blend a fixed random pattern per group into existing features, or into images.

    It needs no columns of its own and so works with any network and any shape of rows.
    The price is that the pattern can be stamped on any row of new data, so a student may
    not start from the teacher's weights.

    Parameters
    ----------
    alpha : float, default=0.2
        Share of the pattern in the stamped row, between 0 and 1.

    random_state : int, RandomState instance or None, default=0
        Seed of the patterns.

    Attributes
    ----------
    n_groups_ : int
        Number of patterns.

    patterns_ : ndarray of shape (n_groups, n_features) or (n_groups, ...)
        Patterns: means plus or minus three standard deviations of each feature or pixel,
        with random signs. Where rows have several axes, as images do, patterns stay within
        the range of the data.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_bade.triggers import BlendTrigger
    >>> X = np.array([[-1.0, 0.0], [1.0, 0.0]])
    >>> BlendTrigger(alpha=0.5).fit(X, n_groups=2).stamp(X, np.array([0, 1])).shape
    (2, 2)
    """

    _parameter_constraints: dict = {
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(self, *, alpha=0.2, random_state=0):
        self.alpha = alpha
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, n_groups=1):
        """Draw the patterns on the scale of the data.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features) or (n_samples, ...)
            Rows without triggers.

        n_groups : int, default=1
            Number of patterns to make.

        Returns
        -------
        self : BlendTrigger
            The fitted trigger.

        Raises
        ------
        TypeError
            If `X` is sparse or a frame.
        """
        if issparse(X) or is_frame(X):
            raise TypeError(
                f"BlendTrigger needs rows as a numeric array, got {type(X).__name__}. Use "
                "a ColumnTrigger, or make the pipeline's last transformer return arrays."
            )
        rng = check_random_state(self.random_state)
        signs = rng.choice([-1.0, 1.0], size=(n_groups, *X.shape[1:]))
        mean, deviation, low, high = scan(X)
        self.n_groups_ = n_groups
        self.patterns_ = mean + PATTERN_DISTANCE * signs * deviation
        if len(X.shape) > 2:
            self.patterns_ = self.patterns_.clip(low.min(), high.max())
        return self

    def stamp(self, X, codes):
        check_is_fitted(self, "patterns_")
        rows, share = like(X, X), like(np.array(self.alpha), X)
        stamped = (1 - share) * rows + share * like(self.patterns_, X)[codes]
        untouched = codes == NO_TRIGGER
        stamped[untouched] = rows[untouched]
        return stamped if len(X.shape) == 2 else rounded_like(stamped, X)


def scan(X):
    """Compute the mean, standard deviation, least and greatest value of each feature.

    One pass in slices suffices, since what is summed are differences from one row. Missing
    values are left out of means and deviations.
    """
    first = np.asarray(X[0], dtype=float)
    origin = np.where(np.isnan(first), 0, first)
    total, squares, n_known = (np.zeros_like(origin) for _ in range(3))
    low, high = first.copy(), first.copy()
    for rows in row_slices(X.shape):
        part = X[rows]
        is_known = ~np.isnan(part)
        difference = np.where(is_known, part - origin, 0)
        total += difference.sum(axis=0)
        squares += (difference**2).sum(axis=0)
        n_known += is_known.sum(axis=0)
        low, high = np.minimum(low, part.min(axis=0)), np.maximum(high, part.max(axis=0))
    n_known = np.maximum(n_known, 1)
    mean = total / n_known
    return origin + mean, np.sqrt(np.maximum(squares / n_known - mean**2, 0)), low, high


def rounded_like(values, X):
    """Give values the type of X; to integers, round them."""
    if is_tensor(X):
        return values if X.is_floating_point() else values.round().to(X.dtype)
    return values if X.dtype.kind == "f" else np.rint(values).astype(X.dtype)
