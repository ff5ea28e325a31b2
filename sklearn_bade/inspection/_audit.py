"""Looking for a backdoor in a fitted classifier."""

import html
import warnings
from numbers import Integral, Real

import numpy as np
import pandas as pd
from scipy.stats import t as student_t
from sklearn.base import is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state, resample
from sklearn.utils.validation import check_is_fitted, column_or_1d

from .._compat import HasMethods, Interval, validate_params
from .._groups import NO_TRIGGER
from ..exceptions import ChannelOrderWarning, InvisibleTriggerWarning, SingleBaselineWarning
from ..learners import PathStudent, fit_plain, predict_proba
from ..rows import (
    check_same_order,
    is_frame,
    kind_of,
    open_dataset,
    read_all,
    row_slices,
    take_rows,
)
from ..triggers import (
    BaseTrigger,
    BlendTrigger,
    PatchTrigger,
    ValueTrigger,
    choose_trigger,
)
from ..triggers._base import check_attack_trigger
from ..utils import draw_seed, warn_user

# Plain classifiers to compare with: with five, Student's quantile is a sixth greater.
N_BASELINES = 8
# Random triggers, not tuned: faint blends, few columns, a small part of a side.
BLEND_SHARE, N_BLENDS, N_COLUMNS, MOST_OF_SIDE = 0.1, 2, 2, 4
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
    margin=0.02,
    confidence=0.95,
    random_state=0,
):
    """Look for a backdoor in a fitted classifier, by attacks on it and on plain ones.

    Nothing is planted. The attacks are a debiaser's own trigger, random triggers that
    set some features to values of another row (or paint patches on images) or blend a
    pattern into all of them, and triggers of your own. For each of them and each class,
    success is the share of stamped rows of other classes that are taken for the class. Any
    classifier yields to some of that, so plain classifiers are attacked in the same way.

    Parameters
    ----------
    clf : estimator object
        Fitted classifier. Of a debiasing classifier, the student is audited, and the
        teacher too if it was kept (``keep_teacher=True``).

    X : {array-like, dataframe, torch Dataset, SliceDataset} of shape \
            (n_samples, n_features) or (n_samples, ...)
        Clean rows, best ones that no classifier was trained on. A dataset is read at once.

    y : array-like of shape (n_samples,)
        True labels.

    triggers : dict of str to BaseTrigger, default=None
        Fitted triggers with one pattern to try as well, by name. They are stamped on
        the rows as given.

    baseline : estimator object or list of them, default=None
        Fitted plain classifiers of the same kind and, where there is one, with the
        same preprocessing. Give eight or so: with a few, intervals are wide, and with
        one, there is no telling how much plain classifiers differ. None fits eight on
        samples of half of the rows, and audits on the other half.

    n_triggers : int, default=8
        Number of random triggers that set values or paint patches; two that blend come
        on top.

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
          number of rows, for differences between plain classifiers and for the number
          of attacks (Bonferroni);
        - "flagged": whether "low" is above `margin`.

    Raises
    ------
    TypeError
        If the classifier's input is not numeric.

    ValueError
        If baselines take other features, or are of other classes.

    Notes
    -----
    An audit can find a backdoor, it cannot prove that there is none: random triggers
    hardly ever hit upon a secret one. A student that predicts without its trigger's
    columns has no input for that trigger, so its own trigger succeeds as often as
    none.

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
    subject = _Subject(clf, X)
    check_same_order(X=X, y=y)
    codes = subject.encode(column_or_1d(y))
    rows, plain = _make_baselines(subject, X, codes, baseline, rng)
    audited, truth = take_rows(X, rows), codes[rows]
    attacks = _list_attacks(subject, audited, triggers or {}, n_triggers, rng)
    table = pd.DataFrame(
        [
            row
            for attack in attacks
            for row in _measure(attack, truth, subject.classes, plain)
        ]
    )
    _add_intervals(table, margin, confidence)
    return BackdoorAudit(table[COLUMNS], margin, confidence)


def _check_triggers(triggers):
    """Refuse what is no fitted trigger of one pattern."""
    for name, trigger in triggers.items():
        if not isinstance(trigger, BaseTrigger):
            raise TypeError(f"triggers[{name!r}] is no trigger: {trigger!r}.")
        check_attack_trigger(trigger)


def _predict_codes(model, features):
    """Predict class codes from features."""
    return predict_proba(model, features).argmax(axis=1)


def _chosen(clf):
    """Find what a search has chosen, or a defence has repaired."""
    for attribute in ("best_estimator_", "estimator_"):
        if not hasattr(clf, "estimators_"):  # an ensemble's estimator_ is a template
            clf = getattr(clf, attribute, clf)
    return clf


def _open(clf):
    """Separate fitted preprocessing from the classifier behind it."""
    while isinstance(clf, FrozenEstimator):
        clf = clf.estimator
    if isinstance(clf, Pipeline):
        return clf[:-1], _chosen(clf[-1])
    return None, clf


class _Subject:
    """A classifier under audit: its features, and what predicts from them."""

    def __init__(self, clf, X):
        self.classes = clf.classes_
        self.steps, clf = _open(_chosen(clf))
        self.debiaser = clf if hasattr(clf, "student_") else None
        self.student_steps, self.model = _open(getattr(clf, "student_", clf))
        # The part of a student that a plain classifier is compared with.
        self.plain = getattr(self.model, "base", self.model)
        features = self.features(X)
        if features.dtype.kind not in "fiub":
            raise TypeError(
                "The audit changes numeric features; got a classifier that takes others. "
                "Put it at the end of a Pipeline that encodes them."
            )

    def features(self, X):
        """Make the model's features from rows."""
        if self.steps is not None:
            X = self.steps.transform(X)
        if self.debiaser is not None:
            X = self.debiaser._student_features(X)
        if self.student_steps is not None:
            X = self.student_steps.transform(X)
        if isinstance(self.model, PathStudent):
            X = self.model.transform(X)
        return X.to_numpy() if is_frame(X) else np.asarray(X)

    def encode(self, y):
        """Turn labels into codes."""
        codes = np.searchsorted(self.classes, y).clip(max=len(self.classes) - 1)
        if (self.classes[codes] != y).any():
            raise ValueError(
                "y holds labels that the classifier does not know; it knows "
                f"{self.classes.tolist()}."
            )
        return codes


