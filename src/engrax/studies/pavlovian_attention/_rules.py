"""C4: what error correction gains over contiguity, and where it loses."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Key

from engrax.core import System, correct
from engrax.lab import Arm
from engrax.memory import linear_attention

from ._config import Config

RULES = {"hebb": ("hebb", 1), "delta": ("delta", 1), "delta_swept": ("delta", 0)}
"""Arm -> rule and sweeps (0 stands for the configured number). In n sweeps at 1/n of the
rate, Hebb's rule writes what it writes in one."""


class Storage(System):
    """A tick stores pairs in every cell, then pairs some keys anew, and reads all of them.

    Records, by load and cosine: `error`, |o - v| / |v| over stored pairs; `recall`, the share whose
    response lies closest to its own value; `overwrite`, the share of the keys paired anew whose
    response lies closer to the new value than to any other, old ones included.
    """

    rule: str = eqx.field(static=True)
    sweeps: int = eqx.field(static=True)
    d: int = eqx.field(static=True)
    pairs: tuple[int, ...] = eqx.field(static=True)
    cosines: Array
    overwritten: float = eqx.field(static=True)
    draws: int = eqx.field(static=True)

    def init(self, *, key: Key[Array, ""]) -> Key[Array, ""]:
        return key

    def step(self, state: Key[Array, ""], input: Array) -> tuple[Key[Array, ""], dict[str, Array]]:
        keys = jr.split(jr.fold_in(state, input), self.draws)
        rows = []
        for n in self.pairs:

            def cell(cosine: Array, n: int = n) -> dict[str, Array]:
                found = jax.lax.map(lambda key: self._stored(key, n, cosine), keys)
                return jax.tree.map(lambda a: a.mean(0), found)

            rows.append(jax.lax.map(cell, self.cosines))
        return state, jax.tree.map(lambda *a: jnp.stack(a), *rows)

    def _stored(self, key: Key[Array, ""], n: int, cosine: Array) -> dict[str, Array]:
        own, common, signs, others = jr.split(key, 4)
        z = _unit(jr.normal(own, (n, self.d)))
        shared = _unit(jr.normal(common, (1, self.d)))
        keys = _unit(jnp.sqrt(cosine) * shared + jnp.sqrt(1 - cosine) * z)
        values = jr.rademacher(signs, (n, self.d), jnp.float32)
        state = self._write(keys, values, None)
        found = keys @ state.T
        again = max(1, round(self.overwritten * n))
        new = jr.rademacher(others, (again, self.d), jnp.float32)
        rewritten = keys[:again] @ self._write(keys[:again], new, state).T
        everything = jnp.concatenate([new, values])
        return {
            "error": jnp.mean(
                jnp.linalg.norm(found - values, axis=1) / jnp.linalg.norm(values, axis=1)
            ),
            "recall": _share(found @ values.T, jnp.arange(n)),
            "overwrite": _share(rewritten @ everything.T, jnp.arange(again)),
        }

    def _write(self, keys: Array, values: Array, state: Array | None) -> Array:
        swept = [jnp.tile(a, (self.sweeps, 1)) for a in (keys, keys, values)]
        return linear_attention(*swept, rule=self.rule, form="chunked", state=state)[1]  # pyright: ignore[reportArgumentType] (a field is a str)


def _unit(x: Array) -> Array:
    return x / jnp.linalg.norm(x, axis=1, keepdims=True)


def _share(scores: Array, own: Array) -> Array:
    return jnp.mean(correct(scores, own).astype(jnp.float32))


def arms(config: Config) -> dict[str, Any]:
    """One arm a rule; they store the same pairs."""
    dims: dict[str, tuple[str, ...]] = dict.fromkeys(
        ("error", "recall", "overwrite"), ("load", "cosine")
    )
    coords = {"load": list(config.loads), "cosine": list(config.rule_cosines)}
    return {
        name: Arm(
            Storage(
                rule,
                sweeps or config.sweeps,
                config.d,
                tuple(round(load * config.d) for load in config.loads),
                jnp.asarray(config.rule_cosines, jnp.float32),
                config.overwritten,
                config.draws,
            ),
            1,
            dims=dims,
            coords=coords,
        )
        for name, (rule, sweeps) in RULES.items()
    }
