"""Tables of a report, made of counts alone."""

import numpy as np
import pandas as pd

from ..._outcomes import DISPARITIES, RATES_OF_DISPARITY
from ..._uncertainty import (
    difference_limits,
    interval,
    rate_limits,
    ratio_limits,
    two_proportion_test,
)
from ...metrics._intervals import compare_pairs

# An impact ratio below it is taken for evidence of adverse impact by the United States'
# Uniform Guidelines on Employee Selection Procedures (29 CFR 1607.4 D).
FOUR_FIFTHS = 0.8
# Four fifths missed by this level of significance or less are not put down to chance.
SIGNIFICANCE = 0.05
# The kinds of rates that need no truth.
WITHOUT_TRUTH = ("selection", "scoring")


def rates_of(counts, model, k):
    """Collect rates of class `k` against the rest.

    Returns
    -------
    rates : dict of str to tuple of ndarray of shape (n_groups,)
        Rates, and how many rows of equal weight each rests on.
    """
    outcomes = counts.outcomes[model]
    rates, sizes = outcomes.rates(), outcomes.rate_sizes()
    found = {kind: (rate[:, k], sizes[kind][:, k]) for kind, rate in rates.items()}
    precision, size = outcomes.precisions()
    found["precision"] = precision[:, k], size[:, k]
    found["accuracy"] = outcomes.accuracies(), sizes["selection"][:, k]
    if (model, k) in counts.bins:
        bins = counts.bins[model, k]
        found["scoring"] = bins.above, bins.above_sizes
    if not counts.has_truth:
        found = {kind: found[kind] for kind in WITHOUT_TRUTH if kind in found}
    return found


