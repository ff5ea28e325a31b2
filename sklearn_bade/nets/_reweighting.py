"""Training a skorch net away from what a confounded one knows."""

from collections.abc import Mapping

import torch
from torch.nn.functional import cross_entropy

from ._inference import to_logits
from ._layers import weighted_layers
from ._stages import StageMixin
from ._training import train_under

# The released code takes .2 for the rate, which diverges with exact spectral norms.
CRITIC_RATE = 1e-3
# As in the released code, like the guard of the ratio.
CRITIC_DROPOUT = 0.2
TINY = 1e-8


class _ReweightingMixin(StageMixin):
    """Train by the paper's weights, and decorrelate from the confounded network."""

    stage_name = "deconfounded network"
    stage_attributes = ("critic_weight_",)

    def adapt_module(self, X):
        """Watch what the last layer receives."""
        *_, last = weighted_layers(self.module_).values()
        self.stage_["watch"] = last.register_forward_pre_hook(self._remember)

    def _remember(self, layer, inputs):
        self.stage_["embedding"] = inputs[0]

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Weigh each row by how hard it was for the confounded network."""
        if not isinstance(X, Mapping):  # a validation set of the user's own
            return super().get_loss(y_pred, y_true, X=X, training=training)
        batch = {name: values.to(self.device) for name, values in X.items()}
        logits = to_logits(y_pred, self.criterion_)
        losses = cross_entropy(logits, y_true.to(self.device), reduction="none")
        confounded = batch["confounded_loss"]
        weights = confounded / (confounded + losses.detach() + TINY)
        loss = (weights / weights.mean() * losses).mean()
        if not training or not self.critic_weight_:
            return loss
        pair = batch["confounded_embedding"], self.stage_["embedding"].flatten(1)
        return loss + self.critic_weight_ * self._estimate_dependence(*pair)

    def _estimate_dependence(self, confounded, embedding):
        """Let the critic take a step, and ask it how far the two depend."""
        if "critic" not in self.stage_:
            width = confounded.shape[1] + embedding.shape[1]
            self.stage_["critic"] = _Critic(width).to(self.device)
        critic = self.stage_["critic"]
        critic.improve(confounded, embedding.detach())
        return critic(confounded, embedding)

    def on_train_end(self, net, *args, **kwargs):
        """Stop watching."""
        self.stage_["watch"].remove()
        super().on_train_end(net, *args, **kwargs)


class _Critic(torch.nn.Module):
    """Lipschitz critic whose means differ where two embeddings depend on each other."""

    def __init__(self, width):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Dropout(CRITIC_DROPOUT),
            torch.nn.Linear(width, width // 2),
            torch.nn.LeakyReLU(),
            torch.nn.Dropout(CRITIC_DROPOUT),
            torch.nn.Linear(width // 2, 1),
        )
        self.optimizer = torch.optim.Adam(self.parameters(), lr=CRITIC_RATE)

    def forward(self, confounded, embedding):
        """Compare the mean over pairs with that over broken pairs."""
        pairs = torch.cat([confounded, embedding], dim=1)
        broken = torch.cat([confounded, embedding.roll(-1, dims=0)], dim=1)
        return self.layers(pairs).mean() - self.layers(broken).mean()

    def improve(self, confounded, embedding):
        """Take one step, then bring each weight's largest singular value to one."""
        self.optimizer.zero_grad()
        (-self(confounded, embedding)).backward()
        self.optimizer.step()
        with torch.no_grad():
            for layer in weighted_layers(self).values():
                layer.weight /= torch.linalg.matrix_norm(layer.weight, ord=2)


def train_reweighted_net(
    net,
    X,
    y,
    confounded_loss,
    confounded_embedding,
    *,
    critic_weight,
    n_classes,
    seed,
    on_epoch=lambda stage: None,
):
    """Train a net by the weights, and with the critic, of CBD."""
    companions = {
        "confounded_loss": confounded_loss,
        "confounded_embedding": confounded_embedding.reshape(len(X), -1),
    }
    return train_under(
        net,
        _ReweightingMixin,
        X,
        y,
        companions,
        None,
        seed=seed,
        attributes={"critic_weight_": critic_weight},
        n_classes=n_classes,
        epochs=net.max_epochs,
        on_epoch=on_epoch,
    )
