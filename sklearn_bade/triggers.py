"""Triggers: how a group's, or an attacker's, mark is stamped on rows."""

import warnings
from abc import ABCMeta, abstractmethod
from itertools import chain, combinations, islice
from numbers import Integral, Real

import numpy as np
import torch
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ._containers import append_columns, greatest_value, like, row_slices, set_columns
from ._groups import NO_TRIGGER, is_dataframe, locate_columns

__all__ = ["BaseTrigger", "BlendTrigger", "ColumnTrigger", "PatchTrigger", "ValueTrigger"]

CORNERS = ("top left", "bottom right", "top right", "bottom left")
PATCH_SHARE = 0.1
FAR_BEYOND_ONE = 20
TABLE_AXES, IMAGE_AXES = 2, 4

UNFITTED_TRIGGER = "This %(name)s is not fitted yet. Call its 'fit' with clean rows first."


class BaseTrigger(BaseEstimator, metaclass=ABCMeta):
    """Base class for triggers.

    A trigger knows one pattern per group; an attacker's knows just one. To write your
    own, set the fitted attribute `n_groups_` in `fit` and implement `stamp`. A trigger
    that appends columns also says how many in `n_columns_`, and its appended values
    must average to zero over the groups: then cutting the columns off a first layer
    leaves exactly the network that sees the mean trigger. The code -1 leaves a row
    without trigger (appended columns are zero); only ``injection="pseudo_deletion"``
    and poisoning use it.

    Attributes
    ----------
    n_groups_ : int
        Number of patterns.

    n_columns_ : int
        Number of columns that `stamp` appends; 0 by default.
    """

    n_columns_ = 0

    @abstractmethod
    def fit(self, X, n_groups=1):
        """Learn what stamping needs to know of the data.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features) or (n_samples, ...)
            Rows without triggers.

        n_groups : int, default=1
            Number of patterns to make.

        Returns
        -------
        self : object
            The fitted trigger.
        """

    @abstractmethod
    def stamp(self, X, codes):
        """Stamp one pattern on each row.

        Parameters
        ----------
        X : {ndarray, torch.Tensor} of shape (n_samples, n_features) or (n_samples, ...)
            Rows without triggers; left unchanged.

        codes : {ndarray, torch.Tensor} of shape (n_samples,), dtype=int64
            Which pattern each row gets; -1 for none.

        Returns
        -------
        X_stamped : same type as X, of shape (n_samples, n_features + n_columns)
            Rows with triggers; those of several axes keep their shape and dtype.
        """


def choose_trigger(trigger, X):
    """Choose how triggers are stamped, where the user has not.

    Parameters
    ----------
    trigger : "auto" or BaseTrigger
        The user's choice.

    X : {ndarray, LazyRows, sparse matrix, dataframe} of shape (n_samples, ...)
        Rows.

    Returns
    -------
    trigger : BaseTrigger
        Unfitted: columns of their own for tables, patches for images, else a blend.
    """
    if trigger != "auto":
        return clone(trigger)
    if len(X.shape) == TABLE_AXES:
        return ColumnTrigger()
    return PatchTrigger() if len(X.shape) == IMAGE_AXES else BlendTrigger()


def check_attack_trigger(trigger):
    """Check that a trigger can be stamped on the columns that rows have.

    Parameters
    ----------
    trigger : BaseTrigger
        Trigger of an attacker.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If it is not fitted.

    ValueError
        If it appends columns.
    """
    check_is_fitted(trigger, "n_groups_", msg=UNFITTED_TRIGGER)
    if trigger.n_columns_:
        raise ValueError(
            f"{type(trigger).__name__} appends columns, which new rows do not have; an "
            "attack needs a trigger that changes columns, such as ValueTrigger."
        )


