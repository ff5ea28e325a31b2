"""Figures of the guide to the defences: attacks, clean data, repairs and audits.

Each table has means over seeds, with their standard deviation; all of them take an hour
or so on one core. Settings were chosen with seeds 0 to 2 on parts of the training rows, so
that the default seeds are 3 to 5.
"""

from time import perf_counter

import numpy as np
import pandas as pd
import torch
from _common import make_parser, parse_arguments
from _poisoned import TRIGGERS, make_bed
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from torch.nn.functional import cross_entropy

from sklearn_bade.defenses import (
    ActivationGuidedEditor,
    DeconfoundedClassifier,
    DistanceDrivenDetoxifier,
    measure_relearning,
)
from sklearn_bade.inspection import audit_backdoor
from sklearn_bade.nets import copy_net
from sklearn_bade.preprocessing import make_default_preprocessing

PAPER = {
    "starts": ["random"],
    "penalty": 10,
    "eps": 0.1,
    "soft_targets": 0,
    "augment": False,
    "match_class_shares": False,
    "epochs": 100,
    "batch_size": 256,
}
REPAIRED = ("Adult", "MEPS", "digits", "digit images")
CLEAN_RUNS, AUDITED_RUNS = 10, 3
FINE_TUNING_EPOCHS, RETRAINING_STEPS, BATCH = 50, 1000, 32
EDITED_ROWS, REPAIR_EPOCHS = 100, 50
AUDITED_ROWS = 3000
FIGURES = ["accuracy", "balanced", "success"]


def attacks_of(names):
    """List data and attacks."""
    return [(data, attack) for data in names for attack in TRIGGERS[data]]


def isolation(seeds, options=None, attacks=None):
    """Fit with and without poison, and with CBD."""
    for data, attack in attacks or attacks_of(TRIGGERS):
        for seed in seeds:
            bed = make_bed(data, attack, seed, **(options or {}))
            start = perf_counter()
            plain = bed.fit(bed.poisoned, seed)
            once = perf_counter() - start
            start = perf_counter()
            own = DeconfoundedClassifier(bed.estimator, random_state=seed)
            own.fit(*bed.poisoned)
            cost = (perf_counter() - start) / once
            where = {"data": data, "attack": attack}
            yield where | {"model": "none"} | figures(bed, plain)
            unpoisoned = bed.fit(bed.trained, seed)
            yield where | {"model": "no poison"} | figures(bed, unpoisoned)
            removed = int((own.sample_weight_ == 0).sum())
            counts = {"removed": removed, "plain fits": cost}
            yield where | {"model": "CBD"} | figures(bed, own) | counts


def paper_weights(seeds):
    """Fit with the paper's weights of CBD."""
    for data, attack in [("Adult", "out of range"), *attacks_of(["digits"])]:
        for seed in seeds:
            bed = make_bed(data, attack, seed)
            paper = DeconfoundedClassifier(
                bed.estimator, weighting="paper", random_state=seed
            ).fit(*bed.poisoned)
            where = {"data": data, "attack": attack, "model": "CBD, paper"}
            yield where | figures(bed, paper)


def limits(seeds):
    """Try CBD on what it is not made for: few poisoned rows, and right labels."""
    few = [("Adult", "two ordinary values"), ("MEPS", "a rare value")]
    few += [("digits", "a patch"), ("digits", "a blend")]
    for line in isolation(seeds, {"rate": 0.01}, few):
        yield line | {"attack": f"{line['attack']}, 1%"}
    for line in isolation(seeds, {"clean_label": True, "rate": 0.05}, few[1:]):
        yield line | {"attack": f"{line['attack']}, right labels"}


