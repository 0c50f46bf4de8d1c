"""Mean-field theory of the multitasking Hopfield network: few diluted patterns, from examples."""

import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from ._convergence import warn_of_points
from ._diluted_field import Ensemble, ensemble, noiseless_averages, spin_averages
from ._precision import in_float64

Number = Float[np.ndarray, "*_"] | Float[Array, "*_"] | float | int
Values = Float[np.ndarray, "*batch"] | Float[Array, "*batch"]
Vectors = Float[np.ndarray, "*batch K"] | Float[Array, "*batch K"]
Start = Literal["hierarchical", "symmetric", "pure", "lowest"]
STARTS = ("hierarchical", "symmetric", "pure", "lowest")
MAX_STEPS = 20_000


class MultitaskingState(NamedTuple):
    """Solution of the equations, with the shape of the broadcast inputs and a last axis K."""

    m: Vectors  # overlap with each archetype, over its support
    n: Vectors  # overlap with each learned average
    free_energy: Values  # per spin
    converged: Bool[np.ndarray, "*batch"] | Bool[Array, "*batch"]


def multitasking_mean_field(
    k: int,
    dilution: Number,
    entropy: Number,
    beta: Number,
    *,
    init: Start | Float[np.ndarray, " K"] | Float[Array, " K"],
    n_examples: int | None = None,
) -> MultitaskingState:
    """Overlaps of K diluted patterns in a Hopfield network that learned them from examples.

    With ``h = sum_mu n_mu etahat_mu``, ``etahat = xi (1 + sqrt(rho) lambda)`` and K finite::

        m_mu = E xi_mu tanh(beta h) / (1 - d)
        n_mu = E etahat_mu tanh(beta h) / ((1 - d)(1 + rho))

    stationary points of ``f = (1 - d)(1 + rho) / 2 sum n^2 - E ln 2 cosh(beta h) / beta``, by
    damped iteration. They hold for supervised storage while K << N, for stored patterns with
    ``entropy=0``, and for unsupervised storage while K M << N near T_c, which is 1 for every d, rho
    and K. Colder and at large rho a network without a teacher leaves this solution: it holds single
    examples, of overlap r, instead of their pattern.

    - `k`: number of patterns; all 3^K configurations of a site are summed.
    - `dilution`: d, share of blanks, in [0, 1).
    - `entropy`: rho of the data set (`dataset_entropy`).
    - `beta`: inverse temperature; infinity is T = 0.
    - `init`: the start. ``"hierarchical"`` is the ladder ``d^(mu-1)``, ``"symmetric"`` all equal,
      ``"pure"`` one pattern; an array (K,) is a start of one's own. ``"lowest"`` takes the lowest
      free energy of what the three and one irregular start reach.
    - `n_examples`: the exact binomial law of so many examples instead of the normal law of many.

    Numbers and NumPy arrays broadcast, are solved in float64, and NumPy comes back; points that do
    not converge in 20,000 steps are told by a RuntimeWarning. Where one of `dilution`, `entropy`,
    `beta` is a JAX array, so is the result, in its precision: it runs under jit and vmap and has
    derivatives in all three (of the branch it is on), and `converged` alone tells.

    Source: re-derived after Agliari et al., arXiv 2308.04106. Raises ValueError for numbers out of
    range where they are known, an unknown start, or more than 2^20 configurations.
    """
    given = (dilution, entropy, beta)
    _check(k, init, given)
    if any(isinstance(number, jax.Array) for number in given):
        noisy = isinstance(entropy, jax.Array) or np.any(np.asarray(entropy) != 0)
        return _traced(k, given, init, n_examples, bool(noisy) and n_examples is None)
    found = _solved(k, given, init, n_examples)
    points = np.broadcast_arrays(*(np.asarray(a, float) for a in given))
    names = ("dilution", "entropy", "beta")
    warn_of_points("multitasking_mean_field", np.asarray(found.converged), names, points)
    return found


def multitasking_step(
    overlaps: Float[Array, " K"],
    dilution: Float[Array, ""] | float,
    entropy: Float[Array, ""] | float,
    beta: Float[Array, ""] | float,
    *,
    n_examples: int | None = None,
) -> MultitaskingState:
    """One application of the equations to learned overlaps n: what one parallel step makes of them.

    ``(1 + m_mu) / 2`` at T = 0 is the probability that a bit of pattern mu meets a field of its own
    sign in a state with overlaps n, the one-step signal-to-noise prediction. `free_energy` is that
    of the overlaps given, `converged` whether they are already a fixed point. The precision is that
    of `overlaps`.
    """
    overlaps = jnp.asarray(overlaps)
    numbers = (jnp.asarray(a, overlaps.dtype) for a in (dilution, entropy, beta))
    return _step(n_examples, overlaps, *numbers)


@functools.partial(jax.jit, static_argnums=0)
def _step(
    n_examples: int | None, overlaps: Array, dilution: Array, entropy: Array, beta: Array
) -> MultitaskingState:
    model = ensemble(len(overlaps), dilution, entropy, n_examples)
    m, n, energy = _moved(model, n_examples is None, overlaps, 1 / beta)
    tolerance = 10 * _tolerance(overlaps)
    return MultitaskingState(m, n, energy, jnp.all(jnp.abs(n - overlaps) <= tolerance))


