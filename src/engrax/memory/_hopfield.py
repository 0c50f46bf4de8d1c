"""The Hopfield network: pairwise Hebbian couplings kept at low rank."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Int8

from ._network import SpinNetwork


class HopfieldNetwork(SpinNetwork):
    """Hopfield network with couplings ``J_ij = (scale / N) sum_mu f_i^mu f_j^mu``, ``J_ii = 0``.

    Energy ``E = -(1/2) sum_{i != j} J_ij sigma_i sigma_j``. The couplings stay factored, so
    memory and a sweep are O(R N) and never O(N^2).

    - `factor`: ``(R, N)``, one row a pattern (or any other low-rank factor).
    - `scale`: multiplies all couplings.

    A `DenseAssociativeMemory` of order 2 at inverse temperature ``beta (N - 1) / N`` is this
    network at `beta`. Raises ValueError when `factor` is not ``(R, N)``.
    """

    factor: Float[Array, "R N"]
    scale: Float[Array, ""]

    def __check_init__(self):
        if self.factor.ndim != 2:
            raise ValueError(
                f"factor has {self.factor.ndim} axes, expected (R, N); stack the patterns in rows."
            )

    @classmethod
    def from_patterns(cls, patterns: Int8[Array, "K N"] | Float[Array, "K N"]) -> "HopfieldNetwork":
        """Hebb's rule on +-1 patterns: ``J_ij = (1/N) sum_mu xi_i^mu xi_j^mu``."""
        return cls(patterns.astype(jnp.float32), jnp.float32(1.0))

    @property
    def size(self) -> int:
        return self.factor.shape[1]

    def overlaps(self, spins: Int8[Array, "*batch N"]) -> Float[Array, "*batch K"]:
        """Overlaps ``(1/N) sum_i f_i^mu sigma_i``."""
        return spins.astype(self.factor.dtype) @ self.factor.T / self.size

    def energy(self, spins: Int8[Array, " N"]) -> Float[Array, ""]:
        """Energy of one state, without self-interaction."""
        total = jnp.sum((self.size * self.overlaps(spins)) ** 2)
        return -self.scale / (2 * self.size) * (total - jnp.sum(self.factor**2))

    def local_field(self, spins: Int8[Array, " N"]) -> Float[Array, " N"]:
        """Exact field ``h_i = sum_{j != i} J_ij sigma_j``."""
        own = jnp.sum(self.factor**2, axis=0) / self.size * spins.astype(self.factor.dtype)
        return self.mean_field(spins) - self.scale * own

    def mean_field(self, spins: Int8[Array, "*batch N"]) -> Float[Array, "*batch N"]:
        """``sum_mu n_mu f_i^mu``: the field with the self-interaction left in."""
        return self.scale * (self.overlaps(spins) @ self.factor)

    def tables(self) -> Float[Array, "N R"]:
        """The factor with one site a row."""
        return self.factor.T

    def sums(self, spins: Int8[Array, " N"]) -> Float[Array, "1 R"]:
        """``sum_i f_i^mu sigma_i``."""
        return (self.factor @ spins.astype(self.factor.dtype))[None]

    def cavity(
        self,
        tables: Float[Array, "N R"],
        sums: Float[Array, "1 R"],
        site: Int[Array, ""],
        spin: Float[Array, ""],
    ) -> tuple[Float[Array, ""], Float[Array, "1 R"], Float[Array, "1 R"]]:
        """Field on one spin in O(R)."""
        own = tables[site]
        without = sums - spin * own[None]
        return self.scale / self.size * (own @ without[0]), without, own[None]
