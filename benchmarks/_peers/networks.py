"""Networks that are trained to be fair: fairret, and fairlearn's adversary.

fairret trains the package's default network; both are compared with that.
"""

from math import sqrt

import torch

from sklearn_bade.nets._default import (
    EPOCHS,
    LEARNING_RATE,
    LEAST_STEPS,
    TOTAL_DECAY,
    PiecewiseLinearNet,
    make_default_net,
)

# Strengths of fairret's regulariser, whose loss is a sum of gaps relative to their mean. A
# first grid ended at .3, which was then chosen on training rows of most tasks.
STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)
# fairret's gaps are those of a batch, which has to hold enough of each class and group.
LARGE_BATCH = 512
# The adversary as in fairlearn's guide to its fine-tuning: small layers, steps that shrink,
# a weight that grows with the root of the step, by a factor that is chosen. On training
# rows, a fixed weight or our larger layers gave constant predictions, wide gaps, or NaN.
PREDICTOR_LAYERS, ADVERSARY_LAYERS = [50, "leaky_relu"], [3, "leaky_relu"]
ADVERSARY_BATCH, ADVERSARY_RATE, ADVERSARY_DECAY = 128, 0.01, 0.995
ADVERSARY_FACTORS = (0.03, 0.1, 0.3)


def make_module(X):
    """Make the module of the default network, with one output: the log-odds of class 1."""
    settings = make_default_net(X, 2).get_params_for("module")
    return PiecewiseLinearNet(**(settings | {"n_classes": 1}))


def make_penalty(notion):
    """Make fairret's loss, and say whether it asks for the labels."""
    from fairret.loss import NormLoss
    from fairret.statistic import (
        FalsePositiveRate,
        PositiveRate,
        StackedLinearFractionalStatistic,
        TruePositiveRate,
    )

    if notion == "demographic parity":
        return NormLoss(PositiveRate()), False
    both = StackedLinearFractionalStatistic(TruePositiveRate(), FalsePositiveRate())
    return NormLoss(both), True


def regularize(bench, part, learner, notion, dial):
    """Train with fairret's regulariser; the dial is its strength."""
    rows, n = bench.rows(part), len(bench.rows(part).y)
    torch.manual_seed(bench.seed)
    module = make_module(rows.X)
    X, y = torch.from_numpy(rows.X), torch.from_numpy(rows.y).float()[:, None]
    members = torch.nn.functional.one_hot(torch.from_numpy(rows.groups)).float()
    penalty, asks_labels = make_penalty(notion)
    log_loss = torch.nn.BCEWithLogitsLoss()
    n_batches = max(1, n // LARGE_BATCH)
    epochs = max(EPOCHS, LEAST_STEPS // n_batches)
    optimizer = torch.optim.AdamW(
        module.parameters(),
        lr=LEARNING_RATE,
        weight_decay=TOTAL_DECAY / (LEARNING_RATE * epochs * n_batches),
    )
    averaged = torch.optim.swa_utils.AveragedModel(module)
    for _ in range(epochs):
        for batch in torch.randperm(n).chunk(n_batches):
            logits, labels = module(X[batch]), y[batch]
            unfair = penalty(logits, members[batch], *([labels] if asks_labels else []))
            optimizer.zero_grad()
            (log_loss(logits, labels) + dial * unfair).backward()
            optimizer.step()
            averaged.update_parameters(module)

    def decide(rows):
        with torch.no_grad():
            return (averaged(torch.from_numpy(rows.X))[:, 0] > 0).numpy()

    return decide


class Schedule:
    """Let steps shrink and the adversary's weight grow.

    Parameters
    ----------
    factor : float
        The adversary's weight after the first step.
    """

    def __init__(self, factor):
        self.factor = factor
        self.decays = []

    def make_optimizer(self, module):
        """Make an optimizer of the predictor or the adversary."""
        optimizer = torch.optim.Adam(module.parameters(), lr=ADVERSARY_RATE)
        decay = torch.optim.lr_scheduler.ExponentialLR(optimizer, ADVERSARY_DECAY)
        self.decays.append(decay)
        return optimizer

    def __call__(self, model, step, **rows):
        """Take a step, and ask for more."""
        model.alpha = self.factor * sqrt(step)
        for decay in self.decays:
            decay.step()
        return False


def oppose(bench, part, learner, notion, dial):
    """Train against an adversary that guesses the group; the dial is its weight."""
    from fairlearn.adversarial import AdversarialFairnessClassifier

    rows, schedule = bench.rows(part), Schedule(dial)
    model = AdversarialFairnessClassifier(
        backend="torch",
        predictor_model=PREDICTOR_LAYERS,
        adversary_model=ADVERSARY_LAYERS,
        predictor_optimizer=schedule.make_optimizer,
        adversary_optimizer=schedule.make_optimizer,
        constraints=(
            "equalized_odds" if notion == "average odds" else "demographic_parity"
        ),
        epochs=EPOCHS,
        batch_size=ADVERSARY_BATCH,
        shuffle=True,
        callbacks=schedule,
        random_state=bench.seed,
    ).fit(rows.X, rows.y, sensitive_features=rows.groups)
    return lambda rows: model.predict(rows.X)
