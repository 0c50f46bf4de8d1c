"""A linear readout that learns by recursive least squares, the rule of FORCE."""

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.linalg import cho_factor, cho_solve
from jaxtyping import Array, Float

State = dict[str, Array]


class RecursiveLeastSquares(eqx.Module):
    """Weights (k, n) that solve a discounted ridge regression after every step.

        g = P r,  w += g/(lambda + r.g) e,  P <- (P - g g^T/(lambda + r.g)) / lambda,  P_0 = I/ridge

    (Haykin; FORCE: Sussillo and Abbott 2009.) All channels share the inverse correlation P, so a
    step costs n^2 and knows every neuron: not local. With `forgetting` lambda = 1 and P kept, all
    data so far count alike; lambda < 1 forgets; `reset=True` starts P again at each `begin_block`.
    P is made symmetric at every update, which float32 needs.

        readout = RecursiveLeastSquares(500, 2)
        state = readout.update(readout.init(), rates, target)

    **Raises:** `ValueError` where the sizes are below 1.
    """

    n: int = eqx.field(static=True)
    k: int = eqx.field(static=True)
    forgetting: Float[Array, ""]
    ridge: Float[Array, ""]
    reset: bool = eqx.field(static=True)

    def __init__(
        self,
        n: int,
        k: int,
        *,
        forgetting: float | Float[Array, ""] = 1.0,
        ridge: float | Float[Array, ""] = 1.0,
        reset: bool = False,
    ) -> None:
        """For `n` features and `k` channels."""
        if n < 1 or k < 1:
            raise ValueError(f"a readout needs features and channels, got n={n}, k={k}; give >= 1.")
        self.n, self.k, self.reset = n, k, reset
        self.forgetting = jnp.asarray(forgetting, jnp.float32)
        self.ridge = jnp.asarray(ridge, jnp.float32)

    def init(self) -> State:
        """`weight` (k, n) of zero and `inverse` (n, n) = I/ridge."""
        return {"weight": jnp.zeros((self.k, self.n)), "inverse": jnp.eye(self.n) / self.ridge}

    def begin_block(self, state: State) -> State:
        """Told that the statistics have changed: forgets the correlations if `reset`."""
        return {**state, "inverse": self.init()["inverse"]} if self.reset else state

    def predict(self, state: State, features: Float[Array, "*batch n"]) -> Float[Array, "*batch k"]:
        """The outputs for one vector of features, or for many."""
        return features @ state["weight"].T

    def update(
        self,
        state: State,
        features: Float[Array, " n"],
        target: Float[Array, " k"],
        gate: Float[Array, " k"] | None = None,
    ) -> State:
        """After one step. A channel whose gate is 0 keeps its weights; if all are 0, P stays."""
        weight, inverse = state["weight"], state["inverse"]
        error = target - self.predict(state, features)
        if gate is not None:
            error = error * gate
        g = inverse @ features
        gain = g / (self.forgetting + features @ g)
        moved = _symmetric((inverse - gain[:, None] * g[None]) / self.forgetting)
        if gate is not None:
            moved = jnp.where(gate.any(), moved, inverse)
        return {"weight": weight + error[:, None] * gain[None], "inverse": moved}

    def epoch(
        self,
        state: State,
        features: Float[Array, "time n"],
        targets: Float[Array, "time k"],
        gate: Float[Array, " k"] | None = None,
    ) -> State:
        """After many steps under one gate, at once (Woodbury): what `update` gives step by step.

        With D = diag(lambda^(T-1-t)) and P' = P/lambda^T:  S = D^-1 + R P' R^T,
        P <- P' - P' R^T S^-1 R P',  w <- w + P' R^T S^-1 (targets - R w).
        """
        weight, inverse = state["weight"], state["inverse"]
        steps = features.shape[0]
        age = jnp.arange(steps, dtype=jnp.float32)[::-1]
        prior = inverse / self.forgetting**steps
        seen = features @ prior
        scale = cho_factor(_symmetric(seen @ features.T) + jnp.diag(self.forgetting**-age))
        error = targets - self.predict(state, features)
        if gate is not None:
            error = error * gate[None]
        moved = _symmetric(prior - seen.T @ cho_solve(scale, seen))
        if gate is not None:
            moved = jnp.where(gate.any(), moved, inverse)
        return {"weight": weight + cho_solve(scale, error).T @ seen, "inverse": moved}


def _symmetric(matrix: Float[Array, "n n"]) -> Float[Array, "n n"]:
    return (matrix + matrix.T) / 2
