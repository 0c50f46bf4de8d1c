"""A task of Hebbian orthogonal projection on a spiking net, against SpikingJelly.

The second of two permutations of MNIST-5k on a net of 784-256-256-10 leaky neurons, 6 steps of
time, trained by surrogate gradients: the weight changes leave out what the first task's lateral
neurons span, and the second task's own learn beside. The peer's net is that of SpikingJelly, with
the projection and the Hebbian steps in PyTorch as its users would write them.
"""

from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import torch
from jax.sharding import AxisType, PartitionSpec
from spikingjelly.activation_based import functional, neuron
from spikingjelly.activation_based import surrogate as spikingjelly_surrogate

from engrax.continual import HebbianOrthogonalProjection
from engrax.core import Batch
from engrax.credit import BPTTLearner
from engrax.nn import SpikingNetwork
from engrax.plasticity import OrthogonalLateralCircuit
from engrax.tasks import load

from ._machine import THREADS
from ._report import Comparison
from ._run import measure
from ._spiking_peers import DECAY, SLOPE
from ._spikingjelly import SpikingJelly
from ._timer import alternate, seconds

WIDTHS, TIME, BATCH = (784, 256, 256, 10), 6, 64
ROWS = ((80, 80, 60), (70, 50, 40))
LATERAL_RATES, ITERATIONS, KEEP = (0.001, 0.01, 0.01), 5, 0.9
RATE = 0.1
STEPS, GATE_STEPS, SEEDS = 200, 3, 8
# A rounding error that moves one spike of 64 x 6 x 512 moves the loss of a step by some 1e-4.
TOLERANCE = 1e-3


def learner() -> HebbianOrthogonalProjection:
    """The projected learner, as in the study `hlop` under BPTT."""
    build = eqx.Partial(SpikingNetwork, WIDTHS, SpikingJelly.ours(), TIME)
    inner = BPTTLearner(build, optax.sgd, {"learning_rate": jnp.float32(RATE)})
    circuits = [
        OrthogonalLateralCircuit(n, sum(rows), rate=rate, iterations=ITERATIONS, block=max(rows))
        for n, rate, rows in zip(WIDTHS, LATERAL_RATES, zip(*ROWS, strict=True), strict=False)
    ]
    return HebbianOrthogonalProjection(
        inner, circuits, ROWS, lambda m: tuple(layer.weight for layer in m.layers),
        freeze_vectors=True,
    )  # fmt: skip


def batches(seed: int) -> Batch:
    """(2, STEPS) batches of two permutations."""
    digits = load("mnist_5k")
    rng = np.random.default_rng(seed)
    index = rng.integers(0, len(digits.x), (2, STEPS, BATCH))
    x = (digits.x.reshape(len(digits.x), -1)[index] / np.float32(255) - 0.1307) / 0.3081
    order = np.stack([rng.permutation(WIDTHS[0]) for _ in range(2)])
    x = np.take_along_axis(x, order[:, None, None], -1).astype(np.float32)
    return Batch(jnp.asarray(x), jnp.asarray(digits.y[index].astype(np.int32)))


def run(system: HebbianOrthogonalProjection, state: Any, data: Batch) -> tuple[Any, jax.Array]:
    """The state after these batches, and the losses."""

    def step(state: Any, batch: Batch) -> tuple[Any, jax.Array]:
        state, record = system.step(state, batch)
        return state, record["loss"]

    return jax.lax.scan(step, state, data)


@eqx.filter_jit
def after_first_task(system: HebbianOrthogonalProjection, data: Batch, key: jax.Array) -> Any:
    """The state in which the second task begins."""
    state = system.start_task(system.init(key=key), jnp.int32(0), key)
    state, _ = run(system, state, data)
    state = system.end_task(state, jnp.int32(0), jax.tree.map(lambda leaf: leaf[0], data), key)
    return system.start_task(state, jnp.int32(1), key)


def second_task(system: HebbianOrthogonalProjection, seed: int) -> tuple[Any, Batch]:
    """That state, and the second task's batches."""
    both = batches(seed)
    first, second = (jax.tree.map(lambda leaf, k=k: leaf[k], both) for k in range(2))
    return after_first_task(system, first, jr.key(seed)), second


