"""What is trained: transformers that differ in one line, and how their parts may be held."""

from collections.abc import Callable
from functools import partial
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from engrax.core import named
from engrax.nn import (
    KANRowOperator,
    KolmogorovArnoldAttention,
    MixedFirstRows,
    PadeRows,
    RowAttention,
    SoftmaxRows,
    VisionTransformer,
    matched_width,
    parameter_count,
    row_basis,
)
from engrax.nn.bases import Basis

from ._config import Config

SINGLE = ("identity", "mexican_hat", "morlet", "dog", "meyer", "shannon")
"""Families that are one function: the arms of these share a program."""


@final
class OneOf(Basis):
    """One function out of `SINGLE`, chosen by a number, so that a program serves all of them."""

    which: Int[Array, ""]

    @property
    def size(self) -> int:
        """One."""
        return 1

    def __call__(self, x: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "..."]:
        """The function at `x`, along a new axis."""
        values = jnp.stack([row_basis(name, 1)(x, axis) for name in SINGLE])
        return values[self.which]


class Choice(eqx.Module):
    """What sets apart arms of one shape; arrays, so that they share a program.

    **Fields:** `rank`, how many functions a key has, at most those built; `interaction`, 0 for
    logits of 0, from which queries and keys cannot get away: both have no gradient there; `mixing`,
    0 for the identity in the place of W; `which` of `SINGLE`.
    """

    rank: Float[Array, ""]
    interaction: Float[Array, ""]
    mixing: Float[Array, ""]
    which: Int[Array, ""]

    def __init__(
        self, rank: int, *, interaction: bool = True, mixing: bool = True, which: int = 0
    ) -> None:
        self.rank, self.which = jnp.float32(rank), jnp.int32(which)
        self.interaction, self.mixing = jnp.float32(interaction), jnp.float32(mixing)


def image_shape(config: Config) -> tuple[int, int, int]:
    """Channels, rows and columns."""
    return (3, 32, 32) if config.data.startswith("cifar") else (1, 28, 28)


def tokens(config: Config) -> int:
    """N, the class token included."""
    return VisionTransformer.tokens(image_shape(config), config.patch)


def attention(config: Config, kind: str, choice: Choice | None = None) -> Callable[..., Any]:
    """The builder of one attention layer.

    "any_rank" is "fourier" with N functions a key, of which `chosen` keeps as many as the choice
    says; the others are zeros with gradients of zero.
    """
    n, grid = tokens(config), config.grid
    kan = partial(KolmogorovArnoldAttention, n_tokens=n, grid=grid)
    builders = {
        "softmax": lambda: eqx.Partial(RowAttention, operator=eqx.Partial(SoftmaxRows, n)),
        "fourier": lambda: eqx.Partial(kan, rank=config.rank),
        "any_rank": lambda: eqx.Partial(kan, rank=n),
        "universal": lambda: eqx.Partial(kan, rank=config.rank, share="universal"),
        "simplex": lambda: eqx.Partial(kan, rank=config.rank, simplex=True),
        "mixed_first": lambda: eqx.Partial(
            RowAttention,
            operator=eqx.Partial(MixedFirstRows, n, config.rank, row_basis("fourier", grid)),
        ),
        "pade": lambda: eqx.Partial(RowAttention, operator=eqx.Partial(PadeRows, n, config.rank)),
        "single": lambda: eqx.Partial(kan, rank=config.rank, basis=OneOf(choice.which)),  # pyright: ignore[reportOptionalMemberAccess] (given with this kind)
    }
    if kind in builders:
        return builders[kind]()
    return eqx.Partial(kan, rank=config.rank, basis=kind)


def chosen(attention: Any, choice: Choice) -> Any:
    """A layer with what `choice` says: fewer functions, no logits, or no W.

    A function that is not there has coefficients and a column of W of zero; then both have a
    gradient of zero too.
    """
    d = attention.output.shape[0]
    here = jnp.arange(3 * d) < 2 * d
    weight = attention.qkv.weight
    weight = jnp.where(here[:, None], weight * choice.interaction, weight)
    attention = eqx.tree_at(lambda layer: layer.qkv.weight, attention, weight)
    operator = attention.operator
    if not isinstance(operator, KANRowOperator) or operator.mix is None:
        return attention
    built = operator.mix.shape[-1]
    if built != operator.tokens:
        return attention
    kept = (jnp.arange(built, dtype=jnp.float32) < choice.rank).astype(jnp.float32)
    # W is uniform within r^(-1/2), for the r that is kept.
    drawn = operator.mix * kept[None, None] * jnp.sqrt(built / choice.rank)
    mix = choice.mixing * drawn + (1 - choice.mixing) * jnp.eye(built)[None]
    coefficients = operator.coefficients * kept[None, None, :, None]
    return eqx.tree_at(
        lambda layer: (layer.operator.mix, layer.operator.coefficients),
        attention,
        (mix, coefficients),
    )


def transformer(
    config: Config, kind: str, choice: Choice, d: int | None = None, *, key: Key[Array, ""]
) -> VisionTransformer:
    """The model of an arm."""
    model = VisionTransformer(
        image_shape(config),
        config.patch,
        d or config.d,
        config.depth,
        config.heads,
        attention=attention(config, kind, choice),
        classes=100 if config.data == "cifar100" else 10,
        key=key,
    )
    if isinstance(model.stack, eqx.nn.Shared):
        return model
    layers = [chosen(block.attention, choice) for block in model.blocks]
    return eqx.tree_at(lambda m: [block.attention for block in m.stack], model, layers)


def count(config: Config, kind: str) -> int:
    """Parameters of a model of this kind; a softmax without the biases that one arm learns."""
    build = RowAttention if kind == "softmax" else attention(config, kind)
    make = eqx.Partial(
        VisionTransformer,
        image_shape(config),
        config.patch,
        config.d,
        config.depth,
        config.heads,
        attention=build,
    )
    return parameter_count(eqx.filter_eval_shape(make, key=jax.random.key(0)))


def matched(config: Config) -> int:
    """The width at which a softmax model has as many parameters as one with learned functions."""

    def make(d: int) -> Callable[..., Any]:
        return eqx.Partial(
            VisionTransformer, image_shape(config), config.patch, d, config.depth, config.heads
        )

    return matched_width(make, count(config, "fourier"), multiple=config.heads)


@final
class Transferred(eqx.Module):
    """A transformer that attends by the maps of another, which does not learn."""

    teacher: VisionTransformer
    student: VisionTransformer

    def __call__(self, x: Float[Array, "channels rows columns"]) -> Float[Array, " classes"]:
        """Logits of the student for one image."""
        maps = jax.lax.stop_gradient(self.teacher.maps(x))
        return self.student(x, maps=tuple(maps))


def transferred(config: Config, kind: str, choice: Choice, *, key: Key[Array, ""]) -> Transferred:
    """Teacher and student, which starts as every other model of the seed does."""
    teacher = transformer(config, kind, choice, key=named(key, "teacher"))
    return Transferred(teacher, transformer(config, "softmax", choice, key=key))


def student_alone(model: Transferred) -> Any:
    """What is trained."""
    nothing = jax.tree.map(lambda _: False, model)
    every = jax.tree.map(eqx.is_inexact_array, model.student)
    return eqx.tree_at(lambda m: m.student, nothing, every)
