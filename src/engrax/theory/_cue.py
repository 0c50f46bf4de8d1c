"""How many patterns a network may hold so that a damaged cue still finds its own."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.special import erf

from ._kernel import Interactions
from ._lines import _branch, retrieval_spinodal
from ._mean_field import Model, Number
from ._precision import in_float64

_POINTS = 65
"""Of the branch between the cue and the spinodal."""
_STEPS, _HALVINGS = 300, 40
"""Of the dynamics of pairs, and of the search for the load."""


def cue_load(
    order: int,
    overlap: Number,
    temperature: Number = 0.0,
    interactions: Interactions = "distinct",
) -> Float[np.ndarray, "*batch"]:
    """Largest load at which a cue of this overlap with its pattern is retrieved, in float64.

    It is at most that of the retrieval spinodal, and for a cue below the retrieval state

    - of order 3 and more, the load at which the cue is the mean-field solution of lower overlap,
      a maximum of the free energy, which parts what flows to the retrieval state from what does
      not;
    - of pairs, the load at which the dynamics at T = 0 still reach it in the theory of Amari and
      Maginu (1988): ``m' = erf(m / sqrt(2 v))``, ``v' = alpha + chi^2 v + 2 alpha chi m m'`` with
      ``chi = sqrt(2 / (pi v)) exp(-m^2 / 2 v)``. (The equilibrium criterion is far too strict for
      pairs, whose noise is not yet correlated with a cue.)

    Both are estimates, for random patterns and many spins.

    `overlap` is 1 - 2 p where a share p of the bits is flipped. Units, `temperature` and errors as
    in `retrieval_spinodal`; raises ValueError for an overlap outside [0, 1].
    """
    cue, heat = np.broadcast_arrays(np.asarray(overlap, float), np.asarray(temperature, float))
    if np.any((cue < 0) | (cue > 1)):
        raise ValueError(
            "cue_load was given an overlap outside [0, 1], expected 1 - 2 p for a share p of "
            "flipped bits, p at most one half."
        )
    end = retrieval_spinodal(order, heat, 0.0, interactions)
    if order == 2:
        return np.asarray(np.minimum(end.load, _pair_load(cue)))
    load = np.array(end.load, float)
    for place in np.ndindex(load.shape):
        if load[place] > 0 and cue[place] < end.n[place]:
            points = (float(a[place]) for a in (cue, np.asarray(end.n), heat))
            load[place] = _lowest(order, interactions, *points)
    return load


def _pair_load(cue: np.ndarray) -> Number:
    """Bisection of the load between none and one at which no cue is retrieved."""
    low, high = np.zeros(cue.shape), np.full(cue.shape, 0.2)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        good = _settled(middle, cue) > 0.9
        low, high = np.where(good, middle, low), np.where(good, high, middle)
    return low


def _settled(load: Number, cue: np.ndarray) -> Number:
    """Overlap after parallel steps at T = 0."""
    m, v = np.asarray(cue), np.maximum(load, 1e-300)
    for _ in range(_STEPS):
        moved = erf(m / np.sqrt(2 * v))
        chi = np.sqrt(2 / (np.pi * v)) * np.exp(-(m**2) / (2 * v))
        m, v = moved, load + chi**2 * v + 2 * load * chi * m * moved
    return m


@in_float64
def _lowest(order: int, interactions: Interactions, cue: float, end: float, heat: float) -> Array:
    model = Model(order, interactions, None, None).at(np.array([heat]))
    return _scanned(model, jnp.asarray(cue), jnp.asarray(end), jnp.asarray(heat))


@functools.partial(jax.jit, static_argnums=0)
def _scanned(model: Model, cue: Array, end: Array, heat: Array) -> Array:
    """The lowest load between cue and spinodal: at small overlaps another branch may rise."""
    n = jnp.linspace(cue, end, _POINTS)
    loads = jax.vmap(lambda n: _branch(model, jnp.maximum(n, 1e-6), heat, jnp.zeros(()))[0])(n)
    return jnp.min(loads)
