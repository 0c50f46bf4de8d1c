"""C5: few neurons are active, and fewer where the text can be foreseen."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int

from engrax.core import Batch, State, observe, repeat, serial
from engrax.lab import Arm, Claim, Part, at_least, at_most
from engrax.probes import activation_sparsity
from engrax.tasks import RepeatedFacts

from . import _data
from ._config import Config
from ._kept import Kept, Take, kept
from ._scaling import SIZES, bdh, family, gpt, probed
from ._training import learner, nats, same_rate, text_arm, tuned

WARMUP, WORD, REPEATS = 13, 8, 8
"""Letters of noise, of the word, and how often it is said."""
_EVALUATED = 32
"""Periods on which activity is measured."""


class Activity(eqx.Module):
    """Shares of active neurons on held-out text, before and after training."""

    kept: Kept
    x: Int[Array, "windows length"]

    def __call__(self, state: State) -> Mapping[str, Any]:
        """Of one run."""
        bdh = [self.kept.model(state, "bdh", which) for which in ("untrained", "trained")]
        shares = [_shares(model, self.x) for model in bdh]
        gpt = [self.kept.model(state, "relu_gpt", w) for w in ("untrained", "trained")]
        return {
            "x_active": np.stack([np.asarray(s[0]) for s in shares]),
            "y_active": np.stack([np.asarray(s[1]) for s in shares]),
            "hidden_active": np.stack([np.asarray(_hidden_shares(m, self.x)) for m in gpt]),
        }


@eqx.filter_jit
def _shares(model: Any, x: Array) -> tuple[Float[Array, " layers"], Float[Array, " layers"]]:
    def one(tokens: Array) -> tuple[Array, Array]:
        seen = model.activations(tokens)
        x, y = (activation_sparsity(seen[name]).mean((1, 2)) for name in ("x", "y"))
        return x, y

    return jax.tree.map(lambda a: a.mean(0), jax.lax.map(one, x))


@eqx.filter_jit
def _hidden_shares(model: Any, x: Array) -> Float[Array, " gpt_layers"]:
    def one(tokens: Array) -> Array:
        return activation_sparsity(model.activations(tokens)["hidden"]).mean(1)

    return jax.lax.map(one, x).mean(0)


class Letters(eqx.Module):
    """The share of active y, and the loss, at every letter of a period."""

    learner: Any
    stream: RepeatedFacts

    def __call__(self, state: State) -> Mapping[str, Any]:
        """Of one run."""
        y, loss = _by_letter(self.learner.model(state["learner"]), self.stream)
        return {"y_active": y, "letter_loss": loss}


@eqx.filter_jit
def _by_letter(
    model: Any, stream: RepeatedFacts
) -> tuple[Float[Array, "layers period"], Float[Array, " period"]]:
    _, batch = stream.step(stream.init(key=jr.key(0)), jnp.int32(0))

    def one(tokens: Array) -> Array:
        return activation_sparsity(model.activations(tokens)["y"]).mean(2)

    return jax.lax.map(one, batch.x).mean(0), nats(model, batch.x, batch.y).mean(0)


class FactLoss(eqx.Module):
    """A probe: loss where the word is said again, on the last batch's stream."""

    def __call__(self, system: Any, state: State, t: Array) -> dict[str, Array]:
        """The record of one measurement."""
        stream, model = system["stream"], system["learner"].model(state["learner"])
        batch: Batch = stream.step(state["stream"], t)[1]  # drawn next: not trained on yet
        loss = nats(model, batch.x, batch.y)
        # The last letter of a period begins the next one, which nobody can know.
        again = jnp.asarray(stream.repeating).at[-1].set(False)
        return {"repeat_loss": loss.mean(where=again[None])}


