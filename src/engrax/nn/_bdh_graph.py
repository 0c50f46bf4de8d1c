"""The Dragon Hatchling as a network of neurons that only their neighbors and synapses change."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.experimental.sparse import BCOO
from jaxtyping import Array, Float, Int


class HiddenGraph(NamedTuple):
    """A graph of n nodes whose edges pass through a few hidden nodes: `into @ out`.

    **Fields:** `into` (n, hidden), `out` (hidden, n).
    """

    into: Float[Array, "n hidden"]
    out: Float[Array, "hidden n"]

    def __matmul__(self, x: Float[Array, " n"]) -> Float[Array, " n"]:
        return self.into @ (self.out @ x)

    def dense(self) -> Float[Array, "n n"]:
        """The weights from node to node."""
        return self.into @ self.out

    def edges(self) -> Int[Array, ""]:
        """How many edges are not zero."""
        return jnp.count_nonzero(self.into) + jnp.count_nonzero(self.out)


Graph = Float[Array, "n n"] | BCOO | HiddenGraph
"""Weights from node to node, row i what node i receives."""


def sign_split(
    down: Float[Array, "n d"], up: Float[Array, "d n"]
) -> tuple[HiddenGraph, HiddenGraph]:
    """An excitatory and an inhibitory graph, both non-negative, whose difference is `down @ up`.

    Our construction for Claim 3 of the paper, over 2 d hidden nodes: with the positive and negative
    parts of D and E, `G_e = D+ E+ + D- E-` and `G_i = D+ E- + D- E+`. Together they have at most
    4 n d edges.
    """
    into = jnp.concatenate([jax.nn.relu(down), jax.nn.relu(-down)], axis=1)
    plus, minus = jax.nn.relu(up), jax.nn.relu(-up)
    return (
        HiddenGraph(into, jnp.concatenate([plus, minus])),
        HiddenGraph(into, jnp.concatenate([minus, plus])),
    )


class GraphState(NamedTuple):
    """What the nodes and the synapses hold.

    **Fields:** `x`, `y`, `a` (n,) of the nodes; `sigma` (layers, n, n), or (layers, edges) where
    the graph of synapses is sparse.
    """

    x: Float[Array, " n"]
    y: Float[Array, " n"]
    a: Float[Array, " n"]
    sigma: Float[Array, "layers *synapses"]


class BDHGraph(eqx.Module):
    """BDH as edge-reweighting (Kosowski et al. 2025, Sec. 3): four rounds a layer.

        A <- sigma X ;  sigma <- sigma U                  read, then damp
        sigma <- sigma + (Y X^T) * G_s ;  Y <- 0          Hebbian write
        Y <- relu((G_y,e - G_y,i) A) * X ;  A <- 0        gated by the node's own X
        X <- X + relu((G_x,e - G_x,i) Y)

    Every rule touches one node, or one edge and its two nodes. Graphs may be dense arrays, `BCOO`
    or `HiddenGraph`; a sparse G_s holds synapses on its edges alone.

    Differs from the paper: it leaves open how X starts at a token; here it starts at 0, with Y the
    token's code. The write rule is the vector form, Y X^T.
    """

    gx_e: Graph
    """Excites X."""
    gx_i: Graph
    """Inhibits X."""
    gy_e: Graph
    """Excites Y."""
    gy_i: Graph
    """Inhibits Y."""
    gs: Float[Array, "n n"] | BCOO
    """Where there are synapses, and how readily they learn."""
    keep: Float[Array, "..."]
    """U: one factor, one for each presynaptic node (n,), or a matrix (n, n) where G_s is dense."""
    layers: int = eqx.field(static=True)
    """How many times four rounds a token takes."""

    def init_state(self) -> GraphState:
        """Nothing active, nothing learned."""
        n = self.gs.shape[0]
        nodes = jnp.zeros(n, self.gs.dtype)
        synapses = (self.gs.nse,) if isinstance(self.gs, BCOO) else (n, n)
        return GraphState(nodes, nodes, nodes, jnp.zeros((self.layers, *synapses), self.gs.dtype))

    def rounds(self, state: GraphState, layer: int) -> GraphState:
        """The four rounds of one layer."""
        sigma = state.sigma[layer]
        a = self._read(sigma, state.x)
        sigma = self._damped(sigma) + self._write(state.y, state.x)
        y = jax.nn.relu(self.gy_e @ a - self.gy_i @ a) * state.x
        x = state.x + jax.nn.relu(self.gx_e @ y - self.gx_i @ y)
        return GraphState(x, y, jnp.zeros_like(a), state.sigma.at[layer].set(sigma))

    def step(
        self, state: GraphState, code: Float[Array, " n"]
    ) -> tuple[GraphState, Float[Array, "layers n"]]:
        """Reads one token, given as the nodes it makes active; also Y after each layer.

        X first receives what the code excites: round 4l + 3 of the layer before the first.
        """
        x = jax.nn.relu(self.gx_e @ code - self.gx_i @ code)
        state = GraphState(x, code, jnp.zeros_like(code), state.sigma)
        active = []
        for layer in range(self.layers):
            state = self.rounds(state, layer)
            active.append(state.y)
        return state, jnp.stack(active)

    def _read(self, sigma: jax.Array, x: jax.Array) -> jax.Array:
        if not isinstance(self.gs, BCOO):
            return sigma @ x
        post, pre = self.gs.indices.T
        return jnp.zeros_like(x).at[post].add(sigma * x[pre])

    def _damped(self, sigma: jax.Array) -> jax.Array:
        if self.keep.ndim == 2:
            return sigma @ self.keep
        if self.keep.ndim == 1:
            pre = self.keep[self.gs.indices[:, 1]] if isinstance(self.gs, BCOO) else self.keep[None]
            return sigma * pre
        return sigma * self.keep

    def _write(self, y: jax.Array, x: jax.Array) -> jax.Array:
        if not isinstance(self.gs, BCOO):
            return jnp.outer(y, x) * self.gs
        post, pre = self.gs.indices.T
        return y[post] * x[pre] * self.gs.data
