"""Linear attention: values written under keys to a matrix that queries read, in three forms."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Form = Literal["parallel", "chunked", "recurrent"]
Rule = Literal["hebb", "delta"]
Gate = Float[Array, " T"] | Float[Array, "T dv"]


def linear_attention(
    q: Float[Array, "T dk"],
    k: Float[Array, "T dk"],
    v: Float[Array, "T dv"],
    *,
    rule: Rule = "hebb",
    write: Gate | None = None,
    log_decay: Float[Array, ""] | float | Gate | None = None,
    strict: bool = False,
    form: Form = "parallel",
    chunk: int = 64,
    state: Float[Array, "dv dk"] | None = None,
) -> tuple[Float[Array, "T dv"], Float[Array, "dv dk"]]:
    """Write each value under its key into a fast-weight matrix S, and read it with each query.

    A step lets S decay, `S <- g S`; writes, `S <- S + b v k^T` (`hebb`: linear attention, or
    contiguity) or `S <- S + b (v - S k) k^T` (`delta`: DeltaNet, or Rescorla-Wagner; Yang et al.
    2024, arXiv 2406.06484, Eq. 3); and reads `o = S q`. There is no scale and no normalization.

    **Arguments:**

    - `write`: the rate b, one a step, or one a step and value slot (row of S); 1 if `None`.
    - `log_decay`: log g <= 0, a constant, one a step, or one a step and value slot; g = 1 if
      `None`.
    - `strict`: read after the decay and before the write, so that no step sees its own value.
    - `form`: `parallel` takes one block of T x T products, O(T^2) time and memory (times dv under
      a decay by value slot); `recurrent` takes T steps; `chunked` is parallel within chunks of
      length `chunk`, with S carried between them. All three compute the same.
    - `state`: S before the first step; zero if `None`.

    **Returns:** the responses, and S after the last step.

    **Raises:** `ValueError` where `rule` or `form` is none of those, or `chunk` is below 1.
    """
    if rule not in ("hebb", "delta"):
        raise ValueError(f"linear_attention knows the rules 'hebb' and 'delta', got {rule!r}.")
    if form not in ("parallel", "chunked", "recurrent"):
        raise ValueError(
            f"linear_attention has the forms 'parallel', 'chunked' and 'recurrent', got {form!r}."
        )
    if chunk < 1:
        raise ValueError(f"linear_attention needs a chunk of at least 1 step, got {chunk}.")
    decay = log_decay if log_decay is None else jnp.asarray(log_decay, v.dtype)
    if decay is not None and decay.ndim == 0:
        decay = jnp.full(q.shape[:1], decay)
    if rule == "hebb" and write is not None:
        v, write = v * (write if write.ndim == 2 else write[:, None]), None
    if form == "recurrent":
        return _recurrent(q, k, v, write, decay, state, rule, strict)
    if form == "parallel" or q.shape[0] <= chunk:
        return _block(q, k, v, write, decay, state, rule, strict)
    return _chunked(q, k, v, write, decay, state, rule, strict, chunk)


def _recurrent(
    q: Array,
    k: Array,
    v: Array,
    write: Array | None,
    log_decay: Array | None,
    state: Array | None,
    rule: Rule,
    strict: bool,
) -> tuple[Array, Array]:
    """One step after another: O(dk dv) time a step, and no more memory than S."""

    def step(s: Array, now: Any) -> tuple[Array, Array]:
        q, k, v, b, a = now
        if a is not None:
            s = s * jnp.broadcast_to(jnp.exp(a), v.shape)[:, None]
        before = s @ q if strict else None
        u = v - s @ k if rule == "delta" else v
        s = s + jnp.outer(u if b is None else b * u, k)
        return s, s @ q if before is None else before

    state = _empty(k, v) if state is None else state
    state, out = jax.lax.scan(step, state, (q, k, v, write, log_decay))
    return out, state


def _chunked(
    q: Array,
    k: Array,
    v: Array,
    write: Array | None,
    log_decay: Array | None,
    state: Array | None,
    rule: Rule,
    strict: bool,
    chunk: int,
) -> tuple[Array, Array]:
    """Blocks in a row, S carried between them."""
    steps = q.shape[0]

    def cut(x: Array) -> Array:
        # A step whose key, value, rate and log-decay are zero changes nothing.
        x = jnp.pad(x, ((0, -steps % chunk), *[(0, 0)] * (x.ndim - 1)))
        return x.reshape(-1, chunk, *x.shape[1:])

    def step(s: Array, now: Any) -> tuple[Array, Array]:
        q, k, v, write, log_decay = now
        out, s = _block(q, k, v, write, log_decay, s, rule, strict)
        return s, out

    state = _empty(k, v) if state is None else state
    state, out = jax.lax.scan(step, state, jax.tree.map(cut, (q, k, v, write, log_decay)))
    return out.reshape(-1, v.shape[1])[:steps], state


def _block(
    q: Array,
    k: Array,
    v: Array,
    write: Array | None,
    log_decay: Array | None,
    state: Array | None,
    rule: Rule,
    strict: bool,
) -> tuple[Array, Array]:
    """All steps at once; rates and decays that differ by value slot make a block for each slot."""
    if all(gate is None or gate.ndim == 1 for gate in (write, log_decay)):
        return _uniform_block(q, k, v, write, log_decay, state, rule, strict)

    def slot(v: Array, b: Array | None, a: Array | None, s: Array | None) -> tuple[Array, Array]:
        s = None if s is None else s[None]
        out, s = _uniform_block(q, k, v[:, None], b, a, s, rule, strict)
        return out[:, 0], s[0]

    axes = (1, *(None if g is None or g.ndim == 1 else 1 for g in (write, log_decay)))
    axes = (*axes, None if state is None else 0)
    return jax.vmap(slot, axes, (1, 0))(v, write, log_decay, state)


def _uniform_block(
    q: Array,
    k: Array,
    v: Array,
    write: Array | None,
    log_decay: Array | None,
    state: Array | None,
    rule: Rule,
    strict: bool,
) -> tuple[Array, Array]:
    """S after step t is `D(t) S_0 + sum_(i<=t) D(t)/D(i) u_i k_i^T`, with D the decay until then.

    Under `hebb` u is v. Under `delta` u_t = b_t (v_t - S k_t), S being that of the step before, is
    a unit lower triangular system for all u at once.
    """
    steps = q.shape[0]
    before = jnp.tril(jnp.ones((steps, steps), bool), -1)
    seen = before if strict else jnp.tril(jnp.ones((steps, steps), bool))
    total = None if log_decay is None else jnp.cumsum(log_decay)

    def overlaps(x: Array, which: Array) -> Array:
        products = x @ k.T
        if total is not None:
            # Masked inside the exponential: above the diagonal it would overflow.
            gap = jnp.where(which, total[:, None] - total[None, :], 0.0)
            products = products * jnp.exp(gap)
        return jnp.where(which, products, 0.0)

    def recalled(x: Array) -> Array | float:
        """What is left of the state before the block, read at each step."""
        if state is None:
            return 0.0
        found = x @ state.T
        return found if total is None else jnp.exp(total)[:, None] * found

    u = v
    if rule == "delta":
        system, u = overlaps(k, before), v - recalled(k)
        if write is not None:
            system, u = write[:, None] * system, write[:, None] * u
        u = _unit_lower_inverse(system) @ u
    out = overlaps(q, seen) @ u + recalled(q)
    if total is None:
        new = u.T @ k
        return out, new if state is None else state + new
    new = (u * jnp.exp(total[-1] - total)[:, None]).T @ k
    return out, new if state is None else jnp.exp(total[-1]) * state + new


def _unit_lower_inverse(a: Array) -> Array:
    """Inverse of `I + a` (..., n, n), where `a` is zero on the diagonal and above.

    By halves: as stable as substitution, and products of matrices alone, where a batch of
    triangular solves on a CPU takes one library call after another (20 times as long at n = 64).
    """
    n = a.shape[-1]
    if n == 1:
        return jnp.ones_like(a)
    half = 1 << (n - 1).bit_length() - 1
    if n < 2 * half:
        more = 2 * half - n
        a = jnp.pad(a, [(0, 0)] * (a.ndim - 2) + [(0, more)] * 2)
        return _unit_lower_inverse(a)[..., :n, :n]
    top, bottom = _unit_lower_inverse(jnp.stack([a[..., :half, :half], a[..., half:, half:]]))
    corner = -(bottom @ a[..., half:, :half]) @ top
    upper = jnp.concatenate([top, jnp.zeros_like(top)], -1)
    return jnp.concatenate([upper, jnp.concatenate([corner, bottom], -1)], -2)


def _empty(k: Array, v: Array) -> Array:
    return jnp.zeros((v.shape[1], k.shape[1]), v.dtype)
