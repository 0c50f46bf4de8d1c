"""On a GPU: BDH against the compiled reference, a spiking layer against CuPy, seeds in one program.

Both sides run on the same card in the same process; JAX takes memory as it needs it, so that
PyTorch has room. Comparisons in float32 multiply in float32 on both sides, not in TF32.
"""

import os

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import torch

from engrax.core import GradientLearner, cross_entropy, repeat, serial, simulate
from engrax.nn import MLP
from engrax.tasks import Batches, Scaling, load

from ._bdh_reference import Size, folder, reference
from ._report import Comparison
from ._run import measure
from ._timer import alternate, best_seconds
from .bdh import Training, build, gpt
from .spiking import BATCH, STEPS, gate, gradient_of, problem, spikes_of

DEFAULT = Size(32768, 256, 512, 32)
"""The released configuration: 25 million weights, and the batch of its training script."""
NARROW = "bfloat16"
"""What our model runs in, all rows at once; its weights stay in float32."""
NEURONS = 16_000
SEEDS = 64
LOGIT_TOLERANCE = 0.06
"""Of the largest logit: both sides round every product to eight bits, each in its own places."""


class CompiledPeer:
    """The reference's training step, as its script runs it: compiled, in bfloat16 by autocast."""

    def __init__(self, place: Path, size: Size, ours: Training) -> None:
        plain = reference(place, size, ours.learner.model(ours.state)).cuda()
        self.net = torch.compile(plain)
        self.optimizer = torch.optim.AdamW(plain.parameters(), lr=1e-3, weight_decay=0.1)
        tokens = [torch.tensor(np.array(z), dtype=torch.int64) for z in ours.batch[:2]]
        self.x, self.y = (z.cuda() for z in tokens)

    def forward(self) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.autocast("cuda", torch.bfloat16):
            return self.net(self.x, self.y)

    def step(self) -> None:
        self.optimizer.zero_grad()
        self.forward()[1].backward()
        self.optimizer.step()
        torch.cuda.synchronize()


def model_operations(size: Size) -> int:
    """Float operations that the model asks for, forward and twice that backward, nothing anew.

    The scores of the whole square are counted, as is the custom of this figure.
    """
    products = 3 * 2 * size.n * size.d
    square = 2 * size.time * (size.n + size.heads * size.d)
    ends = 2 * size.d * size.vocab
    return 3 * size.batch * size.time * (size.layers * (products + square) + ends)


def product_rate(size: int = 8192) -> float:
    """Operations a second of one large product in bfloat16."""
    x = jr.normal(jr.key(0), (size, size), jnp.bfloat16)
    work = jax.jit(lambda x: x @ x)
    return 2 * size**3 / best_seconds(lambda: work(x).block_until_ready(), rounds=20)


def language_model(place: Path) -> Comparison:
    """A training step at the released configuration."""
    ours = Training(DEFAULT, build(DEFAULT), compute_dtype=NARROW)
    peer = CompiledPeer(place, DEFAULT, ours)
    model = ours.learner.model(ours.state)
    narrow = jax.tree.map(lambda a: a.astype(NARROW) if eqx.is_inexact_array(a) else a, model)
    logits = np.array(eqx.filter_jit(eqx.filter_vmap(narrow))(ours.batch.x[:4]), np.float32)
    theirs = peer.forward()[0][:4].float().detach().cpu().numpy()
    apart = float(np.abs(logits - theirs).max() / np.abs(theirs).max())
    if not apart < LOGIT_TOLERANCE:
        raise RuntimeError(f"logits differ by {apart:.1e} of the largest")
    timed = alternate(ours.step, peer.step)
    tokens = DEFAULT.batch * DEFAULT.time
    rate = model_operations(DEFAULT) / timed.ours.median
    other = Training(DEFAULT, gpt(DEFAULT), compute_dtype=NARROW)
    speeds = [tokens / side.median for side in timed]
    return Comparison(
        case=f"BDH training step, bfloat16, {DEFAULT}",
        peer=f"pathwaycom/bdh, torch.compile, autocast to bfloat16, torch {torch.__version__}",
        gate=f"logits to {apart:.0e} of the largest, in bfloat16",
        aim=1.0,
        alternation=timed,
        rates={
            "tokens/s": "{:,.0f} against {:,.0f}".format(*speeds),
            "model FLOP utilization, of the rate of a product of 8192": (
                f"{rate / product_rate():.0%}"
            ),
            "a GPT of equal parameters in our code": (
                f"{tokens / best_seconds(other.step):,.0f} tokens/s"
            ),
        },
        profile="Neurons are computed again in the backward pass, which is not counted there.",
    )


