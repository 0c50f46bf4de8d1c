"""A small network on made-up examples, as a study and as a command that knows it."""

import dataclasses
import importlib.metadata
import sys
from collections.abc import Mapping

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import optax

from engrax._registry import ENTRY_POINTS
from engrax.cli import main
from engrax.core import Batch, GradientLearner, Stream, cross_entropy, serial
from engrax.lab import Arm, Claim, Paper, Part, Study, Tuning, at_most
from engrax.nn import MLP


@dataclasses.dataclass(frozen=True)
class Config:
    seeds: int = 5
    ticks: int = 12


class Cloud(Stream):
    """32 points in 8 dimensions, of two classes."""

    def init(self, *, key):
        return {"key": key}

    def step(self, state, input):
        key, use = jr.split(state["key"])
        x = jr.normal(use, (32, 8))
        return {"key": key}, Batch(x, (x.sum(-1) > 0).astype(jnp.int32))

    def view(self, state, x, task=0):
        return x


def rate(system):
    return system["learner"].hyper["learning_rate"]


def arms(config: Config) -> Mapping[str, Arm]:
    build = eqx.Partial(MLP, (8, 24, 2))
    learner = GradientLearner(
        build, cross_entropy, optax.adam, {"learning_rate": jnp.float32(0.01)}
    )
    score = lambda records: -records["loss"][..., -1]
    # Few steps, and rates so small that rounding is not made larger in long runs.
    tuning = Tuning(rate, (0.001, 0.003, 0.01), score, extensions=0, ticks=12)
    system = serial(stream=Cloud(), learner=learner)
    return {"net": Arm(system, config.ticks, tuning=tuning, chunk=6)}


CLAIM = Claim(
    "C1",
    "Training in two places gives a smaller loss than chance.",
    arms=("net",),
    parts={"loss": Part(lambda run: run["net"]["loss"].isel(tick=-1), at_most(0.7))},
)

STUDY = Study(
    name="mesh",
    paper=Paper(title="One Net on Many Chips", authors="the test suite", year=2024),
    summary="A net. It learns.",
    config=Config,
    scales={"smoke": Config(), "cpu": Config(), "paper": Config()},
    arms=arms,
    claims=(CLAIM,),
    headline="C1",
    plots=lambda run: {},
)

if __name__ == "__main__":
    entries = importlib.metadata.EntryPoints(
        [importlib.metadata.EntryPoint("mesh", "tests.mesh_study:STUDY", ENTRY_POINTS)]
    )
    plain = importlib.metadata.entry_points
    importlib.metadata.entry_points = lambda **select: (
        entries if select.get("group") == ENTRY_POINTS else plain(**select)
    )
    sys.exit(main(sys.argv[1:]))
