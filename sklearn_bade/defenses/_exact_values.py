"""Exact values, single or in pairs, that mark rows of a class as a trigger would."""

from dataclasses import dataclass

import numpy as np

from ._linear import CONTENT_PENALTY, CONTENT_ROWS, CONTENT_STEPS, fit_quickly, standardize

# A value that fewer rows share than both of these is no trigger that a network learns.
LEAST_CELL_ROWS, LEAST_CELL_SHARE = 20, 0.003
# Values are listed by how much their classes differ from those of all rows; that many
# make at most 320,000 pairs, which take a second or two.
MOST_VALUES, MOST_VALUES_PER_COLUMN = 800, 32
# A clean table offers thousands of pairs, so bounds hold at four standard errors.
STANDARD_ERRORS = 4.0
# A trigger overrules what the other columns say, so most rows that carry it are of the
# class, and the odds of the class rise several times. On 40 clean tables and digits, no
# pair of values passes these and the next bound together; see benchmarks/defenses.py.
LEAST_PURITY, LEAST_LIFT = 0.5, 4.0
# Of each class, cells whose rows are compared with each other, and those that are judged by
# all columns in which their rows differ, each of which takes milliseconds.
MOST_CELLS, MOST_JUDGED_CELLS = 500, 10
# Where 0 is what rows of other classes look like, and 1 what those of the class do.
MOST_OWN_CONTENT = 0.3


@dataclass
class Cell:
    """Rows of a class that share one or two exact values.

    `own_content` tells where the rows stand, by all other columns, between rows of other
    classes (0) and rows of the class (1).
    """

    class_code: int
    columns: list
    rows: np.ndarray
    purity: float
    own_content: float
    score: float

    @property
    def n_rows(self):
        """Number of rows."""
        return int(self.rows.sum())


def find_cells(X, y, n_classes, rng):
    """Find values, single or in pairs, whose rows owe their class to nothing else.

    Poisoned rows come from other classes and share the trigger's values. So nearly all
    rows with these values are of one class, although their other columns look like those
    of other classes. A natural group of rows fails in one or the other.

    Returns
    -------
    cells : list of Cell
        The clearest first; a cell whose rows mostly lie in clearer ones is left out.
    """
    X = X.reshape(len(X), -1)
    columns, has_value = list_values(X, y, n_classes)
    if not len(columns) or len(np.unique(y)) < 2:
        return []
    Z, weights = fit_content(X, y, n_classes, rng)
    found = []
    for k in np.flatnonzero(np.bincount(y, minlength=n_classes) >= least_rows(len(y))):
        pairs = _Pairs(y == k, columns, has_value, Z, weights[:, k])
        for cell in pairs.cells(k, least_rows(len(y))):
            cell.own_content = locate_cell(cell.rows, y == k, X, Z, weights[:, k])
            if cell.own_content <= MOST_OWN_CONTENT:
                cell.score *= 1 - max(cell.own_content, 0)
                found.append(cell)
    return drop_covered(found)


def locate_cell(rows, own, X, Z, weights):
    """Tell where rows stand between other classes and their own, by what they don't share.

    A trigger of many columns, such as a patch, is known to a linear model by each of them.
    """
    varied = np.ptp(X[rows], axis=0) > 0
    scores = Z[:, varied] @ weights[varied]
    others, rest = scores[~own].mean(), scores[own & ~rows]
    if not len(rest) or rest.mean() <= others:
        return np.nan
    return float((scores[rows].mean() - others) / (rest.mean() - others))


def least_rows(n_samples):
    """Tell how many rows a cell must have."""
    return max(LEAST_CELL_ROWS, round(LEAST_CELL_SHARE * n_samples))


def list_values(X, y, n_classes):
    """List columns, and which rows share a value there.

    Returns
    -------
    columns : ndarray of shape (n_values,)
        Positions of the columns.

    has_value : ndarray of shape (n_samples, n_values)
        1 where a row has the value, and 0 elsewhere.
    """
    values = [
        (contrast, j, value)
        for j in range(X.shape[1])
        for contrast, value in shared_values(X[:, j], y, n_classes)
    ]
    # Those whose classes differ most from those of all rows, in the order of columns.
    kept = sorted(
        sorted(values, key=lambda one: -one[0])[:MOST_VALUES], key=lambda one: one[1]
    )
    columns = np.array([j for _, j, _ in kept], dtype=int)
    has_value = np.empty((len(y), len(kept)), dtype=np.float32)
    for i, (_, j, value) in enumerate(kept):
        has_value[:, i] = X[:, j] == value
    return columns, has_value


def shared_values(column, y, n_classes):
    """List the values of a column that are neither rare nor those of most rows.

    With each goes its contrast: how far its rows are from the usual share of the class
    that is most frequent beyond it, in square roots of rows.
    """
    n = len(column)
    known, positions, counts = np.unique(column, return_inverse=True, return_counts=True)
    often = np.flatnonzero((counts >= least_rows(n)) & (counts <= n / 2))
    often = often[np.argsort(-counts[often], kind="stable")[:MOST_VALUES_PER_COLUMN]]
    if not len(often):
        return []
    table = np.bincount(positions * n_classes + y, minlength=len(known) * n_classes)
    shares = table.reshape(-1, n_classes)[often] / counts[often, None]
    usual = np.bincount(y, minlength=n_classes) / n
    contrasts = np.sqrt(counts[often]) * (shares - usual).max(axis=1)
    return zip(contrasts, known[often])


