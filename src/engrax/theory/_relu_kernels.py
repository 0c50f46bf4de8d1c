"""Kernels of an infinitely wide two-layer ReLU network, on unit vectors."""

import jax.numpy as jnp
from jaxtyping import Array, Float

FanIn = int | Float[Array, ""]


def relu_nngp(cosine: Float[Array, "*batch"], fan_in: FanIn) -> Float[Array, "*batch"]:
    """Covariance of the outputs of a random network: ``(sin t + (pi - t) c) / (2 pi d)``.

    The network is ``V relu(W x / sqrt(d)) / sqrt(width)`` with standard normal weights and no
    biases (`engrax.nn.TwoLayerNet` under ``parametrization="ntk"``), ``c = cos t`` is the cosine
    between two inputs of length 1 and d = `fan_in` their number of entries. It is also the kernel
    of gradient descent on the readout alone. Inputs of other lengths: multiply by both lengths.

    The precision is that of the argument: call it on float64 inside ``jax.enable_x64(True)``.
    Source: the arc-cosine kernel of order 1 (Cho and Saul 2009).
    """
    return (_sine(cosine) + _supplement(cosine) * cosine) / (2 * jnp.pi * fan_in)


def relu_ntk(cosine: Float[Array, "*batch"], fan_in: FanIn) -> Float[Array, "*batch"]:
    """Kernel of gradient descent on both layers: ``(sin t + 2 (pi - t) c) / (2 pi d)``.

    The neural tangent kernel of the network of `relu_nngp`, to which it adds what the first layer
    contributes. Arguments, precision and other lengths as there.
    """
    return (_sine(cosine) + 2 * _supplement(cosine) * cosine) / (2 * jnp.pi * fan_in)


def _sine(cosine: Array) -> Array:
    return jnp.sqrt((1 - cosine) * (1 + cosine))


def _supplement(cosine: Array) -> Array:
    """Pi minus the angle."""
    return jnp.arccos(-cosine)
