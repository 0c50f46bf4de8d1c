"""What Kolmogorov-Arnold attention puts in the place of a softmax."""

import math
from collections.abc import Callable
from typing import Literal, final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from . import bases
from .bases import Basis


@final
class KANRowOperator(eqx.Module):
    """Learned functions of the logits of one head, a row at a time (Maity et al. 2025, Sec. 4).

    With r functions for each of the N keys, phi_pq, and a matrix W (N, r), row k of the logits
    becomes

        F_kp = sum_q phi_pq(A_kq),    S = F W^T,    phi_pq = b + sum_m C_mpq B_m

    in the place of softmax(A). S has rank r at most; its rows are neither positive nor do they sum
    to 1. All rows go through the same functions. `apply` never builds S: F (W^T V) = (F W^T) V.
    `rank=None` is the full operator, N functions a key and no W.

    The basis is "fourier" (`grid` harmonics cos(m x), sin(m x), m = 1 .. grid), another name of
    `bases.FAMILIES` (see `row_basis` for what `grid` means then), or a `Basis` of one's own. `dc`
    adds the harmonic m = 0, whose sine is dead weight: with it the number of parameters is that
    of the paper's tables. Coefficients start from N(0, 1 / (N grid)), which gives F unit variance;
    `init="unit"` takes the N(0, 1) that the paper prints. W starts uniform within r^(-1/2).

    Functions belong to positions: **N is fixed**, and nothing can be masked.

    Raises:
        ValueError: sizes below 1, a basis that does not exist or refuses `grid`, `dc` without
            Fourier.
    """

    coefficients: Float[Array, "functions rank tokens"]
    """C_mpq: of function m, for output p and key q."""
    mix: Float[Array, "tokens rank"] | None
    """W; None for the full operator."""
    basis: Basis
    """B_1 .. B_M; its array fields, where it has any, are learned too."""
    base: Callable[[Array], Array] | None = eqx.field(static=True)
    """B, the same for every pair and not learned; None is 0."""

    def __init__(
        self,
        n_tokens: int,
        rank: int | None = 12,
        basis: str | Basis = "fourier",
        grid: int = 3,
        *,
        dc: bool = False,
        base: Callable[[Array], Array] | None = None,
        init: Literal["scaled", "unit"] = "scaled",
        key: Key[Array, ""],
    ) -> None:
        """Build the operator of one head."""
        if n_tokens < 1 or (rank is not None and rank < 1):
            raise ValueError(
                f"KANRowOperator got n_tokens={n_tokens} and rank={rank}; expected at least 1 each."
            )
        if dc and basis != "fourier":
            raise ValueError(
                f"KANRowOperator got dc=True with basis {basis!r}; only 'fourier' has a constant "
                "harmonic: leave dc out."
            )
        name = basis if isinstance(basis, str) else None
        self.basis = basis if isinstance(basis, Basis) else row_basis(basis, grid)
        if dc:
            self.basis = WithConstant(self.basis)
        first, second = jr.split(key)
        outputs = n_tokens if rank is None else rank
        # A harmonic's cosine and sine have mean squares of 1 together.
        count = grid if name == "fourier" else self.basis.size
        scale = 1.0 if init == "unit" else 1 / math.sqrt(n_tokens * count)
        self.coefficients = scale * jr.normal(first, (self.basis.size, outputs, n_tokens))
        limit = 1 / math.sqrt(outputs)
        self.mix = None if rank is None else jr.uniform(second, (n_tokens, rank), minval=-1) * limit
        self.base = base

    @property
    def tokens(self) -> int:
        """N, the number of keys."""
        return self.coefficients.shape[-1]

    def features(self, logits: Float[Array, "*lead rows tokens"]) -> Float[Array, "*lead rows r"]:
        """F: the sums of functions, before W.

        Raises:
            ValueError: another number of keys than the operator was built for.
        """
        if logits.shape[-1] != self.tokens:
            raise ValueError(
                f"KANRowOperator got logits of {logits.shape[-1]} keys; expected {self.tokens}: "
                "its functions belong to positions, so the number of tokens is fixed."
            )
        values = self.basis(logits, -2)
        summed = jnp.einsum("...kmq,mpq->...kp", values, self.coefficients)
        return summed if self.base is None else summed + self.base(logits).sum(-1, keepdims=True)

    def apply(
        self, logits: Float[Array, "*lead rows tokens"], values: Float[Array, "*lead tokens d"]
    ) -> Float[Array, "*lead rows d"]:
        """S V, as F (W^T V)."""
        summed = self.features(logits)
        return summed @ (values if self.mix is None else self.mix.T @ values)

    def matrix(
        self, logits: Float[Array, "*lead rows tokens"]
    ) -> Float[Array, "*lead rows tokens"]:
        """S, what stands in the place of softmax(A)."""
        summed = self.features(logits)
        return summed if self.mix is None else summed @ self.mix.T


@final
class WithConstant(Basis):
    """A basis with the harmonic m = 0 in front: cos 0 = 1, and sin 0 = 0, which does nothing."""

    inner: Basis

    @property
    def size(self) -> int:
        """Two more."""
        return self.inner.size + 2

    @property
    def domain(self) -> tuple[float, float]:
        """That of the basis inside."""
        return self.inner.domain

    def __call__(self, x: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "..."]:
        """The functions at `x`, along a new axis."""
        one = jnp.expand_dims(jnp.ones_like(x), axis)
        return jnp.concatenate([one, jnp.zeros_like(one), self.inner(x, axis)], axis)


def row_basis(name: str, grid: int) -> Basis:
    """The basis called `name` as attention uses it, on logits and not scaled.

    `grid` is the number of harmonics for "fourier" (period 2 pi), of intervals between -pi and pi
    for "bspline" (and "relu"), of centers there for "rbf" and "rswaf", of functions for the
    polynomials. It is not used for "identity"; nor for "pade", a quotient of degrees 5 and 4; nor
    for the wavelets, each mother being one function with scale 1 and shift 0.

    Raises:
        ValueError: a name that is not in `bases.FAMILIES`, or a grid that the family refuses.
    """
    span = {"low": -math.pi, "high": math.pi}
    options: dict[str, dict] = {
        "fourier": {"size": 2 * grid, "period": 2 * math.pi},
        "bspline": {"size": grid + 3, **span},
        "relu": {"size": grid + 3, **span},
        "rbf": {"size": grid, **span},
        "rswaf": {"size": grid, **span},
        "pade": {"size": 6, "order": 4},
        "identity": {},
        **{name: {"atoms": ((1.0, 0.0),)} for name in WAVELETS},
    }
    if grid < 1:
        raise ValueError(f"a row operator got grid={grid}; expected at least 1.")
    return bases.by_name(name, unit_rms=False, **options.get(name, {"size": grid}))


WAVELETS = ("mexican_hat", "morlet", "dog", "meyer", "shannon")
"""Mother wavelets among the names."""
