"""A prompt put together from components, more of them with each task."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from engrax.core import named

from ._prompts import Prompted, Prompts, check_blocks, cosine, prefixes


@final
class CODAPrompt(Prompts):
    """Decomposed attention-based prompting (Smith et al. 2023, CODA-Prompt, Eq. 3-6).

    In each of `blocks` the prompt is `sum_m alpha_m P_m` with `alpha_m = cos(query * A_m, K_m)`,
    half of it before the keys of the attention and half before its values. Each task has
    `components / tasks` components of its own: when it begins they are drawn and orthogonalized,
    by Gram and Schmidt, against all earlier ones (P as one long vector each, A and K likewise) and
    have length 1; while it is learned the earlier ones get no gradient, and later ones are not
    there. There is no pull.

    Differs from the paper: their penalty on what is not orthogonal has weight 0, as in the code
    that its authors released.
    """

    prompts: Float[Array, "blocks components length d"]
    keys: Float[Array, "blocks components d"]
    attention: Float[Array, "blocks components d"]
    task: Int[Array, ""]
    blocks: tuple[int, ...] = eqx.field(static=True)
    depth: int = eqx.field(static=True)
    tasks: int = eqx.field(static=True)

    def __init__(
        self,
        d: int,
        depth: int,
        tasks: int,
        *,
        components: int = 100,
        length: int = 8,
        blocks: tuple[int, ...] = (0, 1, 2, 3, 4),
        key: Key[Array, ""],
    ) -> None:
        """For `depth` blocks of width `d`, ready for the first task.

        Raises:
            ValueError: a block that there is not or that is named twice, an odd length, components
                that tasks do not share evenly, or more of them than can be orthogonal, `d`.
        """
        check_blocks("CODAPrompt", blocks, depth)
        if length < 2 or length % 2:
            raise ValueError(
                f"CODAPrompt got length={length}; expected an even number: half are keys, half "
                "values."
            )
        if tasks < 1 or not tasks <= components <= d or components % tasks:
            raise ValueError(
                f"CODAPrompt got components={components} for tasks={tasks} and d={d}; expected a "
                "multiple of the tasks, at most d: so many can be orthogonal."
            )
        self.prompts = jnp.zeros((len(blocks), components, length, d))
        self.keys = jnp.zeros((len(blocks), components, d))
        self.attention = jnp.zeros((len(blocks), components, d))
        self.task, self.blocks = jnp.int32(0), tuple(blocks)
        self.depth, self.tasks = depth, tasks
        begun = self.begin_task(self.task, key=key)
        self.prompts, self.keys, self.attention = begun.prompts, begun.keys, begun.attention

    def begin_task(self, task: Int[Array, ""], *, key: Key[Array, ""]) -> "CODAPrompt":
        """New components for `task`, orthogonal to those of the tasks before."""
        task = jnp.asarray(task, jnp.int32)
        place = self._born() - task

        def renewed(name: str) -> Array:
            old = getattr(self, name)
            flat = old.reshape(*old.shape[:2], -1)
            drawn = jr.normal(named(key, name), flat.shape)
            flat = jnp.where(place[None, :, None] == 0, drawn, flat)
            return jax.vmap(lambda rows: _orthogonalized(rows, place))(flat).reshape(old.shape)

        return eqx.tree_at(
            lambda prompts: (prompts.prompts, prompts.keys, prompts.attention, prompts.task),
            self,
            (renewed("prompts"), renewed("keys"), renewed("attention"), task),
        )

    def weights(self, query: Float[Array, " d"]) -> Float[Array, "blocks components"]:
        """alpha, 0 for components of later tasks."""
        alpha = jax.vmap(lambda a, k: cosine(query[None] * a, k))(self.attention, self.keys)
        return jnp.where(self._born()[None] <= self.task, alpha, 0)

    def __call__(self, query: Float[Array, " d"], *, training: bool = False) -> Prompted:
        """Prefixes of all blocks; with `training`, only the task's own components can learn."""
        held = self
        if training:
            own = self._born() == self.task
            held = eqx.tree_at(
                lambda prompts: (prompts.prompts, prompts.keys, prompts.attention),
                self,
                replace_fn=lambda a: jnp.where(
                    own.reshape(1, -1, *(1,) * (a.ndim - 2)), a, jax.lax.stop_gradient(a)
                ),
            )
        mixed = jnp.einsum("bm,bmld->bld", held.weights(query), held.prompts)
        given = dict(zip(self.blocks, mixed, strict=True))
        return Prompted(prefixes(given, self.depth), None, jnp.float32(0))

    def _born(self) -> Int[Array, " components"]:
        """The task of each component."""
        count = self.prompts.shape[1]
        return jnp.arange(count, dtype=jnp.int32) // (count // self.tasks)


def _orthogonalized(rows: Float[Array, "m n"], place: Int[Array, " m"]) -> Float[Array, "m n"]:
    """The rows of place 0 at right angles to one another and to all rows before them, of length 1.

    `place` is negative for earlier rows and positive for later ones, which both stay as they are.
    Earlier rows were trained, and are no longer at right angles: a basis of what they span is made
    on the way.
    """

    def step(basis: Array, item: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        index, row, place = item
        rest = row
        for _ in range(2):  # the second time takes out what rounding left
            rest = rest - (basis @ rest) @ basis
        length = jnp.linalg.norm(rest)
        new = (length > 1e-4 * jnp.linalg.norm(row)) & (place <= 0)
        unit = jnp.where(new, rest / jnp.maximum(length, 1e-12), 0)
        return basis.at[index].set(unit), jnp.where(place == 0, unit, row)

    items = jnp.arange(len(rows)), rows, place
    return jax.lax.scan(step, jnp.zeros_like(rows), items)[1]
