"""A sum over many examples whose gradient is taken block by block."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax import lax
from jaxtyping import Array, Float, Key, PyTree


def accumulate(
    fn: Callable,
    model: PyTree,
    data: PyTree,
    weights: Float[Array, " n"],
    *,
    block: int,
    key: Key[Array, ""] | None = None,
) -> tuple[Float[Array, ""], PyTree]:
    """Weighted sum of a value per example, in blocks that fit in a core's cache.

    `fn(model, data, key)` takes a block of the data (leaves `(block, ...)`) to a value per example
    `(block,)` and anything else per example (leaves `(block, ...)`). The result is
    `sum(weights * values)` and the anything else for all n examples; only the sum has a gradient,
    and only with respect to `model`.

    The gradient of each block is taken in the same sweep as its value, so no activation outlives
    its block and nothing is computed twice. On a CPU this is what brings a full-batch step near the
    rate of its matrix products: the activations of a few hundred examples stay in the cache, those
    of thousands do not. Where the last block is not full it is filled with copies of example 0 of
    weight 0. With a `key`, each block gets its own.

    Raises:
        ValueError: a `block` below 1, or leaves of the data that differ in their length.
    """
    n = weights.shape[0]
    if block < 1:
        raise ValueError(f"accumulate needs a block of at least 1, and was given {block}.")
    if any(leaf.shape[0] != n for leaf in jax.tree.leaves(data)):
        raise ValueError(f"accumulate has {n} weights, and data of another length; give one each.")
    blocks = -(-n // block)
    index = jnp.arange(blocks * block)
    filled = jnp.where(index < n, index, 0)

    def cut(leaf: jax.Array) -> jax.Array:
        leaf = leaf[filled] if blocks * block > n else leaf
        return leaf.reshape(blocks, block, *leaf.shape[1:])

    weights = jnp.where(index < n, weights[filled], jnp.zeros((), weights.dtype))
    keys = None if key is None else jr.split(key, blocks)
    parts = (jax.tree.map(cut, data), weights.reshape(blocks, block), keys)
    total, rest = _sum(model, fn, parts)
    return total, jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:n], rest)


@eqx.filter_custom_vjp
def _sum(model: PyTree, fn: Callable, parts: PyTree) -> tuple[jax.Array, PyTree]:
    def body(total: jax.Array, part: PyTree) -> tuple[jax.Array, PyTree]:
        value, rest = _weighted(model, fn, part)
        return total + value, rest

    return lax.scan(body, jnp.zeros(()), parts)


def _weighted(model: PyTree, fn: Callable, part: PyTree) -> tuple[jax.Array, PyTree]:
    data, weights, key = part
    values, rest = fn(model, data, key)
    return jnp.sum(weights * values), lax.stop_gradient(rest)


@_sum.def_fwd
def _sum_forward(perturbed: PyTree, model: PyTree, fn: Callable, parts: PyTree) -> Any:
    del perturbed

    def body(carry: PyTree, part: PyTree) -> tuple[PyTree, PyTree]:
        total, gradient = carry
        (value, rest), moved = eqx.filter_value_and_grad(_weighted, has_aux=True)(model, fn, part)
        return (total + value, jax.tree.map(jnp.add, gradient, moved)), rest

    zeros = jax.tree.map(jnp.zeros_like, eqx.filter(model, eqx.is_inexact_array))
    (total, gradient), rest = lax.scan(body, (jnp.zeros(()), zeros), parts)
    return (total, rest), gradient


@_sum.def_bwd
def _sum_backward(
    gradient: PyTree, cotangent: PyTree, perturbed: PyTree, model: PyTree, fn: Callable, parts: Any
) -> PyTree:
    del perturbed, model, fn, parts
    scale = cotangent[0]
    return jax.tree.map(lambda leaf: leaf * scale, gradient)
