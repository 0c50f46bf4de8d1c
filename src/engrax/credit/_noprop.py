"""NoProp: blocks that learn to denoise a label, each by itself."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Key

from engrax.core import Batch, State, draw_normal, named
from engrax.nn import DenoisingBlock, LabelEmbedding

from ._block_learner import BlockLearner, Parts, Readout, block_at, checked_sizes, stack_blocks
from ._denoise import Path, Sampler, denoise
from ._noprop_losses import (
    embedded_guess,
    label_divergence,
    noprop_ct_loss,
    noprop_dt_loss,
    noprop_fm_loss,
    readout_loss,
)
from ._schedules import CosineVariancePreserving, LearnableVariancePreserving, Schedule

Variant = Literal["dt", "ct", "fm"]
ReadoutName = Literal["linear", "posterior", "nearest"]
_SAMPLERS: dict[str, tuple[Sampler, ...]] = {
    "dt": ("ancestral", "ode"),
    "ct": ("ancestral", "ode"),
    "fm": ("euler",),
}


class Trace(NamedTuple):
    """What every block of a chain sees and says, for a batch."""

    states: Float[Array, "blocks batch dim"]
    guesses: Float[Array, "blocks batch dim"]
    logits: Float[Array, "blocks batch classes"]
    hidden: Float[Array, "blocks batch hidden"]


@final
class NoProp(BlockLearner):
    """Training without back- or forward-propagation (Li, Teh & Pascanu 2025, arXiv 2503.24322).

    A block sees the input and a noisy version of the label's embedding, and learns to name the
    label. The noise has a fixed distribution, so that a block's training needs neither the outputs
    nor the gradients of the others. To classify, noise is carried through the blocks.

    - `variant="dt"`: as many blocks as the `CosineVariancePreserving` schedule has steps (Eq. 8).
      All at once with `mode="parallel"`: the blocks' losses are summed, with the losses of the
      read-out and the embedding counted once. With `mode="sequential"` as in the paper's Alg. 1:
      one block at a time, each for `pass_length` steps (the batches of an epoch), in turns; the
      read-out and the embedding learn with every block.
    - `variant="ct"`: one block with time, and a `LearnableVariancePreserving` schedule (Eq. 9).
    - `variant="fm"`: one block with time, flow matching (Eq. 12), no schedule.

    Gradients reach the embedding, if it is trained, through guesses, targets and noisy inputs.

    **Fields** beyond those of `BlockLearner`:

    - `schedule`, `embedding`: the schedule, and `embedding(key=...) -> LabelEmbedding`.
    - `eta`: weight of the denoising loss.
    - `readout`: what a final state is read by. `"linear"`: a trained linear layer; `"posterior"`:
      the distance of the embedded read-out to each class's embedding; `"nearest"`: the distance of
      the state itself, which needs no training. `"fm"` takes `"nearest"`.
    - `readout_steps`: updates of the read-out for every batch in parallel mode, where a sequential
      run would give it one for each block; they cost next to nothing.
    - `anchored`: whether `"fm"` with a trained embedding adds the cross-entropy that keeps the
      classes apart; without it they collapse onto a point.
    - `sampler`, `steps`: how predictions are made; `steps` for `"ct"` and `"fm"` alone.

    Raises ValueError for an unknown variant, mode or read-out, a schedule or sampler of another
    variant, numbers out of range, and (in `init`) blocks that do not fit variant or embedding.
    """

    schedule: Schedule | None
    embedding: Callable[..., LabelEmbedding]
    eta: Float[Array, ""]
    variant: Variant = eqx.field(static=True)
    mode: Literal["parallel", "sequential"] = eqx.field(static=True)
    readout: ReadoutName = eqx.field(static=True)
    sampler: Sampler = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    readout_steps: int = eqx.field(static=True)
    pass_length: int = eqx.field(static=True)
    anchored: bool = eqx.field(static=True)

    def __init__(
        self,
        block: Callable[..., DenoisingBlock],
        schedule: Schedule | None,
        embedding: Callable[..., LabelEmbedding],
        optimizer: Callable[..., optax.GradientTransformation],
        hyper: dict[str, Array],
        *,
        variant: Variant = "dt",
        mode: Literal["parallel", "sequential"] = "parallel",
        eta: float | Float[Array, ""] | None = None,
        readout: ReadoutName | None = None,
        readout_steps: int = 1,
        pass_length: int = 1,
        anchored: bool = True,
        sampler: Sampler | None = None,
        steps: int = 1000,
        draws: int = 1,
        part: int = 500,
    ):
        _check_options(variant, schedule, mode)
        self.readout = readout or ("nearest" if variant == "fm" else "linear")
        self.sampler = sampler or _SAMPLERS[variant][0]
        _check_prediction(variant, self.readout, self.sampler)
        if min(steps, readout_steps, pass_length, draws, part) < 1:
            raise ValueError(
                f"NoProp got steps={steps}, readout_steps={readout_steps}, "
                f"pass_length={pass_length}, draws={draws}, part={part}; expected at least 1 each."
            )
        self.block, self.schedule, self.embedding = block, schedule, embedding
        self.optimizer, self.hyper = optimizer, hyper
        # The paper's values.
        default = 0.1 if variant == "dt" else 1.0
        self.eta = jnp.asarray(default if eta is None else eta, jnp.float32)
        self.variant, self.mode, self.anchored = variant, mode, anchored
        self.readout_steps, self.pass_length, self.steps = readout_steps, pass_length, steps
        self.draws, self.part = draws, part

    def stacked(self) -> bool:
        """True for `"dt"`, False for the one block with time."""
        return self.variant == "dt"

    def build(self, *, key: Key[Array, ""]) -> Parts:
        """Blocks, embedding, and what of read-out and schedule the variant trains."""
        embedding = self.embedding(key=named(key, "embedding"))
        parts: Parts = {"embedding": embedding}
        if isinstance(self.schedule, CosineVariancePreserving):
            parts["blocks"] = stack_blocks(
                self.block, self.schedule.steps, key=named(key, "blocks")
            )
            example = block_at(parts["blocks"], 0)
        else:
            example = parts["blocks"] = self.block(key=named(key, "blocks"))
        checked_sizes("NoProp", example, embedding)
        if (example.clock is None) != self.stacked():
            raise ValueError(
                f"NoProp with variant={self.variant!r} got a block with"
                f"{'out' if example.clock is None else ''} time; expected time=True for 'ct' and "
                "'fm', time=False for 'dt'."
            )
        if isinstance(self.schedule, LearnableVariancePreserving):
            parts["schedule"] = self.schedule
        if self.variant != "fm" or (embedding.trained and self.anchored):
            parts["readout"] = Readout(embedding)
        return parts

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """Learns from one batch: all blocks in parallel mode, else the block whose turn it is."""
        if self.mode == "sequential":
            return self._sequential_step(state, input)
        state, record = super().step(state, input)
        if self.readout_steps > 1 and self.variant != "fm":
            state = self._read_again(state, input)
        return state, record

    def init(self, *, key: Key[Array, ""]) -> State:
        """Parts, optimizers and keys; in sequential mode also the number of steps done."""
        state = super().init(key=key)
        if self.mode == "sequential":
            state["count"] = jnp.int32(0)
        return state

    def loss(
        self, parts: Parts, batch: Batch, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[DenoisingBlock, dict[str, Array]]]:
        """The variant's loss, and the mean squared error of its guesses as a record."""
        x, y, embedding = batch.x, batch.y, parts["embedding"]
        if self.variant == "fm":
            loss, (moved, ends) = noprop_fm_loss(parts["blocks"], embedding, x, y, key)
            record = {"error": loss}
            if "readout" in parts:
                logits = parts["readout"](ends)
                loss += optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
            return loss, (moved, record)
        if self.variant == "ct":
            inner, (moved, error) = noprop_ct_loss(
                parts["blocks"], embedding, parts["schedule"], x, y, self.eta, key
            )
        else:
            inner, (moved, errors) = noprop_dt_loss(
                parts["blocks"], embedding, self._chain, x, y, self.eta, key
            )
            error = errors.mean()
        return inner + self.shared_loss(parts, y, key), (moved, {"error": error})

    def block_loss(
        self, parts: Parts, index: Array, batch: Batch, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[DenoisingBlock, dict[str, Array]]]:
        """L_t of one block, t = index + 1, which `parts["blocks"]` is here (Eq. 8, Alg. 1)."""
        inner, (moved, error) = noprop_dt_loss(
            parts["blocks"], parts["embedding"], self._chain, batch.x, batch.y, self.eta, key,
            index=index,
        )  # fmt: skip
        return inner + self.shared_loss(parts, batch.y, key), (moved, {"error": error})

    def shared_loss(self, parts: Parts, y: Array, key: Key[Array, ""]) -> Float[Array, ""]:
        """What the blocks share: cross-entropy of the read-out, and the divergence of z_0."""
        first, last = self._ends(parts)
        entropy, _ = readout_loss(
            lambda z: self.scores(parts, z), parts["embedding"], y, last, named(key, "clean")
        )
        return entropy + label_divergence(parts["embedding"], y, first)

    def scores(
        self, parts: Parts, z: Float[Array, "batch dim"], *, readout: ReadoutName | None = None
    ) -> Float[Array, "batch classes"]:
        """Log scores of the classes for final states, as they are trained unless told otherwise.

        `"nearest"` is trained as `"linear"`, whose loss still shapes a trained embedding.
        """
        wanted = readout or ("posterior" if self.readout == "posterior" else "linear")
        weight = parts["embedding"].weight
        if wanted == "linear":
            return parts["readout"](z)
        if wanted == "posterior":
            z = jax.nn.softmax(parts["readout"](z)) @ weight
        return -0.5 * jnp.square(z[:, None, :] - weight[None]).sum(-1)

    def logits(self, parts: Parts, x: Array, key: Key[Array, ""]) -> Float[Array, "batch classes"]:
        """Scores at the end of one path from noise."""
        return self.draw_logits(parts, x, key[None])[0]

    def draw_logits(
        self, parts: Parts, x: Float[Array, "batch ..."], keys: Key[Array, " draws"]
    ) -> Float[Array, "draws batch classes"]:
        """`logits` from each key; image features are computed once for all draws and steps."""
        return self._read(parts, self._paths(parts, x, keys).end)

    def both_readouts(
        self, state: State, x: Float[Array, "examples ..."], *, draws: int
    ) -> dict[str, Float[Array, "draws examples classes"]]:
        """Scores by every read-out that is there, for the same paths; all examples at once."""
        parts = self.model(state)
        ends = self._paths(parts, x, jr.split(state["draw"], draws)).end
        names: tuple[ReadoutName, ...] = ("linear", "posterior", "nearest")

        def read(name: ReadoutName) -> Array:
            return jax.vmap(lambda z: self.scores(parts, z, readout=name))(ends)

        return {name: read(name) for name in (names if "readout" in parts else names[-1:])}

    def trace(self, state: State, x: Float[Array, "batch ..."]) -> Trace:
        """What every block of a `"dt"` chain sees and says along one path, all examples at once.

        Raises ValueError for the other variants.
        """
        if self.variant != "dt":
            raise ValueError(f"a trace needs variant='dt', and this is {self.variant!r}.")
        parts = self.model(state)
        path = self._paths(parts, x, state["draw"][None])
        states, guesses = path.states[0], path.guesses[0]

        def one(block: DenoisingBlock, z: Array) -> Any:
            return block.decide(block.image_features(x), z)

        logits, hidden = eqx.filter_vmap(one)(parts["blocks"], states)
        return Trace(states, guesses, logits, hidden)

    @property
    def _chain(self) -> CosineVariancePreserving:
        assert isinstance(self.schedule, CosineVariancePreserving)
        return self.schedule

    def _ends(self, parts: Parts) -> tuple[Array, Array]:
        """alpha-bar at the noisy and at the clean end."""
        if self.variant == "ct":
            learned = parts["schedule"]
            return learned.abar(jnp.float32(0)), learned.abar(jnp.float32(1))
        return self._chain.levels[0], self._chain.levels[-1]

    def _read(self, parts: Parts, ends: Float[Array, "draws batch dim"]) -> Array:
        return jax.vmap(lambda z: self.scores(parts, z, readout=self.readout))(ends)

    def _paths(self, parts: Parts, x: Array, keys: Key[Array, " draws"]) -> Path:
        """Paths from several draws of noise, over one computation of the image features."""
        embedding, blocks = parts["embedding"], parts["blocks"]
        shape = (len(x), embedding.weight.shape[1])
        many = self.stacked()

        def features_of(block: DenoisingBlock) -> Array:
            return block.image_features(x)

        features = eqx.filter_vmap(features_of)(blocks) if many else features_of(blocks)

        def guess(k: Array, t: Array, z: Array) -> Array:
            if many:
                return embedded_guess(block_at(blocks, k).decide(features[k], z)[0], embedding)
            logits = blocks.decide(features, z, jnp.full(len(z), t))[0]
            return (
                logits @ embedding.weight
                if self.variant == "fm"
                else embedded_guess(logits, embedding)
            )

        def path(key: Key[Array, ""]) -> Path:
            start = draw_normal(named(key, "start"), shape)
            return denoise(
                guess,
                parts.get("schedule", self.schedule),
                start,
                key=named(key, "path"),
                steps=None if many else self.steps,
                sampler=self.sampler,
            )

        return jax.vmap(path)(keys)

    def _sequential_step(self, state: State, batch: Batch) -> tuple[State, dict[str, Array]]:
        index = state["count"] // self.pass_length % self._chain.steps
        key, now = jr.split(state["key"])
        parts = self.model(state)
        turn = {**parts, "blocks": block_at(parts["blocks"], index)}
        trained, fixed = self._trained(turn)

        def value(trained: Parts) -> tuple[Array, Any]:
            loss, (moved, record) = self.block_loss(eqx.combine(trained, fixed), index, batch, now)
            return loss, (eqx.filter(moved, eqx.is_array), record)

        (loss, (moved, record)), gradient = jax.value_and_grad(value, has_aux=True)(trained)
        mine = {**state["optimizer"], "blocks": block_at(state["optimizer"]["blocks"], index)}
        new, optimizers = {}, {}
        for name, part in trained.items():
            new[name], optimizers[name] = self._moved_one(part, gradient[name], mine[name])
        rest = eqx.filter(self._trained({**fixed, "blocks": moved})[1], eqx.is_array)
        done = eqx.combine(new, rest)
        put = lambda stack, one: stack.at[index].set(one)
        done["blocks"] = jax.tree.map(put, state["model"]["blocks"], done["blocks"])
        optimizers["blocks"] = jax.tree.map(put, state["optimizer"]["blocks"], optimizers["blocks"])
        count = state["count"] + 1
        moved_state = {
            **state, "model": done, "optimizer": optimizers, "key": key, "count": count
        }  # fmt: skip
        return moved_state, {"loss": loss, **record}

    def _read_again(self, state: State, batch: Batch) -> State:
        """The read-out's further updates, each on clean ends of its own."""
        parts = self.model(state)
        key, now = jr.split(state["key"])
        _, last = self._ends(parts)
        trained, fixed = eqx.partition(parts["readout"], eqx.is_inexact_array)

        def once(carried: Any, key: Array) -> tuple[Any, None]:
            def value(trained: Any) -> Array:
                mine = {**parts, "readout": eqx.combine(trained, fixed)}
                score = lambda z: self.scores(mine, z)
                return readout_loss(score, parts["embedding"], batch.y, last, key)[0]

            trained, optimizer = carried
            gradient = jax.grad(value)(trained)
            return self._moved_one(trained, gradient, optimizer), None

        begin = (trained, state["optimizer"]["readout"])
        (trained, optimizer), _ = jax.lax.scan(once, begin, jr.split(now, self.readout_steps - 1))
        model = {**state["model"], "readout": eqx.filter(eqx.combine(trained, fixed), eqx.is_array)}
        optimizers = {**state["optimizer"], "readout": optimizer}
        return {**state, "model": model, "optimizer": optimizers, "key": key}