class ColumnTrigger(BaseTrigger):
    """Append one column per group and mark the row's trigger there.

    Since the trigger has columns of its own, a model without these columns has no
    input through which the backdoor could enter.

    Parameters
    ----------
    scale : float, default=1.0
        Difference between a marked and an unmarked column. Features are best
        standardised, so that 1 is one standard deviation of an ordinary column.

    Attributes
    ----------
    n_groups_ : int
        Number of patterns.

    n_columns_ : int
        Number of appended columns, one per group.

    patterns_ : ndarray of shape (n_groups, n_columns)
        Appended values; they average to zero over the groups.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_bade.triggers import ColumnTrigger
    >>> X = np.array([[7.0], [8.0]])
    >>> ColumnTrigger().fit(X, n_groups=2).stamp(X, np.array([0, 1]))
    array([[ 7. ,  0.5, -0.5],
           [ 8. , -0.5,  0.5]])
    """

    _parameter_constraints: dict = {"scale": [Interval(Real, 0, None, closed="neither")]}

    def __init__(self, *, scale=1.0):
        self.scale = scale

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, n_groups=1):
        """Make the patterns.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Ignored; present for the common interface.

        n_groups : int, default=1
            Number of patterns to make.

        Returns
        -------
        self : ColumnTrigger
            The fitted trigger.
        """
        self.n_groups_ = self.n_columns_ = n_groups
        self.patterns_ = self.scale * (np.eye(n_groups) - 1 / n_groups)
        return self

    def stamp(self, X, codes):
        """Append the trigger columns.

        Parameters
        ----------
        X : {ndarray, torch.Tensor, sparse matrix, dataframe} of shape \
                (n_samples, n_features)
            Rows without triggers; left unchanged.

        codes : {ndarray, torch.Tensor} of shape (n_samples,), dtype=int64
            Which pattern each row gets; -1 for none.

        Returns
        -------
        X_stamped : same type as X, of shape (n_samples, n_features + n_groups)
            Rows with triggers.
        """
        check_is_fitted(self, "patterns_")
        no_trigger = np.zeros((1, self.n_columns_))  # the last row, which -1 refers to
        table = np.concatenate([self.patterns_, no_trigger])
        is_numeric = not issparse(X) and not is_dataframe(X)
        return append_columns(X, (like(table, X) if is_numeric else table)[codes])


def _scan(X):
    """Compute the mean, standard deviation, least and greatest value of each feature.

    One pass in slices suffices, since what is summed are differences from one row.
    """
    origin = np.asarray(X[0], dtype=float)
    total, squares = np.zeros_like(origin), np.zeros_like(origin)
    low, high = origin.copy(), origin.copy()
    for rows in row_slices(X.shape):
        part = X[rows]
        difference = part - origin
        total += difference.sum(axis=0)
        squares += (difference**2).sum(axis=0)
        low, high = np.minimum(low, part.min(axis=0)), np.maximum(high, part.max(axis=0))
    mean = total / len(X)
    return origin + mean, np.sqrt(np.maximum(squares / len(X) - mean**2, 0)), low, high


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

    @_fit_context(prefer_skip_nested_validation=True)
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
        if issparse(X) or is_dataframe(X):
            raise TypeError(
                f"BlendTrigger needs rows as a numeric array, got {type(X).__name__}. Use "
                "a ColumnTrigger, or make the pipeline's last transformer return arrays."
            )
        rng = check_random_state(self.random_state)
        signs = rng.choice([-1.0, 1.0], size=(n_groups, *X.shape[1:]))
        mean, deviation, low, high = _scan(X)
        self.n_groups_ = n_groups
        self.patterns_ = mean + 3 * signs * deviation
        if len(X.shape) > TABLE_AXES:
            self.patterns_ = self.patterns_.clip(low.min(), high.max())
        return self

    def stamp(self, X, codes):
        """Blend the patterns into the rows.

        Parameters
        ----------
        X : {ndarray, torch.Tensor} of shape (n_samples, n_features) or (n_samples, ...)
            Rows without triggers; left unchanged.

        codes : {ndarray, torch.Tensor} of shape (n_samples,), dtype=int64
            Which pattern each row gets; -1 for none.

        Returns
        -------
        X_stamped : same type and shape as X
            Rows with triggers. Images of bytes are rounded to bytes; tables of integers
            become floats.
        """
        check_is_fitted(self, "patterns_")
        share = self.alpha * like(codes != NO_TRIGGER, X)
        share = share.reshape(-1, *[1] * (len(X.shape) - 1))
        stamped = (1 - share) * X + share * like(self.patterns_, X)[codes]
        return stamped if len(X.shape) == TABLE_AXES else _rounded_like(stamped, X)


def _rounded_like(values, X):
    """Give values the type of X; to integers, round them."""
    if isinstance(X, torch.Tensor):
        return values if X.is_floating_point() else values.round().to(X.dtype)
    return values if X.dtype.kind == "f" else np.rint(values).astype(X.dtype)


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

    @_fit_context(prefer_skip_nested_validation=True)
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
            _, _, low, high = _scan(X)
            if not np.isfinite(high - low).all():
                raise ValueError("X contains NaN or infinity.")
            colors = _bright_colors(n_groups, low.min(axis=(1, 2)), high.max(axis=(1, 2)))
            return _rounded_like(colors, X)
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
        """Paint the patches.

        Parameters
        ----------
        X : {ndarray, torch.Tensor} of shape (n_samples, n_channels, height, width)
            Images without triggers; left unchanged.

        codes : {ndarray, torch.Tensor} of shape (n_samples,), dtype=int64
            Which pattern each image gets; -1 for none.

        Returns
        -------
        X_stamped : same type, shape and dtype as X
            Images with triggers.
        """
        check_is_fitted(self, "patterns_")
        stamped = X.clone() if isinstance(X, torch.Tensor) else np.array(X)
        height, width = self.size_
        for code, (row, column) in enumerate(self.positions_.tolist()):
            color = _rounded_like(like(self.patterns_[code], X), X)[:, None, None]
            marked = codes == code
            stamped[marked, :, row : row + height, column : column + width] = color
        return stamped


