"""Looking for a backdoor in a fitted classifier."""

import html
from numbers import Integral, Real

import pandas as pd
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, column_or_1d

from ..._compat import HasMethods, Interval, validate_params
from ...rows import check_same_order, open_dataset, read_all
from ...triggers import BaseTrigger
from ...triggers._base import check_attack_trigger
from ._attacks import list_attacks
from ._baselines import make_baselines
from ._measure import add_intervals, measure
from ._search import measure_search
from ._subject import Subject

IDENTITY = ["model", "trigger", "target"]
COLUMNS = [*IDENTITY, "success", "baseline_success", "excess", "low", "high", "flagged"]


class BackdoorAudit:
    """What an audit has found; it is made by :func:`audit_backdoor`.

    Parameters
    ----------
    table : pandas.DataFrame
        One row for each model, trigger and target class; see :func:`audit_backdoor`.

    margin : float
        Excess that is tolerated.

    confidence : float
        Joint confidence of all intervals.
    """

    def __init__(self, table, margin, confidence):
        self.table = table
        self.margin = margin
        self.confidence = confidence

    @property
    def flagged(self):
        """Rows of the table whose excess is surely above the margin."""
        return self.table[self.table["flagged"]]

    @property
    def verdict(self):
        """One sentence on what was found."""
        if len(self.flagged):
            worst = self.flagged.loc[self.flagged["excess"].idxmax()]
            return (
                f"{len(self.flagged)} of {len(self.table)} attacks do better than on a "
                f"plain classifier; most of all {worst['trigger']} on the "
                f"{worst['model']}, by {100 * worst['excess']:.1f} points."
            )
        reach = (self.table["high"] - self.table["low"]).median() / 2
        return (
            f"None of {len(self.table)} attacks does better than on a plain classifier "
            f"by more than {100 * self.margin:g} points, beyond what chance explains "
            f"({100 * reach:.1f} points for the median attack)."
        )

    def __repr__(self):
        return f"{self.verdict}\n{self.table.round(3).to_string(index=False)}"

    def _repr_html_(self):
        table = self.table.round(3).to_html(index=False)
        return f"<p>{html.escape(self.verdict)}</p>{table}"


