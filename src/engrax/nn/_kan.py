"""Kolmogorov-Arnold layers: a learned univariate function on every edge, sums at the nodes."""

import itertools
import math
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from engrax.core import named

from ._assemble import replaced
from ._expand import expand, joined
from ._pruned_kan_layer import PrunedKANLayer
from .bases import Basis, Choice


class KANLayer(eqx.Module):
    """z_j = b_j + sum_i [ w_ji base(x_i) + sum_m c_jmi B_m(x_i) ] (Liu et al. 2024).

    The features B_m(x_i) depend on input and example alone, so the layer is one matrix product over
    inputs and functions together; what grows with inputs x outputs x functions is the weights only.

    layer = KANLayer(2, 5, bases.UnitRMS(bases.BSpline(8)), key=key)
    z = layer(x)                              # (..., 2) -> (..., 5)

    **Fields:** `coefficients` c (out, size, in), `base_weight` w (out, in), `bias` b (out). They
    start as N(0, 0.1^2 / in), N(0, 1 / in) and 0. `base=None` leaves w out.

    **Inputs outside the grid** are what the basis makes of them (see its docstring); the base term
    goes on.

    Raises ValueError for widths below 1.
    """

    coefficients: Float[Array, "out size in"]
    base_weight: Float[Array, "out in"] | None
    bias: Float[Array, " out"] | None
    basis: Basis
    base: Callable[[Array], Array] | None = eqx.field(static=True)

    def __init__(
        self,
        n_in: int,
        n_out: int,
        basis: Basis,
        *,
        base: Callable[[Array], Array] | None = jax.nn.silu,
        bias: bool = True,
        key: Key[Array, ""],
    ) -> None:
        if min(n_in, n_out) < 1:
            raise ValueError(f"KANLayer got widths {n_in} and {n_out}; expected 1 or more each.")
        shape = (n_out, basis.size, n_in)
        scale = 1 / math.sqrt(n_in)
        self.coefficients = 0.1 * scale * jr.normal(named(key, "coefficients"), shape)
        self.base_weight = (
            None if base is None else scale * jr.normal(named(key, "base_weight"), (n_out, n_in))
        )
        self.bias = jnp.zeros(n_out) if bias else None
        self.basis = basis
        self.base = base

    def __call__(self, x: Float[Array, "*batch in"]) -> Float[Array, "*batch out"]:
        """The sums at the output nodes."""
        z = expand(self.basis, x, self.coefficients)
        return joined(z, x, self.base, self.base_weight, self.bias)

    def edges(self, x: Float[Array, "*batch in"]) -> Float[Array, "*batch out in"]:
        """The functions on the edges, one by one: w_ji base(x_i) + sum_m c_jmi B_m(x_i)."""
        values = jnp.einsum("...mi,omi->...oi", self.basis(x, -2), self.coefficients)
        if self.base is None or self.base_weight is None:
            return values
        return values + jnp.einsum("...i,oi->...oi", self.base(x), self.base_weight)

    def extend(self, basis: Basis, x: Float[Array, " points"] | None = None) -> "KANLayer":
        """The same functions on another basis, by least squares: a finer or a wider grid.

        Old and new functions are compared at `x`, by default at 1,000 points over the old domain.
        Splines on a grid whose intervals each split into equal parts are matched exactly, up to
        rounding; in general a function changes by what the new basis cannot say.

        Raises:
            ValueError: fewer points than functions in the new basis.
        """
        if x is None:
            x = jnp.linspace(*self.basis.domain, 1000)
        if len(x) < basis.size:
            raise ValueError(
                f"extend compares functions at {len(x)} points, fewer than the {basis.size} of "
                "the new basis; give at least as many."
            )
        # One change of basis serves all inputs, unless each has a family of its own.
        own = isinstance(self.basis, Choice) or isinstance(basis, Choice)
        points = jnp.broadcast_to(x[:, None], (len(x), self.coefficients.shape[-1] if own else 1))
        # In double precision on the host: a fine grid next to a coarse one is badly conditioned.
        old, new = (
            np.asarray(b(points, -1), np.float64).swapaxes(0, 1) for b in (self.basis, basis)
        )
        change = jnp.asarray(np.linalg.pinv(new) @ old, self.coefficients.dtype)
        change = jnp.broadcast_to(change, (self.coefficients.shape[-1], *change.shape[1:]))
        coefficients = jnp.einsum("inm,omi->oni", change, self.coefficients)
        return replaced(self, coefficients=coefficients, basis=basis)


class KAN(eqx.Module):
    """Kolmogorov-Arnold layers in a row: the first takes x as it is, later ones tanh of it.

    Data belong on the basis' domain, [-1, 1]; `squash` keeps hidden nodes on it. There is no other
    activation between layers. `basis` serves all layers, or there is one for each.

    Raises ValueError for fewer than two widths, widths below 1, or another number of bases than
    layers.
    """

    layers: tuple[KANLayer | PrunedKANLayer, ...]
    squash: Callable[[Array], Array] = eqx.field(static=True)

    def __init__(
        self,
        widths: Sequence[int],
        basis: Basis | Sequence[Basis],
        *,
        base: Callable[[Array], Array] | None = jax.nn.silu,
        bias: bool = True,
        squash: Callable[[Array], Array] = jnp.tanh,
        key: Key[Array, ""],
    ) -> None:
        check_widths("KAN", widths)
        bases = [basis] * (len(widths) - 1) if isinstance(basis, Basis) else list(basis)
        if len(bases) != len(widths) - 1:
            raise ValueError(
                f"KAN got {len(bases)} bases for {len(widths) - 1} layers; expected one for all, "
                "or one a layer."
            )
        self.layers = tuple(
            KANLayer(n_in, n_out, one, base=base, bias=bias, key=named(key, f"layer{level}"))
            for level, ((n_in, n_out), one) in enumerate(
                zip(itertools.pairwise(widths), bases, strict=True), start=1
            )
        )
        self.squash = squash

    def inputs(self, x: Float[Array, "*batch in"]) -> list[Array]:
        """What each layer gets, squashed from the second on."""
        return self._run(x)[0]

    def __call__(self, x: Float[Array, "*batch in"]) -> Float[Array, "*batch out"]:
        """The output of the last layer."""
        return self._run(x)[1]

    def _run(self, x: Array) -> tuple[list[Array], Array]:
        seen = [x]
        for layer in self.layers[:-1]:
            seen.append(self.squash(layer(seen[-1])))
        return seen, self.layers[-1](seen[-1])

    def extend(self, basis: Basis) -> "KAN":
        """Every layer on another basis, by least squares (see `KANLayer.extend`).

        Raises:
            ValueError: a layer whose outputs or edges have families of their own.
        """
        layers = []
        for layer in self.layers:
            if isinstance(layer, PrunedKANLayer):
                raise ValueError(
                    "extend needs one basis for all outputs of a layer, and here outputs or edges "
                    "have families of their own; choose families by node_in or by layer."
                )
            layers.append(layer.extend(basis))
        return replaced(self, layers=tuple(layers))


def check_widths(name: str, widths: Sequence[int]) -> None:
    """Raises ValueError for fewer than two widths, or widths below 1."""
    if len(widths) < 2 or min(widths) < 1:
        raise ValueError(
            f"{name} got widths={tuple(widths)}; expected input and output widths and any hidden "
            "ones between them, all positive."
        )
