"""One linear and one LIF layer over 500 steps of time, against snnTorch and SpikingJelly.

The work of the open-neuromorphic benchmark: batch 16, as many inputs as neurons, forward and
forward with the weight gradient. Both sides take the same spikes in and must give the same spikes
and the same gradient first. Inputs are spikes and weights lie on a grid, so that the currents of
both sides are equal to the bit whatever the order of their sums; otherwise a rounding error would
sooner or later move a spike, and the two runs would be two different ones.
"""

import importlib
import importlib.util
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import torch
from jax.sharding import AxisType, PartitionSpec

from engrax.nn import SpikingLayer, SpikingNetwork
from engrax.spiking import LIF

from ._machine import THREADS
from ._report import Comparison
from ._run import measure
from ._spiking_peers import Peer, plain_lif
from ._timer import alternate, best_seconds, seconds

STEPS, BATCH, SEEDS = 500, 16, 8
SIZES = (128, 512, 2048)
AIMS = {"SnnTorch": 5.0, "SpikingJelly": 3.0}
GATE = 1e-4
GRID = 2.0**-12

Arrays = tuple[jax.Array, jax.Array, jax.Array]


def problem(n: int, seed: int = 0, steps: int = STEPS) -> Arrays:
    """Weights, input spikes and the errors that arrive at the output spikes."""
    keys = jr.split(jr.key(seed), 3)
    weight = jr.normal(keys[0], (n, n)) * (2.0 / n) ** 0.5
    x = jr.bernoulli(keys[1], 0.5, (steps, BATCH, n)).astype(jnp.float32)
    return jnp.round(weight / GRID) * GRID, x, jr.normal(keys[2], (steps, BATCH, n))


def spikes_of(neuron: LIF, weight, x, segment: int | None = None):
    """The layer, as a user writes it."""
    layer = SpikingLayer(weight, None, None, neuron)
    return SpikingNetwork.of([layer], x.shape[0]).run(x, segment=segment)


def gradient_of(neuron: LIF, weight, x, push, segment: int | None = None):
    """Its weight gradient of sum(push * spikes)."""
    return jax.grad(lambda w: jnp.sum(push * spikes_of(neuron, w, x, segment)))(weight)


def gate(case: str, peer: Peer, spikes: jax.Array, gradient: jax.Array) -> str:
    """Raises unless spikes are the same and gradients differ by less than `GATE`."""
    apart = int(np.sum(np.asarray(spikes) != peer.forward().numpy()))
    theirs = peer.gradient().numpy()
    error = float(np.linalg.norm(np.asarray(gradient) - theirs) / np.linalg.norm(theirs))
    if apart or not error < GATE:
        raise RuntimeError(f"{case}: {apart} spikes differ, and gradients by {error:.1e}")
    return (
        f"all {spikes.size:,} spikes (rate {float(spikes.mean()):.2f}), and the weight gradient "
        f"to a relative {error:.0e}"
    )


def products(n: int, backward: bool) -> float:
    """Seconds of the layer's matrix products alone: currents, and the weight gradient."""
    weight, x, push = problem(n)
    if backward:
        work = jax.jit(lambda w, x, e: (x @ w.T, e.reshape(-1, n).T @ x.reshape(-1, n)))
    else:
        work = jax.jit(lambda w, x, e: x @ w.T)
    return best_seconds(lambda: jax.block_until_ready(work(weight, x, push)))


def rates(n: int, backward: bool, took: float) -> dict[str, str]:
    """How much the layer takes beyond its products."""
    alone = products(n, backward)
    floats = 2 * STEPS * BATCH * n * n * (2 if backward else 1)
    return {
        "time over that of its matrix products alone (aim 1.5)": f"{took / alone:.2f}",
        "products": f"{floats / took / 1e9:.0f} GFLOP/s",
    }


def choose_threads(peer: Peer) -> None:
    """Gives PyTorch the number of threads that the peer is fastest with.

    Both cores are there for both sides, but a pool that waits for a core is far slower than none.
    """
    times = {}
    for threads in range(1, THREADS + 1):
        torch.set_num_threads(threads)
        times[threads] = min(seconds(peer.forward)[0] for _ in range(2))
    torch.set_num_threads(min(times, key=times.__getitem__))


