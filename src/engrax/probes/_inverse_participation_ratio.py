"""How few frequencies a periodic signal is made of."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def inverse_participation_ratio(
    x: Float[Array, "*rows p"], *, one_sided: bool = True
) -> Float[Array, "*rows"]:
    """Sum of squared spectral powers over the square of their sum, along the last axis.

    The power spectrum is that of a real Fourier transform, its constant part included (Doshi et al.
    2024, Eqs. 3-4). A pure cosine has 1, a single spike 1 / (p // 2 + 1), and white noise about
    twice that. The value depends neither on the signal's scale nor on where it starts. A signal of
    zeros has 0.

    By default a frequency and its negative are one bin, as in the authors' code. With
    `one_sided=False` they are two, as in their text: a cosine then has 1/2, and a spike 1/p.
    """
    spectrum = jnp.fft.rfft(x) if one_sided else jnp.fft.fft(x)
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    total = power.sum(-1, keepdims=True)
    # Normalized before the square: the weights of a collapsed net would underflow.
    share = power / jnp.where(total > 0, total, 1)
    return jnp.square(share).sum(-1)
