"""The Hopfield network: pairwise Hebbian couplings kept at low rank."""

import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float, Int, Int8

from ._losses import PatternLosses, pattern_losses
from ._network import SpinNetwork, Tables


class HopfieldNetwork(SpinNetwork):
    """Hopfield network with couplings ``J_ij = (scale / N) sum_mu f_i^mu f_j^mu``, ``J_ii = 0``.

    Energy ``E = -(1/2) sum_{i != j} J_ij sigma_i sigma_j``. The couplings stay factored, so
    memory and a sweep are O(R N) and never O(N^2).

    - `factor`: ``(R, N)``, one row a pattern (or any other low-rank factor).
    - `scale`: multiplies all couplings.

    Three ways to store: `from_patterns`, and from examples with a teacher (`supervised`) or
    without (`unsupervised`). All take spins, blanks (0) and real values, and set the scale so that
    order appears below T = 1, whatever the share of blanks, quality and number of examples.

    The energy is a loss: with the losses of `pattern_losses` and ``s_mu = |f_mu|^2 / N``,
    ``E = (scale N / 2) sum_mu (L+_mu L-_mu - ((1 + s_mu) / 2)^2 + s_mu / N)``.

    A `DenseAssociativeMemory` of order 2 at inverse temperature ``beta (N - 1) / N`` is this
    network at `beta`. Sources: Hopfield (1982); blanks and examples after Agliari et al.,
    arXiv 2308.04106. Raises ValueError when `factor` is not ``(R, N)``.
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
        """Hebb's rule: ``J_ij = (1 / (N a)) sum_mu xi_i^mu xi_j^mu``, ``a = mean(xi^2)``.

        `a` is 1 for +-1 patterns, and ``1 - d`` where a share d of the entries is blank.
        Raises ValueError for patterns that are not (K, N), or all zero where that is known.
        """
        patterns = jnp.asarray(patterns)
        if patterns.ndim != 2:
            raise ValueError(
                f"patterns have shape {patterns.shape}, expected (K, N); stack them in rows."
            )
        factor = patterns.astype(jnp.float32)
        activity = jnp.mean(factor**2)
        if not isinstance(activity, Tracer) and not float(activity) > 0:
            raise ValueError(
                "the patterns are all zero or not finite, expected at least one entry to store; "
                "blanks are 0, spins -1 or +1."
            )
        return cls(factor, 1 / activity)

    @classmethod
    def supervised(
        cls, examples: Int8[Array, "K M N"] | Float[Array, "K M N"]
    ) -> "HopfieldNetwork":
        """Stores the average of each class's examples; a teacher said which belong together.

        In the letters of the paper, with etahat the average over quality r,
        ``J_ij = (1 / (N (1 - d) (1 + rho))) sum_mu etahat_i^mu etahat_j^mu``: the measured second
        moment of the averages stands for ``(1 - d) r^2 (1 + rho)``, so nobody has to know r.
        Classes of unequal size: `from_patterns` of their averages is the same.
        Raises ValueError for examples that are not (K, M, N).
        """
        if examples.ndim != 3:
            raise ValueError(
                f"examples have shape {examples.shape}, expected (K, M, N): classes, examples of "
                "each, sites; without classes use `unsupervised`."
            )
        return cls.from_patterns(jnp.mean(examples.astype(jnp.float32), axis=1))

    @classmethod
    def unsupervised(
        cls, examples: Int8[Array, "*classes M N"] | Float[Array, "*classes M N"]
    ) -> "HopfieldNetwork":
        """Stores every example by itself: ``J_ij ~ sum_mu sum_a eta_i^{mu,a} eta_j^{mu,a}``.

        The couplings do not know which examples belong together. ``(K, M, N)`` and ``(S, N)`` give
        the same ones up to their unit: with classes it is the paper's, ``1 / (N (1 - d) (1 + rho)
        r^2 M)``, measured, so order appears below T = 1 as in `supervised`; without, each example
        counts as a class of its own, and order appears below ``T = 1 + (M - 1) r^2``.
        Raises ValueError for examples that are neither (K, M, N) nor (S, N).
        """
        if examples.ndim not in (2, 3):
            raise ValueError(
                f"examples have shape {examples.shape}, expected (K, M, N) or (S, N); give one "
                "example a row."
            )
        grouped = examples if examples.ndim == 3 else examples[:, None]
        unit = cls.supervised(grouped).scale / grouped.shape[1]
        flat = grouped.reshape(-1, grouped.shape[-1]).astype(jnp.float32)
        return cls(flat, unit)

    @property
    def size(self) -> int:
        return self.factor.shape[1]

    def overlaps(self, spins: Int8[Array, "*batch N"]) -> Float[Array, "*batch K"]:
        """Overlaps ``(1/N) sum_i f_i^mu sigma_i`` with what is stored."""
        return spins.astype(self.factor.dtype) @ self.factor.T / self.size

    def pattern_losses(self, spins: Int8[Array, " N"]) -> PatternLosses:
        """The losses of `engrax.memory.pattern_losses` on what is stored."""
        return pattern_losses(self.factor, spins)

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

    def tables(self) -> Tables:
        """The factor with one site a row."""
        return Tables(self.factor.T)

    def sums(self, spins: Int8[Array, " N"]) -> Float[Array, "1 R"]:
        """``sum_i f_i^mu sigma_i``."""
        return (self.factor @ spins.astype(self.factor.dtype))[None]

    def cavity(
        self,
        tables: Tables,
        sums: Float[Array, "1 R"],
        site: Int[Array, ""],
        spin: Float[Array, ""],
    ) -> tuple[Float[Array, ""], Float[Array, "1 R"], Float[Array, "1 R"]]:
        """Field on one spin in O(R)."""
        own = tables.rows[site]
        without = sums - spin * own[None]
        return self.scale / self.size * (own @ without[0]), without, own[None]
