"""Every knob of the study, and its scales."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of all claims; the defaults are the scale "cpu"."""

    seeds: int = 16
    """Samples of patterns, examples and dynamics for each arm, unless it has its own number."""

    order: int = 3
    """P of C1, C6 and C7: number of spins in one interaction."""
    temperature: float = 0.2
    """T of C1 and C6, in units where a retrieved pattern has energy -1/2 a spin."""
    sizes: tuple[int, ...] = (100, 200, 400)
    """N of C1: numbers of spins, extrapolated linearly in 1/N."""
    loads: tuple[float, ...] = (0.05, 0.1, 0.2, 0.3)
    """Gamma of C1: load K N / (2 C(N, P))."""
    quality: float = 0.5
    """r of C1's examples: an example's bit is right with probability (1 + r) / 2."""
    n_examples: int = 15
    """M of C1's examples a class; with quality 0.5 the data-set entropy rho is 0.2."""
    sweeps: int = 60
    """Monte Carlo sweeps of a chain, burn-in included."""
    burn_in: int = 20
    """Sweeps that are thrown away."""
    chain_seeds: int = 32
    """Samples for each point of C1, which are extrapolated in pairs of sizes."""
    check_order: int = 4
    """P of C1's comparison of the two energies."""
    check_size: int = 60
    """N of C1's comparison of the two energies."""
    check_load: float = 0.15
    """Gamma of C1's comparison of the two energies."""

    storage_size: int = 200
    """N of C2."""
    storage_patterns: int = 2627
    """K of C2, the same for all orders: 13 N."""
    storage_orders: tuple[int, ...] = (2, 3, 4)
    """P of C2's networks."""
    damage: float = 0.1
    """Share of a cue's spins that are flipped in C2."""
    quench: int = 20
    """Sweeps at T = 0 in C2."""
    capacity_sizes: tuple[int, ...] = (50, 70, 100, 140)
    """N of C2's scaling of the capacity for P = 2 and 3."""
    capacity_sizes_quartic: tuple[int, ...] = (50, 60, 70)
    """N of C2's scaling of the capacity for P = 4."""
    capacity_cues: int = 16
    """Cues whose mean overlap has to exceed 0.9 in C2."""
    capacity_sweeps: int = 10
    """At most so many sweeps at T = 0 in C2's scaling."""
    capacity_steps: int = 8
    """Bisections of ln K in C2, over a factor of 16."""
    capacity_seeds: int = 32
    """Samples of C2's scaling."""

    detection_sizes: tuple[int, ...] = (64, 128, 256)
    """N of C3."""
    detection_load: float = 0.1
    """Alpha of C3: K / N."""
    detection_noise: tuple[float, ...] = (0.5, 1.0)
    """Tau of C3: storage noise over sqrt(N)."""

    quality_size: int = 512
    """N of C4."""
    quality_patterns: int = 20
    """K of C4: a low load."""
    quality_orders: tuple[int, ...] = (3, 4)
    """P of C4."""
    quality_temperature: float = 0.1
    """T of C4."""
    qualities: tuple[float, ...] = (0.1, 0.2, 0.4, 0.8)
    """r of C4, adjusted so that a whole number of examples gives the entropy exactly."""
    entropies: tuple[float, ...] = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
    """Rho of C4."""

    image_orders: tuple[int, ...] = (2, 3, 4, 6, 10, 20)
    """P of C5."""
    image_examples: tuple[int, ...] = (1, 5, 20, 100)
    """M of C5: training images a class."""
    image_pool: int = 400
    """Training images a class that examples are drawn from and archetypes are made of, C5."""
    image_cues: int = 50
    """Test images a class that are retrieved from, C5."""
    image_steps: int = 60
    """Parallel steps at T = 0 at most, C5."""
    image_seeds: int = 64
    """Draws of training images in C5, which take no time."""
    projections: int = 1000
    """Random projections whose signs are the second encoding of C5."""

    expansion_size: int = 200
    """N of C6's expansions."""
    expansion_load: float = 0.1
    """Gamma of C6's expansions."""
    timing_order: int = 4
    """P of C6's timing."""
    timing_patterns: int = 1000
    """K of C6's timing."""
    timing_sizes: tuple[int, ...] = (100, 200, 400, 800)
    """N of C6's timing of the power-sum sampler."""
    tensor_sizes: tuple[int, ...] = (16, 24, 32, 48)
    """N of C6's timing of the explicit tensor."""
    timing_repeats: int = 8
    """Timings of each size in C6; the median of 5 sweeps counts."""

    diagram_orders: tuple[int, ...] = (3, 4, 6)
    """P of C7's theory lines."""
    diagram_entropies: tuple[float, ...] = (0.0, 0.1, 0.3)
    """Rho of C7's theory lines."""
    diagram_points: int = 40
    """Temperatures on each of C7's theory lines."""
    probe_size: int = 200
    """N of C7's Monte Carlo."""
    probe_temperatures: tuple[float, ...] = (0.1, 0.2, 0.4)
    """T of C7's probes."""
    probe_seeds: int = 200
    """Samples of each of C7's probes: 0.95 can only be told from 1 with many."""
    probe_heat: float = 0.6
    """Temperature from which C7's chains are cooled, which melts what is not retrieval."""
    cooling: int = 40
    """Sweeps of C7's cooling."""
    map_temperatures: tuple[float, ...] = (0.1, 0.25, 0.4, 0.55, 0.7)
    """T of C7's map of simulated points."""
    map_loads: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    """Gamma of C7's map of simulated points."""


SCALES = {
    "smoke": Config(
        seeds=2,
        sizes=(20, 30),
        loads=(0.1,),
        sweeps=6,
        burn_in=2,
        chain_seeds=2,
        check_size=16,
        storage_size=30,
        storage_patterns=60,
        quench=4,
        capacity_sizes=(20, 30),
        capacity_sizes_quartic=(16, 20),
        capacity_cues=2,
        capacity_steps=4,
        capacity_seeds=2,
        detection_sizes=(16, 24),
        quality_size=40,
        quality_patterns=4,
        qualities=(0.2, 0.4),
        entropies=(0.1, 1.0),
        image_orders=(2, 6, 10),
        image_examples=(5, 100),
        image_cues=5,
        image_steps=10,
        image_seeds=2,
        projections=50,
        expansion_size=30,
        timing_order=3,
        timing_patterns=20,
        timing_sizes=(10, 20),
        tensor_sizes=(6, 8),
        timing_repeats=2,
        diagram_orders=(3,),
        diagram_entropies=(0.0,),
        diagram_points=4,
        probe_size=30,
        probe_temperatures=(0.2,),
        probe_seeds=2,
        cooling=4,
        map_temperatures=(0.2,),
        map_loads=(0.1, 0.6),
    ),
    "cpu": Config(),
    "paper": Config(
        order=4,
        sizes=(100, 200, 300),
        check_size=100,
        capacity_sizes_quartic=(50, 70, 100, 140),
        detection_sizes=(64, 128, 256, 512),
        image_pool=5000,
        image_examples=(1, 5, 20, 100, 1000, 5000),
        expansion_size=300,
    ),
}
