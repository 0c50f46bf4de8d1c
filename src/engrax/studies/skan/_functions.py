"""C1 to C4 on formulas: the arms, one set for each shape of the net."""

import dataclasses
import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from engrax.core import Batch, State, Stream, System, observe, repeat, serial
from engrax.lab import Arm
from engrax.nn import KAN, MLP, SelectableKAN, bases, prune, select
from engrax.tasks import FunctionData, FunctionTask, function_suite

from ._config import Config
from ._learner import drawn, gated, learner, mean_squares, plain, pruned, selected

KINDS = (
    "single",
    "mixture",
    "full",
    "commit",
    "skan",
    "drawn",
    "random",
    "mlp",
    "mlp_k",
    "mlp_long",
)
"""What is run of every shape of net; `full`, `commit`, `skan` are the phases of one method, and
`drawn`, `random` its last two with families at random."""


class Group(NamedTuple):
    """Tasks that share the shape of their net and the number of points."""

    name: str
    widths: tuple[int, ...]
    tasks: tuple[FunctionTask, ...]


def groups(config: Config) -> tuple[Group, ...]:
    """The configured tasks, by their number of inputs."""
    every = (*function_suite("seven"), *function_suite("confirmation"))
    chosen = [task for task in every if task.name in config.tasks]
    if config.points is not None:
        chosen = [dataclasses.replace(task, train=config.points) for task in chosen]
    found = []
    for dims in sorted({task.dims for task in chosen}):
        hidden = (config.hidden, 2) if dims == 4 else (config.hidden,)
        tasks = tuple(task for task in chosen if task.dims == dims)
        found.append(Group(f"{dims}d", (dims, *hidden, 1), tasks))
    return tuple(found)


class Points(Stream):
    """The points of one of several tasks, drawn anew for every run."""

    task: Int[Array, ""]
    tasks: tuple[FunctionTask, ...] = eqx.field(static=True)

    def init(self, *, key: Key[Array, ""]) -> State:
        """All three parts."""
        return {"data": _sample(self.tasks, self.task, key)}

    def step(self, state: State, input: Array) -> tuple[State, Batch]:
        """All training points."""
        return state, Batch(state["data"].x, state["data"].y)

    def view(self, state: State, x: Array, task: Array | int = 0) -> Array:
        """Points as they are."""
        return x


@partial(jax.jit, static_argnums=0)
def _sample(tasks: tuple[FunctionTask, ...], task: Array, key: Array) -> FunctionData:
    branches = [lambda key, one=one: one.sample(key) for one in tasks]
    return jax.lax.switch(task, branches, key)


class Errors(eqx.Module):
    """A probe: root mean squared errors, in units of the training targets' deviation."""

    def __call__(self, system: Any, state: State, t: Array) -> dict[str, Array]:
        """The record of one tick."""
        data, one = state["stream"]["data"], system["learner"]

        def error(x: Array, y: Array) -> Array:
            return jnp.sqrt(((one.predict(state["learner"], x) - y) ** 2).mean())

        return {
            "validation_rmse": error(data.x_validation, data.y_validation),
            "test_rmse": error(data.x_test, data.y_test),
        }


def pool(config: Config) -> tuple[bases.Basis, ...]:
    """The families, with functions of unit size."""
    return tuple(bases.by_name(name, config.functions) for name in config.families)


def picked_kan(
    widths: tuple[int, ...],
    pool: tuple[bases.Basis, ...],
    family: Int[Array, ""],
    *,
    key: Key[Array, ""],
) -> KAN:
    """A net whose every input has a family that is data; all of them `family` at the start."""
    choices = [bases.Picked(pool, jnp.full(n, family)) for n in widths[:-1]]
    return KAN(widths, choices, key=key)


def kan_parameters(widths: tuple[int, ...], functions: int) -> int:
    """Parameters of a net with so many functions an edge, base weights and biases included."""
    pairs = itertools.pairwise(widths)
    return sum(i * o * (functions + 1) + o for i, o in pairs)


def mlp_widths(n_in: int, n_out: int, parameters: int) -> tuple[int, ...]:
    """Widths of an MLP of two nearly equal hidden layers, with about so many parameters."""

    def count(a: int, b: int) -> int:
        return (n_in + 1) * a + (a + 1) * b + (b + 1) * n_out

    top = 2 + int(parameters**0.5)
    pairs = [(a, b) for a in range(1, top) for b in range(max(1, a - 2), a + 3)]
    a, b = min(pairs, key=lambda pair: (abs(count(*pair) - parameters), abs(pair[0] - pair[1])))
    return (n_in, a, b, n_out)


def arms(config: Config) -> dict[str, Callable[[], Arm]]:
    """Name -> a call that builds the arm."""
    return {
        f"{kind}_{group.name}": partial(_arm, config, group, kind)
        for group in groups(config)
        for kind in KINDS
    }


def _arm(config: Config, group: Group, kind: str) -> Arm:
    if kind in ("single", "skan", "random"):
        return _picked(config, group, kind)
    if kind.startswith("mlp"):
        return _mlp(config, group, kind)
    return _pooled(config, group, kind)


