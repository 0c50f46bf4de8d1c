"""The runner: any system, many seeds and a grid of fields, in one compiled program."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Key, PyTree

from ._mesh import DATA, over, placed, whole
from ._system import State, System, is_key

Grid = Mapping[str, tuple[Callable[[Any], PyTree], Any]]
"""Axis name -> (`where(system) -> ` the field or fields it varies, their values)."""

Placement = Literal["map", "vmap"]


class Simulation(NamedTuple):
    """What `simulate` returns.

    **Fields:**

    - `state`: the final states; every leaf has a leading axis of runs (seeds x grid, seed-major).
    - `records`: name -> array (seed, *grid, tick, ...).
    - `diverged`: (seed, *grid), the first tick at which a record, or the state at the end of a
      chunk, was not finite; -1 where that never happened.
    """

    state: State
    records: dict[str, np.ndarray]
    diverged: np.ndarray


@runtime_checkable
class Checkpoints(Protocol):
    """Where `simulate` leaves what it has, and finds it again."""

    def restore(self, like: Callable[[], PyTree]) -> tuple[int, PyTree] | None:
        """The last tick kept and what was kept then, in the form of `like()`; `None` if nothing.

        The form is asked for only where something was kept, since it takes time to find.
        """
        ...

    def save(self, tick: int, kept: PyTree, *, last: bool) -> None:
        """Offers what there is after `tick`; `last` where the run ends or stops here."""
        ...


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The run was asked to stop, and has kept all it had."""


