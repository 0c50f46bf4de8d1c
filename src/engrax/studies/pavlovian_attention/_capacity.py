"""C2: how many pairs a memory holds, by what is asked of it."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array, Key

from engrax.core import System
from engrax.lab import Arm, Reference
from engrax.memory import linear_attention
from engrax.probes import associative_capacity, linear_memory
from engrax.theory import linear_memory_capacity

from ._config import Config

SLOTS = {"bit_error": 64, "argmax": 16, "adversarial": 1}
"""Value features by criterion; more would let the nearest value be found among more pairs."""


class DeltaSweeps(eqx.Module):
    """The delta rule at rate 1, after some sweeps over all pairs."""

    sweeps: int = eqx.field(static=True)

    def __call__(self, keys: Array, values: Array, queries: Array, present: Array) -> Array:
        """Responses to the queries."""
        swept = [jnp.tile(a, (self.sweeps, 1)) for a in (keys, keys, values)]
        state = linear_attention(*swept, rule="delta", form="chunked")[1]
        return queries @ state.T


def softmax_memory(keys: Array, values: Array, queries: Array, present: Array) -> Array:
    """Softmax attention over the pairs, at a scale of sqrt(d_key)."""
    scores = math.sqrt(keys.shape[1]) * queries @ keys.T
    scores = jnp.where(present[None, :], scores, -jnp.inf)
    return jnp.exp(scores - scores.max(1, keepdims=True)) @ values


class Capacities(System):
    """A tick measures one capacity at each number of key features."""

    memory: Callable[..., Array]
    criterion: str = eqx.field(static=True)
    d_keys: tuple[int, ...] = eqx.field(static=True)
    most: tuple[int, ...] = eqx.field(static=True)
    trials: tuple[int, ...] = eqx.field(static=True)
    cosine: Array
    query_cosine: Array

    def init(self, *, key: Key[Array, ""]) -> Key[Array, ""]:
        return key

    def step(self, state: Key[Array, ""], input: Array) -> tuple[Key[Array, ""], dict[str, Array]]:
        found = [
            associative_capacity(
                self.memory,
                d,
                criterion=self.criterion,  # pyright: ignore[reportArgumentType] (a field is a str)
                key=jr.fold_in(jr.fold_in(state, input), d),
                most=most,
                trials=trials,
                d_value=SLOTS[self.criterion],
                cosine=self.cosine,
                query_cosine=self.query_cosine,
            )
            for d, most, trials in zip(self.d_keys, self.most, self.trials, strict=True)
        ]
        return state, {"capacity": jnp.stack(found)}


def arms(config: Config) -> dict[str, Any]:
    """The capacities of the linear memory, of delta rule and softmax, and of theory."""
    found = {
        "adversarial": _arm(config, "adversarial", linear_memory, cosines=config.cosines),
        "bits": _arm(config, "bit_error", linear_memory, cosines=config.cosines),
        "noisy": _arm(config, "bit_error", linear_memory, query_cosine=config.query_cosine),
        "nearest": _arm(config, "argmax", linear_memory),
    }
    for name, memory in (("delta", DeltaSweeps(config.sweeps)), ("softmax", softmax_memory)):
        found[f"bits_{name}"] = _arm(config, "bit_error", memory, baseline=True)
    return {**found, "capacity_theory": Reference(eqx.Partial(_theory, config))}


def cosine_of(system: Any) -> Any:
    """The mean cosine of the keys."""
    return system.cosine


def _arm(
    config: Config,
    criterion: str,
    memory: Callable[..., Array],
    *,
    baseline: bool = False,
    cosines: tuple[float, ...] = (),
    query_cosine: float = 1.0,
) -> Arm:
    """The arm of one criterion and memory; every arm has an axis of mean cosines, 0 first."""
    d_keys = config.baseline_d_keys if baseline else config.d_keys
    likely = [_likely(d, criterion, baseline) for d in d_keys]
    trials = [
        config.probes
        if criterion == "adversarial"
        else max(2, round(config.bits / n / SLOTS[criterion] / (4 if baseline else 1)))
        for n in likely
    ]
    # Nothing is to be gained from thousands of draws of a few pairs.
    trials = tuple(min(t, 1024) for t in trials)
    most = tuple(3 * n for n in likely)
    system = Capacities(
        memory, criterion, d_keys, most, trials, jnp.float32(0.0), jnp.float32(query_cosine)
    )
    return Arm(
        system,
        1,
        dims={"capacity": ("d_key",)},
        coords={"d_key": list(d_keys)},
        grid={"cosine": (cosine_of, np.asarray((0.0, *cosines), np.float32))},
        seeds=config.baseline_seeds if baseline else config.capacity_seeds,
    )


def _likely(d: int, criterion: str, baseline: bool) -> int:
    """Pairs about where a memory will fail; three times as many are drawn."""
    if baseline:
        return 2 * d
    if criterion == "argmax":
        return 8 + d * SLOTS["argmax"] // 24
    if criterion == "adversarial":
        return 4 + round(float(linear_memory_capacity(d, criterion="adversarial")))
    return 4 + round(float(linear_memory_capacity(d, criterion="bit_error")))


def _theory(config: Config) -> xr.Dataset:
    """Capacities of section 2 of the docs, at the measured numbers of features."""
    d = np.asarray(config.d_keys, float)
    cosines = np.asarray((0.0, *config.cosines))
    rows = {
        "adversarial": linear_memory_capacity(d, criterion="adversarial", cosine=cosines[:, None]),
        "bits": linear_memory_capacity(d, criterion="bit_error", cosine=cosines[:, None]),
    }
    found = {name: (("cosine", "d_key"), values) for name, values in rows.items()}
    return xr.Dataset(found, {"d_key": list(config.d_keys), "cosine": cosines})
