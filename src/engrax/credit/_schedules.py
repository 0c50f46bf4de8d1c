"""How noisy the label is at each time: from noise (time 0) to clean."""

import math
from typing import NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


class StepCoefficients(NamedTuple):
    """One step of the chain, z' = a guess + b z + sqrt(c) noise."""

    a: Float[Array, "*batch"]
    b: Float[Array, "*batch"]
    c: Float[Array, "*batch"]
    """A variance."""


def posterior_coefficients(
    before: Float[Array, "*batch"], after: Float[Array, "*batch"]
) -> StepCoefficients:
    """Those of q(z_t | z_{t-1}, y) = N(a u_y + b z_{t-1}, c), from alpha-bar at both ends.

    With alpha_{t-1} = before / after (Li et al. 2025, App. A),

        a = sqrt(after) (1 - alpha) / (1 - before)
        b = sqrt(alpha) (1 - after) / (1 - before)
        c = (1 - after) (1 - alpha) / (1 - before)
    """
    # after - before, not 1 - before / after: a long chain's steps are small.
    step, noise = (after - before) / after, 1 - before
    return StepCoefficients(
        jnp.sqrt(after) * step / noise,
        jnp.sqrt(before / after) * (1 - after) / noise,
        (1 - after) * step / noise,
    )


