"""What can be teacher and student: a skorch net, or any weighted classifier.

Both kinds answer to the same methods, so that the five steps need not know which is
at work.
"""

from functools import partial

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.utils import check_random_state
from sklearn.utils.validation import has_fit_parameter
from skorch import NeuralNetClassifier

from ._containers import stack_rows
from ._copies import fit_on_copies, train_as_long
from ._injection import draw_triggers
from ._preprocessing import split_pipeline, to_net_rows, to_numbers
from ._version import __version__
from .nets import (
    check_net,
    has_own_loss,
    log_probabilities,
    net_identity,
    train_student_net,
    train_teacher_net,
)

LEAST_PROBABILITY = 1e-4
# Settings with one entry per feature, and what they say of a column without demands.
FEATURE_SETTINGS = {
    "monotonic_cst": 0,
    "monotone_constraints": 0,
    "categorical_features": False,
}


def make_learner(classifier):
    """Wrap a classifier in the learner that knows how to train it.

    Parameters
    ----------
    classifier : estimator object
        Classifier without its preprocessing.

    Returns
    -------
    learner : NetLearner or WeightLearner
        The learner.

    Raises
    ------
    TypeError
        If there is no way to fit the classifier on soft targets.
    """
    if isinstance(classifier, NeuralNetClassifier):
        return NetLearner(classifier)
    return WeightLearner(classifier)


def has_linear_path(estimator):
    """Tell whether students of all strengths can be found along a line.

    Parameters
    ----------
    estimator : estimator object or None
        What the user gave: a classifier, a pipeline, or None for the default network.

    Returns
    -------
    has_path : bool
        True for networks.
    """
    _, classifier = split_pipeline(estimator)
    return classifier is None or isinstance(classifier, NeuralNetClassifier)


class NetLearner:
    """Train skorch nets: triggers and soft targets travel in the batches.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        Unfitted net; left unchanged.
    """

    hands_weights_on = True
    finds_out_how_long = False
    to_rows = staticmethod(to_net_rows)

    def __init__(self, net):
        check_net(net)
        self.classifier = net
        self.epochs = net.max_epochs

    @property
    def identity(self):
        """What a cache knows the net by."""
        return net_identity(self.classifier)

    def check_weights(self):
        """Refuse sample weights that the net's own loss would not see."""
        if has_own_loss(self.classifier):
            raise ValueError(
                f"{type(self.classifier).__name__} has a get_loss of its own, which "
                "sample_weight cannot reach. Fit without sample_weight, or use skorch's "
                "get_loss."
            )

    def fit_teacher(self, X, y, cells, plan, trigger, *, seeds, sample_weight, on_epoch):
        """Fit on stamped rows, whose triggers are drawn anew for each epoch."""
        rng = check_random_state(seeds[0])
        draw_weight = sample_weight
        if sample_weight is not None and np.ptp(sample_weight) == 0:
            draw_weight = None
        return train_teacher_net(
            self.classifier,
            X,
            y,
            partial(draw_triggers, plan, cells, draw_weight, rng),
            trigger,
            n_classes=len(plan.rates),
            seed=seeds[1],
            sample_weight=sample_weight,
            on_epoch=on_epoch,
        )

    def fit_student(self, X, y, soft_targets, *, teacher=None, **settings):
        """Fit on soft targets, from the teacher's weights if there is one."""
        return train_student_net(
            self.classifier,
            X,
            y,
            soft_targets.astype(np.float32, copy=False),
            teacher_state=None if teacher is None else teacher.module_.state_dict(),
            **settings,
        )

    def log_probabilities(self, model, X, stamp=None):
        """Compute log-probabilities, of stamped rows where `stamp` is given."""
        return log_probabilities(model, X, stamp)


