"""What all Kolmogorov-Arnold layers compute: sums over functions and inputs."""

from collections.abc import Callable

from jaxtyping import Array, Float

from .bases import Basis

_NARROW = 16
"""Below so many inputs examples lie along the fastest axis: there, functions of a few inputs are
evaluated three times as fast on a CPU."""


def expand(
    basis: Basis, x: Float[Array, "*batch in"], coefficients: Float[Array, "out size in"]
) -> Float[Array, "*batch out"]:
    """Sum over functions and inputs of c_jmi B_m(x_i), as one matrix product."""
    rows = x.reshape(-1, x.shape[-1])
    if x.shape[-1] < _NARROW and len(rows) >= 4 * x.shape[-1]:
        columns = basis.columns(rows.T)
        flat = coefficients.swapaxes(1, 2).reshape(len(coefficients), -1)
        z = (flat @ columns.reshape(-1, len(rows))).T
    else:
        features = basis(rows, -2)
        z = features.reshape(len(rows), -1) @ coefficients.reshape(len(coefficients), -1).T
    return z.reshape(*x.shape[:-1], len(coefficients))


def joined(
    z: Float[Array, "*batch out"],
    x: Float[Array, "*batch in"],
    base: Callable[[Array], Array] | None,
    base_weight: Float[Array, "out in"] | None,
    bias: Float[Array, " out"] | None,
) -> Float[Array, "*batch out"]:
    """Adds the base term and the bias, where there are any."""
    if base is not None and base_weight is not None:
        z = z + base(x) @ base_weight.T
    return z if bias is None else z + bias.reshape(*(1,) * (z.ndim - 1), -1)
