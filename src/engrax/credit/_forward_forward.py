"""Forward-forward: each layer learns to tell true pairs of input and label from false ones."""

from collections.abc import Callable
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, Key

from engrax.core import Batch, Learner, State, in_parts, named, rebuild
from engrax.nn import MLP


@final
class ForwardForward(Learner):
    """Layers with a goodness each, high for true labels and low for false (Hinton 2022).

    A layer's input, of unit length times the root of its width (the first layer's: the features and
    a one-hot label behind them), goes through `relu(W h + b)`; its goodness g is the mean square of
    the result. Each layer alone minimizes

        softplus(threshold - g(x, label)) + softplus(g(x, another label) - threshold)

    its input held fixed: no gradient crosses a layer. A class's score is the goodness that it
    gives, summed over the layers behind the first (over all of them if there is one).

    **Fields:**

    - `build`: `build(key=...) -> MLP` of widths (features + classes, hidden, ...); every layer is a
      hidden one, and its activations are replaced by ReLU.
    - `optimizer`, `hyper`: the Optax transform is `optimizer(**hyper)`; numbers as arrays.
    - `classes`, `label_scale`: the number of classes, and the value of the one in the one-hot.
    - `threshold`: in units of the mean square.
    - `part`: examples a forward pass takes at once in `predict`, for all classes together.

    Raises ValueError for fewer than two classes, and for inputs of another width than `build`'s.
    Labels outside 0 .. classes - 1 have no one-hot: they are learned as "no label".
    """

    build: Callable[..., MLP]
    optimizer: Callable[..., optax.GradientTransformation]
    hyper: dict[str, Array]
    classes: int = eqx.field(static=True)
    threshold: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0, kw_only=True)
    label_scale: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=3.0, kw_only=True)
    part: int = eqx.field(static=True, default=500, kw_only=True)

    def __check_init__(self) -> None:
        if self.classes < 2:
            raise ValueError(f"ForwardForward got classes={self.classes}; expected 2 or more.")

    def init(self, *, key: Key[Array, ""]) -> State:
        """Weights, the optimizer's state, and the key of the false labels."""
        model = eqx.filter(self.build(key=named(key, "model")), eqx.is_array)
        optimizer = self.optimizer(**self.hyper).init(model)
        return {"model": model, "optimizer": optimizer, "key": named(key, "noise")}

    def model(self, state: State) -> MLP:
        """The layers with their present weights."""
        return rebuild(self.build, state["model"])

    def goodness(
        self, model: MLP, x: Float[Array, "batch features"], labels: Int[Array, " batch"]
    ) -> Float[Array, "layers batch"]:
        """The mean square of each layer, for pairs of inputs and labels."""
        one_hot = self.label_scale * jax.nn.one_hot(labels, self.classes, dtype=x.dtype)
        h = jnp.concatenate([x.reshape(len(x), -1), one_hot], 1)
        wanted = model.layers[0].weight.shape[1]
        if h.shape[1] != wanted:
            raise ValueError(
                f"ForwardForward got {h.shape[1] - self.classes} features and {self.classes} "
                f"classes for a first layer of {wanted} inputs; build it with their sum."
            )
        found = []
        for layer in model.layers:
            below = jax.lax.stop_gradient(_normalized(h))
            assert layer.bias is not None
            h = jax.nn.relu(below @ layer.weight.T + layer.bias[None])
            found.append(jnp.square(h).mean(1))
        return jnp.stack(found)

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """Learns from one batch, each example once with its label and once with a false one."""
        model, (key, now) = self.model(state), jr.split(state["key"])
        false = (input.y + jr.randint(now, input.y.shape, 1, self.classes)) % self.classes

        def loss(model: MLP) -> Array:
            true = jax.nn.softplus(self.threshold - self.goodness(model, input.x, input.y))
            wrong = jax.nn.softplus(self.goodness(model, input.x, false) - self.threshold)
            return (true + wrong).mean(1).sum()

        value, gradient = eqx.filter_value_and_grad(loss)(model)
        with jax.numpy_dtype_promotion("standard"):
            updates, optimizer = self.optimizer(**self.hyper).update(
                eqx.filter(gradient, eqx.is_array), state["optimizer"], state["model"]
            )
        moved = optax.apply_updates(state["model"], updates)
        return {"model": moved, "optimizer": optimizer, "key": key}, {"loss": value}

    def predict(self, state: State, x: Array) -> Array:
        """The classes' scores (examples, classes)."""
        model = self.model(state)

        def score(x: Array) -> Array:
            def one(label: Array) -> Array:
                found = self.goodness(model, x, jnp.full(len(x), label))
                return (found[1:] if len(found) > 1 else found).sum(0)

            return jax.vmap(one)(jnp.arange(self.classes)).T

        return in_parts(score, x, max(1, self.part // self.classes))


def _normalized(h: Float[Array, "batch width"]) -> Float[Array, "batch width"]:
    return h / (jnp.sqrt(jnp.square(h).mean(1, keepdims=True)) + 1e-6)
