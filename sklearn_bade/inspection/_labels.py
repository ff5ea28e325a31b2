"""Labels beside points, placed when a figure is drawn; it needs matplotlib."""

import numpy as np
from matplotlib.artist import Artist
from matplotlib.patheffects import withStroke

# Where a label may stand beside its point, the first one that is free: horizontally and
# vertically, -1 for left and below.
SIDES = ((-1, 1), (1, 1), (1, -1), (-1, -1), (0, 1), (0, -1), (1, 0), (-1, 0))
# How far a label stands from its point, and labelled points from one another, in points of
# print. Nearer ones would make a heap of labels where candidates are refined.
GAP, LEAST_DISTANCE = 5.0, 28.0
ALIGNMENTS = {-1: ("right", "top"), 0: ("center", "center"), 1: ("left", "bottom")}
# Dots that are looked at along each piece of a curve, so that labels keep off its lines.
DOTS_PER_PIECE = 20


class PointLabels(Artist):
    """Places labels beside their points, or hides those that find no room.

    That depends on the size of the figure, which a layout, a user or a file may change, so
    it is done whenever the figure is drawn, before the labels are.

    Parameters
    ----------
    ax : matplotlib Axes
        The axes.

    lines : list of matplotlib Line2D
        Curves that labels keep off as far as they can.

    marks : list of (float, float)
        Points that labels never cover.
    """

    def __init__(self, ax, lines, marks):
        super().__init__()
        self.lines = lines
        self.marks = np.array(marks, dtype=float).reshape(-1, 2)
        self.labels = []
        self.set_in_layout(False)
        self.set_zorder(-1)  # placed before anything is drawn
        ax.add_artist(self)

    def add(self, text, point, *, color, is_spaced=True):
        """Add a label; the first ones have the first choice.

        A label that `is_spaced` is left out if it would be next to another one.
        """
        label = self.axes.annotate(
            text,
            point,
            (0, 0),
            textcoords="offset points",
            color=color,
            fontsize="small",
            path_effects=[withStroke(linewidth=2, foreground=self.axes.get_facecolor())],
        )
        label.set_in_layout(False)
        self.labels.append((label, is_spaced))

    def draw(self, renderer):
        """Place the labels."""
        scale = self.axes.figure.dpi / 72
        taken, anchors = self._boxes_to_spare(renderer, scale), np.empty((0, 2))
        dots = self._dots()
        for label, is_spaced in self.labels:
            label.set_visible(True)
            anchor = self.axes.transData.transform(label.xy)
            is_near = np.hypot(*(anchors - anchor).T) < LEAST_DISTANCE * scale
            side = None
            if not (is_spaced and is_near.any()):
                side, box = self._find_side(label, anchor, renderer, scale, taken, dots)
            label.set_visible(side is not None)
            if side is not None:
                taken, anchors = np.vstack([taken, box]), np.vstack([anchors, anchor])
                _move(label, side)

    def _boxes_to_spare(self, renderer, scale):
        """List what must not be covered: marks, and a legend inside the axes."""
        marks = self.axes.transData.transform(self.marks)
        boxes = np.hstack([marks - GAP * scale, marks + GAP * scale])
        legend = self.axes.get_legend()
        if legend is not None:
            boxes = np.vstack([boxes, legend.get_window_extent(renderer).extents])
        return boxes

    def _dots(self):
        """Collect dots along all curves, in pixels."""
        steps = np.linspace(0, 1, DOTS_PER_PIECE)[:, None, None]
        pieces = [np.empty((0, 2))]
        for line in self.lines:
            dots = self.axes.transData.transform(np.column_stack(line.get_data()))
            pieces.append((dots[:-1] + steps * np.diff(dots, axis=0)).reshape(-1, 2))
            pieces.append(dots)
        return np.concatenate(pieces)

    def _find_side(self, label, anchor, renderer, scale, taken, dots):
        """Find where a label covers least of the curves, and its box; (None, None) if none.

        It stays inside the axes, and off all boxes that are taken.
        """
        extent = label.get_window_extent(renderer)
        size, room = np.array([extent.width, extent.height]), self.axes.bbox.extents
        best, least = (None, None), np.inf
        for side in SIDES:
            start = anchor + np.array(side) * GAP * scale + (np.array(side) - 1) * size / 2
            box = np.concatenate([start, start + size])
            is_inside = (box[:2] >= room[:2]).all() and (box[2:] <= room[2:]).all()
            if not is_inside or _overlaps(box, taken).any():
                continue
            covered = ((dots > box[:2]) & (dots < box[2:])).all(axis=1).sum()
            if covered < least:
                best, least = (side, box), covered
        return best


def _overlaps(box, others):
    """Tell which boxes a box overlaps, each as left, bottom, right and top."""
    return ((box[:2] < others[:, 2:]) & (box[2:] > others[:, :2])).all(axis=1)


def _move(label, side):
    """Move a label to a side of its point."""
    horizontal, vertical = side
    label.set_position((horizontal * GAP, vertical * GAP))
    label.set_horizontalalignment(ALIGNMENTS[horizontal][0])
    label.set_verticalalignment(ALIGNMENTS[vertical][1])
