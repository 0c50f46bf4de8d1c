"""Tasks one after another, with anchored weights and with replay, against Avalanche.

Five permutations of MNIST-5k on a net of 784-256-10, an epoch each, and all five tested after each;
then a stream of Split MNIST, five rows at a time, each once, with a reservoir. Both sides start
from the same weights and see the same batches in the same order; what they draw from their
memories is their own, so accuracies over eight seeds have to agree within the runs' spread.

EWC is the same on both sides, and not how Engrax has it by itself: after each task, gradients of
means over batches of true labels are squared, for all rows of the task. Engrax multiplies these
squares by the rows of a batch and halves the penalty, so the strengths are set accordingly, and it
pulls weights after the step of the loss, in the implicit form, where Avalanche adds the penalty to
the loss. Batches of that pass are drawn anew here, and are those of the training there.

The stream has a second peer, the published loop (Chaudhry et al. 2019) in plain eager PyTorch: most
of Avalanche's time goes into datasets and loaders of five rows.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import torch
from jax.sharding import AxisType, PartitionSpec

from engrax.continual import (
    ElasticWeightConsolidation,
    PermutedTasks,
    ReplayBuffer,
    ReservoirReplay,
    TaskSequence,
    average_accuracy,
    forgetting,
    own_classes,
    task_cross_entropy,
)
from engrax.core import Batch, GradientLearner, Learner, accuracy, simulate
from engrax.nn import MLP
from engrax.tasks import Dataset, Scaling, load

from . import _avalanche
from ._machine import THREADS
from ._report import Comparison
from ._run import measure
from ._timer import alternate, seconds

WIDTHS, TASKS, BATCH, RATE, SEEDS = (784, 256, 10), 5, 16, 0.1, 8
STRENGTH, MEMORY = 10.0, 500  # a strength at which plain steps on the penalty do not diverge
# Both sides round differently, and a task's 250 steps amplify that.
LOSSES = 1e-3
STREAM, ROWS, DRAWN, STREAM_RATE = 6003, 5, 10, 0.03


def network() -> GradientLearner:
    """Backpropagation with plain SGD."""
    build = eqx.Partial(MLP, WIDTHS)
    return GradientLearner(
        build, task_cross_entropy, optax.sgd, {"learning_rate": jnp.float32(RATE)}
    )


def log_prob(learner: Any, model: Any, x: jax.Array) -> jax.Array:
    """Log probabilities of one example."""
    return jax.nn.log_softmax(model(x))


def reservoir() -> ReplayBuffer:
    """A memory of 500 rows."""
    return ReplayBuffer(MEMORY, 1, 1, (WIDTHS[0],), policy="reservoir")


def under(strategy: str) -> Learner:
    """The learner under a strategy."""
    if strategy == "EWC":
        strength, rate = jnp.float32(STRENGTH), jnp.float32(RATE)
        return ElasticWeightConsolidation(network(), log_prob, strength, rate, fisher_batch=BATCH)
    return ReservoirReplay(network(), reservoir(), batch=BATCH, online=False)


def theirs(strategy: str) -> Callable[[], object]:
    """The same strategy of Avalanche."""
    if strategy == "EWC":
        return partial(_avalanche.ewc, STRENGTH * BATCH / 2)
    return partial(_avalanche.replay, MEMORY, BATCH, BATCH)


def weights_of(model: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """A model's weights and biases, layer by layer."""
    return [(np.asarray(layer.weight), np.asarray(layer.bias)) for layer in model.layers]


