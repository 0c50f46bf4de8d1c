"""Kolmogorov-Arnold nets of cubic B-splines, 64-32-10 and 784-64-10, against PyTorch's and an MLP.

efficient-kan gets our weights and the same batches, and has to agree on every spline and on the
losses. pykan starts from weights of its own (same grids, same batches). The MLP is ours, of equal
parameters: there the ratio is its time over the Kolmogorov-Arnold net's, so .5 means twice as slow.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import torch

from engrax.nn import KAN, MLP, bases, parameter_count

from ._kan_peers import efficient_kan, folder, pykan
from ._machine import THREADS
from ._report import Comparison
from ._run import measure
from ._timer import alternate, seconds

SIZES = {(64, 32, 10): 128, (784, 64, 10): 64}
"""Widths -> examples a step."""
STEPS, SLOW_STEPS, RATE = 100, 2, 1e-3
GATE_STEPS = 10


def same(x: Any) -> Any:
    """Hidden nodes as they are: efficient-kan does not squash them."""
    return x


def kan_of(widths: tuple[int, ...]) -> KAN:
    """Our net, in efficient-kan's form: features as they are, no biases."""
    return KAN(widths, bases.BSpline(8), bias=False, squash=same, key=jr.key(0))


def mlp_of(widths: tuple[int, ...], parameters: int) -> MLP:
    """Two layers with the same number of parameters."""
    hidden = round((parameters - widths[-1]) / (widths[0] + 1 + widths[-1]))
    return MLP((widths[0], hidden, widths[-1]), key=jr.key(0))


