"""Replica-symmetric theory of the dense associative memory and of the Hopfield network."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ._convergence import warn_of_points
from ._kernel import Interactions, interaction_kernel
from ._moments import Moments, example_law, field_moments
from ._precision import in_float64

Number = Float[np.ndarray, "*_"] | float | int
Values = Float[np.ndarray, "*batch"] | Float[Array, "*batch"]
"""NumPy for the caller, traced arrays inside the solver."""


FEWEST_NODES, MOST_NODES = 801, 100_001


class MeanField(NamedTuple):
    """Solution of the mean-field equations, each field with the shape of the broadcast inputs."""

    m: Values  # overlap with the archetype
    n: Values  # overlap with the learned (normalized) average
    q: Values  # Edwards-Anderson overlap
    free_energy: Values  # per spin
    at_stable: (
        Bool[np.ndarray, "*batch"] | Bool[Array, "*batch"]
    )  # stable against replica-symmetry breaking
    converged: Bool[np.ndarray, "*batch"] | Bool[Array, "*batch"]


class Model(NamedTuple):
    """What is known before tracing."""

    order: int  # 2 stands for the AGS equations
    interactions: Interactions = "distinct"
    n_examples: int | None = None
    nodes: int | None = None  # chosen from the lowest temperature
    frozen: bool = False  # T = 0

    def at(self, temperature: np.ndarray) -> "Model":
        """The model with all that the temperatures (all zero, or none) settle before tracing.

        tanh(beta y) has poles at a distance pi T / 2 from the real axis, so the spacing of the
        nodes has to shrink with T; 64 / T of them leave an error below 1e-10.
        """
        if not temperature.any():
            return self._replace(frozen=True)
        enough = int(np.clip(64 / temperature.min(), FEWEST_NODES, MOST_NODES)) | 1
        return self._replace(nodes=self.nodes or enough)

    def signal(self, n: Array) -> Array:
        """Field J of the condensed pattern."""
        return self.order / 2 * n ** (self.order - 1)

    def noise(self, q: Array, susceptibility: Array) -> Array:
        """Variance of the field of all other patterns, at unit load.

        Order 2 needs the resummation of Amit, Gutfreund and Sompolinsky, since the prefactor of a
        non-condensed overlap does not vanish there.
        """
        if self.order == 2:
            return q / (1 - susceptibility) ** 2
        return interaction_kernel(self.order, self.interactions).slope(q)

    def moments(self, n: Array, noise: Array, temperature: Array, entropy: Array) -> Moments:
        """Moments of one spin when the retrieved overlap is n."""
        law = example_law(entropy, self.n_examples)
        return field_moments(
            self.signal(n), noise, temperature, law, self.nodes or FEWEST_NODES, self.frozen
        )

    def replicon(self, load: Array, found: Moments) -> Array:
        """Eigenvalue ratio of the replicon; replica symmetry is stable below 1."""
        if self.order == 2:
            return load * found.replicon / (1 - found.susceptibility) ** 2
        curvature = interaction_kernel(self.order, self.interactions).curvature(found.q)
        return load * curvature * found.replicon


def dense_mean_field(
    order: int,
    load: Number,
    temperature: Number,
    entropy: Number = 0.0,
    interactions: Interactions = "distinct",
    *,
    n_examples: int | None = None,
    nodes: int | None = None,
) -> MeanField:
    """Retrieval solution of the replica-symmetric equations, order P >= 3, in float64.

    With ``J = (P/2) n^{P-1}``, ``v = gamma D'(q)`` and ``y = J etahat + sqrt(v) z``::

        m = E tanh(beta y),   n = E etahat tanh(beta y),   q = E tanh^2(beta y)

    by damped iteration from n = q = 1, so below the retrieval spinodal the retrieval branch.

    - `load`: ``gamma = K N / (2 C(N, P))``, which tends to ``alpha P!/2`` for K = alpha N^{P-1}.
    - `temperature`: T = 1/beta in units where perfect retrieval has energy -1/2 a spin; 0 is
      allowed.
    - `entropy`: rho of the data set (`dataset_entropy`).
    - `interactions`: ``"distinct"`` or ``"all"``, as in `engrax.memory.DenseAssociativeMemory`.
    - `n_examples`: the exact binomial law of so many examples instead of the normal law of many.
    - `nodes`: of the quadrature; chosen from the lowest temperature if None.

    `load`, `temperature` and `entropy` broadcast. Source: re-derived after Agliari et al., arXiv
    2212.00606; the equations there are those of K = gamma (2/P!) N^{P-1}.
    Raises ValueError for an order below 3 or numbers out of range. Warns where the iteration has
    not converged; see the field `converged`.
    """
    if order < 3:
        raise ValueError(
            f"order {order} was given, expected at least 3; use hopfield_mean_field for order 2."
        )
    interaction_kernel(order, interactions)  # refuses unknown interactions
    return _solve(Model(order, interactions, n_examples, nodes), load, temperature, entropy)


def hopfield_mean_field(
    load: Number,
    temperature: Number,
    entropy: Number = 0.0,
    *,
    n_examples: int | None = None,
    nodes: int | None = None,
) -> MeanField:
    """Retrieval solution of the Hopfield network (P = 2) at load ``alpha = K / N``, in float64.

    The equations of Amit, Gutfreund and Sompolinsky (1985) with noise ``v = alpha q / (1 - beta
    (1 - q))^2``, for averaged examples of data-set entropy rho; at T = 0 and rho = 0 retrieval
    ends at alpha = 0.138. Arguments as in `dense_mean_field`. Raises ValueError for numbers out of
    range; warns where the iteration has not converged.
    """
    return _solve(Model(2, "distinct", n_examples, nodes), load, temperature, entropy)


def free_energy(
    model: Model, n: Array, q: Array, load: Array, temperature: Array, entropy: Array
) -> Float[Array, ""]:
    """Replica-symmetric free energy per spin; its stationary points solve the equations.

    A function of (n, q) for P >= 3 at T > 0; at T = 0 and for P = 2 it is meant at a solution.
    """
    susceptibility = (1 - q) / temperature if not model.frozen else None
    if susceptibility is None:
        return _frozen_free_energy(model, n, load, entropy)
    noise = load * model.noise(q, susceptibility)
    found = model.moments(n, noise, temperature, entropy)
    condensed = (model.order - 1) / 2 * n**model.order
    if model.order == 2:
        gap = 1 - susceptibility
        rest = temperature * jnp.log(gap) - q / gap + q * susceptibility / gap**2
        return load / 2 * (1 + rest) + condensed - found.log_cosh
    kernel = interaction_kernel(model.order, model.interactions)
    spread = load / temperature * (kernel.value(1.0) - kernel.value(q))
    return condensed - found.log_cosh - spread / 2 + noise * susceptibility / 2


def _frozen_free_energy(model: Model, n: Array, load: Array, entropy: Array) -> Array:
    """The limit T -> 0, where the terms of the noise cancel for P >= 3."""
    zero = jnp.zeros(())
    condensed = (model.order - 1) / 2 * n**model.order
    if model.order > 2:
        noise = load * model.noise(jnp.ones(()), zero)
        return condensed - model.moments(n, noise, zero, entropy).log_cosh
    chi = _frozen_susceptibility(model, n, load, entropy)
    found = model.moments(n, load * model.noise(jnp.ones(()), chi), zero, entropy)
    rest = -1 / (1 - chi) + chi / (1 - chi) ** 2
    return load / 2 * (1 + rest) + condensed - found.log_cosh


def _frozen_susceptibility(model: Model, n: Array, load: Array, entropy: Array) -> Array:
    """Susceptibility of the Hopfield network at T = 0 when n is known, by iteration."""
    import optimistix as optx  # 0.1 s, and only where an equation is solved

    def update(chi, _):
        noise = load * model.noise(jnp.ones(()), chi)
        return model.moments(n, noise, jnp.zeros(()), entropy).susceptibility

    solver = optx.FixedPointIteration(rtol=1e-12, atol=1e-12, damp=0.5)
    return optx.fixed_point(update, solver, jnp.zeros(()), max_steps=5000, throw=False).value


@in_float64
def _solve(model: Model, load: Number, temperature: Number, entropy: Number) -> MeanField:
    given = np.broadcast_arrays(*(np.asarray(a, float) for a in (load, temperature, entropy)))
    if any(np.any((a < 0) | ~np.isfinite(a)) for a in given):
        raise ValueError(
            "a mean-field solver was given a negative or non-finite load, temperature or entropy, "
            "expected numbers of at least 0; check the arguments' order."
        )
    flat = [a.ravel() for a in given]
    frozen = flat[1] == 0
    kinds = (float, float, float, float, bool, bool)
    out = MeanField(*(np.empty(flat[0].size, kind) for kind in kinds))
    for cold in (False, True):
        chosen = frozen == cold
        if chosen.any():
            points = [jnp.asarray(a[chosen]) for a in flat]
            solved = _solve_points(model.at(flat[1][chosen]), *points)
            for column, values in zip(out, solved, strict=True):
                column[chosen] = values
    solver = "hopfield_mean_field" if model.order == 2 else "dense_mean_field"
    warn_of_points(solver, np.asarray(out.converged), ("load", "temperature", "entropy"), flat)
    return MeanField(*(column.reshape(given[0].shape) for column in out))


@functools.partial(jax.jit, static_argnums=0)
def _solve_points(model: Model, load: Array, temperature: Array, entropy: Array) -> MeanField:
    return jax.vmap(functools.partial(_solve_point, model))(load, temperature, entropy)


def _solve_point(model: Model, load: Array, temperature: Array, entropy: Array) -> MeanField:
    import optimistix as optx

    def update(state, _):
        n, q, chi = state
        noise = load * model.noise(q, chi)
        found = model.moments(n, noise, temperature, entropy)
        return found.n, found.q, found.susceptibility

    start = (jnp.ones(()), jnp.ones(()), jnp.zeros(()))
    solver = optx.FixedPointIteration(rtol=1e-11, atol=1e-11, damp=0.5)
    solution = optx.fixed_point(update, solver, start, max_steps=20_000, throw=False)
    n, q, chi = solution.value
    found = model.moments(n, load * model.noise(q, chi), temperature, entropy)
    energy = free_energy(model, n, q, load, temperature, entropy)
    # At T = 0 the replicon is infinite, but without load there is nothing to be unstable.
    stable = (load == 0) | (model.replicon(load, found) < 1)
    converged = solution.result == optx.RESULTS.successful
    return MeanField(found.m, found.n, found.q, energy, stable, converged)