class WeightLearner:
    """Train any classifier by weights: one copy of a row per trigger, or per class.

    Copies weighted by the chances of the triggers give the expected loss over all
    draws, so nothing is left to chance and a row of weight two equals two rows, unless the
    classifier itself draws rows or counts them without their weights.

    Parameters
    ----------
    classifier : estimator object
        Unfitted classifier whose `fit` takes `sample_weight`; left unchanged.

    Raises
    ------
    TypeError
        If its `fit` takes no `sample_weight`.
    """

    hands_weights_on = False
    to_rows = staticmethod(to_numbers)
    epochs = 1

    def __init__(self, classifier):
        if not has_fit_parameter(classifier, "sample_weight"):
            raise TypeError(
                f"estimator is, or ends in, a {type(classifier).__name__}, whose fit takes "
                "no sample_weight, so that it cannot learn soft targets. Use a "
                "classifier that takes it (LogisticRegression, "
                "HistGradientBoostingClassifier, ...) or a skorch.NeuralNetClassifier."
            )
        if not hasattr(classifier, "predict_proba"):
            raise TypeError(
                f"estimator is, or ends in, a {type(classifier).__name__}, which has no "
                "predict_proba; the method works on probabilities."
            )
        self.classifier = classifier

    @property
    def identity(self):
        """What a cache knows the classifier by."""
        return __version__, self.classifier

    def check_weights(self):
        """Take any weights."""

    def fit_teacher(self, X, y, cells, plan, trigger, *, seeds, sample_weight, on_epoch):
        """Fit on copies of all rows under all triggers, weighted by their chances."""

        def stamp_copies(selections):
            codes = np.repeat(plan.codes, [len(rows) for rows in selections])
            labels = np.concatenate([y[rows] for rows in selections])
            return trigger.stamp(stack_rows(X, selections), codes), labels

        weights = plan.chances[cells].T * _ones_or(sample_weight, len(y))
        seeded = with_seed(self.classifier, seeds[1])
        _widen_settings(seeded, X.shape[1], trigger.n_columns_)
        teacher = fit_on_copies(seeded, weights, stamp_copies, y)
        on_epoch("teacher")
        return teacher

    def fit_student(
        self,
        X,
        y,
        soft_targets,
        *,
        hard_label_weight,
        seed,
        sample_weight,
        on_epoch,
        **settings_of_nets,
    ):
        """Fit on copies of all rows with all labels, weighted by the soft targets."""
        n_classes = soft_targets.shape[1]

        def label_copies(selections):
            labels = np.repeat(np.arange(n_classes), [len(rows) for rows in selections])
            return stack_rows(X, selections), labels

        is_class = y == np.arange(n_classes)[:, None]
        weights = (1 - hard_label_weight) * soft_targets.T + hard_label_weight * is_class
        weights = weights * _ones_or(sample_weight, len(y))
        seeded = with_seed(self.classifier, seed)
        student = fit_on_copies(seeded, weights, label_copies, y)
        on_epoch("student")
        return student

    @property
    def finds_out_how_long(self):
        """Whether a student itself finds out how long to train."""
        is_boosting = isinstance(self.classifier, HistGradientBoostingClassifier)
        return is_boosting and bool(self.classifier.early_stopping)

    def train_as_long(self, student):
        """Make a learner whose students train for as long as another one."""
        return WeightLearner(train_as_long(self.classifier, student))

    def log_probabilities(self, model, X, stamp=None):
        """Compute log-probabilities, of stamped rows where `stamp` is given.

        Forests answer with zeros, whose logarithm would drown everything else.
        """
        proba = model.predict_proba(X if stamp is None else stamp(X))
        return np.log(np.clip(proba, LEAST_PROBABILITY, None))


def _ones_or(sample_weight, n_samples):
    return np.ones(n_samples) if sample_weight is None else sample_weight


def _widen_settings(classifier, n_features, n_columns):
    """Extend settings that hold one entry per feature over the trigger's columns."""
    settings = classifier.get_params(deep=False)
    for name, neutral in FEATURE_SETTINGS.items():
        entries = settings.get(name)
        if not isinstance(entries, (list, tuple, np.ndarray)) or len(entries) != n_features:
            continue
        if (np.asarray(entries).dtype == bool) == isinstance(neutral, bool):
            added = type(entries) if isinstance(entries, tuple) else list
            classifier.set_params(**{name: added([*entries, *[neutral] * n_columns])})


def with_seed(classifier, seed):
    """Clone a classifier and seed what it leaves to chance.

    Parameters
    ----------
    classifier : estimator object
        Unfitted classifier; left unchanged.

    seed : int
        Seed for every `random_state` that is None.

    Returns
    -------
    seeded : estimator object
        The clone.
    """
    seeded = clone(classifier)
    open_seeds = {
        name: seed
        for name, value in seeded.get_params().items()
        if name.split("__")[-1] == "random_state" and value is None
    }
    return seeded.set_params(**open_seeds)
