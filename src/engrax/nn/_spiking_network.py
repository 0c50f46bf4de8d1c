"""Layers of spiking neurons, one matrix product a layer for a whole stretch of time."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from engrax.core import named
from engrax.spiking import DSRLIF, LIF

from ._dense import dense
from ._initializers import uniform_fan_in

Neuron = LIF | DSRLIF
Projection = Callable[[Array], Array]
"""What takes the place of a presynaptic trace (..., n) in a weight's gradient."""


class SpikingLayer(eqx.Module):
    """Weights, and the neurons they drive; without neurons it is a linear readout.

    `recurrent` feeds the spikes of one step into the currents of the next.
    """

    weight: Float[Array, "out in"]
    bias: Float[Array, " out"] | None
    recurrent: Float[Array, "out out"] | None
    neuron: Any  # LIF, DSRLIF, or another cell with init_state, step and unroll; None: linear

    def currents(
        self,
        x: Float[Array, "*batch in"],
        *,
        trace: Float[Array, "*batch in"] | None = None,
        feedback: Float[Array, "out in"] | None = None,
    ) -> Float[Array, "*batch out"]:
        """`x W^T + b`; `trace` and `feedback` change what differentiation sees, as in `dense`."""
        return dense(x, self.weight, self.bias, trace=trace, feedback=feedback)

    def init_state(self, batch: tuple[int, ...]) -> Any:
        """The state at rest: membranes, and the last spikes where there are recurrent weights."""
        if self.neuron is None:
            return None
        shape = (*batch, self.weight.shape[0])
        rest = self.neuron.init_state(shape)
        return rest if self.recurrent is None else (rest, jnp.zeros(shape))

    def unroll(
        self, state: Any, currents: Float[Array, "time *batch out"]
    ) -> tuple[Any, Float[Array, "time *batch out"]]:
        """The last state, and the outputs, for these currents from outside the layer."""
        if self.neuron is None:
            return state, currents
        if isinstance(self.neuron, DSRLIF):
            return state, self.neuron.run(currents)
        if self.recurrent is None:
            return self.neuron.unroll(state, currents)

        loop = self.recurrent

        def step(state: tuple[Any, Array], current: Array) -> tuple[tuple[Any, Array], Array]:
            inner, spikes = state
            inner, spikes = self.neuron.step(inner, current + spikes @ loop.T)
            return (inner, spikes), spikes

        return jax.lax.scan(step, state, currents)


