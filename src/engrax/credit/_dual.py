"""What counter-current learning asks of a pair of networks."""

import abc
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, PyTree


class DualNetwork(eqx.Module):
    """A feed-forward network and a mirrored feedback network with weights of its own.

    Both run through the same L + 1 levels. `forward` starts from the input (level 0) and ends at
    the output (level L); `feedback` starts from the target (level L) and ends at the input (level
    0). At each level the two activities have the same shape per example. **Every weight layer must
    read its input through `jax.lax.stop_gradient`**, so that a loss at level l reaches one forward
    layer (the one that writes level l) and one feedback layer (the one that writes level l too).

    Subclasses implement `forward`, `feedback`, `forward_layers` and `feedback_layers`. A pair with
    running statistics also overrides `sweep` (training) and `predict` (evaluation).
    """

    @abc.abstractmethod
    def forward(self, x: Float[Array, "batch ..."]) -> list[Array]:
        """Activities of levels 0..L for a batch: `a[0]` is `x`, `a[L]` the output (n, ...)."""

    @abc.abstractmethod
    def feedback(self, target: Float[Array, "rows ..."]) -> list[Array]:
        """Signals of levels 0..L for target rows: `b[L]` is `target`, `b[0]` looks like `x`."""

    @abc.abstractmethod
    def forward_layers(self) -> list[PyTree]:
        """What the forward optimizer trains, one entry a layer (an array or a pytree of arrays).

        The entries are leaves of `self`, so that `eqx.tree_at(type(self).forward_layers, ...)`
        writes them back. Leaves that neither list names are never trained.
        """

    @abc.abstractmethod
    def feedback_layers(self) -> list[PyTree]:
        """What the feedback optimizer trains, one entry a layer, as in `forward_layers`."""

    def sweep(
        self, x: Float[Array, "batch ..."], target: Float[Array, "rows ..."]
    ) -> tuple[list[Array], list[Array], "DualNetwork"]:
        """Both sweeps in training mode, and the pair with its running statistics moved."""
        return self.forward(x), self.feedback(target), self

    def predict(self, x: Float[Array, "batch ..."]) -> Array:
        """Output in evaluation mode; the feedback network takes no part."""
        return self.forward(x)[-1]


def with_layers(dual: Any, forward: list[PyTree], feedback: list[PyTree]) -> Any:
    """`dual` with the trained leaves of both networks replaced."""
    kind = type(dual)
    # Leaf by leaf, since an entry may be a tuple that was put together for the optimizer.
    dual = eqx.tree_at(
        lambda d: jax.tree.leaves(kind.forward_layers(d)), dual, jax.tree.leaves(forward)
    )
    return eqx.tree_at(
        lambda d: jax.tree.leaves(kind.feedback_layers(d)), dual, jax.tree.leaves(feedback)
    )