def simulate(
    system: System,
    ticks: int,
    *,
    key: Key[Array, ""],
    seeds: int | Sequence[int] = 8,
    grid: Grid | None = None,
    start: Callable[[State, np.ndarray], State] | None = None,
    placement: Placement | None = None,
    chunk: int | None = None,
    checkpoints: Checkpoints | None = None,
    progress: Callable[[int], None] | None = None,
    stop: Callable[[], bool] | None = None,
    mesh: Mesh | None = None,
) -> Simulation:
    """Runs `system` for `ticks` ticks, once a seed and cell of the grid, all in one program.

    Seed `i` runs under `fold_in(key, i)`: under placement `map` its bits depend neither on the
    other seeds, nor on the length of a chunk, nor on the number of devices.

    **Arguments:**

    - `seeds`: their number, or the seeds themselves.
    - `grid`: axis name -> (where, values). `where(system)` is an array field, or a tuple of them;
      cell `j` of the axis gives each of them `values[j]`, or, where `values` is a tuple of arrays,
      one for each field, its own. Axes multiply. `init` sees the values too.
    - `start`: `start(fresh, run) -> ` the states to start from; all leaves have a leading axis, and
      row `i` belongs to run `run[i]` (a run may fill several rows).
    - `placement`: `"map"` runs one run after another on each device, `"vmap"` all at once. On a
      CPU `map` is faster for all but the smallest systems; it is the default there.
    - `chunk`: ticks a call; progress, checkpoints and stopping happen between chunks.
    - `mesh`: of `data_mesh`; each run has all its devices, over which the examples of its batches
      are spread, and the runs go one after another. Without one the runs are spread over the
      devices.
    - `checkpoints`, `progress`, `stop`: what to do between chunks; `progress` gets the tick.

    **Raises:** `ValueError` where `seeds`, `ticks` or the grid make no sense, where a record is no
    flat dict of arrays, and where the state changes its shape in a step; `Stopped`.
    """
    ids = _seed_ids(seeds)
    if ticks < 1:
        raise ValueError(f"ticks must be at least 1, got {ticks}")
    placement = placement or (default_placement() if mesh is None else "map")
    if placement not in ("map", "vmap"):
        raise ValueError(f"placement is 'map' or 'vmap', got {placement!r}")
    sweep = _Sweep.of(system, grid or {})
    runs = len(ids) * math.prod(sweep.shape)
    devices = mesh or _mesh(runs)
    # The first run once more, as often as it takes for every device to get as many runs.
    run = np.append(np.arange(runs), np.zeros(0 if mesh else -runs % devices.size, int))
    seed, cell = np.divmod(run, math.prod(sweep.shape))
    keys = jax.vmap(jr.fold_in, (None, 0))(key, ids[seed])
    values = [jnp.asarray(v[cell]) for v in sweep.values]

    def fresh() -> State:
        # Eager, not compiled: the small programs of its random calls are shared by all systems.
        made = jax.vmap(lambda k, v: _substituted(system, sweep.spots, v).init(key=k))(keys, values)
        return start(made, run) if start else made

    def blank(state: State) -> tuple[dict[str, np.ndarray], np.ndarray]:
        emitted = emitted_shapes(system, state, devices)
        records = {k: np.zeros((runs, ticks, *v.shape), v.dtype) for k, v in emitted.items()}
        return records, np.full(runs, -1, np.int64)

    def like() -> PyTree:  # what was kept need not be drawn for its shapes
        state = jax.eval_shape(fresh)
        mine = jax.tree.map(lambda a: jax.ShapeDtypeStruct((runs, *a.shape[1:]), a.dtype), state)
        return (mine, *blank(state))

    if checkpoints and (kept := checkpoints.restore(like)):
        done, (state, records, diverged) = kept
        state = jax.tree.map(lambda a: a[run], state)
    else:
        done, state = 0, fresh()
        records, diverged = blank(state)

    split = () if mesh else ("run",)
    replicated, spread = (NamedSharding(devices, PartitionSpec(*s)) for s in ((), split))
    # A copy: the state is donated, and what the caller passed in is the caller's.
    state, values = placed(state, spread, copy=True), placed(values, spread)
    arrays, static = parted(system)
    arrays = placed(arrays, replicated)
    chunk = chunk or chunk_length(ticks)
    while done < ticks:
        length = min(chunk, ticks - done)
        clock = placed(np.int32(done), replicated)
        with over(mesh):
            state, out, finite = _advance(
                (arrays, clock, values), state, static, sweep.spots, length, placement, devices
            )
        out, finite = jax.device_get((out, finite))
        for name, record in out.items():
            records[name][:, done : done + length] = record[:runs]
        diverged = _first_divergence(diverged, out, finite[:runs], done)
        done += length
        stopping = done < ticks and stop is not None and stop()
        if checkpoints:
            mine = _fetched(state, runs) if len(run) > runs else state
            kept = (mine, records, diverged)
            checkpoints.save(done, kept, last=done == ticks or stopping)
        if progress:
            progress(done)
        if stopping:
            raise Stopped(f"stopped after tick {done} of {ticks}")
    shape = (len(ids), *sweep.shape)
    return Simulation(
        _fetched(state, runs),
        {k: r.reshape(*shape, *r.shape[1:]) for k, r in records.items()},
        diverged.reshape(shape),
    )


def default_placement() -> Placement:
    """Runs go one by one on each device of a CPU, and all at once on anything else."""
    return "map" if jax.default_backend() == "cpu" else "vmap"


def chunk_length(ticks: int, chunks: int = 20) -> int:
    """A length that cuts `ticks` into about as many chunks as asked, evenly if it can.

    An uneven cut costs one more compilation, so a divisor is taken where one lies near.
    """
    aim = max(1, ticks // chunks)
    near = [n for n in range(aim, min(2 * aim, ticks) + 1) if ticks % n == 0]
    return near[0] if near else aim


def axis_values(values: Any) -> list[np.ndarray]:
    """The values of a grid axis, one array a field: a tuple of arrays, or the same for each."""
    if isinstance(values, tuple) and np.ndim(values[0]) > 0:
        return [np.asarray(v) for v in values]
    return [np.asarray(values)]


class _Sweep(NamedTuple):
    """Where in the flattened system the swept fields stand, and their values in every cell."""

    spots: tuple[int, ...]
    values: list[np.ndarray]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, system: System, grid: Grid) -> "_Sweep":
        leaves, tree = jax.tree.flatten(system)
        spots, columns, lengths = [], [], []
        for name, (where, values) in grid.items():
            chosen = jax.tree.leaves(where(tree.unflatten(range(len(leaves)))))
            given = axis_values(values)
            given = given * len(chosen) if len(given) == 1 else given
            for spot, value in zip(chosen, given, strict=True):
                _check_values(name, leaves[spot], value, given[0].shape[:1])
                columns.append((len(lengths), value.astype(leaves[spot].dtype)))
                spots.append(spot)
            lengths.append(len(given[0]))
        cell = np.array(list(itertools.product(*map(range, lengths))), int)
        values = [column[cell[:, axis]] for axis, column in columns]
        return cls(tuple(spots), values, tuple(lengths))