def spiking() -> Iterator[Comparison]:
    """One linear and one LIF layer of 16,000 neurons, 500 steps."""
    from ._spikingjelly import SpikingJelly

    class OnCuPy(SpikingJelly):
        """SpikingJelly's layer with its fused CuPy kernels."""

        def __init__(self, *arrays: np.ndarray) -> None:
            super().__init__(*arrays)
            self.linear, self.x, self.push = self.linear.cuda(), self.x.cuda(), self.push.cuda()
            self.cells = self.cells.cuda()
            self.cells.backend = "cupy"

        def forward(self) -> torch.Tensor:
            out = super().forward()
            torch.cuda.synchronize()
            return out

        def gradient(self) -> torch.Tensor:
            out = super().gradient()
            torch.cuda.synchronize()
            return out

    with jax.default_matmul_precision("highest"):
        arrays = problem(NEURONS)
        peer = OnCuPy(*map(np.asarray, arrays))
        forward = jax.jit(lambda w, x: spikes_of(OnCuPy.ours(), w, x))
        gradient = jax.jit(lambda w, x, e: gradient_of(OnCuPy.ours(), w, x, e))
        on_host = _Fetched(peer)
        equal = gate(f"{NEURONS} neurons", on_host, forward(*arrays[:2]), gradient(*arrays))
        sides: dict[str, tuple[Callable, Callable, int]] = {
            "forward": (lambda: forward(*arrays[:2]).block_until_ready(), peer.forward, 1),
            "forward and gradient": (
                lambda: gradient(*arrays).block_until_ready(),
                peer.gradient,
                2,
            ),
        }
        for what, (ours, theirs, products) in sides.items():
            timed = alternate(ours, theirs)
            floats = 2 * STEPS * BATCH * NEURONS**2 * products
            yield Comparison(
                case=f"{NEURONS} neurons, batch {BATCH}, {STEPS} steps, {what}, float32",
                peer=f"{SpikingJelly.name}, CuPy backend",
                gate=equal,
                aim=1.0,
                alternation=timed,
                rates={"products": f"{floats / timed.ours.median / 1e12:.1f} TFLOP/s"},
            )


class _Fetched:
    """A peer whose results come to the host."""

    def __init__(self, peer: object) -> None:
        self.peer = peer

    def forward(self) -> torch.Tensor:
        return self.peer.forward().cpu()

    def gradient(self) -> torch.Tensor:
        return self.peer.gradient().cpu()


def seeds() -> Iterator[Comparison]:
    """Many seeds of a net of 167,000 weights in one program, against one seed after another."""
    data = load("mnist_5k")
    stream = Batches(data, 128, scaling=Scaling(shape=(784,)))
    build_net = eqx.Partial(MLP, (784, 128, 128, 128, 128, 128, 10), jax.nn.elu, bias=False)
    learner = GradientLearner(
        build_net, cross_entropy, optax.sgd, {"learning_rate": jnp.float32(0.2)}
    )
    system = repeat(serial(stream=stream, learner=learner), 100)
    run = partial(simulate, system, 5, key=jr.key(0), chunk=5)
    one, many = run(seeds=1), run(seeds=SEEDS)
    apart = float(np.abs(many.records["loss"][0] / one.records["loss"][0] - 1).max())
    if not apart < 0.2:
        raise RuntimeError(f"seed 0 alone and among {SEEDS} differ by {apart:.1e} in their loss")
    timed = alternate(lambda: run(seeds=SEEDS), lambda: [run(seeds=1) for _ in range(SEEDS)])
    alone = best_seconds(lambda: run(seeds=1))
    yield Comparison(
        case=f"BP, 784-128x5-10, {SEEDS} seeds, 500 steps",
        peer="engrax, one seed after another on the same card",
        gate=f"seed 0 alone and among the others: losses to {apart:.0e}",
        aim=SEEDS / 2,
        alternation=timed,
        rates={f"{SEEDS} seeds over one": f"{min(timed.ours.rounds) / alone:.2f} times as long"},
    )


def comparisons(place: Path) -> Iterator[Comparison]:
    """The language model, the spiking layer, the seeds."""
    yield from seeds()
    yield from spiking()
    yield language_model(place)


if __name__ == "__main__":
    if jax.default_backend() == "cpu" or not torch.cuda.is_available():
        sys.exit("The topic gpu needs a GPU that JAX and PyTorch both see; none was found.")
    measure("gpu", partial(comparisons, folder()))
