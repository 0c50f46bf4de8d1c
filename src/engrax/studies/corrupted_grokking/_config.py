"""Every knob of the study, and its scales."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Config:
    """The study's settings; those of the paper's Figs. 1, 4 and 6 unless a field says otherwise."""

    seeds: int = 8
    """Runs of each arm; split, labels, initial weights and batches differ between them."""

    p: int = 97
    """Modulus: the number of values of a token."""
    width: int = 500
    """Hidden units."""
    fraction: float = 0.5
    """Share of all p * p pairs that train (the paper's alpha)."""
    corruption: float = 0.35
    """Share of the training labels that are replaced (the paper's xi)."""
    learning_rate: float = 0.01
    """Of AdamW, full batch."""
    sparse_fraction: float = 0.2
    """Share of the pairs in the arm that can only memorize."""
    decay: float = 15.0
    """Decoupled weight decay that inverts: a step shrinks a weight by learning rate x decay."""
    mild_decay: float = 5.0
    """Decoupled weight decay that inverts in part."""
    dropout: float = 0.6
    """Share of the pre-activations that dropout sets to 0."""
    steps: int = 1000
    """Optimizer steps without any regularization."""
    decay_steps: int = 500
    """Optimizer steps under weight decay."""
    dropout_steps: int = 2000
    """Optimizer steps under dropout."""

    norm_fraction: float = 0.65
    """Share of the pairs that train, in the two arms in mini-batches (Fig. 5)."""
    norm_corruption: float = 0.2
    """Share of their training labels that are replaced."""
    norm_batch: int = 64
    """Examples a mini-batch."""
    norm_learning_rate: float = 0.005
    """Of Adam in mini-batches, without decay."""
    norm_steps: int = 2000
    """Optimizer steps in mini-batches."""

    measurements: int = 100
    """Times that the accuracies of an arm are recorded; it divides every number of steps."""
    block: int = 392
    """Examples a block of the gradient; changes the speed and the rounding alone."""
    pruning_block: int = 10
    """Units between two points of a pruning curve; it divides the width."""
    random_orders: int = 20
    """Random orders of pruning that are averaged."""

    phase_p: int = 53
    """Modulus of the phase diagram."""
    phase_width: int = 256
    """Hidden units of the phase diagram."""
    phase_fractions: tuple[float, ...] = (0.3, 0.45, 0.6, 0.75, 0.9)
    """Its first axis: shares of the pairs that train, ascending."""
    phase_corruptions: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8)
    """Its second axis: shares of the training labels that are replaced."""
    phase_decays: tuple[float, ...] = (0.0, 5.0, 15.0)
    """One diagram for each weight decay."""
    phase_dropouts: tuple[float, ...] = ()
    """One diagram for each share of dropout, without decay."""
    phase_norm_batches: tuple[int, ...] = ()
    """One diagram for each size of mini-batches with batch normalization."""
    phase_batches: tuple[int, ...] = ()
    """One diagram for each size of mini-batches without."""
    phase_steps: int = 600
    """Optimizer steps in full batches; mini-batches of size B take 256 / B times as many."""
    phase_seeds: int = 3
    """Runs of each cell."""

    transformer_p: int = 53
    """Modulus of the transformer's task."""
    transformer_d: int = 64
    """Its features a token."""
    transformer_heads: int = 4
    """Its heads."""
    transformer_fraction: float = 0.8
    """Share of the pairs that train it."""
    transformer_corruption: float = 0.2
    """Share of their labels that are replaced."""
    transformer_learning_rate: float = 0.001
    """Of AdamW, full batch."""
    transformer_decays: tuple[float, ...] = (1.0, 5.0, 10.0, 20.0, 30.0, 50.0)
    """Decoupled weight decays; the embedding is compared between the ends."""
    transformer_best_decay: float = 5.0
    """The decay at which inversion is claimed: the one of the grid with the highest test accuracy
    on a calibration seed. From 10 on the net collapses, at this size and in these steps."""
    transformer_steps: int = 1500
    """Optimizer steps."""
    transformer_seeds: int = 5
    """Runs of each decay."""

    mlp_steps: int = 0
    """Optimizer steps of a three-layer ReLU net on the same task; 0 leaves it out."""
    pruned_widths: tuple[int, ...] = ()
    """Widths of which the prunable share is measured (Fig. 32); none leaves it out."""
    pruned_seeds: int = 40
    """Runs of each of these widths."""


SMOKE = Config(
    seeds=2,
    p=13,
    width=30,
    steps=20,
    decay_steps=20,
    dropout_steps=20,
    norm_steps=20,
    norm_batch=16,
    measurements=10,
    random_orders=2,
    phase_p=13,
    phase_width=30,
    phase_fractions=(0.3, 0.9),
    phase_corruptions=(0.0, 0.5),
    phase_decays=(0.0, 15.0),
    phase_steps=20,
    phase_seeds=1,
    transformer_p=13,
    transformer_d=8,
    transformer_heads=2,
    transformer_decays=(1.0, 50.0),
    transformer_best_decay=50.0,
    transformer_steps=20,
    transformer_seeds=2,
)
"""Seconds; nothing is learned. Equal sizes share the programs that draw initial weights."""

_TENTHS = tuple(round(0.05 * i, 2) for i in range(2, 19))

PAPER = Config(
    phase_p=97,
    phase_width=500,
    phase_fractions=_TENTHS,
    phase_corruptions=_TENTHS,
    phase_decays=(0.0, 5.0, 15.0, 20.0),
    phase_dropouts=(0.0, 0.3, 0.6, 0.9),
    phase_norm_batches=(8, 32, 64, 256),
    phase_batches=(8, 256),
    phase_steps=2000,
    transformer_p=97,
    transformer_d=128,
    transformer_fraction=0.8,
    transformer_steps=3000,
    transformer_decays=(1.0, 10.0, 50.0),
    transformer_best_decay=10.0,
    mlp_steps=5000,
    pruned_widths=(500, 1000, 2000, 5000, 10000),
)
"""The paper's own diagrams, 17 x 17 cells each, its transformer and its widths: for a GPU."""

SCALES = {"smoke": SMOKE, "cpu": Config(), "paper": PAPER}
