"""Generated biographies: gaps, accuracy, cost and memory of debiasing on texts.

Pronouns and names are scrubbed. Contenders are the plain pipeline, the same on weights that
make group and class independent ("reweighed"), strength 0, and what the search chooses by
default and for a balanced population. They are judged on texts as biased as those of the
training, and on unbiased ones; gaps are those in recall, their mean and their widest over
the classes.
"""

import time
import warnings

import numpy as np
import torch
from _common import (
    cell_codes,
    in_new_process,
    make_parser,
    parse_arguments,
    peak_bytes,
    report,
    summarize,
)
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_bade import BackdoorDebiasClassifier, BackdoorDebiasClassifierCV
from sklearn_bade.datasets import make_biased_biographies
from sklearn_bade.exceptions import DebiasWarning
from sklearn_bade.metrics import equal_opportunity_difference
from sklearn_bade.nets import make_adam_net

KINDS = ["words", "bag"]
# Ids that the bag knows, and tokens of a text that it reads.
N_IDS, LENGTH = 3000, 64
SPARSE_SHAPE, WORDS_OF_A_TEXT = (200_000, 50_000), 100


class WordIds(TransformerMixin, BaseEstimator):
    """Number the words of texts, and fill these up to one length by zeros."""

    def fit(self, X, y=None):
        """Learn which words occur five times."""
        self.words_ = CountVectorizer(min_df=5, max_features=N_IDS - 1).fit(X)
        return self

    def transform(self, X):
        """Look words up."""
        find, known = self.words_.build_analyzer(), self.words_.vocabulary_
        rows = np.zeros((len(X), LENGTH), dtype=np.int64)
        for row, text in zip(rows, X):
            ids = [known[word] + 1 for word in find(text) if word in known][:LENGTH]
            row[: len(ids)] = ids
        return rows


class Bag(torch.nn.Module):
    """The mean of the embeddings of words, and a linear layer."""

    def __init__(self, n_classes):
        super().__init__()
        self.embedding = torch.nn.EmbeddingBag(N_IDS, 32, padding_idx=0)
        self.out = torch.nn.Linear(32, n_classes)

    def forward(self, X):
        """Compute logits."""
        return self.out(self.embedding(X))


def make_pipeline_of(kind, n_classes):
    """Make a pipeline of words and logistic regression, or of ids and a bag."""
    if kind == "words":
        return make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000))
    net = make_adam_net(
        Bag, module__n_classes=n_classes, lr=0.01, max_epochs=15, batch_size=64
    )
    return make_pipeline(WordIds(), net)


def draw(n_texts, n_classes, bias, seed):
    """Draw texts to train on, biased ones to judge by, and unbiased ones."""
    X, X_fair, y, y_fair, gender, gender_fair = make_biased_biographies(
        n_texts, n_classes=n_classes, bias=bias, scrub=True, random_state=seed
    )
    parts = train_test_split(X, y, gender, test_size=0.3, stratify=y, random_state=seed)
    X, X_biased, y, y_biased, gender, gender_biased = parts
    judged = {
        "biased": (X_biased, y_biased, gender_biased),
        "unbiased": (X_fair, y_fair, gender_fair),
    }
    return (X, y, gender), judged


def fit_plain(pipeline, X, codes, weights=None):
    """Fit a pipeline as it is; return it and the time that it took."""
    start = time.perf_counter()
    options = {} if weights is None else {"logisticregression__sample_weight": weights}
    torch.manual_seed(0)
    fitted = clone(pipeline).fit(X, codes, **options)
    return fitted, time.perf_counter() - start


