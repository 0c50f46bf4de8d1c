"""Dense associative memory: P-body Hebbian interactions at O(K N) cost."""

import math
from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float, Int, Int8

from ._hopfield import HopfieldNetwork
from ._network import SpinNetwork, Tables
from ._symmetric import Scalars, symmetric_polynomials

Interactions = Literal["distinct", "all"]


class DenseAssociativeMemory(SpinNetwork):
    """Associative memory whose spins interact in groups of `order` = P (P = 2 is Hopfield).

    With ``x_i = etahat_i sigma_i`` for each stored pattern, the energy is

    - ``"distinct"``: ``E = -(N/2) sum_mu e_P(x) / C(N, P)``, each group of P different spins once;
      the replica-symmetric theory of `engrax.theory.dense_mean_field` is about this one;
    - ``"all"``: ``E = -(N/2) sum_mu n_mu^P`` with overlap ``n_mu = (1/N) sum_i x_i``. Its repeated
      indices are interactions of lower order, which change the capacity at leading order.

    Both are -N/2 at perfect retrieval. The P-tensor is never formed: e_P and its cavity fields
    follow from K power sums, so memory is O(K N) and a sweep costs O(K N).

    - `patterns`: ``(K, N)``. int8 means exactly +-1 (faster, and checked nowhere: no blanks here);
      floats are averages of examples, divided by the root of their second moment so that the
      temperature keeps its meaning. `from_patterns`, `supervised` and `unsupervised` see to both.
    - `order`: P, at least 2 and at most N.

    Source: Agliari et al., arXiv 2212.00606; Krotov and Hopfield (2016) for the overlap form.
    Raises ValueError for a bad order, an unknown `interactions` or patterns that are not (K, N).
    """

    patterns: Int8[Array, "K N"] | Float[Array, "K N"]
    order: int = eqx.field(static=True)
    interactions: Interactions = eqx.field(static=True, default="distinct")

    def __check_init__(self):
        if self.patterns.ndim != 2:
            raise ValueError(
                f"patterns have {self.patterns.ndim} axes, expected (K, N); stack them in rows."
            )
        if not 2 <= self.order <= self.patterns.shape[1]:
            raise ValueError(
                f"order {self.order} was given for {self.patterns.shape[1]} spins, expected "
                "2 <= order <= N; choose the number of spins in one interaction."
            )
        if self.interactions not in ("distinct", "all"):
            raise ValueError(
                f"interactions={self.interactions!r} is unknown, expected 'distinct' or 'all'; "
                "use 'distinct' to compare with the replica-symmetric theory."
            )

    @classmethod
    def from_patterns(
        cls,
        patterns: Int8[Array, "K N"] | Float[Array, "K N"],
        order: int,
        interactions: Interactions = "distinct",
    ) -> "DenseAssociativeMemory":
        """Stores patterns of any values: +-1 as they are, others divided by their root mean square.

        Raises ValueError for patterns that are not (K, N), or all zero where that is known.
        """
        patterns = jnp.asarray(patterns)
        known = not isinstance(patterns, Tracer)
        if known and patterns.ndim == 2 and bool(jnp.all(jnp.abs(_real(patterns)) == 1)):
            return cls(patterns.astype(jnp.int8), order, interactions)
        hopfield = HopfieldNetwork.from_patterns(patterns)
        return cls(hopfield.factor * jnp.sqrt(hopfield.scale), order, interactions)

    @classmethod
    def supervised(
        cls,
        examples: Int8[Array, "K M N"] | Float[Array, "K M N"],
        order: int,
        interactions: Interactions = "distinct",
    ) -> "DenseAssociativeMemory":
        """Stores the average of each class's examples, divided by their root mean square.

        Raises ValueError for examples that are not (K, M, N).
        """
        hopfield = HopfieldNetwork.supervised(examples)
        return cls(hopfield.factor * jnp.sqrt(hopfield.scale), order, interactions)

    @classmethod
    def unsupervised(
        cls,
        examples: Int8[Array, "*classes M N"] | Float[Array, "*classes M N"],
        order: int,
        interactions: Interactions = "distinct",
    ) -> "DenseAssociativeMemory":
        """Stores every example by itself, in units as if the M of a class shared one energy.

        With R the second moment of the class averages, an example enters as
        ``eta / (sqrt(R) M^(1/P))``. Shapes and errors as in `HopfieldNetwork.unsupervised`, which
        this is for P = 2.
        """
        hopfield = HopfieldNetwork.unsupervised(examples)
        count = examples.shape[-2] if examples.ndim == 3 else 1
        unit = jnp.sqrt(hopfield.scale * count) / count ** (1 / order)
        return cls(hopfield.factor * unit, order, interactions)

    @property
    def size(self) -> int:
        return self.patterns.shape[1]

    @property
    def binary(self) -> bool:
        """Whether the patterns are +-1, which makes all odd powers of x equal."""
        return jnp.issubdtype(self.patterns.dtype, jnp.integer)

    @property
    def field_scale(self) -> float:
        """``N / (2 C(N, P))``: the load of one pattern, and the unit of a cavity field."""
        return self.size / (2 * math.comb(self.size, self.order))

    def overlaps(self, spins: Int8[Array, "*batch N"]) -> Float[Array, "*batch K"]:
        """Overlaps ``n_mu = (1/N) sum_i etahat_i^mu sigma_i``."""
        return _real(spins) @ _real(self.patterns).T / self.size

    def energy(self, spins: Int8[Array, " N"]) -> Float[Array, ""]:
        """Energy of one state; -N/2 at a perfectly retrieved +-1 pattern."""
        if self.interactions == "all":
            return -self.size / 2 * jnp.sum(_power(self.overlaps(spins), self.order))
        x = _real(self.patterns) * _real(spins)[None, :]
        sums = [jnp.sum(_power(x, k), axis=1) for k in range(1, self.order + 1)]
        return -self.field_scale * jnp.sum(symmetric_polynomials(sums, self.order)[self.order])

    def local_field(self, spins: Int8[Array, " N"]) -> Float[Array, " N"]:
        """Exact field ``h_i = (E(-1) - E(+1)) / 2`` on every spin, O(P K N).

        e_P is linear in each ``x_i``, hence ``h_i = (N / 2 C(N,P)) sum_mu etahat_i
        e_{P-1}(others)`` and ``e_k(others) = sum_j (-x_i)^j e_{k-j}(all)``: P matrix products,
        no (K, N) fields.
        """
        eta, sigma = _real(self.patterns), _real(spins)
        if self.interactions == "all":
            x = eta * sigma[None, :]
            rest = jnp.sum(x, axis=1, keepdims=True) - x
            return jnp.sum(self._overlap_field(rest, eta), axis=0)
        sums = self._power_sums(sigma, self.order - 1)
        polynomials = symmetric_polynomials(sums, self.order - 1)
        field = jnp.zeros(self.size, sigma.dtype)
        for j in range(self.order):
            rest = jnp.broadcast_to(polynomials[self.order - 1 - j], eta.shape[:1])
            field = field + _power(-sigma, j) * (rest @ _power(eta, j + 1))
        return self.field_scale * field

    def mean_field(self, spins: Int8[Array, "*batch N"]) -> Float[Array, "*batch N"]:
        """Leading-order field ``(P/2) sum_mu n_mu^{P-1} etahat_i``: two matrix products.

        First order of the Plefka expansion, with the overlaps of the current state. It contains
        repeated indices, so at high load its noise is that of the ``"all"`` interactions.
        """
        signal = _power(self.overlaps(spins), self.order - 1)
        return self.order / 2 * signal @ _real(self.patterns)

    def tables(self) -> Tables:
        """Patterns with one site a row, and the even power sums, which spins cannot change."""
        even: list[Scalars] = []
        if self.interactions == "distinct":
            for k in range(2, self.order, 2):
                even.append(
                    float(self.size) if self.binary else jnp.sum(_power(self.patterns, k), axis=1)
                )
        return Tables(self.patterns.T, even)

    def sums(self, spins: Int8[Array, " N"]) -> Float[Array, "powers K"]:
        """Odd power sums ``p_1, p_3, ...``; p_1 alone for +-1 patterns and for ``"all"``."""
        eta, sigma = _real(self.patterns), _real(spins)
        return jnp.stack([_power(eta, k) @ sigma for k in self._odd_powers])

    def cavity(
        self,
        tables: Tables,
        sums: Float[Array, "powers K"],
        site: Int[Array, ""],
        spin: Float[Array, ""],
    ) -> tuple[Float[Array, ""], Float[Array, "powers K"], Float[Array, "powers K"]]:
        """Field on one spin from the cavity polynomial, in O(K)."""
        eta = _real(tables.rows[site])
        contribution = jnp.stack([_power(eta, k) for k in self._odd_powers])
        without = sums - spin * contribution
        if self.interactions == "all":
            return jnp.sum(self._overlap_field(without[0], eta)), without, contribution
        cavity_sums: list[Scalars] = []
        for k in range(1, self.order):
            if k % 2:
                cavity_sums.append(without[0 if self.binary else k // 2])
            else:
                own = 1.0 if self.binary else _power(eta, k)
                cavity_sums.append(tables.rest[k // 2 - 1] - own)
        rest = symmetric_polynomials(cavity_sums, self.order - 1)[self.order - 1]
        # A dot product, since XLA on CPU vectorizes it and not a plain sum.
        return self.field_scale * (eta @ rest), without, contribution

    @property
    def _odd_powers(self) -> tuple[int, ...]:
        if self.binary or self.interactions == "all":
            return (1,)
        return tuple(range(1, self.order, 2))

    def _power_sums(self, sigma: Float[Array, " N"], highest: int) -> list[Scalars]:
        """``p_1 ... p_highest`` of ``x = etahat sigma`` for all patterns."""
        eta = _real(self.patterns)
        one = eta @ sigma
        if self.binary:
            return [one if k % 2 else float(self.size) for k in range(1, highest + 1)]
        return [_power(eta, k) @ _power(sigma, k) for k in range(1, highest + 1)]

    def _overlap_field(self, rest: Float[Array, "..."], eta: Float[Array, "..."]):
        """``(N/4) [(b + eta)^P - (b - eta)^P] / N^P`` as an odd polynomial in eta (Horner)."""
        n, p = self.size, self.order
        b, x = rest / n, eta / n
        total = jnp.zeros_like(b)
        for j in reversed(range(1, p + 1, 2)):
            total = total * x * x + math.comb(p, j) * _power(b, p - j)
        return n / 2 * x * total


def _real(values: Array) -> Float[Array, "..."]:
    """Spins and +-1 patterns are int8; arithmetic is in float."""
    return values if jnp.issubdtype(values.dtype, jnp.floating) else values.astype(jnp.float32)


def _power(values: Array, exponent: int) -> Array:
    """Integer power by multiplications (XLA's pow is far slower and loses the sign's parity)."""
    values = _real(values)
    result = jnp.ones_like(values)
    while exponent:
        if exponent & 1:
            result = result * values
        values, exponent = values * values, exponent >> 1
    return result
