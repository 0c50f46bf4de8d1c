"""Thouless-Anderson-Palmer equations of the dense associative memory."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from engrax.theory import interaction_kernel

from ._dense_associative import DenseAssociativeMemory
from ._symmetric import symmetric_polynomials


class Tap(NamedTuple):
    """Solution of the TAP equations."""

    magnetization: Float[Array, " N"]  # thermal means of the spins
    converged: Bool[Array, ""]


def tap_magnetization(
    network: DenseAssociativeMemory,
    start: Float[Array, " N"],
    beta: Float[Array, ""] | float,
    *,
    second_order: bool = True,
    damp: float = 0.5,
    max_steps: int = 2000,
) -> Tap:
    """Thermal means of one sample without sampling: the second-order Plefka expansion.

    ``m_i = tanh beta [h_i(m) - beta gamma D''(q) (1 - q) m_i]`` by damped iteration from
    `start`, where ``h_i(m) = (N / 2 C(N,P)) sum_mu etahat_i e_{P-1}(etahat_j m_j, j != i)``,
    ``q = mean m^2``, D is the noise kernel (`engrax.theory.interaction_kernel`) and gamma the load
    ``K N / (2 C(N, P))``. ``second_order=False`` drops the
    reaction term (naive mean field, first order).

    Raises ValueError for ``interactions="all"``, whose reaction term this is not.
    """
    import optimistix as optx  # 0.1 s, and only here

    if network.interactions != "distinct":
        raise ValueError(
            "tap_magnetization was given interactions='all', expected 'distinct'; its reaction "
            "term is that of interactions between different spins."
        )
    beta = jnp.asarray(beta, start.dtype)
    eta = network.patterns.astype(start.dtype)
    order = network.order
    load = network.patterns.shape[0] * network.field_scale  # gamma = K N / (2 C(N, P))
    kernel = interaction_kernel(order, "distinct")

    def field(means):
        x = eta * means[None, :]
        powers, own = [], jnp.ones_like(x)
        for _ in range(order - 1):
            own = own * x
            powers.append(jnp.sum(own, axis=1, keepdims=True) - own)
        rest = symmetric_polynomials(powers, order - 1)[order - 1]
        return network.field_scale * jnp.sum(eta * rest, axis=0)

    def update(means, _):
        q = jnp.mean(means**2)
        reaction = beta * load * kernel.curvature(q) * (1 - q) if second_order else 0.0
        return jnp.tanh(beta * (field(means) - reaction * means))

    solver = optx.FixedPointIteration(rtol=1e-5, atol=1e-5, damp=damp)
    solution = optx.fixed_point(update, solver, start, max_steps=max_steps, throw=False)
    return Tap(solution.value, solution.result == optx.RESULTS.successful)
