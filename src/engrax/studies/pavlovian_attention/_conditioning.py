"""C1: conditioning is linear attention, and its phenomena follow from the rule that writes."""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array, Key

from engrax.core import System, named
from engrax.memory import AssociativeMemory, linear_attention
from engrax.nn import LinearAttention
from engrax.plasticity import delta_rule, hebb, td_rule, trace_rule
from engrax.tasks import (
    ConditioningExperiment,
    acquisition,
    blocking,
    conditioned_inhibition,
    extinction,
    latent_inhibition,
    over_expectation,
    overshadowing,
    second_order,
    trace_conditioning,
    unblocking,
)

from ._config import Config

FEATURES = 16
"""Features of the streams on which attention and conditioning are compared."""


def positive(x: Array) -> Array:
    """elu(x) + 1, the usual feature map of linear attention."""
    return jax.nn.elu(x) + 1


class Identity(System):
    """A tick compares conditioning, pair by pair, with a layer of linear attention on one stream.

    Records the largest difference over the largest response, for keys as they are and mapped.
    """

    steps: int = eqx.field(static=True)

    def init(self, *, key: Key[Array, ""]) -> Key[Array, ""]:
        return key

    def step(self, state: Key[Array, ""], input: Array) -> tuple[Key[Array, ""], dict[str, Array]]:
        key = jr.fold_in(state, input)
        x = jr.normal(named(key, "stream"), (self.steps, FEATURES))
        found = {}
        for name, feature_map in (("plain", None), ("mapped", positive)):
            layer = LinearAttention(
                FEATURES, FEATURES, feature_map=feature_map, key=named(key, "layer")
            )
            attended = layer(x)
            memory = AssociativeMemory(FEATURES, FEATURES, hebb)
            cues, outcomes = layer.features(x @ layer.key.T), x @ layer.value.T
            conditioned, _ = memory.scan(cues, outcomes, layer.features(x @ layer.query.T))
            gap = jnp.abs(conditioned @ layer.output.T - attended).max()
            found[name] = gap / jnp.abs(attended).max()
        return state, found


class Row(NamedTuple):
    """One line of the table of conditioning: what is run, and what the closed forms say."""

    experiment: ConditioningExperiment
    probe: str
    hebb: float
    delta: float


def table(config: Config) -> dict[str, Row]:
    """Closed forms for orthonormal elements, US of size 1, and compounds that are sums."""
    n, b = config.trials, config.rate
    short = 5
    left = 1 - (1 - b) ** short
    normalized = {"normalize_compound": True}
    return {
        "acquisition, 5 trials": Row(acquisition(short), "A", b * short, left),
        "extinction": Row(extinction(short), "A", b * short, left * (1 - b) ** short),
        "overshadowing": Row(overshadowing(n), "B", b * n, 0.5),
        "blocking": Row(blocking(n), "B", b * n, 0.0),
        "unblocking": Row(unblocking(n, magnitude=2.0), "B", 2 * b * n, 0.5),
        "conditioned inhibition": Row(conditioned_inhibition(n), "B", 0.0, -1.0),
        "over-expectation": Row(over_expectation(n), "B", 2 * b * n, 0.5),
        "latent inhibition": Row(latent_inhibition(n), "A", b * n, 1.0),
        "trace, gap 2": Row(trace_conditioning(n), "A", 0.0, 0.0),
        "second order": Row(second_order(n), "B", 0.0, 0.0),
        "overshadowing, normalized": Row(
            overshadowing(n, **normalized), "B", b * n / math.sqrt(2), 1 / math.sqrt(2)
        ),
        "blocking, normalized": Row(
            blocking(n, **normalized), "B", b * n / math.sqrt(2), (math.sqrt(2) - 1) / 2
        ),
    }


def conditioning(config: Config) -> xr.Dataset:
    """Responses of every rule in every experiment, the closed forms, and softmax attention.

    Errors are relative to the larger of 1 and the closed form. Softmax reads the same stream at a
    scale of sqrt(features), for what it makes of it; no closed form is held against it.
    """
    rows = table(config)
    found: dict[str, Any] = {"hebb": [], "delta": [], "softmax": []}
    for row in rows.values():
        for name, rule in (("hebb", hebb), ("delta", delta_rule)):
            memory = AssociativeMemory(len(row.experiment.elements), 1, rule)
            response = row.experiment.run(memory, rate=config.rate)[row.probe][-1]
            found[name].append(float(response))
        found["softmax"].append(_softmax(row.experiment, row.probe))
    theory = {name: [getattr(row, name) for row in rows.values()] for name in ("hebb", "delta")}
    error = [
        np.abs(np.subtract(found[n], theory[n])) / np.maximum(1, np.abs(theory[n])) for n in theory
    ]
    dims = ("experiment",)
    return xr.Dataset(
        {name: (dims, values) for name, values in found.items()}
        | {f"{name}_theory": (dims, values) for name, values in theory.items()}
        | {"error": (("rule", "experiment"), np.stack(error))}
        | {name: ((), value) for name, value in _others(config).items()},
        {"experiment": list(rows), "rule": list(theory)},
    )


def _softmax(experiment: ConditioningExperiment, probe: str) -> float:
    keys, values = experiment.keys, experiment.values[:, 0]
    shown = keys.any(1)
    scores = keys[shown] @ experiment.stimulus(probe) * math.sqrt(keys.shape[1])
    return float(np.asarray(jax.nn.softmax(jnp.asarray(scores))) @ values[shown])


def _others(config: Config) -> dict[str, float]:
    """Largest errors of the rules that keep traces, and of a feature of salience 2."""
    b, lam, discount = config.rate, 0.6, 0.9
    once = trace_conditioning(1, gap=3).run(
        AssociativeMemory(1, 1, eqx.Partial(trace_rule, trace=lam)), rate=b
    )
    elements = {"A": np.array([2.0, 0.0]), "B": np.array([0.0, 1.0])}
    split = overshadowing(config.trials, elements=elements).run(
        AssociativeMemory(2, 1, delta_rule), rate=b
    )
    memory = AssociativeMemory(1, 1, eqx.Partial(td_rule, discount=discount))
    td = acquisition(5).run(memory, rate=b, lookahead=False)
    # Without a forecast the TD rule is the delta rule.
    expected = 1 - (1 - b) ** np.arange(1, 6)
    q, k, v = jr.normal(jr.key(0), (3, 64, 8))
    chunked, whole = (
        linear_attention(positive(q), positive(k), v, form=form, chunk=16)[0]
        for form in ("chunked", "parallel")
    )
    return {
        "trace_error": abs(float(once["A"][-1]) - b * lam**3),
        "salience_error": max(abs(float(split["A"][-1]) - 0.8), abs(float(split["B"][-1]) - 0.2)),
        "td_error": float(np.abs(td["A"] - expected).max()),
        "form_error": float(jnp.abs(chunked - whole).max() / jnp.abs(whole).max()),
    }