def _moved(
    model: Ensemble, noisy: bool, n: Float[Array, " K"], temperature: Float[Array, ""]
) -> tuple[Array, Array, Array]:
    """The right-hand sides of m and n, and the free energy at n."""
    signal = model.stored @ n
    if noisy:
        power = (model.archetype**2) @ (n**2)
        # A floor far below what counts keeps the root smooth, also for its derivative in rho at 0.
        floor = jnp.finfo(n.dtype).eps ** 0.75
        spin = spin_averages(signal, jnp.sqrt(model.spread * power + floor), temperature)
    else:
        spin = noiseless_averages(signal, temperature)
    mean = model.weight * spin.mean
    m = mean @ model.archetype / model.activity
    # Stein's identity for the normal part of etahat.
    normal = model.spread * n * ((model.weight * spin.response) @ model.archetype**2)
    energy = model.moment / 2 * jnp.sum(n**2) - model.weight @ spin.log_cosh
    return m, (mean @ model.stored + normal) / model.moment, energy


def _tolerance(n: Array) -> float:
    """Where two iterates count as equal: 1e-12 in float64, 5e-6 in float32."""
    return max(1e-12, 40 * float(jnp.finfo(n.dtype).eps))


def _starts(k: int, dilution: Array, init: Start | Array | np.ndarray) -> Float[Array, "starts K"]:
    ladder = dilution ** jnp.arange(k, dtype=dilution.dtype)
    equal = jnp.full((k,), 0.5, dilution.dtype)
    pure = jnp.zeros((k,), dilution.dtype).at[0].set(1)
    if not isinstance(init, str):
        return jnp.asarray(init, dilution.dtype)[None]
    if init != "lowest":
        return {"hierarchical": ladder, "symmetric": equal, "pure": pure}[init][None]
    irregular = jnp.asarray(np.random.default_rng(0).uniform(0.1, 0.9, k), dilution.dtype)
    return jnp.stack([ladder, equal, pure, irregular])


def _point(
    k: int,
    init: Start | Array | np.ndarray,
    n_examples: int | None,
    noisy: bool,
    numbers: tuple[Array, Array, Array],
) -> MultitaskingState:
    """The equations solved at one point."""
    import optimistix as optx  # 0.1 s, and only here

    dilution, entropy, beta = numbers

    def update(n: Array, args: tuple[Ensemble, Array]) -> Array:
        return _moved(args[0], noisy, n, args[1])[1]

    args = (ensemble(k, dilution, entropy, n_examples), 1 / beta)

    def solve(start: Array) -> MultitaskingState:
        tolerance = _tolerance(start)
        solver = optx.FixedPointIteration(rtol=tolerance, atol=tolerance, damp=0.3)
        found = optx.fixed_point(update, solver, start, args, max_steps=MAX_STEPS, throw=False)
        m, _, energy = _moved(args[0], noisy, found.value, args[1])
        # An array that is not finite compares as no fixed point.
        fixed = (found.result == optx.RESULTS.successful) & jnp.all(jnp.isfinite(found.value))
        return MultitaskingState(m, found.value, energy, fixed)

    starts = _starts(k, dilution, init)
    each = [solve(start) for start in starts]
    if len(each) == 1:
        return each[0]
    stacked: MultitaskingState = jax.tree.map(lambda *a: jnp.stack(a), *each)
    best = jnp.argmin(jnp.where(stacked.converged, stacked.free_energy, jnp.inf))
    return jax.tree.map(lambda a: a[best], stacked)


def _traced(k, given, init, n_examples, noisy) -> MultitaskingState:
    dtype = jnp.result_type(*(a for a in given if isinstance(a, jax.Array)))
    d, rho, beta = jnp.broadcast_arrays(*(jnp.asarray(a, dtype) for a in given))
    solve = functools.partial(_point, k, init, n_examples, noisy)
    if not d.ndim:
        return solve((d, rho, beta))
    found = jax.vmap(solve)((d.ravel(), rho.ravel(), beta.ravel()))
    return jax.tree.map(lambda a: a.reshape(*d.shape, *a.shape[1:]), found)


@in_float64
def _solved(k, given, init, n_examples) -> MultitaskingState:
    arrays = np.broadcast_arrays(*(np.asarray(a, float) for a in given))
    noisy = n_examples is None and bool(np.any(arrays[1] > 0))
    flat = tuple(jnp.asarray(a.ravel()) for a in arrays)
    if isinstance(init, str):
        found = _points(k, init, n_examples, noisy, flat)
    else:
        found = _points_from(k, n_examples, noisy, jnp.asarray(init, float), flat)
    return jax.tree.map(lambda a: a.reshape(*arrays[0].shape, *a.shape[1:]), found)


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _points(k, init, n_examples, noisy, flat) -> MultitaskingState:
    # One after another: points near a transition take a hundred times the steps of others.
    return jax.lax.map(functools.partial(_point, k, init, n_examples, noisy), flat)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _points_from(k, n_examples, noisy, init, flat) -> MultitaskingState:
    return jax.lax.map(lambda at: _point(k, init, n_examples, noisy, at), flat)


def _check(k: int, init: Start | np.ndarray | Array, given: tuple[Number, Number, Number]) -> None:
    if k < 1:
        raise ValueError(f"k={k} was given, expected at least 1; it is the number of patterns.")
    if isinstance(init, str) and init not in STARTS:
        raise ValueError(f"init={init!r} is unknown, expected one of {STARTS} or an array (K,).")
    if not isinstance(init, str) and jnp.shape(init) != (k,):
        raise ValueError(f"init has shape {jnp.shape(init)}, expected ({k},), one a pattern.")
    inside = (
        lambda d: (d >= 0) & (d < 1),
        lambda rho: (rho >= 0) & np.isfinite(rho),
        lambda beta: beta > 0,
    )
    known = [(a, ok) for a, ok in zip(given, inside, strict=True) if not _is_traced(a)]
    if not all(np.all(ok(np.asarray(a, float))) for a, ok in known):
        raise ValueError(
            "multitasking_mean_field was given numbers out of range, expected 0 <= dilution < 1, "
            "entropy >= 0 and beta > 0; check the arguments' order."
        )


def _is_traced(number: object) -> bool:
    return isinstance(number, Tracer)
