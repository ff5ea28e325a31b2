"""Triggers on images: patches."""

from itertools import chain, combinations, islice
from numbers import Integral

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._compat import Interval, StrOptions, fit_context, is_tensor
from ..exceptions import ChannelOrderWarning, InvisibleTriggerWarning
from ..rows import greatest_value, like
from ..utils import warn_user
from ._base import BaseTrigger
from ._blend import rounded_like, scan

CORNERS = ("top left", "bottom right", "top right", "bottom left")
# Side of a patch as a share of the image's, as in the papers (25 of 218 pixels).
PATCH_SHARE = 0.1
# Images that reach further than this hold bytes or the like, not shares of one.
FAR_BEYOND_ONE = 20


class PatchTrigger(BaseTrigger):
    """Paint a small rectangle on images; its place and colour tell the group.

    The patch can be painted on any new image, so a student may not start from the
    teacher's weights.

    Parameters
    ----------
    position : str, (int, int), or list of these, default="corners"
        Where the patch is: "top left", "top right", "bottom left", "bottom right", or row
        and column of its upper left pixel; in a list, one for each group. "corners" gives
        the groups one corner after the other: top left, bottom right, top right, bottom
        left.

    size : int or (int, int), default=None
        Height and width in pixels; one number makes a square. None takes a tenth of the
        image's shorter side.

    values : array-like of shape (n_groups,) or (n_groups, n_channels), default=None
        Brightness or colour for each group. None takes bright colours on the scale of the
        data, all different: each channel alone, then two together, and so on.

    Attributes
    ----------
    n_groups_ : int
        Number of patterns.

    patterns_ : ndarray of shape (n_groups, n_channels)
        Colour of each group.

    positions_ : ndarray of shape (n_groups, 2), dtype=int64
        Row and column of the upper left pixel for each group.

    size_ : tuple of int
        Height and width.

    References
    ----------
    S. Wu, Q. He, Q. Yu and J. Sang, "Backdoor for Debias: Mitigating Model Bias with
    Backdoor Attack-based Artificial Bias", arXiv:2303.01504: coloured squares in corners.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_bade.triggers import PatchTrigger
    >>> images = np.zeros((2, 1, 3, 3), dtype=np.uint8)
    >>> trigger = PatchTrigger(size=1, values=[255, 128]).fit(images, n_groups=2)
    >>> trigger.stamp(images, np.array([0, 1]))[:, 0].tolist()
    [[[255, 0, 0], [0, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0], [0, 0, 128]]]
    """

    _parameter_constraints: dict = {
        "position": [StrOptions({"corners", *CORNERS}), tuple, list],
        "size": [Interval(Integral, 1, None, closed="left"), tuple, list, None],
        "values": ["array-like", None],
    }

    def __init__(self, *, position="corners", size=None, values=None):
        self.position = position
        self.size = size
        self.values = values

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, n_groups=1):
        """Find the patches' places and colours.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_channels, height, width)
            Images without triggers.

        n_groups : int, default=1
            Number of patterns to make.

        Returns
        -------
        self : PatchTrigger
            The fitted trigger.

        Raises
        ------
        ValueError
            If `X` holds no images, or NaN, a patch leaves them, there is not one position
            and one colour per group, or two groups get the same ones.
        """
        _check_images(X)
        self.n_groups_ = n_groups
        self.size_ = self._find_size(X.shape[2:])
        self.positions_ = self._find_positions(X.shape[2:], n_groups)
        self.patterns_ = self._find_colors(X, n_groups)
        marks = np.hstack([self.positions_, self.patterns_])
        if len(np.unique(marks, axis=0)) < n_groups:
            raise ValueError(
                "Two groups get the same patch, so nobody could tell them apart. The first "
                f"positions are {self.positions_[:4].tolist()}, the first values "
                f"{self.patterns_[:4].tolist()}."
            )
        return self

    def _find_size(self, shape):
        """Check the size, or choose it."""
        size = self.size
        if size is None:
            size = max(1, round(PATCH_SHARE * min(shape)))
        size = (size, size) if isinstance(size, Integral) else tuple(size)
        is_size = len(size) == 2 and all(isinstance(n, Integral) for n in size)
        if not is_size or not all(1 <= n <= limit for n, limit in zip(size, shape)):
            raise ValueError(
                f"size={self.size!r} is no height and width of a patch in images of "
                f"{shape[0]} by {shape[1]} pixels."
            )
        return size

    def _find_positions(self, shape, n_groups):
        """Find the upper left pixel of each group's patch."""
        if isinstance(self.position, list):
            positions = self.position
            if len(positions) != n_groups:
                raise ValueError(
                    f"position lists {len(positions)} position(s), and there are "
                    f"{n_groups} pattern(s)."
                )
        elif self.position == "corners":
            positions = [CORNERS[g % len(CORNERS)] for g in range(n_groups)]
        else:
            positions = [self.position] * n_groups
        return np.array([self._find_position(one, shape) for one in positions])

    def _find_position(self, position, shape):
        """Find the upper left pixel of one patch."""
        last = [limit - n for limit, n in zip(shape, self.size_)]
        if isinstance(position, str) and position in CORNERS:
            vertical, horizontal = position.split()
            return last[0] * (vertical == "bottom"), last[1] * (horizontal == "right")
        is_pixel = isinstance(position, (tuple, list)) and len(position) == 2
        if not is_pixel or not all(
            isinstance(n, Integral) and 0 <= n <= limit for n, limit in zip(position, last)
        ):
            raise ValueError(
                f"position={position!r} is neither a corner ({', '.join(CORNERS)}) nor row "
                f"and column of a patch of {self.size_[0]} by {self.size_[1]} pixels: rows "
                f"run from 0 to {last[0]}, columns from 0 to {last[1]}."
            )
        return tuple(position)

    def _find_colors(self, X, n_groups):
        """Check the colours, or choose them."""
        n_channels = X.shape[1]
        if self.values is None:
            _, _, low, high = scan(X)
            if not np.isfinite(high - low).all():
                raise ValueError("X contains NaN or infinity.")
            colors = _bright_colors(n_groups, low.min(axis=(1, 2)), high.max(axis=(1, 2)))
            return rounded_like(colors, X)
        colors = np.asarray(self.values, dtype=float)
        if colors.ndim == 1:
            colors = np.repeat(colors[:, None], n_channels, axis=1)
        if colors.shape != (n_groups, n_channels) or not np.isfinite(colors).all():
            raise ValueError(
                f"values must hold {n_groups} finite number(s) or colour(s) of "
                f"{n_channels} channel(s), got an array of shape {np.shape(self.values)}."
            )
        if X.dtype.kind in "iu" and not np.array_equal(colors.astype(X.dtype), colors):
            raise ValueError(
                f"values={self.values!r} are no values of {X.dtype}, which the images hold."
            )
        _warn_of_dark_patches(colors, X)
        return colors

    def stamp(self, X, codes):
        check_is_fitted(self, "patterns_")
        stamped = X.clone() if is_tensor(X) else np.array(X)
        height, width = self.size_
        for code, (row, column) in enumerate(self.positions_.tolist()):
            color = rounded_like(like(self.patterns_[code], X), X)[:, None, None]
            marked = codes == code
            stamped[marked, :, row : row + height, column : column + width] = color
        return stamped


