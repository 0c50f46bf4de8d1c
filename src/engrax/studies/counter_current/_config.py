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
    bp_rates: tuple[float, ...] = (0.2, 0.4, 0.8)
    """Learning rates tried for backpropagation."""
    fa_rates: tuple[float, ...] = (0.4, 0.8, 1.6)
    """Learning rates tried for feedback alignment."""
    dfa_rates: tuple[float, ...] = (0.1, 0.2, 0.4)
    """Learning rates tried for direct feedback alignment."""
    drtp_rates: tuple[float, ...] = (0.2, 0.4, 0.8)
    """Learning rates tried for direct random target projection."""
    fwdtp_rates: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Learning rates tried for fixed-weight difference target propagation."""
    tune: bool = True
    """Whether rates are chosen on validation images; else each grid's middle value is taken."""
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

    conv_data: Literal["fashion_mnist", "mnist_5k", "cifar10", "cifar100"] = "fashion_mnist"
    """C4: images."""
    conv_pooled: bool = True
    """C4: whether images are halved by 2 x 2 means first (28 to 14 pixels)."""
    conv_train: int | None = 10_000
    """C4: training images."""
    conv_validation: int = 2_000
    """C4: validation images."""
    conv_channels: tuple[int, ...] = (16, 32, 64)
    """C4: channels of each level; each halves the image by max pooling."""
    conv_batch: int = 128
    """C4: images a step."""
    conv_epochs: int = 10
    """C4: passes over the training images; the learning rate falls along half a cosine."""
    conv_warmup: int = 100
    """C4: steps over which the gradient grows to its full size."""
    conv_clip: float = 0.3
    """C4: bound on the L2 norm of the forward network's gradient; feedback's has none."""
    conv_momentum: float = 0.8
    """C4: momentum of both networks of a pair, and of the readout on frozen features."""
    conv_decay: float = 1e-6
    """C4: weight decay of the same."""
    conv_margin: float | None = None
    """C4: distance of a label's probability from 1 below which an image teaches nothing."""
    conv_bp_momentum: float = 0.5
    """C4: momentum of backpropagation."""
    conv_bp_decay: float = 1e-5
    """C4: weight decay of backpropagation."""
    conv_rates: tuple[float, ...] = (0.5, 1.0, 2.0)
    """C4: learning rates tried for counter-current learning, both networks alike."""
    conv_bp_rates: tuple[float, ...] = (0.1, 0.2, 0.4)
    """C4: learning rates tried for backpropagation."""
    conv_frozen_rates: tuple[float, ...] = (0.5, 1.0, 2.0)
    """C4: learning rates tried for the readout on frozen features."""
    conv_seeds: int = 5
    """C4: runs of each arm."""

    auto_data: Literal["fashion_mnist", "mnist_5k", "stl10"] = "fashion_mnist"
    """C5: images; those of 28 pixels get a border of 2."""
    auto_train: int | None = 10_000
    """C5: training images."""
    auto_validation: int = 1_000
    """C5: validation images."""
    auto_channels: tuple[int, ...] = (16, 32, 64, 64)
    """C5: channels of each level down to the code; each halves the image."""
    auto_batch: int = 64
    """C5: images a step."""
    auto_epochs: int = 15
    """C5: passes over the training images; the learning rate falls along half a cosine."""
    auto_warmup: int = 100
    """C5: steps over which the gradient grows to its full size."""
    auto_clip: float = 0.2
    """C5: bound on the L2 norm of a network's gradient."""
    auto_momentum: float = 0.9
    """C5: momentum of both networks of a pair."""
    auto_decay: float = 1e-4
    """C5: weight decay of both networks of a pair."""
    auto_bp_momentum: float = 0.5
    """C5: momentum of backpropagation."""
    auto_bp_decay: float = 1e-5
    """C5: weight decay of backpropagation."""
    auto_rates: tuple[float, ...] = (0.01, 0.03, 0.09)
    """C5: learning rates tried for counter-current learning, with and without frozen feedback."""
    auto_bp_rates: tuple[float, ...] = (0.03, 0.1, 0.3)
    """C5: learning rates tried for backpropagation."""
    auto_l2: float = 1e-3
    """C5: penalty of the linear probe on standardized codes."""
    auto_seeds: int = 5
    """C5: runs of each arm."""


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
        tune=False,
        rate_surface=(0.0, 0.8),
        surface_seeds=2,
        alignment_seeds=2,
        alignment_batch=8,
        alignment_every=2,
        alignment_steps=4,
        cost_hidden=16,
        conv_data="mnist_5k",
        conv_train=96,
        conv_validation=50,
        conv_channels=(4, 4),
        conv_batch=32,
        conv_epochs=2,
        conv_warmup=2,
        conv_seeds=2,
        auto_data="mnist_5k",
        auto_train=96,
        auto_validation=50,
        auto_channels=(4, 4),
        auto_batch=32,
        auto_epochs=2,
        auto_warmup=2,
        auto_seeds=2,
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
        conv_data="cifar10",
        conv_pooled=False,
        conv_train=None,
        conv_validation=5_000,
        conv_channels=(128, 128, 256, 256, 512),
        conv_epochs=100,
        conv_margin=0.1,
        auto_data="stl10",
        auto_train=None,
        auto_validation=500,
        auto_channels=(128, 256, 1024, 2048),
        auto_batch=32,
        auto_epochs=50,
    ),
}