class SpikingNetwork(eqx.Module):
    """Spiking layers in a row, run for `steps` steps of time; the last layer is linear.

    `layers` are the widths (d_0, ..., d_L); every hidden layer gets a copy of `neuron` (a `LIF` or
    `DSRLIF`). Weights come from `init(key, shape, fan_in)`, by default uniform in
    +- 1/sqrt(fan_in), also the recurrent ones that hidden layers have with `recurrent=True`. With
    `spiking_output` the last layer spikes, too. Layers of any kind are joined by `of`.

    All steps of a layer go through one matrix product; only the neurons are scanned over time. For
    an input that does not change, the first layer's current is computed once.

    Raises ValueError for fewer than two widths, widths below 1, steps below 1, and for a `DSRLIF`
    of another number of steps or with recurrent weights (its rates have no recurrence).
    """

    layers: tuple[SpikingLayer, ...]
    steps: int = eqx.field(static=True)

    def __init__(
        self,
        layers: Sequence[int],
        neuron: Neuron,
        steps: int,
        *,
        bias: bool = False,
        recurrent: bool = False,
        spiking_output: bool = False,
        init: Callable[[Key[Array, ""], tuple[int, ...], int], Array] = uniform_fan_in,
        key: Key[Array, ""],
    ):
        if len(layers) < 2 or min(layers) < 1:
            raise ValueError(
                f"SpikingNetwork got layers={tuple(layers)}; expected input and output widths and "
                "any hidden ones between them, all positive."
            )
        depth = len(layers) - 1
        made = []
        for level, (d_in, d_out) in enumerate(itertools.pairwise(layers), start=1):
            spikes = level < depth or spiking_output
            own = named(key, f"layer{level}")
            loop = init(named(own, "recurrent"), (d_out, d_out), d_out)
            made.append(
                SpikingLayer(
                    init(own, (d_out, d_in), d_in),
                    jnp.zeros(d_out) if bias else None,
                    loop if recurrent and spikes else None,
                    neuron if spikes else None,
                )
            )
        self.layers = tuple(made)
        self.steps = steps
        self._check()

    @classmethod
    def of(cls, layers: Sequence[SpikingLayer], steps: int) -> "SpikingNetwork":
        """The network of these layers."""
        network = object.__new__(cls)
        object.__setattr__(network, "layers", tuple(layers))
        object.__setattr__(network, "steps", steps)
        network._check()
        return network

    def _check(self) -> None:
        if self.steps < 1:
            raise ValueError(f"SpikingNetwork got steps={self.steps}; expected 1 or more.")
        for below, above in itertools.pairwise(self.layers):
            if below.weight.shape[0] != above.weight.shape[1]:
                raise ValueError(
                    f"SpikingNetwork got a layer of {below.weight.shape[0]} outputs under one of "
                    f"{above.weight.shape[1]} inputs; make them equal."
                )
        for layer in self.layers:
            if isinstance(layer.neuron, DSRLIF) and layer.neuron.steps != self.steps:
                raise ValueError(
                    f"SpikingNetwork of {self.steps} steps got a DSRLIF of {layer.neuron.steps}; "
                    "give both the same number."
                )
            if isinstance(layer.neuron, DSRLIF) and layer.recurrent is not None:
                raise ValueError("DSRLIF layers take no recurrent weights; use LIF for those.")

    def __call__(self, x: Float[Array, "*batch in"]) -> Float[Array, "time *batch out"]:
        """The outputs over `steps` steps of an input that stays the same."""
        return self.activities(x)[-1]

    def run(
        self, x: Float[Array, "time *batch in"], *, segment: int | None = None
    ) -> Float[Array, "time *batch out"]:
        """The outputs for an input that changes at every step.

        With `segment`, differentiation keeps the membranes at the end of every `segment` steps
        and computes what lies between again: memory T / segment + segment in place of T.
        Raises ValueError if the steps do not divide into segments.
        """
        self._check_input(x, static=False)
        if segment is None:
            return self.activities(x, static=False)[-1]
        if segment < 1 or x.shape[0] % segment:
            raise ValueError(
                f"{x.shape[0]} steps do not divide into segments of {segment}; choose a divisor."
            )

        @jax.checkpoint
        def some(states: tuple[Any, ...], x: Array) -> tuple[tuple[Any, ...], Array]:
            ends = []
            for layer, state in zip(self.layers, states, strict=True):
                end, x = layer.unroll(state, layer.currents(x))
                ends.append(end)
            return tuple(ends), x

        rest = tuple(layer.init_state(x.shape[1:-1]) for layer in self.layers)
        _, out = jax.lax.scan(some, rest, x.reshape(-1, segment, *x.shape[1:]))
        return out.reshape(-1, *out.shape[2:])

    def activities(
        self,
        x: Float[Array, "*batch in"],
        *,
        static: bool = True,
        feedback: Sequence[Float[Array, "_ _"] | None] | None = None,
        projections: Sequence[Projection | None] | None = None,
    ) -> list[Array]:
        """What each layer sends up, the input first; all but a static input are (time, ...).

        Errors go down through `feedback`, one matrix a layer. `projections` hold one function a
        layer: the weight gradient pairs errors with `projection(input)` in place of the input
        (at every step); the outputs stay as they are.
        """
        self._check_input(x, static=static)
        activities = [x]
        for level, layer in enumerate(self.layers):
            below = activities[-1]
            project = None if projections is None else projections[level]
            down = None if feedback is None else feedback[level]
            trace = None if project is None else jax.lax.stop_gradient(project(below))
            currents = layer.currents(below, trace=trace, feedback=down)
            if static and level == 0:
                currents = jnp.broadcast_to(currents, (self.steps, *currents.shape))
            _, out = layer.unroll(layer.init_state(currents.shape[1:-1]), currents)
            activities.append(out)
        return activities

    def _check_input(self, x: Array, *, static: bool) -> None:
        wanted = self.layers[0].weight.shape[1]
        if x.ndim < (1 if static else 2) or x.shape[-1] != wanted:
            form = "(..., inputs)" if static else "(time, ..., inputs)"
            raise ValueError(
                f"SpikingNetwork of {wanted} inputs got an array of shape {x.shape}; expected "
                f"{form}."
            )
        if not static and x.shape[0] != self.steps and self._has_rates():
            raise ValueError(
                f"SpikingNetwork of {self.steps} steps got {x.shape[0]} steps of input; the "
                "leading axis is time, in steps."
            )

    def _has_rates(self) -> bool:
        return any(isinstance(layer.neuron, DSRLIF) for layer in self.layers)
