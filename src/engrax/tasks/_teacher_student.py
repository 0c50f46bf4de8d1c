"""Perceptron tasks whose teachers resemble each other."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, ArrayLike, Float, Key

from engrax.core import draw_uniform


class TeacherStudentTask(NamedTuple):
    """One task: a teacher of binary weights and what it says of random inputs."""

    teacher: Float[Array, " n"]
    x: Float[Array, "examples n"]
    y: Float[Array, " examples"]


def teacher_student(
    key: Key[Array, ""],
    n: int,
    alphas: Sequence[float],
    similarity: Float[ArrayLike, ""] = 0.0,
) -> tuple[TeacherStudentTask, ...]:
    """One task for each load: ``alpha n`` inputs of fair coins +-1 and a teacher's labels.

    The first teacher W is random; every later one keeps each weight of the first with probability
    ``(1 + similarity) / 2`` and flips it else, so that its mean overlap with W is `similarity`.
    Labels are ``sign(W . x)``, +1 for 0. A task's data depend on the key and its place alone, not
    on the other loads; the first ``alpha n`` examples are those of any larger load.

    Raises ValueError for no input, no task, or a load below one example.
    """
    if n < 1 or not alphas or min(round(alpha * n) for alpha in alphas) < 1:
        raise ValueError(
            f"teacher_student got n={n} and alphas={tuple(alphas)}; expected at least one input, "
            "one task, and one example a task."
        )
    first = _signs(jr.fold_in(key, 0), n)
    tasks = []
    for place, alpha in enumerate(alphas):
        chosen, inputs = (jr.fold_in(jr.fold_in(key, 1 + place), i) for i in range(2))
        kept = draw_uniform(chosen, (n,)) < (1 + jnp.asarray(similarity, jnp.float32)) / 2
        teacher = first if place == 0 else jnp.where(kept, first, -first)
        count = round(alpha * n)
        # A key an example, so that more examples leave the first ones alone.
        keys = jax.vmap(jr.fold_in, (None, 0))(inputs, jnp.arange(count))
        x = jax.vmap(lambda k: _signs(k, n))(keys)
        tasks.append(TeacherStudentTask(teacher, x, jnp.where(x @ teacher < 0, -1.0, 1.0)))
    return tuple(tasks)


def _signs(key: Key[Array, ""], n: int) -> Float[Array, " n"]:
    return jr.rademacher(key, (n,), jnp.float32)