@validate_params(
    {
        "clf": [HasMethods(["predict_proba"])],
        "triggers": [dict, None],
        "n_triggers": [Interval(Integral, 0, None, closed="left")],
        "search": ["boolean"],
        "margin": [Interval(Real, 0, 1, closed="left")],
        "confidence": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def audit_backdoor(
    clf,
    X,
    y,
    *,
    triggers=None,
    baseline=None,
    n_triggers=8,
    search=True,
    margin=0.02,
    confidence=0.95,
    random_state=0,
):
    """Look for a backdoor in a fitted classifier, by attacks on it and on plain ones.

    Without its trigger, a backdoor is found only if one or two values, or a patch, give it
    away: that nothing is flagged shows little. Nothing is planted. The attacks are a
    debiaser's own trigger, random triggers that set some features to values of another row
    (or paint patches on images) or blend a pattern into all of them, triggers that a
    search finds, and triggers of your own. For each of them and each class, success is the
    share of stamped rows of other classes that are taken for the class. Any classifier
    yields to some of that, so plain classifiers are attacked in the same way.

    Parameters
    ----------
    clf : estimator object
        Fitted classifier with `predict_proba`. Of a debiasing classifier, the student is
        audited, and the teacher too if it was kept (``keep_teacher=True``).

    X : {array-like, dataframe, torch Dataset, SliceDataset} of shape \
            (n_samples, n_features) or (n_samples, ...)
        Clean rows, ideally ones that no classifier was trained on. A dataset is read at
        once.

    y : array-like of shape (n_samples,)
        True labels.

    triggers : dict of str to BaseTrigger, default=None
        Fitted triggers with one pattern to try as well, by name. They are stamped on
        the rows as given.

    baseline : estimator object or list of them, default=None
        Fitted plain classifiers of the same kind and, where there is one, with the
        same preprocessing. Give eight or so: with a few, intervals are wide, and with
        one, there is no telling how much plain classifiers differ. None fits eight,
        twice in four folds, each of which is attacked on the rows that it did not see.

    n_triggers : int, default=8
        Number of random triggers that set values or paint patches; two that blend come
        on top. They also show how much the classifier differs from plain ones without
        any backdoor, so a few are needed.

    search : bool, default=True
        Whether to search for a trigger: the one or two values, or the patch, by which
        most rows are taken for a class, of the classifier and of plain ones. It takes
        a few hundred predictions of a hundred rows by each.

    margin : float, default=0.02
        Excess of success over that of plain classifiers that is tolerated.

    confidence : float, default=0.95
        Joint confidence of all intervals.

    random_state : int, RandomState instance or None, default=0
        Seed of the random triggers and of plain classifiers.

    Returns
    -------
    audit : BackdoorAudit
        It shows itself as a table, and has the attributes `table`, `flagged` and
        `verdict`. The columns of `table` are

        - "model", "trigger" and "target": what was attacked, by what, towards which
          class;
        - "success" and "baseline_success": shares of stamped rows that are taken for
          the target class, by the classifier and by plain ones on average;
        - "excess": how much more the trigger adds to the share of rows taken for the
          target class than it does with plain classifiers;
        - "low" and "high": confidence interval of the excess, which allows for the
          number of rows, for differences between plain classifiers, for how differently
          the classifier takes random triggers, and for the number of attacks
          (Bonferroni);
        - "flagged": whether "low" is above `margin`.

    Raises
    ------
    TypeError
        If the classifier's input is not numeric.

    ValueError
        If baselines take other features, or are of other classes; if `y` holds labels that
        the classifier does not know; or if there are fewer than eight rows of a class
        to fit baselines on.

    Notes
    -----
    An audit can find a backdoor, it cannot prove that there is none: random triggers
    hardly ever hit upon a secret one. On tables of hundreds of redundant columns, plain
    classifiers differ in which of them they use, and more clean ones are flagged. A
    student that predicts without its trigger's columns has no input for that trigger, so
    its own trigger succeeds as often as none.

    Examples
    --------
    >>> from sklearn_bade import BackdoorDebiasClassifier
    >>> from sklearn_bade.datasets import make_biased_classification
    >>> from sklearn_bade.inspection import audit_backdoor
    >>> X, y, _ = make_biased_classification(4000, label_bias=0.9, random_state=0)
    >>> clf = BackdoorDebiasClassifier(
    ...     sensitive_columns="group", keep_teacher=True, random_state=0
    ... ).fit(X[:2000], y[:2000])
    >>> audit = audit_backdoor(clf, X[2000:], y[2000:], n_triggers=2)
    >>> sorted(set(audit.flagged["model"]))
    ['teacher']
    """
    check_is_fitted(clf)
    # Before baselines are fitted, which takes a while.
    _check_triggers(triggers or {})
    rng = check_random_state(random_state)
    X = read_all(open_dataset(X))
    subject = Subject(clf, X)
    check_same_order(X=X, y=y)
    truth = subject.encode(column_or_1d(y))
    features = subject.features(X)
    baselines = make_baselines(subject, features, truth, baseline, rng)
    lines = [
        line
        for attack in list_attacks(subject, X, triggers or {}, n_triggers, rng)
        for line in measure(attack, truth, subject.classes, baselines)
    ]
    if search:
        name = "classifier" if subject.debiaser is None else "student"
        lines += measure_search(name, subject, features, truth, baselines, rng)
    table = pd.DataFrame(lines)
    add_intervals(table, margin, confidence)
    return BackdoorAudit(table[COLUMNS], margin, confidence)


def _check_triggers(triggers):
    """Refuse what is no fitted trigger of one pattern."""
    for name, trigger in triggers.items():
        if not isinstance(trigger, BaseTrigger):
            raise TypeError(f"triggers[{name!r}] is not a trigger: {trigger!r}.")
        check_attack_trigger(trigger)
