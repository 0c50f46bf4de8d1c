"""How much of a label can be read off a representation by a linear map."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy as jsp
from jaxtyping import Array, Float, Int


class LinearProbe(eqx.Module):
    """A linear classifier on standardized features; what `linear_probe` returns."""

    weight: Float[Array, "classes features"]
    bias: Float[Array, " classes"]
    mean: Float[Array, " features"]
    """Of the features it was trained on."""
    std: Float[Array, " features"]
    """Of the features it was trained on; 1 where a feature was constant."""

    def __call__(self, features: Float[Array, "examples features"]) -> Array:
        """Logits (examples, classes)."""
        standardized = (features - self.mean[None]) / self.std[None]
        return standardized @ self.weight.T + self.bias[None]


def linear_probe(
    features: Float[Array, "examples features"],
    labels: Int[Array, " examples"],
    *,
    l2: float | Float[Array, ""],
    classes: int,
    share: Float[Array, " examples"] | None = None,
    steps: int = 200,
) -> LinearProbe:
    """Multinomial logistic regression on standardized features, with a penalty l2 / 2 ||W||^2.

    Minimizes the mean cross-entropy plus the penalty (none on the bias). The Hessian of the
    cross-entropy never exceeds half the Gram matrix of the features in each class, so each step
    solves with this bound in the Hessian's place (Boehning 1992): one factorization serves all
    steps, and the loss falls at every one of them without a line search.

    `share` weighs the examples: one `vmap` over rows of zeros and ones trains probes on many parts
    of the data at once.

    Raises:
        ValueError: fewer than two classes, or a number of steps below 1.
    """
    if classes < 2 or steps < 1:
        raise ValueError(
            f"linear_probe needs at least 2 classes and 1 step, and was given {classes} and "
            f"{steps}."
        )
    share = jnp.ones(len(features)) if share is None else share
    share = (share / share.sum())[:, None]
    mean = (share * features).sum(0)
    var = (share * jnp.square(features - mean[None])).sum(0)
    std = jnp.sqrt(jnp.where(var > 0, var, 1.0))
    ones = jnp.ones((len(features), 1))
    x = jnp.concatenate([(features - mean[None]) / std[None], ones], 1)
    wanted = jax.nn.one_hot(labels, classes)

    penalty = jnp.append(jnp.full(x.shape[1] - 1, l2), 0.0)
    bound = 0.5 * (share * x).T @ x + jnp.diag(penalty)
    # Features that are dependent leave the bound singular where there is no penalty.
    ridge = 1e-6 * jnp.trace(bound) / len(bound) * jnp.eye(len(bound))
    factor = jsp.linalg.cho_factor(bound + ridge)

    def descend(weight: Array, _: None) -> tuple[Array, None]:
        error = jax.nn.softmax(x @ weight) - wanted
        gradient = (share * x).T @ error + penalty[:, None] * weight
        return weight - jsp.linalg.cho_solve(factor, gradient), None

    weight, _ = jax.lax.scan(descend, jnp.zeros((x.shape[1], classes)), None, steps)
    return LinearProbe(weight[:-1].T, weight[-1], mean, std)