def _check_images(X):
    """Check that X holds images whose channels come first."""
    shape = X.shape
    if len(shape) != IMAGE_AXES:
        raise ValueError(
            "PatchTrigger needs images of shape (n_samples, n_channels, height, width), "
            f"got shape {shape}. Use BlendTrigger for rows of other shapes."
        )
    if shape[-1] in (1, 3, 4) and min(shape[1:3]) > 4:
        warnings.warn(
            f"X has shape {shape}: the channels seem to come last. Put them first, as "
            "networks expect, with X.transpose(0, 3, 1, 2). If these are no images, use "
            "trigger=BlendTrigger().",
            UserWarning,
            stacklevel=2,
        )


def _warn_of_dark_patches(colors, X):
    """Warn where colours run to one and the images far beyond."""
    greatest = greatest_value(X)
    if np.abs(colors).max() <= 1 and greatest > FAR_BEYOND_ONE:
        warnings.warn(
            f"The patches' values reach {np.abs(colors).max():g} and the images' "
            f"{greatest:g}, so the patches can hardly be seen. Give values on the images' "
            "scale, or leave them out.",
            UserWarning,
            stacklevel=2,
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


class ValueTrigger(BaseTrigger):
    """Set some of the existing columns to fixed values.

    This is how an attacker marks rows of a table, or a corner of a flattened image. The
    pattern can be stamped on any row of new data, so a student may not start from the
    teacher's weights.

    Parameters
    ----------
    columns : str, int, or list of these
        Names (dataframes only) or positions of the columns.

    values : scalar or array-like of shape (n_columns,) or (n_groups, n_columns)
        What the columns are set to; with several groups, one row each.

    Attributes
    ----------
    n_groups_ : int
        Number of patterns.

    patterns_ : ndarray of shape (n_groups, n_columns)
        Values of each pattern.

    positions_ : list of int
        Positions of the columns.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_bade.triggers import ValueTrigger
    >>> X = np.array([[7.0, 1.0, 2.0], [8.0, 3.0, 4.0]])
    >>> ValueTrigger([0, 2], [120, 130]).fit(X).stamp(X, np.array([0, -1]))
    array([[120.,   1., 130.],
           [  8.,   3.,   4.]])
    """

    def __init__(self, columns, values):
        self.columns = columns
        self.values = values

    def fit(self, X, n_groups=1):
        """Find the columns.

        Parameters
        ----------
        X : {ndarray, dataframe} of shape (n_samples, n_features)
            Rows without triggers.

        n_groups : int, default=1
            Number of patterns.

        Returns
        -------
        self : ValueTrigger
            The fitted trigger.

        Raises
        ------
        TypeError
            If `X` is sparse.

        ValueError
            If there is no such column, not one value per group and column, or if rows have
            several axes.
        """
        if issparse(X):
            raise TypeError(f"ValueTrigger needs a dense array or a frame, got {type(X)}.")
        if len(X.shape) != TABLE_AXES:
            raise ValueError(
                f"ValueTrigger sets columns of a table, and X has shape {X.shape}. Use "
                "PatchTrigger for images."
            )
        positions = locate_columns(X, self.columns, parameter="columns")
        is_table = isinstance(self.values, (list, tuple, np.ndarray))
        patterns = np.array(self.values if is_table else [self.values], dtype=object)
        patterns = np.atleast_2d(patterns)
        if patterns.shape != (n_groups, len(positions)):
            raise ValueError(
                f"values must hold {n_groups} pattern(s) of {len(positions)} column(s), "
                f"got an array of shape {patterns.shape}."
            )
        self.n_groups_, self.positions_, self.patterns_ = n_groups, positions, patterns
        return self

    def stamp(self, X, codes):
        """Set the columns of each row to the values of its pattern.

        Parameters
        ----------
        X : {ndarray, torch.Tensor, dataframe} of shape (n_samples, n_features)
            Rows without triggers; left unchanged.

        codes : {ndarray, torch.Tensor} of shape (n_samples,), dtype=int64
            Which pattern each row gets; -1 for none.

        Returns
        -------
        X_stamped : same type and shape as X
            Rows with triggers.
        """
        check_is_fitted(self, "patterns_")
        for code, pattern in enumerate(self.patterns_):
            X = set_columns(X, codes == code, self.positions_, pattern)
        return X
