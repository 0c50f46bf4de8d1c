"""Trained edges as formulas: the known functions that they are, shifted and scaled."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._kan import KAN, KANLayer

_WIDE = np.concatenate([-np.geomspace(20, 0.1, 28), np.geomspace(0.1, 20, 28)])
_PLACES = np.linspace(-6, 6, 37)


class Candidate(NamedTuple):
    """A function that an edge may be: it is fitted as c g(a x + b) + d.

    **Fields:** `function` g, on NumPy arrays; not finite where it is not defined. `text`, how it is
    written, with `{}` for its argument. `rates`, `places`: values of a and b (for inputs of unit
    size) from which the fit sets out; a function without either is linear in all it has.
    """

    function: Callable[[np.ndarray], np.ndarray]
    text: str
    rates: np.ndarray = _WIDE
    places: np.ndarray = _PLACES


def _line(u: np.ndarray) -> np.ndarray:
    return u


def _gaussian(u: np.ndarray) -> np.ndarray:
    return np.exp(-(u**2))


_ONE, _ZERO = np.ones(1), np.zeros(1)
CANDIDATES: Mapping[str, Candidate] = MappingProxyType(
    {
        "x": Candidate(_line, "{}", _ONE, _ZERO),
        "x^2": Candidate(np.square, "({})^2", _ONE, np.linspace(-3, 3, 61)),
        "x^3": Candidate(lambda u: u**3, "({})^3", _ONE, np.linspace(-3, 3, 61)),
        "x^4": Candidate(lambda u: u**4, "({})^4", _ONE, np.linspace(-3, 3, 61)),
        "abs": Candidate(np.abs, "|{}|", _ONE, np.linspace(-1, 1, 81)),
        "exp": Candidate(np.exp, "exp({})", _WIDE, _ZERO),
        "sin": Candidate(np.sin, "sin({})", np.linspace(0.25, 40, 160), np.linspace(0, 3.2, 13)),
        "tanh": Candidate(np.tanh, "tanh({})", _WIDE[28:]),
        "gaussian": Candidate(_gaussian, "exp(-({})^2)", _WIDE[28:]),
        "sqrt": Candidate(np.sqrt, "sqrt({})", np.array([-1.0, 1.0]), np.geomspace(0.01, 30, 40)),
        "log": Candidate(np.log, "log({})", np.array([-1.0, 1.0]), np.geomspace(0.01, 30, 40)),
        "1/x": Candidate(lambda u: 1 / u, "1 / ({})", _ONE, np.linspace(-20, 20, 400)),
        "arctan": Candidate(np.arctan, "arctan({})", _WIDE[28:]),
        "1/(1+x^2)": Candidate(lambda u: 1 / (1 + u**2), "1 / (1 + ({})^2)", _WIDE[28:]),
    }
)
"""The library, simplest first: name -> candidate."""


class Reading(NamedTuple):
    """An edge as c g(a x + b) + d, and how much of its variance that explains.

    A constant edge is called "0", with c = 0 and r2 = 1.
    """

    name: str
    a: float
    b: float
    c: float
    d: float
    r2: float
    candidate: Candidate

    def __call__(self, x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """The formula at `x`; not a number where it is not defined."""
        if self.name == "0":
            return np.full_like(x, self.d, dtype=float)
        with np.errstate(all="ignore"):
            return self.c * self.candidate.function(self.a * x + self.b) + self.d

    def text(self, argument: str = "x", digits: int = 3) -> str:
        """The formula as people write it."""
        if self.name == "0":
            return f"{self.d:.{digits}g}"
        inner = f"{self.a:.{digits}g} {argument}"
        inner += f" {self.b:+.{digits}g}" if self.b else ""
        return f"{self.c:.{digits}g} {self.candidate.text.format(inner)} {self.d:+.{digits}g}"


def read_function(
    x: Float[np.ndarray, " points"],
    y: Float[np.ndarray, " points"],
    candidates: Mapping[str, Candidate] = CANDIDATES,
    *,
    tolerance: float = 1e-3,
) -> Reading:
    """The simplest candidate that explains y(x) nearly as well as the best one does.

    Each candidate is fitted as c g(a x + b) + d by least squares, from the best point of a grid
    of a and b. Of those whose R^2 comes within `tolerance` of the largest, the first of
    `candidates` is taken. A candidate that is not finite at all points does not count.

    Raises:
        ValueError: fewer than 8 points, values that are not finite, x that are all the same, or no
            candidate that is defined.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) < 8 or not (np.isfinite(x).all() and np.isfinite(y).all()) or np.ptp(x) == 0:
        raise ValueError(
            f"read_function got {len(x)} points; expected at least 8 finite ones, with x that "
            "differ."
        )
    if y.std() <= 1e-6 * max(1.0, float(np.abs(y).max())):
        return Reading("0", 0.0, 0.0, 0.0, float(y.mean()), 1.0, CANDIDATES["x"])
    fits = {name: _fitted(name, candidate, x, y) for name, candidate in candidates.items()}
    found = [fit for fit in fits.values() if fit is not None]
    if not found:
        raise ValueError("no candidate is defined at all points; give one that is, such as 'x'.")
    best = max(fit.r2 for fit in found)
    return next(fit for fit in found if fit.r2 >= best - tolerance)


