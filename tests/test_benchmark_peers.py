"""The benchmark of other packages' mitigations: choice, resuming, tables."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
EVIDENCE = ROOT / "docs" / "evidence"


@pytest.fixture(scope="module", autouse=True)
def benchmarks():
    """Let the folder of the benchmarks be imported from."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield
    sys.path.remove(str(ROOT / "benchmarks"))


def make_rows(n_samples=4000):
    """Make rows of which every class has a half of each group."""
    from _peers.tasks import Rows

    codes = np.arange(n_samples)
    return Rows(codes[:, None].astype(np.float32), codes % 2, codes // 2 % 2)


def decide(rows, wrong):
    """Decide rightly but for a share of the positives of group 1, and one of group 0."""
    predicted = rows.y.copy()
    for group, share in enumerate(wrong):
        positives = np.flatnonzero((rows.y == 1) & (rows.groups == group))
        predicted[positives[: int(share * len(positives))]] = 0
    return predicted


@pytest.mark.parametrize(
    ("others", "chosen"),
    [
        pytest.param([(0.0, 0.3)], 0, id="wider gap"),
        pytest.param([(0.02, 0.1), (0.06, 0.06)], 2, id="fairest that is affordable"),
        pytest.param([(0.6, 0.6)], 0, id="more than two points of accuracy"),
    ],
)
def test_choice_on_training_rows(others, chosen):
    from _peers.protocol import choose, judge

    rows = make_rows()
    judged = [
        judge(decide(rows, wrong), rows, "average odds", float(i))
        for i, wrong in enumerate([(0.0, 0.1), *others])
    ]
    assert choose(judged, rows, "average odds") == chosen


def test_gaps_are_those_of_the_package():
    from _peers.protocol import measure

    from sklearn_bade.metrics import average_absolute_odds_difference

    rows = make_rows()
    predicted = decide(rows, (0.1, 0.4))
    figures = measure(predicted, rows)
    expected = average_absolute_odds_difference(
        rows.y, predicted, sensitive_features=rows.groups
    )
    assert figures["average_odds"] == pytest.approx(expected, abs=1e-5)
    assert figures["accuracy"] == pytest.approx((predicted == rows.y).mean(), abs=1e-5)


def test_half_of_the_training_rows_choose():
    from _peers.protocol import Workbench

    rows = make_rows()
    bench = Workbench(rows, rows.take(slice(10)), seed=0, memory=None)
    parts = bench.learning.X[:, 0], bench.judging.X[:, 0]
    assert np.array_equal(np.sort(np.concatenate(parts)), rows.X[:, 0])
    assert len(parts[0]) == len(parts[1])


def test_who_uses_a_part_pays_for_it():
    from _peers.protocol import Workbench

    rows, calls = make_rows(), []
    bench = Workbench(rows, rows.take(slice(10)), seed=0, memory=None)

    def make(bench, size):
        calls.append(size)
        return np.linalg.svd(np.random.default_rng(0).normal(size=(size, size)))

    first, second = (bench.time(lambda: bench.once(make, 300))[1] for _ in range(2))
    assert calls == [300]
    assert second >= bench.seconds(make, 300) > 0
    assert first >= bench.seconds(make, 300)


def test_weights_make_class_and_group_independent():
    from _peers.methods import make_independent

    rng = np.random.default_rng(0)
    rows = make_rows()
    rows = rows._replace(groups=(rng.uniform(size=len(rows.y)) < 0.2 + 0.5 * rows.y) * 1)
    weights = make_independent(rows)
    of_cell = np.bincount(rows.cells, weights).reshape(2, 2) / weights.sum()
    assert of_cell == pytest.approx(np.outer(of_cell.sum(axis=1), of_cell.sum(axis=0)))


def test_results_are_not_computed_again(tmp_path):
    from _peers.methods import list_methods
    from peers import KEY, keep, list_missing, read_results

    path = tmp_path / "peers.csv"
    methods = [m for m in list_methods() if m.name == "sklearn_bade"]
    notions = methods[0].notions
    before = list_missing(methods, notions, "table", 0, read_results(path))
    assert len(before) == len(methods) * len(notions)
    method, notion = before[0]
    keep(path, dict(zip(KEY, ("table", method.name, method.learner, notion, 0))))
    assert list_missing(methods, notions, "table", 0, read_results(path)) == before[1:]
    assert list_missing(methods, notions, "table", 1, read_results(path)) == before


def test_packages_that_are_not_here_are_named(monkeypatch, capsys):
    import peers
    from _peers.methods import list_methods

    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    kept = peers.keep_runnable(list_methods())
    assert all(method.package is None for method in kept)
    assert "Left out, as oxonfair is not installed: OxonFair" in capsys.readouterr().out


def test_table_of_a_user(tmp_path, monkeypatch):
    from _peers.tasks import load_task

    (tmp_path / "my_loans.py").write_text(
        "import numpy as np\n"
        "def load():\n"
        "    part = np.zeros((3, 2)), np.array(['no', 'yes', 'no']), np.array([*'BAB'])\n"
        "    return part, part\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    train, test = load_task("my_loans:load", 0)
    assert train.y.tolist() == [0, 1, 0]
    assert test.groups.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    "name", ["_peers_odds.inc", "_peers_parity.inc", "_peers_cost.inc", "_peers_short.inc"]
)
def test_figures_of_the_documentation_are_those_of_the_results(name):
    from _peers.tables import make_tables
    from peers import RESULTS

    assert (EVIDENCE / name).read_text() == make_tables(pd.read_csv(RESULTS))[name]


def test_the_table_of_the_readme_is_that_of_the_documentation():
    assert (EVIDENCE / "_peers_short.inc").read_text() in (ROOT / "README.rst").read_text()
