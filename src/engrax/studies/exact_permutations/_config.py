"""Every knob of the study, and its scales."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of all claims; the defaults are the scale "cpu"."""

    seeds: int = 10
    """Ensembles, each with its own permutation and networks, unless a claim has its own number."""
    threshold: float = 1e-5
    """Averaged outputs above it are ones. Not 0: on a training input the zero-bits are 0 up to
    rounding, and float32 rounds at 1e-6."""

    sign_bits: int = 14
    """Largest k of C1's exhaustive check of the mean."""
    sign_permutations: int = 20
    """Permutations of C1's check."""
    mean_bits: int = 10
    """k of C1's networks."""
    mean_ones: tuple[int, ...] = (2, 3, 5)
    """Numbers of ones of C1's inputs."""
    mean_width: int = 4096
    """Hidden units of C1's networks."""
    mean_nets: int = 200
    """Networks of C1, each a unit of the interval."""

    process_bits: int = 8
    """k of C2."""
    process_widths: tuple[int, ...] = (256, 1024, 4096)
    """Hidden units of C2's networks."""
    process_nets: int = 300
    """Networks from which C2 estimates a covariance."""
    process_inputs: int = 20
    """Test inputs of C2."""
    process_steps: int = 80
    """Gradient steps of C2."""

    width: int = 2048
    """Hidden units of the networks of C3, C4 and C6."""
    steps: int = 40
    """Gradient steps of a network trained on the k one-hot inputs."""
    standard_rate: float | None = None
    """Learning rate, on the mean squared error, of networks in the standard parametrization; the
    inverse of the largest eigenvalue of their kernel if None."""
    exact_bits: tuple[int, ...] = (4, 6, 8, 10)
    """k of C3, where all nonzero inputs have to be right."""
    delta: float = 0.1
    """Chance of a wrong bit at which theory counts networks, in C3, C4 and C5."""
    allowance: float = 1.5
    """C3: how many times the number of networks of theory may be used."""
    baseline_nets: int = 30
    """Networks of C3's baselines."""
    random_steps: int = 400
    """Gradient steps on random inputs, whose kernel matrix is worse conditioned."""

    single_bits: int = 30
    """Largest k of C4's sampling of the Gaussian process."""
    single_samples: int = 20_000
    """Outputs on an input with two ones that C4 samples for each k and seed."""
    net_bits: tuple[int, ...] = (2, 4, 6, 8, 10, 12)
    """k of C4's networks."""
    patience: float = 3.0
    """C4: networks are trained until there are so many times those of theory."""

    all_bits: int = 12
    """Largest k of C5, from 3."""
    draws: int = 4000
    """Samples of the Gaussian process of C5, for each k and seed."""

    missing_bits: tuple[int, int] = (8, 6)
    """k of C6, for networks whose readout alone is trained and for networks trained in full."""
    missing_width: int = 1024
    """C6: hidden units."""
    missing_windows: tuple[int, int] = (8, 3)
    """C6: choices of which examples are left out, for both kinds."""
    missing_delta: float = 1e-3
    """C6: chance of a wrong bit that the number of networks leaves with all examples."""


SMOKE = Config(
    seeds=2,
    sign_bits=3,
    sign_permutations=2,
    mean_bits=6,
    mean_width=64,
    mean_nets=4,
    process_bits=3,
    process_widths=(16, 32, 64),
    process_nets=6,
    process_inputs=4,
    process_steps=20,
    width=64,
    steps=20,
    exact_bits=(3,),
    allowance=0.05,
    baseline_nets=2,
    random_steps=10,
    single_bits=3,
    single_samples=60,
    net_bits=(3,),
    patience=0.1,
    all_bits=4,
    draws=50,
    missing_bits=(3, 3),
    missing_width=64,
    missing_windows=(2, 1),
    missing_delta=0.5,
)

PAPER_SCALE = Config(
    width=50_000,
    mean_width=50_000,
    steps=10_000,
    standard_rate=1e-3,
    net_bits=tuple(range(2, 31)),
)

SCALES = {"smoke": SMOKE, "cpu": Config(), "paper": PAPER_SCALE}
