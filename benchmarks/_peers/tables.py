"""Tables of results: means over seeds, and the documentation's tables of them."""

import numpy as np
from scipy.stats import t

from .protocol import ANY, LEARNERS, NOTIONS
from .tasks import TASKS

# Two seeds make intervals seven times as wide as five, and say no more than one.
CONFIDENCE, LEAST_SEEDS = 0.95, 3
# What stands behind methods whose predictions need the sensitive attribute.
MARK = " †"
# Methods in the order of the tables, whatever order they were run in.
ORDER = (
    "plain",
    "sklearn_bade",
    "strength 0",
    "reweighing",
    "balanced resampling",
    "ExponentiatedGradient",
    "AdversarialFairness",
    "fairret",
    "OxonFair",
    "plug-in rule",
    "ThresholdOptimizer",
)
# Rows of the short table.
SHORT = (
    ("plain", "boosting"),
    ("sklearn_bade", "boosting"),
    ("sklearn_bade", "network"),
    ("ExponentiatedGradient", "boosting"),
    ("OxonFair", "boosting"),
    ("reweighing", "boosting"),
    ("plug-in rule", "boosting"),
    ("ThresholdOptimizer", "boosting"),
)
SHORT_TASKS = ("Adult / race", "Adult / sex", "MEPS / race")
NOT_RUN = "not run"


def tabulate(results):
    """Average over seeds."""
    keys = ["task", "method", "learner", "notion"]
    figures = ["accuracy", *NOTIONS.values(), "recall", "cost"]
    return results.groupby(keys, sort=False)[figures].mean().reset_index()


def show(value):
    """Write a figure between 0 and 1 with three digits."""
    return f"{value:.3f}".removeprefix("0")


def show_mean(values):
    """Write a mean and half the length of its interval, if there are seeds enough."""
    n, mean = len(values), show(np.mean(values))
    if n < LEAST_SEEDS:
        return mean
    half = t.ppf((1 + CONFIDENCE) / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n)
    return f"{mean} ± {show(half)}"


def make_rst(header, rows):
    """Write a table in reStructuredText."""
    columns = list(zip(header, *rows))
    widths = [max(map(len, column)) for column in columns]
    rule = "  ".join("=" * width for width in widths)
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
        for row in (header, *rows)
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


def select(results, notion):
    """Select what was run for a notion, or for none, in the order of the tables."""
    of_notion = results[results.notion.isin([ANY, notion])]
    order = of_notion.assign(
        method=of_notion.method.map(ORDER.index),
        learner=of_notion.learner.map(list(LEARNERS).index),
    ).sort_values(["method", "learner", "seed"])
    return of_notion.loc[order.index]


def list_tasks(results):
    """List the tasks that there are results of, those of a loader at the end."""
    found = list(results.task.unique())
    return sorted(found, key=[*TASKS, *found].index)


def name_row(method, learner, needs_attribute):
    """Name a row of a table, and mark what needs the attribute."""
    return f"{method}, {learner}{MARK if needs_attribute else ''}"


KEYS = ["method", "learner", "needs_attribute"]


def table_of_task(results, task, notion):
    """Write accuracy, gap, recall and seeds of all methods on one task."""
    rows, gap = select(results[results.task == task], notion), NOTIONS[notion]
    header = ["method", "accuracy", notion, "recall", "seeds"]
    cells = [
        [
            name_row(*key),
            *(show_mean(part[figure]) for figure in ("accuracy", gap, "recall")),
            str(len(part)),
        ]
        for key, part in rows.groupby(KEYS, sort=False)
    ]
    errors = [show(rows[f"{figure}_error"].mean()) for figure in ("accuracy", gap)]
    said = "What the test rows leave open, as a standard error: "
    said += f"{errors[0]} of the accuracy, {errors[1]} of the gap."
    return f".. rubric:: {task}\n\n{said}\n\n{make_rst(header, cells)}"


def tables_of_notion(results, notion):
    """Write a table for each task."""
    tasks = list_tasks(results)
    return "\n\n".join(table_of_task(results, task, notion) for task in tasks)


def table_of_costs(results):
    """Write the cost of methods for average odds in plain fits, the median of seeds."""
    tasks, rows = list_tasks(results), select(results, "average odds")
    cells = [
        [name_row(*key)]
        + [
            f"{part[part.task == task].cost.median():.1f}"
            if (part.task == task).any()
            else NOT_RUN
            for task in tasks
        ]
        for key, part in rows.groupby(KEYS, sort=False)
    ]
    return make_rst(["method", *tasks], cells)


def short_table(results, notion="average odds"):
    """Write a table of the most telling rows, with the real tasks side by side."""
    rows, gap = select(results, notion), NOTIONS[notion]
    cells = []
    for method, learner in SHORT:
        of_row = rows[(rows.method == method) & (rows.learner == learner)]
        cells.append([name_row(method, learner, of_row.needs_attribute.any())])
        for task in SHORT_TASKS:
            means = of_row[of_row.task == task][["accuracy", gap]].mean()
            is_run = means.notna().all()
            cells[-1].append(" / ".join(map(show, means)) if is_run else NOT_RUN)
    return make_rst(["accuracy / average odds", *SHORT_TASKS], cells)


def make_tables(results):
    """Make the contents of all files of tables."""
    tables = {
        "_peers_odds.inc": tables_of_notion(results, "average odds"),
        "_peers_parity.inc": tables_of_notion(results, "demographic parity"),
        "_peers_cost.inc": table_of_costs(results),
        "_peers_short.inc": short_table(results),
    }
    return {name: f"{text}\n" for name, text in tables.items()}


def write_tables(results, folder):
    """Write the tables."""
    for name, text in make_tables(results).items():
        (folder / name).write_text(text)
