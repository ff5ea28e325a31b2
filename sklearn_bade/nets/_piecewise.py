"""The default network of tables, which also sees each measurement in pieces."""

from itertools import pairwise

import numpy as np
import torch

# Quantiles of the rows, and of the distinct values, that measurements are cut at. The
# latter tell apart what few rows have, as in incomes that most people do not have: on
# validation rows of Adult, quantiles of the rows alone lose a point of accuracy.
ROW_QUANTILES, VALUE_QUANTILES = 49, 97
# Pieces, and numbers that they are mapped to, of all measurements together: they bound the
# cost of wide tables, and do not touch those of up to twenty measurements. Without them,
# 300 measurements of 2,000 rows took five times as long.
MOST_PIECES, MOST_NUMBERS = 3000, 480
# Numbers that each measurement is mapped to.
LEAST_WIDTH, MOST_WIDTH = 4, 24
# Rows that quantiles are taken of; more say the same, and have to be sorted.
ROWS_TO_CUT = 100_000


class PiecewiseLinearNet(torch.nn.Module):
    """Multi-layer perceptron that also gets each measurement in pieces; it returns logits.

    A measurement is encoded by how far it has come in each interval between two edges: 0
    below, 1 above ("piecewise linear encoding", Gorishniy, Rubachev and Babenko, 2022). The
    encoding of each goes through a linear map of its own and a ReLU; the first hidden layer
    adds what it makes of these to what it makes of all columns as they are.

    Parameters
    ----------
    n_features, n_classes : int
        Numbers of input columns and of outputs.

    measured : tuple of int, default=()
        Positions of the columns that are encoded.

    edges : ndarray of shape (n_measured, n_edges), default=None
        Ascending edges of each; the last may repeat itself.

    hidden : tuple of int, default=(128, 64)
        Widths of the hidden layers.
    """

    def __init__(self, n_features, n_classes, measured=(), edges=None, hidden=(128, 64)):
        super().__init__()
        # What takes the columns as they are comes first: triggers are appended there.
        self.first = torch.nn.Linear(n_features, hidden[0])
        rest = _layers(*hidden, n_classes)
        self.n_measured = len(measured)
        if self.n_measured:
            self._encode(measured, edges, hidden[0])
        self.rest = rest  # the layer that runs last is the last one that is defined

    def _encode(self, measured, edges, n_out):
        edges = np.asarray(edges, dtype=np.float32)
        n_pieces = edges.shape[1] - 1
        lengths = np.diff(edges, axis=1)
        # Pieces without length, as far as single precision can tell, only fill up the rows.
        has_length = lengths > np.finfo(np.float32).tiny
        slopes = np.divide(1, lengths, out=np.zeros_like(lengths), where=has_length)
        self.register_buffer("measured", torch.tensor(measured))
        self.register_buffer("starts", torch.tensor(edges[:, :-1]))
        self.register_buffer("slopes", torch.tensor(slopes))
        width = int(np.clip(MOST_NUMBERS // len(measured), LEAST_WIDTH, MOST_WIDTH))
        self.maps = torch.nn.Parameter(torch.empty(len(measured), n_pieces, width))
        self.biases = torch.nn.Parameter(torch.empty(len(measured), 1, width))
        self.reset_parameters()
        self.mix = torch.nn.Linear(len(measured) * width, n_out, bias=False)

    @torch.no_grad()
    def reset_parameters(self):
        """Draw the weights of the pieces, as torch draws those of a linear layer.

        Its layers draw their own.
        """
        if self.n_measured:
            bound = self.maps.shape[1] ** -0.5
            self.maps.uniform_(-bound, bound)
            self.biases.uniform_(-bound, bound)

    def forward(self, X):
        """Compute logits."""
        hidden = self.first(X)
        if self.n_measured:
            values = X[:, self.measured].T[:, :, None]
            come = ((values - self.starts[:, None]) * self.slopes[:, None]).clamp(0, 1)
            mapped = torch.relu(torch.baddbmm(self.biases, come, self.maps))
            hidden = hidden + self.mix(mapped.transpose(0, 1).flatten(1))
        return self.rest(hidden)


def _layers(*widths):
    """Make what follows the first layer."""
    layers = [torch.nn.ReLU()]
    for n_in, n_out in pairwise(widths[:-1]):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(*widths[-2:]))


def find_edges(X):
    """Find the measurements among the columns, and edges to cut them at.

    An edge lies between two values, so that a model keeps none that a single row has;
    values that several rows share may be edges.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.

    Returns
    -------
    measured : tuple of int
        Positions of the columns with more than two values.

    edges : ndarray of shape (n_measured, n_edges), dtype float32
        Edges of each; fewer where there are many measurements.
    """
    some = np.unique(np.linspace(0, len(X) - 1, min(len(X), ROWS_TO_CUT)).astype(int))
    columns = [np.sort(column) for column in X[some].T]
    distinct = [np.unique(column) for column in columns]
    measured = tuple(i for i, values in enumerate(distinct) if len(values) > 2)
    if not measured:
        return (), np.empty((0, 0), dtype=np.float32)
    most = MOST_PIECES / (ROW_QUANTILES + VALUE_QUANTILES) / len(measured)
    n_of_rows, n_of_values = (
        max(1, round(min(1, most) * n)) for n in (ROW_QUANTILES, VALUE_QUANTILES)
    )
    cuts = [
        np.unique([*_cut(columns[i], n_of_rows), *_cut(distinct[i], n_of_values)])
        for i in measured
    ]
    n_edges = max(2, *map(len, cuts))
    edges = [np.pad(each, (0, n_edges - len(each)), mode="edge") for each in cuts]
    return measured, np.array(edges, dtype=np.float32)


def _cut(values, n):
    """Cut sorted values at n quantiles of what lies half-way between two neighbours.

    Where values are evenly spaced, a quantile may be one of them; it moves half a step up.
    """
    between = (values[1:] + values[:-1]) / 2
    edges = np.quantile(between, np.linspace(0, 1, n + 2)[1:-1]).astype(values.dtype)
    is_value = np.isin(edges, values)
    edges[is_value] = between[np.searchsorted(between, edges[is_value])]
    return edges
