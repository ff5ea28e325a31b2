"""Matplotlib, imported only where a picture is drawn, and what pictures have in common."""

import textwrap

# Colours that are told apart with any colour vision (Okabe and Ito, "Color Universal
# Design", 2008), less its yellow, which is too faint for a line on white, and its black,
# which is that of marks.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#999999")
# Share of its figure that a legend may take; a figure of our own grows by what exceeds it.
LEGEND_SHARE = 0.2
# Share of the width that a legend may take: axes, at which it ends, stop before the edge.
MOST_OF_WIDTH = 0.95
# Share of the axes that a legend inside of them should take at most, and that it may take
# in the smallest letters.
MOST_INSIDE, LARGEST_INSIDE = 0.4, 0.8
# Font sizes of a legend, the first that fits; the last one for figures of stamp size.
LEGEND_SIZES = ("medium", "small", "x-small", "xx-small")
# A letter is about half as wide as its font is high, in fonts without serifs.
LETTER_WIDTH = 0.55
POINTS_PER_INCH = 72
# Letters of a name that are shown; more would leave no room for what is named.
LONGEST_NAME = 60
# Lines are no shorter, however narrow the axes: words would stand one below the other.
LEAST_LETTERS = 8


def make_axes(ax):
    """Return the axes to draw on, making new ones if there are none."""
    try:
        from matplotlib import pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Displays need matplotlib. Install it with `pip install sklearn-bade[plot]`."
        ) from error
    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def as_text(value):
    """Show a value as it is: no dollar begins a formula, no underline hides a label.

    Its middle is left out where there is no room for all of it.
    """
    text = str(value)
    if len(text) > LONGEST_NAME:
        text = f"{text[: LONGEST_NAME // 2]}…{text[-LONGEST_NAME // 2 :]}"
    text = text.replace("$", r"\$")
    return f"\u200b{text}" if text.startswith("_") else text


def wrap_text(*phrases, width, size=10):
    """Join phrases by spaces, or as lines where that is wider than so many inches."""
    n_letters = max(int(width * POINTS_PER_INCH / (LETTER_WIDTH * size)), LEAST_LETTERS)
    if len(text := " ".join(phrases)) <= n_letters:
        return text
    lines = [textwrap.fill(each, n_letters, break_long_words=False) for each in phrases]
    return "\n".join(lines)


def size_in_inches(ax):
    """Measure width and height of axes, before a layout has moved them."""
    return ax.bbox.width / ax.figure.dpi, ax.bbox.height / ax.figure.dpi


def place_legend(ax, handles, *, title=None, is_own=False):
    """Put a legend where it covers no points.

    It stands below the axes if the figure has a layout, such as "constrained", which makes
    room for it. Else it would be cut off there, and stands above the points inside.
    Figures of our own grow with a great legend, in others its letters shrink.
    """
    figure = ax.figure.figure  # the whole one, where axes are in a part of it
    if figure.get_layout_engine() is None:
        return _legend_inside(ax, handles, title)
    width, height = _cell_of(ax)
    for size in LEGEND_SIZES:
        legend = _legend_below(ax, handles, title, size, width)
        extent = legend.get_window_extent()
        fits = extent.height <= height / 2 and extent.width <= MOST_OF_WIDTH * width
        if is_own or fits:
            break
    if is_own:
        width, height = figure.get_size_inches()
        excess = extent.height / figure.dpi - LEGEND_SHARE * height
        figure.set_size_inches(width, height + max(0, excess))
    return legend


def _cell_of(ax):
    """Measure the part of a figure that axes and their labels share, in pixels."""
    spec, box = ax.get_subplotspec(), ax.figure.bbox
    if spec is None:  # placed by hand
        return ax.bbox.width, ax.bbox.height
    grid = spec.get_gridspec()
    n_columns, n_rows = grid.ncols / len(spec.colspan), grid.nrows / len(spec.rowspan)
    return box.width / n_columns, box.height / n_rows


def _legend_below(ax, handles, title, size, width):
    """Make a legend below the axes, with as many columns as have room."""
    from matplotlib.transforms import ScaledTranslation

    depth = (ax.bbox.y0 - ax.xaxis.get_tightbbox().y0) / ax.figure.dpi
    shift = ScaledTranslation(0, -depth, ax.figure.dpi_scale_trans)
    style = {
        "loc": "upper center",
        "bbox_to_anchor": (0.5, 0),
        "bbox_transform": ax.transAxes + shift,
    }
    legend = _legend_in_columns(ax, handles, title, size, width, **style)
    if legend.get_window_extent().width > ax.bbox.width:  # reach under the labels of y
        style |= {"loc": "upper right", "bbox_to_anchor": (1, 0)}
        legend = _legend_in_columns(ax, handles, title, size, width, **style)
    return legend


def _legend_inside(ax, handles, title):
    """Make a legend at the top of the axes, and room for it above the points."""
    for size in LEGEND_SIZES:
        style = {"loc": "upper center"}
        legend = _legend_in_columns(ax, handles, title, size, ax.bbox.width, **style)
        extent = legend.get_window_extent()
        if extent.height <= MOST_INSIDE * ax.bbox.height and extent.width <= ax.bbox.width:
            break
    bottom, top = ax.get_ylim()
    # From the top of the axes, off which a legend keeps by half a letter.
    share = min((ax.bbox.y1 - extent.y0) / ax.bbox.height, LARGEST_INSIDE)
    ax.set_ylim(bottom, bottom + (top - bottom) / (1 - share))
    return legend


def _legend_in_columns(ax, handles, title, size, width, **style):
    """Make a legend with the most columns, up to three, that are not too wide."""
    for n_columns in (3, 2, 1):
        legend = ax.legend(
            handles=handles,
            title=title,
            ncols=n_columns,
            fontsize=size,
            title_fontsize=size,
            frameon=False,
            **style,
        )
        if legend.get_window_extent().width <= width:
            break
    return legend
