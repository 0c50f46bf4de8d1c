"""A noisy counter against a slower one: a study that takes a second, for tests."""

import dataclasses
from collections.abc import Mapping

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array
from matplotlib.figure import Figure

from engrax.core import System
from engrax.lab import (
    Arm,
    Claim,
    Paper,
    Part,
    Study,
    at_least,
    at_most,
    equivalent,
    figures,
    paired_difference,
)
from engrax.tasks import load


@dataclasses.dataclass(frozen=True)
class Noise:
    """What disturbs the counter."""

    size: float = 0.1
    """Standard deviation a tick."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Knobs of the tiny study."""

    rate: float = 0.1
    """What the fast counter gains a tick."""
    ticks: int = 20
    seeds: int = 6
    break_at: int = -1
    """Tick at which the fast counter becomes NaN in seed 0; never where negative."""
    shape: tuple[int, ...] = (2, 3)
    verbose: bool = False
    data: str = ""
    """A data set that is loaded, for nothing; none where empty."""
    noise: Noise = dataclasses.field(default_factory=Noise)


class Counter(System):
    """Adds `rate` and noise to a number at each tick."""

    rate: Array
    noise: Array
    break_at: Array

    def init(self, *, key):
        return {"key": key, "total": jnp.float32(0.0)}

    def step(self, state, input):
        key, use = jr.split(state["key"])
        total = state["total"] + self.rate + self.noise * jr.normal(use)
        total = jnp.where(input == self.break_at, jnp.nan, total)
        return {"key": key, "total": total}, {"total": total}


def arms(config: Config) -> dict[str, Arm]:
    if config.data:
        load(config.data, download=False)

    def arm(rate: float, break_at: int) -> Arm:
        system = Counter(jnp.float32(rate), jnp.float32(config.noise.size), jnp.int32(break_at))
        return Arm(system, config.ticks)

    return {"fast": arm(config.rate, config.break_at), "slow": arm(config.rate / 2, -1)}


def last(run, name: str):
    return run[name]["total"].isel(tick=-1)


def gain(run):
    return paired_difference(run, "fast", "slow", lambda arm: arm["total"].isel(tick=-1))


CLAIMS = (
    Claim(
        "C1",
        "The fast counter ends above the slow one.",
        arms=("fast", "slow"),
        parts={
            "fast − slow": Part(gain, at_least(0.0), paper=1.0),
            "fast": Part(lambda run: last(run, "fast"), at_least(1.9), unit="%", paper=2.0),
        },
        paper="2.0 vs 1.0",
    ),
    Claim(
        "C2",
        "The slow counter stays small & <close> to where it was.",
        arms=("slow",),
        parts={
            "end": Part(lambda run: last(run, "slow"), at_most(0.2)),
            "near zero": Part(lambda run: last(run, "slow"), equivalent(5.0, level=0.9)),
        },
    ),
)


def plots(run) -> Mapping[str, Figure]:
    figure, axes = figures.axes(xlabel="tick", ylabel="total")
    for name, color in zip(("fast", "slow"), figures.PALETTE, strict=False):
        if name in run:
            total = run[name]["total"]
            figures.band(axes, total["tick"], np.asarray(total), label=name, color=color)
    axes.legend()
    return {"totals": figure}


STUDY = Study(
    name="tiny",
    paper=Paper(
        title="Counting, Fast and Slow",
        authors="the test suite",
        year=2024,
        venue="Journal of Counting",
        arxiv="2401.00001",
    ),
    summary="Two counters add a number at each tick. One adds twice as much.",
    config=Config,
    scales={"smoke": Config(ticks=3, seeds=2), "cpu": Config(), "paper": Config(ticks=200)},
    arms=arms,
    claims=CLAIMS,
    headline="C1",
    plots=plots,
)

BROKEN = dataclasses.replace(STUDY, name="broken", scales={"cpu": Config(break_at=4)})