def _fitted(name: str, candidate: Candidate, x: np.ndarray, y: np.ndarray) -> Reading | None:
    middle, size = x.mean(), np.abs(x - x.mean()).max()
    u = (x - middle) / size
    start = _best_start(candidate, u, y)
    if start is None:
        return None
    a, b = start
    if len(candidate.rates) + len(candidate.places) > 2:
        a, b = _polished(candidate, u, y, a, b)
    c, d, r2 = (float(part[0]) for part in _linear(candidate, u, y, np.array([a]), np.array([b])))
    if not np.isfinite(r2):
        return None
    return Reading(name, a / size, b - a * middle / size, c, d, r2, candidate)


def _best_start(candidate: Candidate, u: np.ndarray, y: np.ndarray) -> tuple[float, float] | None:
    rates, places = (grid.ravel() for grid in np.meshgrid(candidate.rates, candidate.places))
    r2 = _linear(candidate, u, y, rates, places)[2]
    if not np.isfinite(r2).any():
        return None
    best = int(np.nanargmax(np.where(np.isfinite(r2), r2, -np.inf)))
    return float(rates[best]), float(places[best])


def _linear(
    candidate: Candidate, u: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every pair (a, b): the best c and d, and R^2; NaN where g is not finite or constant."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        g = candidate.function(a[:, None] * u + b[:, None])
        g = np.where(np.isfinite(g).all(1, keepdims=True) & (np.abs(g) < 1e12), g, np.nan)
        centered, target = g - g.mean(1, keepdims=True), y - y.mean()
        variance = (centered**2).mean(1)
        variance = np.where(variance > 1e-12, variance, np.nan)
        c = (centered @ target) / len(y) / variance
        left = ((target - c[:, None] * centered) ** 2).mean(1)
    return c, y.mean() - c * g.mean(1), 1 - left / (target**2).mean()


def _polished(
    candidate: Candidate, u: np.ndarray, y: np.ndarray, a: float, b: float
) -> tuple[float, float]:
    """The local optimum of (a, b), with c and d solved for."""
    from scipy import optimize  # 0.1 s, and only here

    def lost(pair: np.ndarray) -> float:
        r2 = _linear(candidate, u, y, pair[:1], pair[1:])[2][0]
        return 1 - float(r2) if np.isfinite(r2) else 2.0

    found = optimize.minimize(
        lost, np.array([a, b]), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-12}
    )
    a, b = found.x if found.fun <= lost(np.array([a, b])) else (a, b)
    return float(a), float(b)


