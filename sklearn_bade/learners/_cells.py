"""Cells: how likely each group is, given the features and the class."""

from inspect import signature

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.base import clone

from .._injection import FEW_ROWS
from ..rows import take_rows
from ..triggers import ColumnTrigger

# Settings that speak of the labels, or of one entry per feature in view of the labels. A
# model of groups takes the defaults of the classifier's class instead.
LABEL_SETTINGS = {
    "base_score",
    "class_prior",
    "class_weight",
    "interaction_cst",
    "interaction_constraints",
    "monotone_constraints",
    "monotonic_cst",
    "objective",
    "priors",
    "scale_pos_weight",
}


# Settings with one entry per feature, and what they say of a column without demands.
FEATURE_SETTINGS = {
    "monotonic_cst": 0,
    "monotone_constraints": 0,
    "categorical_features": False,
}


# Values of sparse rows that are copied to be learned from by themselves: 50 MB or a share
# of all. Beyond, a fit to all rows, where some weigh nothing, takes longer but no memory.
COPIED_VALUES, COPIED_SHARE = 2**22, 0.25
# So few rows are asked about in all classes at once: a call then costs more than its rows.
FEW_ROWS_TO_ASK = 100


class ClassColumns(ColumnTrigger):
    """Append one column per class; in a frame they are called "class_0", ..."""

    _prefix = "class_"


class Cells:
    """What cells that consist of classifiers show of themselves.

    Subclasses keep `models`, the model of the groups for rows of each class, of which
    several may be the same. The page on explaining tells how they are used.
    """

    @property
    def classifiers(self):
        """Fitted classifier of the groups in each class; None where there is none to tell.

        One and the same may serve several classes.
        """
        return [model.fitted for model in self.models]

    @property
    def groups(self):
        """What each classifier tells apart: positions in the debiaser's `groups_`."""
        return [model.codes for model in self.models]

    def features(self, X, k):
        """Make what classifier k takes, of features as `student_.transform` makes them."""
        return X

    def get_feature_names_out(self, input_features):
        """Name the columns of :meth:`features`."""
        return np.asarray(input_features, dtype=object)

    def group_proba(self, X):
        """Compute the chance of each group, were the row of each class."""
        parts = [
            model.proba(self.features(X, k), self.n_groups)
            for k, model in enumerate(self.models)
        ]
        return np.stack(parts, axis=1)


class OneGroupModel(Cells):
    """One model of the groups that sees the class as further columns.

    It is best for trees, which let the class interact with every feature, and learns what
    the classes have in common from all rows.
    """

    def __init__(self, classifier, rows, fit):
        self.n_groups = len(rows.groups)
        self.n_classes = rows.n_classes
        self.stamp_ = ClassColumns().fit(rows.X, rows.n_classes)
        stamped = rows.with_features(self.stamp_.stamp(rows.X, rows.y))
        classifier = clone(classifier)
        widen_settings(classifier, rows.X.shape[1], self.stamp_.n_columns_)
        members = np.flatnonzero(rows.groups.is_known)
        self.model = _GroupModel.learn(classifier, stamped, members, fit)

    @classmethod
    def of(cls, fitted, codes, n_classes, n_groups):
        """Put together what was fitted elsewhere, see :class:`_GroupModel`."""
        cells = cls.__new__(cls)
        cells.n_groups, cells.n_classes = n_groups, n_classes
        cells.stamp_ = ClassColumns().fit(None, n_classes)
        cells.model = _GroupModel(codes, fitted)
        return cells

    @property
    def models(self):
        """The one model, for each class."""
        return [self.model] * self.n_classes

    def group_proba(self, X):
        """Compute the chance of each group, were the row of each class."""
        n_samples = X.shape[0]
        if n_samples > FEW_ROWS_TO_ASK:
            return super().group_proba(X)
        copies = take_rows(X, np.tile(np.arange(n_samples), self.n_classes))
        codes = np.repeat(np.arange(self.n_classes), n_samples)
        proba = self.model.proba(self.stamp_.stamp(copies, codes), self.n_groups)
        return proba.reshape(self.n_classes, n_samples, -1).transpose(1, 0, 2)

    def features(self, X, k):
        """Make what the classifier takes, were the rows of class k."""
        return self.stamp_.stamp(X, np.full(X.shape[0], k))

    def get_feature_names_out(self, input_features):
        """Name the columns of :meth:`features`: those of the classes come last."""
        names = np.asarray(input_features, dtype=object)
        one_row = pd.DataFrame(np.zeros((1, len(names))), columns=names)
        return np.asarray(self.features(one_row, 0).columns, dtype=object)


