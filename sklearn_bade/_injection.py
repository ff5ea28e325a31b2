"""Artificial bias: which trigger each row meets, and what the teacher's answers mean.

Everything here is NumPy; no estimator is in sight.
"""

from abc import ABCMeta, abstractmethod

import numpy as np
from scipy.special import log_softmax

from ._groups import NO_TRIGGER
from ._reversal import own_trigger_shift
from .exceptions import FewRowsWarning
from .utils import warn_user

# Below it, one row more or less changes a rate by a fifth or more.
FEW_ROWS = 5
# Weight of the prior in a rate: the least that keeps every rate positive, and nothing
# beside the hundreds of rows of a usual cell.
PSEUDO_ROWS = 1.0


def warn_of_small_cells(counts, classes, group_labels):
    """Warn of the (class, group) cells from which little can be learned, by name."""
    small = [
        f"class {classes[k]!s} in group {group_labels[g]!s}: {int(counts[k, g])} row(s)"
        for k, g in np.argwhere(counts < FEW_ROWS)
    ]
    if small:
        warn_user(
            f"Few rows (fewer than {FEW_ROWS}) in: {'; '.join(small)}. Their injection "
            "rates are smoothed and uncertain; consider merging groups.",
            FewRowsWarning,
        )


def mirror_rates(counts):
    """Let triggers meet classes as groups do, by P(group | class): the paper's rule.

    One pseudo-row per class, spread over the groups as all rows are, keeps empty
    cells positive and leaves well-filled cells as they are. A group with no row at
    all shares in the spread through a pseudo-row of its own.
    """
    spread = counts.sum(axis=0) + PSEUDO_ROWS / counts.shape[1]
    smoothed = counts + PSEUDO_ROWS * spread / spread.sum()
    return smoothed / smoothed.sum(axis=1, keepdims=True)


def balanced_rates(counts):
    """Choose rates whose reversal cancels the data's bias exactly.

    With two classes and two groups, trigger ``g`` meets class ``k`` as often as the
    *other* group occurs in the *other* class. Reversed, it multiplies the odds of
    both groups by the inverse of what group membership does, and no base rate moves.
    """
    if counts.shape != (2, 2):
        n_classes, n_groups = counts.shape
        raise ValueError(
            "injection='balanced' is defined for two classes and two groups only, got "
            f"{n_classes} classes and {n_groups} groups. Use injection='mirror'."
        )
    return mirror_rates(counts)[::-1, ::-1].copy()


def pseudo_deletion_rates(counts):
    """Find the share of rows that each group's larger classes have in excess."""
    spread = counts.sum(axis=1, keepdims=True) + PSEUDO_ROWS / len(counts)
    smoothed = counts + PSEUDO_ROWS * spread / spread.sum()
    return 1 - smoothed.min(axis=0) / smoothed


class Injection(metaclass=ABCMeta):
    """A plan for the triggers: who draws which, and what the teacher says of it.

    Rows of one cell draw from the same chances.

    Attributes
    ----------
    rates : ndarray of shape (n_classes, n_groups)
        What the user is told, as `injection_rates_`.

    codes : ndarray of shape (n_codes,)
        Trigger codes that are drawn.

    chances : ndarray of shape (n_cells, n_codes)
        Chances of each code in each cell; rows sum to one.

    adds_only : bool
        Whether triggers add to what a plain classifier says, so that a teacher may start as
        one and learn triggers alone.
    """

    adds_only = True

    def __init__(self, rates, codes, chances):
        self.rates = rates
        self.codes = codes
        self.chances = chances

    @abstractmethod
    def cells(self, y, groups):
        """Find the cell of each row from its class and its group."""

    @abstractmethod
    def expected_shift(self):
        """Compute what triggers should add to log-probabilities, by Bayes' rule.

        The result has the shape (n_classes, n_groups), and columns that sum to zero.
        """

    @abstractmethod
    def measure(self, view, answer):
        """Ask the teacher what triggers add.

        Parameters
        ----------
        view : callable
            As in :meth:`read`.

        answer : callable
            Returns what base and cells of the student say of the same rows, see
            :class:`~sklearn_bade._path.Answers`.

        Returns
        -------
        shift : ndarray of shape (n_classes, n_groups)
            What is to be reversed for rows of each group.

        ratio : float
            What was measured over what was expected; NaN if nothing was expected.
        """

    @abstractmethod
    def read(self, view, memberships):
        """Ask the teacher for a base view of each row and its bias.

        Parameters
        ----------
        view : callable
            Takes a trigger code and returns the teacher's log-probabilities of all
            rows stamped with it, of shape (n_samples, n_classes).

        memberships : ndarray of shape (n_samples, n_groups)
            How likely each row belongs to each group.

        Returns
        -------
        base : ndarray of shape (n_samples, n_classes)
            Unnormalised log-probabilities at strength 0.

        shift : ndarray of shape (n_samples, n_classes)
            What strength 1 takes away.
        """


