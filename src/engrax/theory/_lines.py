"""Lines of the phase diagram: where retrieval ends, and where replica symmetry breaks."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ._kernel import Interactions, interaction_kernel
from ._mean_field import Model, Number, Values
from ._moments import Moments
from ._precision import in_float64


class Line(NamedTuple):
    """Points of a line, each field with the shape of the broadcast inputs."""

    load: Values  # gamma; alpha = K / N for order 2
    m: Values  # overlap with the archetype there
    n: Values  # overlap with the learned average there
    q: Values  # Edwards-Anderson overlap there


def retrieval_spinodal(
    order: int,
    temperature: Number,
    entropy: Number = 0.0,
    interactions: Interactions = "distinct",
    *,
    nodes: int | None = None,
) -> Line:
    """Largest load at which a retrieval solution exists, in float64.

    On the retrieval branch the load is a function of n: given n, the equation for n fixes the
    noise v (bisection, since more noise always means less overlap), v and q fix the load. Its first
    maximum below the branch's end at load 0 is the spinodal; no critical slowing down is met.
    At T = 0 and rho = 0 this is ``gamma = (P/4) (erf(y)^{P-1} / y)^2`` maximized
    over y. The load is 0 where nothing retrieves.

    Order 2 is the Hopfield network (``interactions`` is ignored there). `temperature` and
    `entropy` broadcast; units as in `dense_mean_field`. Raises ValueError for an order below 2 or
    numbers out of range.
    """
    return _line(Model(order, interactions, None, nodes), temperature, entropy, _spinodal_points)


def at_line(
    order: int,
    temperature: Number,
    entropy: Number = 0.0,
    interactions: Interactions = "distinct",
    *,
    nodes: int | None = None,
) -> Line:
    """Load above which the retrieval solution breaks replica symmetry (de Almeida, Thouless).

    Where the whole branch up to the spinodal is stable, all fields are NaN; at T = 0 the load is 0.
    Arguments and errors as in `retrieval_spinodal`.
    """
    return _line(Model(order, interactions, None, nodes), temperature, entropy, _at_points)


@in_float64
def _line(model: Model, temperature: Number, entropy: Number, solve) -> Line:
    interaction_kernel(model.order, model.interactions)  # refuses what does not exist
    given = np.broadcast_arrays(*(np.asarray(a, float) for a in (temperature, entropy)))
    if any(np.any((a < 0) | ~np.isfinite(a)) for a in given):
        raise ValueError(
            "a phase line was asked for at a negative or non-finite temperature or entropy, "
            "expected numbers of at least 0; check the arguments' order."
        )
    flat = [a.ravel() for a in given]
    out = Line(*(np.empty(flat[0].size) for _ in Line._fields))
    for cold in (False, True):
        chosen = (flat[0] == 0) == cold
        if chosen.any():
            points = [jnp.asarray(a[chosen]) for a in flat]
            for column, values in zip(out, solve(model.at(flat[0][chosen]), *points), strict=True):
                column[chosen] = values
    return Line(*(column.reshape(given[0].shape) for column in out))


def _branch(model: Model, n: Array, temperature: Array, entropy: Array) -> tuple[Array, Moments]:
    """Load and moments of the branch point with overlap n; load 0 where n is out of reach."""
    import optimistix as optx  # 0.1 s, and only where an equation is solved

    quiet = model.moments(n, jnp.zeros(()), temperature, entropy).n - n

    def excess(noise, _):
        # Lifted to zero at noise 0 where even that is too little, so that a root is bracketed.
        found = model.moments(n, noise, temperature, entropy)
        return n - found.n + jnp.minimum(quiet, 0.0)

    ceiling = 1.0 * model.order**2  # V <= (2/pi) (J/n)^2 <= (P^2/2 pi), by m <= sqrt(2/pi) J/sqrt V
    solver = optx.Bisection(rtol=1e-13, atol=1e-15, flip=False)
    bracket = {"lower": jnp.zeros(()), "upper": jnp.asarray(ceiling)}
    noise = optx.root_find(
        excess, solver, jnp.zeros(()), options=bracket, max_steps=60, throw=False
    ).value
    found = model.moments(n, noise, temperature, entropy)
    load = noise / model.noise(found.q, found.susceptibility)
    reached = (quiet > 0) & ((model.order > 2) | (found.susceptibility < 1))
    return jnp.where(reached, load, 0.0), found


@functools.partial(jax.jit, static_argnums=0)
def _spinodal_points(model: Model, temperature: Array, entropy: Array) -> Line:
    return jax.lax.map(lambda at: _spinodal_point(model, *at), (temperature, entropy))


def _spinodal_point(model: Model, temperature: Array, entropy: Array) -> Line:
    """First maximum of the load below the branch's upper end, by zooming in three times.

    The first, not the highest: at small n lies another branch, of states that are not retrieval.
    """
    branch = jax.vmap(lambda n: _branch(model, n, temperature, entropy))
    points = 65
    high, low = _upper_end(model, temperature, entropy), jnp.asarray(1e-6)

    def zoom(window, _):
        n = jnp.linspace(window[0], window[1], points)
        load, found = branch(n)
        # Not rising counts as a fall: next to the end of the line the branch is narrower than
        # the spacing, and the points below it lie at load 0.
        falls = load[1:] <= load[:-1]
        best = jnp.where(jnp.any(falls), jnp.argmax(falls), points - 1)
        window = n[jnp.maximum(best - 1, 0)], n[jnp.minimum(best + 1, points - 1)]
        return window, Line(load[best], found.m[best], found.n[best], found.q[best])

    _, found = jax.lax.scan(zoom, (high, low), length=3)
    point = jax.tree.map(lambda a: a[-1], found)
    # Where nothing retrieves, the upper end is 0 up to rounding, and so would the load be noise.
    return point._replace(load=jnp.where(high > low, point.load, 0.0))


def _upper_end(model: Model, temperature: Array, entropy: Array) -> Array:
    """Overlap n of the retrieval solution at load 0."""
    import optimistix as optx

    def update(n, _):
        return model.moments(n, jnp.zeros(()), temperature, entropy).n

    solver = optx.FixedPointIteration(rtol=1e-12, atol=1e-12)
    return optx.fixed_point(update, solver, jnp.ones(()), max_steps=5000, throw=False).value


@functools.partial(jax.jit, static_argnums=0)
def _at_points(model: Model, temperature: Array, entropy: Array) -> Line:
    return jax.lax.map(lambda at: _at_point(model, *at), (temperature, entropy))


def _at_point(model: Model, temperature: Array, entropy: Array) -> Line:
    """Where the replicon passes 1 between the spinodal and the branch's end at load 0."""
    import optimistix as optx

    end = _spinodal_point(model, temperature, entropy)
    lowest = jnp.asarray(end.n)
    if model.frozen:
        return Line(jnp.zeros(()), end.m, end.n, end.q)

    top = _upper_end(model, temperature, entropy)

    def stability(n, _):
        load, found = _branch(model, n, temperature, entropy)
        return 1.0 - model.replicon(load, found)

    broken = stability(lowest, None) < 0
    bracket = {"lower": lowest, "upper": jnp.maximum(top, lowest)}
    root = optx.Bisection(rtol=1e-10, atol=1e-10, flip=False)
    n = optx.root_find(stability, root, lowest, options=bracket, max_steps=50, throw=False).value
    load, found = _branch(model, n, temperature, entropy)
    return Line(*(jnp.where(broken, a, jnp.nan) for a in (load, found.m, found.n, found.q)))
