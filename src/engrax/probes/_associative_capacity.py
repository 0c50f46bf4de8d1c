"""How many pairs a memory holds before it fails a criterion."""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key

Respond = Callable[
    [
        Float[Array, "N dk"],
        Float[Array, "N dv"],
        Float[Array, "M dk"],
        Bool[Array, " N"],
    ],
    Float[Array, "M dv"],
]
"""`(keys, values, queries, present) -> responses`; pairs that are not present are zero."""

Criterion = Literal["adversarial", "bit_error", "argmax"]


def associative_capacity(
    memory: Respond,
    d_key: int,
    *,
    criterion: Criterion,
    key: Key[Array, ""],
    most: int,
    trials: int,
    d_value: int = 64,
    error: float = 0.01,
    cosine: float | Float[Array, ""] = 0.0,
    query_cosine: float | Float[Array, ""] = 1.0,
) -> Float[Array, ""]:
    """The number of pairs up to which a memory meets a criterion, between 1 and `most`.

    Keys are random unit vectors. The first N pairs of one draw serve every N, and the N at which
    the criterion breaks is found by bisection, then interpolated between two whole numbers.

    **Arguments:**

    - `memory`: what stores pairs and answers queries, as `linear_memory` does.
    - `criterion`: `adversarial`: values +-1 oppose the probed one, which must still be read with
      its sign, on the average over trials; `bit_error`: a share `error` of random +-1 values is
      read with the wrong sign; `argmax`: a share `error` of the responses lies closer to another
      stored value (of random signs) than to its own.
    - `trials`: independent draws that are averaged.
    - `cosine`: mean cosine between keys, which then share one direction.
    - `query_cosine`: cosine between a query and the stored key that it means.

    **Raises:** `ValueError` for another criterion.
    """
    if criterion not in ("adversarial", "bit_error", "argmax"):
        raise ValueError(
            f"The criterion is 'adversarial', 'bit_error' or 'argmax', got {criterion!r}."
        )
    draws = jax.lax.map(
        lambda k: _drawn(k, most, d_key, cosine, query_cosine, d_value), jr.split(key, trials)
    )
    limit = jnp.float32(0.0 if criterion == "adversarial" else error)

    def failure(count: Int[Array, ""]) -> Float[Array, ""]:
        rates = jax.lax.map(lambda draw: _failure(memory, criterion, draw, count), draws)
        return jnp.mean(rates)

    def halve(_: Any, ends: tuple[Array, ...]) -> tuple[Array, ...]:
        low, high, at_low, at_high = ends
        middle = (low + high) // 2
        found = failure(middle)
        met = found <= limit
        return (
            jnp.where(met, middle, low),
            jnp.where(met, high, middle),
            jnp.where(met, found, at_low),
            jnp.where(met, at_high, found),
        )

    # No pair is below the limit, and one more than all is taken to be above it.
    ends = jnp.int32(0), jnp.int32(most + 1), limit - 1, limit
    halvings = math.ceil(math.log2(most + 1))
    low, high, at_low, at_high = jax.lax.fori_loop(0, halvings, halve, ends)
    share = (limit - at_low) / jnp.maximum(at_high - at_low, 1e-9)
    found = low.astype(jnp.float32) + jnp.clip(share, 0, 1)
    return jnp.where(high > most, jnp.float32(most), found)


def linear_memory(
    keys: Float[Array, "N dk"],
    values: Float[Array, "N dv"],
    queries: Float[Array, "M dk"],
    present: Bool[Array, " N"],
) -> Float[Array, "M dv"]:
    """The linear memory that Hebb's rule writes, `sum_i v_i (k_i . q)`."""
    if values.shape[1] < queries.shape[0]:
        return queries @ (keys.T @ values)
    return (queries @ keys.T) @ values


class _Draw(NamedTuple):
    """Keys, queries that mean them, and values of random signs."""

    keys: Float[Array, "N dk"]
    queries: Float[Array, "N dk"]
    values: Float[Array, "N dv"]


def _drawn(
    key: Key[Array, ""],
    n: int,
    d_key: int,
    cosine: float | Float[Array, ""],
    query_cosine: float | Float[Array, ""],
    d_value: int,
) -> _Draw:
    common, own, noise, signs = jr.split(key, 4)
    cosine, query_cosine = jnp.float32(cosine), jnp.float32(query_cosine)
    shared = _unit(jr.normal(common, (1, d_key)))
    keys = _unit(jr.normal(own, (n, d_key)))
    keys = _unit(jnp.sqrt(cosine) * shared + jnp.sqrt(1 - cosine) * keys)
    aside = jr.normal(noise, (n, d_key))
    aside = _unit(aside - jnp.sum(aside * keys, 1, keepdims=True) * keys)
    queries = query_cosine * keys + jnp.sqrt(1 - query_cosine**2) * aside
    return _Draw(keys, queries, jr.rademacher(signs, (n, d_value), jnp.float32))


def _unit(x: Float[Array, "N dk"]) -> Float[Array, "N dk"]:
    return x / jnp.linalg.norm(x, axis=1, keepdims=True)


def _failure(
    memory: Respond, criterion: Criterion, draw: _Draw, count: Int[Array, ""]
) -> Float[Array, ""]:
    """How badly one draw of `count` pairs is read; compared with a limit."""
    present = jnp.arange(draw.keys.shape[0]) < count
    keys = jnp.where(present[:, None], draw.keys, 0.0)
    if criterion == "adversarial":
        # The first key is probed: it stands for any, since all are drawn alike.
        signs = -jnp.sign(keys @ draw.keys[0]).at[0].set(-1.0)
        values = jnp.where(present, signs, 0.0)[:, None]
        return memory(keys, values, draw.queries[:1], present)[0, 0]
    values = jnp.where(present[:, None], draw.values, 0.0)
    found = memory(keys, values, draw.queries, present)
    if criterion == "bit_error":
        wrong = jnp.mean(found * draw.values <= 0, 1)
    else:
        scores = jnp.where(present[None, :], found @ draw.values.T, -jnp.inf)
        own = jnp.diagonal(scores)
        others = scores.at[jnp.diag_indices(scores.shape[0])].set(-jnp.inf)
        wrong = own <= others.max(1)
    wrong = jnp.where(present, wrong.astype(jnp.float32), 0.0)
    return jnp.sum(wrong) / count.astype(jnp.float32)