def _check_values(name: str, leaf: Any, values: np.ndarray, length: tuple[int, ...]) -> None:
    if not eqx.is_array(leaf):
        raise ValueError(
            f"grid axis {name!r} varies {leaf!r}, which is no array; make the field an array"
        )
    if length in ((), (0,)) or values.shape != (*length, *leaf.shape):
        raise ValueError(
            f"grid axis {name!r} has values of shape {values.shape} for a field of shape "
            f"{leaf.shape}; give shape (cells, {', '.join(map(str, leaf.shape))})"
        )


def _substituted(system: System, spots: tuple[int, ...], values: list[Array]) -> System:
    leaves, tree = jax.tree.flatten(system)
    for spot, value in zip(spots, values, strict=True):
        leaves[spot] = value
    return tree.unflatten(leaves)


Static = tuple[tuple[Any, ...], Any]
"""What is no array in a system: leaves and structure, which can be hashed."""


def parted(system: System) -> tuple[PyTree, Static]:
    """The arrays of a system, and the rest of it."""
    arrays, static = eqx.partition(system, eqx.is_array)
    leaves, tree = jax.tree.flatten(static)
    return arrays, (tuple(leaves), tree)


def joined(arrays: PyTree, static: Static) -> System:
    """The system that was parted."""
    leaves, tree = static
    return eqx.combine(arrays, tree.unflatten(leaves))


@partial(jax.jit, static_argnums=0)
def _tick(static: Static, arrays: PyTree, state: State, clock: Array) -> tuple[State, Any]:
    """One tick of one run. Compiled, so that what is traced for its shapes is not traced again."""
    return joined(arrays, static).step(state, clock)


@partial(jax.jit, static_argnums=(2, 3, 4, 5, 6), donate_argnums=1)
def _advance(
    kept: tuple[PyTree, Array, list[Array]],
    state: State,
    static: Static,
    spots: tuple[int, ...],
    ticks: int,
    placement: Placement,
    mesh: Mesh,
) -> tuple[State, dict[str, Array], Array]:
    """A chunk of ticks for every run: new states, records (run, tick, ...), finite (run,)."""

    def block(arrays: PyTree, begin: Array, values: list[Array], state: State) -> Any:
        system = joined(arrays, static)

        def one(run: tuple[State, list[Array]]) -> tuple[State, dict[str, Array], Array]:
            mine, _ = parted(_substituted(system, spots, run[1]))
            clock = begin + jnp.arange(ticks, dtype=jnp.int32)
            last, out = jax.lax.scan(lambda s, t: _tick(static, mine, s, t), run[0], clock)
            return last, out, _finite(last)

        if placement == "vmap":
            return jax.vmap(one)((state, values))
        return jax.lax.map(one, (state, values))

    if DATA in mesh.axis_names:
        return whole(block(*kept, state))
    all_of, split = PartitionSpec(), PartitionSpec("run")
    return jax.shard_map(
        block, mesh=mesh, in_specs=(all_of, all_of, split, split), out_specs=split, check_vma=False
    )(*kept, state)


def _finite(state: State) -> Array:
    floats = [a for a in jax.tree.leaves(state) if jnp.issubdtype(a.dtype, jnp.inexact)]
    return reduce(jnp.logical_and, (jnp.isfinite(a).all() for a in floats), jnp.bool_(True))