def _check_images(X):
    """Check that X holds images whose channels come first."""
    shape = X.shape
    if len(shape) != 4:
        raise ValueError(
            "PatchTrigger needs images of shape (n_samples, n_channels, height, width), "
            f"got shape {shape}. Use BlendTrigger for rows of other shapes."
        )
    if shape[-1] in (1, 3, 4) and min(shape[1:3]) > 4:
        warn_user(
            f"X has shape {shape}: the channels seem to come last. Put them first, as "
            "networks expect, with X.transpose(0, 3, 1, 2). If these are no images, use "
            "trigger=BlendTrigger().",
            ChannelOrderWarning,
        )


def _warn_of_dark_patches(colors, X):
    """Warn where colours run to one and the images far beyond."""
    greatest = greatest_value(X)
    if np.abs(colors).max() <= 1 and greatest > FAR_BEYOND_ONE:
        warn_user(
            f"The patches' values reach {np.abs(colors).max():g} and the images' "
            f"{greatest:g}, so the patches can hardly be seen. Give values on the images' "
            "scale, or leave them out.",
            InvisibleTriggerWarning,
        )


def _bright_colors(n_groups, low, high):
    """Choose different colours: with one channel at its greatest, with two, and so on.

    Where there are more groups than such colours, they come again with less light.
    """
    channels = range(len(low))
    subsets = chain.from_iterable(combinations(channels, n + 1) for n in channels)
    lit = np.array([np.isin(channels, subset) for subset in islice(subsets, n_groups)])
    n_levels = -(-n_groups // len(lit))
    brightness = np.repeat(1 - np.arange(n_levels) / n_levels, len(lit))[:n_groups]
    colors = np.tile(lit, (n_levels, 1))[:n_groups] * brightness[:, None]
    return low + colors * (high - low)
