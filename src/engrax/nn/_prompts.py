"""Prompts for a frozen transformer, and what they have in common."""

import abc
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from ._attention import Prefix

START = 0.02
"""Standard deviation of prompts and keys at the start."""


class Prompted(NamedTuple):
    """What prompts do to a transformer for one input.

    **Fields:** `prefixes` and `prompt` as `VisionTransformer.features` takes them; `pull`, a
    scalar that belongs into the training loss: how far chosen keys are from the query.
    """

    prefixes: tuple[Prefix | None, ...] | None
    prompt: Float[Array, "n d"] | None
    pull: Float[Array, ""]


class Prompts(eqx.Module):
    """Learned inputs of a frozen transformer, chosen or weighed by a query: the features that the
    transformer, without any prompt, finds in the same input.

    `task` is the present task, or the last one that was learned: keys of later tasks are never
    asked. It moves by `begin_task` alone.
    """

    task: eqx.AbstractVar[Int[Array, ""]]

    @abc.abstractmethod
    def __call__(self, query: Float[Array, " d"], *, training: bool = False) -> Prompted:
        """The prompts for one input; `training` where its task is the present one."""

    def begin_task(self, task: Int[Array, ""], *, key: Key[Array, ""]) -> "Prompts":
        """The prompts with which learning of `task` starts."""
        del key
        task = jnp.asarray(task, jnp.int32)
        return eqx.tree_at(lambda prompts: prompts.task, self, task)


@final
class PromptPool(Prompts):
    """Learning to prompt (Wang et al. 2022, L2P): the prompts of the keys nearest to the query.

    Of `pool` prompts of `length` tokens the `top` ones whose keys have the largest cosine with the
    query stand before the image's tokens, nearest first. Nothing knows of tasks. The pull is the
    sum of 1 - cosine over the chosen keys (their Eq. 5, at strength 1).

    Differs from the paper: the head reads the class token, not the mean over the prompts, as in
    the comparison of Smith et al. 2023.
    """

    prompts: Float[Array, "pool length d"]
    keys: Float[Array, "pool d"]
    task: Int[Array, ""]
    top: int = eqx.field(static=True)

    def __init__(
        self, d: int, *, pool: int = 10, length: int = 5, top: int = 5, key: Key[Array, ""]
    ) -> None:
        """For a transformer of width `d`; all start from a normal distribution of .02.

        Raises:
            ValueError: sizes below 1, or fewer prompts than are chosen.
        """
        if min(d, length, top) < 1 or pool < top:
            raise ValueError(
                f"PromptPool got d={d}, pool={pool}, length={length}, top={top}; expected at least "
                "1 each, and a pool of at least `top` prompts."
            )
        first, second = jr.split(key)
        self.prompts = START * jr.normal(first, (pool, length, d))
        self.keys = START * jr.normal(second, (pool, d))
        self.task, self.top = jnp.int32(0), top

    def chosen(self, query: Float[Array, " d"]) -> Int[Array, " top"]:
        """The numbers of the prompts for this query, nearest first."""
        return jax.lax.top_k(cosine(query, self.keys), self.top)[1]

    def __call__(self, query: Float[Array, " d"], *, training: bool = False) -> Prompted:
        """The chosen prompts as tokens."""
        chosen = self.chosen(query)
        tokens = self.prompts[chosen].reshape(-1, self.prompts.shape[-1])
        return Prompted(None, tokens, jnp.sum(1 - cosine(query, self.keys[chosen])))