def _first_divergence(
    diverged: np.ndarray, out: dict[str, np.ndarray], finite: np.ndarray, begin: int
) -> np.ndarray:
    runs, length = len(finite), next(iter(out.values())).shape[1] if out else 1
    bad = np.zeros((runs, length), bool)
    for record in out.values():
        if np.issubdtype(record.dtype, np.inexact):
            bad |= ~np.isfinite(record[:runs].reshape(runs, length, -1)).all(-1)
    bad[:, -1] |= ~finite
    first = np.where(bad.any(1), begin + bad.argmax(1), -1)
    return np.where(diverged >= 0, diverged, first)


def _fetched(state: State, runs: int) -> State:
    """The states of the first runs, brought together through the host.

    Slicing them where they lie would gather across devices, one small collective program a leaf;
    on a CPU two of those, begun in another order on each device, wait for each other for ever.
    """

    def fetch(leaf: Array) -> Array:
        if is_key(leaf):
            return jr.wrap_key_data(fetch(jr.key_data(leaf)), impl=jr.key_impl(leaf))
        return jax.device_put(np.asarray(leaf)[:runs], may_alias=False)

    return jax.tree.map(fetch, state)


def _seed_ids(seeds: int | Sequence[int]) -> np.ndarray:
    ids = np.arange(seeds) if isinstance(seeds, int) else np.asarray(seeds, np.int64)
    if ids.size == 0 or (isinstance(seeds, int) and seeds < 1):
        raise ValueError(f"seeds must be at least 1, got {seeds}")
    if ids.min() < 0 or ids.max() >= 2**32 or np.unique(ids).size < ids.size:
        raise ValueError(f"seeds must be distinct and in 0 .. 2**32 - 1, got {seeds}")
    return ids.astype(np.uint32)


def emitted_shapes(
    system: System, state: PyTree, devices: Mesh | None = None
) -> dict[str, jax.ShapeDtypeStruct]:
    """The shapes of what a tick emits, after checking that state and record can be run."""
    devices = devices or _mesh(jax.local_device_count())
    one = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), state)
    if not jax.tree.leaves(one):
        raise ValueError(f"{type(system).__name__} has an empty state: there is nothing to run")
    arrays, static = parted(system)
    tick = partial(_tick, static)
    if DATA not in devices.axis_names:  # as `_advance` calls it: what was traced is kept by context
        all_of = PartitionSpec()
        tick = jax.shard_map(tick, mesh=devices, in_specs=all_of, out_specs=all_of, check_vma=False)
    with over(devices if DATA in devices.axis_names else None):
        moved, out = jax.eval_shape(tick, arrays, one, jax.ShapeDtypeStruct((), jnp.int32))
    if not isinstance(out, dict) or not all(
        isinstance(v, jax.ShapeDtypeStruct) for v in out.values()
    ):
        raise ValueError(
            "the outermost system must emit a flat dict of arrays, its record; "
            f"{type(system).__name__} emits {jax.tree.structure(out)}"
        )
    before, after = (jax.tree_util.tree_flatten_with_path(s)[0] for s in (one, moved))
    if hollow := [jax.tree_util.keystr(path) for path, a in before if a.size == 0]:
        raise ValueError(f"state{hollow[0]} is an array of size 0; leave it out of the state")
    if [p for p, _ in before] != [p for p, _ in after]:
        raise ValueError(
            "a step changes the structure of the state; give it all its parts in `init`"
        )
    for (path, a), (_, b) in zip(before, after, strict=True):
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            raise ValueError(
                f"a step changes state{jax.tree_util.keystr(path)} from {a.dtype}{a.shape} to "
                f"{b.dtype}{b.shape}; a state keeps its shapes (use a fixed maximum and a mask)"
            )
    return out


def _mesh(runs: int) -> Mesh:
    devices = jax.local_devices()[: min(runs, jax.local_device_count())]
    return jax.make_mesh((len(devices),), ("run",), axis_types=(AxisType.Auto,), devices=devices)
