"""What has moved between two sets of rows: figures, limits, and a test of all together."""

import numpy as np
import pandas as pd
from scipy.stats import norm

from ..._uncertainty import (
    difference_limits,
    interval,
    two_proportion_test,
)
from ._tables import rates_of, shown_disparities

COLUMNS = ["model", "attribute", "label", "figure", "group", "other"]
COLUMNS += ["value_before", "value", "change", "lower", "upper", "p_value"]


def compare_counts(before, after, labels, confidence):
    """Compare counts of two reports.

    `labels` are triples of a label and its class codes before and after.
    """
    later = {counts.attribute: counts for counts in after}
    rows = []
    for counts in before:
        if counts.attribute not in later:
            continue
        pair = counts, later[counts.attribute]
        _check_cuts(*pair)
        for model in counts.outcomes:
            if model in pair[1].outcomes:
                rows += _compare_model(*pair, model, labels, confidence)
        rows += _compare_shares(*pair, confidence)
    if not any("model" in row for row in rows):
        raise ValueError(
            "The reports have no model and attribute in common: give the models and the "
            "sensitive attributes the same names."
        )
    table = pd.DataFrame(rows, columns=COLUMNS)
    # As they are: pandas would make numbers of labels beside missing ones.
    table["label"] = pd.Series([row.get("label") for row in rows], dtype=object)
    families = table.groupby("attribute", sort=False)["p_value"]
    table["p_adjusted"] = families.transform(lambda p: adjust(p.to_numpy(dtype=float)))
    table["moved"] = table["p_adjusted"] < 1 - confidence
    return table.sort_values("p_adjusted", kind="stable", ignore_index=True)


def _check_cuts(before, after):
    """Refuse groups that are intervals of a column which was cut at different points."""
    cuts = [
        {i: np.round(ends, 12).tolist() for i, ends in each.cut_points.items()}
        for each in (before, after)
    ]
    if cuts[0] != cuts[1]:
        raise ValueError(
            f"{before.attribute} was cut at {cuts[0]} in one report and at {cuts[1]} in "
            "the other, so the groups are not the same. Give groups as text, cut alike."
        )


