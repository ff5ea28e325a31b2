"""Groups that nobody recorded, or that were recorded of a few rows only.

Table "none" compares what learns without any attribute: distillation from an overfitted
teacher (Chai, Jang and Wang 2022), groups made of the errors of a shallow model, weights
for its errors (as JTT does) and for great losses (the chi-square ball of Hashimoto et al.
2018), beside the plain default network and debiasing that knows the attribute. Table
"some" gives the attribute of 1% to 100% of the rows, and compares what is done with the
others: nothing, proxies where they are sure (as FairDSR, arXiv:2307.13081), proxies
everywhere. The true attribute judges, and nothing else.

Rows are training rows of Adult and MEPS, and generated ones: for each seed, 6000 that
learn, and others that judge. Settings are chosen on a quarter of the rows that learn,
without the attribute. Constants were settled on `--settle`: rows of Adult that are never
drawn otherwise, and other seeds of the generator.
"""

import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from _common import load, make_net, make_parser, parse_arguments
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import t as student_t
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict, train_test_split
from sklearn.tree import DecisionTreeClassifier

from sklearn_bade import (
    BackdoorDebiasClassifier,
    BackdoorDebiasClassifierCV,
    DefaultNetClassifier,
)
from sklearn_bade.datasets import make_biased_classification
from sklearn_bade.metrics import average_absolute_odds_difference

GENERATED = "generated"
TASKS = ("Adult / sex", "MEPS / race", GENERATED)
MORE_TASKS = ("Adult / race",)
N_LEARN, N_JUDGE = 6000, 9000  # MEPS has fewer rows that judge
N_SETTLE = 8000  # rows of Adult that constants were settled on
SETTLING_SEED = 1000  # added to seeds of the generator for that
SHARES = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0)

# What the default rule of the package pays at most.
MOST_ACCURACY_LOST = 0.02
# A teacher of this size fits 99% of 6000 rows of MEPS.
TEACHER = {"hidden": (256, 256), "batch_size": 256, "max_epochs": 100}
# From mild to strong; not tuned.
TEMPERATURES = (1, 4, 16)
FACTORS = (2, 5, 20)
# Shares of the rows that the worst group has at least, see :func:`worst_case_weights`.
LEAST_SHARES = (0.8, 0.5, 0.2)
N_ROUNDS = 3
SLICE_DEPTH = 3
# How sure a proxy has to be. With .8 and .9, gaps of Adult widened more often.
SURE = 0.7
UNKNOWN, SURE_ONLY = "unknown rows without group", "sure proxies"
# Ways to treat rows of unknown group that are compared seed by seed.
COMPARED = (
    (f"{SURE_ONLY}, chosen", f"{UNKNOWN}, chosen"),
    (f"{SURE_ONLY}, chosen", f"{UNKNOWN}, strength 1"),
    (f"{UNKNOWN}, strength 1", f"{UNKNOWN}, chosen"),
)
FIGURES = ("accuracy", "odds", "control", "worst cell", "fair accuracy", "phi")


class Task(NamedTuple):
    """Rows that learn, and rows that judge; `fair` is None where nobody knows it."""

    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    judging: tuple
    fair: np.ndarray | None
    judging_share: float

    def judge(self, model, plain):
        """Compute the figures of a model.

        "control" is the gap of the plain network where it decides for class 1 as often as
        the model does: gaps narrow, too, where fewer are accepted.
        """
        X, y, groups = self.judging
        predicted = model.predict(X)
        score = plain.predict_proba(X)[:, 1]
        is_first = np.argsort(np.argsort(-score, kind="stable")) < predicted.sum()
        is_right = pd.Series(predicted == y)
        fair = np.full(len(y), np.nan) if self.fair is None else self.fair == predicted
        return {
            "accuracy": is_right.mean(),
            "odds": average_absolute_odds_difference(
                y, predicted, sensitive_features=groups
            ),
            "worst cell": is_right.groupby([y, groups]).mean().min(),
            "fair accuracy": fair.mean(),
            "control": average_absolute_odds_difference(
                y, is_first.astype(int), sensitive_features=groups
            ),
            "judging share": self.judging_share,
        }


def association(proxies, groups):
    """Compute the correlation of two binary attributes, without its sign."""
    first, second = (values == np.unique(values)[0] for values in (proxies, groups))
    return abs(np.corrcoef(first, second)[0, 1])