class Peer:
    """The same in PyTorch."""

    def __init__(self, state: Any, data: Batch) -> None:
        self.x, self.y = torch.tensor(np.asarray(data.x)), torch.tensor(np.asarray(data.y)).long()
        layers = state["learner"]["model"].layers
        self.start = [torch.tensor(np.asarray(layer.weight)) for layer in layers]
        self.frozen, self.fresh = [], []
        for own, before, new in zip(state["circuits"], *ROWS, strict=True):
            rows = torch.tensor(np.asarray(own.rows))
            self.frozen.append(rows[:before])
            self.fresh.append(rows[before : before + new])
        self.cells = [
            neuron.LIFNode(
                tau=1 / (1 - DECAY), decay_input=False, v_reset=None, detach_reset=True,
                surrogate_function=spikingjelly_surrogate.ATan(alpha=SLOPE), step_mode="m",
            )
            for _ in layers[:-1]
        ]  # fmt: skip

    def __call__(self, steps: int) -> list[float]:
        """Trains from the start; the losses."""
        weights = [w.clone().requires_grad_() for w in self.start]
        rows = [h.clone() for h in self.fresh]
        moments = [torch.zeros_like(h) for h in rows]
        optimizer, losses = torch.optim.SGD(weights, lr=RATE), []
        for x, y in zip(self.x[:steps], self.y[:steps], strict=True):
            current = (x @ weights[0].T).expand(TIME, -1, -1)
            inputs = [x]
            for cell, weight in zip(self.cells, weights[1:], strict=True):
                functional.reset_net(cell)
                inputs.append(cell(current))
                current = inputs[-1] @ weight.T
            loss = torch.nn.functional.cross_entropy(current.mean(0), y)
            optimizer.zero_grad()
            loss.backward()
            with torch.no_grad():
                for weight, h in zip(weights, self.frozen, strict=True):
                    weight.grad -= weight.grad @ h.T @ h
                optimizer.step()
                for level, trace in enumerate(inputs):
                    self._learn(level, trace.reshape(-1, trace.shape[-1]), rows, moments)
            losses.append(loss.item())
        return losses

    def _learn(self, level: int, x: torch.Tensor, rows: list, moments: list) -> None:
        frozen, rate = self.frozen[level], LATERAL_RATES[level]
        left = x - x @ frozen.T @ frozen
        for _ in range(ITERATIONS):
            response = x @ rows[level].T
            change = (response.T @ (left - response @ rows[level]) / len(x)).clamp(-10, 10)
            moments[level] = KEEP * moments[level] + (1 - KEEP) * change
            rows[level] = rows[level] + rate * moments[level]


def compare(system: HebbianOrthogonalProjection, starts: list, peers: list[Peer]) -> Comparison:
    """All of these seeds at once against one after the other."""
    count = len(starts)
    together = jax.tree.map(lambda *leaves: jnp.stack(leaves), *starts)
    mesh = jax.make_mesh((min(count, THREADS),), ("run",), axis_types=(AxisType.Auto,))
    spec = PartitionSpec("run")
    together = jax.device_put(together, jax.sharding.NamedSharding(mesh, spec))

    def block(starts: tuple[Any, Batch]) -> jax.Array:
        return jax.lax.map(lambda start: run(system, *start)[1], starts)

    work = jax.jit(
        jax.shard_map(block, mesh=mesh, in_specs=(spec,), out_specs=spec, check_vma=False)
    )
    ours = np.asarray(work(together))[:, :GATE_STEPS]
    theirs = np.array([peer(GATE_STEPS) for peer in peers])
    apart = float(np.abs(ours / theirs - 1).max())
    if not apart < TOLERANCE:
        raise RuntimeError(f"the losses of both sides differ by {apart:.1e}")
    return Comparison(
        case=f"HLOP, second task, 784-256-256-10, {TIME} steps of time, {STEPS} batches, "
        f"{count} seed{'s' * (count > 1)}",
        peer=f"{SpikingJelly.name}, {torch.get_num_threads()} threads"
        + ", seed after seed" * (count > 1),
        gate=f"the losses of {GATE_STEPS} steps agree to {apart:.0e}",
        aim=3.0,
        alternation=alternate(
            lambda: work(together).block_until_ready(), lambda: [peer(STEPS) for peer in peers]
        ),
    )


def comparisons() -> Iterator[Comparison]:
    """One seed, then eight."""
    system = learner()
    starts = [second_task(system, seed) for seed in range(SEEDS)]
    peers = [Peer(*start) for start in starts]
    times = {}
    for threads in range(1, THREADS + 1):
        torch.set_num_threads(threads)
        times[threads] = min(seconds(lambda: peers[0](10))[0] for _ in range(3))
    torch.set_num_threads(min(times, key=times.__getitem__))
    for count in (1, SEEDS):
        yield compare(system, starts[:count], peers[:count])


if __name__ == "__main__":
    measure("hlop", comparisons)
