"""Rates per group, with confidence bars."""

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.base import is_classifier

from ..metrics._disparities import Judged
from ._pyplot import as_text, make_axes
from ._sensitive import find_sensitive_features

SHOWN = ("selection_rate", "true_positive_rate", "false_positive_rate")


class GroupRatesDisplay:
    """Rates of each group side by side, with confidence bars.

    It is best made by :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    rates : pandas.DataFrame of shape (n_groups, n_rates)
        Rates of each group, see :func:`sklearn_bade.metrics.group_rates`.

    counts : pandas.DataFrame of shape (n_groups, n_rates)
        Number of rows from which each rate was computed.

    confidence : float, default=0.95
        Level of the confidence bars, which are Wilson intervals.

    Attributes
    ----------
    bars_ : list of matplotlib BarContainer
        Bars, one container per group.

    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure.

    Examples
    --------
    >>> from sklearn_bade.inspection import GroupRatesDisplay
    >>> y_true, y_pred = [1, 0, 1, 0] * 5, [1, 0, 0, 0] * 5
    >>> display = GroupRatesDisplay.from_predictions(
    ...     y_true, y_pred, sensitive_features=["a", "a", "b", "b"] * 5
    ... )
    >>> display.rates["true_positive_rate"].to_dict()
    {'a': 1.0, 'b': 0.0}
    """

    def __init__(self, rates, counts, *, confidence=0.95):
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}.")
        self.rates = rates
        self.counts = counts
        self.confidence = confidence

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
        confidence=0.95,
        ax=None,
    ):
        """Draw the rates of a fitted classifier.

        Parameters
        ----------
        estimator : estimator object
            Fitted classifier.

        X : {array-like, dataframe} of shape (n_samples, n_features)
            Features.

        y : array-like of shape (n_samples,)
            True labels.

        sensitive_features : array-like of shape (n_samples,), default=None
            Sensitive values; or else name their column.

        sensitive_columns : str, int or list of these, default=None
            Sensitive columns of X. None takes those of the estimator.

        pos_label : label, default=None
            Label whose rates are shown; the greatest by default.

        confidence : float, default=0.95
            Level of the confidence bars.

        ax : matplotlib Axes, default=None
            Axes to draw on; new ones by default.

        Returns
        -------
        display : GroupRatesDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If `estimator` is no classifier, or if there are no sensitive values.
        """
        if not is_classifier(estimator):
            raise ValueError(f"{estimator!r} is not a classifier.")
        sensitive_features = find_sensitive_features(
            estimator, X, y, sensitive_features, sensitive_columns
        )
        return cls.from_predictions(
            y,
            estimator.predict(X),
            sensitive_features=sensitive_features,
            pos_label=pos_label,
            confidence=confidence,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls, y_true, y_pred, *, sensitive_features, pos_label=None, confidence=0.95, ax=None
    ):
        """Draw the rates of given predictions.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_samples,)
            True and predicted labels.

        sensitive_features, pos_label, confidence, ax
            See :meth:`from_estimator`.

        Returns
        -------
        display : GroupRatesDisplay
            The drawn display.
        """
        judged = Judged.from_rows(y_true, y_pred, sensitive_features, None)
        if pos_label is None:
            pos_label = judged.labels[-1]
        [k] = judged.positions(pos_label)
        n_rows, of_class = judged.outcomes.n_rows, judged.outcomes.n_rows.sum(axis=2)[:, k]
        everybody = n_rows.sum(axis=(1, 2))
        index = pd.Index(judged.groups.names, name="group")
        denominators = everybody, of_class, everybody - of_class
        counts = pd.DataFrame(dict(zip(SHOWN, denominators)), index)
        rates = {f"{kind}_rate": r[:, k] for kind, r in judged.outcomes.rates().items()}
        display = cls(pd.DataFrame(rates, index), counts, confidence=confidence)
        return display.plot(ax=ax)

    def plot(self, ax=None):
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; new ones by default.

        Returns
        -------
        display : GroupRatesDisplay
            The display itself.
        """
        ax = make_axes(ax)
        low, high = self._confidence_limits()
        positions = np.arange(self.rates.shape[1])
        width = 0.8 / len(self.rates)
        self.bars_ = []
        for i, group in enumerate(self.rates.index):
            rates = self.rates.loc[group]
            errors = [rates - low.loc[group], high.loc[group] - rates]
            self.bars_.append(
                ax.bar(
                    positions + (i - (len(self.rates) - 1) / 2) * width,
                    rates,
                    0.92 * width,
                    yerr=np.clip(errors, 0, None),
                    capsize=3,
                    error_kw={"elinewidth": 1},
                    label=as_text(group),
                )
            )
        names = [name.replace("_", " ") for name in self.rates]
        ax.set(xticks=positions, xticklabels=names, ylim=(0, 1.05), ylabel="rate")
        ax.legend(title="group", frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _confidence_limits(self):
        """Compute Wilson's limits of each rate."""
        z, rate = norm.ppf((1 + self.confidence) / 2), self.rates
        n = self.counts.where(self.counts > 0)
        centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
        return centre - half, centre + half
