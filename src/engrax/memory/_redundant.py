"""Redundant representation: patterns stored as noisy tensors (ultra-detection)."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int8, Key


class RedundantMemory(eqx.Module):
    """Memory of even order P whose patterns are noisy tensors of P/2 indices.

    Every pattern enters as ``Psi = xi x ... x xi + omega G`` with iid standard normal G, and
    ``E = -(N/2) sum_mu (A_mu / N^{P/2})^2`` with ``A_mu = Psi_mu contracted with sigma``. Repeated
    indices carry no information on the pattern and are set to zero, so A is linear in each spin.
    P = 4 tolerates ``omega = tau sqrt(N)`` at load K = alpha N; P = 2 does not.

    - `representations`: ``(K, N, ..., N)`` with P/2 axes of size N.

    Source: Agliari et al., PRL 124, 028301 (2020), arXiv 1911.12689.
    Raises ValueError when the representations are no such tensors.
    """

    representations: Float[Array, "K *N"]

    def __check_init__(self):
        shape = self.representations.shape
        if len(shape) < 2 or len(set(shape[1:])) > 1:
            raise ValueError(
                f"representations have shape {shape}, expected (K, N, ..., N) with P/2 axes of "
                "size N; make them with RedundantMemory.store."
            )

    @classmethod
    def store(
        cls,
        key: Key[Array, ""],
        patterns: Int8[Array, "K N"],
        noise: Float[Array, ""] | float,
        order: int = 4,
    ) -> "RedundantMemory":
        """Store +-1 patterns through noise of standard deviation `noise` = omega.

        Raises ValueError unless `order` is even and at least 2.
        """
        if order < 2 or order % 2:
            raise ValueError(
                f"order {order} was given, expected an even number of at least 2; "
                "a tensor of P/2 indices needs an even P."
            )
        count, size = patterns.shape
        xi = patterns.astype(jnp.float32)
        signal = xi
        for _ in range(order // 2 - 1):
            signal = signal[..., None] * xi.reshape(count, *[1] * (signal.ndim - 1), size)
        noisy = signal + noise * jr.normal(key, signal.shape)
        return cls(jnp.where(_distinct(size, order // 2)[None], noisy, 0.0))

    @property
    def size(self) -> int:
        """Number of spins N."""
        return self.representations.shape[-1]

    @property
    def order(self) -> int:
        """Number of spins P in one interaction."""
        return 2 * (self.representations.ndim - 1)

    def energy(self, spins: Int8[Array, " N"]) -> Float[Array, ""]:
        """Energy of one state, of the order of N."""
        scaled = self._activity(spins.astype(jnp.float32)) / self.size ** (self.order / 2)
        return -self.size / 2 * jnp.sum(scaled**2)

    def local_field(self, spins: Int8[Array, " N"]) -> Float[Array, " N"]:
        """Exact field ``h_i = (E(-1) - E(+1)) / 2 = N^{1-P} sum_mu s_mu u_mu,i``.

        ``u`` is the slope of A in spin i and ``s`` is A without that spin. A retrieved pattern
        gives a field of P/2.
        """
        sigma = spins.astype(jnp.float32)
        slope = jnp.zeros((self.representations.shape[0], self.size), sigma.dtype)
        for axis in range(1, self.representations.ndim):
            rest = jnp.moveaxis(self.representations, axis, 1)
            for _ in range(self.representations.ndim - 2):
                rest = rest @ sigma
            slope = slope + rest
        activity = self._activity(sigma)
        without = activity[:, None] - slope * sigma[None, :]
        return jnp.sum(without * slope, axis=0) * float(self.size) ** (1 - self.order)

    def relax(self, spins: Int8[Array, " N"], *, steps: int = 60) -> Int8[Array, " N"]:
        """T = 0 dynamics, all spins at once, until nothing moves or `steps` are done."""

        def moving(carry):
            step, previous, current = carry
            return (step < steps) & jnp.any(previous != current)

        def move(carry):
            step, _, current = carry
            return step + 1, current, self.one_step(current)

        start = (jnp.int32(0), jnp.zeros_like(spins), spins)
        return jax.lax.while_loop(moving, move, start)[2]

    def one_step(self, spins: Int8[Array, " N"]) -> Int8[Array, " N"]:
        """One parallel update at T = 0; a spin without a field keeps its value."""
        field = self.local_field(spins)
        return jnp.where(field == 0, spins, jnp.sign(field).astype(spins.dtype))

    def _activity(self, sigma: Float[Array, " N"]) -> Float[Array, " K"]:
        """``A_mu = sum Psi_{i j ...} sigma_i sigma_j ...``."""
        total = self.representations
        for _ in range(self.order // 2):
            total = total @ sigma
        return total


def _distinct(size: int, rank: int) -> Array:
    """Mask of the index tuples without repetition, ``(N,) * rank``."""
    mask = jnp.ones((size,) * rank, bool)
    site = jnp.arange(size)
    for first in range(rank):
        for second in range(first + 1, rank):
            shape_a = [1] * rank
            shape_b = [1] * rank
            shape_a[first] = shape_b[second] = size
            mask = mask & (site.reshape(shape_a) != site.reshape(shape_b))
    return mask