class GroupModelPerClass(Cells):
    """A model of the groups in each class.

    It is best for classifiers without interactions: a coefficient of the class itself
    could not tell what a feature says of the group in each class.
    """

    def __init__(self, classifier, rows, fit):
        self.n_groups = len(rows.groups)
        self.models = []
        for k in range(rows.n_classes):
            members = np.flatnonzero(rows.groups.is_known & (rows.y == k))
            self.models.append(_GroupModel.learn(classifier, rows, members, fit))


class _GroupModel:
    """A classifier of the groups of some codes; None where these are fewer than two.

    Where no group is known, all are equally likely.
    """

    def __init__(self, codes, fitted=None):
        self.codes, self.fitted = codes, fitted

    @classmethod
    def learn(cls, classifier, rows, members, fit):
        """Fit to rows at the positions `members`, as far as their groups are learned."""
        codes = rows.groups.codes[members]
        model = cls(groups_to_learn(np.bincount(codes, minlength=len(rows.groups))))
        if len(model.codes) < 2:
            return model
        is_learned = np.isin(np.arange(len(rows.groups)), model.codes)
        members = members[is_learned[codes]]
        model.fitted = fit(clone(classifier), *model._learned(classifier, rows, members))
        return model

    def _learned(self, classifier, rows, members):
        """Take what is learned from: features, codes and weights.

        Of many sparse rows no copy is made; those that are not learned from weigh nothing.
        """
        X, weights = rows.X, rows.weights
        shares = _is_large(X, len(members)) and not _splits(classifier)
        if len(members) < len(rows) and shares:
            weights = np.zeros(len(rows))
            weights[members] = 1 if rows.weights is None else rows.weights[members]
            members = np.arange(len(rows))
        elif len(members) < len(rows):
            X = take_rows(X, members)
            weights = None if weights is None else weights[members]
        y = np.searchsorted(self.codes, rows.groups.codes[members])
        # Rows that weigh nothing may be of any group.
        return X, np.minimum(y, len(self.codes) - 1), weights

    def proba(self, X, n_groups):
        """Compute the chance of each of all groups."""
        proba = np.zeros((X.shape[0], n_groups))
        if not len(self.codes):
            return proba + 1 / n_groups
        proba[:, self.codes] = 1 if self.fitted is None else self.fitted.predict_proba(X)
        return proba


def groups_to_learn(counts):
    """Choose the groups that have enough members, or else those that have any.

    Many classifiers split rows by what they learn, and cannot split few.
    """
    codes = np.flatnonzero(counts >= FEW_ROWS)
    return codes if len(codes) else np.flatnonzero(counts)


def _is_large(X, n_copied):
    """Tell whether a copy of so many rows is better avoided."""
    if not issparse(X):
        return False
    share = n_copied / X.shape[0]
    return share > COPIED_SHARE and share * X.nnz > COPIED_VALUES


def _splits(classifier):
    """Tell whether a classifier holds out rows, which must not be of other classes."""
    settings = classifier.get_params(deep=False)
    return "cv" in settings or bool(settings.get("early_stopping"))


def make_cells(classifier, base, rows, fit):
    """Fit models of the groups, in rows of known group, with clones of a classifier.

    A fitted `base` shows which form suits the classifier. ``fit(clone, X,
    y, weights)`` returns a fitted clone.
    """
    form = GroupModelPerClass if is_additive(base) else OneGroupModel
    return form(without_label_settings(classifier), rows, fit)


def without_label_settings(classifier):
    """Clone a classifier, with the defaults of its class for what speaks of the labels."""
    plain = clone(classifier)
    params, changed = plain.get_params(), {}
    for key in params:
        owner, _, name = key.rpartition("__")
        if name in LABEL_SETTINGS:
            defaults = signature(type(params[owner] if owner else plain)).parameters
            changed[key] = defaults[name].default if name in defaults else None
    return plain.set_params(**changed)


def is_additive(base):
    """Tell whether a fitted classifier adds up what single features say."""
    return any(hasattr(base, name) for name in ("coef_", "feature_log_prob_", "theta_"))


def widen_settings(classifier, n_features, n_columns):
    """Extend settings that hold one entry per feature over the trigger's columns."""
    settings = classifier.get_params(deep=False)
    for name, neutral in FEATURE_SETTINGS.items():
        entries = settings.get(name)
        if not isinstance(entries, (list, tuple, np.ndarray)) or len(entries) != n_features:
            continue
        if (np.asarray(entries).dtype == bool) == isinstance(neutral, bool):
            added = type(entries) if isinstance(entries, tuple) else list
            classifier.set_params(**{name: added([*entries, *[neutral] * n_columns])})
