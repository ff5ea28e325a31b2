"""Matplotlib, imported only where a picture is drawn."""


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
    """Show a value as it is: no dollar begins a formula, no underline hides a label."""
    text = str(value).replace("$", r"\$")
    return f"\u200b{text}" if text.startswith("_") else text
