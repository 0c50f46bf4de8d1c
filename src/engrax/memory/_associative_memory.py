"""An associative memory: a matrix of associations, and the local rule that writes it."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree


class Association(NamedTuple):
    """State of an `AssociativeMemory`: the matrix, and what its rule keeps."""

    weight: Float[Array, "dv dk"]
    rule: PyTree


class AssociativeMemory(eqx.Module):
    """Associations of keys (cues) with values (outcomes), written by a rule of `plasticity`.

    A pair is written as the rule says with the key as `pre`, and read as `weight @ query`. With
    `hebb` it is linear attention, with `delta_rule` DeltaNet or Rescorla-Wagner: for those two
    `linear_attention` computes many steps at once.
    """

    d_key: int = eqx.field(static=True)
    """Features of a key."""
    d_value: int = eqx.field(static=True)
    """Features of a value."""
    rule: Callable[..., tuple[Array, PyTree]]
    """`rule(weight, pre, post, state, rate=..., **more) -> (change, state)`; its numbers are bound
    by an `eqx.Partial`."""
    response: Literal["clamped", "free", "driven"] = eqx.field(static=True, default="clamped")
    """What the rule gets as `post`: the value, the memory's own response, or their sum."""

    def __check_init__(self) -> None:
        if self.response not in ("clamped", "free", "driven"):
            raise ValueError(
                f"The response is 'clamped', 'free' or 'driven', got {self.response!r}."
            )

    def init(self) -> Association:
        """An empty memory; what the rule keeps starts at zero."""
        weight = jnp.zeros((self.d_value, self.d_key))
        pre, post = jnp.zeros(self.d_key), jnp.zeros(self.d_value)
        kept = eqx.filter_eval_shape(self.rule, weight, pre, post)[1]
        return Association(weight, jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), kept))

    def write(
        self,
        state: Association,
        key: Float[Array, " dk"],
        value: Float[Array, " dv"],
        *,
        rate: float | Float[Array, ""] = 1.0,
        decay: float | Float[Array, ""] = 1.0,
        **more: Any,
    ) -> Association:
        """The memory after one pair: it fades by `decay`, then the rule writes at this `rate`.

        `more` goes to the rule, such as `next_pre` to `td_rule`.
        """
        weight = decay * state.weight
        post = value
        if self.response != "clamped":
            post = weight @ key + (value if self.response == "driven" else 0.0)
        change, kept = self.rule(weight, key, post, state.rule, rate=rate, **more)
        return Association(weight + change, kept)

    def read(self, state: Association, query: Float[Array, "*n dk"]) -> Float[Array, "*n dv"]:
        """Responses to queries."""
        return query @ state.weight.T

    def scan(
        self,
        keys: Float[Array, "T dk"],
        values: Float[Array, "T dv"],
        queries: Float[Array, "T dk"],
        *,
        rate: float | Float[Array, ""] | Float[Array, " T"] = 1.0,
        decay: float | Float[Array, ""] | Float[Array, " T"] = 1.0,
        strict: bool = False,
        state: Association | None = None,
        **more: Any,
    ) -> tuple[Float[Array, "T dv"], Association]:
        """Pair after pair, each followed by a query (with `strict`: preceded by it).

        Arrays in `more` have a leading axis T. **Returns:** the responses, and the last state.
        """
        steps = keys.shape[:1]
        gates = tuple(jnp.broadcast_to(jnp.asarray(g, keys.dtype), steps) for g in (rate, decay))

        def step(s: Association, now: Any) -> tuple[Association, Array]:
            key, value, query, (b, g), extra = now
            new = self.write(s, key, value, rate=b, decay=g, **extra)
            faded = Association(g * s.weight, s.rule)
            return new, self.read(faded if strict else new, query)

        state = self.init() if state is None else state
        state, out = jax.lax.scan(step, state, (keys, values, queries, gates, more))
        return out, state
