"""Settings of the network, which are read and checked without torch."""

from dataclasses import dataclass

GNN_FILES = ("gnn.safetensors", "gnn.json")  # what a network is kept in: weights, and what they mean
# The learning rate that suits each: what is taken when none is given.
LEARNING_RATES = {"adamw": 5e-3, "adam": 5e-3, "momentum": 0.05, "sgd": 0.2}
SCHEDULES = ("one_cycle", "constant", "cosine", "step", "exponential")


@dataclass(frozen=True)
class GnnSettings:
    """How the network is built and trained.

    n_folds networks are trained, each without one fold of the campaigns and users; their mean logit is the
    model, and each one's logits on its own fold are the honest ones to fit a calibration on.
    """

    width: int = 32
    n_gates: int = 8
    n_rounds: int = 2
    dropout: float = 0.1
    input_dropout: float = 0.5  # strong, so that no campaign is known by the looks of its accounts
    robustness: float = 0.7  # 0 cross entropy … 1 absolute error; see training.robust_loss
    optimiser: str = "adamw"  # or adam, momentum, sgd; see optimisers.py
    learning_rate: float = 5e-3
    momentum: float = 0.9  # of the optimiser of that name
    schedule: str = "one_cycle"  # or constant, cosine, step, exponential
    l1: float = 0.0  # times the sum of absolute weights is added to the loss
    weight_decay: float = 1e-3  # L2
    n_steps: int = 150
    warm_up_share: float = 0.15
    batch_size: int = 768
    positive_share: float = 0.1
    fan_outs: tuple[int, ...] = (16, 4)  # ties drawn per user, from the seeds outwards; one per round
    n_negatives: int = 100_000  # of the users not known to be positive, how many are drawn into training
    clip_norm: float = 1.0
    eval_every: int = 25
    watched_share: float = 0.2  # of what would be learned from, for early stopping; 0: all steps are taken
    patience: int = 4  # evaluations without a better validation average precision
    n_folds: int = 2
