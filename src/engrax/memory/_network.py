"""What a network of +-1 spins must offer to be sampled."""

import abc
from typing import NamedTuple

import equinox as eqx
from jaxtyping import Array, Float, Int, Int8, PyTree


class Tables(NamedTuple):
    """What a sequential sweep reads and never changes."""

    rows: Array  # (N, ...): one site a contiguous row, which a sweep puts in its own order
    rest: PyTree[Array | float] = ()  # what belongs to no site


class SpinNetwork(eqx.Module):
    """A network of `N` spins with an energy that depends on them through K overlaps.

    The first group of methods is for people; the second is what a sequential sampler needs to
    update one spin in O(K) instead of evaluating the energy twice.
    """

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """Number of spins N."""

    @abc.abstractmethod
    def energy(self, spins: Int8[Array, " N"]) -> Float[Array, ""]:
        """Energy of a state, extensive (of the order of N)."""

    @abc.abstractmethod
    def local_field(self, spins: Int8[Array, " N"]) -> Float[Array, " N"]:
        """Exact field on each spin, ``h_i = (E(sigma_i = -1) - E(sigma_i = +1)) / 2``."""

    @abc.abstractmethod
    def mean_field(self, spins: Int8[Array, "*batch N"]) -> Float[Array, "*batch N"]:
        """Leading-order field of every spin from the current overlaps, for whole batches."""

    @abc.abstractmethod
    def overlaps(self, spins: Int8[Array, "*batch N"]) -> Float[Array, "*batch K"]:
        """Overlap of the state with each stored pattern."""

    @abc.abstractmethod
    def tables(self) -> Tables:
        """Loop-invariant arrays, sites in ascending order."""

    @abc.abstractmethod
    def sums(self, spins: Int8[Array, " N"]) -> Float[Array, "powers K"]:
        """Running sums over sites that a sequential sweep carries; the first is N overlaps."""

    @abc.abstractmethod
    def cavity(
        self,
        tables: Tables,
        sums: Float[Array, "powers K"],
        site: Int[Array, ""],
        spin: Float[Array, ""],
    ) -> tuple[Float[Array, ""], Float[Array, "powers K"], Float[Array, "powers K"]]:
        """Field on the site of row `site`, the sums without it, and its contribution at spin +1.

        The sums after the update are ``without + new_spin * contribution``.
        """
