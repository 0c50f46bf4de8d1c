"""What all Kolmogorov-Arnold layers compute: sums over functions and inputs."""

from collections.abc import Callable

from jaxtyping import Array, Float


def expand(
    features: Float[Array, "*batch size in"], coefficients: Float[Array, "out size in"]
) -> Float[Array, "*batch out"]:
    """Sum over functions and inputs, as one matrix product."""
    rows = features.reshape(*features.shape[:-2], -1)
    return rows @ coefficients.reshape(len(coefficients), -1).T


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
