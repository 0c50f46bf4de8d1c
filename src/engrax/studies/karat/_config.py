"""Every knob of the study, and its scales."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Config:
    """Settings of all claims; the defaults are the scale "cpu"."""

    seeds: int = 6
    """C1, C2, C2b and C6: initial weights and orders of the batches; even, since two cores take as
    many as one more."""
    short_seeds: int = 6
    """The same in C3, C4, C5 and C7; at most `seeds`."""
    few_seeds: int = 2
    """The same where nothing is judged: longer training and the larger model."""
    tuning_seeds: int = 2
    """Calibration seeds on which the arms of C1, C2 and C2b choose their rates, by validation
    examples; if 0 all take `rate`, as the other arms do."""

    data: Literal["fashion_mnist", "mnist_5k", "cifar10", "cifar100"] = "fashion_mnist"
    """Images."""
    train: int | None = 5_000
    """Training images; all that the validation images leave if None."""
    validation: int = 2_000
    """Images cut from the training part, on which rates are chosen."""
    test: int | None = 5_000
    """Test images; the whole test part if None."""
    mean: float = 0.2860
    """Of the pixels, whose range is 0 to 1."""
    std: float = 0.3530
    """Standard deviation of the pixels."""

    patch: int = 7
    """Pixels along a side of a patch."""
    d: int = 48
    """Features of a token."""
    depth: int = 3
    """Blocks."""
    heads: int = 3
    """Heads of each block."""
    rank: int = 6
    """R, functions a key in each operator."""
    grid: int = 3
    """G, harmonics."""
    ranks: tuple[int, ...] = (1, 2, 4, 12, 17)
    """C3: other ranks, at most the number of tokens."""
    bases: tuple[str, ...] = (
        "pade", "mexican_hat", "morlet", "dog", "meyer", "shannon", "bspline", "identity",
    )  # fmt: skip
    """C4: bases held against Fourier's."""

    batch: int = 64
    """Images a step."""
    epochs: int = 9
    """Passes over the training images in C1, C2 and C6; a multiple of 3."""
    short_epochs: int = 6
    """The same in C3, C4, C5 and C7; a multiple of `epochs` / 3."""
    long_epochs: int = 27
    """The same where the gap is watched as training goes on; a multiple of `epochs` / 3."""
    rate: float = 1e-3
    """Peak learning rate, where it is not tuned."""
    rates: tuple[float, ...] = (5e-4, 1e-3, 2e-3)
    """Peak learning rates tried, the same for every tuned arm on images."""
    floor: float = 1e-5
    """Where the rate ends, along half a cosine."""
    warmup: int = 1
    """Epochs over which the rate rises from 0."""
    weight_decay: float = 0.05
    """Decoupled, of all parameters."""
    clip: float = 1.0
    """Bound on the L2 norm of the gradient."""
    smoothing: float = 0.1
    """Label smoothing."""

    snapshots: int = 27
    """C6: weights saved along the way; a multiple of 3 that divides the steps."""
    points: int = 21
    """C6: points along a side of the loss plane."""
    plane_images: int = 128
    """C6: training images whose loss is drawn."""
    map_images: int = 32
    """C6: test images whose attention maps are measured."""

    recall_keys: int = 16
    """C2b: keys, all of them in each prompt."""
    recall_values: int = 8
    """C2b: values."""
    recall_train: int = 6_000
    """C2b: training prompts."""
    recall_test: int = 2_000
    """C2b: test prompts, and as many validation prompts."""
    recall_epochs: int = 40
    """C2b: passes over the training prompts; a multiple of 4."""
    recall_ranks: tuple[int, ...] = (2, 6, 12, 17)
    """C2b: ranks, at most the number of tokens."""
    recall_rate: float = 3e-3
    """C2b: peak learning rate, where it is not tuned."""
    recall_rates: tuple[float, ...] = (1e-3, 3e-3, 9e-3)
    """C2b: peak learning rates tried."""

    variants: bool = True
    """Whether other ranks, bases and orders of the operator, and students of a softmax, are trained
    (C3, C4, C5, C7): each is a program of its own."""
    save_all: bool = False
    """Whether all runs save weights along the way, not those of C6 alone; then they share
    programs."""
    costs: tuple[int, ...] = (17, 50, 197)
    """C3: numbers of tokens at which operators are counted."""
    larger: int = 2
    """C8: how many times wider and deeper the larger model is."""


SCALES = {
    "smoke": Config(
        seeds=2, short_seeds=2, few_seeds=2, tuning_seeds=0, data="mnist_5k", train=64,
        validation=20, test=40, patch=14, d=12, depth=1, rank=2, grid=1, ranks=(1, 5),
        bases=("morlet", "identity"), batch=16, epochs=3, short_epochs=2, long_epochs=3,
        snapshots=6, points=3, plane_images=16, map_images=4, recall_keys=4, recall_values=3,
        recall_train=32, recall_test=20, recall_epochs=4, recall_ranks=(2, 5), variants=False,
        save_all=True, costs=(5, 9), larger=1,
    ),
    "cpu": Config(),
    "paper": Config(
        seeds=2, short_seeds=2, tuning_seeds=1, data="cifar10", train=None, validation=5_000,
        test=None, mean=0.4734, std=0.2516, patch=4, d=192, depth=12, rank=12, ranks=(2, 4, 65),
        batch=32, epochs=99, short_epochs=99, long_epochs=99, rate=1e-4, rates=(3e-5, 1e-4, 3e-4),
        warmup=5, snapshots=33,
    ),
}  # fmt: skip
"""`paper` is ViT-Tiny on CIFAR-10 at its own 32 pixels, without the paper's augmentation."""
