"""What both estimators compute: one program for every number of rows and passes."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from engrax.nn import KAN, SelectableKAN, bases, prune, select

BLOCK = 256
"""Rows of data are padded to powers of two from here on, and predicted so many at a time: equal
shapes share a program, and a prediction does not depend on the rows beside it."""
COLD, ENTROPY = 0.3, 1e-3
"""Temperature of the gates and weight of their entropy, once families are to be selected."""


class Spec(eqx.Module):
    """What kind of net it is; static, so that equal ones share programs."""

    widths: tuple[int, ...] = eqx.field(static=True)
    families: tuple[str, ...] = eqx.field(static=True)
    functions: int = eqx.field(static=True)
    batch: int = eqx.field(static=True)
    classes: bool = eqx.field(static=True)
    soft: bool = eqx.field(static=True, default=False)
    """Whether all families are weighed; else every input of a layer has one."""

    def model(self, key: Key[Array, ""]) -> KAN | SelectableKAN:
        """A fresh net."""
        pool = tuple(bases.by_name(name, self.functions) for name in self.families)
        if self.soft:
            return SelectableKAN(self.widths, pool, key=key)
        if len(pool) == 1:
            return KAN(self.widths, pool[0], key=key)
        picks = [bases.Picked(pool, jnp.zeros(n, jnp.int32)) for n in self.widths[:-1]]
        return KAN(self.widths, picks, key=key)


class Fit(eqx.Module):
    """Weights, Adam's moments and the key of the order."""

    model: KAN | SelectableKAN
    optimizer: Any
    key: Key[Array, ""]


class Phase(eqx.Module):
    """One stretch of training: the rate falls to `floor` of itself along a part of a cosine.

    Gates, where there are any, cool down from 1 and their entropy weighs in; or they are hard.
    """

    epochs: Int[Array, ""]
    rate: Float[Array, ""]
    floor: Float[Array, ""]
    decay: Float[Array, ""]
    begin: Float[Array, ""]
    end: Float[Array, ""]
    hard: Bool[Array, ""]

    @classmethod
    def of(
        cls,
        epochs: int,
        rate: float,
        floor: float,
        decay: float,
        span: tuple[float, float] = (0.0, 1.0),
        *,
        hard: bool = False,
    ) -> "Phase":
        """The phase with its numbers as arrays, so that all phases share a program."""
        rates = (jnp.float32(rate), jnp.float32(floor), jnp.float32(decay))
        ends = (jnp.float32(span[0]), jnp.float32(span[1]))
        return cls(jnp.int32(epochs), *rates, *ends, jnp.asarray(hard))


@eqx.filter_jit
def fresh(spec: Spec, seed: Int[Array, ""]) -> Fit:
    """Before the first pass."""
    key = jr.key(seed)
    return _begun(spec.model(jr.fold_in(key, 0)), jr.fold_in(key, 1))


def _begun(model: KAN | SelectableKAN, key: Key[Array, ""]) -> Fit:
    moments = optax.scale_by_adam().init(eqx.filter(model, eqx.is_inexact_array))
    return Fit(model, moments, key)


@eqx.filter_jit
def trained(
    spec: Spec,
    fit: Fit,
    x: Float[Array, "padded in"],
    y: Float[Array, "padded out"],
    rows: Int[Array, ""],
    phase: Phase,
) -> Fit:
    """Passes over the first `rows` rows in random order.

    Classes come one-hot. The loss is the mean square or the cross-entropy of a batch's rows.
    """
    steps = -(-rows // spec.batch)
    whole = jnp.maximum(steps * phase.epochs, 1).astype(jnp.float32)

    def loss(model: KAN | SelectableKAN, index: Array, counts: Array, place: Array) -> Array:
        outputs, extra = _outputs(model, x[index], place, phase.hard)
        if spec.classes:
            each = -(y[index] * jax.nn.log_softmax(outputs)).sum(-1)
        else:
            each = ((outputs - y[index]) ** 2).mean(-1)
        return (
            jnp.where(counts, each, 0.0).sum() / jnp.maximum(counts.sum(), 1).astype(each.dtype)
            + extra
        )

    def step(t: Array, carry: tuple[Any, Any, Array, Array]) -> tuple[Any, Any, Array, Array]:
        arrays, moments, order, epoch = carry
        rank = t * spec.batch + jnp.arange(spec.batch)
        index = jnp.take(order, rank, mode="clip")
        place = (epoch * steps + t).astype(jnp.float32) / whole
        trained, fixed = eqx.partition(eqx.combine(arrays, static), eqx.is_inexact_array)
        gradient = jax.grad(lambda w: loss(eqx.combine(w, fixed), index, rank < rows, place))(
            trained
        )
        with jax.numpy_dtype_promotion("standard"):
            updates, moments = optax.scale_by_adam().update(gradient, moments)
        along = phase.begin + (phase.end - phase.begin) * place
        now = phase.rate * (phase.floor + (1 - phase.floor) * (1 + jnp.cos(math.pi * along)) / 2)
        moved = jax.tree.map(lambda w, u: w - now * (u + phase.decay * w), trained, updates)
        return eqx.filter(eqx.combine(moved, fixed), eqx.is_array), moments, order, epoch

    def epoch(e: Array, carry: tuple[Any, Any, Array]) -> tuple[Any, Any, Array]:
        arrays, moments, key = carry
        key, now = jr.split(key)
        # Padding sorts behind every row.
        draws = jnp.where(jnp.arange(len(x)) < rows, jr.uniform(now, (len(x),)), 2.0)
        inner = (arrays, moments, jnp.argsort(draws), e)
        arrays, moments, _, _ = jax.lax.fori_loop(0, steps, step, inner)
        return arrays, moments, key

    arrays, static = eqx.partition(fit.model, eqx.is_array)
    start = (arrays, fit.optimizer, fit.key)
    arrays, moments, key = jax.lax.fori_loop(0, phase.epochs, epoch, start)
    return Fit(eqx.combine(arrays, static), moments, key)


def _outputs(model: Any, x: Array, place: Array, hard: Array) -> tuple[Array, Array]:
    """What the net says, and what the gates' entropy costs."""
    if not isinstance(model, SelectableKAN):
        return model(x), jnp.float32(0)
    along = jnp.where(hard, 1.0, place)
    temperature = 1 + (COLD - 1) * along
    return model(x, temperature, hard), ENTROPY * along * model.entropy(temperature)


@eqx.filter_jit
def chosen(fit: Fit, x: Float[Array, "batch in"]) -> Fit:
    """Gates set to the family that contributes most at each node; Adam begins anew."""
    assert isinstance(fit.model, SelectableKAN)
    return _begun(select(fit.model, x, temperature=COLD), fit.key)


@eqx.filter_jit
def left(fit: Fit) -> Fit:
    """The other families left out; Adam begins anew. Which are kept stays data."""
    assert isinstance(fit.model, SelectableKAN)
    return _begun(prune(fit.model), fit.key)


@eqx.filter_jit
def predicted(spec: Spec, model: KAN, x: Float[Array, "block in"]) -> Float[Array, "block out"]:
    """Outputs of one block of rows."""
    return model(x)