def batches(widths: tuple[int, ...], batch: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs in [-1, 1] and labels."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (steps, batch, widths[0])).astype(np.float32)
    return x, rng.integers(0, widths[-1], (steps, batch)).astype(np.int32)


def loss_of(model: Any, x: jax.Array, y: jax.Array) -> jax.Array:
    """Mean cross-entropy."""
    return optax.softmax_cross_entropy_with_integer_labels(model(x), y).mean()


class Ours:
    """A net of ours, doing one kind of work over a stack of batches."""

    def __init__(self, model: Any, x: np.ndarray, y: np.ndarray) -> None:
        self.arrays, self.static = eqx.partition(model, eqx.is_array)
        self.data = jnp.asarray(x), jnp.asarray(y)
        works = {"forward": self._forward, "forward and backward": self._backward}
        self.works = {k: jax.jit(w) for k, w in {**works, "training step": self._train}.items()}

    def run(self, kind: str) -> np.ndarray:
        """The last batch's first logits, a sum of gradients, or the losses of all steps."""
        return np.asarray(self.works[kind](self.arrays, *self.data))

    def _model(self, arrays: Any) -> Any:
        return eqx.combine(arrays, self.static)

    def _forward(self, arrays, x, y):
        return jax.lax.map(lambda one: self._model(arrays)(one).sum(), x)

    def _backward(self, arrays, x, y):
        def step(total, batch):
            gradient = jax.grad(lambda a: loss_of(self._model(a), *batch))(arrays)
            return jax.tree.map(jnp.add, total, gradient), None

        total, _ = jax.lax.scan(step, jax.tree.map(jnp.zeros_like, arrays), (x, y))
        return sum(leaf.sum() for leaf in jax.tree.leaves(total))

    def _train(self, arrays, x, y):
        optimizer = optax.adam(RATE)

        def step(carry, batch):
            arrays, state = carry
            loss, gradient = jax.value_and_grad(lambda a: loss_of(self._model(a), *batch))(arrays)
            updates, state = optimizer.update(gradient, state)
            return (optax.apply_updates(arrays, updates), state), loss

        return jax.lax.scan(step, (arrays, optimizer.init(arrays)), (x, y))[1]


class Theirs:
    """A PyTorch net doing the same, in eager mode."""

    def __init__(self, model: torch.nn.Module, x: np.ndarray, y: np.ndarray) -> None:
        self.model = model
        self.start = [p.detach().clone() for p in model.parameters()]
        self.x, self.y = torch.tensor(x), torch.tensor(y.astype(np.int64))

    def run(self, kind: str, steps: int | None = None) -> list[float]:
        """As `Ours.run`, over the first `steps` batches."""
        with torch.no_grad():
            for weight, first in zip(self.model.parameters(), self.start, strict=True):
                weight.copy_(first)
                weight.grad = None
        pairs = zip(self.x[:steps], self.y[:steps], strict=True)
        if kind == "forward":
            with torch.no_grad():
                return [float(self.model(x).sum()) for x, _ in pairs]
        weights = [p for p in self.model.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(weights, lr=RATE)
        losses = []
        for x, y in pairs:
            if kind == "training step":
                optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(self.model(x), y)
            loss.backward()
            if kind == "training step":
                optimizer.step()
            losses.append(loss.item())
        return losses


def fewest_seconds(peer: Theirs, kind: str) -> int:
    """Gives PyTorch the number of threads that it is fastest with, and says which."""
    times = {}
    for threads in range(1, THREADS + 1):
        torch.set_num_threads(threads)
        times[threads] = min(seconds(lambda: peer.run(kind, 5))[0] for _ in range(3))
    best = min(times, key=times.__getitem__)
    torch.set_num_threads(best)
    return best


def gate(widths: tuple[int, ...], ours: KAN, peer: Theirs, x: np.ndarray, y: np.ndarray) -> str:
    """Equal splines, and equal losses over the first steps."""
    points = np.linspace(-1.5, 1.5, 301, dtype=np.float32)
    mine = np.asarray(ours.layers[0].basis(jnp.asarray(points)))
    rows = np.repeat(points[:, None], widths[0], 1)
    theirs = peer.model[0].b_splines(torch.tensor(rows))[:, 0].numpy(force=True)
    splines = float(np.abs(mine - theirs).max())
    if not splines < 1e-5:
        raise RuntimeError(f"{widths}: the splines of both sides differ by {splines:.1e}")
    losses = Ours(ours, x[:GATE_STEPS], y[:GATE_STEPS]).run("training step")
    apart = float(np.abs(losses / np.array(peer.run("training step", GATE_STEPS)) - 1).max())
    if not apart < 1e-4:
        raise RuntimeError(f"{widths}: the losses of both sides differ by {apart:.1e}")
    return f"splines to {splines:.0e}, the losses of {GATE_STEPS} steps to {apart:.0e}"


def comparisons(place: Path) -> Iterator[Comparison]:
    """Each net: all kinds of work against efficient-kan, and training against the others."""
    for widths, batch in SIZES.items():
        x, y = batches(widths, batch, STEPS)
        name = "-".join(map(str, widths)) + f", batch {batch}"
        model = kan_of(widths)
        ours = Ours(model, x, y)
        peer = Theirs(efficient_kan(place, model), x, y)
        equal = gate(widths, model, peer, x, y)
        for kind in ours.works:
            threads = fewest_seconds(peer, kind)
            yield Comparison(
                case=f"KAN {name}, {kind}, {STEPS} times",
                peer=f"efficient-kan, eager, {threads} thread{'s' * (threads > 1)}",
                gate=equal,
                aim=4.0,
                alternation=alternate(run_of(ours, kind), run_of(peer, kind)),
            )
        mlp = mlp_of(widths, parameter_count(model))
        yield Comparison(
            case=f"KAN {name}, training step, {STEPS} times",
            peer=f"our MLP {'-'.join(str(n) for n in shape_of(mlp))} of equal parameters",
            gate=f"{parameter_count(model)} and {parameter_count(mlp)} parameters",
            aim=0.5,
            alternation=alternate(
                run_of(ours, "training step"), run_of(Ours(mlp, x, y), "training step")
            ),
        )
        for fast in (True, False):
            yield from against_pykan(widths, name, ours, x, y, fast=fast)


def shape_of(model: MLP) -> tuple[int, ...]:
    """The widths of an MLP."""
    return (model.layers[0].weight.shape[1], *(layer.weight.shape[0] for layer in model.layers))


def run_of(side: Ours | Theirs, kind: str) -> Callable[[], object]:
    """That work, to be timed."""
    return lambda: side.run(kind)


def against_pykan(
    widths: tuple[int, ...], name: str, ours: Ours, x: np.ndarray, y: np.ndarray, *, fast: bool
) -> Iterator[Comparison]:
    """A training step against pykan; as it comes it takes a second a step, so two are timed."""
    made = pykan(widths, fast=fast)
    if made is None:
        print("pykan is not installed; `pip install pykan` adds its rows.")
        return
    steps = STEPS if fast and widths[0] < 100 else SLOW_STEPS
    peer = Theirs(made, x[:steps], y[:steps])
    mine = Ours(eqx.combine(ours.arrays, ours.static), x[:steps], y[:steps])
    threads = fewest_seconds(peer, "training step") if fast else THREADS
    torch.set_num_threads(threads)
    yield Comparison(
        case=f"KAN {name}, training step, {steps} times",
        peer=f"pykan{'.speed()' if fast else ' as it comes'}, {threads} "
        f"thread{'s' * (threads > 1)}",
        gate="the same grids and shapes; weights are pykan's own",
        aim=4.0 if fast else 500.0,
        alternation=alternate(run_of(mine, "training step"), run_of(peer, "training step")),
    )


if __name__ == "__main__":
    checkout = folder()
    measure("kan", lambda: comparisons(checkout))
