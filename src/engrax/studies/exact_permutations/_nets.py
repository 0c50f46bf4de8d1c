"""Networks trained on the one-hot inputs, in three ways."""

from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from engrax.nn import TwoLayerNet
from engrax.theory import Kernel, relu_nngp, relu_ntk

Kind = Literal["ntk", "readout", "standard"]
"""Both layers under the NTK parametrization; its readout alone; both layers of a network in the
standard parametrization with one learning rate, which is all but the second."""


def kernel_of(kind: Kind) -> Kernel:
    """The kernel that theory says such networks follow."""
    return relu_ntk if kind == "ntk" else relu_nngp


def largest_eigenvalue(kind: Kind, k: int, width: int) -> float:
    """Of the kernel matrix of the k one-hot inputs, at infinite width but for the scale."""
    # Standing for (1, 0) of the cosine: a on the diagonal and b off it.
    a, b = (0.5, 0.5 / np.pi) if kind != "ntk" else (1.0, 0.5 / np.pi)
    top = (a - b + k * b) / k
    return top * width if kind == "standard" else top


def untrained(key: Key[Array, ""], k: int, width: int, kind: Kind) -> TwoLayerNet:
    """A fresh network of k inputs and k outputs."""
    scale = "standard" if kind == "standard" else "ntk"
    return TwoLayerNet(k, width, k, parametrization=scale, key=key)


def trained(
    net: TwoLayerNet,
    y: Float[Array, "k k"],
    kind: Kind,
    steps: int,
    *,
    rate: float | None = None,
    seen: Bool[Array, " k"] | None = None,
) -> TwoLayerNet:
    """After full-batch gradient descent on the one-hot inputs, those under `seen` if given.

    The loss is half the sum of squared errors, the rate 1 / (largest eigenvalue) unless given. The
    readout alone is trained for ever, which is a linear system.
    """
    width, k = net.weight.shape
    mask = jnp.ones((k, 1)) if seen is None else seen[:, None].astype(y.dtype)
    if kind == "readout":
        return _readout_trained(net, y, mask)
    rate = rate or 1 / largest_eigenvalue(kind, k, width)
    return descended(net, lambda net: jnp.sum(mask * (net.columns() - y) ** 2) / 2, rate, steps)


def trained_on(
    net: TwoLayerNet, x: Float[Array, "n k"], y: Float[Array, "n k"], steps: int
) -> TwoLayerNet:
    """After full-batch gradient descent on any unit inputs, under the NTK parametrization."""
    gram = relu_ntk(jnp.clip(x @ x.T, -1.0, 1.0), x.shape[1])
    rate = 1 / jnp.linalg.eigvalsh(gram)[-1]
    return descended(net, lambda net: jnp.sum((net.batch(x)[0] - y) ** 2) / 2, rate, steps)


def descended(
    net: TwoLayerNet, loss: Callable[[Any], Array], rate: float | Array, steps: int
) -> TwoLayerNet:
    """After plain gradient descent."""

    def step(net: TwoLayerNet, _: None) -> tuple[TwoLayerNet, None]:
        gradient = jax.grad(loss)(net)
        return jax.tree.map(lambda p, g: p - rate * g, net, gradient), None

    return jax.lax.scan(step, net, None, length=steps)[0]


def _readout_trained(
    net: TwoLayerNet, y: Float[Array, "k k"], mask: Float[Array, "k 1"]
) -> TwoLayerNet:
    width = net.readout.shape[1]
    hidden = jax.vmap(net.hidden)(jnp.eye(len(y))) / jnp.sqrt(jnp.float32(width))
    # Examples that are left out get an error of 0 and a row of the identity.
    gram = mask * (hidden @ hidden.T) * mask.T + jnp.diag(1 - mask[:, 0])
    error = mask * (y - hidden @ net.readout.T)
    change = jnp.linalg.solve(gram, error)
    return eqx.tree_at(lambda net: net.readout, net, net.readout + change.T @ hidden)
