"""Every knob of the study, and its scales."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Config:
    """Settings of all claims; data A are small images, data B what C2 is judged on."""

    seeds: int = 5
    """Independent runs of each arm: initial weights, noise and order of the batches."""
    draws: int = 5
    """Starting noises of every accuracy, which is their mean."""
    blocks: int = 10
    """Blocks of a chain, T."""
    batch: int = 128
    """Images a step."""
    rate: float = 1e-3
    """Learning rate of AdamW, for NoProp and all that is made of its blocks."""
    decay: float = 1e-3
    """Weight decay of AdamW."""
    eta: float = 0.1
    """Weight of the denoising loss of a chain."""

    a_data: Literal["digits", "mnist_5k", "mnist", "cifar10", "cifar100"] = "digits"
    """A: images."""
    a_train: int | None = None
    """A: training images; all if None."""
    a_test: int | None = None
    """A: test images; all if None."""
    a_path: Literal["conv", "dense"] = "conv"
    """A: how blocks see an image."""
    a_channels: tuple[int, int, int] = (8, 16, 32)
    """A: channels of a block's convolutions."""
    a_hidden: int = 64
    """A: width of a block."""
    a_epochs: int = 60
    """A: passes over the training images; a multiple of `a_every`."""
    a_every: int = 10
    """A: passes between two measurements."""
    dim: int = 20
    """C1, C6: size of the embedding that is called dim-20."""

    b_data: Literal["fashion_mnist", "digits", "mnist", "cifar10"] = "fashion_mnist"
    """B: images."""
    b_pooled: bool = True
    """B: whether images are halved by 2 x 2 means first (28 to 14 pixels)."""
    b_train: int | None = 5_000
    """B: training images."""
    b_validation: int = 1_000
    """B: validation images, on which the baselines' learning rates are chosen."""
    b_test: int | None = 5_000
    """B: test images."""
    b_path: Literal["conv", "dense"] = "dense"
    """B: how blocks see an image."""
    b_channels: tuple[int, int, int] = (8, 16, 32)
    """B: channels of a block's convolutions, if it has any."""
    b_hidden: int = 64
    """B: width of a block."""
    b_epochs: int = 80
    """B: passes over the training images; a multiple of `b_every`."""
    b_every: int = 20
    """B: passes between two measurements."""
    layers: int = 3
    """C2, C4: hidden layers of the fully connected baselines, as wide as it takes for as many
    parameters as NoProp's."""
    tune: bool = True
    """C2: whether baselines' rates are chosen on validation images; else the middle one."""
    ff_rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3)
    """C2: rates tried for forward-forward (Adam)."""
    fg_rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3)
    """C2: rates tried for forward gradients (Adam)."""
    drtp_rates: tuple[float, ...] = (0.1, 0.3, 0.9)
    """C2: rates tried for direct random target projection (gradient descent)."""
    fwdtp_rates: tuple[float, ...] = (0.3, 0.9, 2.7)
    """C2: rates tried for fixed-weight difference target propagation (gradient descent)."""
    ccl_rates: tuple[float, ...] = (0.3, 0.9, 2.7)
    """C2: rates tried for counter-current learning (gradient descent)."""

    flow_epochs: int = 100
    """C3, C6: passes of the continuous variants over A; a multiple of `flow_every`."""
    flow_every: int = 10
    """C3, C6: passes between two measurements of the continuous variants."""
    flow_steps: int = 100
    """C3, C6: steps of their sampler."""
    adjoint_epochs: int = 20
    """C3: passes of the adjoint baseline over A, whose time is given to the others too."""
    adjoint_every: int = 5
    """C3: passes between two measurements of the adjoint baseline."""
    adjoint_steps: int = 100
    """C3: steps of its solver."""
    depths: tuple[int, ...] = (2, 5, 10, 20)
    """C3: numbers of blocks at which the memory of a step is measured; `blocks` among them."""

    grid_rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3)
    """C4: NoProp's learning rates."""
    grid_etas: tuple[float, ...] = (0.03, 0.1, 0.3)
    """C4: NoProp's weights of the denoising loss."""
    grid_fwdtp_rates: tuple[float, ...] = (0.3, 1.0, 3.0)
    """C4: learning rates of FW-DTP, ten times apart like NoProp's."""
    grid_fwdtp_steps: tuple[float, ...] = (0.03, 0.1, 0.3)
    """C4: step sizes of FW-DTP's output target."""
    grid_epochs: int = 20
    """C4: passes over A in each cell."""

    probe_l2: float = 1e-3
    """C5: penalty of the linear probes on standardized features."""
    judged: int = 5_000
    """C5: images of each part, at most, on which the blocks of a chain are looked at."""

    factor_train: int = 8_000
    """C6: training examples of the task with 64 classes."""
    factor_test: int = 2_000
    """C6: its test examples."""
    factor_hidden: int = 64
    """C6: width of a block."""
    factor_epochs: int = 40
    """C6: passes over the training examples."""


SCALES = {
    "smoke": Config(
        seeds=2,
        draws=2,
        blocks=2,
        batch=32,
        a_train=96,
        a_test=300,
        a_path="dense",
        a_hidden=8,
        a_epochs=2,
        a_every=1,
        dim=12,
        b_data="digits",
        b_pooled=False,
        b_train=96,
        b_validation=40,
        b_test=300,
        b_hidden=8,
        b_epochs=2,
        b_every=1,
        layers=2,
        tune=False,
        flow_epochs=2,
        flow_every=1,
        flow_steps=3,
        adjoint_epochs=1,
        adjoint_every=1,
        adjoint_steps=3,
        depths=(2,),
        grid_rates=(1e-3, 3e-3),
        grid_etas=(0.1,),
        grid_fwdtp_rates=(0.3, 1.0),
        grid_fwdtp_steps=(0.1,),
        grid_epochs=1,
        factor_train=128,
        factor_test=64,
        factor_hidden=8,
        factor_epochs=1,
    ),
    "cpu": Config(),
    "paper": Config(
        a_data="mnist",
        a_channels=(32, 64, 128),
        a_hidden=256,
        a_epochs=100,
        b_data="cifar10",
        b_pooled=False,
        b_train=None,
        b_validation=5_000,
        b_test=None,
        b_path="conv",
        b_channels=(32, 64, 128),
        b_hidden=256,
        b_epochs=150,
        b_every=10,
        flow_steps=1000,
        adjoint_epochs=2,
        adjoint_every=1,
        adjoint_steps=1000,
        judged=2_000,
        grid_epochs=100,
    ),
}
