"""What `simulate` costs over a loop written by hand for the case.

The hand-written loop is plain JAX: weights in a list, one jitted function that scans over all steps
and maps over the seeds, which it spreads over the cores. It starts from the same weights, sees the
same batches and computes the same update. Drawing the starting weights and moving them to the
devices is left out for the loop and counted for `simulate`.
"""

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from engrax.core import System, repeat, serial, simulate
from engrax.tasks import Batches, Scaling, load, subset

from ._report import Comparison
from ._run import measure
from ._timer import alternate
from ._training import start_of
from .credit import BATCH, RATES, learner_of

TICKS, PER_TICK = 10, 200
STEPS = TICKS * PER_TICK
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

    return jax.lax.scan(step, weights, index)


class Leaky(System):
    """A vector that leaks towards the sine of itself: next to no work a tick."""

    size: int

    def init(self, *, key):
        """Normal numbers."""
        return jr.normal(key, (self.size,))

    def step(self, state, input):
        """One tick; records the mean."""
        state = 0.9 * state + 0.1 * jnp.sin(3.0 * state)
        return state, {"mean": state.mean()}


def leak(state, clock):
    """The same by hand: the means of all ticks of one seed."""

    def step(state, _):
        state = 0.9 * state + 0.1 * jnp.sin(3.0 * state)
        return state, state.mean()

    return jax.lax.scan(step, state, clock)


def comparison(case: str, ours: Callable, by_hand: Callable) -> Comparison:
    """Both give the same record, (seed, ...); the aim is at most 3 % over the loop by hand."""
    mine, theirs = ours(), np.asarray(by_hand())
    apart = float(np.abs(mine - theirs.reshape(len(mine), -1, mine.shape[-1])).max())
    if not apart < TOLERANCE:
        raise RuntimeError(f"{case}: records differ by {apart:.1e}")
    timed = alternate(ours, by_hand)
    over = 1 / timed.quiet_ratio - 1
    return Comparison(
        case=case,
        peer="a scanned loop by hand",
        gate=f"the whole records agree to {apart:.0e}",
        aim=round(1 / 1.03, 3),
        alternation=timed,
        rates={"overhead, fastest rounds": f"{over:+.1%}"},
    )


def comparisons() -> Iterator[Comparison]:
    """Training for one seed and for eight, and a system with next to no work."""
    data = subset(load("fashion_mnist"), 20_000, 2_000, None, jr.key(1)).train
    images, labels = jnp.asarray(data.x.reshape(-1, 784)), jnp.asarray(data.y)
    body = serial(
        stream=Batches(data, BATCH, scaling=Scaling(shape=(784,))), learner=learner_of("BP")
    )
    starts = [start_of(body, seed, STEPS) for seed in range(8)]
    for seeds in (1, 8):
        layers = [state["learner"]["model"].layers for state, _ in starts[:seeds]]
        weights = [
            jnp.stack([layer.weight for layer in level]) for level in zip(*layers, strict=True)
        ]
        index = jnp.stack([index for _, index in starts[:seeds]])
        loop = spread(seeds, train, 2)
        yield comparison(
            f"BP, 784-128x5-10, {seeds} seed{'s' * (seeds > 1)}, {STEPS} steps",
            lambda seeds=seeds: (
                simulate(repeat(body, PER_TICK, reduce=keep), TICKS, key=jr.key(0), seeds=seeds)
                .records["loss"]
                .reshape(seeds, -1)
            ),
            lambda loop=loop, weights=weights, index=index: np.asarray(
                loop(images, labels, weights, index)[1]
            ),
        )
    ticks, seeds = 200_000, 8
    keys = jax.vmap(jr.fold_in, (None, 0))(jr.key(0), jnp.arange(seeds))
    state = jax.vmap(lambda key: Leaky(64).init(key=key))(keys)
    clock = jnp.zeros((seeds, ticks), jnp.int8)
    loop = spread(seeds, leak, 0)
    yield comparison(
        f"64 leaky units, {seeds} seeds, {ticks} ticks",
        lambda: simulate(Leaky(64), ticks, key=jr.key(0), seeds=seeds).records["mean"],
        lambda: np.asarray(loop(state, clock)[1]),
    )


def keep(outputs):
    """All steps of a tick."""
    return outputs


if __name__ == "__main__":
    measure("simulate_overhead", comparisons)