def _facts(config: Config) -> Arm:
    build = bdh(config, config.facts_n, layers=config.facts_layers)
    stream = RepeatedFacts(WARMUP, WORD, REPEATS, batch=config.facts_batch)
    trainer = learner(config, build, config.facts_steps, config.facts_batch)
    trainer = dataclasses.replace(trainer, carried=False)  # every period is read afresh
    every = config.facts_steps // config.measurements or 1
    system = observe(repeat(serial(stream=stream, learner=trainer), every), FactLoss())
    ticks = config.facts_steps // every
    evaluated = RepeatedFacts(WARMUP, WORD, REPEATS, batch=_EVALUATED)
    arm = Arm(
        system,
        ticks,
        dims={"y_active": ("layer", "letter"), "letter_loss": ("letter",)},
        coords={"tick": every * (1 + np.arange(ticks))},
        measure=Letters(trainer, evaluated),
        seeds=config.seeds + config.facts_seeds,
    )
    return tuned(config, arm, last_repeat_loss)


def last_repeat_loss(records: Mapping[str, np.ndarray]) -> np.ndarray:
    """What the rate is chosen by: (seed, value), higher is better."""
    return -records["repeat_loss"][..., -1]


def _relu_gpt(config: Config) -> Arm:
    """The GPT of the middle size with ReLU, at the rate of the other."""
    build = gpt(config, SIZES.index("middle"), activation=jax.nn.relu)
    text = _data.corpus(config, config.pair)
    steps = config.long_steps or config.steps
    return text_arm(config, build, text, steps=steps, needs=("gpt_middle",), start=same_rate)


def _activity(config: Config) -> Arm:
    middle = SIZES.index("middle")
    held = kept(
        bdh=family(config, "bdh", middle), relu_gpt=gpt(config, middle, activation=jax.nn.relu)
    )
    text = _data.windows(config, _data.corpus(config, config.pair).test, config.length)
    return Arm(
        held,
        1,
        dims={
            "x_active": ("when", "layer"),
            "y_active": ("when", "layer"),
            "hidden_active": ("when", "gpt_layer"),
        },
        coords={"when": ["untrained", "trained"]},
        needs=(probed(config, "bdh"), "relu_gpt"),
        start=Take(("bdh", "relu_gpt")),
        measure=Activity(held, text.x[:16]),
    )


def arms(config: Config) -> dict[str, Callable[[], Arm]]:
    """Name -> a call that builds the arm."""
    return {
        "relu_gpt": eqx.Partial(_relu_gpt, config),
        "activity": eqx.Partial(_activity, config),
        "facts": eqx.Partial(_facts, config),
    }


def y_active(run: Any, when: str) -> xr.DataArray:
    """The share of positive y over all layers, one value a seed."""
    return run["activity"]["final"]["y_active"].sel(when=when, drop=True).mean("layer")


def surprise(run: Any) -> xr.DataArray:
    """Y active while a word is memorized, over that while it is repeated: (seed, layer)."""
    y = run["facts"]["final"]["y_active"].transpose("seed", "layer", "letter")
    stream = RepeatedFacts(WARMUP, WORD, REPEATS)
    return y.isel(letter=stream.memorizing).mean("letter") / y.isel(letter=stream.repeating).mean(
        "letter"
    )


def claimed_layer(run: Any) -> int:
    """The middle layer with the largest ratio on the seeds that are there to choose it."""
    ratio = surprise(run).isel(seed=slice(run.config.seeds, None)).mean("seed")
    last = ratio.sizes["layer"] - 1
    middle = range(1, last) if last > 1 else range(1, last + 1)
    return max(middle, key=lambda layer: float(ratio.isel(layer=layer)))


def claimed_surprise(run: Any) -> xr.DataArray:
    """The ratio of that layer on the other seeds."""
    return surprise(run).isel(seed=slice(0, run.config.seeds), layer=claimed_layer(run))


CLAIMS = (
    Claim(
        "C5",
        "Training makes y sparse, and y is sparser still where a text repeats what is known.",
        arms=("activity", "facts"),
        parts={
            "active y": Part(lambda run: y_active(run, "trained"), at_most(0.1), unit="%"),
            "active y: trained - untrained": Part(
                lambda run: y_active(run, "trained") - y_active(run, "untrained"),
                at_most(0.0),
                unit="%",
            ),
            "y memorizing / y repeating": Part(claimed_surprise, at_least(1.0), paper=2.3),
        },
        paper="65,536 neurons: some 5 % of x active; y in layer 2: 4.0 to 7.5 % memorizing, some "
        "2.5 % repeating",
    ),
)
