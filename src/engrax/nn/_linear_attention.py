"""A layer of linear attention: an associative memory that is written by what it reads."""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from engrax.memory import Form, Rule, linear_attention


class LinearAttention(eqx.Module):
    """One head of causal linear attention, without biases but in its gates.

    Each token writes its value under its key and reads with its query. The write rate is
    `sigmoid(w . x + b)`, from 1/2 on, and the decay a step `sigmoid(w . x + b)`, from .98 on; both
    are learned, or 1. Under rule `delta` this is DeltaNet, with decay gated DeltaNet; under `hebb`
    with decay it is RetNet's and GLA's kind. Weights start with variance 1 / fan-in.
    """

    query: Float[Array, "dk d"]
    key: Float[Array, "dk d"]
    value: Float[Array, "dv d"]
    output: Float[Array, "d dv"]
    write: Float[Array, " d+1"] | None
    """Weights of the write rate; the last is its bias."""
    decay: Float[Array, " d+1"] | None
    """Weights of the decay; the last is its bias."""
    feature_map: Callable[[Array], Array] | None
    """Applied to queries and keys."""
    rule: Rule = eqx.field(static=True)
    normalize_keys: bool = eqx.field(static=True)
    """Whether queries and keys get norm 1, after the feature map; `delta` needs |k|^2 < 2."""

    def __init__(
        self,
        d_model: int,
        d_key: int,
        *,
        d_value: int | None = None,
        rule: Rule = "hebb",
        feature_map: Callable[[Array], Array] | None = None,
        normalize_keys: bool = False,
        learned_write: bool = False,
        learned_decay: bool = False,
        key: Key[Array, ""],
    ) -> None:
        """Build a head of `d_key` key features and `d_value` (default `d_model`) value features."""
        d_value = d_value or d_model
        keys = jr.split(key, 4)
        shapes = (d_key, d_model), (d_key, d_model), (d_value, d_model), (d_model, d_value)
        weights = [jr.normal(k, s) / math.sqrt(s[1]) for k, s in zip(keys, shapes, strict=True)]
        self.query, self.key, self.value, self.output = weights
        self.write = jnp.zeros(d_model + 1) if learned_write else None
        self.decay = jnp.zeros(d_model + 1).at[-1].set(4.0) if learned_decay else None
        self.feature_map, self.rule, self.normalize_keys = feature_map, rule, normalize_keys

    def __call__(
        self, x: Float[Array, "time d"], *, form: Form = "parallel"
    ) -> Float[Array, "time d"]:
        """What each token reads, from an empty memory."""
        return self.extend(x, None, form=form)[0]

    def extend(
        self,
        x: Float[Array, "time d"],
        state: Float[Array, "dv dk"] | None,
        *,
        form: Form = "parallel",
    ) -> tuple[Float[Array, "time d"], Float[Array, "dv dk"]]:
        """What each token reads, from this memory on, and the memory after the last."""
        found, state = linear_attention(
            self.features(x @ self.query.T),
            self.features(x @ self.key.T),
            x @ self.value.T,
            rule=self.rule,
            write=None if self.write is None else jnp.exp(self._log_gate(self.write, x)),
            log_decay=None if self.decay is None else self._log_gate(self.decay, x),
            form=form,
            state=state,
        )
        return found @ self.output.T, state

    def features(self, x: Float[Array, "*time dk"]) -> Float[Array, "*time dk"]:
        """Keys or queries as the memory sees them."""
        x = x if self.feature_map is None else self.feature_map(x)
        if not self.normalize_keys:
            return x
        # The constant keeps the gradient finite at a key of zeros.
        return x * jax.lax.rsqrt(jnp.sum(jnp.square(x), -1, keepdims=True) + 1e-6)

    def _log_gate(self, weight: Array, x: Array) -> Float[Array, " time"]:
        return jax.nn.log_sigmoid(x @ weight[:-1] + weight[-1])