def one_layer(n: int, kind: type[Peer]) -> Iterator[Comparison]:
    """Forward, and forward with the gradient, one seed."""
    arrays = problem(n)
    peer = kind(*map(np.asarray, arrays))
    choose_threads(peer)
    forward = jax.jit(lambda w, x: spikes_of(kind.ours(), w, x))
    gradient = jax.jit(lambda w, x, e: gradient_of(kind.ours(), w, x, e))
    equal = gate(f"{n} neurons", peer, forward(*arrays[:2]), gradient(*arrays))
    sides: dict[str, tuple[Callable, Callable]] = {
        "forward": (lambda: forward(*arrays[:2]).block_until_ready(), peer.forward),
        "forward and gradient": (lambda: gradient(*arrays).block_until_ready(), peer.gradient),
    }
    for what, (ours, theirs) in sides.items():
        timed = alternate(ours, theirs)
        yield Comparison(
            case=f"{n} neurons, {what}, like {kind.__name__}",
            peer=f"{kind.name}, {torch.get_num_threads()} threads",
            gate=equal,
            aim=AIMS[kind.__name__],
            alternation=timed,
            rates=rates(n, what != "forward", min(timed.ours.rounds)),
        )


def eight_seeds(n: int, kind: type[Peer]) -> Comparison:
    """Eight layers on inputs of their own, spread over the cores, against one after the other."""
    each = [problem(n, seed) for seed in range(SEEDS)]
    peers = [kind(*map(np.asarray, arrays)) for arrays in each]
    choose_threads(peers[0])
    together = tuple(jnp.stack(parts) for parts in zip(*each, strict=True))
    mesh = jax.make_mesh((THREADS,), ("run",), axis_types=(AxisType.Auto,))
    spec = PartitionSpec("run")

    def block(arrays: Arrays) -> jax.Array:
        return jax.lax.map(lambda one: gradient_of(kind.ours(), *one), arrays)

    work = jax.jit(
        jax.shard_map(block, mesh=mesh, in_specs=(spec,), out_specs=spec, check_vma=False)
    )
    sharding = jax.sharding.NamedSharding(mesh, spec)
    together = jax.device_put(together, sharding)
    gradients = work(together)
    spikes = jax.jit(lambda w, x: spikes_of(kind.ours(), w, x))
    equal = [
        gate(f"{n} neurons, seed {s}", peer, spikes(*arrays[:2]), gradients[s])
        for s, (peer, arrays) in enumerate(zip(peers, each, strict=True))
    ]
    return Comparison(
        case=f"{n} neurons, forward and gradient, {SEEDS} seeds, like {kind.__name__}",
        peer=f"{kind.name}, {torch.get_num_threads()} threads, seed after seed",
        gate=equal[0],
        aim=AIMS[kind.__name__],
        alternation=alternate(
            lambda: work(together).block_until_ready(), lambda: [p.gradient() for p in peers]
        ),
    )


def longer(steps: int, segment: int, n: int = 512) -> Comparison:
    """Time and memory of the gradient where membranes are kept at the ends of segments only."""
    arrays = problem(n, steps=steps)
    neuron = plain_lif()
    programs = [
        jax.jit(lambda w, x, e, s=s: gradient_of(neuron, w, x, e, s)).lower(*arrays).compile()
        for s in (segment, None)
    ]
    short, whole = (program(*arrays) for program in programs)
    error = float(jnp.linalg.norm(short - whole) / jnp.linalg.norm(whole))
    if not error < GATE:
        raise RuntimeError(f"segments of {segment} steps change the gradient by {error:.1e}")
    scratch = [p.memory_analysis().temp_size_in_bytes / 2**20 for p in programs]
    return Comparison(
        case=f"{n} neurons, {steps} steps, gradient in segments of {segment}",
        peer="engrax, the whole stretch of time at once",
        gate=f"the gradient, to a relative {error:.0e}",
        aim=0.6,
        alternation=alternate(*(lambda p=p: p(*arrays).block_until_ready() for p in programs)),
        rates={"memory": f"{scratch[0]:.0f} MiB in segments, {scratch[1]:.0f} MiB at once"},
        profile="Segments take the currents a second time: three products for two.",
    )


def installed() -> list[type[Peer]]:
    """The peers that are there; each of the others is named in a line."""
    found = []
    for name in AIMS:
        if importlib.util.find_spec(name.lower()):
            module = importlib.import_module(f"._{name.lower()}", __package__)
            found.append(getattr(module, name))
        else:
            print(f"{name} is not installed, so the cases against it are left out")
    return found


def comparisons() -> Iterator[Comparison]:
    """Sizes and peers one by one, then seeds, then time."""
    kinds = installed()
    for n in SIZES:
        for kind in kinds:
            yield from one_layer(n, kind)
    for n in SIZES[:2]:
        for kind in kinds:
            yield eight_seeds(n, kind)
    for steps in (500, 1000, 2000):
        yield longer(steps, 50)


if __name__ == "__main__":
    measure("spiking", comparisons)
