"""Counter-current learning: two networks teach each other, level by level."""

from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import optax
from jaxtyping import Array, Key, PyTree

from engrax.core import Batch, Learner, State, in_parts, named, rebuild

from ._alignment import AlignmentLoss
from ._dual import DualNetwork, with_layers


@final
class CounterCurrent(Learner):
    """Trains a pair of networks by losses between their activities of one level (Kao & Hariharan
    2024, arXiv 2409.19841).

    One sweep of each network, then one gradient of the summed losses. Since every layer reads its
    input through a stop-gradient, each forward layer learns from its own level's loss and each
    feedback layer from the level it writes: no weight transport, no backward pass between layers.

    **Fields:**

    - `build`: `build(key=...) -> DualNetwork`, an `eqx.Partial` of its class.
    - `loss`: what the feedback network is shown, and the loss of every level.
    - `optimizer`: builds an Optax transform, as `optimizer(**forward)` for the list of forward
      layers and `optimizer(**feedback)` for the feedback layers; `network_sgd` unless told
      otherwise.
    - `forward`, `feedback`: the two optimizers' numbers as arrays, so that they can be swept. A
      feedback learning rate of 0 leaves the feedback weights as they were drawn, bit for bit.
    - `part`: examples a forward pass takes at once in `predict`.

    Differs from the paper, with the authors' code: no normalization of activities in the `dot`
    loss, which is scaled by 256 / width instead.
    """

    build: Callable[..., DualNetwork]
    loss: AlignmentLoss
    optimizer: Callable[..., optax.GradientTransformation]
    forward: dict[str, Array]
    feedback: dict[str, Array]
    part: int = eqx.field(static=True, default=500)

    def init(self, *, key: Key[Array, ""]) -> State:
        """The pair's arrays and both optimizers' states."""
        dual = self.build(key=named(key, "model"))
        return {
            "model": eqx.filter(dual, eqx.is_array),
            "forward": self.optimizer(**self.forward).init(dual.forward_layers()),
            "feedback": self.optimizer(**self.feedback).init(dual.feedback_layers()),
        }

    def model(self, state: State) -> Any:
        """The pair with its present weights."""
        return rebuild(self.build, state["model"])

    def gradients(
        self, dual: DualNetwork, x: Array, y: Array
    ) -> tuple[list[PyTree], list[PyTree], Array, DualNetwork]:
        """Gradients of the forward and of the feedback layers, the loss of every level, and the
        pair with its running statistics moved.
        """
        target = self.loss.targets(x, y)

        def total(layers: tuple[list[PyTree], list[PyTree]]) -> tuple[Array, tuple[Array, Any]]:
            activities, signals, moved = with_layers(dual, *layers).sweep(x, target)
            levels = self.loss(activities, signals, x, y)
            return levels.sum(), (levels, eqx.filter(moved, eqx.is_array))

        layers = dual.forward_layers(), dual.feedback_layers()
        (forward, feedback), (levels, moved) = jax.grad(total, has_aux=True)(layers)
        return forward, feedback, levels, rebuild(self.build, moved)

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """Learns from one batch; records the summed loss and the output level's share of it."""
        dual = self.model(state)
        forward, feedback, levels, moved = self.gradients(dual, input.x, input.y)
        sides = [
            ("forward", forward, dual.forward_layers(), self.forward),
            ("feedback", feedback, dual.feedback_layers(), self.feedback),
        ]
        new, layers = {}, []
        for name, gradient, weights, hyper in sides:
            # Optax promotes types implicitly; under JAX's strict mode that is its own affair.
            with jax.numpy_dtype_promotion("standard"):
                updates, new[name] = self.optimizer(**hyper).update(gradient, state[name], weights)
            layers.append(optax.apply_updates(weights, updates))
        new["model"] = eqx.filter(with_layers(moved, *layers), eqx.is_array)
        return new, {"loss": levels.sum(), "output_loss": levels[-1]}

    def predict(self, state: State, x: Array) -> Array:
        """Outputs of the forward network in evaluation mode, `part` examples at a time."""
        return in_parts(lambda batch: self.model(state).predict(batch), x, self.part)