def read_task(name, seed, settle=False):
    """Draw rows of a task that learn and rows that judge."""
    if name == GENERATED:
        return generate(seed + SETTLING_SEED * settle)
    (X, y, groups), _ = load(name)
    rows = np.random.RandomState(0).permutation(len(y))
    if name.startswith("Adult"):
        rows = rows[:N_SETTLE] if settle else rows[N_SETTLE:]
    elif settle:
        raise ValueError("All rows of MEPS judge; settle constants on other data.")
    n_judge = min(N_JUDGE, len(rows) - N_LEARN)
    own, others = train_test_split(
        rows, train_size=N_LEARN, test_size=n_judge, stratify=y[rows], random_state=seed
    )
    groups = groups.astype(str)
    judging = X[others], y[others], groups[others]
    return Task(X[own], y[own], groups[own], judging, None, n_judge / len(rows))


def generate(seed):
    """Generate recorded decisions, and what they should have been."""
    X, y, fair = make_biased_classification(N_LEARN + N_JUDGE, random_state=seed)
    groups = X.pop("group").to_numpy(str)
    X, y, fair = X.to_numpy(np.float32), y.to_numpy(), fair.to_numpy()
    own, others = slice(N_LEARN), slice(N_LEARN, None)
    judging = X[others], y[others], groups[others]
    return Task(X[own], y[own], groups[own], judging, fair[others], 0.0)


def fit_plain(X, y, seed, weights=None):
    """Fit the network of estimator=None by itself."""
    return DefaultNetClassifier(random_state=seed).fit(X, y, sample_weight=weights)


def debias(X, y, groups, seed):
    """Debias by strength 1, and by what the default rule chooses.

    Returns
    -------
    models : dict
        "strength 1" and "chosen"; both have learned from the same rows with the same seed.
    """
    search = BackdoorDebiasClassifierCV(random_state=seed)
    search.fit(X, y, sensitive_features=groups)
    strength_1 = search.with_strength(1.0, base_rate="keep")
    return {"strength 1": strength_1, "chosen": search}


def choose_farthest(fit, settings, X, y, seed):
    """Choose the last setting that costs a quarter of the rows two points at most.

    Without the attribute nobody can see a gap, so that only the price can choose. ``fit(X,
    y)`` returns a function from a setting to a fitted model. If all cost more, the first.
    """
    own, others = train_test_split(
        np.arange(len(y)), test_size=0.25, stratify=y, random_state=seed
    )
    least = fit_plain(X[own], y[own], seed).score(X[others], y[others])
    least -= MOST_ACCURACY_LOST
    fit_setting, chosen = fit(X[own], y[own]), settings[0]
    for setting in settings:
        if fit_setting(setting).score(X[others], y[others]) >= least:
            chosen = setting
    print(f"    chosen of {settings}: {chosen}", flush=True)
    return fit(X, y)(chosen)


def distil(X, y, seed):
    """Teach a fresh default network the soft labels of a teacher that has overfitted."""

    def teach(X, y):
        torch.manual_seed(seed)
        teacher = make_net(X.shape[1], **TEACHER).fit(X, y)
        with torch.no_grad():
            logits = np.asarray(teacher.forward(X))
        margin = logits[:, 1] - logits[:, 0]
        print(f"    teacher fits {((margin > 0) == y).mean():.3f}", flush=True)
        both = np.concatenate([X, X]), np.repeat([0, 1], len(X))

        def learn(temperature):
            soft = expit(margin / temperature)
            return fit_plain(*both, seed, np.concatenate([1 - soft, soft]))

        return learn

    return choose_farthest(teach, TEMPERATURES, X, y, seed)


def find_errors(X, y):
    """Find the rows that a shallow model gets wrong which has not learned from them."""
    return cross_val_predict(LogisticRegression(max_iter=300), X, y, cv=5) != y


def find_slices(X, y):
    """Find the rows in whose part of the features a shallow model errs often."""
    errors = find_errors(X, y)
    tree = DecisionTreeClassifier(
        max_depth=SLICE_DEPTH, min_samples_leaf=0.02, random_state=0
    ).fit(X, errors)
    return tree.predict_proba(X)[:, 1] > errors.mean()


def lift_errors(X, y, seed):
    """Weigh the errors of a shallow model more, as JTT does."""

    def start(X, y):
        errors = find_errors(X, y)
        return lambda factor: fit_plain(X, y, seed, np.where(errors, float(factor), 1.0))

    return choose_farthest(start, FACTORS, X, y, seed)