def _make_baselines(subject, X, codes, baseline, rng):
    """Find or fit plain classifiers, and choose the rows to audit on."""
    features = subject.features(X)
    everything = np.arange(len(codes))
    if baseline is None:
        train, rows = train_test_split(
            everything, test_size=0.5, stratify=codes, random_state=rng
        )
        # Each on rows of its own, so that they differ as classifiers do from one another.
        samples = [
            resample(train, stratify=codes[train], random_state=rng)
            for _ in range(N_BASELINES)
        ]
        models = [
            fit_plain(subject.plain, features[s], codes[s], draw_seed(rng)) for s in samples
        ]
        return rows, models
    return everything, _open_baselines(subject, baseline, features[:1])


def _open_baselines(subject, baseline, row):
    """Find the classifiers in what the user gave, and try them on a row."""
    given = baseline if isinstance(baseline, (list, tuple)) else [baseline]
    if len(given) < 2:
        warn_user(
            "With one baseline, the audit cannot tell a backdoor from what plain "
            f"classifiers differ in. Give several, best {N_BASELINES} or more.",
            SingleBaselineWarning,
        )
    models = [_open(_chosen(one))[1] for one in given]
    for model in models:
        if not hasattr(model, "predict_proba") or not is_classifier(model):
            raise ValueError(f"A baseline must be a classifier, got {model!r}.")
        n_classes = predict_proba(model, row).shape[1]
        if n_classes != len(subject.classes):
            raise ValueError(
                f"A baseline knows {n_classes} classes, and the classifier "
                f"{len(subject.classes)}."
            )
    return models


class _Attack:
    """One trigger against one model, with rows before and after stamping."""

    def __init__(self, model_name, trigger_name, predict, unstamped, stamped, plain=None):
        self.names = {"model": model_name, "trigger": trigger_name}
        self.predict = predict
        self.unstamped, self.stamped = unstamped, stamped
        self.plain = (unstamped, stamped) if plain is None else plain


def _list_attacks(subject, X, triggers, n_triggers, rng):
    """List all attacks."""
    features = subject.features(X)
    first = np.zeros(len(features), dtype=np.int64)

    def predict(rows):
        return _predict_codes(subject.model, rows)

    name = "classifier" if subject.debiaser is None else "student"
    for trigger_name, stamped in _own_stamps(subject, features):
        yield _Attack(name, trigger_name, predict, features, stamped)
    for trigger_name, trigger in _random_triggers(features, n_triggers, rng):
        stamped = _stamp(trigger, features, first)
        yield _Attack(name, trigger_name, predict, features, stamped)
    for trigger_name, trigger in triggers.items():
        stamped = subject.features(_stamp(trigger, X, first))
        yield _Attack(name, trigger_name, predict, features, stamped)
    if hasattr(subject.debiaser, "teacher_") and subject.debiaser.teacher is None:
        yield from _teacher_attacks(subject.debiaser, features)


def _stamp(trigger, X, codes):
    """Stamp rows; images slice by slice, since blends take several times their memory."""
    if len(X.shape) == 2:
        return trigger.stamp(X, codes)
    stamped = np.empty_like(X)
    for rows in row_slices(X.shape):
        stamped[rows] = trigger.stamp(X[rows], codes[rows])
    return stamped


def _own_stamps(subject, features):
    """Stamp a debiaser's own trigger as far as the student has an input for it."""
    debiaser = subject.debiaser
    if debiaser is None:
        return
    trigger = getattr(debiaser, "trigger_", None)
    if trigger is None:
        own = choose_trigger(debiaser.trigger, kind_of(features))
        trigger = own.fit(features, len(debiaser.groups_))
    for g, group in enumerate(debiaser.groups_):
        codes = np.full(len(features), g)
        stamped = _stamp(trigger, features, codes)[:, : features.shape[1]]
        yield f"own, {group}", stamped


