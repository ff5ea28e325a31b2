"""Plain classifiers, which yield to any attack a little."""

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import StratifiedKFold

from ...exceptions import SingleBaselineWarning
from ...learners import fit_plain, predict_proba
from ...utils import draw_seed, warn_user
from ._subject import find_chosen, open_steps

# Plain classifiers to compare with: with five, Student's quantile is a sixth greater. Each
# sees three quarters of the rows and is attacked on the others, so that all rows are used,
# and it sees nearly as many as an audited classifier that was trained on as many.
N_FOLDS, N_REPEATS = 4, 2
N_BASELINES = N_FOLDS * N_REPEATS
# Of each class, two in each fold.
LEAST_ROWS = 2 * N_FOLDS


class Baselines:
    """Plain classifiers, and the rows that each of them is attacked on."""

    def __init__(self, models, rows):
        self.models, self.rows = models, rows

    def __iter__(self):
        return zip(self.models, self.rows)

    @property
    def share_rows(self):
        """Whether all of them are attacked on the same rows."""
        return all(len(rows) == len(self.rows[0]) for rows in self.rows) and all(
            (rows == self.rows[0]).all() for rows in self.rows
        )


def make_baselines(subject, features, codes, given, rng):
    """Fit plain classifiers on parts of the rows, or find them in what the user gave."""
    if given is not None:
        models = open_baselines(subject, given, features[:1])
        return Baselines(models, [np.arange(len(codes))] * len(models))
    _check_counts(codes, subject.classes)
    models, held_out = [], []
    for _ in range(N_REPEATS):
        folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=draw_seed(rng))
        for train, test in folds.split(codes, codes):
            plain = fit_plain(subject.plain, features[train], codes[train], draw_seed(rng))
            models.append(plain)
            held_out.append(test)
    return Baselines(models, held_out)


def _check_counts(codes, classes):
    """Refuse rows on which plain classifiers cannot learn all classes."""
    counts = np.bincount(codes, minlength=len(classes))
    if counts.min() < LEAST_ROWS:
        rare = classes[counts.argmin()]
        raise ValueError(
            f"Plain classifiers to compare with need {LEAST_ROWS} rows or more of each "
            f"class that the classifier knows, and there are {counts.min()} of {rare!r}. "
            "Give more rows, or fitted classifiers as baseline."
        )


def open_baselines(subject, baseline, row):
    """Find the classifiers in what the user gave, and try them on a row."""
    given = baseline if isinstance(baseline, (list, tuple)) else [baseline]
    if not len(given):
        raise ValueError("baseline holds no classifier; give eight or so, or None.")
    if len(given) < 2:
        warn_user(
            "With one baseline, the audit cannot tell a backdoor from what plain "
            f"classifiers differ in. Give several, preferably {N_BASELINES} or more.",
            SingleBaselineWarning,
        )
    models = [open_steps(find_chosen(one))[1] for one in given]
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
