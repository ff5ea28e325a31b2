import numpy as np
import pytest
from fairlearn.postprocessing import ThresholdOptimizer
from sklearn.linear_model import LogisticRegression

from sklearn_bade.inspection._reference import (
    apply_multipliers,
    attribute_aware_front,
    closed_form_front,
    judge_decisions,
)


def make_cells(n_samples=300, seed=0):
    """Make chances of cells, and rows that are drawn by them."""
    rng = np.random.default_rng(seed)
    cells = rng.dirichlet([0.6, 0.3, 0.4, 0.5], size=n_samples)
    drawn = (rng.uniform(size=(n_samples, 1)) > np.cumsum(cells, axis=1)).sum(axis=1)
    return cells.reshape(-1, 2, 2), drawn // 2, drawn % 2


def make_scores(n_samples=2000, n_groups=2, seed=0):
    """Make scores that tell the classes of some groups better than of others."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(n_groups, size=n_samples)
    y = (rng.uniform(size=n_samples) < 0.3 + 0.3 * groups / n_groups).astype(int)
    score = rng.normal(size=n_samples) + y * (0.5 + groups) + 0.4 * groups
    return score, y, groups


def make_known_case():
    """Make two groups of which one is mostly of class 1, the other of class 0.

    A signal is right for three rows of four, in every cell. Going by the group is right for
    nine of ten, and treats the groups as differently as can be.
    """
    counts = {(0, 1, 1): 54, (0, 1, 0): 18, (0, 0, 1): 2, (0, 0, 0): 6}
    counts |= {(1, 1, 1): 6, (1, 1, 0): 2, (1, 0, 1): 18, (1, 0, 0): 54}
    rows = [key for key, count in counts.items() for _ in range(count)]
    groups, y, signal = np.array(rows).T
    kinds = 2 * groups + signal
    rate = np.array([y[kinds == kind].mean() for kind in range(4)])[kinds]
    cells = np.zeros((len(y), 2, 2))
    cells[np.arange(len(y)), 1, groups] = rate
    cells[np.arange(len(y)), 0, groups] = 1 - rate
    return cells, y, groups


def judge_naively(decided, y, groups, weights):
    """Compute accuracy and average odds row by row."""
    hits, gaps = 0.0, []
    for i in range(len(y)):
        hits += weights[i] * (decided[i] if y[i] else 1 - decided[i])
    for k in (0, 1):
        rates = []
        for group in sorted(set(groups)):
            member = [i for i in range(len(y)) if y[i] == k and groups[i] == group]
            ones = sum(weights[i] * decided[i] for i in member)
            rates.append(ones / sum(weights[i] for i in member))
        gaps.append(max(rates) - min(rates))
    return hits / sum(weights), sum(gaps) / 2


def decide_naively(multipliers, cells, y, groups, weights):
    """Apply the rule row by row, as it is written down."""
    total = sum(weights)
    shares = {
        (k, g): sum(w for w, *cell in zip(weights, y, groups) if cell == [k, g]) / total
        for k in (0, 1)
        for g in (0, 1)
    }
    decided = []
    for cell in cells:
        taken = sum(
            multipliers[k] * (cell[k, 1] / shares[k, 1] - cell[k, 0] / shares[k, 0])
            for k in (0, 1)
        )
        decided.append(cell[1, 0] + cell[1, 1] - 0.5 > taken)
    return np.array(decided)


def roc_naively(score, y, weights):
    """Compute rates of false and true positives at every threshold."""
    points = []
    for threshold in [np.inf, *score]:
        chosen = score >= threshold
        points.append(
            tuple(
                (weights * chosen * (y == k)).sum() / weights[y == k].sum() for k in (0, 1)
            )
        )
    return points


def best_naively(points, false):
    """Find the most true positives of two thresholds, drawn from at random."""
    most = 0.0
    for a in points:
        for b in points:
            if a[0] <= false <= b[0]:
                part = (false - a[0]) / (b[0] - a[0]) if b[0] > a[0] else 0.0
                most = max(most, a[1] + part * (b[1] - a[1]))
    return most


def assert_front(accuracy, disparity):
    assert (np.diff(accuracy) > 0).all()
    assert (np.diff(disparity) > 0).all()


@pytest.mark.parametrize("is_weighted", [False, True])
def test_figures_equal_a_naive_reference(is_weighted):
    rng = np.random.default_rng(0)
    y, groups = rng.integers(2, size=60), rng.integers(3, size=60)
    decided = rng.uniform(size=(4, 60))
    weights = rng.integers(1, 4, size=(2, 60)) if is_weighted else np.ones((2, 60))
    accuracy, disparity = judge_decisions(decided, y, groups, weights)
    for i in range(4):
        for j in range(2):
            expected = judge_naively(decided[i], y, groups, weights[j])
            assert (accuracy[i, j], disparity[i, j]) == pytest.approx(expected)


class TestClosedForm:
    @pytest.mark.parametrize("is_weighted", [False, True])
    def test_points_are_what_the_rule_makes_of_their_multipliers(self, is_weighted):
        cells, y, groups = make_cells(150)
        weights = np.random.default_rng(1).uniform(0.5, 2, size=150)
        given = weights if is_weighted else None
        weights = weights if is_weighted else np.ones(150)
        *front, multipliers = closed_form_front(
            cells, y, groups, given, 9, return_multipliers=True
        )
        assert_front(*front)
        decided = apply_multipliers(multipliers, cells, y, groups, given)
        for i, pair in enumerate(multipliers):
            expected = decide_naively(pair, cells, y, groups, weights)
            np.testing.assert_array_equal(decided[i], expected)
            figures = judge_naively(expected, y, groups, weights)
            assert (front[0][i], front[1][i]) == pytest.approx(figures)

    def test_no_pair_of_multipliers_is_much_better(self):
        cells, y, groups = make_cells()
        *front, multipliers = closed_form_front(cells, y, groups, return_multipliers=True)
        widest = 2 * np.abs(multipliers).max(axis=0)
        drawn = np.random.default_rng(2).uniform(-widest, widest, size=(200, 2))
        tried = np.array(
            [
                judge_naively(
                    decide_naively(pair, cells, y, groups, [1] * 300),
                    y,
                    groups,
                    [1] * 300,
                )
                for pair in drawn
            ]
        )
        for price in (0.5, 1.0, 2.0):
            best = (front[0] - price * front[1]).max()
            assert best > (tried[:, 0] - price * tried[:, 1]).max() - 0.005

    def test_multipliers_of_both_signs_are_tried(self):
        cells, y, groups = make_cells()
        *front, multipliers = closed_form_front(cells, y, groups, return_multipliers=True)
        assert (multipliers > 0).any(axis=0).all()
        assert (multipliers < 0).any(axis=0).all()
        swapped = closed_form_front(cells[:, :, ::-1], y, 1 - groups)
        for ours, theirs in zip(front, swapped):
            np.testing.assert_allclose(ours, theirs, atol=1e-12)

    def test_a_case_that_is_known(self):
        accuracy, disparity = closed_form_front(*make_known_case())
        assert_front(accuracy, disparity)
        assert (accuracy[0], disparity[0]) == pytest.approx((0.75, 0))
        assert (accuracy[-1], disparity[-1]) == pytest.approx((0.9, 1))

    def test_refinement_gains_on_a_coarse_grid(self):
        cells, y, groups = make_cells(2000)
        coarse = closed_form_front(cells, y, groups, n_multipliers=5)
        fine = closed_form_front(cells, y, groups, n_multipliers=41)
        best = [(accuracy - disparity).max() for accuracy, disparity in (coarse, fine)]
        assert best[0] == pytest.approx(best[1], abs=0.005)

    def test_features_that_say_little_of_the_group_need_great_multipliers(self):
        rng = np.random.default_rng(0)
        rate, signal = rng.uniform(0.1, 0.9, size=4000), rng.normal(size=4000)
        share = np.stack([0.5 - 0.002 * signal, 0.5 + 0.002 * signal], axis=1)
        cells = np.stack([1 - rate, rate], axis=1)[:, :, None] * share[:, None]
        y = (rng.uniform(size=4000) < rate).astype(int)
        groups = (rng.uniform(size=4000) < 0.5 + 0.2 * np.tanh(signal)).astype(int)
        *_, multipliers = closed_form_front(cells, y, groups, return_multipliers=True)
        assert np.abs(multipliers).max() > 10

    def test_best_multipliers_may_lie_on_a_narrow_ridge(self):
        # A proxy tells the group: what is taken for one class is nearly what is taken for
        # the other, and the pairs that close gaps of opposite sign lie along a line.
        rng = np.random.default_rng(0)
        groups = (rng.uniform(size=8000) < 0.4).astype(int)
        y = (rng.uniform(size=8000) < 0.4 + 0.1 * groups).astype(int)
        strength = np.array([1, 0.8])
        signal = rng.normal(size=8000) + strength[groups] * (2 * y - 1)
        proxy = groups + 0.7 * rng.normal(size=8000)
        cells = np.empty((8000, 2, 2))
        for k in (0, 1):
            for g in (0, 1):
                rate = 0.4 + 0.1 * g
                share = (0.6, 0.4)[g] * (rate if k else 1 - rate)
                away = signal - strength[g] * (2 * k - 1), (proxy - g) / 0.7
                cells[:, k, g] = share * np.exp(-(away[0] ** 2 + away[1] ** 2) / 2)
        cells /= cells.sum(axis=(1, 2), keepdims=True)
        accuracy, disparity = closed_form_front(cells, y, groups)
        assert disparity[0] < 0.005
        assert accuracy[0] > accuracy[-1] - 0.03

    def test_weights_count_as_rows(self):
        cells, y, groups = make_cells()
        weights = np.random.default_rng(0).integers(1, 4, size=300)
        weighted = closed_form_front(cells, y, groups, weights, 9)
        repeated = (np.repeat(each, weights, axis=0) for each in (cells, y, groups))
        for ours, theirs in zip(weighted, closed_form_front(*repeated, None, 9)):
            np.testing.assert_allclose(ours, theirs)


class TestAttributeAware:
    @pytest.mark.parametrize("seed", range(3))
    def test_fairlearn_is_as_accurate_at_equal_odds(self, seed):
        score, y, groups = make_scores(seed=seed)
        X = score[:, None]
        optimizer = ThresholdOptimizer(
            estimator=LogisticRegression().fit(X, y),
            constraints="equalized_odds",
            objective="accuracy_score",
            prefit=True,
            predict_method="predict_proba",
        ).fit(X, y, sensitive_features=groups)
        chance = optimizer._pmf_predict(X, sensitive_features=groups)[:, 1]
        theirs = np.where(y == 1, chance, 1 - chance).mean()
        accuracy, disparity = attribute_aware_front(score, y, groups)
        assert disparity[0] == pytest.approx(0, abs=1e-12)
        assert accuracy[0] == pytest.approx(theirs, abs=0.01)
        assert accuracy[0] >= theirs - 1e-9

    @pytest.mark.parametrize("n_groups", [2, 3])
    def test_ends_equal_a_naive_reference(self, n_groups):
        score, y, groups = make_scores(60, n_groups)
        score = score.round(1)
        weights = np.random.default_rng(0).uniform(0.5, 2, size=60)
        accuracy, disparity = attribute_aware_front(score, y, groups, weights)
        assert_front(accuracy, disparity)
        curves = [
            roc_naively(score[groups == g], y[groups == g], weights[groups == g])
            for g in range(n_groups)
        ]
        rate = np.average(y, weights=weights)
        equal = [
            rate * min(best_naively(curve, false) for curve in curves)
            + (1 - rate) * (1 - false)
            for false in np.linspace(0, 1, 201)
        ]
        assert max(equal) - 1e-9 <= accuracy[0] <= max(equal) + 1 / 200
        free, rates = 0.0, []
        for g, curve in enumerate(curves):
            share = weights[groups == g].sum() / weights.sum()
            own = np.average(y[groups == g], weights=weights[groups == g])
            worth = [own * true + (1 - own) * (1 - false) for false, true in curve]
            free += share * max(worth)
            rates.append(curve[int(np.argmax(worth))])
        assert accuracy[-1] == pytest.approx(free)
        assert disparity[-1] == pytest.approx(np.ptp(rates, axis=0).mean())

    def test_a_case_that_is_known(self):
        cells, y, groups = make_known_case()
        accuracy, disparity = attribute_aware_front(cells[:, 1].sum(axis=1), y, groups)
        assert (accuracy[0], disparity[0]) == pytest.approx((0.75, 0))
        assert (accuracy[-1], disparity[-1]) == pytest.approx((0.9, 1))
        np.testing.assert_allclose(accuracy, 0.75 + 0.15 * disparity)

    def test_hulls_may_cross(self):
        # Each group has one corner: (0, .5) and (.5, 1). The hulls cross at (1/3, 2/3).
        score = np.array([1, 0, 0, 0, 1, 1, 1, 0])
        y = np.array([1, 1, 0, 0, 1, 1, 0, 0])
        groups = np.array([0] * 4 + [1] * 4)
        accuracy, disparity = attribute_aware_front(score, y, groups)
        assert (accuracy[0], disparity[0]) == pytest.approx((2 / 3, 0))
        assert (accuracy[-1], disparity[-1]) == pytest.approx((0.75, 0.5))

    def test_equal_odds_may_cost_nothing(self):
        y, groups = np.array([0, 1] * 6), np.array([0] * 6 + [1] * 6)
        accuracy, disparity = attribute_aware_front(y.astype(float), y, groups)
        np.testing.assert_array_equal(accuracy, [1])
        np.testing.assert_array_equal(disparity, [0])

    def test_infinite_scores(self):
        y, groups = np.array([0, 1] * 6), np.array([0] * 6 + [1] * 6)
        accuracy, _ = attribute_aware_front(np.where(y, np.inf, -np.inf), y, groups)
        np.testing.assert_array_equal(accuracy, [1])

    def test_weights_count_as_rows(self):
        score, y, groups = make_scores(200)
        weights = np.random.default_rng(0).integers(1, 4, size=200)
        weighted = attribute_aware_front(score, y, groups, weights)
        repeated = (np.repeat(each, weights) for each in (score, y, groups))
        for ours, theirs in zip(weighted, attribute_aware_front(*repeated)):
            np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_groups_without_rows_of_a_class_are_refused():
    cells, y, groups = make_cells()
    kept = (y == 0) | (groups == 0)
    cells, y, groups = cells[kept], y[kept], groups[kept]
    with pytest.raises(ValueError, match="no rows of class 1 in group 1"):
        closed_form_front(cells, y, groups)
    with pytest.raises(ValueError, match="no rows of class 1 in group 1"):
        attribute_aware_front(cells[:, 1, 0], y, groups)
