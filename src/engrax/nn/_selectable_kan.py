"""Kolmogorov-Arnold layers that try several families at once and weigh them node by node."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key

from engrax.core import named, straight_through

from ._expand import expand, joined
from ._kan import check_widths
from .bases import Basis, check_pool

Granularity = Literal["node_in", "node_out", "edge", "layer"]


class SelectableKANLayer(eqx.Module):
    """z_j = b_j + sum_i [ w_ji base(x_i) + sum_k p_k sum_m c^k_jmi B^k_m(x_i) ].

    The families k of the pool are weighed by p = softmax(theta / temperature), one distribution a
    node of the choice: an input (`"node_in"`), an output (`"node_out"`), an edge or the layer. The
    method is S-KAN's (Yang et al. 2024) as far as it is published: pool, weighted choice at each
    node and pruning are theirs; softmax, granularities and scores are choices made here.

    Give families of unit size (`bases.UnitRMS`): scaling a family's functions by s and its
    coefficients by 1 / s changes no output, but it changes how fast its gate moves.

    **Fields:** `coefficients` c (families, out, size, in), `gates` theta (nodes, families) or
    (families) for the layer, (out, in, families) for edges. They start as N(0, 0.1^2 / in) and 0.

    Raises ValueError for widths below 1, an empty pool, families of unequal size or an unknown
    granularity.
    """

    coefficients: Float[Array, "families out size in"]
    gates: Float[Array, "*nodes families"]
    base_weight: Float[Array, "out in"] | None
    bias: Float[Array, " out"]
    pool: tuple[Basis, ...]
    granularity: Granularity = eqx.field(static=True)
    base: Callable[[Array], Array] | None = eqx.field(static=True)

    def __init__(
        self,
        n_in: int,
        n_out: int,
        pool: Sequence[Basis],
        *,
        granularity: Granularity = "node_in",
        base: Callable[[Array], Array] | None = jax.nn.silu,
        key: Key[Array, ""],
    ) -> None:
        if min(n_in, n_out) < 1:
            raise ValueError(
                f"SelectableKANLayer got widths {n_in} and {n_out}; expected 1 or more each."
            )
        check_pool(pool)
        nodes = {"node_in": (n_in,), "node_out": (n_out,), "edge": (n_out, n_in), "layer": ()}
        if granularity not in nodes:
            raise ValueError(
                f"SelectableKANLayer got granularity={granularity!r}; expected one of "
                f"{', '.join(nodes)}."
            )
        scale = 1 / math.sqrt(n_in)
        shape = (len(pool), n_out, pool[0].size, n_in)
        self.coefficients = 0.1 * scale * jr.normal(named(key, "coefficients"), shape)
        self.gates = jnp.zeros((*nodes[granularity], len(pool)))
        self.base_weight = (
            None if base is None else scale * jr.normal(named(key, "base_weight"), (n_out, n_in))
        )
        self.bias = jnp.zeros(n_out)
        self.pool = tuple(pool)
        self.granularity = granularity
        self.base = base

    @property
    def n_in(self) -> int:
        """Inputs."""
        return self.coefficients.shape[-1]

    @property
    def n_out(self) -> int:
        """Outputs."""
        return self.coefficients.shape[1]

    def picks(self) -> Int[Array, "*nodes"]:
        """The family with the largest gate at each node; the first of equals."""
        return jnp.argmax(self.gates, -1)

    def shares(
        self, temperature: float | Float[Array, ""] = 1.0, hard: bool | Bool[Array, ""] = False
    ) -> Float[Array, "*nodes families"]:
        """How much of each family a node takes: all of the picked one where `hard`.

        The gradient is the softmax's either way (straight-through).
        """
        soft = jax.nn.softmax(self.gates / temperature)
        one = jax.nn.one_hot(self.picks(), len(self.pool), dtype=soft.dtype)
        return straight_through(jnp.where(hard, one, soft), soft)

    def weighed(self, shares: Float[Array, "*nodes families"]) -> Float[Array, "k out size in"]:
        """The coefficients times the shares of their nodes."""
        return self.coefficients * spread(shares, self.granularity)

    def __call__(
        self,
        x: Float[Array, "*batch in"],
        temperature: float | Float[Array, ""] = 1.0,
        hard: bool | Bool[Array, ""] = False,
    ) -> Float[Array, "*batch out"]:
        """The sums at the output nodes, at this temperature of the gates.

        Family by family, so that shares of 0 leave the sum's bits alone.
        """
        weighed = self.weighed(self.shares(temperature, hard))
        sums = [expand(basis, x, c) for basis, c in zip(self.pool, weighed, strict=True)]
        z = sums[0]
        for more in sums[1:]:
            z = z + more
        return joined(z, x, self.base, self.base_weight, self.bias)


def spread(
    shares: Float[Array, "*nodes families"], granularity: Granularity
) -> Float[Array, "families out size in"]:
    """Shares of nodes, laid out against coefficients; axes of length 1 where all share."""
    first = jnp.moveaxis(shares, -1, 0)
    k = len(first)
    shapes = {
        "node_in": (k, 1, 1, -1),
        "node_out": (k, -1, 1, 1),
        "edge": (k, first.shape[1] if first.ndim > 1 else 1, 1, -1),
        "layer": (k, 1, 1, 1),
    }
    return first.reshape(shapes[granularity])


class SelectableKAN(eqx.Module):
    """`SelectableKANLayer`s in a row, with tanh between them.

    Train it with soft gates, `select` a family for every node, train on with hard gates and
    `prune`: what is left has the parameters and the cost of a net with one family.

    Raises ValueError as its layers do, and for fewer than two widths.
    """

    layers: tuple[SelectableKANLayer, ...]
    squash: Callable[[Array], Array] = eqx.field(static=True)

    def __init__(
        self,
        widths: Sequence[int],
        pool: Sequence[Basis],
        *,
        granularity: Granularity = "node_in",
        base: Callable[[Array], Array] | None = jax.nn.silu,
        squash: Callable[[Array], Array] = jnp.tanh,
        key: Key[Array, ""],
    ) -> None:
        check_widths("SelectableKAN", widths)
        self.layers = tuple(
            SelectableKANLayer(
                n_in,
                n_out,
                pool,
                granularity=granularity,
                base=base,
                key=named(key, f"layer{level}"),
            )
            for level, (n_in, n_out) in enumerate(itertools.pairwise(widths), start=1)
        )
        self.squash = squash

    def inputs(
        self,
        x: Float[Array, "*batch in"],
        temperature: float | Float[Array, ""] = 1.0,
        hard: bool | Bool[Array, ""] = False,
    ) -> list[Array]:
        """What each layer gets, squashed from the second on."""
        seen = [x]
        for layer in self.layers[:-1]:
            seen.append(self.squash(layer(seen[-1], temperature, hard)))
        return seen

    def __call__(
        self,
        x: Float[Array, "*batch in"],
        temperature: float | Float[Array, ""] = 1.0,
        hard: bool | Bool[Array, ""] = False,
    ) -> Float[Array, "*batch out"]:
        """The output of the last layer, at this temperature of the gates."""
        last = self.inputs(x, temperature, hard)[-1]
        return self.layers[-1](last, temperature, hard)

    def picks(self) -> tuple[Int[Array, "..."], ...]:
        """The family with the largest gate at each node of each layer."""
        return tuple(layer.picks() for layer in self.layers)

    def entropy(self, temperature: float | Float[Array, ""] = 1.0) -> Float[Array, ""]:
        """Mean entropy of the shares over all nodes of all layers, in nats."""
        shares = [layer.shares(temperature) for layer in self.layers]
        flat = jnp.concatenate([p.reshape(-1, p.shape[-1]) for p in shares])
        return -(flat * jnp.log(jnp.maximum(flat, 1e-12))).sum(-1).mean()