def read_edge(
    layer: KANLayer,
    output: int,
    input: int,
    x: Float[Array, " points"] | None = None,
    candidates: Mapping[str, Candidate] = CANDIDATES,
    *,
    tolerance: float = 1e-3,
) -> Reading:
    """The function on one edge, read at the inputs `x` it sees: by default, over the domain.

    Raises:
        ValueError: no such edge, or points that `read_function` refuses.
    """
    n_out, _, n_in = layer.coefficients.shape
    if not (0 <= output < n_out and 0 <= input < n_in):
        raise ValueError(
            f"read_edge got output {output} and input {input} of a layer with {n_out} outputs and "
            f"{n_in} inputs; count from 0."
        )
    if x is None:
        x = jnp.linspace(*layer.basis.domain, 201)
    x = jnp.asarray(x)
    values = layer.edges(jnp.broadcast_to(x[:, None], (len(x), n_in)))[:, output, input]
    return read_function(np.asarray(x), np.asarray(values), candidates, tolerance=tolerance)


class SymbolicKAN(NamedTuple):
    """A whole net, edge by edge: `edges[layer][output][input]`, and the biases of each layer."""

    edges: tuple[tuple[tuple[Reading, ...], ...], ...]
    biases: tuple[np.ndarray, ...]
    squash: Callable[[Array], Array]

    def __call__(self, x: Float[np.ndarray, "batch in"]) -> Float[np.ndarray, "batch out"]:
        """What the formulas compute."""
        for level, (layer, bias) in enumerate(zip(self.edges, self.biases, strict=True)):
            x = np.asarray(self.squash(jnp.asarray(x, jnp.float32)), float) if level else x
            x = np.stack([sum(edge(x[:, i]) for i, edge in enumerate(row)) for row in layer], 1)
            x = x + bias
        return x

    def texts(self, names: Sequence[str] | None = None, digits: int = 3) -> list[str]:
        """One formula an output, in the inputs' names (x1, x2, ..)."""
        names = names or [f"x{i + 1}" for i in range(len(self.edges[0][0]))]
        for level, (layer, bias) in enumerate(zip(self.edges, self.biases, strict=True)):
            arguments = [f"tanh({name})" for name in names] if level else names
            names = [
                " + ".join(edge.text(arguments[i], digits) for i, edge in enumerate(row))
                + f" {bias[j]:+.{digits}g}"
                for j, row in enumerate(layer)
            ]
        return list(names)


def read_kan(
    model: KAN,
    x: Float[Array, "batch in"] | Float[np.ndarray, "batch in"],
    candidates: Mapping[str, Candidate] = CANDIDATES,
    *,
    tolerance: float = 1e-3,
) -> SymbolicKAN:
    """Every edge of a small net, read at the inputs that it sees when the net is given `x`.

    At most 200 examples are looked at; an edge takes about a tenth of a second.

    Raises:
        ValueError: a layer whose outputs or edges have families of their own, or points that
            `read_function` refuses.
    """
    layers, biases = [], []
    for layer, seen in zip(
        model.layers, model.inputs(jnp.asarray(x[:200], jnp.float32)), strict=True
    ):
        if not isinstance(layer, KANLayer):
            raise ValueError(
                "read_kan reads layers with one basis for all outputs; choose families by node_in "
                "or by layer."
            )
        values, inputs = np.asarray(layer.edges(seen)), np.asarray(seen)
        layers.append(
            tuple(
                tuple(
                    read_function(inputs[:, i], values[:, j, i], candidates, tolerance=tolerance)
                    for i in range(values.shape[2])
                )
                for j in range(values.shape[1])
            )
        )
        bias = np.zeros(values.shape[1]) if layer.bias is None else np.asarray(layer.bias, float)
        biases.append(bias)
    return SymbolicKAN(tuple(layers), tuple(biases), model.squash)
