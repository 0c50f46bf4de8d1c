"""Read any model's inner activities as it runs."""

from collections.abc import Callable
from contextvars import ContextVar

from jaxtyping import Array, PyTree

_notes: ContextVar[dict[str, Array] | None] = ContextVar("notes", default=None)


def tag(x: Array, name: str) -> Array:
    """`x` itself, noted as `name` for a `capture` around it; nothing otherwise."""
    notes = _notes.get()
    if notes is not None:
        if name in notes:
            raise ValueError(f"capture met the tag {name!r} twice; give each its own name.")
        notes[name] = x
    return x


def capture(model: Callable[..., PyTree], *inputs: PyTree) -> tuple[PyTree, dict[str, Array]]:
    """`model(*inputs)`, and all activities that the model tagged on the way.

    Put transformations outside, `jax.vmap(lambda x: capture(model, x))(batch)`: a value that is
    tagged inside a `jit`, `vmap` or `scan` *of the model* does not exist outside of it, and JAX
    says so when it is used.

    Raises ValueError if one name is tagged twice.
    """
    notes: dict[str, Array] = {}
    token = _notes.set(notes)
    try:
        return model(*inputs), notes
    finally:
        _notes.reset(token)