def worst_case_weights(losses, least_share):
    """Find the weights in a chi-square ball under which the loss is greatest.

    The ball holds every group that has at least that share of the rows.
    """
    radius = (1 / least_share - 1) ** 2

    def weigh(cut):
        weights = np.maximum(losses - cut, 0)
        return weights / weights.mean()

    low = losses.min() - 1e3 * losses.std()
    high = np.quantile(losses, 0.999)
    if (weigh(high) ** 2).mean() - 1 < radius:
        return weigh(high)
    return weigh(brentq(lambda cut: (weigh(cut) ** 2).mean() - 1 - radius, low, high))


def lift_losses(X, y, seed):
    """Fit again and again by worst-case weights, which are averaged so that they settle."""

    def start(X, y):
        first = fit_plain(X, y, seed)

        def fit(least_share):
            model, weights = first, np.ones(len(y))
            for i in range(N_ROUNDS):
                proba = model.predict_proba(X)[np.arange(len(y)), y]
                new = worst_case_weights(-np.log(np.maximum(proba, 1e-6)), least_share)
                weights = (weights * (i + 1) + new) / (i + 2)
                model = fit_plain(X, y, seed, weights)
            return model

        return fit

    return choose_farthest(start, LEAST_SHARES, X, y, seed)


def compare_without(task, plain, seed):
    """Fit what needs no attribute, and what knows it; groups that are proxies, too."""
    X, y = task.X, task.y
    yield "plain", plain, None
    yield "overfitted teacher", distil(X, y, seed), None
    yield "errors weigh more", lift_errors(X, y, seed), None
    yield "losses weigh more", lift_losses(X, y, seed), None
    for name, find in (("errors", find_errors), ("slices", find_slices)):
        proxies = find(X, y)
        for how, model in debias(X, y, proxies, seed).items():
            yield f"groups of {name}, {how}", model, proxies
    for how, model in debias(X, y, task.groups, seed).items():
        yield f"attribute known, {how}", model, None


def judge_without(task, seed):
    """Judge what needs no attribute."""
    plain = fit_plain(task.X, task.y, seed)
    for name, model, proxies in compare_without(task, plain, seed):
        phi = np.nan if proxies is None else association(proxies, task.groups)
        yield {"model": name, **task.judge(model, plain), "phi": phi}


def draw_known(task, share, seed):
    """Draw the share of the rows whose attribute stays known."""
    order = np.random.RandomState(seed).permutation(len(task.y))
    known = np.zeros(len(order), dtype=bool)
    known[order[: round(share * len(order))]] = True
    return known


def guess_groups(task, known, seed):
    """Guess the group of each row by features and class, and how sure that is.

    Trees on resampled rows stand in for Monte Carlo dropout: where they disagree, the mean
    of what they say is near one half.
    """
    table = np.column_stack([task.X, task.y])
    forest = RandomForestClassifier(200, min_samples_leaf=5, random_state=seed)
    proba = forest.fit(table[known], task.groups[known]).predict_proba(table)
    guessed = forest.classes_[proba.argmax(axis=1)]
    return np.where(known, task.groups, guessed), np.where(known, 1, proba.max(axis=1))


def compare_partly(task, known, seed):
    """Debias with the attribute of some rows, in each way."""
    X, y = task.X, task.y

    def leave_out(groups, kept):
        return np.where(kept, groups, None)

    yield UNKNOWN, debias(X, y, leave_out(task.groups, known), seed)
    if known.all():
        return
    guessed, sure = guess_groups(task, known, seed)
    print(
        f"    sure {(sure[~known] >= SURE).mean():.3f}, of these right "
        f"{(guessed == task.groups)[~known & (sure >= SURE)].mean():.3f}, of all "
        f"{(guessed == task.groups)[~known].mean():.3f}",
        flush=True,
    )
    yield SURE_ONLY, debias(X, y, leave_out(guessed, sure >= SURE), seed)
    yield "all proxies", debias(X, y, guessed, seed)
    yield "known rows alone", debias(X[known], y[known], task.groups[known], seed)
    mixture = BackdoorDebiasClassifier(student="single", random_state=seed)
    mixture.fit(X, y, sensitive_features=leave_out(task.groups, known))
    yield "single student", {"strength 1": mixture}


def judge_partly(task, seed):
    """Judge what is done with rows of unknown group, by the share that is known."""
    plain = fit_plain(task.X, task.y, seed)
    yield {"share": 0.0, "model": "plain", **task.judge(plain, plain)}
    for share in SHARES:
        known = draw_known(task, share, seed)
        for name, models in compare_partly(task, known, seed):
            for how, model in models.items():
                line = {"share": share, "model": f"{name}, {how}"}
                yield line | task.judge(model, plain)


