"""Training language models on endless text: the state is carried, the gradient is cut."""

from collections.abc import Callable
from functools import partial
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jax.sharding import AxisType, PartitionSpec
from jaxtyping import Array, Float, Int, Key, PyTree

from engrax.core import Batch, Learner, State, in_parts, named, rebuild

from ._accumulate import accumulate


@final
class TruncatedBPTT(Learner):
    """One optimizer step a batch of texts, each read on from where its row stood.

    Row b of a batch continues row b of the batch before, as `ByteSequences(carried=True)` gives
    them: the model's state goes on, no gradient goes back through it. The loss is the mean
    cross-entropy of the next token in nats, over `batch.mask` (batch, time) where there is one.

    **Fields:**

    - `build`: `build(key=...) -> model` with `model.chunk`, `model.init_state` and a plain call,
      as `BDH` and `Decoder` have them.
    - `optimizer`, `hyper`: an Optax transform, built as `optimizer(**hyper)`.
    - `batch`: rows of a batch.
    - `carried`: whether rows go on; if not, each batch starts from an empty state.
    - `part`: rows whose gradient is taken at once. On a CPU one row at a time keeps what is
      computed in the cache and is fastest; None takes all, as a GPU wants it.
    - `devices`: how many local devices share the rows. More than one only outside `simulate`, which
      gives each device runs of its own.
    - `trainable`: `trainable(model) -> ` tree of booleans; all floating-point arrays if None.
    - `compute_dtype`: what the model runs in, states included, such as `"bfloat16"` on a GPU;
      weights, gradient and optimizer stay as `build` makes them. None is the weights' own.
    """

    build: Callable[..., PyTree]
    optimizer: Callable[..., optax.GradientTransformation]
    hyper: dict[str, Array]
    batch: int = eqx.field(static=True)
    carried: bool = eqx.field(static=True, default=True)
    part: int | None = eqx.field(static=True, default=None)
    devices: int = eqx.field(static=True, default=1)
    trainable: Callable[[Any], PyTree] | None = None
    compute_dtype: str | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        """Refuses rows that cannot be shared out evenly."""
        if self.devices < 1 or self.batch % self.devices:
            raise ValueError(
                f"TruncatedBPTT needs a number of devices that divides its {self.batch} rows, and "
                f"was given {self.devices}."
            )

    def init(self, *, key: Key[Array, ""]) -> State:
        model = self.build(key=named(key, "model"))
        trained, _ = eqx.partition(model, self._trainable(model))
        return {
            "model": eqx.filter(model, eqx.is_array),
            "optimizer": self.optimizer(**self.hyper).init(trained),
            "memory": self._empty(model),
            "key": named(key, "loss"),
        }

    def model(self, state: State) -> Any:
        """The model with its present weights."""
        return rebuild(self.build, state["model"])

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        model = self.model(state)
        key, now = jr.split(state["key"])
        trained, fixed = eqx.partition(model, self._trainable(model))

        loss, memory, gradient = self._shared(trained, fixed, state["memory"], input, now)
        # Optax promotes types implicitly; under JAX's strict mode that is its own affair.
        with jax.numpy_dtype_promotion("standard"):
            updates, optimizer = self.optimizer(**self.hyper).update(
                gradient, state["optimizer"], trained
            )
        model = eqx.combine(optax.apply_updates(trained, updates), fixed)
        new = {
            "model": eqx.filter(model, eqx.is_array),
            "optimizer": optimizer,
            "memory": memory,
            "key": key,
        }
        return new, {"loss": loss}

    def predict(
        self, state: State, x: Int[Array, "examples time"]
    ) -> Float[Array, "examples time vocab"]:
        """Logits, from an empty state."""
        return in_parts(jax.vmap(self.model(state)), x, self.part or self.batch)

    def _trainable(self, model: Any) -> PyTree:
        if self.trainable is not None:
            return self.trainable(model)
        return jax.tree.map(eqx.is_inexact_array, model)

    def _empty(self, model: Any) -> PyTree:
        """The state of each row before the first batch; None where nothing is carried."""
        if not self.carried:
            return None
        one = _in_dtype(self.compute_dtype, model).init_state()
        return jax.tree.map(lambda leaf: jnp.repeat(leaf[None], self.batch, axis=0), one)

    def _shared(
        self, trained: PyTree, fixed: PyTree, memory: PyTree, input: Batch, key: jax.Array
    ) -> tuple[jax.Array, PyTree, PyTree]:
        """Loss, states afterwards and gradient; each device takes some of the rows."""
        mask = jnp.ones(input.y.shape) if input.mask is None else input.mask.astype(jnp.float32)
        rows = (input.x, input.y, mask / mask.sum(), memory)
        if self.devices == 1:
            return self._gradient(trained, fixed, rows, key)
        mesh = jax.make_mesh(
            (self.devices,),
            ("rows",),
            axis_types=(AxisType.Auto,),
            devices=jax.local_devices()[: self.devices],
        )
        arrays, static = eqx.partition(fixed, eqx.is_array)

        def some(trained: PyTree, arrays: PyTree, rows: PyTree, key: jax.Array) -> tuple:
            mine = jr.fold_in(key, jax.lax.axis_index("rows"))
            fixed = eqx.combine(arrays, static)
            loss, memory, gradient = self._gradient(trained, fixed, rows, mine)
            return jax.lax.psum(loss, "rows"), memory, jax.lax.psum(gradient, "rows")

        spread, whole = PartitionSpec("rows"), PartitionSpec()
        work = jax.shard_map(
            some,
            mesh=mesh,
            in_specs=(whole, whole, spread, whole),
            out_specs=(whole, spread, whole),
            check_vma=False,
        )
        return work(trained, arrays, rows, key)

    def _gradient(
        self, trained: PyTree, fixed: PyTree, rows: tuple, key: jax.Array
    ) -> tuple[jax.Array, PyTree, PyTree]:
        count = rows[0].shape[0]

        def value(trained: PyTree) -> tuple[jax.Array, PyTree]:
            model = eqx.combine(trained, fixed)
            block = min(self.part or count, count)
            losses = partial(_losses_in, self.compute_dtype)
            return accumulate(losses, model, rows, jnp.ones(count), block=block, key=key)

        (loss, memory), gradient = jax.value_and_grad(value, has_aux=True)(trained)
        return loss, memory, gradient


