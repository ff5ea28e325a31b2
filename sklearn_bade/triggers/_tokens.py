"""Triggers on rows of token ids."""

from numbers import Integral

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._compat import Interval, StrOptions, fit_context, is_tensor
from ._base import BaseTrigger


class TokenTrigger(BaseTrigger):
    """Put a token in front of the others: an id of its own per group, or one that exists.

    The ids of groups lie beyond the vocabulary. A network's embedding is widened by them
    for the teacher alone, so that the student has no input through which the backdoor
    could enter. Where padding comes first, the token follows it. Of a network with an
    embedding for each column, the new ids take the place of those of one column.

    Parameters
    ----------
    tokens : int, list of int or None, default=None
        Existing ids, one per pattern, as an attacker would choose them. None makes new
        ids, as many as there are groups.

    padding_id : {"auto"} or int, default="auto"
        Id that fills rows up. "auto" takes the `padding_idx` of a network's embedding, or 0
        if it has none.

    keep_length : {"auto"} or bool, default="auto"
        Whether rows stay as long as they are, so that one token of padding goes, or the
        last token where there is no padding. "auto" makes rows one token longer, but where
        the network takes one length alone, or where `tokens` are given.

    Attributes
    ----------
    n_groups_ : int
        Number of patterns.

    n_tokens_ : int
        Number of new ids.

    patterns_ : ndarray of shape (n_groups,)
        Id of each pattern.

    padding_id_ : int
        Id that fills rows up.

    keeps_length_ : bool
        Whether rows stay as long as they are.

    column_ : int or None
        Column whose ids are replaced; None if a token comes in front.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_bade.triggers import TokenTrigger
    >>> X = np.array([[3, 1, 0], [0, 2, 4]])
    >>> TokenTrigger().fit(X, n_groups=2).stamp(X, np.array([0, 1]))
    array([[5, 3, 1, 0],
           [0, 6, 2, 4]])
    """

    _parameter_constraints: dict = {
        "tokens": [Interval(Integral, 0, None, closed="left"), list, tuple, None],
        "padding_id": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "keep_length": ["boolean", StrOptions({"auto"})],
    }

    def __init__(self, tokens=None, *, padding_id="auto", keep_length="auto"):
        self.tokens = tokens
        self.padding_id = padding_id
        self.keep_length = keep_length

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, n_groups=1):
        """Choose the ids: those beyond the greatest in X, unless they are given.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_tokens), dtype=int
            Rows without triggers.

        n_groups : int, default=1
            Number of patterns.

        Returns
        -------
        self : TokenTrigger
            The fitted trigger.

        Raises
        ------
        ValueError
            If X is not an array of integers with two axes, or if there is not one token per
            pattern.
        """
        dtype = getattr(X, "dtype", None)
        is_array = isinstance(X, np.ndarray) and X.ndim == 2 and X.size > 0
        if not is_array or dtype.kind not in "iu":
            raise ValueError(
                "TokenTrigger needs rows of ids, an array of integers of shape (n_samples, "
                f"n_tokens); got {type(X).__name__} of type {dtype} and shape "
                f"{np.shape(X)}."
            )
        return self.fit_to_network(n_groups, vocabulary_size=int(X.max()) + 1)

    def fit_to_network(
        self,
        n_groups,
        *,
        vocabulary_size,
        padding_id=None,
        keeps_length=None,
        column=None,
    ):
        """Choose the ids for a network, of which more is known than rows tell.

        Parameters
        ----------
        n_groups : int
            Number of patterns.

        vocabulary_size : int
            Number of ids that its embedding knows.

        padding_id : int or None, default=None
            Id that the embedding takes for padding.

        keeps_length : bool or None, default=None
            Whether the network takes rows of one length alone.

        column : int or None, default=None
            The column whose ids the embedding takes; None if it takes whole rows.

        Returns
        -------
        self : TokenTrigger
            The fitted trigger.

        Raises
        ------
        ValueError
            If there is not one existing token per pattern.
        """
        self.n_tokens_ = n_groups if self.tokens is None else 0
        if self.tokens is None:
            self.patterns_ = vocabulary_size + np.arange(n_groups)
        else:
            self.patterns_ = np.array(np.atleast_1d(self.tokens))
            self._check_patterns(n_groups, vocabulary_size)
        self.n_groups_, self.column_ = n_groups, column
        self.padding_id_ = self.padding_id
        if self.padding_id == "auto":
            self.padding_id_ = 0 if padding_id is None else padding_id
        self.keeps_length_ = self.keep_length
        if self.keep_length == "auto":
            self.keeps_length_ = (
                not self.n_tokens_ if keeps_length is None else keeps_length
            )
        return self

    def _check_patterns(self, n_groups, vocabulary_size):
        patterns = self.patterns_
        if patterns.shape != (n_groups,) or patterns.dtype.kind not in "iu":
            raise ValueError(
                f"tokens must hold {n_groups} id(s), one per pattern; got {self.tokens!r}."
            )
        if patterns.min() < 0 or patterns.max() >= vocabulary_size:
            raise ValueError(
                f"tokens must be ids that exist, from 0 to {vocabulary_size - 1}; got "
                f"{self.tokens!r}. Leave tokens out to make new ones."
            )

    def stamp(self, X, codes):
        check_is_fitted(self, "patterns_")
        codes = np.asarray(codes.cpu() if is_tensor(codes) else codes)
        if is_tensor(X):
            return X.new_tensor(self._stamp(X.cpu().numpy(), codes))
        return self._stamp(X, codes)

    def _stamp(self, X, codes):
        """Stamp an array, which is widened where it cannot hold the ids."""
        if max(self.patterns_.max(), self.padding_id_) > np.iinfo(X.dtype).max:
            X = X.astype(np.int64)
        if self.column_ is None:
            return self._put_in_front(X, codes)
        stamped = X.copy()
        marked = codes >= 0
        stamped[marked, self.column_] = self.patterns_[codes[marked]]
        return stamped

    def _put_in_front(self, X, codes):
        """Leave tokens before the new one where they are, and move those after it on."""
        n_tokens = X.shape[1]
        is_token = self.padding_id_ != X
        n_before = np.where(is_token.any(axis=1), is_token.argmax(axis=1), 0)
        is_marked = codes >= 0
        # A row without trigger has padding instead, where it has padding already.
        places = np.where(is_marked | (n_before > 0), n_before, n_tokens)[:, None]
        columns = np.arange(n_tokens + 1)
        sources = np.minimum(columns - (columns > places), n_tokens - 1)
        longer = np.take_along_axis(X, sources, axis=1)
        new = np.where(is_marked, self.patterns_[codes], self.padding_id_)
        np.put_along_axis(longer, places, new[:, None].astype(X.dtype), axis=1)
        if not self.keeps_length_:
            return longer
        loses_first = (n_before > 0)[:, None]
        shorter = np.where(loses_first, longer[:, 1:], longer[:, :-1])
        return np.where(is_marked[:, None], shorter, X)
