"""The explicit P-tensor of Hebbian couplings: the slow truth."""

import functools
import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int8


class HebbianTensor(eqx.Module):
    """Dense associative memory with its couplings spelled out, O(N^P) memory and time.

    ``h_i = sum_{j...} J_{i j...} sigma_j ...`` with
    ``J = (N / (2 C(N,P) (P-1)!)) sum_mu etahat^mu x ... x etahat^mu`` and zeros at repeated
    indices. It is what `DenseAssociativeMemory` with ``interactions="distinct"`` avoids, kept to
    check it against and to time it against.
    """

    couplings: Float[Array, "*N"]

    @classmethod
    def from_patterns(
        cls, patterns: Int8[Array, "K N"] | Float[Array, "K N"], order: int
    ) -> "HebbianTensor":
        """Build all N^P couplings; raises ValueError beyond 2^28 of them (1 GiB)."""
        size = patterns.shape[1]
        if size**order > 2**28:
            raise ValueError(
                f"a tensor of {size}^{order} couplings was asked for, expected at most 2^28; "
                "use DenseAssociativeMemory, which never forms it."
            )
        eta = np.asarray(patterns, np.float64)
        letters = "abcdefgh"[:order]
        total = np.einsum(
            ",".join(f"z{x}" for x in letters) + "->" + letters, *[eta] * order, optimize="greedy"
        )
        sites = np.indices(total.shape, sparse=True)
        distinct = functools.reduce(
            np.logical_and,
            [sites[a] != sites[b] for a in range(order) for b in range(a)],
        )
        scale = size / (2 * math.comb(size, order) * math.factorial(order - 1))
        return cls(jnp.asarray(scale * np.where(distinct, total, 0.0), jnp.float32))

    def local_field(self, spins: Int8[Array, " N"]) -> Float[Array, " N"]:
        """Field on every spin, O(N^P)."""
        return self._contract(self.couplings, spins.astype(jnp.float32))

    def site_field(self, site: Array, spins: Float[Array, " N"]) -> Float[Array, ""]:
        """Field on one spin, O(N^{P-1})."""
        return self._contract(self.couplings[site], spins, axes=self.couplings.ndim - 1)

    def _contract(self, tensor: Array, sigma: Float[Array, " N"], axes: int | None = None) -> Array:
        for _ in range(self.couplings.ndim - 1 if axes is None else axes):
            tensor = tensor @ sigma
        return tensor
