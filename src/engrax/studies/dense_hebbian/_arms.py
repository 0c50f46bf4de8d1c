"""The arms: Monte Carlo, its theory, and the baselines."""

import functools
import math
from collections.abc import Callable, Mapping

import jax.numpy as jnp
import numpy as np

from engrax.lab import Arm, Reference
from engrax.theory import retrieval_spinodal

from . import _theory as theory
from ._chains import Cell, Chains, Expansions
from ._config import Config
from ._detection import Detection
from ._images import Retrieval, load_images
from ._speed import measure
from ._storage import Capacity, Storage

Lazy = Mapping[str, Callable[[], Arm | Reference]]


def arms(config: Config) -> Lazy:
    """All arms, each built when a claim needs it."""
    return (
        _chain_arms(config)
        | _storage_arms(config)
        | _detection_arms(config)
        | _quality_arms(config)
        | _image_arms(config)
        | _speed_arms(config)
        | _diagram_arms(config)
    )


def quality_cells(config: Config, order: int) -> tuple[Cell, ...]:
    """Qualities times entropies, quality-major, then one example of each quality.

    The number of examples is whole, so the quality gives way: rho is exact.
    """
    cells = []
    for quality in config.qualities:
        for entropy in config.entropies:
            count = max(1, round((1 - quality**2) / (entropy * quality**2)))
            cells.append((count, 1 / math.sqrt(1 + count * entropy)))
    cells += [(1, quality) for quality in config.qualities]
    return tuple(
        Cell(
            order,
            config.quality_size,
            config.quality_patterns,
            config.quality_temperature,
            n_examples=count,
            quality=quality,
        )
        for count, quality in cells
    )


def _chain_arms(config: Config) -> dict:
    def chains(n_examples: int, quality: float) -> Arm:
        cells = [
            Cell(
                config.order,
                size,
                theory.pattern_count(config.order, size, load),
                config.temperature,
                n_examples=n_examples,
                quality=quality,
            )
            for size in config.sizes
            for load in config.loads
        ]
        system = Chains(tuple(cells), config.sweeps, config.burn_in)
        return Arm(system, len(cells), seeds=config.chain_seeds)

    def energies() -> Arm:
        order, size = config.check_order, config.check_size
        count = theory.pattern_count(order, size, config.check_load)
        cells = tuple(
            Cell(order, size, count, config.temperature, kind) for kind in ("all", "distinct")
        )
        return Arm(Chains(cells, config.sweeps, config.burn_in), 2)

    return {
        "replica_symmetric": lambda: Reference(functools.partial(theory.replica_symmetric, config)),
        "stored": lambda: chains(0, 1.0),
        "examples": lambda: chains(config.n_examples, config.quality),
        "energies": energies,
    }


def _storage_arms(config: Config) -> dict:
    damage = jnp.float32(config.damage)

    def storage(order: int) -> Arm:
        system = Storage(order, config.storage_size, config.storage_patterns, config.quench, damage)
        return Arm(system, 1)

    def capacity(order: int) -> Arm:
        sizes = config.capacity_sizes_quartic if order == 4 else config.capacity_sizes
        # The search ends at twice the capacity of the theory, above any finite-size capacity.
        most = float(retrieval_spinodal(order, 0.0).load) * 2
        system = Capacity(
            order,
            sizes,
            tuple(max(4, theory.pattern_count(order, size, most)) for size in sizes),
            config.capacity_sweeps,
            config.capacity_cues,
            config.capacity_steps,
            damage,
        )
        return Arm(
            system, len(sizes), coords={"tick": np.array(sizes)}, seeds=config.capacity_seeds
        )

    built: dict = {}
    for order in config.storage_orders:
        built[f"storage_p{order}"] = functools.partial(storage, order)
    for order in (2, 3, 4):
        built[f"capacity_p{order}"] = functools.partial(capacity, order)
    return built


def _detection_arms(config: Config) -> dict:
    def detection(order: int) -> Arm:
        noise = np.array(config.detection_noise, np.float32)
        system = Detection(
            order, config.detection_sizes, config.detection_load, jnp.float32(noise[0])
        )
        return Arm(
            system,
            len(config.detection_sizes),
            coords={"tick": np.array(config.detection_sizes)},
            grid={"tau": (_tau, noise)},
        )

    return {f"detection_p{order}": functools.partial(detection, order) for order in (4, 2)}


def _tau(system: Detection) -> object:
    return system.tau


def _quality_arms(config: Config) -> dict:
    def quality(order: int) -> Arm:
        cells = quality_cells(config, order)
        system = Chains(cells, config.sweeps, config.burn_in, cues=config.quality_patterns)
        return Arm(system, len(cells))

    built: dict = {"low_load": lambda: Reference(functools.partial(theory.low_load, config))}
    for order in config.quality_orders:
        built[f"quality_p{order}"] = functools.partial(quality, order)
    return built


def _image_arms(config: Config) -> dict:
    @functools.cache
    def images(name: str) -> tuple:
        return load_images(name, config.image_pool, config.image_cues)

    def retrieval(name: str, encoding: int) -> Arm:
        system = Retrieval(
            images(name)[encoding],
            config.image_orders,
            config.image_examples,
            config.image_steps,
            config.projections,
        )
        return Arm(
            system,
            len(config.image_examples),
            dims={"accuracy": ("order",)},
            coords={"order": list(config.image_orders), "tick": np.array(config.image_examples)},
            seeds=config.image_seeds,
        )

    return {
        f"{short}_{encoding}": functools.partial(retrieval, name, i)
        for short, name in (("mnist", "mnist_5k"), ("fashion", "fashion_mnist"))
        for i, encoding in enumerate(("pixels", "projections"))
    }


def _speed_arms(config: Config) -> dict:
    def expansions() -> Arm:
        count = theory.pattern_count(config.order, config.expansion_size, config.expansion_load)
        cell = Cell(config.order, config.expansion_size, count, config.temperature)
        return Arm(Expansions(cell, config.sweeps, config.burn_in), 1)

    return {
        "speed": lambda: Reference(functools.partial(measure, config)),
        "expansions": expansions,
    }


def _diagram_arms(config: Config) -> dict:
    def cooled(temperature: float, load: float) -> Cell:
        count = theory.pattern_count(config.order, config.probe_size, load)
        return Cell(
            config.order,
            config.probe_size,
            count,
            temperature,
            heat=max(config.probe_heat, temperature),
            cooling=config.cooling,
        )

    def probes() -> Arm:
        """Half-way to the line and as far beyond it, temperature-major."""
        line = retrieval_spinodal(config.order, np.array(config.probe_temperatures)).load
        cells = [
            cooled(temperature, share * float(load))
            for temperature, load in zip(config.probe_temperatures, line, strict=True)
            for share in (0.5, 1.5)
        ]
        system = Chains(tuple(cells), config.sweeps, config.burn_in)
        return Arm(system, len(cells), seeds=config.probe_seeds)

    def points() -> Arm:
        cells = [cooled(t, load) for t in config.map_temperatures for load in config.map_loads]
        return Arm(Chains(tuple(cells), config.sweeps, config.burn_in), len(cells))

    return {
        "phase_diagram": lambda: Reference(functools.partial(theory.phase_diagram, config)),
        "probe_theory": lambda: Reference(functools.partial(theory.probe_theory, config)),
        "probes": probes,
        "map": points,
    }
