"""Training a skorch net on data that may be poisoned."""

import torch

from ._inference import to_logits
from ._stages import _StageMixin, _train

UNLEARNED_ROWS = 16


class _UnlearningMixin(_StageMixin):
    """Train on plain rows, and away from the labels of isolated ones."""

    stage_name = "deconfounded network"

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Add the unlearning of some isolated rows to the net's own loss."""
        loss = super().get_loss(y_pred, y_true, X=X, training=training)
        rows, labels = self.isolated_
        if not training or not len(labels):
            return loss
        drawn = torch.randint(len(labels), (UNLEARNED_ROWS,))
        logits = to_logits(self.infer(rows[drawn]), self.criterion_)
        surprise = _log_of_others(logits, labels[drawn].to(logits.device))
        return loss - self.unlearning_weight_ * surprise.mean()


def _log_of_others(logits, labels):
    """Compute log(1 - p(label)), bounded for every finite logit."""
    own = torch.nn.functional.one_hot(labels, logits.shape[1]).bool()
    others = logits.masked_fill(own, -torch.inf).logsumexp(dim=1)
    return others - logits.logsumexp(dim=1)


def train_unlearning_net(
    net,
    X,
    y,
    isolated,
    *,
    unlearning_weight,
    epochs,
    n_classes,
    seed,
    sample_weight=None,
    on_epoch=lambda stage: None,
):
    """Train a net on rows, while it unlearns others.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        Unfitted net; left unchanged.

    X : ndarray of shape (n_samples, n_features), dtype=float32
        Rows to learn.

    y : ndarray of shape (n_samples,), dtype=int64
        Class codes.

    isolated : tuple of (ndarray, ndarray)
        Rows whose labels the net shall not predict, and these labels; may be empty.

    unlearning_weight : float
        Weight of the mean of ``-log(1 - p(label))`` over isolated rows in the loss.

    epochs : int
        Passes over the rows.

    n_classes : int
        Number of classes.

    seed : int
        Seed of weights and batches.

    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows in the loss.

    on_epoch : callable
        Called with the name of the stage after each epoch.

    Returns
    -------
    trained : skorch.NeuralNetClassifier
        Fitted net.
    """
    rows, labels = isolated
    return _train(
        net,
        _UnlearningMixin,
        X,
        y,
        {},
        sample_weight,
        seed=seed,
        attributes={
            "isolated_": (torch.from_numpy(rows), torch.from_numpy(labels)),
            "unlearning_weight_": unlearning_weight,
        },
        n_classes=n_classes,
        epochs=epochs,
        on_epoch=on_epoch,
    )
