"""One layer of Kolmogorov-Arnold attention of ViT-Tiny, against a plain PyTorch one and a softmax.

197 tokens of 192 features, 3 heads, r = 12, 3 harmonics, 32 images. PyTorch's side is written as
the formula reads: all sines and cosines of all logits in one array, then one sum over them, then
the rows times the values. It gets our weights and inputs, and must agree on answers and gradients.
"""

from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import torch

from engrax.nn import KolmogorovArnoldAttention, RowAttention
from engrax.probes import compiled_cost

from ._machine import THREADS
from ._report import Comparison
from ._run import measure
from ._timer import alternate, seconds

IMAGES, TOKENS, D, HEADS, RANK, GRID = 32, 197, 192, 3, 12, 3
ROWS = 50
"""Queries that ours takes at once."""
TOLERANCE = 1e-3
"""Of the norm: sums over 197 keys and 6 functions in float32, in another order."""


class Ours:
    """A layer of ours: the gradient of half the sum of its squared answers."""

    def __init__(self, layer: RowAttention, x: jax.Array) -> None:
        self.arrays, self.static = eqx.partition(layer, eqx.is_array)
        self.x = x
        self.gradient = jax.jit(jax.value_and_grad(self._half))

    def _half(self, arrays: Any, x: jax.Array) -> jax.Array:
        return jnp.square(jax.vmap(eqx.combine(arrays, self.static))(x)).sum() / 2

    def run(self) -> tuple[jax.Array, Any]:
        """That number and its gradient."""
        return jax.block_until_ready(self.gradient(self.arrays, self.x))

    def scratch(self) -> float:
        """Megabytes beside inputs and results, by the compiler's count."""
        return compiled_cost(self.gradient, self.arrays, self.x).peak_memory / 1e6


class Theirs:
    """The same layer in eager PyTorch."""

    def __init__(self, layer: KolmogorovArnoldAttention, x: jax.Array) -> None:
        operator = layer.operator
        arrays = {
            "qkv": layer.qkv, "qkv_bias": layer.qkv_bias, "output": layer.output,
            "output_bias": layer.output_bias, "coefficients": operator.coefficients,
            "mix": operator.mix,
        }  # fmt: skip
        self.weights = {
            name: torch.tensor(np.array(array), requires_grad=True)
            for name, array in arrays.items()
        }
        self.x = torch.tensor(np.array(x))

    def _answers(self) -> torch.Tensor:
        w = self.weights
        parts = torch.nn.functional.linear(self.x, w["qkv"], w["qkv_bias"]).chunk(3, -1)
        q, k, v = (z.view(IMAGES, TOKENS, HEADS, -1).transpose(1, 2) for z in parts)
        logits = q @ k.transpose(-1, -2) / (D // HEADS) ** 0.5
        angles = logits[..., None] * torch.arange(1, GRID + 1)
        waves = torch.cat([angles.cos(), angles.sin()], -1)
        features = torch.einsum("bhkqm,hmpq->bhkp", waves, w["coefficients"])
        rows = features @ w["mix"].transpose(-1, -2)
        mixed = (rows @ v).transpose(1, 2).reshape(IMAGES, TOKENS, D)
        return torch.nn.functional.linear(mixed, w["output"], w["output_bias"])

    def run(self) -> torch.Tensor:
        """That number; gradients are left with the weights."""
        for weight in self.weights.values():
            weight.grad = None
        half = self._answers().square().sum() / 2
        half.backward()
        return half.detach()

    def kept(self) -> float:
        """Megabytes that the forward pass keeps for the backward pass."""
        sizes: dict[int, int] = {}

        def pack(z: torch.Tensor) -> torch.Tensor:
            storage = z.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
            return z

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda z: z):
            self._answers()
        return sum(sizes.values()) / 1e6


def fewest_seconds(work: Callable[[], object]) -> int:
    """Gives PyTorch the number of threads that it is fastest with, and says which."""
    times = {}
    for threads in range(1, THREADS + 1):
        torch.set_num_threads(threads)
        times[threads] = min(seconds(work)[0] for _ in range(3))
    best = min(times, key=times.__getitem__)
    torch.set_num_threads(best)
    return best


def gate(ours: Ours, peer: Theirs) -> str:
    """How far the gradients of all weights are apart."""
    half, gradient = ours.run()
    apart = abs(float(half) / float(peer.run()) - 1)
    found = {name: getattr(gradient, name) for name in ("qkv", "qkv_bias", "output", "output_bias")}
    found |= {name: getattr(gradient.operator, name) for name in ("coefficients", "mix")}
    wrong = 0.0
    for name, g in found.items():
        grad = peer.weights[name].grad
        assert grad is not None
        other = grad.numpy()
        wrong = max(wrong, float(np.linalg.norm(np.array(g) - other) / np.linalg.norm(other)))
    if not (apart < TOLERANCE and wrong < TOLERANCE):
        raise RuntimeError(f"answers differ by {apart:.1e}, gradients by {wrong:.1e} of their norm")
    return f"answers to {apart:.0e}, gradients to {wrong:.0e} of their norm"


def comparisons() -> Iterator[Comparison]:
    """Against PyTorch, and against our softmax attention."""
    x = jr.normal(jr.key(0), (IMAGES, TOKENS, D))
    layer = KolmogorovArnoldAttention(D, HEADS, TOKENS, RANK, grid=GRID, rows=ROWS, key=jr.key(1))
    ours, peer = Ours(layer, x), Theirs(layer, x)
    softmax = Ours(RowAttention(D, HEADS, key=jr.key(1)), x)
    equal = gate(ours, peer)
    threads = fewest_seconds(peer.run)
    memory = (
        f"ours {ours.scratch():.0f} MB of scratch, a softmax layer of ours {softmax.scratch():.0f} "
        f"MB, PyTorch keeps {peer.kept():.0f} MB for the backward pass"
    )
    case = f"KArAt layer, N {TOKENS}, h {HEADS}, r {RANK}, G {GRID}, {IMAGES} images"
    yield Comparison(
        case=f"{case}, forward and backward",
        peer=f"plain PyTorch, eager, {threads} thread{'s' * (threads > 1)}",
        gate=equal,
        aim=2.0,
        alternation=alternate(ours.run, peer.run),
        rates={"memory": memory},
        profile=f"Ours takes {ROWS} queries at a time, and once more on the way back.",
    )
    yield Comparison(
        case=f"{case}, forward and backward",
        peer="our softmax attention",
        gate="all weights but the operator's are the same",
        aim=0.33,
        alternation=alternate(ours.run, softmax.run),
    )


if __name__ == "__main__":
    measure("karat", comparisons)
