"""A family of its own for every input."""

import abc
from collections.abc import Sequence
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ._basis import Basis


class Choice(Basis):
    """A family for each input: `PerInput` or `Picked`, with families of one size."""

    pool: tuple[Basis, ...]
    inputs: int = eqx.field(static=True)

    @property
    def size(self) -> int:
        """How many functions an input has."""
        return self.pool[0].size

    def columns(self, x: Float[Array, "in batch"]) -> Float[Array, "in size batch"]:
        """The functions at many examples: here inputs lie along the first axis."""
        return self._by_input(x)

    def __call__(self, x: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "..."]:
        """The functions at `x`, along a new axis."""
        return _put_back(self._by_input(jnp.moveaxis(x, self.inputs, 0)), self.inputs, axis)

    @abc.abstractmethod
    def _by_input(self, x: Array) -> Array:
        """(inputs, ...) -> (inputs, size, ...)."""

    def _checked(self, pool: Sequence[Basis]) -> tuple[Basis, ...]:
        check_pool(pool)
        return tuple(pool)


@final
class PerInput(Choice):
    """Input i is taken by family `picks[i]` of the pool; each family sees its own inputs alone.

    `picks` are known when a program is built. What is outside a family's grid is that family's.

    **Fields:** `inputs`: the axis of `x` along which inputs lie.

    Raises:
        ValueError: an empty pool, families of unequal size, a pick that is no family; at the
            call, another number of inputs than picks.
    """

    picks: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, pool: Sequence[Basis], picks: Sequence[int], *, inputs: int = -1) -> None:
        self.pool = self._checked(pool)
        self.picks = tuple(int(pick) for pick in picks)
        self.inputs = inputs
        if not self.picks or not all(0 <= pick < len(self.pool) for pick in self.picks):
            raise ValueError(
                f"PerInput got picks={self.picks} for a pool of {len(self.pool)} families; "
                f"expected one number from 0 to {len(self.pool) - 1} an input."
            )

    def _by_input(self, x: Array) -> Array:
        _check_inputs(len(x), len(self.picks))
        picks = np.asarray(self.picks)
        groups = [np.flatnonzero(picks == k) for k in range(len(self.pool))]
        parts = [
            basis(x[group], 1) for basis, group in zip(self.pool, groups, strict=True) if len(group)
        ]
        return jnp.concatenate(parts)[np.argsort(np.concatenate(groups))]


@final
class Picked(Choice):
    """`PerInput` whose picks are an array: data, not part of the program.

    One compiled program serves all picks, one family an input at a time; on its own it evaluates
    only what is picked, under `vmap` over picks every family.

    **Fields:** `inputs`: the axis of `x` along which inputs lie. Picks outside the pool are clipped
    to its ends.

    Raises:
        ValueError: an empty pool, families of unequal size; at the call, another number of inputs
            than picks.
    """

    picks: Int[Array, " inputs"]

    def __init__(
        self, pool: Sequence[Basis], picks: Int[Array, " inputs"], *, inputs: int = -1
    ) -> None:
        self.pool = self._checked(pool)
        self.picks = picks
        self.inputs = inputs

    def _by_input(self, x: Array) -> Array:
        _check_inputs(len(x), len(self.picks))
        # Lambdas, since JAX hashes a branch, and a module hashes its arrays.
        branches = [lambda value, basis=basis: basis(value, 0) for basis in self.pool]
        return jax.lax.map(lambda pair: jax.lax.switch(pair[0], branches, pair[1]), (self.picks, x))


def check_pool(pool: Sequence[Basis]) -> None:
    """Raises ValueError for an empty pool, or families of unequal size."""
    sizes = sorted({basis.size for basis in pool})
    if len(sizes) != 1:
        raise ValueError(
            f"A pool holds families of one size, and this one has sizes {sizes}; give every family "
            "as many functions, at least one family."
        )


def _check_inputs(inputs: int, picks: int) -> None:
    if inputs != picks:
        raise ValueError(
            f"a basis picked for {picks} inputs was given {inputs}; expected one pick an input."
        )


def _put_back(features: Array, inputs: int, axis: int) -> Array:
    """(inputs, size, ...) -> x's own order of axes, with the size at `axis`."""
    ndim = features.ndim
    # Without the size axis the inputs go back to their place; then the size goes to its own.
    place = inputs % (ndim - 1)
    features = jnp.moveaxis(features, 1, -1)
    features = jnp.moveaxis(features, 0, place)
    return jnp.moveaxis(features, -1, axis)
