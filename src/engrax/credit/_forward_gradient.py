"""Forward gradients with local losses: a directional derivative instead of a backward pass."""

from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Bool, Float, Key, PyTree

from engrax.core import (
    Batch,
    Learner,
    State,
    accuracy,
    draw_normal,
    in_parts,
    named,
    rebuild,
)
from engrax.nn import MLP, dense, uniform_fan_in

from ._layerwise import competing, output_error


@final
class ForwardGradient(Learner):
    """Local greedy forward gradients by activity perturbation (Ren et al. 2022, LG-FG-A).

    Every hidden layer has a linear classifier of its own (the topmost one's is the output layer).
    In each step the layer's pre-activations z are perturbed along a random direction v, normal and
    drawn anew for each example; one forward-mode derivative gives s = v . dCE/dz of the local
    cross-entropy, and s v stands for the gradient: right on average, without a backward pass. The
    classifiers, linear and on top of their loss, learn from the exact error. No gradient crosses a
    layer.

    Differs from the paper: plain fully connected layers, no groups of units with losses of their
    own.

    **Fields:**

    - `build`: `build(key=...) -> MLP` of widths (features, hidden, ..., classes).
    - `optimizer`, `hyper`: the Optax transform is `optimizer(**hyper)`, for layers and classifiers;
      numbers as arrays.
    - `part`: examples a forward pass takes at once in `predict`.

    Raises ValueError (in `init`) for an MLP without a hidden layer.
    """

    build: Callable[..., MLP]
    optimizer: Callable[..., optax.GradientTransformation]
    hyper: dict[str, Array]
    part: int = eqx.field(static=True, default=500, kw_only=True)

    def init(self, *, key: Key[Array, ""]) -> State:
        """Layers, their classifiers, the optimizer's state, and the key of the directions."""
        model = self.build(key=named(key, "model"))
        if len(model.layers) < 2:
            raise ValueError("ForwardGradient got an MLP without a hidden layer; expected one.")
        classes = model.layers[-1].weight.shape[0]
        heads = [
            uniform_fan_in(named(key, f"head{level}"), (classes, width), width)
            for level, width in enumerate(
                (layer.weight.shape[0] for layer in model.layers[:-2]), start=1
            )
        ]
        trained = {"layers": eqx.filter(model, eqx.is_array), "heads": heads}
        optimizer = self.optimizer(**self.hyper).init(trained)
        return {"model": trained, "optimizer": optimizer, "key": named(key, "noise")}

    def model(self, state: State) -> MLP:
        """The network with its present weights, without the inner classifiers."""
        return rebuild(self.build, state["model"]["layers"])

    def gradient(
        self,
        model: MLP,
        heads: list[Float[Array, "classes width"]],
        x: Float[Array, "batch features"],
        y: Array,
        key: Key[Array, ""],
        mask: Bool[Array, "batch classes"] | None = None,
    ) -> tuple[PyTree, Float[Array, "batch classes"]]:
        """What takes the gradient's place for layers and classifiers, and the logits; off the mask
        they are -inf, for the inner classifiers too.
        """
        top = model.layers[-1]
        tops = [*((head, None) for head in heads), (top.weight, top.bias)]
        layers, moved_heads, h, logits = [], [], x, jnp.zeros(0)
        for level, layer in enumerate(model.layers[:-1]):
            weight, bias = tops[level]
            z = dense(h, layer.weight, layer.bias)
            direction = draw_normal(jr.fold_in(key, level), z.shape)

            def entropy(z: Array, layer=layer, weight=weight, bias=bias) -> Any:
                above = z if layer.activation is None else layer.activation(z)
                logits = above @ weight.T
                logits = competing(logits if bias is None else logits + bias[None], mask)
                losses = optax.softmax_cross_entropy_with_integer_labels(logits, y)
                return losses, (above, logits)

            _, slope, (above, logits) = jax.jvp(entropy, (z,), (direction,), has_aux=True)
            signal = slope[:, None] * direction / len(x)
            change = eqx.tree_at(lambda part: part.weight, layer, signal.T @ h)
            if layer.bias is not None:
                change = eqx.tree_at(lambda part: part.bias, change, signal.sum(0))
            layers.append(change)
            error = output_error(logits, y) / len(x)
            moved_heads.append((error.T @ above, error.sum(0)))
            h = above
        last = eqx.tree_at(lambda part: part.weight, top, moved_heads[-1][0])
        if top.bias is not None:
            last = eqx.tree_at(lambda part: part.bias, last, moved_heads[-1][1])
        network = eqx.tree_at(lambda net: net.layers, model, (*layers, last))
        return {"layers": network, "heads": [change for change, _ in moved_heads[:-1]]}, logits

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """Learns from one batch; records the output's cross-entropy and accuracy."""
        model, (key, now) = self.model(state), jr.split(state["key"])
        gradient, logits = self.gradient(
            model, state["model"]["heads"], input.x, input.y, now, input.mask
        )
        with jax.numpy_dtype_promotion("standard"):
            updates, optimizer = self.optimizer(**self.hyper).update(
                eqx.filter(gradient, eqx.is_array), state["optimizer"], state["model"]
            )
        moved = optax.apply_updates(state["model"], updates)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, input.y).mean()
        record = {"loss": loss, "accuracy": accuracy(logits, input.y)}
        return {"model": moved, "optimizer": optimizer, "key": key}, record

    def predict(self, state: State, x: Array) -> Array:
        """Logits of the output layer, `part` examples at a time."""
        return in_parts(self.model(state), x, self.part)
