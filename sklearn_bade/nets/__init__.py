"""The torch side: modules, batches, and the two stages of training a skorch net."""

from ._default import MLP, make_default_net
from ._identity import net_identity
from ._inference import log_probabilities, predict_values
from ._stages import (
    check_net,
    has_own_loss,
    train_net,
    train_student_net,
    train_teacher_net,
)

__all__ = [
    "MLP",
    "check_net",
    "has_own_loss",
    "log_probabilities",
    "make_default_net",
    "net_identity",
    "predict_values",
    "train_net",
    "train_student_net",
    "train_teacher_net",
]