class Peer:
    """What one seed's sequence of tasks is in Avalanche."""

    def __init__(self, system: TaskSequence, data: Dataset, strategy: str, seed: int) -> None:
        state = system.init(key=jr.fold_in(jr.key(0), seed))
        model = state["learner"]["learner"]["model"]
        self.weights, self.strategy = weights_of(model), strategy
        self.pixels = np.asarray(state["tasks"]["pixels"])
        self.index = np.asarray(_rows(system, state["tasks"])).reshape(TASKS, -1)
        self.x, self.test = (
            torch.tensor(part.x.reshape(len(part.x), -1) / np.float32(255))
            for part in (data.train, data.test)
        )
        self.y, self.y_test = (
            torch.tensor(part.y.astype(np.int64)) for part in (data.train, data.test)
        )

    def __call__(self, tasks: int = TASKS) -> tuple[np.ndarray, np.ndarray]:
        """Accuracies and mean losses of the first tasks."""
        orders = [torch.tensor(order) for order in self.pixels]
        rows = [torch.tensor(index) for index in self.index[:tasks]]
        return _avalanche.train(
            self.weights,
            theirs(self.strategy),
            [(self.x[r][:, o], self.y[r]) for r, o in zip(rows, orders, strict=False)],
            [(self.test[:, o], self.y_test) for o in orders],
            rate=RATE,
            batch=BATCH,
        )