def text_losses(
    model: Any,
    data: tuple[
        Int[Array, "rows time"], Int[Array, "rows time"], Float[Array, "rows time"], PyTree
    ],
    key: Key[Array, ""] | None,
) -> tuple[Float[Array, " rows"], PyTree]:
    """Cross-entropy of each row, weighted by place, and each row's state afterwards.

    `data` holds tokens, the tokens that follow, weights, and the states to start from; with None
    for states they are empty, and none come back.
    """
    x, y, share, memory = data
    keys = None if key is None else jr.split(key, x.shape[0])

    def row(x: Array, memory: PyTree, key: Array | None) -> tuple[Array, PyTree]:
        if memory is None:
            return model(x, key=key), None
        after, logits = model.chunk(memory, x, key=key)
        return logits, after

    if x.shape[0] == 1:
        # XLA's CPU backend computes products with an axis of one more slowly than without it.
        alone = row(*jax.tree.map(lambda leaf: leaf[0], (x, memory, keys)))
        logits, after = jax.tree.map(lambda leaf: leaf[None], alone)
    else:
        logits, after = jax.vmap(row)(x, memory, keys)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), y)
    return (losses * share).sum(-1), after


def _losses_in(
    dtype: str | None, model: Any, data: PyTree, key: Array | None
) -> tuple[Array, PyTree]:
    """Losses of a model that runs in `dtype`; its gradient is summed in its own."""
    return text_losses(_in_dtype(dtype, model), data, key)


def _in_dtype(dtype: str | None, model: Any) -> Any:
    if dtype is None:
        return model
    return jax.tree.map(
        lambda leaf: leaf.astype(dtype) if eqx.is_inexact_array(leaf) else leaf, model
    )
