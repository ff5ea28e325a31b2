"""Accuracy against disparity along the trigger strength."""

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from .._verdict import CONTROL
from ._new_rows import find_references, judge_on_rows
from ._pyplot import COLORS, as_text, make_axes, place_legend, size_in_inches, wrap_text
from ._results import (
    DISPARITY_NAMES,
    accuracy_bounds_of,
    bounds_of,
    find_folds,
    find_parameter,
    find_score,
    marks_of,
    name_of_disparity,
    rule_of,
)

# Colours of reference curves, apart from those of the paths.
GREYS = ("black", "gray")
# Strengths that are written beside a curve at most; more are a list and no picture.
MOST_LABELS = 6
# Base rates that have curves of their own. Where there are more, since a rule finds one for
# every strength, those that it has found are dots.
MOST_CURVES = 5
# Shapes of marks, filled or not, that are told apart in print too.
MARKS = (("D", "black"), ("s", "white"), ("^", "black"), ("v", "white"))
# Inches that the names of candidates may take in a legend.
LEGEND_WIDTH = 3.0


class StrengthPathDisplay:
    """Accuracy against disparity, with the trigger strength along the curve.

    It is best made by :meth:`from_estimator` or :meth:`from_cv_results`. Each base rate has
    a curve of single strengths; that of the chosen one is drawn strongly, with strengths
    beside it. Strengths per class are pale dots, and where there are any, a line shows the
    front: what no other candidate beats in both figures.

    Parameters
    ----------
    strengths : array-like of shape (n_candidates,)
        Trigger strengths; tuples if each class has its own.

    accuracy, disparity : array-like of shape (n_candidates,)
        Figures of each candidate, cross-validated or on new data.

    base_rates : array-like of shape (n_candidates,), default=None
        Base rate mode of each candidate; one curve is drawn per mode.

    best_index : int, default=None
        Position of the chosen candidate.

    disparity_name : str, default="disparity"
        Label of the horizontal axis.

    references : dict of {str: (ndarray, ndarray)}, default=None
        Curves to compare with: name, disparities and accuracies. They are drawn dashed.

    marks : dict of {str: (float, float)}, default=None
        Models to mark: name, disparity and accuracy. None marks strength 0 if it is among
        the candidates.

    folds : dict of {str: ndarray of shape (n_folds, n_candidates)}, default=None
        Figures of each fold, "accuracy" and "disparity". Of the chosen candidate and of
        strength 0, bars show the mean over folds plus and minus the standard deviation,
        without folds that lack the figure of a candidate.

    bounds : dict of {str: float}, default=None
        Bounds of the disparity, by name, which are drawn as vertical lines.

    accuracy_bounds : dict of {str: float}, default=None
        Bounds of the accuracy, by name, which are drawn as horizontal lines.

    Attributes
    ----------
    points_ : pandas.DataFrame of shape (n_candidates, n_columns)
        What is drawn: "trigger_strength", "base_rate", "accuracy", "disparity", and whether
        a candidate is "on_front" and "chosen". With `folds`, also "accuracy_mean",
        "accuracy_std", "disparity_mean" and "disparity_std", over folds.

    front_ : ndarray of int
        Positions of the candidates that no other is better than in one figure and at least
        as good in the other, from the least disparate to the most accurate.

    lines_ : list of matplotlib Line2D
        The curves of single strengths, one for each base rate; of more than five, those
        that a rule has found are dots.

    dots_ : list of matplotlib Line2D
        The strengths per class, one artist for each base rate that has any; and candidates
        of base rates without a curve.

    front_line_ : matplotlib Line2D or None
        The front; None where no class has a strength of its own.

    reference_lines_ : list of matplotlib Line2D
        The curves of the references.

    marks_ : dict of {str: matplotlib Line2D}
        The marks, by name; the chosen candidate is "chosen".

    bound_lines_ : dict of {str: matplotlib Line2D}
        The bounds, by name.

    spread_ : matplotlib ErrorbarContainer or None
        Bars of the spread over folds; None where only pooled figures are known.

    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    sklearn_bade.BackdoorDebiasClassifierCV : Computes such a path.

    Notes
    -----
    The disparity of a :class:`~sklearn_bade.BackdoorDebiasClassifierCV` is that of the
    predictions of all folds together, by which it chooses. The bars belong to single folds,
    whose gaps are wider on average: each fold adds noise before the sign is dropped. So a
    point may lie to the left of the middle of its bar.

    Examples
    --------
    >>> from sklearn_bade import BackdoorDebiasClassifierCV
    >>> from sklearn_bade.datasets import make_biased_classification
    >>> from sklearn_bade.inspection import StrengthPathDisplay
    >>> X, y, _ = make_biased_classification(n_samples=600, random_state=0)
    >>> clf = BackdoorDebiasClassifierCV(
    ...     sensitive_columns="group", max_accuracy_loss=0.02, cv=2, random_state=0
    ... ).fit(X, y)
    >>> display = StrengthPathDisplay.from_estimator(clf)
    >>> int(display.points_["chosen"].sum())
    1

    On new rows, nothing is trained:

    >>> X_new, y_new, _ = make_biased_classification(n_samples=600, random_state=1)
    >>> display = StrengthPathDisplay.from_estimator(clf, X_new, y_new)
    """

    def __init__(
        self,
        strengths,
        accuracy,
        disparity,
        *,
        base_rates=None,
        best_index=None,
        disparity_name="disparity",
        references=None,
        marks=None,
        folds=None,
        bounds=None,
        accuracy_bounds=None,
    ):
        self.strengths = strengths
        self.accuracy = accuracy
        self.disparity = disparity
        self.base_rates = base_rates
        self.best_index = best_index
        self.disparity_name = disparity_name
        self.references = references
        self.marks = marks
        self.folds = folds
        self.bounds = bounds
        self.accuracy_bounds = accuracy_bounds

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X=None,
        y=None,
        *,
        sensitive_features=None,
        strengths=None,
        disparity=None,
        references=False,
        ax=None,
        **kwargs,
    ):
        """Draw the path of a fitted search or, on new data, of a fitted classifier.

        Parameters
        ----------
        estimator : BackdoorDebiasClassifier, BackdoorDebiasClassifierCV or GridSearchCV
            Fitted search, see :meth:`from_cv_results`. With `X`, a debiaser with a path, or
            a search or pipeline that holds one; nothing is trained.

        X : {array-like, dataframe} of shape (n_samples, n_features), default=None
            New rows to judge strengths on. None draws the figures of the search.

        y : array-like of shape (n_samples,), default=None
            True labels of the new rows.

        sensitive_features : array-like of shape (n_samples,), default=None
            Sensitive values of the new rows. None takes the sensitive columns of the
            debiaser from `X`.

        strengths : list, default=None
            Strengths to judge, each as `trigger_strength` may be. None takes 20 numbers
            from -2 to 3, and more up to the strength of the debiaser.

        disparity : str, default=None
            What is drawn of new rows: "average_odds", "equalized_odds",
            "demographic_parity" or "equal_opportunity"; None takes that of the search, or
            "average_odds". Without new rows, the name of a score in the results.

        references : bool, default=False
            Whether to draw beside it, for two classes, how far from the best that is: the
            closed-form rule on the student's own cells, which may not see the group
            either, and a post-processor that is told the group of each row. Both are fitted
            on the new rows themselves, which flatters them, and for the average odds.

        ax : matplotlib Axes, default=None
            Axes to draw on; new ones by default.

        **kwargs : dict
            Names of scores for :meth:`from_cv_results`, and settings for :meth:`plot`.

        Returns
        -------
        display : StrengthPathDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If there is no search and no `X`; if the student has no path; if references are
            asked for where there are more than two classes, for another disparity, or of a
            debiaser that decides by threshold, costs or a share of rows.
        """
        check_is_fitted(estimator)
        if X is not None:
            return cls._from_rows(
                estimator, X, y, sensitive_features, strengths, disparity, references
            ).plot(ax=ax, **kwargs)
        if not hasattr(estimator, "cv_results_"):
            raise ValueError(
                f"{type(estimator).__name__} is no search, whose figures could be drawn. "
                "Give X and y, new rows to judge its strengths on."
            )
        if disparity is not None:
            kwargs["disparity"] = disparity
        name = name_of_disparity(estimator, kwargs.get("disparity", "disparity"))
        known = {
            "disparity_name": name,
            "best_index": getattr(estimator, "best_index_", None),
            "marks": marks_of(estimator),
            "bounds": bounds_of(estimator),
            "max_accuracy_loss": rule_of(estimator).get("max_accuracy_loss"),
        }
        return cls.from_cv_results(estimator.cv_results_, ax=ax, **{**known, **kwargs})

    @classmethod
    def _from_rows(
        cls, estimator, X, y, sensitive_features, strengths, disparity, references
    ):
        """Judge strengths on new rows."""
        own = getattr(estimator, "disparity", None)
        disparity = disparity or (own if isinstance(own, str) else "average_odds")
        path = judge_on_rows(estimator, X, y, sensitive_features, strengths, disparity)
        if references:
            path["references"] = find_references(path, disparity)
        path.pop("judged")
        path.pop("decision")
        # A bound is one of the disparity that it was given for.
        bounds = bounds_of(estimator) if own == disparity else None
        return cls(**path, disparity_name=DISPARITY_NAMES[disparity], bounds=bounds)

    @classmethod
    def from_cv_results(
        cls,
        cv_results,
        *,
        accuracy="accuracy",
        disparity="disparity",
        best_index=None,
        disparity_name="disparity",
        marks=None,
        bounds=None,
        max_accuracy_loss=None,
        ax=None,
        **kwargs,
    ):
        """Draw the path from the results of a search.

        Parameters
        ----------
        cv_results : dict
            `cv_results_` of a :class:`~sklearn_bade.BackdoorDebiasClassifierCV`, or of a
            ``GridSearchCV`` over `trigger_strength` with two scores.

        accuracy, disparity : str
            Names of the two scores.

        best_index : int, default=None
            Position of the chosen candidate.

        disparity_name : str, default="disparity"
            Label of the horizontal axis.

        marks, bounds : dict, default=None
            See :class:`StrengthPathDisplay`; :meth:`from_estimator` finds them in a search.

        max_accuracy_loss : float, default=None
            What the rule of choice allows; the least accuracy by it is drawn as a line.

        ax, **kwargs
            See :meth:`plot`.

        Returns
        -------
        display : StrengthPathDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If the results hold no strengths or lack one of the scores.
        """
        strengths = find_parameter(cv_results, "trigger_strength")
        if strengths is None:
            raise ValueError(
                "The results hold no trigger_strength; its candidates are over "
                f"{[k[6:] for k in cv_results if k.startswith('param_')]}."
            )
        figures = find_score(cv_results, accuracy)
        # Scorers of disparities are negative, our own search's disparities are not.
        folds = {
            "accuracy": find_folds(cv_results, accuracy),
            "disparity": np.abs(find_folds(cv_results, disparity)),
        }
        is_known = all(len(each) for each in folds.values())
        display = cls(
            strengths,
            figures,
            np.abs(find_score(cv_results, disparity)),
            base_rates=find_parameter(cv_results, "base_rate"),
            best_index=best_index,
            disparity_name=disparity_name,
            marks=marks,
            folds=folds if is_known else None,
            bounds=bounds,
            accuracy_bounds=accuracy_bounds_of(max_accuracy_loss, figures),
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, *, peers=None, annotate_every=None):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; new ones by default. The legend stands below them if their
            figure has a layout, as in ``plt.subplots(layout="constrained")``, else inside.

        peers : dict of {str: (float, float)}, default=None
            Other models to compare with: name, disparity and accuracy. Names that find no
            room beside their points are left out.

        annotate_every : int, default=None
            Strength is written beside every so many points of each curve, as far as there
            is room; by default beside a few points of the chosen candidate's curve.

        Returns
        -------
        display : StrengthPathDisplay
            The display itself.
        """
        is_own = ax is None
        ax = make_axes(ax)
        self.ax_, self.figure_ = ax, ax.figure
        self.front_ = _find_front(np.asarray(self.accuracy), np.asarray(self.disparity))
        self.points_ = self._tabulate()
        self._draw_curves()
        self.reference_lines_ = [
            ax.plot(*curve, linestyle="--", color=color, label=name, zorder=1)[0]
            for color, (name, curve) in zip(GREYS, (self.references or {}).items())
        ]
        self._draw_bounds()
        self._draw_spread()
        self._draw_marks()
        for disparity, accuracy in (peers or {}).values():
            ax.plot(disparity, accuracy, "x", color="black", zorder=3)
        ax.margins(0.08)
        ax.autoscale_view()
        ax.set_xlim(left=0)
        label = wrap_text(self.disparity_name, "(0 is equal)", width=size_in_inches(ax)[0])
        ax.set(xlabel=label, ylabel="accuracy")
        handles = self._legend_handles()
        if len(handles) > 1:
            place_legend(ax, handles, is_own=is_own)
        self._label_points(peers or {}, annotate_every)
        return self

    def _legend_handles(self):
        """List what a legend explains: marks first, then curves."""
        spread = [] if self.spread_ is None else [self.spread_]
        front = [] if self.front_line_ is None else [self.front_line_]
        artists = [
            *self.marks_.values(),
            *spread,
            *self.bound_lines_.values(),
            *front,
            *self.lines_,
            *self.dots_,
            *self.reference_lines_,
        ]
        return [each for each in artists if not each.get_label().startswith("_")]

    def _tabulate(self):
        """Collect what is drawn of each candidate."""
        n_candidates = len(self.strengths)
        modes = ["path"] * n_candidates
        if self.base_rates is not None:
            modes = [_hashable(rate) for rate in self.base_rates]
        chosen = np.arange(n_candidates) == self.best_index
        points = pd.DataFrame(
            {
                "trigger_strength": list(self.strengths),
                "base_rate": modes,
                "accuracy": np.asarray(self.accuracy, dtype=float),
                "disparity": np.asarray(self.disparity, dtype=float),
                "on_front": np.isin(np.arange(n_candidates), self.front_),
                "chosen": chosen,
            }
        )
        for name, figures in (self.folds or {}).items():
            kept = figures[np.isfinite(figures).all(axis=1)]
            none = np.full(n_candidates, np.nan)
            points[f"{name}_mean"] = kept.mean(axis=0) if len(kept) else none
            points[f"{name}_std"] = kept.std(axis=0) if len(kept) else none
        return points

    def _main_mode(self):
        """Find the base rate whose curve is drawn strongly."""
        position = 0 if self.best_index is None else self.best_index
        return self.points_["base_rate"].iloc[position]

    def _control(self):
        """Find where strength 0 is among the candidates, None if it is not."""
        is_zero = [not np.any(strength) for strength in self.points_["trigger_strength"]]
        return int(np.argmax(is_zero)) if any(is_zero) else None

    def _draw_curves(self):
        """Draw single strengths as curves, strengths per class as dots, and the front."""
        self.lines_, self.dots_, self._curves, self.front_line_ = [], [], [], None
        is_single = self.points_["trigger_strength"].map(np.ndim) == 0
        modes = self.points_["base_rate"]
        for number, mode in enumerate(dict.fromkeys(modes)):
            color = COLORS[number % len(COLORS)]
            is_mode = np.array([other == mode for other in modes])
            self._draw_singles(self.points_[is_mode & is_single], mode, color)
            per_class = self.points_[is_mode & ~is_single]
            self._draw_dots(per_class, "o", color, "strengths per class")
        if not is_single.all():
            self.front_line_ = self._plot(
                self.points_.iloc[self.front_],
                drawstyle="steps-post",
                color="black",
                linewidth=0.8,
                label="front: nothing beats it in both",
            )

    def _draw_singles(self, rows, mode, color):
        """Draw the single strengths of one base rate, strongly if it is the chosen one."""
        is_main = mode == self._main_mode()
        is_found = isinstance(mode, tuple) and not is_main
        if is_found and len(self.points_["base_rate"].unique()) > MOST_CURVES:
            self._draw_dots(rows, "x", "gray", "other base rates")
        elif len(rows):
            style = {"linewidth": 2} if is_main else {"linewidth": 1, "alpha": 0.5}
            line = self._plot(rows, marker=".", color=color, label=_label(mode), **style)
            self.lines_.append(line)
            self._curves.append((line, rows, is_main))

    def _draw_dots(self, rows, marker, color, label):
        """Draw candidates as pale dots; the first of a kind is named in the legend."""
        if not len(rows):
            return
        is_named = any(dots.get_label() == label for dots in self.dots_)
        dots = self._plot(
            rows,
            linestyle="none",
            marker=marker,
            markersize=4,
            markeredgewidth=1 if marker == "x" else 0,
            color=color,
            alpha=0.4,
            label=None if is_named else label,
        )
        self.dots_.append(dots)

    def _plot(self, rows, **style):
        """Draw rows of the table as one artist."""
        [line] = self.ax_.plot(rows["disparity"], rows["accuracy"], **style)
        return line

    def _draw_bounds(self):
        """Draw bounds as lines across the axes."""
        draw = {"color": "black", "linestyle": ":", "linewidth": 1.5, "zorder": 1}
        limits = {"color": "black", "linestyle": "-.", "linewidth": 1, "zorder": 1}
        self.bound_lines_ = {}
        for number, (name, value) in enumerate((self.bounds or {}).items()):
            self.bound_lines_[name] = self.ax_.axvline(
                value, label=f"{name}: {value:.3g}", **(limits if number else draw)
            )
        for name, value in (self.accuracy_bounds or {}).items():
            self.bound_lines_[name] = self.ax_.axhline(
                value, label=f"{name}: {value:.3g}", **draw
            )

    def _draw_spread(self):
        """Draw what folds differ by, of the chosen candidate and of strength 0."""
        self.spread_ = None
        if not self.folds:
            return
        shown = {self.best_index, self._control()} - {None}
        rows = self.points_.iloc[sorted(shown)]
        rows = rows[rows[["accuracy_std", "disparity_std"]].notna().all(axis=1)]
        if not len(rows):
            return
        # A gap is not negative, wherever a standard deviation reaches.
        below = np.minimum(rows["disparity_std"], rows["disparity_mean"])
        n_folds = len(self.folds["accuracy"])
        self.spread_ = self.ax_.errorbar(
            rows["disparity_mean"].to_numpy(),
            rows["accuracy_mean"].to_numpy(),
            xerr=np.array([below, rows["disparity_std"]]),
            yerr=rows["accuracy_std"].to_numpy(),
            fmt="none",
            ecolor="dimgray",
            elinewidth=1,
            capsize=3,
            zorder=2.5,
            label=f"mean ± std over {n_folds} folds",
        )

    def _draw_marks(self):
        """Mark models to compare with, and the chosen candidate."""
        marks, control = self.marks or {}, self._control()
        if self.marks is None and control is not None:
            marks = {CONTROL: self.points_.iloc[control][["disparity", "accuracy"]]}
        self.marks_ = {}
        for number, (name, point) in enumerate(marks.items()):
            if np.isfinite(np.array(point, dtype=float)).all():
                shape, fill = MARKS[number % len(MARKS)]
                self._mark(name, as_text(name), point, marker=shape, markerfacecolor=fill)
        if self.best_index is not None:
            best = self.points_.iloc[self.best_index]
            name = f"chosen: strength {_show(best.trigger_strength)}"
            self._mark(
                "chosen",
                wrap_text(name, width=LEGEND_WIDTH),
                (best.disparity, best.accuracy),
                marker="o",
                markersize=12,
                markeredgewidth=1.5,
                markerfacecolor="none",
            )

    def _mark(self, name, label, point, **style):
        """Draw a mark, above all curves."""
        [self.marks_[name]] = self.ax_.plot(
            *point,
            linestyle="none",
            markeredgecolor="black",
            zorder=3,
            clip_on=False,
            label=label,
            **style,
        )

    def _label_points(self, peers, annotate_every):
        """Write names of peers and some strengths beside their points."""
        from ._labels import PointLabels  # it needs matplotlib

        marked = [mark.get_xydata()[0] for mark in self.marks_.values()]
        curves = [*self.lines_, *self.reference_lines_]
        self._labels = PointLabels(self.ax_, curves, [*marked, *peers.values()])
        for name, point in peers.items():
            self._labels.add(as_text(name), point, color="black", is_spaced=False)
        for line, rows, is_main in self._curves:
            if annotate_every is not None:
                rows = rows[::annotate_every]
            elif is_main:
                rows = rows.loc[self._rows_to_label(rows)]
            else:
                continue
            for row in rows.dropna(subset="disparity").itertuples():
                self._labels.add(
                    _show(row.trigger_strength),
                    (row.disparity, row.accuracy),
                    color=line.get_color(),
                    is_spaced=annotate_every is None,
                )

    def _rows_to_label(self, rows):
        """Find a few rows along a curve to write strengths beside, the first ones first.

        The chosen one and strength 0, and others in even distances along the curve.
        """
        figures = self.points_[["disparity", "accuracy"]]
        steps = rows[figures.columns].diff() / (figures.max() - figures.min())
        steps = steps.fillna(0)
        way = np.hypot(steps["disparity"], steps["accuracy"]).cumsum().to_numpy()
        targets = np.linspace(way[-1], 0, MOST_LABELS)[:, None]
        even = rows.index[np.abs(way - targets).argmin(axis=1)]
        first = [row for row in (self.best_index, self._control()) if row in rows.index]
        return list(dict.fromkeys([*first, *even]))


def _show(strength):
    """Write a strength, or several."""
    return ", ".join(f"{value:.3g}" for value in np.ravel(strength))


def _find_front(accuracy, disparity):
    """Find the candidates that no other is better than, from the least disparate."""
    known = np.flatnonzero(np.isfinite(accuracy) & np.isfinite(disparity))
    order = known[np.lexsort((-accuracy[known], disparity[known]))]
    most_before = np.maximum.accumulate(np.append(-np.inf, accuracy[order]))[:-1]
    return order[accuracy[order] > most_before]


def _hashable(base_rate):
    """Turn lists and arrays of class frequencies into tuples."""
    return base_rate if isinstance(base_rate, str) else tuple(np.ravel(base_rate).tolist())


def _label(mode):
    """Name a base rate in a legend."""
    if isinstance(mode, tuple):
        return f"base rate {', '.join(f'{rate:.2g}' for rate in mode)}"
    return {"keep": "base rate kept", "drift": "base rate free"}.get(mode, mode)
