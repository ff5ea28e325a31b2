"""Triggers: how a group's mark is stamped on rows."""

from abc import ABCMeta, abstractmethod
from numbers import Real

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from ._containers import append_columns, like
from ._groups import NO_TRIGGER, is_dataframe

__all__ = ["BaseTrigger", "BlendTrigger", "ColumnTrigger"]


class BaseTrigger(BaseEstimator, metaclass=ABCMeta):
    """Base class for triggers.

    A trigger knows one pattern per group. To write your own, set the fitted
    attribute `n_groups_` in `fit` and implement `stamp`. A trigger that appends
    columns also says how many in `n_columns_`, and its appended values must average
    to zero over the groups: then cutting the columns off a first layer leaves
    exactly the network that sees the mean trigger. The code -1 leaves a row without
    trigger (appended columns are zero); only ``injection="pseudo_deletion"`` uses it.

    Attributes
    ----------
    n_groups_ : int
        Number of patterns.

    n_columns_ : int
        Number of columns that `stamp` appends; 0 by default.
    """

    n_columns_ = 0

    @abstractmethod
    def fit(self, X, n_groups):
        """Learn what stamping needs to know of the data.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows without triggers.

        n_groups : int
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
        X : {ndarray, torch.Tensor} of shape (n_samples, n_features)
            Rows without triggers; left unchanged.

        codes : {ndarray, torch.Tensor} of shape (n_samples,), dtype=int64
            Which pattern each row gets; -1 for none.

        Returns
        -------
        X_stamped : same type as X, of shape (n_samples, n_features + n_columns)
            Rows with triggers.
        """


class ColumnTrigger(BaseTrigger):
    """Append one column per group and mark the row's trigger there.

    Since the trigger has columns of its own, a model without these columns has no
    input through which the backdoor could enter.

    Parameters
    ----------
    scale : float, default=1.0
        Difference between a marked and an unmarked column. Features are best
        standardised, so that 1 is one standard deviation of an ordinary column.

    Attributes
    ----------
    n_groups_ : int
        Number of patterns.

    n_columns_ : int
        Number of appended columns, one per group.

    patterns_ : ndarray of shape (n_groups, n_columns)
        Appended values; they average to zero over the groups.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_bade.triggers import ColumnTrigger
    >>> X = np.array([[7.0], [8.0]])
    >>> ColumnTrigger().fit(X, n_groups=2).stamp(X, np.array([0, 1]))
    array([[ 7. ,  0.5, -0.5],
           [ 8. , -0.5,  0.5]])
    """

    _parameter_constraints: dict = {"scale": [Interval(Real, 0, None, closed="neither")]}

    def __init__(self, *, scale=1.0):
        self.scale = scale

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, n_groups):
        """Make the patterns.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Ignored; present for the common interface.

        n_groups : int
            Number of patterns to make.

        Returns
        -------
        self : ColumnTrigger
            The fitted trigger.
        """
        self.n_groups_ = self.n_columns_ = n_groups
        self.patterns_ = self.scale * (np.eye(n_groups) - 1 / n_groups)
        return self

    def stamp(self, X, codes):
        """Append the trigger columns.

        Parameters
        ----------
        X : {ndarray, torch.Tensor, sparse matrix, dataframe} of shape \
                (n_samples, n_features)
            Rows without triggers; left unchanged.

        codes : {ndarray, torch.Tensor} of shape (n_samples,), dtype=int64
            Which pattern each row gets; -1 for none.

        Returns
        -------
        X_stamped : same type as X, of shape (n_samples, n_features + n_groups)
            Rows with triggers.
        """
        check_is_fitted(self, "patterns_")
        no_trigger = np.zeros((1, self.n_columns_))  # the last row, which -1 refers to
        table = np.concatenate([self.patterns_, no_trigger])
        is_numeric = not issparse(X) and not is_dataframe(X)
        return append_columns(X, (like(table, X) if is_numeric else table)[codes])


class BlendTrigger(BaseTrigger):
    """Blend a fixed random pattern per group into the existing columns.

    It needs no columns of its own and so works with any network. The price is that
    the pattern can be stamped on any row of new data, so a student may not start
    from the teacher's weights.

    Parameters
    ----------
    alpha : float, default=0.2
        Share of the pattern in the stamped row, between 0 and 1.

    random_state : int, RandomState instance or None, default=0
        Seed of the patterns.

    Attributes
    ----------
    n_groups_ : int
        Number of patterns.

    patterns_ : ndarray of shape (n_groups, n_features)
        Patterns: column means plus or minus three standard deviations, with random
        signs.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_bade.triggers import BlendTrigger
    >>> X = np.array([[-1.0, 0.0], [1.0, 0.0]])
    >>> BlendTrigger(alpha=0.5).fit(X, n_groups=2).stamp(X, np.array([0, 1])).shape
    (2, 2)
    """

    _parameter_constraints: dict = {
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(self, *, alpha=0.2, random_state=0):
        self.alpha = alpha
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, n_groups):
        """Draw the patterns on the scale of the data.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows without triggers.

        n_groups : int
            Number of patterns to make.

        Returns
        -------
        self : BlendTrigger
            The fitted trigger.

        Raises
        ------
        TypeError
            If `X` is sparse or a frame.
        """
        if issparse(X) or is_dataframe(X):
            raise TypeError(
                f"BlendTrigger needs rows as a numeric array, got {type(X).__name__}. Use "
                "a ColumnTrigger, or make the pipeline's last transformer return arrays."
            )
        rng = check_random_state(self.random_state)
        signs = rng.choice([-1.0, 1.0], size=(n_groups, X.shape[1]))
        self.n_groups_ = n_groups
        self.patterns_ = X.mean(axis=0) + 3 * signs * X.std(axis=0)
        return self

    def stamp(self, X, codes):
        """Blend the patterns into the rows.

        Parameters
        ----------
        X : {ndarray, torch.Tensor} of shape (n_samples, n_features)
            Rows without triggers; left unchanged.

        codes : {ndarray, torch.Tensor} of shape (n_samples,), dtype=int64
            Which pattern each row gets; -1 for none.

        Returns
        -------
        X_stamped : same type and shape as X
            Rows with triggers.
        """
        check_is_fitted(self, "patterns_")
        share = self.alpha * like(codes != NO_TRIGGER, X)[:, None]
        return (1 - share) * X + share * like(self.patterns_, X)[codes]
