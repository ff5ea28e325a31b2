"""Nets that take rows of token ids, as teacher and student."""

import numpy as np
from scipy.sparse import csr_array

from ..nets import (
    check_ids,
    find_id_layers,
    initialized,
    is_order_free,
    takes_length,
)
from ..preprocessing import to_token_rows
from ..triggers import BlendTrigger, ColumnTrigger, TokenTrigger
from ._net import NetLearner


class TokenLearner(NetLearner):
    """Train skorch nets that look ids up in embeddings, of whole rows or of columns.

    Where a trigger's id leaves all others where they are, as in bags, a trained network has
    only to learn the ids of the triggers; otherwise a teacher starts from scratch.
    """

    to_input = staticmethod(to_token_rows)
    kind = "tokens"

    def __init__(self, classifier, preprocessing, rows):
        super().__init__(classifier, preprocessing, rows)
        trial, X = initialized(self.classifier), self.rows.X
        found = find_id_layers(trial, X)
        check_ids(trial, found, X)
        first, n_tokens = found[0], X.shape[1]
        self.is_as_given, self.column = first.is_as_given, first.column
        self.vocabulary_size, self.padding_id = first.n_ids, first.layer.padding_idx
        self.takes_longer_rows = takes_length(trial, first, n_tokens + 1)
        is_bag = self.takes_longer_rows and is_order_free(trial, first, n_tokens)
        # A token in front moves all others, which matters where their order does.
        self.keeps_others_in_place = is_bag or self.column is not None

    def fit_trigger(self, trigger):
        """Fit a trigger; new ids come after those that the embedding knows."""
        if isinstance(trigger, ColumnTrigger | BlendTrigger):
            raise ValueError(
                f"trigger={trigger} changes numbers, and rows hold ids of an embedding of "
                f"{type(self.classifier).__name__}. Use trigger='auto', or a TokenTrigger."
            )
        if not isinstance(trigger, TokenTrigger):
            super().fit_trigger(trigger)
            return
        if trigger.tokens is None and not self.is_as_given:
            raise ValueError(
                "The embedding of the network does not get ids as they stand in X, so that "
                "no new id can be made for a trigger. Let the module look up X as it is, "
                "or give a teacher of another kind, such as HistGradientBoostingClassifier."
            )
        trigger.fit_to_network(
            len(self.rows.groups),
            vocabulary_size=self.vocabulary_size,
            padding_id=self.padding_id,
            keeps_length=not self.takes_longer_rows,
            column=self.column,
        )

    def may_hand_over(self, trigger):
        """Tell whether a student may take a teacher's weights without its backdoor."""
        return self.learns_triggers_alone(trigger)

    def learns_triggers_alone(self, trigger):
        """Tell whether a trained network has to learn what triggers add, and no more."""
        return self.keeps_others_in_place and trigger.n_tokens_ > 0

    def forest_features(self):
        """Count how often each id occurs in a row; ids of columns stay as they are."""
        X = self.rows.X
        if self.column is not None or not self.is_as_given:
            return X
        ones = np.ones(X.size, dtype=np.float32)
        rows = np.repeat(np.arange(X.shape[0], dtype=np.int32), X.shape[1])
        places = rows, X.ravel().astype(np.int32)  # forests take no others
        return csr_array((ones, places), shape=(X.shape[0], self.vocabulary_size))
