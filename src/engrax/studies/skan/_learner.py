"""One learner for every net of the study, and the steps between the phases."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Key

from engrax.core import Batch, Learner, State, named, rebuild


class PhaseLearner(Learner):
    """AdamW along a cosine, with gates that cool down and an entropy that is asked for less.

    All numbers are arrays, so that all phases, and all arms of one net, share a program.

    **Fields:** `forward(model, x, temperature, hard) -> (outputs, entropy)`; `loss(outputs, y)`;
    the rate of step n is floor + (peak - floor) (1 + cos(pi (n + offset) / horizon)) / 2; gates
    cool from 1 to `temperature`, and `entropy` rises to its value, over `steps`; where `hard`, both
    stay at their ends.
    """

    build: Callable[..., Any]
    forward: Callable[..., tuple[Array, Array]] = eqx.field(static=True)
    loss: Callable[[Array, Array], Array] = eqx.field(static=True)
    peak: Float[Array, ""]
    floor: Float[Array, ""]
    offset: Float[Array, ""]
    horizon: Float[Array, ""]
    steps: Float[Array, ""]
    decay: Float[Array, ""]
    temperature: Float[Array, ""]
    entropy: Float[Array, ""]
    hard: Array

    def init(self, *, key: Key[Array, ""]) -> State:
        """Fresh weights, and a key that draws families at random where they are not selected."""
        return _fresh(self.build, key)

    def model(self, state: State) -> Any:
        """The net with its present weights."""
        return rebuild(self.build, state["model"])

    def cooled(self, count: Float[Array, ""]) -> tuple[Array, Array]:
        """Temperature and weight of the entropy after `count` steps."""
        along = jnp.where(self.hard, 1.0, jnp.minimum(count / self.steps, 1.0))
        return 1 + (self.temperature - 1) * along, self.entropy * along

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """One step of AdamW."""
        trained, fixed = eqx.partition(self.model(state), eqx.is_inexact_array)
        temperature, weight = self.cooled(state["count"])

        def value(trained: Any) -> tuple[Array, Array]:
            model = eqx.combine(trained, fixed)
            outputs, entropy = self.forward(model, input.x, temperature, self.hard)
            loss = self.loss(outputs, input.y)
            return loss + weight * entropy, loss

        (_, loss), gradient = jax.value_and_grad(value, has_aux=True)(trained)
        with jax.numpy_dtype_promotion("standard"):
            updates, optimizer = optax.scale_by_adam().update(gradient, state["optimizer"])
        place = jnp.minimum((state["count"] + self.offset) / self.horizon, 1.0)
        rate = self.floor + (self.peak - self.floor) * (1 + jnp.cos(math.pi * place)) / 2
        trained = jax.tree.map(lambda w, u: w - rate * (u + self.decay * w), trained, updates)
        model = eqx.filter(eqx.combine(trained, fixed), eqx.is_array)
        new = {"model": model, "optimizer": optimizer, "count": state["count"] + 1}
        return {**new, "key": state["key"]}, {"loss": loss}

    def predict(self, state: State, x: Array) -> Array:
        """Outputs at the present temperature."""
        temperature, _ = self.cooled(state["count"])
        return self.forward(self.model(state), x, temperature, self.hard)[0]


@eqx.filter_jit
def _fresh(build: Callable[..., Any], key: Array) -> State:
    """In one program, since every draw would be one of its own."""
    model = build(key=named(key, "model"))
    return {
        "model": eqx.filter(model, eqx.is_array),
        "optimizer": optax.scale_by_adam().init(eqx.filter(model, eqx.is_inexact_array)),
        "count": jnp.float32(0),
        "key": named(key, "picks"),
    }


def learner(
    build: Callable[..., Any],
    forward: Callable[..., tuple[Array, Array]],
    loss: Callable[[Array, Array], Array],
    *,
    peak: float,
    floor: float,
    steps: int,
    horizon: int | None = None,
    offset: int = 0,
    decay: float = 0.0,
    temperature: float = 1.0,
    entropy: float = 0.0,
    hard: bool = False,
) -> PhaseLearner:
    """The learner with its numbers as arrays; the cosine ends with the steps if not told else."""
    numbers = {
        "peak": peak,
        "floor": floor,
        "offset": offset,
        "horizon": steps if horizon is None else horizon,
        "steps": steps,
        "decay": decay,
        "temperature": temperature,
        "entropy": entropy,
    }
    arrays = {name: jnp.float32(value) for name, value in numbers.items()}
    return PhaseLearner(build=build, forward=forward, loss=loss, hard=jnp.asarray(hard), **arrays)


def gated(model: Any, x: Array, temperature: Array, hard: Array) -> tuple[Array, Array]:
    """A net that weighs families."""
    return model(x, temperature, hard), model.entropy(temperature)


def plain(model: Any, x: Array, temperature: Array, hard: Array) -> tuple[Array, Array]:
    """A net without gates."""
    return model(x), jnp.float32(0)


def mean_squares(outputs: Array, y: Array) -> Array:
    """Mean squared error."""
    return ((outputs - y) ** 2).mean()


def classes(outputs: Array, y: Array) -> Array:
    """Mean cross-entropy of class labels."""
    return optax.softmax_cross_entropy_with_integer_labels(outputs, y).mean()


@eqx.filter_jit
def selected(
    soft: PhaseLearner, choose: Callable[[Any, State, Array], Any], fresh: State, final: State
) -> State:
    """The state in which the phase of hard gates begins: families chosen, Adam afresh."""
    temperature, _ = soft.cooled(final["learner"]["count"])
    model = choose(soft.model(final["learner"]), fresh, temperature)
    start = {**fresh["learner"], "model": eqx.filter(model, eqx.is_array)}
    return {**fresh, "learner": start}


def drawn(model: Any, fresh: State, temperature: Array) -> Any:
    """Families drawn at random for every node, for good; coefficients times their shares."""
    keys = jr.split(fresh["learner"]["key"], len(model.layers))
    layers = []
    for key, layer in zip(keys, model.layers, strict=True):
        families = layer.gates.shape[-1]
        picks = jr.randint(key, layer.gates.shape[:-1], 0, families)
        one = jax.nn.one_hot(picks, families, dtype=layer.gates.dtype)
        coefficients = layer.weighed(layer.shares(temperature))
        layers.append(
            eqx.tree_at(lambda m: (m.coefficients, m.gates), layer, (coefficients, 30 * one))
        )
    return eqx.tree_at(lambda m: m.layers, model, tuple(layers))


@eqx.filter_jit
def pruned(hard: PhaseLearner, prune: Callable[[Any], Any], fresh: State, final: State) -> State:
    """The state in which fine-tuning begins: other families left out, Adam afresh."""
    model = prune(hard.model(final["learner"]))
    start = {**fresh["learner"], "model": eqx.filter(model, eqx.is_array)}
    return {**fresh, "learner": start}
