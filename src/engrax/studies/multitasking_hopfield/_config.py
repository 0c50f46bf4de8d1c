"""Every knob of the study, and its scales."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of all claims; the defaults are the scale "cpu"."""

    seeds: int = 10
    """Samples of patterns, examples and dynamics for each arm, unless it has its own number."""
    burn_in: int = 200
    """Sweeps that are thrown away."""
    sweeps: int = 200
    """Sweeps that are averaged over."""
    damage: float = 0.2
    """Share of a noisy cue's spins that are flipped."""

    tasks_size: int = 4000
    """N of C1."""
    tasks_patterns: int = 5
    """K of C1."""
    tasks_dilution: float = 0.45
    """d of C1: share of blanks."""
    cold: float = 0.02
    """T of C1 and C2, in units where order appears below 1."""

    ladder_size: int = 8000
    """N of C2."""
    ladder_patterns: int = 4
    """K of C2."""
    ladder_dilutions: tuple[float, ...] = (0.2, 0.3, 0.4, 0.45)
    """d of C2."""
    ladder_seeds: int = 40
    """Samples of C2's rungs: the logarithm of a small overlap needs many."""
    onset_size: int = 32000
    """N of C2's search for the critical dilution at K = 3 and T = 0."""
    onset_dilutions: tuple[float, ...] = tuple(round(0.56 + 0.01 * i, 2) for i in range(13))
    """d of that search: a grid of step 0.01."""

    parallel_sizes: tuple[int, ...] = (8000, 32000)
    """N of C3."""
    parallel_dilutions: tuple[float, ...] = (0.7, 0.9, 0.95)
    """d of C3."""
    warm: float = 0.2
    """T of C3, C4 and C5."""
    parallel_seeds: int = 40
    """Samples of C3: a ratio of spreads needs many."""

    learn_dilution: float = 0.9
    """d of C4 and C5: all three overlaps are equal."""
    learn_size: int = 8000
    """N of C4 and C5."""
    learn_qualities: tuple[float, ...] = (0.2, 0.4)
    """r of C4: an example's bit is right with probability (1 + r) / 2."""
    learn_examples: tuple[int, ...] = (2, 4, 8, 16, 32, 64)
    """M of C4's curves: examples of each pattern."""
    learn_more: int = 128
    """M of one more point at the lowest quality, at twice N, for the threshold lies beyond 64."""

    entropies: tuple[float, ...] = (0.05, 0.2, 0.5, 1.0, 2.0)
    """Rho of C5."""
    collapse_examples: tuple[int, ...] = (8, 32, 128)
    """M of C5; the quality follows from rho."""
    collapse_seeds: int = 40
    """Samples of C5, whose differences are small beside one sample's spread."""

    descent_size: int = 8000
    """N of C6."""
    descent_dilution: float = 0.4
    """d of C6."""
    descent_entropies: tuple[float, ...] = (0.05, 0.2)
    """Rho of C6's trajectories of learned patterns."""
    descent_examples: int = 101
    """M of C6; odd, so that no average of one bit is zero."""
    descent_steps: int = 60
    """Points of a trajectory; each moves a share of the spins."""
    descent_fraction: float = 0.05
    """Share of the spins that each of them moves."""
    stability_entropies: tuple[float, ...] = (0.05, 0.2, 0.5, 1.0)
    """Rho of C6's one-step stability."""

    growth_sizes: tuple[int, ...] = (300, 1000, 3000, 8000)
    """N of C7."""
    growth_dilution: float = 0.3
    """d of C7; K is the whole part of ln N / ln(1/d)."""
    growth_sweeps: int = 40
    """Sweeps of C7 at T = 0."""

    diagram_size: int = 2000
    """N of the phase diagram, which no claim reads."""
    diagram_dilutions: tuple[float, ...] = (0.15, 0.3, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)
    """d of the phase diagram."""
    diagram_temperatures: tuple[float, ...] = (0.05, 0.15, 0.25, 0.4, 0.55, 0.7, 0.85, 1.05)
    """T of the phase diagram."""
    diagram_entropies: tuple[float, ...] = (0.0, 0.2)
    """Rho of the phase diagram."""
    diagram_points: int = 24
    """Points along each axis of the phase diagram's theory."""
    diagram_seeds: int = 5
    """Samples of each cell of the phase diagram."""
    image_share: float = 0.6
    """Share of its pixels that each image of the demonstration keeps."""


SCALES = {
    "smoke": Config(
        seeds=2,
        burn_in=5,
        sweeps=5,
        tasks_size=200,
        ladder_size=200,
        ladder_dilutions=(0.3, 0.45),
        ladder_seeds=2,
        onset_size=200,
        onset_dilutions=(0.56, 0.62, 0.68),
        parallel_sizes=(100, 200),
        parallel_seeds=2,
        learn_size=100,
        learn_examples=(16,),
        learn_more=32,
        entropies=(0.2, 1.0),
        collapse_examples=(16, 32),
        collapse_seeds=2,
        descent_size=200,
        descent_entropies=(0.05, 0.2),
        descent_examples=11,
        descent_steps=12,
        stability_entropies=(0.2, 1.0),
        growth_sizes=(100, 300),
        growth_sweeps=4,
        diagram_size=100,
        diagram_dilutions=(0.3, 0.9),
        diagram_temperatures=(0.1, 0.4),
        diagram_entropies=(0.0,),
        diagram_points=3,
        diagram_seeds=2,
    ),
    "cpu": Config(),
    "paper": Config(
        seeds=100,
        tasks_size=100_000,
        tasks_patterns=12,
        ladder_size=100_000,
        ladder_seeds=100,
        onset_size=100_000,
        parallel_sizes=(25_000, 100_000),
        parallel_seeds=100,
        learn_size=20_000,  # twice that holds 384 examples of each of 100 seeds on one GPU
        collapse_seeds=100,
        descent_size=100_000,
        growth_sizes=(1000, 3000, 10_000, 30_000, 100_000),
        diagram_size=20_000,  # 1,900 cells
        diagram_dilutions=tuple(round(0.05 + 0.05 * i, 2) for i in range(19)),
        diagram_temperatures=tuple(round(0.05 + 0.05 * i, 2) for i in range(20)),
        diagram_entropies=(0.0, 0.1, 0.2, 0.5, 1.0),
        diagram_points=40,
    ),
}
