"""What `simulate` costs over a scanned loop written by hand.

The loop is one jitted function that scans over all steps and maps over the seeds, which it spreads
over the cores. First it steps the same system, so that all that differs is what `simulate` adds:
chunks, records on the host, watching for what is not finite. Then it is plain JAX, weights in a
list and the update by hand, so that the library's learner, stream and records count too. Drawing
the starting states and moving them to the devices is counted for `simulate` and left out for the
loops.
"""

from collections.abc import Callable, Iterator
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from engrax.core import System, serial, simulate
from engrax.tasks import Batches, Scaling, load, subset

from ._report import Comparison
from ._run import measure
from ._timer import alternate
from ._training import start_of
from .credit import BATCH, RATES, learner_of

STEPS = 2_000
TOLERANCE = 1e-4


def spread(runs: int, one: Callable, shared: int) -> Callable:
    """`one` mapped over the runs on each device; the first `shared` arguments are not split."""
    devices = jax.local_devices()[:runs]
    mesh = jax.make_mesh((len(devices),), ("run",), axis_types=(AxisType.Auto,), devices=devices)
    whole, split = PartitionSpec(), PartitionSpec("run")

    def block(*args):
        common, mine = args[:shared], args[shared:]
        return jax.lax.map(lambda run: one(*common, *run), mine)

    count = one.__code__.co_argcount
    specs = (whole,) * shared + (split,) * (count - shared)
    work = jax.jit(
        jax.shard_map(block, mesh=mesh, in_specs=specs, out_specs=split, check_vma=False)
    )
    places = [NamedSharding(mesh, spec) for spec in specs]
    return lambda *args: work(*map(jax.device_put, args, places))


def train(images, labels, weights, index):
    """Backpropagation by hand: losses of all steps of one seed."""

    def loss(weights, x, y):
        for w in weights[:-1]:
            x = jax.nn.elu(x @ w.T)
        logits = x @ weights[-1].T
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    def step(weights, rows):
        x = images[rows].astype(jnp.float32) / 255
        value, gradient = jax.value_and_grad(loss)(weights, x, labels[rows])
        norm = jnp.sqrt(sum(jnp.sum(g * g) for g in gradient))
        scale = RATES["BP"] * jnp.minimum(1.0, 1.0 / norm)
        return [w - scale * g for w, g in zip(weights, gradient, strict=True)], value

    return jax.lax.scan(step, weights, index)[1]


class Leaky(System):
    """A vector that leaks towards the sine of itself: next to no work a tick."""

    size: int = eqx.field(static=True)

    def init(self, *, key):
        """Normal numbers."""
        return jr.normal(key, (self.size,))

    def step(self, state, input):
        """One tick; records the mean."""
        state = 0.9 * state + 0.1 * jnp.sin(3.0 * state)
        return state, {"mean": state.mean()}


def comparison(case: str, peer: str, ours: Callable, by_hand: Callable) -> Comparison:
    """Both give the same record, (seed, tick); the aim is at most 3 % over the loop by hand."""
    mine, theirs = ours(), by_hand()
    apart = float(np.abs(mine - theirs).max())
    if not apart < TOLERANCE:
        raise RuntimeError(f"{case}: records differ by {apart:.1e}")
    timed = alternate(ours, by_hand)
    return Comparison(
        case=case,
        peer=peer,
        gate=f"the whole records agree to {apart:.0e}",
        aim=round(1 / 1.03, 3),
        alternation=timed,
        rates={
            "overhead, median": f"{1 / timed.ratio.median - 1:+.1%}",
            "fastest rounds": f"{1 / timed.quiet_ratio - 1:+.1%}",
            "processor time": f"{1 / timed.processor_ratio - 1:+.1%}",
        },
    )


def scan(system: System, record: str) -> Callable:
    """All steps of a system in one scan."""

    def run(arrays, state, clock):
        combined = eqx.combine(arrays, static)
        return jax.lax.scan(lambda s, t: combined.step(s, t), state, clock)[1][record]

    static = eqx.filter(system, eqx.is_array, inverse=True)
    return run


def comparisons() -> Iterator[Comparison]:
    """Training for one seed and for eight, and a system with next to no work."""
    data = subset(load("fashion_mnist"), 20_000, 2_000, None, jr.key(1)).train
    images, labels = jnp.asarray(data.x.reshape(-1, 784)), jnp.asarray(data.y)
    stream = Batches(data, BATCH, scaling=Scaling(shape=(784,)))
    body = serial(stream=stream, learner=learner_of("BP"))
    starts = [start_of(body, seed, STEPS) for seed in range(8)]
    arrays = eqx.filter(body, eqx.is_array)
    for seeds in (1, 8):
        case = f"BP, 784-128x5-10, {seeds} seed{'s' * (seeds > 1)}, {STEPS} steps"

        def ours(seeds=seeds):
            return simulate(body, STEPS, key=jr.key(0), seeds=seeds).records["loss"]

        states = jax.tree.map(lambda *a: jnp.stack(a), *(state for state, _ in starts[:seeds]))
        clock = jnp.tile(jnp.arange(STEPS, dtype=jnp.int32), (seeds, 1))
        loop = partial(spread(seeds, scan(body, "loss"), 1), arrays, states, clock)
        yield comparison(case, "the same system in one scan", ours, lambda f=loop: np.asarray(f()))
        weights = [layer.weight for layer in states["learner"]["model"].layers]
        index = jnp.stack([index for _, index in starts[:seeds]])
        loop = partial(spread(seeds, train, 2), images, labels, weights, index)
        yield comparison(case, "plain JAX by hand", ours, lambda f=loop: np.asarray(f()))
    yield next_to_nothing(8, 200_000)


def next_to_nothing(seeds: int, ticks: int) -> Comparison:
    """A system of 64 leaky units, whose ticks cost about a microsecond."""
    system = Leaky(64)
    keys = jax.vmap(jr.fold_in, (None, 0))(jr.key(0), jnp.arange(seeds))
    state = jax.vmap(lambda key: system.init(key=key))(keys)
    clock = jnp.tile(jnp.arange(ticks, dtype=jnp.int32), (seeds, 1))
    loop = partial(spread(seeds, scan(system, "mean"), 1), system, state, clock)
    return comparison(
        f"64 leaky units, {seeds} seeds, {ticks} ticks",
        "the same system in one scan",
        lambda: simulate(system, ticks, key=jr.key(0), seeds=seeds).records["mean"],
        lambda: np.asarray(loop()),
    )


if __name__ == "__main__":
    measure("simulate_overhead", comparisons)