@final
class CosineVariancePreserving(eqx.Module):
    """The fixed schedule of a chain of `steps` blocks: `steps` + 1 noise levels on a cosine.

        alpha-bar_t = f(T + 1 - t) / f(0),   f(tau) = cos^2((tau / (T + 1) + s) / (1 + s) pi / 2)

    for t = 0 .. T, clipped to [1e-5, 1 - 1e-5]; z_t given the label is N(sqrt(alpha-bar_t) u_y,
    1 - alpha-bar_t). The levels run to T + 1, so that the last one keeps some noise: with T of them
    the signal-to-noise ratio at the end would be infinite. The paper says "cosine" and no more.

    Raises ValueError for less than one step or a negative offset `s`.
    """

    levels: Float[Array, " levels"]
    """alpha-bar_0 .. alpha-bar_T."""
    coefficients: StepCoefficients
    """Of the steps 1 .. T."""
    steps: int = eqx.field(static=True)

    def __init__(self, steps: int, s: float = 0.008):
        if steps < 1 or s < 0:
            raise ValueError(
                f"CosineVariancePreserving got steps={steps}, s={s}; expected at least one step, "
                "one for each block, and an offset of at least 0."
            )
        # In double precision, since levels near 0 and 1 are divided by their distance to 1.
        tau = (steps + 1 - np.arange(steps + 1)) / (steps + 1)
        f = np.square(np.cos((tau + s) / (1 + s) * math.pi / 2))
        levels = np.clip(f / math.cos(s / (1 + s) * math.pi / 2) ** 2, 1e-5, 1 - 1e-5)
        before, after = levels[:-1], levels[1:]
        step, noise = (after - before) / after, 1 - before
        self.levels = jnp.asarray(levels, jnp.float32)
        self.coefficients = StepCoefficients(
            jnp.asarray(np.sqrt(after) * step / noise, jnp.float32),
            jnp.asarray(np.sqrt(before / after) * (1 - after) / noise, jnp.float32),
            jnp.asarray((1 - after) * step / noise, jnp.float32),
        )
        self.steps = steps

    def abar(self, t: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
        """alpha-bar at the levels t, 0 .. steps."""
        return self.levels[t]

    def snr(self, t: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
        """alpha-bar / (1 - alpha-bar)."""
        level = self.levels[t]
        return level / (1 - level)

    def dsnr(self, t: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
        """SNR(t) - SNR(t - 1) of the steps t, 1 .. steps."""
        return self.snr(t) - self.snr(t - 1)

    def step_coefficients(self, t: Int[Array, "*batch"]) -> StepCoefficients:
        """Of the steps t, 1 .. steps: from level t - 1 to level t."""
        return jax.tree.map(lambda values: values[t - 1], self.coefficients)


@final
class LearnableVariancePreserving(eqx.Module):
    """A trained schedule on the times 0 .. 1 (Li et al. 2025, App. B).

        alpha-bar(t) = sigmoid(-gamma(t)),  SNR(t) = exp(-gamma(t))
        gamma(t) = gamma_0 + (gamma_1 - gamma_0) (1 - rise(t))

    where rise goes from 0 to 1 with t: a sum of `hidden` sigmoids and a line, all with positive
    weights, rescaled to these ends. It starts close to a straight line, its sigmoids centered at
    evenly spaced times. gamma_1 stays at least 0.5 above gamma_0.

    Raises ValueError for no hidden unit, or ends less than 0.5 apart.
    """

    line: Float[Array, ""]
    heights: Float[Array, " hidden"]
    slopes: Float[Array, " hidden"]
    offsets: Float[Array, " hidden"]
    end: Float[Array, ""]
    """gamma_0, the value at the clean end."""
    gap: Float[Array, ""]

    def __init__(self, hidden: int = 64, gamma_0: float = -4.0, gamma_1: float = 4.0):
        if hidden < 1 or not gamma_1 - gamma_0 > 0.5:
            raise ValueError(
                f"LearnableVariancePreserving got hidden={hidden}, gamma_0={gamma_0}, "
                f"gamma_1={gamma_1}; expected a unit or more, and gamma_1 above gamma_0 + 0.5."
            )
        slope, centers = 10.0, (np.arange(hidden) + 0.5) / hidden
        self.line = jnp.float32(_inverse_softplus(1.0))
        self.heights = jnp.full(hidden, _inverse_softplus(1.0 / hidden), jnp.float32)
        self.slopes = jnp.full(hidden, _inverse_softplus(slope), jnp.float32)
        self.offsets = jnp.asarray(-slope * centers, jnp.float32)
        self.end = jnp.float32(gamma_0)
        self.gap = jnp.float32(_inverse_softplus(gamma_1 - gamma_0 - 0.5))

    def gamma(self, t: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
        """-ln SNR, falling with t."""
        one = jnp.ones((), t.dtype)
        low, high = self._rise(jnp.zeros((), t.dtype)), self._rise(one)
        rise = (self._rise(t) - low) / (high - low)
        return self.end + (0.5 + jax.nn.softplus(self.gap)) * (1 - rise)

    def abar(self, t: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
        """alpha-bar at the times t."""
        return jax.nn.sigmoid(-self.gamma(t))

    def snr(self, t: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
        """exp(-gamma(t))."""
        return jnp.exp(-self.gamma(t))

    def dsnr(self, t: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
        """The derivative of SNR at the times t; never negative."""
        return jax.jvp(self.snr, (t,), (jnp.ones_like(t),))[1]

    def step_coefficients(
        self, before: Float[Array, "*batch"], after: Float[Array, "*batch"]
    ) -> StepCoefficients:
        """Of a step from one time to a later one."""
        return posterior_coefficients(self.abar(before), self.abar(after))

    def _rise(self, t: Array) -> Array:
        units = (-1, *(1,) * t.ndim)
        slopes = jax.nn.softplus(self.slopes).reshape(units)
        inner = slopes * t[None] + self.offsets.reshape(units)
        heights = jax.nn.softplus(self.heights).reshape(units)
        return jax.nn.softplus(self.line) * t + (heights * jax.nn.sigmoid(inner)).sum(0)


def _inverse_softplus(y: float) -> float:
    return math.log(math.expm1(y))


Schedule = CosineVariancePreserving | LearnableVariancePreserving


def prior_divergence(
    embedded: Float[Array, "*batch dim"], abar: Float[Array, ""]
) -> Float[Array, "*batch"]:
    """KL(q(z_0 | y) || N(0, I)) of each example, from its embedding u_y and alpha-bar at time 0.

    (d (1 - abar) + abar |u_y|^2 - d - d ln(1 - abar)) / 2
    """
    dim = embedded.shape[-1]
    return 0.5 * (abar * (jnp.square(embedded).sum(-1) - dim) - dim * jnp.log1p(-abar))


def noised(
    embedded: Float[Array, "batch dim"],
    abar: Float[Array, ""] | Float[Array, " batch"],
    noise: Float[Array, "batch dim"],
) -> Float[Array, "batch dim"]:
    """A sample of q(z_t | y) = N(sqrt(abar) u_y, 1 - abar), one level or one an example."""
    level = jnp.broadcast_to(abar, embedded.shape[:1])[:, None]
    return jnp.sqrt(level) * embedded + jnp.sqrt(1 - level) * noise