def _steps(config: Config, share: float) -> int:
    return max(1, round(config.steps * share / config.tick)) * config.tick


def _made(config: Config, group: Group, one: Any, steps: int, **more: Any) -> Arm:
    """The arm of a learner: all tasks of the group in one grid, one record every `tick` steps."""
    stream = Points(jnp.int32(0), group.tasks)
    system: System = repeat(serial(stream=stream, learner=one), config.tick)
    grid = {"task": (_task, np.arange(len(group.tasks), dtype=np.int32)), **more.pop("grid", {})}
    coords = {
        "task": [task.name for task in group.tasks],
        "tick": config.tick * (1 + np.arange(steps // config.tick)),
        **more.pop("coords", {}),
    }
    # One length of chunk, so that all arms of a net share its program.
    ticks = steps // config.tick
    return Arm(observe(system, Errors()), ticks, grid=grid, coords=coords, chunk=1, **more)


def _task(system: Any) -> Any:
    return system["stream"].task


def _family(system: Any) -> Any:
    return system["learner"].build.args[2]


def _rate(system: Any) -> Any:
    return system["learner"].peak


def _soft(config: Config, group: Group, kind: str) -> Any:
    """The learner of the pool in one of its phases."""
    full, commit = _steps(config, config.full), _steps(config, config.commit)
    build = eqx.Partial(SelectableKAN, group.widths, pool(config))
    phases = {
        "mixture": {"steps": config.steps},
        "full": {"steps": full, "horizon": full + commit},
        "commit": {"steps": commit, "offset": full, "horizon": full + commit, "hard": True},
    }
    return learner(
        build,
        gated,
        mean_squares,
        peak=config.rate,
        floor=config.floor,
        temperature=config.temperature,
        entropy=config.entropy,
        **phases["commit" if kind == "drawn" else kind],
    )


def _pooled(config: Config, group: Group, kind: str) -> Arm:
    """Soft gates all along, soft gates for the first phase, or hard gates for the second."""
    one = _soft(config, group, kind)
    if kind in ("mixture", "full"):
        return _made(config, group, one, int(one.steps))
    soft = _soft(config, group, "full")
    choose = by_rms if kind == "commit" else drawn
    start = partial(selected, soft, choose)
    return _made(config, group, one, int(one.steps), needs=(f"full_{group.name}",), start=start)


def by_rms(model: Any, fresh: State, temperature: Array) -> Any:
    """The families that contribute most, judged on the training points."""
    return select(model, fresh["stream"]["data"].x, score="rms", temperature=temperature)


def _picked(config: Config, group: Group, kind: str) -> Arm:
    """Nets with one family a node: the same everywhere, selected, or drawn at random."""
    build = eqx.Partial(picked_kan, group.widths, pool(config), jnp.int32(0))
    if kind == "single":
        one = learner(
            build, plain, mean_squares, peak=config.rate, floor=config.floor, steps=config.steps
        )
        grid = {"family": (_family, np.arange(len(config.families), dtype=np.int32))}
        coords = {"family": list(config.families)}
        return _made(config, group, one, config.steps, grid=grid, coords=coords)
    steps = config.steps - _steps(config, config.full) - _steps(config, config.commit)
    one = learner(
        build, plain, mean_squares, peak=config.rate * config.fine, floor=config.floor, steps=steps
    )
    before = "commit" if kind == "skan" else "drawn"
    start = partial(pruned, _soft(config, group, "commit"), prune)
    measure = partial(edge_curves, one)
    needs = (f"{before}_{group.name}",)
    return _made(config, group, one, steps, needs=needs, start=start, measure=measure)


def edge_curves(one: Any, state: State) -> dict[str, np.ndarray]:
    """Picks of every layer, and the functions on its edges at 101 points."""
    arrays = jax.tree.map(jnp.asarray, state["learner"]["model"])
    model = one.model({"model": arrays})
    found = {}
    for level, layer in enumerate(model.layers, start=1):
        n_in = layer.coefficients.shape[-1]
        x = jnp.broadcast_to(jnp.linspace(-1, 1, 101)[:, None], (101, n_in))
        found[f"picks_{level}"] = np.asarray(layer.basis.picks)
        found[f"edges_{level}"] = np.asarray(_edges(layer, x)).transpose(1, 2, 0)
    return found


@eqx.filter_jit
def _edges(layer: Any, x: Array) -> Array:
    return layer.edges(x)


def _mlp(config: Config, group: Group, kind: str) -> Arm:
    """Tanh nets of two hidden layers: equal parameters, those of the whole pool, or more steps."""
    functions = config.functions * (len(config.families) if kind == "mlp_k" else 1)
    widths = mlp_widths(group.widths[0], 1, kan_parameters(group.widths, functions))
    long = kind == "mlp_long"
    steps = config.steps * (config.mlp_long if long else 1)
    one = learner(
        eqx.Partial(MLP, widths, jnp.tanh),
        plain,
        mean_squares,
        peak=config.mlp_rates[0],
        floor=config.floor,
        steps=steps,
    )
    rates = np.asarray(config.mlp_long_rates if long else config.mlp_rates, np.float32)
    return _made(config, group, one, steps, grid={"rate": (_rate, rates)})