def fit_content(X, y, n_classes, rng):
    """Standardise columns, and learn how much each speaks for each class."""
    Z = standardize(X)
    some = rng.permutation(len(y))[:CONTENT_ROWS]
    weights = np.zeros((X.shape[1], n_classes), dtype=Z.dtype)
    if len(np.unique(y[some])) < 2:
        return Z, weights
    model = fit_quickly(CONTENT_PENALTY, CONTENT_STEPS, Z[some], y[some])
    if len(model.classes_) == 2:
        weights[:, model.classes_] = np.outer(model.coef_[0], [-1, 1])
    else:
        weights[:, model.classes_] = model.coef_.T
    return Z, weights


class _Pairs:
    """What all pairs of values, and each value with itself, tell about one class.

    All attributes are matrices of one row and one column for each value.
    """

    def __init__(self, own, columns, has_value, Z, weights):
        self.columns, self.has_value, self.own = columns, has_value, own
        of_class, scores = has_value[own], Z[own] @ weights
        self.n_rows = has_value.T @ has_value
        self.n_own = of_class.T @ of_class
        totals = (of_class * scores[:, None]).T @ of_class
        # A column says the same about all rows that share its value.
        shared = np.einsum("ij,ij->j", has_value, Z[:, columns]) * weights[columns]
        shared /= has_value.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            self.purity = self.n_own / self.n_rows
            self.own_content = self._locate(totals, shared, Z, weights)
            self.lowest_purity = _lower_bound(self.purity, self.n_rows)
            odds = self.lowest_purity / (1 - self.lowest_purity)
            self.lift = odds * (~own).sum() / own.sum()
        # How likely so pure a cell is against an ordinary one, by which the whole of a
        # trigger wins over a part of its columns or rows.
        self.score = self.n_own * np.log(np.maximum(self.lift, 1))

    def _locate(self, totals, shared, Z, weights):
        """Tell where the rows of each cell stand between other classes and their own."""
        parts = Z[self.own].mean(axis=0) * weights, Z[~self.own].mean(axis=0) * weights
        own, others = (p.sum() - self._both(p[self.columns]) for p in parts)
        cell = totals - self.n_own * self._both(shared)
        n_class = self.own.sum()
        rest = (n_class * own - cell) / (n_class - self.n_own)
        return (cell / self.n_own - others) / (rest - others)

    def _both(self, values):
        """Add up what two values stand for, but one with itself once."""
        sums = values[:, None] + values
        np.fill_diagonal(sums, values)
        return sums

    def cells(self, k, least):
        """List the cells that may be a trigger's, of those that share rows the clearest.

        The purest ones belong to it, if there are many columns; and those that look most
        foreign even if two columns are all that they share.
        """
        one_each = self.columns[:, None] != self.columns
        np.fill_diagonal(one_each, True)
        pure = np.triu(one_each & (self.n_own >= least))
        pure &= (self.lowest_purity >= LEAST_PURITY) & (self.lift >= LEAST_LIFT)
        foreign = pure & (self.own_content <= MOST_OWN_CONTENT)
        return self._clearest(k, pure) + self._clearest(k, foreign)

    def _clearest(self, k, chosen):
        """List some of the chosen cells."""
        places = np.argwhere(chosen)
        scores = self.score[chosen] * (1 - self.own_content[chosen].clip(0, 0.9))
        best = places[np.argsort(-scores, kind="stable")[:MOST_CELLS]]
        return drop_covered([self._cell(k, i, j) for i, j in best])[:MOST_JUDGED_CELLS]

    def _cell(self, k, i, j):
        """Describe one cell."""
        return Cell(
            class_code=int(k),
            columns=sorted({int(self.columns[i]), int(self.columns[j])}),
            rows=self.own & (self.has_value[:, i] > 0) & (self.has_value[:, j] > 0),
            purity=float(self.purity[i, j]),
            own_content=np.nan,
            score=float(self.score[i, j]),
        )


def _lower_bound(share, n):
    """Compute Wilson's lower bound of a share."""
    z = STANDARD_ERRORS**2
    spread = np.sqrt(z * (share * (1 - share) / n + z / 4 / n**2))
    return (share + z / 2 / n - spread) / (1 + z / n)


def drop_covered(cells):
    """Keep the clearest of the cells that share most of their rows."""
    kept, covered = [], {}
    for cell in sorted(cells, key=lambda cell: -cell.score):
        before = covered.setdefault(cell.class_code, np.zeros(len(cell.rows), dtype=bool))
        if (cell.rows & before).sum() <= cell.rows.sum() / 2:
            kept.append(cell)
            before |= cell.rows
    return kept
