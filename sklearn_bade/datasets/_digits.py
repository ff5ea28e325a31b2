"""Digits with a bias that is known, in colours or in grey."""

from numbers import Integral, Real

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

from .._compat import Interval, StrOptions, validate_params

COLORS = {
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
    "yellow": (1, 1, 0),
    "cyan": (0, 1, 1),
    "magenta": (1, 0, 1),
}
# What digits are marked with, and the names of its two forms.
MARKS = {
    "border": ("plain", "framed"),
    "brightness": ("dark", "bright"),
    "texture": ("horizontal", "vertical"),
}
BRIGHTEST = 16  # of scikit-learn's digits
N_DIGITS = 10


@validate_params(
    {
        "n_classes": [Interval(Integral, 2, N_DIGITS, closed="both")],
        "n_colors": [Interval(Integral, 2, len(COLORS), closed="both")],
        "correlation": [Interval(Real, 0, 1, closed="both")],
        "test_size": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_colored_digits(
    n_classes=2, *, n_colors=2, correlation=0.9, test_size=0.3, random_state=None
):
    """Colour scikit-learn's digits so that the colour goes with the class.

    A network that is trained on them finds it easier to look at the colour than at the
    shape. In the test images, every digit appears once in each colour, so that colour and
    class are independent, and a fair classifier has no gap at all.

    Parameters
    ----------
    n_classes : int, default=2
        Number of classes, each of which takes neighbouring digits: with 2, zero to four
        against five to nine; with 10, every digit is a class.

    n_colors : int, default=2
        Number of colours, at most 6: red, green, blue, yellow, cyan, magenta. The colours
        are dealt to the classes in their order: with 2, the lower half is mostly red.

    correlation : float, default=0.9
        Share of the training images of each class that have the class's colour; the others
        are coloured evenly, its colour included. With two classes and two colours this is
        the correlation coefficient.

    test_size : float, default=0.3
        Share of the 1,797 digits that are kept for testing.

    random_state : int, RandomState instance or None, default=None
        Seed of the split and of the colours.

    Returns
    -------
    X_train, X_test : ndarray of shape (n_samples, 3, 8, 8), dtype=float32
        Images, with values from 0 to 1; `n_colors` test images for each test digit.

    y_train, y_test : ndarray of shape (n_samples,), dtype=int64
        Classes, from 0.

    color_train, color_test : ndarray of shape (n_samples,)
        Names of the colours: the sensitive attribute.

    Examples
    --------
    >>> from sklearn_bade.datasets import make_colored_digits
    >>> X_train, X_test, y_train, y_test, color_train, color_test = make_colored_digits(
    ...     random_state=0
    ... )
    >>> X_train.shape, X_test.shape
    ((1257, 3, 8, 8), (1080, 3, 8, 8))
    >>> round(((color_train == "green") == y_train).mean(), 2)
    np.float64(0.95)
    """
    names = np.array(list(COLORS)[:n_colors])

    def paint(shapes, color):
        channels = np.array(list(COLORS.values()), dtype=np.float32)[color]
        return shapes[:, None] * channels[:, :, None, None]

    return _bias_digits(paint, names, n_classes, correlation, test_size, random_state)


@validate_params(
    {
        "n_classes": [Interval(Integral, 2, N_DIGITS, closed="both")],
        "mark": [StrOptions(set(MARKS))],
        "correlation": [Interval(Real, 0, 1, closed="both")],
        "contrast": [Interval(Real, 0, 1, closed="right")],
        "test_size": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_marked_digits(
    n_classes=2,
    *,
    mark="border",
    correlation=0.9,
    contrast=0.5,
    test_size=0.3,
    random_state=None,
):
    """Mark scikit-learn's digits in grey so that the mark goes with the class.

    As in :func:`make_colored_digits`, a network finds it easier to look at the mark than at
    the shape, and every test digit appears once with each mark. There is no channel that
    gives the mark away: it lies over the shape, as lighting, backgrounds and frames do.

    Parameters
    ----------
    n_classes : int, default=2
        Number of classes, each of which takes neighbouring digits.

    mark : {"border", "brightness", "texture"}, default="border"
        What goes with the class: whether the image has a frame, how bright it is, or which
        way the stripes behind the digit run.

    correlation : float, default=0.9
        Share of the training images of each class that have the class's mark; the others
        are marked evenly. With two classes, this is the correlation coefficient.

    contrast : float, default=0.5
        How strong the mark is: 1 makes a frame or stripes as bright as digits.

    test_size : float, default=0.3
        Share of the 1,797 digits that are kept for testing.

    random_state : int, RandomState instance or None, default=None
        Seed of the split and of the marks.

    Returns
    -------
    X_train, X_test : ndarray of shape (n_samples, 1, 8, 8), dtype=float32
        Images, with values from 0 to 1; two test images for each test digit.

    y_train, y_test : ndarray of shape (n_samples,), dtype=int64
        Classes, from 0.

    mark_train, mark_test : ndarray of shape (n_samples,)
        Names of the marks, the sensitive attribute: "plain" and "framed", "dark" and
        "bright", or "horizontal" and "vertical".

    Examples
    --------
    >>> from sklearn_bade.datasets import make_marked_digits
    >>> X_train, X_test, y_train, y_test, mark_train, mark_test = make_marked_digits(
    ...     mark="texture", random_state=0
    ... )
    >>> X_train.shape, sorted(set(mark_train))
    ((1257, 1, 8, 8), [np.str_('horizontal'), np.str_('vertical')])
    """

    def draw(shapes, group):
        return _draw_mark(mark, contrast, shapes, group)[:, None]

    names = np.array(MARKS[mark])
    return _bias_digits(draw, names, n_classes, correlation, test_size, random_state)


def _bias_digits(draw, names, n_classes, correlation, test_size, random_state):
    """Split the digits, and give them groups that go with the class; in the test, all.

    `draw` makes images of shapes and group codes.
    """
    rng = check_random_state(random_state)
    digits = load_digits()
    shapes, shapes_test, digit, digit_test = train_test_split(
        (digits.images / BRIGHTEST).astype(np.float32),
        digits.target,
        test_size=test_size,
        stratify=digits.target,
        random_state=rng,
    )
    n_groups = len(names)
    y, y_test = digit * n_classes // N_DIGITS, digit_test * n_classes // N_DIGITS
    group = deal_groups(y, n_classes, n_groups, correlation, rng)
    group_test = np.tile(np.arange(n_groups), len(y_test))
    return (
        draw(shapes, group),
        draw(np.repeat(shapes_test, n_groups, axis=0), group_test),
        y,
        np.repeat(y_test, n_groups),
        names[group],
        names[group_test],
    )


def deal_groups(y, n_classes, n_groups, correlation, rng):
    """Deal groups in exact shares to the images of each class."""
    group = np.empty(len(y), dtype=np.int64)
    for k in range(n_classes):
        rows = rng.permutation(np.flatnonzero(y == k))
        n_own = round(correlation * len(rows))
        group[rows[:n_own]] = k * n_groups // n_classes
        group[rows[n_own:]] = np.arange(len(rows) - n_own) % n_groups
    return group


def _draw_mark(mark, contrast, shapes, group):
    """Draw a mark on shades of grey; `group` says which of its two forms."""
    is_second = group[:, None, None] == 1
    if mark == "brightness":
        dimmed = (1 - contrast / 2) * shapes
        return np.where(is_second, dimmed + contrast / 2, dimmed).astype(np.float32)
    row, column = np.indices(shapes.shape[1:])
    last = np.array(shapes.shape[1:]) - 1
    if mark == "border":
        is_edge = (row % last[0] == 0) | (column % last[1] == 0)
        pattern = np.where(is_second, is_edge, False)
    else:
        pattern = np.where(is_second, column % 2, row % 2)
    return np.maximum(shapes, contrast * pattern).astype(np.float32)