TABLES = {"none": judge_without, "some": judge_partly}


def interval(changes, judging_share):
    """Write the mean of changes, one per seed, and its 95% interval.

    Seeds of real data share rows: what they have in common widens the interval (Nadeau and
    Bengio 2003).
    """
    n_seeds, mean = len(changes), changes.mean()
    if n_seeds < 2:
        return show(mean)[0]
    spread = changes.std() * np.sqrt(1 / n_seeds + judging_share / (1 - judging_share))
    width = student_t.ppf(0.975, n_seeds - 1) * spread
    return "{} [{}, {}]".format(*show(mean, mean - width, mean + width))


def show(*values):
    """Write figures as the documentation does: no zero before the point."""
    texts = (f"{value + 0.0:.3f}".replace("0.", ".", 1) for value in values)
    return [text.replace("-.000", ".000") for text in texts]


def summarize(lines):
    """Write means, standard deviations over seeds, and intervals of the change of odds."""
    keys = [key for key in ("task", "share", "model") if key in lines]
    plain = lines[lines["model"] == "plain"].set_index(["task", "seed"])["odds"]
    lines = lines.join(plain.rename("plain odds"), on=["task", "seed"])
    for names, part in lines.groupby(keys, sort=False):
        row = dict(zip(keys, names))
        for figure in FIGURES:
            if figure in part and part[figure].notna().any():
                mean, spread = show(part[figure].mean(), part[figure].std())
                row[figure] = f"{mean} ({spread})" if len(part) > 1 else mean
        change = part["odds"] - part["plain odds"]
        yield row | {"change of odds": interval(change, part["judging share"].iloc[0])}


def compare_by_share(lines, first, second):
    """Write what one way to treat unknown rows changes beside another, by the share."""
    index, part = ["share", "seed"], lines[lines["share"].between(0, 1, "neither")]
    ways = [part[part["model"] == way].set_index(index) for way in (first, second)]
    for share in part["share"].unique():
        row = {"share": share}
        for figure in ("accuracy", "odds", "worst cell"):
            change = ways[0].loc[share, figure] - ways[1].loc[share, figure]
            row[figure] = interval(change, part["judging share"].iloc[0])
        yield row


def print_table(rows):
    """Print a table as reStructuredText."""
    table = pd.DataFrame(rows).fillna("").astype(str)
    cells = [list(map(str, table.columns)), *table.to_numpy().tolist()]
    widths = [max(map(len, column)) for column in zip(*cells)]
    rule = "  ".join("=" * width for width in widths)
    texts = ["  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in cells]
    print(rule, texts[0], rule, *texts[1:], rule, sep="\n", flush=True)


def print_tables(name, lines):
    """Print a table of each task; where shares differ, side by side, and ways compared."""
    for task, part in lines.groupby("task", sort=False):
        rows = pd.DataFrame(summarize(part))
        print(f"\n{name}: {task}, {part['seed'].nunique()} seeds\n")
        print_table(rows.drop(columns="task"))
        if "share" not in rows:
            continue
        for figure in ("accuracy", "odds", "worst cell"):
            by_share = rows.pivot(index="model", columns="share", values=figure)
            print(f"\n{figure}\n")
            print_table(by_share.loc[rows["model"].unique()].reset_index())
        for first, second in COMPARED:
            print(f"\n{first}, less {second}\n")
            print_table(compare_by_share(part, first, second))


def main():
    """Make the tables that were asked for."""
    parser = make_parser(__doc__)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--tasks", nargs="+", choices=TASKS + MORE_TASKS, default=TASKS)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--settle", action="store_true", help="use rows set aside")
    arguments = parse_arguments(parser)
    warnings.filterwarnings("ignore")  # faint signals are what much of this is about
    everything = []
    for name in arguments.tables:
        lines = []
        for task in arguments.tasks:
            for seed in range(arguments.seed, arguments.seed + arguments.repeat):
                print(f"  {name}: {task}, seed {seed}", flush=True)
                rows = read_task(task, seed, arguments.settle)
                where = {"table": name, "task": task, "seed": seed}
                lines += [where | line for line in TABLES[name](rows, seed)]
        print_tables(name, pd.DataFrame(lines))
        everything += lines
    if arguments.csv:  # of each seed, so that others can be added
        pd.DataFrame(everything).to_csv(arguments.csv, index=False)


if __name__ == "__main__":
    main()
