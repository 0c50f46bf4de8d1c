"""Every knob of the study, and its scales."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Config:
    """Settings of all claims; fields named after a claim's subject belong to it alone."""

    seeds: int = 8
    """Independent runs of each arm: initial weights and order of the batches."""

    data: Literal["fashion_mnist", "mnist_5k", "mnist", "cifar10", "cifar100"] = "fashion_mnist"
    """Images that C1 and C2 are judged on; the headline C1m always uses mnist_5k."""
    train: int | None = 20_000
    """Training images; all that the validation images leave if None."""
    validation: int = 2_000
    """Images cut from the training part, on which learning rates are chosen."""
    test: int | None = None
    """Test images; the whole test part if None."""
    hidden: int = 128
    """Units of a hidden layer."""
    hidden_layers: int = 5
    """Hidden layers of the fully connected nets."""
    batch: int = 128
    """Images a step."""
    epochs: int = 15
    """Passes over the training images."""

    digits_train: int = 3_500
    """C1m: training images out of the 4,000 of mnist_5k."""
    digits_validation: int = 500
    """C1m: validation images out of the 4,000."""
    digits_epochs: int = 40
    """C1m: passes over the training images."""

    clip: float = 1.0
    """Bound on the L2 norm of a network's gradient, for every rule."""
    ccl_rates: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Learning rates tried for counter-current learning, both networks alike."""
    bp_rates: tuple[float, ...] = (0.1, 0.2, 0.4)
    """Learning rates tried for backpropagation."""
    fa_rates: tuple[float, ...] = (0.1, 0.2, 0.4)
    """Learning rates tried for feedback alignment."""
    dfa_rates: tuple[float, ...] = (0.1, 0.2, 0.4)
    """Learning rates tried for direct feedback alignment."""
    drtp_rates: tuple[float, ...] = (0.05, 0.1, 0.2)
    """Learning rates tried for direct random target projection."""
    fwdtp_rates: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Learning rates tried for fixed-weight difference target propagation."""
    extensions: int = 2
    """How often a grid of rates may grow by one value while its best lies on the edge."""
    fwdtp_step: float = 0.1
    """Step size of the output target in target propagation."""
    rate_surface: tuple[float, ...] = (0.0, 0.2, 0.8)
    """C2: learning rates of either network, all pairs of which are run."""
    surface_seeds: int = 5
    """C2: runs of each pair."""

    alignment_seeds: int = 10
    """C3: runs."""
    alignment_batch: int = 32
    """C3: images a step."""
    alignment_every: int = 20
    """C3: steps between two measurements."""
    alignment_steps: int = 160
    """C3: steps until the last measurement, a multiple of `alignment_every`."""
    alignment_rate: float = 1.0
    """C3: learning rate of both networks, not tuned."""

    cost_hidden: int = 256
    """C6: units of a hidden layer of the net whose operations are counted."""
    cost_batch: int = 32
    """C6: images a step whose operations are counted."""


SCALES = {
    "smoke": Config(
        seeds=2,
        data="mnist_5k",
        train=128,
        validation=50,
        hidden=16,
        hidden_layers=3,
        batch=32,
        epochs=2,
        digits_train=128,
        digits_validation=50,
        digits_epochs=2,
        extensions=0,
        rate_surface=(0.0, 0.8),
        surface_seeds=2,
        alignment_seeds=2,
        alignment_batch=8,
        alignment_every=2,
        alignment_steps=4,
        cost_hidden=16,
    ),
    "cpu": Config(),
    "paper": Config(
        seeds=5,
        train=None,
        validation=6_000,
        hidden=256,
        batch=256,
        epochs=100,
        rate_surface=(0.0, 0.05, 0.1, 0.2, 0.4, 0.8),
    ),
}