def fit_all(kind, X, y, gender, seed):
    """Fit the contenders; return them, and the cost of the search in plain fits."""
    classes, codes = np.unique(y, return_inverse=True)
    pipeline = make_pipeline_of(kind, len(classes))
    plain, plain_time = fit_plain(pipeline, X, codes)
    start = time.perf_counter()
    search = BackdoorDebiasClassifierCV(pipeline, random_state=seed)
    search.fit(X, y, sensitive_features=gender)
    cost = (time.perf_counter() - start) / plain_time
    balanced = clone(search).set_params(population="balanced")
    models = {"plain": lambda X: classes[plain.predict(X)]}
    if kind == "words":
        cells = cell_codes(codes, gender)
        shares = np.bincount(codes)[codes] / np.bincount(cells)[cells]
        reweighed, _ = fit_plain(pipeline, X, codes, shares)
        models["reweighed"] = lambda X: classes[reweighed.predict(X)]
    models |= {
        "strength 0": search.with_strength(0.0).predict,
        "chosen": search.predict,
        "balanced population": balanced.fit(X, y, sensitive_features=gender).predict,
    }
    return models, cost, np.mean(search.best_strength_)


def measure(kind, n_texts, n_classes, bias, seed):
    """Measure all contenders on one draw of texts."""
    train, judged = draw(n_texts, n_classes, bias, seed)
    models, cost, strength = fit_all(kind, *train, seed)
    figures = {"strength": strength, "cost in plain fits": cost}
    for name, predict in models.items():
        for test, (X, y, gender) in judged.items():
            predicted = predict(X)
            figures[f"{name}: {test}, accuracy"] = (predicted == y).mean()
            for how in ("mean", "worst"):
                figures[f"{name}: {test}, {how} gap"] = equal_opportunity_difference(
                    y, predicted, sensitive_features=gender, multiclass=how
                )
    return figures


def measure_memory():
    """Fit sparse rows; return the peak above what was held before, over their size."""
    fit_sparse(*make_sparse(1000))  # what libraries allocate once
    X, *rest = make_sparse(SPARSE_SHAPE[0])
    before = peak_bytes()
    fit_sparse(X, *rest)
    n_bytes = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
    return (peak_bytes() - before) / n_bytes


def make_sparse(n_rows):
    """Draw rows of which two words say something of the class and of the group."""
    rng = np.random.default_rng(0)
    groups = rng.integers(2, size=n_rows)
    y = (rng.uniform(size=n_rows) < np.where(groups, 0.6, 0.4)).astype(int)
    words = np.empty((n_rows, WORDS_OF_A_TEXT), dtype=np.int32)
    for row in words:
        row[:] = rng.zipf(1.3, size=WORDS_OF_A_TEXT) % (SPARSE_SHAPE[1] - 4) + 4
    words[:, 0] = np.where(rng.uniform(size=n_rows) < 0.7, y, 1 - y)
    words[:, 1] = 2 + np.where(rng.uniform(size=n_rows) < 0.7, groups, 1 - groups)
    ends = np.arange(0, words.size + 1, WORDS_OF_A_TEXT, dtype=np.int32)
    values = np.full(words.size, 0.1)
    return csr_matrix((values, words.ravel(), ends), (n_rows, SPARSE_SHAPE[1])), y, groups


def fit_sparse(X, y, groups):
    """Fit a debiased logistic regression."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clf = BackdoorDebiasClassifier(LogisticRegression(max_iter=30), random_state=0)
        clf.fit(X, y, sensitive_features=groups)


def main():
    """Measure biographies of 5 and of 28 occupations, and memory on sparse rows."""
    parser = make_parser(__doc__)
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--kind", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--texts", type=int, default=6000)
    parser.add_argument("--classes", type=int, default=5)
    parser.add_argument("--bias", type=float, default=0.8)
    parser.add_argument("--memory", action="store_true", help="only the memory")
    arguments = parse_arguments(parser)
    warnings.simplefilter("ignore", DebiasWarning)
    rows = []
    if arguments.memory:
        ratio = in_new_process(measure_memory)
        rows.append(
            {"what": "peak memory above sparse rows, over their size", "mean": ratio}
        )
    for kind in [] if arguments.memory else arguments.kind:
        sizes = arguments.texts, arguments.classes, arguments.bias
        seeds = range(arguments.seed, arguments.seed + arguments.repeat)
        draws = [measure(kind, *sizes, seed) for seed in seeds]
        rows += summarize(f"{kind}, {arguments.classes} classes: ", draws)
    report(rows, arguments.csv)


if __name__ == "__main__":
    main()
