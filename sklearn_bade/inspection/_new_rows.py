"""Strengths of a fitted path, judged on new rows by arithmetic."""

import numpy as np

from .._candidates import GRID
from .._decision import Decision
from .._groups import find_groups, sensitive_table
from .._reversal import check_strength
from ..learners import PathStudent
from ..metrics._disparities import Judged
from ..preprocessing import open_fitted
from ._reference import attribute_aware_front, closed_form_front
from ._sensitive import find_sensitive_features


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
