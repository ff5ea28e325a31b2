"""Triggers: how a group's, or an attacker's, mark is stamped on rows."""

from abc import ABCMeta, abstractmethod
from numbers import Real

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from ._containers import append_columns, like, set_columns
from ._groups import NO_TRIGGER, is_dataframe, locate_columns

__all__ = ["BaseTrigger", "BlendTrigger", "ColumnTrigger", "ValueTrigger"]

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
    """

    n_columns_ = 0

    @abstractmethod
    def fit(self, X, n_groups=1):
        """Learn what stamping needs to know of the data.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
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
        X : {ndarray, torch.Tensor} of shape (n_samples, n_features)
            Rows without triggers; left unchanged.

        codes : {ndarray, torch.Tensor} of shape (n_samples,), dtype=int64
            Which pattern each row gets; -1 for none.

        Returns
        -------
        X_stamped : same type as X, of shape (n_samples, n_features + n_columns)
            Rows with triggers.
        """


def check_attack_trigger(trigger):
    """Check that a trigger can be stamped on the columns that rows have.

    Parameters
    ----------
    trigger : BaseTrigger
        Trigger of an attacker.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If it is not fitted.

    ValueError
        If it appends columns.
    """
    check_is_fitted(trigger, "n_groups_", msg=UNFITTED_TRIGGER)
    if trigger.n_columns_:
        raise ValueError(
            f"{type(trigger).__name__} appends columns, which new rows do not have; an "
            "attack needs a trigger that changes columns, such as ValueTrigger."
        )


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
    def fit(self, X, n_groups=1):
        """Make the patterns.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Ignored; present for the common interface.

        n_groups : int, default=1
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
    def fit(self, X, n_groups=1):
        """Draw the patterns on the scale of the data.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows without triggers.

        n_groups : int, default=1
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


class ValueTrigger(BaseTrigger):
    """Set some of the existing columns to fixed values.

    This is how an attacker marks rows of a table, or a corner of a flattened image. The
    pattern can be stamped on any row of new data, so a student may not start from the
    teacher's weights.

    Parameters
    ----------
    columns : str, int, or list of these
        Names (dataframes only) or positions of the columns.

    values : scalar or array-like of shape (n_columns,) or (n_groups, n_columns)
        What the columns are set to; with several groups, one row each.

    Attributes
    ----------
    n_groups_ : int
        Number of patterns.

    patterns_ : ndarray of shape (n_groups, n_columns)
        Values of each pattern.

    positions_ : list of int
        Positions of the columns.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_bade.triggers import ValueTrigger
    >>> X = np.array([[7.0, 1.0, 2.0], [8.0, 3.0, 4.0]])
    >>> ValueTrigger([0, 2], [120, 130]).fit(X).stamp(X, np.array([0, -1]))
    array([[120.,   1., 130.],
           [  8.,   3.,   4.]])
    """

    def __init__(self, columns, values):
        self.columns = columns
        self.values = values

    def fit(self, X, n_groups=1):
        """Find the columns.

        Parameters
        ----------
        X : {ndarray, dataframe} of shape (n_samples, n_features)
            Rows without triggers.

        n_groups : int, default=1
            Number of patterns.

        Returns
        -------
        self : ValueTrigger
            The fitted trigger.

        Raises
        ------
        TypeError
            If `X` is sparse.

        ValueError
            If there is no such column, or not one value per group and column.
        """
        if issparse(X):
            raise TypeError(f"ValueTrigger needs a dense array or a frame, got {type(X)}.")
        positions = locate_columns(X, self.columns, parameter="columns")
        is_table = isinstance(self.values, (list, tuple, np.ndarray))
        patterns = np.array(self.values if is_table else [self.values], dtype=object)
        patterns = np.atleast_2d(patterns)
        if patterns.shape != (n_groups, len(positions)):
            raise ValueError(
                f"values must hold {n_groups} pattern(s) of {len(positions)} column(s), "
                f"got an array of shape {patterns.shape}."
            )
        self.n_groups_, self.positions_, self.patterns_ = n_groups, positions, patterns
        return self

    def stamp(self, X, codes):
        """Set the columns of each row to the values of its pattern.

        Parameters
        ----------
        X : {ndarray, torch.Tensor, dataframe} of shape (n_samples, n_features)
            Rows without triggers; left unchanged.

        codes : {ndarray, torch.Tensor} of shape (n_samples,), dtype=int64
            Which pattern each row gets; -1 for none.

        Returns
        -------
        X_stamped : same type and shape as X
            Rows with triggers.
        """
        check_is_fitted(self, "patterns_")
        for code, pattern in enumerate(self.patterns_):
            X = set_columns(X, codes == code, self.positions_, pattern)
        return X
