"""Combinators: few, and lawful (associative, with a unit)."""

from collections.abc import Callable, Mapping
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from ._mesh import spread
from ._system import Batch, State, System, named

Record = Mapping[str, Array]


@final
class Serial(System):
    """Parts in a row: each reads the output of the one before, within the same tick."""

    # A dict field would come back from a flattening sorted by name, so names and parts are tuples.
    names: tuple[str, ...] = eqx.field(static=True)
    parts: tuple[System, ...]

    def __getitem__(self, name: str) -> System:
        if name not in self.names:
            raise KeyError(f"no part is called {name!r}; the parts are {', '.join(self.names)}")
        return self.parts[self.names.index(name)]

    def init(self, *, key: Key[Array, ""]) -> dict[str, State]:
        return {n: p.init(key=named(key, n)) for n, p in zip(self.names, self.parts, strict=True)}

    def step(self, state: dict[str, State], input: Any) -> tuple[dict[str, State], Any]:
        new = {}
        for name, part in zip(self.names, self.parts, strict=True):
            new[name], input = part.step(state[name], input)
            input = spread(input) if isinstance(input, Batch) else input
        return new, input


def serial(**parts: System) -> Serial:
    """The parts in the order given; the state is a dict by their names.

    `serial(stream=..., learner=...)` is the body of a training run. `serial()` is the unit: it
    hands its input on. Bracketing changes the nesting of the state, never what a step computes.
    """
    return Serial(tuple(parts), tuple(parts.values()))


def mean_over_steps(outputs: Array) -> Array:
    """The mean over the leading axis, in which the steps of a `repeat` are stacked."""
    return outputs.mean(0)


@final
class Repeat(System):
    """Many steps of the inner system as one."""

    inner: System
    times: int = eqx.field(static=True)
    reduce: Callable[[Array], Array]

    def __check_init__(self) -> None:
        if self.times < 1:
            raise ValueError(f"repeat needs times >= 1, got {self.times}")

    def __getitem__(self, name: str) -> System:
        return self.inner[name]

    def init(self, *, key: Key[Array, ""]) -> State:
        return self.inner.init(key=key)

    def step(self, state: State, input: Array) -> tuple[State, Any]:
        clock = input * self.times + jnp.arange(self.times, dtype=jnp.int32)
        # The lambda: a bound method of a Module is unhashable, and `scan` hashes its body.
        state, outputs = jax.lax.scan(lambda s, t: self.inner.step(s, t), state, clock)
        return state, jax.tree.map(self.reduce, outputs)


def repeat(inner: System, times: int, *, reduce: Callable = mean_over_steps) -> Repeat:
    """`times` steps of `inner` as one: tick `t` runs its clock from `t*times` on.

    **Arguments:** `reduce`: what to keep of the outputs, stacked over the steps in the leading
    axis (their mean, unless told otherwise).

    **Raises:** `ValueError` where `times` is below 1.
    """
    return Repeat(inner, times, reduce)


@final
class Then(System):
    """The inner system, then a hook that may change its state."""

    inner: System
    hook: Callable[[System, State, Array], tuple[State, Record]]

    def __getitem__(self, name: str) -> System:
        return self.inner[name]

    def init(self, *, key: Key[Array, ""]) -> State:
        return self.inner.init(key=key)

    def step(self, state: State, input: Array) -> tuple[State, dict[str, Array]]:
        state, record = self.inner.step(state, input)
        state, more = self.hook(self.inner, state, input)
        return state, _merged(record, more)


def then(inner: System, hook: Callable[[System, State, Array], tuple[State, Record]]) -> Then:
    """After each tick of `inner`, `hook(system, state, t) -> (state, record)`.

    The end of a task (merge a subspace, estimate a Fisher matrix, unmask a head) is such a hook.
    Let it be an `eqx.Module`, not a closure: equal modules share one compiled program.
    """
    return Then(inner, hook)


@final
class Observe(System):
    """The inner system, with measurements of its state added to the record."""

    inner: System
    probe: Callable[[System, State, Array], Record]
    before: bool = eqx.field(static=True)

    def __getitem__(self, name: str) -> System:
        return self.inner[name]

    def init(self, *, key: Key[Array, ""]) -> State:
        return self.inner.init(key=key)

    def step(self, state: State, input: Array) -> tuple[State, dict[str, Array]]:
        moved, record = self.inner.step(state, input)
        seen = self.probe(self.inner, state if self.before else moved, input)
        return moved, _merged(record, seen)


def observe(
    inner: System, probe: Callable[[System, State, Array], Record], *, before: bool = False
) -> Observe:
    """Adds `probe(system, state, t) -> record` to the record of each tick of `inner`.

    **Arguments:** `before`: measure the state that the tick starts from, not the one it leaves
    (so that tick 0 measures the untrained system).
    """
    return Observe(inner, probe, before)


def _merged(record: Record, more: Record) -> dict[str, Array]:
    if twice := sorted(set(record) & set(more)):
        raise ValueError(f"two parts record under the same name: {', '.join(twice)}; rename one")
    return {**record, **more}