def clean(seeds):
    """Fit CBD on data without poison."""
    for data in ("Adult", "MEPS", "generated", "digits"):
        attack = next(iter(TRIGGERS[data]))
        for seed in range(min(seeds), min(seeds) + CLEAN_RUNS):
            bed = make_bed(data, attack, seed)
            plain = bed.fit(bed.trained, seed)
            start = perf_counter()
            own = DeconfoundedClassifier(bed.estimator, random_state=seed)
            own.fit(*bed.trained)
            before, after = bed.figures(plain)[0], bed.figures(own)[0]
            yield {
                "data": data,
                "alarms": float(own.backdoor_found_),
                "accuracy lost": before - after,
                "seconds": perf_counter() - start,
            }


def fine_tune(model, X, y, seed):
    """Train a network on, on the clean rows."""
    steps, net = (model[:-1], model[-1]) if isinstance(model, Pipeline) else (None, model)
    tuned = copy_net(net)
    features = X if steps is None else steps.transform(X)
    features, y = torch.from_numpy(np.asarray(features)), torch.from_numpy(y)
    optimizer = torch.optim.Adam(tuned.module_.parameters(), lr=net.lr)
    torch.manual_seed(seed)
    tuned.module_.train()
    for _ in range(FINE_TUNING_EPOCHS):
        for rows in torch.randperm(len(y)).split(BATCH):
            optimizer.zero_grad()
            cross_entropy(tuned.module_(features[rows]), y[rows]).backward()
            optimizer.step()
    tuned.module_.eval()
    return tuned if steps is None else Pipeline([*steps.steps, ("net", tuned)])


def retrain(plain, X, y, seed):
    """Train new weights on the clean rows alone, behind the same encoding."""
    steps, net = (plain[:-1], plain[-1]) if isinstance(plain, Pipeline) else (None, plain)
    epochs = RETRAINING_STEPS // (len(y) // BATCH)
    again = clone(net).set_params(batch_size=BATCH, max_epochs=epochs)
    torch.manual_seed(seed)
    again.fit(X if steps is None else steps.transform(X), y)
    return again if steps is None else Pipeline([*steps.steps, ("net", again)])


def list_repairs(bed, plain, seed):
    """List what can be done with a poisoned network and 200 clean rows."""
    frozen, rows = FrozenEstimator(plain), bed.clean
    few = tuple(part[:EDITED_ROWS] for part in rows)

    def detoxify(**settings):
        return DistanceDrivenDetoxifier(frozen, random_state=seed, **settings).fit(*rows)

    def edit(*data, **settings):
        return ActivationGuidedEditor(frozen, random_state=seed, **settings).fit(*data)

    return {
        "none": lambda: plain,
        "fine-tuning": lambda: fine_tune(plain, *rows, seed),
        "retraining": lambda: retrain(plain, *rows, seed),
        "D3": detoxify,
        "D3, paper": lambda: detoxify(**PAPER),
        "editor, trigger known": lambda: edit(few[0], trigger=bed.trigger),
        "editor, trigger unknown": lambda: edit(*few, repair_epochs=REPAIR_EPOCHS),
    }


def repairs(seeds):
    """Repair networks with 200 clean rows."""
    for data in REPAIRED:
        for attack in list(TRIGGERS[data])[:2]:
            for seed in seeds:
                bed = make_bed(data, attack, seed)
                plain = bed.fit(bed.poisoned, seed)
                for name, fit in list_repairs(bed, plain, seed).items():
                    where = {"data": data, "attack": attack, "model": name}
                    yield where | figures(bed, fit())


def relearning(seeds):
    """Train repaired networks on, with a few poisoned rows."""
    for data, attack in [("MEPS", "out of range"), ("digits", "a patch")]:
        for seed in seeds:
            bed = make_bed(data, attack, seed, n_clean=600)
            plain = FrozenEstimator(bed.fit(bed.poisoned, seed))
            rows = tuple(part[:200] for part in bed.clean)
            repaired = {
                "none": plain,
                "D3": DistanceDrivenDetoxifier(plain, random_state=seed).fit(*rows),
                "editor": ActivationGuidedEditor(plain, trigger=bed.trigger).fit(rows[0]),
            }
            for name, model in repaired.items():
                table = measure_relearning(
                    model,
                    bed.clean[0][200:],
                    bed.clean[1][200:],
                    trigger=bed.trigger,
                    target_class=bed.target,
                )
                for line in table.to_dict("records"):
                    yield {"data": data, "model": name} | line


