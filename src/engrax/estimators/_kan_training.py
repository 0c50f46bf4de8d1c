"""What both estimators compute: one program for every number of rows and passes."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, Key

from engrax.nn import KAN, bases

BLOCK = 256
"""Rows of data are padded to powers of two from here on, and predicted so many at a time: equal
shapes share a program, and a prediction does not depend on the rows beside it."""


class Spec(eqx.Module):
    """What kind of net it is; static, so that equal ones share programs."""

    widths: tuple[int, ...] = eqx.field(static=True)
    basis: str = eqx.field(static=True)
    functions: int = eqx.field(static=True)
    batch: int = eqx.field(static=True)
    classes: bool = eqx.field(static=True)

    def model(self, key: Key[Array, ""]) -> KAN:
        """A fresh net."""
        return KAN(self.widths, bases.by_name(self.basis, self.functions), key=key)


class Fit(eqx.Module):
    """Weights, Adam's moments and the key of the order."""

    model: KAN
    optimizer: Any
    key: Key[Array, ""]


@eqx.filter_jit
def fresh(spec: Spec, seed: Int[Array, ""]) -> Fit:
    """Before the first pass."""
    key = jr.key(seed)
    model = spec.model(jr.fold_in(key, 0))
    moments = optax.scale_by_adam().init(eqx.filter(model, eqx.is_inexact_array))
    return Fit(model, moments, jr.fold_in(key, 1))


@eqx.filter_jit
def trained(
    spec: Spec,
    fit: Fit,
    x: Float[Array, "padded in"],
    y: Float[Array, "padded out"],
    rows: Int[Array, ""],
    epochs: Int[Array, ""],
    rate: Float[Array, ""],
    floor: Float[Array, ""],
    decay: Float[Array, ""],
) -> Fit:
    """Passes over the first `rows` rows in random order; the rate falls to `floor` of itself.

    Classes come one-hot. The loss is the mean square or the cross-entropy of a batch's rows.
    """
    steps = -(-rows // spec.batch)
    whole = jnp.maximum(steps * epochs, 1).astype(jnp.float32)

    def loss(model: KAN, index: Array, counts: Array) -> Array:
        outputs, targets = model(x[index]), y[index]
        if spec.classes:
            each = -(targets * jax.nn.log_softmax(outputs)).sum(-1)
        else:
            each = ((outputs - targets) ** 2).mean(-1)
        return jnp.where(counts, each, 0.0).sum() / jnp.maximum(counts.sum(), 1)

    def step(t: Array, carry: tuple[Any, Any, Array, Array]) -> tuple[Any, Any, Array, Array]:
        arrays, moments, order, epoch = carry
        places = t * spec.batch + jnp.arange(spec.batch)
        index = jnp.take(order, places, mode="clip")
        trained, fixed = eqx.partition(eqx.combine(arrays, static), eqx.is_inexact_array)
        gradient = jax.grad(lambda w: loss(eqx.combine(w, fixed), index, places < rows))(trained)
        with jax.numpy_dtype_promotion("standard"):
            updates, moments = optax.scale_by_adam().update(gradient, moments)
        place = (epoch * steps + t).astype(jnp.float32) / whole
        now = rate * (floor + (1 - floor) * (1 + jnp.cos(math.pi * place)) / 2)
        moved = jax.tree.map(lambda w, u: w - now * (u + decay * w), trained, updates)
        return eqx.filter(eqx.combine(moved, fixed), eqx.is_array), moments, order, epoch

    def epoch(e: Array, carry: tuple[Any, Any, Array]) -> tuple[Any, Any, Array]:
        arrays, moments, key = carry
        key, now = jr.split(key)
        # Padding sorts behind every row.
        draws = jnp.where(jnp.arange(len(x)) < rows, jr.uniform(now, (len(x),)), 2.0)
        carry = (arrays, moments, jnp.argsort(draws), e)
        arrays, moments, _, _ = jax.lax.fori_loop(0, steps, step, carry)
        return arrays, moments, key

    arrays, static = eqx.partition(fit.model, eqx.is_array)
    arrays, moments, key = jax.lax.fori_loop(0, epochs, epoch, (arrays, fit.optimizer, fit.key))
    return Fit(eqx.combine(arrays, static), moments, key)


@eqx.filter_jit
def predicted(spec: Spec, model: KAN, x: Float[Array, "block in"]) -> Float[Array, "block out"]:
    """Outputs of one block of rows."""
    return model(x)
