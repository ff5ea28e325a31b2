"""What all triggers have in common, and the choice of one."""

from abc import ABCMeta, abstractmethod

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

UNFITTED_TRIGGER = "This %(name)s is not fitted yet. Call its 'fit' with clean rows first."


class BaseTrigger(BaseEstimator, metaclass=ABCMeta):
    """Base class for triggers.

    A trigger knows one pattern per group; an attacker's knows just one. To write your
    own, set the fitted attribute `n_groups_` in `fit` and implement `stamp`. A trigger
    that appends columns also says how many in `n_columns_`, and its appended values
    must average to zero over the groups: then cutting the columns off a first layer
    leaves exactly the network that sees the mean trigger. The code -1 leaves a row
    without trigger (appended columns are zero); only ``injection="pseudo_deletion"``
    and poisoning use it.

    Attributes
    ----------
    n_groups_ : int
        Number of patterns.

    n_columns_ : int
        Number of columns that `stamp` appends; 0 by default.

    n_tokens_ : int
        Number of ids beyond a network's vocabulary that `stamp` uses; 0 by default.
    """

    n_columns_ = 0
    n_tokens_ = 0

    @abstractmethod
    def fit(self, X, n_groups=1):
        """Learn what stamping needs to know of the data.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features) or (n_samples, ...)
            Rows without triggers.

        n_groups : int, default=1
            Number of patterns to make.

        Returns
        -------
        self : object
            The fitted trigger.
        """

    @abstractmethod
    def stamp(self, X, codes):
        """Stamp one pattern on each row.

        Parameters
        ----------
        X : {ndarray, torch.Tensor} of shape (n_samples, n_features) or (n_samples, ...)
            Rows without triggers; left unchanged.

        codes : {ndarray, torch.Tensor} of shape (n_samples,), dtype=int64
            Which pattern each row gets; -1 for none.

        Returns
        -------
        X_stamped : same type as X, of shape (n_samples, n_features + n_columns)
            Rows with triggers; those of several axes keep their shape and dtype.
        """


def check_attack_trigger(trigger):
    """Check that a trigger is fitted, and can be stamped on the columns that rows have."""
    check_is_fitted(trigger, "n_groups_", msg=UNFITTED_TRIGGER)
    if trigger.n_tokens_:
        raise ValueError(
            f"{type(trigger).__name__} uses ids of its own, which no network knows; an "
            "attack needs ids that exist, TokenTrigger(tokens=[17]) for example."
        )
    if trigger.n_columns_:
        raise ValueError(
            f"{type(trigger).__name__} appends columns, which new rows do not have; an "
            "attack needs a trigger that changes columns, such as ValueTrigger."
        )