MODELS = {
    "network": None,
    "boosting": lambda seed: HistGradientBoostingClassifier(random_state=seed),
    "forest": lambda seed: RandomForestClassifier(50, random_state=seed),
    "logistic": lambda seed: LogisticRegression(max_iter=300),
}


def fit_audited(kind, bed, data, seed):
    """Fit a classifier of one kind."""
    if MODELS[kind] is None:
        return bed.fit(data, seed)
    model = MODELS[kind](seed)
    if hasattr(data[0], "columns"):
        model = Pipeline([("encode", make_default_preprocessing()), ("model", model)])
    return model.fit(*data)


def audits(seeds):
    """Audit classifiers without a backdoor."""
    for kind in MODELS:
        for data in ("Adult", "MEPS", "generated", "digits"):
            attack = next(iter(TRIGGERS[data]))
            for seed in range(min(seeds), min(seeds) + AUDITED_RUNS):
                bed = make_bed(data, attack, seed)
                model = fit_audited(kind, bed, bed.trained, seed)
                X, y = (part[:AUDITED_ROWS] for part in bed.test)
                audit = audit_backdoor(model, X, y, random_state=seed)
                flagged = float(len(audit.flagged) > 0)
                yield {"data": data, "model": kind, "flagged": flagged}


def power(seeds):
    """Audit classifiers with a backdoor, with and without its trigger."""
    for data, attack in [
        ("Adult", "two ordinary values"),
        ("MEPS", "out of range"),
        ("digits", "a patch"),
    ]:
        for rate in (0.002, 0.005, 0.01, 0.02, 0.05):
            for seed in seeds:
                bed = make_bed(data, attack, seed, rate=rate)
                model = bed.fit(bed.poisoned, seed)
                X, y = (part[:AUDITED_ROWS] for part in bed.test)
                triggers = {"known": bed.trigger}
                audit = audit_backdoor(model, X, y, triggers=triggers, random_state=seed)
                found = audit.flagged["trigger"]
                yield {
                    "data": data,
                    "attack": attack,
                    "rate": rate,
                    "success": bed.figures(model)[2],
                    "with trigger": float((found == "known").any()),
                    "without": float((found != "known").any()),
                }


def figures(bed, model):
    """Name the figures of a model."""
    return dict(zip(FIGURES, bed.figures(model)))


TABLES = {
    "isolation": isolation,
    "paper weights": paper_weights,
    "limits": limits,
    "clean": clean,
    "repairs": repairs,
    "relearning": relearning,
    "audits": audits,
    "power": power,
}


def summarize(lines):
    """Compute means and standard deviations over seeds."""
    table = pd.DataFrame(lines)
    keys = [c for c in ("data", "attack", "model", "rate", "n_poisoned") if c in table]
    groups = table.groupby(keys, sort=False)
    spread = groups.std(ddof=0).add_suffix(" sd")
    return groups.mean().join(spread).join(groups.size().rename("runs")).reset_index()


def main():
    """Make the tables that were asked for."""
    parser = make_parser(__doc__)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--seed", type=int, default=3, help="the first seed")
    arguments = parse_arguments(parser)
    seeds = range(arguments.seed, arguments.seed + arguments.repeat)
    tables = []
    for name in arguments.tables:
        table = summarize(list(TABLES[name](seeds)))
        print(f"\n{name}\n{table.round(4).to_string(index=False)}", flush=True)
        tables.append(table.assign(table=name))
    if arguments.csv:
        pd.concat(tables).to_csv(arguments.csv, index=False)


if __name__ == "__main__":
    main()
