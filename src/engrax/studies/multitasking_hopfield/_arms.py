"""The arms: Monte Carlo of each claim, its theory, and the baselines."""

import functools
import math
from collections.abc import Callable, Mapping

import jax.numpy as jnp
import numpy as np

from engrax.lab import Arm, Reference

from . import _theory as theory
from ._chains import STARTS, Chains, Diagram
from ._claims import TASKS
from ._config import Config
from ._descent import Descent, Growth, Stability
from ._images import demonstration
from ._learning import PATTERNS, Collapse, Teacher

Lazy = Mapping[str, Callable[[], Arm | Reference]]


def arms(config: Config) -> Lazy:
    """All arms, each built when a claim needs it."""
    return (
        _task_arms(config)
        | _ladder_arms(config)
        | _parallel_arms(config)
        | _learning_arms(config)
        | _descent_arms(config)
        | _shown_arms(config)
    )


def _chains(
    config: Config,
    size: int,
    patterns: int,
    dilutions: tuple[float, ...],
    temperature: float,
    starts: tuple[str, ...] | None = None,
    *,
    seeds: int | None = None,
    nested: bool = False,
) -> Arm:
    system = Chains(
        size,
        patterns,
        config.damage,
        config.burn_in,
        config.sweeps,
        jnp.asarray(dilutions, jnp.float32),
        jnp.asarray([STARTS.index(s) for s in starts or ("ladder",) * len(dilutions)]),
        jnp.float32(temperature),
        nested,
    )
    dims = {"m": ("pattern",), "error": ("pattern",)}
    coords = {} if starts else {"tick": np.array(dilutions)}
    return Arm(system, len(dilutions), dims, coords, seeds=seeds)


def _task_arms(config: Config) -> dict:
    def tasks() -> Arm:
        dilutions = tuple(config.tasks_dilution * blanks for _, blanks in TASKS.values())
        starts = tuple(start for start, _ in TASKS.values())
        size, count = config.tasks_size, config.tasks_patterns
        return _chains(config, size, count, dilutions, config.cold, starts)

    return {"tasks": tasks}


def _ladder_arms(config: Config) -> dict:
    def rungs() -> Arm:
        return _chains(
            config,
            config.ladder_size,
            config.ladder_patterns,
            config.ladder_dilutions,
            config.cold,
            seeds=config.ladder_seeds,
        )

    def onset() -> Arm:
        return _chains(config, config.onset_size, 3, config.onset_dilutions, 0.0, nested=True)

    return {
        "ladder_theory": lambda: Reference(functools.partial(theory.ladder, config)),
        "rungs": rungs,
        "onset": onset,
    }


def _parallel_arms(config: Config) -> dict:
    def parallel(size: int) -> Arm:
        d = config.parallel_dilutions
        return _chains(config, size, PATTERNS, d, config.warm, seeds=config.parallel_seeds)

    return {
        "parallel_theory": lambda: Reference(functools.partial(theory.parallel, config)),
        **{
            f"parallel_{which}": functools.partial(parallel, size)
            for which, size in zip(("small", "large"), config.parallel_sizes, strict=True)
        },
    }


def entropy_cells(
    entropies: tuple[float, ...], counts: tuple[int, ...]
) -> tuple[tuple[int, float], ...]:
    """Numbers of examples and qualities of exactly these entropies, entropy-major."""
    return tuple((m, 1 / math.sqrt(1 + m * rho)) for rho in entropies for m in counts)


def _learning_arms(config: Config) -> dict:
    size, lowest = config.learn_size, min(config.learn_qualities)

    def teacher(quality: float) -> Arm:
        examples = config.learn_examples + ((config.learn_more,) if quality == lowest else ())
        sizes = tuple(size if m <= config.learn_examples[-1] else 2 * size for m in examples)
        system = Teacher(
            sizes,
            examples,
            quality,
            config.burn_in,
            config.sweeps,
            jnp.float32(config.learn_dilution),
            jnp.float32(config.warm),
        )
        dims = {"supervised": ("pattern",), "unsupervised": ("pattern",)}
        return Arm(system, len(examples), dims, {"tick": np.array(examples)})

    def collapse() -> Arm:
        cells = entropy_cells(config.entropies, config.collapse_examples)
        system = Collapse(
            size,
            cells,
            config.burn_in,
            config.sweeps,
            jnp.float32(config.learn_dilution),
            jnp.float32(config.warm),
        )
        return Arm(system, len(cells), {"m": ("pattern",)}, seeds=config.collapse_seeds)

    return {
        "learning_theory": lambda: Reference(functools.partial(theory.learning, config)),
        **{
            f"teacher_{100 * quality:.0f}": functools.partial(teacher, quality)
            for quality in config.learn_qualities
        },
        "collapse": collapse,
    }


def _descent_arms(config: Config) -> dict:
    def cells(entropies: tuple[float, ...]) -> tuple[tuple[int, float], ...]:
        return entropy_cells(entropies, (config.descent_examples,))

    def descent() -> Arm:
        system = Descent(
            config.descent_size,
            config.descent_dilution,
            cells(config.descent_entropies),
            config.descent_steps,
            config.descent_fraction,
            config.damage,
        )
        return Arm(
            system,
            1 + len(config.descent_entropies),
            {"energy": ("point",), "loss": ("point",)},
            {"tick": np.array((0.0, *config.descent_entropies))},
        )

    def stability() -> Arm:
        kept = cells(config.stability_entropies)
        system = Stability(config.descent_size, config.descent_dilution, kept)
        return Arm(system, len(kept), coords={"tick": np.array(config.stability_entropies)})

    def growth() -> Arm:
        system = Growth(
            config.growth_sizes, config.growth_dilution, config.damage, config.growth_sweeps
        )
        return Arm(system, 2 * len(config.growth_sizes), {"m": ("rung",)})

    return {
        "stability_theory": lambda: Reference(functools.partial(theory.stability, config)),
        "descent": descent,
        "stability": stability,
        "growth": growth,
    }


def _shown_arms(config: Config) -> dict:
    """What no claim reads: the phase diagram, and images."""

    def diagram() -> Arm:
        d, t, rho = (
            np.array(values, np.float32)
            for values in (
                config.diagram_dilutions,
                config.diagram_temperatures,
                config.diagram_entropies,
            )
        )
        system = Diagram(
            config.diagram_size,
            PATTERNS,
            config.burn_in,
            config.sweeps,
            *map(jnp.asarray, (d[0], t[0], rho[0])),
        )
        grid = {
            "dilution": (lambda s: s.dilution, d),
            "temperature": (lambda s: s.temperature, t),
            "entropy": (lambda s: s.entropy, rho),
        }
        return Arm(system, 1, {"m": ("pattern",)}, grid=grid, seeds=config.diagram_seeds)

    return {
        "diagram_theory": lambda: Reference(functools.partial(theory.diagram, config)),
        "diagram": diagram,
        "images": lambda: Reference(functools.partial(demonstration, config)),
    }