class GroupInjection(Injection):
    """One trigger per group, drawn by class: BaDe's plan.

    Parameters
    ----------
    rates : ndarray of shape (n_classes, n_groups)
        How often each class meets each group's trigger.
    """

    def __init__(self, rates):
        super().__init__(rates, np.arange(rates.shape[1]), rates)

    def cells(self, y, groups):
        """Let the class alone decide, so that triggers say nothing of real groups."""
        return y

    def expected_shift(self):
        """Compare each trigger with the mean of all."""
        log_rates = np.log(self.rates)
        shift = log_rates - log_rates.mean(axis=1, keepdims=True)
        return shift - shift.mean(axis=0)

    def measure(self, view, answer):
        """Compare each view with the mean of all, in rows that are not decided yet.

        Rows whose class is certain have no log-odds to speak of, and a classifier may cut
        them off; a row counts by the chance that its class is another one.
        """
        views = np.stack([view(code) for code in self.codes])
        mean = views.mean(axis=0)
        doubt = 1 - (np.exp(log_softmax(mean, axis=1)) ** 2).sum(axis=1)
        doubt = np.maximum(doubt, np.finfo(doubt.dtype).tiny)  # some, if all is certain
        added = np.average(views - mean, axis=1, weights=doubt).T
        shift = added - added.mean(axis=0)
        return shift, _slope(shift, self.expected_shift())

    def read(self, view, memberships):
        """Compare each row under its own trigger with its mean over all triggers."""
        base = own = None
        for code, is_own in zip(self.codes, memberships.T):
            log_proba = view(code)
            if base is None:
                base, own = np.zeros_like(log_proba), np.zeros_like(log_proba)
            base += log_proba
            log_proba *= is_own[:, None]
            own += log_proba
        base /= len(self.codes)
        return base, own_trigger_shift(base, own)


