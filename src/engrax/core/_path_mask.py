"""Parts of a model by the names that lead to them."""

from fnmatch import fnmatchcase
from typing import Any, final

import equinox as eqx
import jax
from jaxtyping import PyTree


def path_mask(tree: PyTree, *patterns: str) -> PyTree[bool]:
    """Which floating-point arrays of a tree have a path that fits one of the patterns.

    A path is the names of fields, the keys of dicts and the places in sequences, joined by dots:
    `blocks.0.attention.qkv`. In a pattern `*` stands for anything, dots included, `?` for one
    character, `[seq]` for one of several (as in `fnmatch`, case counts). The tree of booleans is
    what `eqx.partition` and `optax.masked` take:

        path_mask(model, "*.attention.qkv.*", "head.*")

    `Paths("*.attention.qkv.*", "head.*")` is the function of the tree alone.

    **Raises:** `ValueError` for a pattern that fits no array, which is most likely misspelled.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
    names = [".".join(map(_name, path)) for path, _ in leaves]
    arrays = [eqx.is_inexact_array(leaf) for _, leaf in leaves]
    for pattern in patterns:
        if not any(a and fnmatchcase(n, pattern) for n, a in zip(names, arrays, strict=True)):
            held = ", ".join(n for n, a in zip(names, arrays, strict=True) if a)
            raise ValueError(f"path_mask found no array that fits {pattern!r}; there are {held}")
    chosen = [
        array and any(fnmatchcase(name, pattern) for pattern in patterns)
        for name, array in zip(names, arrays, strict=True)
    ]
    return jax.tree.unflatten(structure, chosen)


@final
class Paths(eqx.Module):
    """`path_mask` with its patterns: what `GradientLearner(trainable=...)` takes."""

    patterns: tuple[str, ...] = eqx.field(static=True)

    def __init__(self, *patterns: str) -> None:
        self.patterns = patterns

    def __call__(self, tree: PyTree) -> PyTree[bool]:
        """Which arrays of a tree are meant."""
        return path_mask(tree, *self.patterns)


def _name(step: Any) -> str:
    for attribute in ("name", "key", "idx"):
        if hasattr(step, attribute):
            return str(getattr(step, attribute))
    return str(step)