@final
class DualPrompt(Prompts):
    """General prompts in early blocks, and in later ones the prompt of a task (Wang et al. 2022).

    Half of a prompt stands before the keys of an attention layer, the other half before its values
    (prefix tuning). Each task has a prompt and one key. In training the present task's prompt is
    used, and its key is pulled to the query; otherwise the prompt is that of the key, among those
    of the tasks so far, with the largest cosine.
    """

    general: Float[Array, "early general_length d"]
    expert: Float[Array, "tasks late length d"]
    keys: Float[Array, "tasks d"]
    task: Int[Array, ""]
    early: tuple[int, ...] = eqx.field(static=True)
    late: tuple[int, ...] = eqx.field(static=True)
    depth: int = eqx.field(static=True)

    def __init__(
        self,
        d: int,
        depth: int,
        tasks: int,
        *,
        early: tuple[int, ...] = (0, 1),
        late: tuple[int, ...] = (2, 3, 4),
        general_length: int = 6,
        length: int = 20,
        key: Key[Array, ""],
    ) -> None:
        """For `depth` blocks of width `d`; all start from a normal distribution of .02.

        Raises:
            ValueError: a block that there is not or that is named twice, an odd length, or sizes
                below 1.
        """
        check_blocks("DualPrompt", (*early, *late), depth)
        if min(d, tasks) < 1 or any(n < 2 or n % 2 for n in (general_length, length)):
            raise ValueError(
                f"DualPrompt got d={d}, tasks={tasks} and prompts of {general_length} and {length};"
                " expected at least 1, and even lengths of at least 2: half are keys, half values."
            )
        keys = jr.split(key, 3)
        self.general = START * jr.normal(keys[0], (len(early), general_length, d))
        self.expert = START * jr.normal(keys[1], (tasks, len(late), length, d))
        self.keys = START * jr.normal(keys[2], (tasks, d))
        self.task, self.depth = jnp.int32(0), depth
        self.early, self.late = tuple(early), tuple(late)

    def chosen(self, query: Float[Array, " d"]) -> Int[Array, ""]:
        """The task that this query seems to come from, among those so far."""
        known = jnp.arange(len(self.keys), dtype=jnp.int32) <= self.task
        near = cosine(query, self.keys)
        return jnp.argmax(jnp.where(known, near, -jnp.inf)).astype(jnp.int32)

    def __call__(self, query: Float[Array, " d"], *, training: bool = False) -> Prompted:
        """Prefixes of all blocks."""
        task = self.task if training else self.chosen(query)
        given = dict(zip(self.early, self.general, strict=True))
        given |= dict(zip(self.late, self.expert[task], strict=True))
        return Prompted(
            prefixes(given, self.depth), None, 1 - cosine(query, self.keys[task][None])[0]
        )


class PromptedTransformer(eqx.Module):
    """A transformer that stays as it is, and prompts for it.

    `net` is a `VisionTransformer`, or any module with `features(x, prefixes=, prompt=)`, `head` and
    `head_bias`. What is trained are the prompts and the head, `path_mask(model, "prompts.*",
    "net.head*")`; then the query that `net` gives without prompts stays as it is.
    """

    net: Any
    prompts: Prompts

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, " classes"]:
        """Logits of one input of any task so far."""
        return self._prompted(x, training=False)[0]

    def train(self, x: Float[Array, "..."]) -> tuple[Float[Array, " classes"], Float[Array, ""]]:
        """Logits of one input of the present task, and the pull on the keys."""
        return self._prompted(x, training=True)

    def query(self, x: Float[Array, "..."]) -> Float[Array, " d"]:
        """The features of the transformer alone, through which no gradient flows."""
        return jax.lax.stop_gradient(self.net.features(x))

    def begin_task(self, task: Int[Array, ""], *, key: Key[Array, ""]) -> "PromptedTransformer":
        """The model with its prompts made ready for a task."""
        return eqx.tree_at(
            lambda model: model.prompts, self, self.prompts.begin_task(task, key=key)
        )

    def _prompted(self, x: Array, *, training: bool) -> tuple[Array, Array]:
        given = self.prompts(self.query(x), training=training)
        features = self.net.features(x, prefixes=given.prefixes, prompt=given.prompt)
        return self.net.head @ features + self.net.head_bias, given.pull


def cosine(query: Float[Array, "*n d"], keys: Float[Array, "n d"]) -> Float[Array, " n"]:
    """The cosine of a query, or of one a key, with each key; 0 for one of length 0."""
    query = jnp.broadcast_to(query, keys.shape)
    lengths = jnp.sum(query**2, -1) * jnp.sum(keys**2, -1)
    return jnp.sum(query * keys, -1) * jax.lax.rsqrt(jnp.maximum(lengths, 1e-16))


def prefixes(prompts: dict[int, Array], depth: int) -> tuple[Prefix | None, ...]:
    """Block -> prompt (length, d) as one prefix a block: keys, then values."""
    halves = {block: jnp.split(prompt, 2) for block, prompt in prompts.items()}
    return tuple(
        (halves[block][0], halves[block][1]) if block in halves else None for block in range(depth)
    )


def check_blocks(what: str, blocks: tuple[int, ...], depth: int) -> None:
    """Refuses blocks that there are not, and blocks that come twice."""
    if not blocks or len(set(blocks)) < len(blocks) or not set(blocks) <= set(range(depth)):
        raise ValueError(
            f"{what} got the blocks {blocks} of a transformer of {depth}; expected different ones "
            f"from 0 to {depth - 1}."
        )