def tabulate_groups(all_counts, is_small):
    """Tabulate groups: rows, share of the known ones, and whether they are few."""
    tables = []
    for counts in all_counts:
        n_rows = counts.n_rows
        tables.append(
            pd.DataFrame(
                {
                    "attribute": counts.attribute,
                    "group": pd.Series([*counts.groups, None], dtype=object),
                    "rows": [*n_rows, counts.n_unknown],
                    "share": [*n_rows / n_rows.sum(), np.nan],
                    "is_small": [*is_small(n_rows), False],
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def tabulate_rates(all_counts, labels, compared, confidence, is_small):
    """Tabulate rates of groups, with their intervals."""
    tables = []
    for counts, model, k in _cases(all_counts, compared):
        for kind, (rate, size) in rates_of(counts, model, k).items():
            lower, upper = rate_limits(rate, size, confidence)
            table = {
                **_case(counts, model, labels, k),
                "rate": kind,
                "group": np.array(counts.groups, dtype=object),
                "value": rate,
                "lower": lower,
                "upper": upper,
                "rows": size,
                "is_small": is_small(counts.n_rows),
            }
            tables.append(pd.DataFrame(table))
    return pd.concat(tables, ignore_index=True)


def tabulate_impact(all_counts, labels, compared, confidence, is_small):
    """Tabulate impact ratios: rates over that of the most selected group not small."""
    tables = []
    for counts, model, k in _cases(all_counts, compared):
        for kind, (rate, size) in rates_of(counts, model, k).items():
            if kind not in WITHOUT_TRUTH or not np.isfinite(rate).any():
                continue
            small = is_small(counts.n_rows)
            tables.append(
                pd.DataFrame(
                    {
                        **_case(counts, model, labels, k),
                        "rate": kind,
                        "group": np.array(counts.groups, dtype=object),
                        "value": rate,
                        **_impact(counts.groups, rate, size, small, confidence),
                        "is_small": small,
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)


def _impact(names, rate, size, small, confidence):
    """Compare each group with the one whose rate is greatest, small ones left aside."""
    candidates = np.where(small, -np.inf, np.nan_to_num(rate, nan=-np.inf))
    if not np.isfinite(candidates).any():
        candidates = np.nan_to_num(rate, nan=-np.inf)
    top = int(candidates.argmax())
    reference = rate[top], size[top]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = rate / rate[top]
    lower, upper = ratio_limits((rate, size), reference, confidence)
    p_values = np.array(
        [two_proportion_test(each, reference)[0] for each in zip(rate, size)]
    )
    is_top = np.arange(len(rate)) == top
    missed = ratio < FOUR_FIFTHS
    verdict = np.where(missed, "missed, may be chance", "met").astype(object)
    verdict[missed & (p_values <= SIGNIFICANCE)] = "missed"
    verdict[np.isnan(ratio)] = "not computable"
    return {
        "reference": pd.Series([names[top]] * len(rate), dtype=object),
        "impact_ratio": ratio,
        "lower": np.where(is_top, np.nan, lower),
        "upper": np.where(is_top, np.nan, upper),
        "p_value": np.where(is_top, np.nan, p_values),
        "four_fifths": verdict,
    }


def tabulate_gaps(all_counts, labels, compared, confidence):
    """Tabulate signed gaps and ratios of all pairs of groups."""
    tables = [
        compare_pairs(counts.groups, rate, size, confidence).assign(
            **_case(counts, model, labels, k), rate=kind
        )
        for counts, model, k in _cases(all_counts, compared)
        for kind, (rate, size) in rates_of(counts, model, k).items()
    ]
    gaps = pd.concat(tables, ignore_index=True)
    first = ["model", "attribute", "label", "rate"]
    return gaps[[*first, *gaps.columns.drop(first)]]


def tabulate_disparities(all_counts, confidence):
    """Tabulate disparities, with several labels those of the worst."""
    rows = []
    for counts in all_counts:
        for model, outcomes in counts.outcomes.items():
            for name in shown_disparities(counts):
                lower, upper = interval(outcomes, name, confidence)
                rows.append(
                    {
                        "model": model,
                        "attribute": counts.attribute,
                        "disparity": name,
                        "value": outcomes.disparity(name),
                        "lower": lower,
                        "upper": upper,
                    }
                )
    return pd.DataFrame(rows)


def shown_disparities(counts):
    """List disparities that can be computed, with or without the truth."""
    return [
        name
        for name in DISPARITIES
        if counts.has_truth or set(RATES_OF_DISPARITY[name]) <= set(WITHOUT_TRUTH)
    ]


def tabulate_accuracy(all_counts, confidence):
    """Tabulate the accuracy of each model on rows of known group."""
    rows = []
    for counts in all_counts:
        if not counts.has_truth:
            continue
        for model, outcomes in counts.outcomes.items():
            total, squares = outcomes.counts.sum(), outcomes.squares.sum()
            accuracy = np.trace(outcomes.counts, axis1=1, axis2=2).sum() / total
            lower, upper = rate_limits(accuracy, total**2 / squares, confidence)
            rows.append(
                {
                    "model": model,
                    "attribute": counts.attribute,
                    "accuracy": accuracy,
                    "lower": float(lower),
                    "upper": float(upper),
                }
            )
    columns = ["model", "attribute", "accuracy", "lower", "upper"]
    return pd.DataFrame(rows, columns=columns)


def tabulate_changes(all_counts, labels, compared, confidence, n_resamples, rng):
    """Tabulate what each model changes beside the first one, on the same rows."""
    rows = []
    for counts in all_counts:
        before = next(iter(counts.outcomes))
        for model, pair in counts.pairs.items():
            changes = pair.disparity_changes(
                shown_disparities(counts),
                confidence=confidence,
                n_resamples=n_resamples,
                rng=rng,
            )
            if counts.has_truth:
                changes["accuracy"] = pair.accuracy_change(confidence)
            case = {"model": model, "before": before, "attribute": counts.attribute}
            rows += [_change_row(case, name, None, None, c) for name, c in changes.items()]
            for kind, change in pair.rate_changes(confidence).items():
                if not counts.has_truth and kind not in WITHOUT_TRUTH:
                    continue
                rows += [
                    _change_row(case, kind, labels[k], group, [x[g, k] for x in change])
                    for k in compared
                    for g, group in enumerate(counts.groups)
                ]
    columns = ["model", "before", "attribute", "figure", "label", "group", *CHANGE_COLUMNS]
    return pd.DataFrame(rows, columns=columns)


CHANGE_COLUMNS = ["value_before", "value", "change", "lower", "upper"]


def _change_row(case, figure, label, group, change):
    before, after, lower, upper = change
    figures = before, after, after - before, lower, upper
    return {
        **case,
        "figure": figure,
        "label": label,
        "group": group,
        **dict(zip(CHANGE_COLUMNS, map(float, figures))),
    }


def tabulate_calibration(all_counts, labels, ends, confidence):
    """Tabulate mean scores and shares of the class in bins of scores, by group."""
    tables = []
    for counts in all_counts:
        for (model, k), bins in counts.bins.items():
            if bins.positives is None:
                continue
            n_groups, n_bins = bins.weights.shape
            with np.errstate(divide="ignore", invalid="ignore"):
                score, share = bins.score_sums / bins.weights, bins.positives / bins.weights
            lower, upper = rate_limits(share, bins.sizes, confidence)
            table = {
                **_case(counts, model, labels, k),
                "group": np.repeat(np.array(counts.groups, dtype=object), n_bins),
                "bin_lower": np.tile(ends[:-1], n_groups),
                "bin_upper": np.tile(ends[1:], n_groups),
                "rows": bins.sizes.ravel(),
                "mean_score": score.ravel(),
                "observed": share.ravel(),
                "lower": lower.ravel(),
                "upper": upper.ravel(),
            }
            tables.append(pd.DataFrame(table))
    columns = ["model", "attribute", "label", "group", "bin_lower", "bin_upper", "rows"]
    columns += ["mean_score", "observed", "lower", "upper"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def tabulate_decisions(all_counts, labels, compared):
    """Tabulate how many rows each model decides otherwise than the first one, by group.

    Sums of weights; "gained" are rows decided for the class by the model alone, "lost" by
    the first one alone.
    """
    tables = []
    for counts in all_counts:
        before = next(iter(counts.outcomes))
        for model, pair in counts.pairs.items():
            decided = pair.counts.sum(axis=1)
            for k in compared:
                both = decided[:, k, k]
                tables.append(
                    pd.DataFrame(
                        {
                            **_case(counts, model, labels, k),
                            "before": before,
                            "group": np.array(counts.groups, dtype=object),
                            "rows": decided.sum(axis=(1, 2)),
                            "gained": decided[:, :, k].sum(axis=1) - both,
                            "lost": decided[:, k, :].sum(axis=1) - both,
                        }
                    )
                )
    columns = ["model", "attribute", "label", "before", "group", "rows", "gained", "lost"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def independent_change(before, after, confidence):
    """Compare two rates of different rows, each given as arrays (rate, size)."""
    return difference_limits(after, before, confidence)


def _cases(all_counts, compared):
    for counts in all_counts:
        for model in counts.outcomes:
            for k in compared:
                yield counts, model, k


def _case(counts, model, labels, k):
    return {"model": model, "attribute": counts.attribute, "label": labels[k]}
