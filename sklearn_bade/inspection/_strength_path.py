"""Accuracy against disparity along the trigger strength."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._pyplot import make_axes

DISPARITY_NAMES = {
    "average_odds": "average absolute odds difference",
    "equalized_odds": "equalized odds difference",
    "equal_opportunity": "equal opportunity difference",
    "demographic_parity": "demographic parity difference",
}


class StrengthPathDisplay:
    """Accuracy against disparity, with the trigger strength along the curve.

    It is best made by :meth:`from_estimator` or :meth:`from_cv_results`.

    Parameters
    ----------
    strengths : array-like of shape (n_candidates,)
        Trigger strengths; tuples if each class has its own.

    accuracy, disparity : array-like of shape (n_candidates,)
        Cross-validated figures.

    base_rates : array-like of shape (n_candidates,), default=None
        Base rate mode of each candidate; one curve is drawn per mode.

    best_index : int, default=None
        Position of the chosen candidate.

    disparity_name : str, default="disparity"
        Label of the horizontal axis.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The curves.

    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    sklearn_bade.BackdoorDebiasClassifierCV : Computes such a path.

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
    ):
        self.strengths = strengths
        self.accuracy = accuracy
        self.disparity = disparity
        self.base_rates = base_rates
        self.best_index = best_index
        self.disparity_name = disparity_name

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draw the path of a fitted search.

        Parameters
        ----------
        estimator : BackdoorDebiasClassifierCV or GridSearchCV
            Fitted search, see :meth:`from_cv_results`.

        ax : matplotlib Axes, default=None
            Axes to draw on; new ones by default.

        **kwargs : dict
            Names of scores for :meth:`from_cv_results`, and settings for :meth:`plot`.

        Returns
        -------
        display : StrengthPathDisplay
            The drawn display.
        """
        check_is_fitted(estimator)
        if isinstance(getattr(estimator, "disparity", None), str):
            name = estimator.disparity
            kwargs.setdefault("disparity_name", DISPARITY_NAMES.get(name, name))
        best_index = getattr(estimator, "best_index_", None)
        return cls.from_cv_results(
            estimator.cv_results_, best_index=best_index, ax=ax, **kwargs
        )

    @classmethod
    def from_cv_results(
        cls,
        cv_results,
        *,
        accuracy="accuracy",
        disparity="disparity",
        best_index=None,
        disparity_name="disparity",
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
        strengths = _find_parameter(cv_results, "trigger_strength")
        if strengths is None:
            raise ValueError(
                "The results hold no trigger_strength; its candidates are over "
                f"{[k[6:] for k in cv_results if k.startswith('param_')]}."
            )
        # Scorers of disparities are negative, our own search's disparities are not.
        gaps = np.abs(_find_score(cv_results, disparity))
        display = cls(
            strengths,
            _find_score(cv_results, accuracy),
            gaps,
            base_rates=_find_parameter(cv_results, "base_rate"),
            best_index=best_index,
            disparity_name=disparity_name,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, *, peers=None, annotate_every=None):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; new ones by default.

        peers : dict of {str: (float, float)}, default=None
            Other models to compare with: name, disparity and accuracy.

        annotate_every : int, default=None
            Strength is written beside every so many points; about five of each curve
            by default.

        Returns
        -------
        display : StrengthPathDisplay
            The display itself.
        """
        ax = make_axes(ax)
        modes = ["path"] * len(self.strengths)
        if self.base_rates is not None:
            modes = [_hashable(rate) for rate in self.base_rates]
        self.lines_ = []
        for number, mode in enumerate(dict.fromkeys(modes)):
            rows = np.array([i for i, other in enumerate(modes) if other == mode])
            self._draw_curve(ax, rows, mode, f"C{number}", annotate_every)
        if self.best_index is not None:
            self._mark_best(ax)
        for name, (disparity, accuracy) in (peers or {}).items():
            ax.scatter(disparity, accuracy, marker="x", color="black", zorder=3)
            ax.annotate(name, (disparity, accuracy), (6, -4), textcoords="offset points")
        ax.set(xlabel=f"{self.disparity_name} (0 is equal)", ylabel="accuracy")
        ax.set_xlim(left=0)
        ax.margins(0.08)
        if len(self.lines_) > 1 or self.best_index is not None:
            ax.legend(frameon=False, loc="lower left")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_curve(self, ax, rows, mode, color, annotate_every):
        """Draw the candidates of one base rate mode."""
        disparity, accuracy = np.asarray(self.disparity), np.asarray(self.accuracy)
        several = any(np.ndim(self.strengths[row]) for row in rows)
        label = {"keep": "base rate kept", "drift": "base rate free"}.get(mode, mode)
        if isinstance(mode, tuple):
            label = f"base rate {', '.join(f'{rate:.2g}' for rate in mode)}"
        (line,) = ax.plot(
            disparity[rows],
            accuracy[rows],
            marker=".",
            linestyle="none" if several else "-",
            color=color,
            alpha=0.4 if several else 1.0,
            label=label,
        )
        self.lines_.append(line)
        if several:
            return
        step = annotate_every or max(1, round(len(rows) / 5))
        above = len(self.lines_) % 2 == 1
        for row in rows[::step]:
            ax.annotate(
                f"{self.strengths[row]:.2g}",
                (disparity[row], accuracy[row]),
                (-4, 4) if above else (4, -4),
                textcoords="offset points",
                ha="right" if above else "left",
                va="bottom" if above else "top",
                color=color,
                fontsize="small",
            )

    def _mark_best(self, ax):
        """Mark the chosen candidate."""
        strength = self.strengths[self.best_index]
        values = np.ravel(strength)
        ax.scatter(
            self.disparity[self.best_index],
            self.accuracy[self.best_index],
            s=140,
            facecolors="none",
            edgecolors="black",
            zorder=3,
            label=f"chosen: strength {', '.join(f'{v:.2g}' for v in values)}",
        )


def _hashable(base_rate):
    """Turn lists and arrays of class frequencies into tuples."""
    return base_rate if isinstance(base_rate, str) else tuple(np.ravel(base_rate).tolist())


def _find_parameter(cv_results, name):
    """Find the values of a parameter, which may belong to a step of a pipeline."""
    for key, values in cv_results.items():
        if key.startswith("param_") and key.split("__")[-1].removeprefix("param_") == name:
            return np.ma.getdata(values)
    return None


def _find_score(cv_results, name):
    """Find a score, pooled over the folds where there is one."""
    for key in (f"pooled_test_{name}", f"mean_test_{name}"):
        if key in cv_results:
            return np.asarray(cv_results[key])
    have = [k.removeprefix("mean_test_") for k in cv_results if k.startswith("mean_test_")]
    raise ValueError(f"The results hold no score called {name!r}, only {have}.")
