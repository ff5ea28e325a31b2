"""Accuracy against disparity along the trigger strength."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._candidates import GRID
from .._decision import Decision
from .._groups import find_groups, sensitive_table
from .._reversal import check_strength
from ..learners import PathStudent
from ..metrics._disparities import Judged
from ..preprocessing import open_fitted
from ._pyplot import make_axes
from ._reference import attribute_aware_front, closed_form_front
from ._sensitive import find_sensitive_features

# Colours of reference curves, apart from those of the paths.
GREYS = ("black", "gray")

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
        Figures of each candidate, cross-validated or on new data.

    base_rates : array-like of shape (n_candidates,), default=None
        Base rate mode of each candidate; one curve is drawn per mode.

    best_index : int, default=None
        Position of the chosen candidate.

    disparity_name : str, default="disparity"
        Label of the horizontal axis.

    references : dict of {str: (ndarray, ndarray)}, default=None
        Curves to compare with: name, disparities and accuracies. They are drawn dashed.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The curves: for each base rate, one of single strengths and, if there are any, the
        front of strengths per class.

    reference_lines_ : list of matplotlib Line2D
        The curves of the references.

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
    ):
        self.strengths = strengths
        self.accuracy = accuracy
        self.disparity = disparity
        self.base_rates = base_rates
        self.best_index = best_index
        self.disparity_name = disparity_name
        self.references = references

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
        own = getattr(estimator, "disparity", None)
        if X is not None:
            disparity = disparity or (own if isinstance(own, str) else "average_odds")
            path = judge_on_rows(estimator, X, y, sensitive_features, strengths, disparity)
            if references:
                path["references"] = find_references(path, disparity)
            path.pop("judged")
            path.pop("decision")
            name = DISPARITY_NAMES[disparity]
            return cls(**path, disparity_name=name).plot(ax=ax, **kwargs)
        if not hasattr(estimator, "cv_results_"):
            raise ValueError(
                f"{type(estimator).__name__} is no search, whose figures could be drawn. "
                "Give X and y, new rows to judge its strengths on."
            )
        if disparity is not None:
            kwargs["disparity"] = disparity
        if isinstance(own, str):
            kwargs.setdefault("disparity_name", DISPARITY_NAMES[own])
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
            rows = [i for i, other in enumerate(modes) if other == mode]
            color = f"C{number}"
            for is_single in (True, False):
                part = [i for i in rows if (np.ndim(self.strengths[i]) == 0) == is_single]
                if part and is_single:
                    self._draw_curve(ax, np.array(part), mode, color, annotate_every)
                elif part:
                    self._draw_front(ax, np.array(part), mode, color)
        self.reference_lines_ = [
            ax.plot(*curve, linestyle="--", color=color, label=name, zorder=1)[0]
            for color, (name, curve) in zip(GREYS, (self.references or {}).items())
        ]
        if self.best_index is not None:
            self._mark_best(ax)
        for name, (disparity, accuracy) in (peers or {}).items():
            ax.scatter(disparity, accuracy, marker="x", color="black", zorder=3)
            ax.annotate(name, (disparity, accuracy), (6, -4), textcoords="offset points")
        ax.set(xlabel=f"{self.disparity_name} (0 is equal)", ylabel="accuracy")
        ax.set_xlim(left=0)
        ax.margins(0.08)
        if len(ax.get_legend_handles_labels()[0]) > 1:
            ax.legend(frameon=False, loc="lower left")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_curve(self, ax, rows, mode, color, annotate_every):
        """Draw the single strengths of one base rate mode."""
        disparity, accuracy = np.asarray(self.disparity), np.asarray(self.accuracy)
        (line,) = ax.plot(
            disparity[rows], accuracy[rows], marker=".", color=color, label=_label(mode)
        )
        self.lines_.append(line)
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

    def _draw_front(self, ax, rows, mode, color):
        """Draw strengths per class: many points, in the order of their disparity."""
        disparity, accuracy = np.asarray(self.disparity), np.asarray(self.accuracy)
        rows = rows[np.argsort(disparity[rows])]
        (line,) = ax.plot(
            disparity[rows],
            accuracy[rows],
            marker="+",
            linestyle=":",
            color=color,
            alpha=0.6,
            label=f"{_label(mode)}, strength per class",
        )
        self.lines_.append(line)

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


def _label(mode):
    """Name a base rate in a legend."""
    if isinstance(mode, tuple):
        return f"base rate {', '.join(f'{rate:.2g}' for rate in mode)}"
    return {"keep": "base rate kept", "drift": "base rate free"}.get(mode, mode)


def judge_on_rows(estimator, X, y, sensitive_features, strengths, disparity):
    """Judge strengths of a fitted path on new rows, by arithmetic.

    Returns
    -------
    path : dict
        Parameters of the display, and "judged": what references need to know of the rows.
    """
    debiaser, rows = open_fitted(estimator, X)
    student = getattr(debiaser, "student_", None)
    if not isinstance(student, PathStudent):
        raise ValueError(
            "New rows are judged at any strength by a debiaser that was fitted with "
            f"student='path'; got {type(debiaser).__name__}."
        )
    sensitive = find_sensitive_features(estimator, X, y, sensitive_features)
    answers = student.answer(student.transform(debiaser._student_features(rows)))
    own = student.strength.tolist()
    chosen = _strengths_up_to(own) if strengths is None else list(strengths)
    checked = [check_strength(each, *student.path.shift.shape) for each in chosen]
    are_own = np.array([strength.tolist() == own for strength in checked])
    figures = []
    for strength, is_own in zip(checked, are_own):
        offset = student.offset
        if not is_own:
            offset = student.path.offset(strength, debiaser._rate_of(strength))
        logits = student.path.logits(answers, strength) + offset
        predicted = debiaser.classes_[student.path.decision.decide(logits)]
        outcomes = Judged.from_rows(y, predicted, sensitive, None).outcomes
        figures.append(((predicted == np.asarray(y)).mean(), outcomes.disparity(disparity)))
    accuracy, gaps = np.array(figures).T
    return {
        "strengths": chosen,
        "accuracy": accuracy,
        "disparity": gaps,
        "best_index": int(are_own.argmax()) if are_own.any() else None,
        "judged": (answers, debiaser.classes_, np.asarray(y), sensitive),
        "decision": student.path.decision,
    }


def _strengths_up_to(own):
    """List strengths to show, among them the one that a debiaser has."""
    strengths = set(GRID.tolist())
    if np.ndim(own) == 0:
        strengths |= {own, *np.linspace(0, own, 6).round(2).tolist()}
        return sorted(strengths)
    return [*sorted(strengths), own]


def find_references(path, disparity):
    """Fit the references to rows, see :mod:`sklearn_bade.inspection._reference`."""
    answers, classes, y, sensitive = path["judged"]
    if type(path["decision"]) is not Decision:
        raise ValueError(
            "references=True compares decisions for the most probable class, and this "
            "debiaser decides by threshold, cost_matrix or selection_rate."
        )
    if len(classes) != 2 or disparity != "average_odds":
        raise ValueError(
            "references=True compares two classes by their average odds, got "
            f"{len(classes)} classes and disparity={disparity!r}."
        )
    groups = find_groups(sensitive_table(sensitive))
    known = np.flatnonzero(groups.is_known)
    codes, y = groups.codes[known], (y == classes[1]).astype(int)[known]
    answers = answers.take(known)
    margin = answers.log_proba[:, 1] - answers.log_proba[:, 0]
    accuracy, gaps = attribute_aware_front(margin, y, codes)[:2]
    references = {"told the group, fitted here": (gaps, accuracy)}
    if len(groups) == answers.group_proba.shape[2] == 2:
        cells = answers.cells.reshape(len(known), 2, 2)
        accuracy, gaps = closed_form_front(cells, y, codes)[:2]
        references["closed-form rule, fitted here"] = gaps, accuracy
    return references


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
