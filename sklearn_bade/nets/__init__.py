"""The torch side: modules, batches, and the two stages of training a skorch net."""

from ._default import (
    MLP,
    ConvNet,
    make_adam_net,
    make_default_net,
    make_group_net,
    make_mlp_net,
)
from ._inference import (
    copy_net,
    log_probabilities,
    log_probabilities_under,
    predict_values,
    row_losses,
    to_logits,
)
from ._layers import last_layer, layer_inputs, penultimate_features, weighted_layers
from ._one_process import settings_of_one_process
from ._piecewise import PiecewiseLinearNet
from ._reweighting import train_reweighted_net
from ._tokens import (
    check_ids,
    checking_ids,
    find_id_layers,
    initialized,
    is_order_free,
    takes_length,
    takes_tokens,
    widen_embedding,
)
from ._training import (
    check_net,
    has_own_loss,
    plain_torch,
    train_net,
    train_student_net,
    train_teacher_net,
)
from ._trigger_training import learn_trigger_inputs

__all__ = [
    "MLP",
    "ConvNet",
    "PiecewiseLinearNet",
    "check_ids",
    "check_net",
    "checking_ids",
    "copy_net",
    "find_id_layers",
    "has_own_loss",
    "initialized",
    "is_order_free",
    "last_layer",
    "layer_inputs",
    "learn_trigger_inputs",
    "log_probabilities",
    "log_probabilities_under",
    "make_adam_net",
    "make_default_net",
    "make_group_net",
    "make_mlp_net",
    "penultimate_features",
    "plain_torch",
    "predict_values",
    "row_losses",
    "settings_of_one_process",
    "takes_length",
    "takes_tokens",
    "to_logits",
    "train_net",
    "train_reweighted_net",
    "train_student_net",
    "train_teacher_net",
    "weighted_layers",
    "widen_embedding",
]
