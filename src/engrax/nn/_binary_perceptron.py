"""A perceptron over binary weights under their mean-field posterior."""

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.special import log_ndtr
from jaxtyping import Array, ArrayLike, Float, Key

from engrax.core import draw_normal


class BinaryPerceptron(eqx.Module):
    """One unit with binary weights, ``q(w_i) = exp(beta w_i h_i) / (2 cosh(beta h_i))``.

    With the means ``m = tanh(beta h)`` and ``S = sum(1 - m^2)`` the output's sign is right with
    probability ``Phi(t)``, ``t = y (m . x) / sqrt(S)``, in the limit of many inputs. `energy` is
    minus the log of that, summed over the batch (Li et al. 2023, Eq. 4).
    """

    h: Float[Array, " n"]
    beta: float = eqx.field(static=True, default=1.0)

    @classmethod
    def random(cls, n: int, *, key: Key[Array, ""], beta: float = 1.0) -> "BinaryPerceptron":
        """Standard normal fields. Raises ValueError for n below 1."""
        if n < 1:
            raise ValueError(f"a perceptron needs at least one input, got n={n}.")
        return cls(draw_normal(key, (n,)), beta)

    @property
    def means(self) -> Float[Array, " n"]:
        """The mean of each weight."""
        return jnp.tanh(self.h * self.beta)

    def margins(self, x: Float[Array, "batch n"], y: Float[Array, " batch"]) -> Array:
        """``y (m . x) / sqrt(S)`` of each example; a guard keeps S above 1e-20."""
        means = self.means
        spread = jnp.sum(1 - jnp.square(means))
        return y * (x @ means) / jnp.sqrt(spread + 1e-20)

    def energy(
        self,
        x: Float[Array, "batch n"],
        y: Float[Array, " batch"],
        mask: Float[ArrayLike, "*batch"] = 1.0,
    ) -> Float[Array, ""]:
        """``- sum ln Phi(t)`` over inputs and labels +-1; the mask weighs the examples."""
        return -jnp.sum(mask * log_ndtr(self.margins(x, y)))

    def overlaps(self, teacher: Float[Array, " n"]) -> dict[str, Float[Array, ""]]:
        """The measured order parameters for a teacher of +-1.

        `p` of the signs and `r` of the means with the teacher, `qd` of the means with themselves,
        and `error` = arccos(p)/pi, the generalization error of the signs.
        """
        means = self.means
        p = jnp.mean(jnp.where(self.h < 0, -1.0, 1.0) * teacher)
        return {
            "p": p,
            "r": jnp.mean(means * teacher),
            "qd": jnp.mean(jnp.square(means)),
            "error": jnp.arccos(jnp.clip(p, -1.0, 1.0)) / jnp.float32(jnp.pi),
        }