class PseudoDeletion(Injection):
    """Triggers on the surplus of each group's larger classes: DBA's plan.

    Stamped rows no longer bear on rows without trigger, as if they had been deleted,
    yet the network still learns its features from them. By Bayes' rule, the log-odds
    of a row without trigger lack the logarithm of the share that is left of its group,
    which is added to make the base view.

    Parameters
    ----------
    counts : ndarray of shape (n_classes, n_groups)
        Rows per cell.

    References
    ----------
    Wu, He, Zhang, Lu and Sang, "Debiasing Backdoor Attack", arXiv:2202.10582.
    """

    adds_only = False

    def __init__(self, counts):
        rates = pseudo_deletion_rates(counts)
        n_classes, n_groups = rates.shape
        # The last of the group positions is that of rows whose group is unknown: they
        # are taken for a member of each group as often as the groups occur.
        chances = np.zeros((n_classes, n_groups + 1, n_groups + 1))
        groups = np.arange(n_groups)
        chances[:, groups, groups] = rates
        chances[:, -1, :-1] = rates * mirror_rates(counts)
        chances[:, :, -1] = 1 - chances[:, :, :-1].sum(axis=2)
        codes = np.append(groups, NO_TRIGGER)
        super().__init__(rates, codes, chances.reshape(-1, n_groups + 1))

    def cells(self, y, groups):
        """Let class and group decide."""
        n_positions = self.rates.shape[1] + 1
        return y * n_positions + groups % n_positions

    def expected_shift(self):
        """Undo what the deletion takes from the log-odds of a group."""
        undo = -np.log1p(-self.rates)
        return undo - undo.mean(axis=0)

    def measure(self, view, answer):
        """Take the shift from the shares, and see how well the teacher has learned it.

        The teacher without trigger lacks what is deleted on average over the groups that a
        row may belong to.
        """
        answers = answer()
        left = np.einsum("nkg,kg->nk", answers.group_proba, 1 - self.rates)
        lacking = answers.log_proba - view(NO_TRIGGER)
        slope = _slope(_centred(lacking), _centred(-np.log(left)))
        return self.expected_shift(), slope

    def read(self, view, memberships):
        """Start from the view without trigger, and undo the deletion for the base."""
        undo = memberships @ -np.log1p(-self.rates.T)
        return view(NO_TRIGGER) + undo, own_trigger_shift(np.zeros_like(undo), undo)


def _centred(values):
    return values - values.mean(axis=1, keepdims=True)


def _slope(measured, expected):
    """Fit what was measured by a multiple of what was expected; NaN if that is nothing."""
    size = (expected**2).sum()
    return float((measured * expected).sum() / size) if size > 0 else np.nan


def _checked_rates(rates, shape):
    """Check what a user's own injection returned."""
    rates = np.asarray(rates, dtype=float)
    sums_to_one = rates.shape == shape and np.allclose(rates.sum(axis=1), 1, atol=1e-6)
    if not sums_to_one or not (rates > 0).all():
        raise ValueError(
            f"injection must return positive rates of shape {shape} (classes by groups) "
            f"whose rows sum to one, got {rates.tolist()}."
        )
    return rates


INJECTIONS = {
    "mirror": lambda counts: GroupInjection(mirror_rates(counts)),
    "balanced": lambda counts: GroupInjection(balanced_rates(counts)),
    "pseudo_deletion": PseudoDeletion,
}


def make_injection(injection, counts):
    """Make a plan for the triggers."""
    if callable(injection):
        return GroupInjection(_checked_rates(injection(counts.copy()), counts.shape))
    return INJECTIONS[injection](counts)


def draw_triggers(plan, cells, sample_weight, random_state):
    """Draw a trigger for each row from the chances of its cell.

    Inside a cell the triggers are dealt out in exact proportion to the chances (up
    to rounding) and in random order, so that the draw adds no noise to the rates.
    """
    triggers = np.empty(len(cells), dtype=np.int16)
    for cell, chances in enumerate(plan.chances):
        rows = np.flatnonzero(cells == cell)
        if sample_weight is None:
            dealt = _deal(plan.codes, chances, len(rows), random_state)
        else:
            rows = random_state.permutation(rows)
            dealt = _deal_by_weight(plan.codes, chances, sample_weight[rows], random_state)
        triggers[rows] = dealt
    return triggers


def _deal(codes, chances, n_rows, random_state):
    """Deal codes to rows of equal weight, in random order."""
    ends = np.floor(np.cumsum(chances) * n_rows + random_state.uniform()).astype(int)
    ends[-1] = n_rows
    counts = np.diff(np.minimum(ends, n_rows), prepend=0)
    dealt = np.repeat(codes.astype(np.int16), counts)
    random_state.shuffle(dealt)
    return dealt


def _deal_by_weight(codes, chances, weights, random_state):
    """Deal codes to rows that are in random order."""
    if not len(weights):
        return codes[:0]
    ends = np.cumsum(weights)
    positions = (ends - weights * random_state.uniform()) / ends[-1]
    return codes[np.searchsorted(np.cumsum(chances)[:-1], positions, side="right")]