def _teacher_attacks(debiaser, features):
    """Attack a teacher with the trigger that it was trained on."""
    trigger, teacher = debiaser.trigger_, debiaser.teacher_

    def predict(rows):
        return _predict_codes(teacher, rows)

    none = np.full(len(features), NO_TRIGGER)
    unstamped = trigger.stamp(features, none)
    for g, group in enumerate(debiaser.groups_):
        stamped = trigger.stamp(features, np.full(len(features), g))
        width = features.shape[1]
        plain = features, stamped[:, :width]
        yield _Attack("teacher", f"own, {group}", predict, unstamped, stamped, plain)


def _random_triggers(features, n_triggers, rng):
    """Draw triggers that an attacker might use."""
    if features.ndim == 2:
        yield from _random_values(features, n_triggers, rng)
    elif features.ndim == 4:
        yield from _random_patches(features, n_triggers, rng)
    for i in range(N_BLENDS):
        seed = draw_seed(rng)
        blend = BlendTrigger(alpha=BLEND_SHARE, random_state=seed)
        yield f"blend {i + 1}", blend.fit(features)


def _random_values(features, n_triggers, rng):
    """Draw columns of a table, and values for them."""
    n_columns = min(N_COLUMNS, features.shape[1])
    varied = np.flatnonzero(features.std(axis=0) > 0)
    for i in range(n_triggers):
        columns = rng.choice(varied, size=min(n_columns, len(varied)), replace=False)
        values = features[rng.randint(len(features)), columns]
        yield f"values {i + 1}", ValueTrigger(columns.tolist(), values).fit(features)


def _random_patches(images, n_triggers, rng):
    """Draw places in images, and colours between the darkest and the brightest."""
    low, high = images.min(axis=(0, 2, 3)), images.max(axis=(0, 2, 3))
    for i in range(n_triggers):
        size = [
            rng.randint(1, 1 + max(1, side // MOST_OF_SIDE)) for side in images.shape[2:]
        ]
        position = [rng.randint(1 + n - m) for n, m in zip(images.shape[2:], size)]
        color = rng.uniform(low, high)
        if images.dtype.kind in "iu":
            color = np.rint(color)
        trigger = PatchTrigger(position=[position], size=size, values=[color])
        with warnings.catch_warnings():
            # An attacker may paint what she likes.
            warnings.simplefilter("ignore", InvisibleTriggerWarning)
            warnings.simplefilter("ignore", ChannelOrderWarning)
            trigger.fit(images)
        yield f"patch {i + 1}", trigger


def _measure(attack, truth, classes, plain_models):
    """Compute the figures of one attack for each target class."""
    before, after = attack.predict(attack.unstamped), attack.predict(attack.stamped)
    plain = [
        [_predict_codes(model, rows) for rows in attack.plain] for model in plain_models
    ]
    for k, label in enumerate(classes):
        others = truth != k
        if not others.any():
            continue
        gain = _gain(before, after, others, k)
        plain_gains = np.array([_gain(*pair, others, k) for pair in plain])
        paired = gain - plain_gains.mean(axis=0)
        variance, freedom = _combine_variances(paired, plain_gains.mean(axis=1))
        yield attack.names | {
            "target": label,
            "success": (after[others] == k).mean(),
            "baseline_success": np.mean([(a[others] == k).mean() for _, a in plain]),
            "excess": paired.mean(),
            "variance": variance,
            "freedom": freedom,
        }


def _combine_variances(paired, plain_means):
    """Add up what rows and plain classifiers contribute to the variance of an excess.

    Plain classifiers are few, so the degrees of freedom, by the formula of Welch and
    Satterthwaite, are few where they differ much.
    """
    n_rows, n_plain = len(paired), len(plain_means)
    of_rows, of_classifiers = paired.var() / n_rows, 0.0
    if n_plain > 1:
        of_classifiers = plain_means.var(ddof=1) * (1 + 1 / n_plain)
    variance = of_rows + of_classifiers
    share = of_classifiers / variance if variance else 0.0
    per_freedom = (1 - share) ** 2 / max(n_rows - 1, 1) + share**2 / max(n_plain - 1, 1)
    return variance, 1 / per_freedom


def _gain(before, after, others, k):
    """Tell what stamping changes in taking each row for class k: 1, 0 or -1."""
    return (after[others] == k).astype(int) - (before[others] == k)


def _add_intervals(table, margin, confidence):
    """Add confidence intervals that hold jointly, and the flags."""
    level = 1 - (1 - confidence) / (2 * max(len(table), 1))
    quantile = student_t.ppf(level, table["freedom"])
    half = quantile * np.sqrt(table["variance"])
    table["low"] = (table["excess"] - half).clip(-2, 2)
    table["high"] = (table["excess"] + half).clip(-2, 2)
    table["flagged"] = table["low"] > margin