def _check_options(variant: str, schedule: Schedule | None, mode: str) -> None:
    """Raises ValueError for an unknown variant, and for another's schedule or mode."""
    if variant not in _SAMPLERS:
        raise ValueError(f"NoProp got variant={variant!r}; expected 'dt', 'ct' or 'fm'.")
    kind = {"dt": CosineVariancePreserving, "ct": LearnableVariancePreserving, "fm": type(None)}
    if not isinstance(schedule, kind[variant]):
        raise ValueError(
            f"NoProp with variant={variant!r} got a schedule of type {type(schedule).__name__}; "
            f"expected {kind[variant].__name__}."
        )
    if mode not in ("parallel", "sequential") or (mode == "sequential" and variant != "dt"):
        raise ValueError(
            f"NoProp with variant={variant!r} got mode={mode!r}; expected 'parallel', or "
            "'sequential' with variant='dt', which alone has several blocks."
        )


def _check_prediction(variant: str, readout: str, sampler: str) -> None:
    """Raises ValueError for a read-out or sampler that the variant does not have."""
    if readout not in ("linear", "posterior", "nearest") or (
        variant == "fm" and readout != "nearest"
    ):
        raise ValueError(
            f"NoProp with variant={variant!r} got readout={readout!r}; expected 'linear', "
            "'posterior' or 'nearest', and 'nearest' with 'fm'."
        )
    if sampler not in _SAMPLERS[variant]:
        raise ValueError(
            f"NoProp with variant={variant!r} got sampler={sampler!r}; expected one of "
            f"{', '.join(_SAMPLERS[variant])}."
        )
