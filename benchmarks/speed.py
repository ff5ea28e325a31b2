"""Times on Adult over those of one plain fit of the same classifier."""

import warnings
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import torch
from _common import load, make_net, make_parser, parse_arguments, ratios, report
from fairlearn.adversarial import AdversarialFairnessClassifier
from fairlearn.reductions import EqualizedOdds, ExponentiatedGradient
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV

N_PREDICTED = 1_000_000


def fit_bare_loop(X, y):
    """Train the papers' network in the plainest torch loop there is."""
    net = make_net(X.shape[1])
    module = net.initialize().module_
    optimizer = torch.optim.Adam(module.parameters(), lr=net.lr)
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    for _ in range(net.max_epochs):
        for rows in torch.randperm(len(X)).split(net.batch_size):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(module(X[rows]), y[rows]).backward()
            optimizer.step()
    return module


def fit_grid(X, y, sensitive):
    """Search 8 strengths in 3 folds, one teacher per fold."""
    strengths = np.linspace(0, 3, 8).tolist()
    with TemporaryDirectory() as memory:
        clf = BackdoorDebiasClassifier(make_net(X.shape[1]), random_state=0, memory=memory)
        search = GridSearchCV(clf, {"trigger_strength": strengths}, cv=3)
        return search.fit(X, y, sensitive_features=sensitive)


def fit_adversarial(X, y, sensitive):
    """Train fairlearn's adversarial network of the same size."""
    clf = AdversarialFairnessClassifier(
        backend="torch",
        predictor_model=[128, 256, 512],
        adversary_model=[],
        epochs=10,
        batch_size=128,
        constraints="equalized_odds",
        random_state=0,
    )
    return clf.fit(X, y, sensitive_features=sensitive)


def fit_contenders(X, y, sensitive):
    """Name what is fitted; the first one is the measure of the others."""
    net = make_net(X.shape[1])
    debiaser = BackdoorDebiasClassifier(net, random_state=0)
    search = BackdoorDebiasClassifierCV(net, max_accuracy_loss=0.01, random_state=0)
    reduction = ExponentiatedGradient(LogisticRegression(max_iter=1000), EqualizedOdds())
    return {
        "plain skorch fit": lambda: clone(net).fit(X, y),
        "bare torch loop": lambda: fit_bare_loop(X, y),
        "debiased fit": lambda: clone(debiaser).fit(X, y, sensitive_features=sensitive),
        "search along the path": lambda: search.fit(X, y, sensitive_features=sensitive),
        "GridSearchCV, memory": lambda: fit_grid(X, y, sensitive),
        "ExponentiatedGradient": lambda: reduction.fit(X, y, sensitive_features=sensitive),
        "adversarial (fairlearn)": lambda: fit_adversarial(X, y, sensitive),
    }


def fit_others(classifier, X, y, sensitive):
    """Name the fits of another classifier; the plain one is the measure."""
    debiaser = BackdoorDebiasClassifier(classifier, random_state=0)
    search = BackdoorDebiasClassifierCV(classifier, random_state=0)
    return {
        f"plain {type(classifier).__name__}": lambda: clone(classifier).fit(X, y),
        "debiased fit": lambda: clone(debiaser).fit(X, y, sensitive_features=sensitive),
        "search (5 folds)": lambda: search.fit(X, y, sensitive_features=sensitive),
    }


def predict_others(classifier, X, y, sensitive):
    """Name what predicts; the plain classifier is the measure."""
    plain = clone(classifier).fit(X, y)
    debiased = BackdoorDebiasClassifier(classifier, random_state=0)
    debiased.fit(X, y, sensitive_features=sensitive)
    return {
        "plain predict_proba": lambda: plain.predict_proba(X),
        "debiased predict_proba": lambda: debiased.predict_proba(X),
    }


OTHERS = (
    HistGradientBoostingClassifier(random_state=0),
    LogisticRegression(max_iter=1000),
)


def forward(module, X):
    """Compute probabilities in batches and nothing else."""
    with torch.no_grad():
        batches = torch.from_numpy(X).split(8192)
        return torch.cat([torch.softmax(module(rows), dim=1) for rows in batches]).numpy()


def predict_contenders(X, y, sensitive):
    """Name what predicts a million rows; the first one is the measure of the others."""
    rows = np.resize(X, (N_PREDICTED, X.shape[1]))
    short = make_net(X.shape[1]).set_params(max_epochs=1)
    plain = clone(short).fit(X, y)
    debiased = BackdoorDebiasClassifier(short).fit(X, y, sensitive_features=sensitive)
    return {
        "bare forward": lambda: forward(debiased.student_.base.module_, rows),
        "debiased predict_proba": lambda: debiased.predict_proba(rows),
        "plain skorch predict_proba": lambda: plain.predict_proba(rows),
    }


def measure(contenders, n_rounds):
    """Let contenders alternate, and return the seconds of each."""
    seconds = {name: [] for name in contenders}
    for round_number in range(n_rounds):
        for name, run in contenders.items():
            torch.manual_seed(round_number)
            start = perf_counter()
            run()
            seconds[name].append(perf_counter() - start)
        print(f"  round {round_number + 1} of {n_rounds}", flush=True)
    return seconds


def main():
    """Measure fits, then predictions."""
    parser = make_parser(__doc__)
    parser.set_defaults(repeat=5)
    parser.add_argument("--only", nargs="+", help="contenders to fit beside the plain net")
    arguments = parse_arguments(parser)
    warnings.filterwarnings("ignore")  # peers' solvers complain; times are all we want
    (X, y, sensitive), _ = load("Adult / race")
    contenders = fit_contenders(X, y, sensitive)
    if arguments.only:
        kept = ["plain skorch fit", *arguments.only]
        contenders = {name: contenders[name] for name in kept}
    fits = measure(contenders, arguments.repeat)
    table = ratios(fits)
    table += ratios(measure(predict_contenders(X, y, sensitive), arguments.repeat))
    for classifier in OTHERS:
        for name_contenders in (fit_others, predict_others):
            contenders = name_contenders(classifier, X, y, sensitive)
            table += ratios(measure(contenders, arguments.repeat))
    report(table, arguments.csv)


if __name__ == "__main__":
    main()