@eqx.filter_jit
def _rows(system: TaskSequence, state: Any) -> jax.Array:
    """The rows (tasks, steps, batch) that a sequence sees."""
    tasks = system.tasks

    def step(state: Any, t: jax.Array) -> tuple[Any, jax.Array]:
        state, batch = tasks.draw(state, t // system.steps, t % system.steps)
        return state, batch.index

    return jax.lax.scan(step, state, jnp.arange(TASKS * system.steps))[1]


def spread_gate(what: str, ours: np.ndarray, peers: np.ndarray) -> str:
    """Refuses means over the seeds that differ by more than chance explains.

    The bound is three standard errors of the difference, but no less than one point and no more
    than two, so that runs that spread widely, or diverge, do not pass for equal.
    """
    if not (np.isfinite(ours).all() and np.isfinite(peers).all()):
        raise RuntimeError(f"{what}: a seed is not finite")
    apart = abs(float(ours.mean() - peers.mean()))
    error = float(np.sqrt((ours.var(ddof=1) + peers.var(ddof=1)) / len(ours)))
    bound = min(max(3 * error, 0.01), 0.02)
    means = f"{ours.mean():.4f} and {peers.mean():.4f}"
    text = f"{what} {means} over {len(ours)} seeds, apart by {apart:.4f} of {bound:.4f} allowed"
    print(f"  {text}", flush=True)
    if not apart <= bound:
        raise RuntimeError(f"{text}: further apart than chance explains")
    return text


def choose_threads(work: Callable[[], object]) -> str:
    """Gives PyTorch the number of threads that it is fastest with."""
    times = {}
    for threads in range(1, THREADS + 1):
        torch.set_num_threads(threads)
        times[threads] = min(seconds(work)[0] for _ in range(2))
    best = min(times, key=times.__getitem__)
    torch.set_num_threads(best)
    return f"{best} thread{'s' * (best > 1)}"


def permuted(strategy: str, data: Dataset) -> Iterator[Comparison]:
    """Five permutations under a strategy, one seed and eight."""
    rows = len(data.train.x)
    tasks = PermutedTasks(data, TASKS, first_identity=True, batch=BATCH)
    system = TaskSequence(
        under(strategy), tasks, rows // BATCH, candidates=own_classes, reset_optimizer=False,
        examples=rows,
    )  # fmt: skip
    ours = simulate(system, TASKS, key=jr.key(0), seeds=SEEDS, chunk=TASKS).records
    peers = [Peer(system, data, strategy, seed) for seed in range(SEEDS)]
    found = [peer() for peer in peers]
    matrix, losses = (np.array(part) for part in zip(*found, strict=True))
    apart = float(np.abs(np.asarray(ours["loss"])[:, 0] / losses[:, 0] - 1).max())
    print(f"{strategy}: mean losses of the first task apart by {apart:.1e}", flush=True)
    if not apart < LOSSES:
        raise RuntimeError(f"{strategy}: the losses of the first task differ by {apart:.1e}")
    mine = np.asarray(ours["accuracy"])
    gates = [
        f"the first task's mean loss to {apart:.0e}",
        spread_gate("average accuracies", average_accuracy(mine), average_accuracy(matrix)),
        spread_gate("forgetting", forgetting(mine), forgetting(matrix)),
    ]
    threads = choose_threads(partial(peers[0], 1))
    for seeds in (1, SEEDS):
        yield Comparison(
            case=f"{strategy}, {TASKS} permutations of {rows:,} digits, 784-256-10, "
            f"{seeds} seed{'s' * (seeds > 1)}",
            peer=f"{_avalanche.NAME}, {threads}" + ", seed after seed" * (seeds > 1),
            gate=", ".join(gates),
            aim=5.0 if seeds == 1 else 10.0,
            alternation=alternate(
                lambda n=seeds: simulate(system, TASKS, key=jr.key(0), seeds=n, chunk=TASKS),
                lambda n=seeds: [peer() for peer in peers[:n]],
            ),
        )


class Stream:
    """Split MNIST, two digits at a time, five rows an iteration, and both sides on it."""

    def __init__(self, data: Dataset) -> None:
        scale = Scaling(shape=(WIDTHS[0],))
        self.x, self.x_test = (np.asarray(scale(jnp.asarray(p.x))) for p in (data.train, data.test))
        self.y, self.y_test = (p.y.astype(np.int32) for p in (data.train, data.test))
        hyper = {"learning_rate": jnp.float32(STREAM_RATE)}
        inner = GradientLearner(eqx.Partial(MLP, WIDTHS), task_cross_entropy, optax.sgd, hyper)
        self.learner = ReservoirReplay(inner, reservoir(), batch=DRAWN, online=True)
        self.index = np.stack([self._order(seed) for seed in range(SEEDS)])
        self.starts = [self.learner.init(key=jr.key(seed)) for seed in range(SEEDS)]
        self.torch = [torch.tensor(a) for a in (self.x, self.y.astype(np.int64))]
        self.torch_test = [torch.tensor(a) for a in (self.x_test, self.y_test.astype(np.int64))]

    def _order(self, seed: int) -> np.ndarray:
        """Rows (iterations, rows), each task's as often as it takes, each time in a fresh order."""
        random, parts = np.random.default_rng(seed), []
        ends = np.linspace(0, STREAM * ROWS, TASKS + 1).astype(int)
        for task, wanted in enumerate(np.diff(ends)):
            mine = np.flatnonzero(self.y // 2 == task)
            rounds = -(-wanted // len(mine))
            parts.append(np.concatenate([random.permutation(mine) for _ in range(rounds)])[:wanted])
        return np.concatenate(parts).reshape(STREAM, ROWS).astype(np.int32)

    def ours(self, seeds: int) -> Callable[[], np.ndarray]:
        """A call that learns the stream for these seeds; their accuracies, among all digits."""
        starts = jax.tree.map(lambda *leaves: jnp.stack(leaves), *self.starts[:seeds])
        mesh = jax.make_mesh((min(seeds, THREADS),), ("run",), axis_types=(AxisType.Auto,))
        spec, whole = PartitionSpec("run"), PartitionSpec()
        placed = jax.sharding.NamedSharding(mesh, spec)
        starts = jax.device_put((starts, jnp.asarray(self.index[:seeds])), placed)
        data = tuple(jnp.asarray(a) for a in (self.x, self.y, self.x_test, self.y_test))
        learner = self.learner

        def learned(data: Any, start: Any) -> jax.Array:
            x, y, x_test, y_test = data

            def step(state: Any, rows: jax.Array) -> tuple[Any, None]:
                return learner.step(state, Batch(x[rows], y[rows]))[0], None

            state, _ = jax.lax.scan(step, *start)
            return accuracy(learner.predict(state, x_test), y_test)

        def block(data: Any, starts: Any) -> jax.Array:
            return jax.lax.map(partial(learned, data), starts)

        work = jax.jit(
            jax.shard_map(block, mesh=mesh, in_specs=(whole, spec), out_specs=spec, check_vma=False)
        )
        return lambda: np.asarray(work(data, starts))

    def peer(self, seed: int, iterations: int = STREAM) -> float:
        """The same in eager PyTorch; the accuracy."""
        x, y = self.torch
        start = self.starts[seed]["learner"]["model"]
        model = _avalanche.network(weights_of(start))
        optimizer = torch.optim.SGD(model.parameters(), lr=STREAM_RATE)
        random = np.random.default_rng(seed)
        kept_x, kept_y = torch.zeros(MEMORY, WIDTHS[0]), torch.zeros(MEMORY, dtype=torch.int64)
        seen = 0
        for rows in torch.tensor(self.index[seed, :iterations], dtype=torch.int64):
            new_x, new_y = x[rows], y[rows]
            batch_x, batch_y = new_x, new_y
            if seen:
                drawn = torch.tensor(random.integers(0, min(seen, MEMORY), DRAWN))
                batch_x, batch_y = (
                    torch.cat([new_x, kept_x[drawn]]),
                    torch.cat([new_y, kept_y[drawn]]),
                )
            loss = torch.nn.functional.cross_entropy(model(batch_x), batch_y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            for row in range(len(rows)):
                place = seen if seen < MEMORY else random.integers(0, seen + 1)
                if place < MEMORY:
                    kept_x[place], kept_y[place] = new_x[row], new_y[row]
                seen += 1
        return self._tested(model)

    def avalanche(self) -> float:
        """The same in Avalanche, first seed; the accuracy."""
        rows = torch.tensor(self.index[0].reshape(-1), dtype=torch.int64)
        x, y = self.torch
        model = _avalanche.online(
            weights_of(self.starts[0]["learner"]["model"]),
            partial(_avalanche.replay, MEMORY, ROWS, DRAWN),
            (x[rows], y[rows]),
            rate=STREAM_RATE,
            batch=ROWS,
        )
        return self._tested(model)

    def _tested(self, model: torch.nn.Module) -> float:
        x, y = self.torch_test
        with torch.no_grad():
            return float((model(x).argmax(1) == y).float().mean())


def streams(data: Dataset) -> Iterator[Comparison]:
    """The stream: one seed against both peers, and eight against the plain loop."""
    stream = Stream(data)
    threads = choose_threads(lambda: stream.peer(0, 300))
    found = stream.ours(SEEDS)()
    peers = np.array([stream.peer(seed) for seed in range(SEEDS)])
    gate = spread_gate("accuracies among all digits", found, peers)
    one, bound = stream.avalanche(), 2 * float(found.std(ddof=1))
    if not abs(one - float(found.mean())) <= bound:
        raise RuntimeError(f"Avalanche ends at {one:.3f}, ours at {found.mean():.3f}, {bound:.3f}")
    print(f"  Avalanche, first seed: {one:.3f}, within {bound:.3f} of our mean", flush=True)
    case = f"a stream of Split MNIST, {STREAM:,} iterations of {ROWS} rows, reservoir of {MEMORY}"
    loop = f"the published loop in eager PyTorch, {threads}"
    for seeds, aim, peer, theirs, equal in (
        (1, 15.0, f"{_avalanche.NAME}, {threads}", stream.avalanche, f"its first seed {one:.3f}"),
        (1, 1.0, loop, partial(stream.peer, 0), "each seed sees the same rows"),
        (
            SEEDS,
            2.0,
            f"{loop}, seed after seed",
            lambda: [stream.peer(seed) for seed in range(SEEDS)],
            "each seed sees the same rows",
        ),
    ):
        yield Comparison(
            case=f"{case}, {seeds} seed{'s' * (seeds > 1)}",
            peer=peer,
            gate=f"{gate}; {equal}",
            aim=aim,
            alternation=alternate(stream.ours(seeds), theirs),
        )


def comparisons() -> Iterator[Comparison]:
    """Two strategies on permutations, and the stream."""
    torch.set_num_threads(1)  # until the number is chosen: one is safe on a machine in use
    data = load("mnist_5k")
    for strategy in ("EWC", "replay"):
        yield from permuted(strategy, data)
    yield from streams(data)


if __name__ == "__main__":
    measure("continual", comparisons)