def adjust(p_values):
    """Allow for the number of p values (Holm, Scandinavian Journal of Statistics 6, 1979).

    NaN stays, and counts for none.
    """
    adjusted = np.full(len(p_values), np.nan)
    known = np.flatnonzero(np.isfinite(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1)
    return adjusted


def _compare_model(before, after, model, labels, confidence):
    """Compare rates, gaps, scores and disparities of one model and attribute."""
    case = {"model": model, "attribute": before.attribute}
    places = [
        (g, before.groups.index(g), after.groups.index(g))
        for g in before.groups
        if g in after.groups
    ]
    rows = []
    for label, k, j in labels:
        of_label = {**case, "label": label}
        old, new = rates_of(before, model, k), rates_of(after, model, j)
        for kind in old:
            if kind in new:
                rates = old[kind], new[kind]
                rows += _compare_rates(
                    {**of_label, "figure": kind}, *rates, places, confidence
                )
                rows += _compare_gaps(
                    {**of_label, "figure": f"{kind} gap"}, *rates, places, confidence
                )
        if (model, k) in before.bins and (model, j) in after.bins:
            bins = before.bins[model, k], after.bins[model, j]
            rows += _compare_scores(
                {**of_label, "figure": "mean score"}, *bins, places, confidence
            )
    # A disparity is that of the worst label, so both must compare the same.
    outcomes = [each.outcomes[model] for each in (before, after)]
    if all(len(each.compared_classes()) == len(labels) for each in outcomes):
        names = [n for n in shown_disparities(before) if n in shown_disparities(after)]
        rows += _compare_disparities(case, *outcomes, names, confidence)
    return rows


def _compare_disparities(case, before, after, names, confidence):
    rows = []
    for name in names:
        values = [each.disparity(name) for each in (before, after)]
        limits = [interval(each, name, confidence) for each in (before, after)]
        rows.append(_row({**case, "figure": name}, values, limits, confidence))
    return rows


def _compare_rates(case, old, new, places, confidence):
    rows = []
    for group, g, h in places:
        pair = [(old[0][g], old[1][g]), (new[0][h], new[1][h])]
        lower, upper = difference_limits(*pair[::-1], confidence)
        rows.append(
            {
                **case,
                "group": group,
                **_figures(pair[0][0], pair[1][0], lower, upper),
                "p_value": two_proportion_test(*pair)[0],
            }
        )
    return rows


def _compare_gaps(case, old, new, places, confidence):
    """Compare signed gaps between the group of most rows and each of the others.

    All pairs would be so many that an allowance for their number hid each.
    """
    rows = []
    largest = max(range(len(places)), key=lambda i: old[1][places[i][1]], default=None)
    for i, (group, g, h) in enumerate(places):
        if i != largest:
            other, a, b = places[largest]
            pairs = [
                [(rate[x], size[x]), (rate[y], size[y])]
                for (rate, size), x, y in ((old, g, a), (new, h, b))
            ]
            values = [first[0] - second[0] for first, second in pairs]
            limits = [difference_limits(*pair, confidence) for pair in pairs]
            rows.append(
                _row({**case, "group": group, "other": other}, values, limits, confidence)
            )
    return rows


def _compare_scores(case, old, new, places, confidence):
    """Compare mean scores, as means of independent rows (Welch)."""
    rows = []
    for group, g, h in places:
        (mean, error), (later_mean, later_error) = _mean(old, g), _mean(new, h)
        spread, change = np.hypot(error, later_error), later_mean - mean
        reach = norm.ppf((1 + confidence) / 2) * spread
        p_value = 2 * norm.sf(abs(change) / spread) if spread > 0 else np.nan
        figures = _figures(mean, later_mean, change - reach, change + reach)
        rows.append({**case, "group": group, **figures, "p_value": p_value})
    return rows


def _mean(bins, g):
    """Compute the mean score of a group, and its standard error."""
    weight, size = bins.weights[g].sum(), bins.sizes[g].sum()
    if not weight or size <= 1:
        return np.nan, np.nan
    mean = bins.score_sums[g].sum() / weight
    variance = max(bins.square_sums[g].sum() / weight - mean**2, 0)
    return mean, np.sqrt(variance / (size - 1))


def _compare_shares(before, after, confidence):
    """Compare how the rows divide into groups; one that is missing has a share of zero."""
    totals = before.n_rows.sum(), after.n_rows.sum()
    rows = []
    for group in [*before.groups, *(g for g in after.groups if g not in before.groups)]:
        shares = [
            (
                each.n_rows[each.groups.index(group)] / total
                if group in each.groups
                else 0.0,
                total,
            )
            for each, total in zip((before, after), totals)
        ]
        lower, upper = difference_limits(*shares[::-1], confidence)
        rows.append(
            {
                "attribute": before.attribute,
                "figure": "share of rows",
                "group": group,
                **_figures(shares[0][0], shares[1][0], lower, upper),
                "p_value": two_proportion_test(*shares)[0],
            }
        )
    return rows


def _row(case, values, limits, confidence):
    """Compare figures of different rows by their limits (squared and added)."""
    (before, after), ((low, high), (later_low, later_high)) = values, limits
    change = after - before
    down, up = (
        np.hypot(after - later_low, high - before),
        np.hypot(later_high - after, before - low),
    )
    # The limit towards zero says how many standard errors away zero is.
    towards_zero = down if change > 0 else up
    error = towards_zero / norm.ppf((1 + confidence) / 2)
    p_value = 2 * norm.sf(abs(change) / error) if error > 0 else np.nan
    return {
        **case,
        **_figures(before, after, change - down, change + up),
        "p_value": p_value,
    }


def _figures(before, after, lower, upper):
    values = before, after, after - before, lower, upper
    names = "value_before", "value", "change", "lower", "upper"
    return dict(zip(names, map(float, values)))
