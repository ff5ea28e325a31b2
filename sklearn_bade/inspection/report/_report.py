"""The report of a model, or of several side by side."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import check_consistent_length, check_random_state

from ..._groups import sensitive_table
from ..._uncertainty import check_confidence
from ...rows import check_same_order
from .._group_rates import GroupRatesDisplay
from . import _tables
from ._attributes import find_sensitive_values, read_attributes
from ._counts import count
from ._html import write_html
from ._judging import ask, describe_correction, describe_decision, name_models, read
from ._monitoring import compare_counts

# Kinds of rates that a picture shows.
DRAWN = ("selection", "true_positive", "false_positive", "scoring")
# More periods than these make no legible series.
MOST_PERIODS = 200
# Share of rows decided alike from which the report says so. Not tuned.
NEARLY_ALL = 0.95


class FairnessReport:
    """What a model decides for whom: rates, gaps and ratios of groups, with intervals.

    It is made by :meth:`from_estimator` or :meth:`from_predictions`, for one model or for
    several side by side. Of the rows it keeps counts only.

    Every column of the sensitive attribute is an attribute of its own, and all of them
    together are their intersection. Rows with a missing value are counted as unknown.
    Groups that are small are marked and shown; only for the impact ratio, the group that
    others are compared with is the most selected one that is not small.

    Intervals of rates are Wilson's, of signed gaps Newcombe's, of ratios Donner and Zou's,
    of disparities those of :func:`sklearn_bade.metrics.disparity_interval`; the differences
    of models are judged on the same rows. In simulations of groups with 50 rows and more,
    95% intervals of gaps and ratios hold in 93 to 97 of 100 draws, and more often where
    rates are near 0 or 1. Single intervals are meant one by one: of twenty, one misses.

    Attributes
    ----------
    models_ : list of str
        Names of the models; others are compared with the first one.

    attributes_ : list of str
        Names of the attributes, and of their intersection.

    labels_ : list
        Labels that are compared with the rest, the favourable one as a rule.

    n_rows_ : int
        Number of rows.

    unknown_ : dict of str to int
        Rows of unknown group, by attribute.

    notes_ : list of str
        What a reader must know: the decision, the favourable label, small groups.

    See Also
    --------
    decided_otherwise : Rows that two models decide differently.
    GroupRatesDisplay : A picture of the rates alone.

    Examples
    --------
    >>> from sklearn_bade.inspection import FairnessReport
    >>> y_pred, groups = [1, 1, 1, 0] * 20, ["a", "a", "b", "b"] * 20
    >>> report = FairnessReport.from_predictions(
    ...     [1, 0, 1, 0] * 20, y_pred, sensitive_features=groups
    ... )
    >>> report.to_frame("impact")[["group", "value", "impact_ratio"]]
      group  value  impact_ratio
    0     a    1.0           1.0
    1     b    0.5           0.5
    """

    def __init__(self, counts, judgements, *, notes, options, score_bins, periods=None):
        self._counts = counts
        self._labels = judgements.labels
        self._compared = judgements.compared
        self._options = options
        self._score_bins = score_bins
        self._periods = periods or {}
        self._tables = {}
        self.models_ = list(judgements.decided)
        self.attributes_ = [each.attribute for each in counts]
        self.labels_ = judgements.labels[judgements.compared].tolist()
        self.n_rows_ = len(next(iter(judgements.decided.values())))
        self.unknown_ = {each.attribute: each.n_unknown for each in counts}
        self.notes_ = notes + self._describe_rows() + _describe_uniform(judgements)

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        sensitive_features=None,
        sensitive_columns=None,
        pos_label=None,
        sample_weight=None,
        time=None,
        confidence=0.95,
        min_rows=30,
        min_share=0.02,
        n_bins=10,
        n_resamples=1000,
        random_state=0,
    ):
        """Report fitted classifiers.

        Parameters
        ----------
        estimator : estimator object or dict of str to estimator object
            Fitted classifier, or several by name, the one to compare with first:
            ``{"plain": plain, "strength 0": clf.with_strength(0), "chosen": clf}``. A
            single debiased one that lies on a path is shown beside its own strength 0.

        X : {array-like, dataframe} of shape (n_samples, n_features)
            Features.

        y : array-like of shape (n_samples,), default=None
            True labels. Without them, there is nothing but selection and scores.

        sensitive_features : array-like or dataframe of shape (n_samples,) or \
                (n_samples, n_columns), default=None
            Sensitive values; or else name their columns.

        sensitive_columns : str, int or list of these, default=None
            Sensitive columns of X. None takes those of the first model that names any.

        pos_label : label, default=None
            The favourable label. None takes the greater of two, with a warning where these
            are text; of more, each is compared with the rest.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        time : array-like of shape (n_samples,), default=None
            Period of each row, such as a year or a month, for figures by time.

        confidence : float, default=0.95
            Level of each interval.

        min_rows : int, default=30
            A group of fewer rows is small: a single row then moves a rate by over .03.

        min_share : float, default=0.02
            A group of a smaller share of the rows is small, as in New York's rule on
            automated employment decision tools.

        n_bins : int, default=10
            Bins of scores for calibration.

        n_resamples : int, default=1000
            How often rows are drawn again, for changes in disparities.

        random_state : int, RandomState instance or None, default=0
            What these draws depend on.

        Returns
        -------
        report : FairnessReport
            The report.

        Raises
        ------
        ValueError
            If a model is no classifier, there are no sensitive values, or other arguments
            are invalid.
        """
        models = name_models(estimator)
        found = find_sensitive_values(
            models.values(), X, sensitive_features, sensitive_columns
        )
        check_same_order(X=X, y=y, sensitive_features=found[0], time=time)
        judgements = ask(models, X, y, sample_weight, pos_label)
        notes = _describe_decisions(models) + _describe_corrections(models)
        return cls._make(
            judgements,
            read_attributes(found[0], found[1], are_own=found[2]),
            time,
            notes,
            confidence=confidence,
            min_rows=min_rows,
            min_share=min_share,
            n_bins=n_bins,
            n_resamples=n_resamples,
            random_state=random_state,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_pred,
        *,
        sensitive_features,
        y_score=None,
        pos_label=None,
        sample_weight=None,
        time=None,
        confidence=0.95,
        min_rows=30,
        min_share=0.02,
        n_bins=10,
        n_resamples=1000,
        random_state=0,
    ):
        """Report predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,) or None
            True labels; None where they are not known.

        y_pred : array-like of shape (n_samples,) or dict of str to such
            Predicted labels of one model, or of several by name.

        sensitive_features : array-like or dataframe of shape (n_samples,) or \
                (n_samples, n_columns)
            Sensitive values.

        y_score : array-like of shape (n_samples,) or (n_samples, n_classes), or dict, \
                default=None
            Probability or score of the favourable label, or one column for each label in
            sorted order.

        pos_label, sample_weight, time, confidence, min_rows, min_share, n_bins, \
                n_resamples, random_state
            See :meth:`from_estimator`.

        Returns
        -------
        report : FairnessReport
            The report.
        """
        judgements = read(y_true, y_pred, y_score, sample_weight, pos_label)
        given = y_pred if isinstance(y_pred, dict) else {"": y_pred}
        named = {f"y_pred {name}".strip(): rows for name, rows in given.items()}
        check_same_order(
            y_true=y_true, **named, sensitive_features=sensitive_features, time=time
        )
        return cls._make(
            judgements,
            read_attributes(sensitive_features),
            time,
            [],
            confidence=confidence,
            min_rows=min_rows,
            min_share=min_share,
            n_bins=n_bins,
            n_resamples=n_resamples,
            random_state=random_state,
        )

    @classmethod
    def _make(cls, judgements, attributes, time, notes, **options):
        """Count, and forget the rows."""
        _check_options(options)
        check_consistent_length(attributes[0].groups.codes, *judgements.decided.values())
        score_bins = _find_score_bins(judgements, options["n_bins"])
        counts = [count(attribute, judgements, score_bins) for attribute in attributes]
        periods = _count_periods(time, attributes, judgements, score_bins)
        return cls(
            counts,
            judgements,
            notes=notes,
            options=options,
            score_bins=score_bins,
            periods=periods,
        )

    def to_frame(self, table="rates"):
        """Return a table of the report, one figure per row.

        Parameters
        ----------
        table : str, default="rates"
            - "rates": rates of each group: "selection", "true_positive", "false_positive",
              "precision", "accuracy", and "scoring", the share of scores above the median
              of all rows.
            - "impact": rates over that of the most selected group, with a test, and
              whether four fifths are met.
            - "gaps": signed gaps and ratios of all pairs of groups, with a test.
            - "disparities": gaps put into one number, as the metrics do.
            - "accuracy": accuracy of each model, on rows of known group.
            - "changes": what each model changes beside the first one, on the same rows.
            - "decisions": how many rows each model decides otherwise than the first.
            - "calibration": mean score and share of the label in bins of scores.
            - "groups": rows and their share, without weights, and which groups are small;
              None stands for unknown.
            - "periods": rates and disparities by time.

        Returns
        -------
        frame : pandas.DataFrame
            The table. "lower" and "upper" are limits of an interval, "rows" are rows of
            equal weight that a figure rests on. What cannot be computed is NaN.
        """
        if table not in TABLES:
            raise ValueError(f"table must be one of {list(TABLES)}, got {table!r}.")
        if table not in self._tables:
            self._tables[table] = TABLES[table](self)
        return self._tables[table].copy()

    def compare(self, later, *, confidence=None):
        """Find out what has moved between the rows of this report and later ones.

        Parameters
        ----------
        later : FairnessReport
            Report of the same models on other rows; true labels may be missing.

        confidence : float, default=None
            Level; that of this report by default.

        Returns
        -------
        moved : pandas.DataFrame
            One row for each figure that both reports have: rates and mean scores of each
            group, its share of the rows, signed gaps to the largest group, and disparities.
            "change" is later less now, "lower" and "upper" are its limits; "p_adjusted"
            allows for the number of figures of its attribute (Holm's method), and "moved"
            says that it lies below one minus the confidence: where nothing has changed, a
            false alarm is that rare among these. The most certain ones come
            first.

        Raises
        ------
        ValueError
            If the reports have no model, attribute or label in common, or a column of
            numbers was cut into other groups.
        """
        if not isinstance(later, FairnessReport):
            raise TypeError(f"later must be a FairnessReport, got {later!r}.")
        confidence = self._options["confidence"] if confidence is None else confidence
        check_confidence(confidence)
        return compare_counts(
            self._counts, later._counts, self._shared_labels(later), confidence
        )

    def _shared_labels(self, later):
        """Pair up the labels that are compared in both reports."""
        theirs = dict(zip(later.labels_, later._compared))
        shared = [
            (label, k, theirs[label])
            for label, k in zip(self.labels_, self._compared)
            if label in theirs
        ]
        if not shared:
            raise ValueError(
                f"The reports compare no label in common: {self.labels_} and "
                f"{later.labels_}. Give both the same pos_label."
            )
        return shared

    def plot(self, *, attribute=None, label=None, ax=None, zoom=False):
        """Draw rates of each group, models side by side, with intervals.

        Parameters
        ----------
        attribute : str, default=None
            One of `attributes_`; the first by default.

        label : label, default=None
            One of `labels_`; the last by default.

        ax : matplotlib Axes, default=None
            Axes to draw on; new ones by default.

        zoom : bool, default=False
            Whether the axis shows only what intervals take, not all from 0 to 1.

        Returns
        -------
        display : GroupRatesDisplay
            The picture.
        """
        attribute = self.attributes_[0] if attribute is None else attribute
        label = self.labels_[-1] if label is None else label
        if attribute not in self.attributes_ or label not in self.labels_:
            raise ValueError(
                f"attribute and label must be among {self.attributes_} and {self.labels_}, "
                f"got {attribute!r} and {label!r}."
            )
        table = self.to_frame("rates")
        is_shown = (table["attribute"] == attribute) & (table["label"] == label)
        table = table[is_shown & table["rate"].isin(DRAWN)]
        rates, sizes = (
            table.pivot_table(
                index=["model", "group"],
                columns="rate",
                values=values,
                sort=False,
                dropna=False,
            ).rename(columns="{}_rate".format)
            for values in ("value", "rows")
        )
        if len(self.models_) == 1:
            rates, sizes = (each.droplevel("model") for each in (rates, sizes))
        display = GroupRatesDisplay(
            rates, sizes, confidence=self._options["confidence"], pos_label=label
        )
        return display.plot(ax=ax, zoom=zoom)

    def save(self, path, *, title="Fairness report", about=()):
        """Write the report into one HTML file that needs no other.

        Parameters
        ----------
        path : str or path-like
            Name of the file, which ends with ".html" or ".htm".

        title : str, default="Fairness report"
            Title of the page.

        about : str or list of str, default=()
            Paragraphs to begin with: which model, which data, who answers for it.
        """
        path = Path(path)
        if path.suffix.lower() not in (".html", ".htm"):
            raise ValueError(
                "A report is saved as HTML, so path must end with .html or .htm, got "
                f"{str(path)!r}."
            )
        about = [about] if isinstance(about, str) else list(about)
        path.write_text(write_html(self, title=title, about=about), encoding="utf-8")

    def _repr_html_(self):
        """Show the report in a notebook."""
        return write_html(self)

    def __repr__(self):
        shown = self.to_frame("disparities").round(3).to_string(index=False)
        return f"FairnessReport of {self.n_rows_} rows\n{shown}"

    def _is_small(self, n_rows):
        """Tell which groups are small."""
        share = n_rows / max(n_rows.sum(), 1)
        few, little = self._options["min_rows"], self._options["min_share"]
        return (n_rows < few) | (share < little)

    def _describe_rows(self):
        """Say which label is favourable, and what is unknown or small."""
        labels = ", ".join(map(repr, self.labels_))
        notes = [
            f"The favourable label is {labels}."
            if len(self.labels_) == 1
            else f"Each label is compared with the rest: {labels}."
        ]
        for each in self._counts:
            if each.n_unknown:
                notes.append(
                    f"{each.attribute}: {each.n_unknown} of {self.n_rows_} rows have no "
                    "known group, and count in no figure of this attribute."
                )
            small = [g for g, s in zip(each.groups, self._is_small(each.n_rows)) if s]
            if small:
                notes.append(
                    f"{each.attribute}: {'; '.join(map(str, small))} "
                    f"{'has' if len(small) == 1 else 'have'} fewer than "
                    f"{self._options['min_rows']} rows or less than "
                    f"{self._options['min_share']:.2g} of all, so figures are uncertain."
                )
        if not self._counts[0].has_truth:
            notes.append("True labels are not known: errors cannot be judged.")
        return notes

    def _tabulate_changes(self):
        options = self._options
        return _tables.tabulate_changes(
            self._counts,
            self._labels,
            self._compared,
            options["confidence"],
            options["n_resamples"],
            check_random_state(options["random_state"]),
        )

    def _tabulate_periods(self):
        """Tabulate rates and disparities of each period."""
        tables = []
        for period, counts in self._periods.items():
            rates = _rates(self, counts).rename(columns={"rate": "figure"})
            disparities = _tables.tabulate_disparities(counts, self._options["confidence"])
            disparities = disparities.rename(columns={"disparity": "figure"})
            both = pd.concat([rates.drop(columns="is_small"), disparities])
            tables.append(both.assign(period=period))
        if not tables:
            raise ValueError(
                "The report knows no periods; give the period of each row as time=..."
            )
        table = pd.concat(tables, ignore_index=True)
        return table[["period", *table.columns.drop("period")]]


def _rates(report, counts=None):
    return _tables.tabulate_rates(
        report._counts if counts is None else counts,
        report._labels,
        report._compared,
        report._options["confidence"],
        report._is_small,
    )


TABLES = {
    "rates": _rates,
    "impact": lambda r: _tables.tabulate_impact(
        r._counts, r._labels, r._compared, r._options["confidence"], r._is_small
    ),
    "gaps": lambda r: _tables.tabulate_gaps(
        r._counts, r._labels, r._compared, r._options["confidence"]
    ),
    "disparities": lambda r: _tables.tabulate_disparities(
        r._counts, r._options["confidence"]
    ),
    "accuracy": lambda r: _tables.tabulate_accuracy(r._counts, r._options["confidence"]),
    "changes": FairnessReport._tabulate_changes,
    "decisions": lambda r: _tables.tabulate_decisions(r._counts, r._labels, r._compared),
    "calibration": lambda r: _tables.tabulate_calibration(
        r._counts, r._labels, r._score_bins, r._options["confidence"]
    ),
    "groups": lambda r: _tables.tabulate_groups(r._counts, r._is_small),
    "periods": FairnessReport._tabulate_periods,
}


def _describe_corrections(models):
    """Say how far each debiased model goes, and what that was chosen for."""
    said = {name: describe_correction(model) for name, model in models.items()}
    return [f"{name}: {text}." for name, text in said.items() if text]


def _describe_uniform(judgements):
    """Name the models that decide nearly all rows alike, which makes gaps small."""
    notes = []
    for name, decided in judgements.decided.items():
        shares = np.bincount(decided, minlength=len(judgements.labels)) / len(decided)
        if shares.max() >= NEARLY_ALL:
            label = judgements.labels[shares.argmax()]
            notes.append(
                f"{name} decides {shares.max():.0%} of the rows for {label!s}. Gaps are "
                "small by that alone; compare how often groups get another label. With "
                "threshold, cost_matrix or selection_rate, fewer are decided alike."
            )
    return notes


def _describe_decisions(models):
    """Say how decisions are made, once for all models that make them alike."""
    by_text = {}
    for name, model in models.items():
        by_text.setdefault(describe_decision(model), []).append(name)
    return [f"Decision of {', '.join(names)}: {text}." for text, names in by_text.items()]


def _find_score_bins(judgements, n_bins):
    """Find the ends of bins: those of probabilities, or quantiles of other scores."""
    compared = judgements.compared
    scores = [each[:, compared].ravel() for each in judgements.scores.values()]
    values = np.concatenate(scores) if scores else np.zeros(1)
    if values.min() >= 0 and values.max() <= 1:
        return np.linspace(0, 1, n_bins + 1)
    ends = np.unique(np.quantile(values, np.linspace(0, 1, n_bins + 1)))
    return ends if len(ends) > 1 else np.array([ends[0], ends[0] + 1])


def _count_periods(time, attributes, judgements, score_bins):
    """Count each period by itself, in sorted order."""
    if time is None:
        return {}
    periods = sensitive_table(time).iloc[:, 0]
    check_consistent_length(periods, *judgements.decided.values())
    names = sorted(periods.dropna().unique().tolist())
    if not 0 < len(names) <= MOST_PERIODS:
        raise ValueError(
            f"time has {len(names)} different values, and each is a period; give at most "
            f"{MOST_PERIODS} of them, years or months for instance."
        )
    found = {}
    for name in names:
        rows = np.flatnonzero((periods == name).to_numpy())
        part = judgements.take(rows)
        found[name] = [
            count(type(a)(a.name, a.groups.take(rows)), part, score_bins)
            for a in attributes
        ]
    return found


def _check_options(options):
    check_confidence(options["confidence"])
    for name, least in (("min_rows", 0), ("n_bins", 1), ("n_resamples", 2)):
        if not isinstance(options[name], (int, np.integer)) or options[name] < least:
            raise ValueError(
                f"{name} must be a whole number of at least {least}, got {options[name]!r}."
            )
    if not 0 <= options["min_share"] < 1:
        raise ValueError(
            f"min_share must be at least 0 and less than 1, got {options['min_share']!r}."
        )
