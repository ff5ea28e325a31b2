"""Rates per group, with confidence intervals, of one model or of several."""

from collections.abc import Mapping
from functools import reduce

import numpy as np
import pandas as pd
from sklearn.base import is_classifier

from .._uncertainty import check_confidence, rate_limits
from ..metrics._disparities import Judged
from ..preprocessing import open_fitted
from ._pyplot import COLORS, as_text, make_axes, place_legend, size_in_inches, wrap_text
from ._sensitive import find_sensitive_features

SHOWN = ("selection_rate", "true_positive_rate", "false_positive_rate")
# Shapes of groups, the next one where all colours have been used.
SHAPES = ("o", "s", "D", "^")
# How dots of models are filled: hollow the first, half those between, wholly the last.
BETWEEN = ("left", "bottom", "right", "top")
# Share of the space of a rate that its dots take, and of that of a group where there are
# several models; what is left tells rates, and groups, from one another.
SPACE_OF_GROUPS, SPACE_OF_MODELS = 0.8, 0.55
# Inches that the name of a group may take in a legend.
NAME_WIDTH = 2.2


class GroupRatesDisplay:
    """Rates of each group side by side, with confidence intervals.

    It is best made by :meth:`from_estimator` or :meth:`from_predictions`. Of several
    models, such as before and after debiasing, the dots of a group are joined: hollow is
    the first model, filled the last.

    Parameters
    ----------
    rates : pandas.DataFrame of shape (n_groups, n_rates)
        Rates of each group, see :func:`sklearn_bade.metrics.group_rates`. Of several
        models, the index has two levels, "model" and "group".

    counts : pandas.DataFrame, of the shape of `rates`
        Number of rows from which each rate was computed.

    confidence : float, default=0.95
        Level of the confidence intervals, which are Wilson's, of each rate by itself.

    sizes : pandas.DataFrame, of the shape of `rates`, default=None
        How many rows of equal weight say as much as those of each rate; intervals go by
        them. None takes `counts`.

    pos_label : label, default=None
        Label whose rates these are, to be named below the axes.

    Attributes
    ----------
    lower, upper : pandas.DataFrame, of the shape of `rates`
        Limits of the intervals; NaN where a rate is.

    dots_ : list of matplotlib ErrorbarContainer
        Dots with their intervals, one container for each model and group, in the order of
        `rates`.

    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    sklearn_bade.metrics.group_rates : The same rates as a table.

    Examples
    --------
    >>> from sklearn_bade.inspection import GroupRatesDisplay
    >>> y_true, y_pred = [1, 0, 1, 0] * 5, [1, 0, 0, 0] * 5
    >>> groups = ["a", "a", "b", "b"] * 5
    >>> display = GroupRatesDisplay.from_predictions(
    ...     y_true, y_pred, sensitive_features=groups
    ... )
    >>> display.rates["true_positive_rate"].to_dict()
    {'a': 1.0, 'b': 0.0}
    >>> display.upper["true_positive_rate"].round(2).to_dict()
    {'a': 1.0, 'b': 0.43}

    Before and after:

    >>> display = GroupRatesDisplay.from_predictions(
    ...     y_true, {"before": y_pred, "after": y_true}, sensitive_features=groups
    ... )
    >>> float(display.rates.loc[("after", "b"), "true_positive_rate"])
    1.0
    """

    def __init__(self, rates, counts, *, confidence=0.95, sizes=None, pos_label=None):
        check_confidence(confidence)
        self.rates = rates
        self.counts = counts
        self.confidence = confidence
        self.sizes = counts if sizes is None else sizes
        self.pos_label = pos_label
        self.lower, self.upper = (
            pd.DataFrame(limits, rates.index, rates.columns)
            for limits in rate_limits(rates, self.sizes, confidence)
        )

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        sensitive_features=None,
        sensitive_columns=None,
        pos_label=None,
        sample_weight=None,
        confidence=0.95,
        ax=None,
        **kwargs,
    ):
        """Draw the rates of a fitted classifier, or of several.

        Parameters
        ----------
        estimator : estimator object or dict of {str: estimator object}
            Fitted classifier; or several, by name, such as
            ``{"strength 0": clf.with_strength(0), "debiased": clf}``. All predict from `X`.

        X : {array-like, dataframe} of shape (n_samples, n_features)
            Features.

        y : array-like of shape (n_samples,)
            True labels.

        sensitive_features : array-like of shape (n_samples,), default=None
            Sensitive values; or else name their column.

        sensitive_columns : str, int or list of these, default=None
            Sensitive columns of X. None takes those of the estimator; of several, those of
            the first one that has any.

        pos_label : label, default=None
            Label whose rates are shown; the greatest by default.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. Intervals go by the number of rows of equal weight that
            say as much (Kish's effective size).

        confidence : float, default=0.95
            Level of the confidence intervals.

        ax : matplotlib Axes, default=None
            Axes to draw on; new ones by default.

        **kwargs : dict
            Settings for :meth:`plot`.

        Returns
        -------
        display : GroupRatesDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If an estimator is no classifier, if there are no sensitive values, or if
            `confidence` is not between 0 and 1.
        """
        models = _by_name(estimator)
        for model in models.values():
            if not is_classifier(model):
                raise ValueError(f"{model!r} is not a classifier.")
        # All are shown on the same groups: those of the first model that knows of any.
        first = next(filter(_knows_groups, models.values()), next(iter(models.values())))
        groups = find_sensitive_features(first, X, y, sensitive_features, sensitive_columns)
        predictions = {name: model.predict(X) for name, model in models.items()}
        return cls.from_predictions(
            y,
            predictions.get(None, predictions),
            sensitive_features=groups,
            pos_label=pos_label,
            sample_weight=sample_weight,
            confidence=confidence,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_pred,
        *,
        sensitive_features,
        pos_label=None,
        sample_weight=None,
        confidence=0.95,
        ax=None,
        **kwargs,
    ):
        """Draw the rates of given predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.

        y_pred : array-like of shape (n_samples,) or dict of {str: array-like}
            Predicted labels; or those of several models, by name.

        sensitive_features, pos_label, sample_weight, confidence, ax, **kwargs
            See :meth:`from_estimator`.

        Returns
        -------
        display : GroupRatesDisplay
            The drawn display.
        """
        check_confidence(confidence)
        judged = {
            name: Judged.from_rows(y_true, predicted, sensitive_features, sample_weight)
            for name, predicted in _by_name(y_pred).items()
        }
        if pos_label is None:
            # What one model alone predicts is no label of the others.
            labels = [each.labels for each in judged.values()]
            pos_label = reduce(np.intersect1d, labels).tolist()[-1]
        tables = {name: _tabulate(each, pos_label) for name, each in judged.items()}
        rates, counts, sizes = (
            parts[0]
            if None in tables
            else pd.concat(dict(zip(tables, parts)), names=["model"])
            for parts in zip(*tables.values())
        )
        display = cls(
            rates, counts, confidence=confidence, sizes=sizes, pos_label=pos_label
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, *, zoom=False):
        """Draw the rates.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; new ones by default. The legend stands below them if their
            figure has a layout, as in ``plt.subplots(layout="constrained")``, else inside.

        zoom : bool, default=False
            Whether the vertical axis shows only what the intervals take, and not all from 0
            to 1.

        Returns
        -------
        display : GroupRatesDisplay
            The display itself.
        """
        is_own = ax is None
        ax = make_axes(ax)
        self.ax_, self.figure_ = ax, ax.figure
        models, groups = self._models(), self._groups()
        self.dots_ = []
        positions = self._positions(len(models), len(groups))
        for g in range(len(groups)) if len(models) > 1 else []:
            self._join_models(g, groups, positions)
        for m, model in enumerate(models):
            for g, group in enumerate(groups):
                self.dots_.append(self._draw_dots(model, group, positions[m, g], m, g))
        self._decorate(zoom)
        handles = self._legend_handles()
        place_legend(
            ax, handles, title="group" if len(models) == 1 else None, is_own=is_own
        )
        if not zoom and ax.get_ylim()[1] > 1.1:  # a legend inside: no rate is above 1
            ax.set_yticks(np.linspace(0, 1, 6))
        return self

    def _models(self):
        """List the names of the models; None is that of a single one."""
        is_one = self.rates.index.nlevels == 1
        return [None] if is_one else list(self.rates.index.unique(0))

    def _groups(self):
        return list(self.rates.index.unique(-1))

    def _row(self, table, model, group):
        """Find the row of a table that belongs to a model and a group."""
        return table.loc[group if model is None else (model, group)].to_numpy()

    def _positions(self, n_models, n_groups):
        """Place dots, as an array of shape (n_models, n_groups, n_rates)."""
        width = SPACE_OF_GROUPS / n_groups
        within = np.linspace(-0.5, 0.5, n_models) * SPACE_OF_MODELS * width
        if n_models == 1:
            within = np.zeros(1)
        between = (np.arange(n_groups) - (n_groups - 1) / 2) * width
        rates = np.arange(self.rates.shape[1])
        return within[:, None, None] + between[:, None] + rates

    def _style(self, m, g):
        """Choose colour and shape by group, and filling by model."""
        is_first, is_last = m == 0, m in (-1, len(self._models()) - 1)
        style = {
            "marker": SHAPES[g // len(COLORS) % len(SHAPES)],
            "color": COLORS[g % len(COLORS)],
            "linestyle": "none",
        }
        if is_last:
            return style
        if is_first:
            return {**style, "markerfacecolor": "white"}
        filling = BETWEEN[(m - 1) % len(BETWEEN)]
        return {**style, "fillstyle": filling, "markerfacecoloralt": "white"}

    def _draw_dots(self, model, group, positions, m, g):
        """Draw the rates of one group by one model."""
        rates, lower, upper = (
            self._row(table, model, group) for table in (self.rates, self.lower, self.upper)
        )
        is_last = m == len(self._models()) - 1
        return self.ax_.errorbar(
            positions,
            rates,
            yerr=np.clip([rates - lower, upper - rates], 0, None),
            capsize=3 if is_last else 0,
            elinewidth=1.2,
            alpha=1 if is_last else 0.6,
            zorder=2,
            **self._style(m, g),
        )

    def _join_models(self, g, groups, positions):
        """Join what the models make of a group, rate by rate."""
        rates = [self._row(self.rates, model, groups[g]) for model in self._models()]
        color = COLORS[g % len(COLORS)]
        self.ax_.plot(positions[:, g], rates, color=color, linewidth=0.8, zorder=1)

    def _decorate(self, zoom):
        """Name axes and rates, and choose the scale."""
        ax, n_rates = self.ax_, self.rates.shape[1]
        width, height = size_in_inches(ax)
        names = [
            wrap_text(name.replace("_", " "), width=width / n_rates) for name in self.rates
        ]
        level = f"{100 * self.confidence:g}%"
        label = wrap_text("rate,", f"with {level} intervals", width=height)
        ax.set(xticks=range(n_rates), xticklabels=names, ylabel=label)
        ax.set_xlim(-0.5, n_rates - 0.5)
        ax.tick_params(axis="x", length=0)
        for border in np.arange(1, n_rates) - 0.5:
            ax.axvline(border, color="lightgray", linewidth=0.8, zorder=0)
        if self.pos_label is not None:
            ax.set_xlabel(f"of class {as_text(self.pos_label)}")
        if not zoom:
            ax.set_ylim(-0.03, 1.03)  # dots at 0 and 1 are shown whole
        ax.yaxis.grid(True, color="lightgray", linestyle=":", zorder=0)

    def _legend_handles(self):
        """List groups by their colours and, of several, models by their filling."""
        from matplotlib.lines import Line2D

        models, groups = self._models(), self._groups()
        prefix = "" if len(models) == 1 else "group "  # what is no group is a model
        named = [
            (wrap_text(as_text(f"{prefix}{group}"), width=NAME_WIDTH), self._style(-1, g))
            for g, group in enumerate(groups)
        ]
        if len(models) > 1:
            named += [
                (as_text(model), {**self._style(m, 0), "color": "dimgray"})
                for m, model in enumerate(models)
            ]
        return [Line2D([], [], label=name, **style) for name, style in named]


def _by_name(given):
    """Name what is given for several models; that of a single one has the name None."""
    if not isinstance(given, Mapping):
        return {None: given}
    if not given:
        raise ValueError("There is nothing to draw; give one model at least.")
    return dict(given)


def _knows_groups(model):
    """Tell whether a model says where sensitive values are, or how they are cut."""
    debiaser, _ = open_fitted(model, None)
    columns = getattr(debiaser, "sensitive_columns", None)
    return columns is not None or bool(getattr(debiaser, "cut_points_", None))


def _tabulate(judged, pos_label):
    """Tabulate rates of a label, rows behind them, and what these are worth in all."""
    [k] = judged.positions(pos_label)
    outcomes = judged.outcomes
    n_rows, of_class = outcomes.n_rows, outcomes.n_rows.sum(axis=2)[:, k]
    everybody = n_rows.sum(axis=(1, 2))
    index = pd.Index(judged.groups.names, name="group")
    counts = dict(zip(SHOWN, (everybody, of_class, everybody - of_class)))
    rates = {f"{kind}_rate": rate[:, k] for kind, rate in outcomes.rates().items()}
    sizes = {f"{kind}_rate": size[:, k] for kind, size in outcomes.rate_sizes().items()}
    return tuple(pd.DataFrame(table, index) for table in (rates, counts, sizes))
