"""Read any model's inner activities, without a hook in its code path."""

from collections.abc import Callable
from typing import Any

import jax
from jax.ad_checkpoint import checkpoint_name
from jax.extend.core import Jaxpr, Literal
from jaxtyping import Array, PyTree


def tag(x: Array, name: str) -> Array:
    """`x` itself, known to `capture` as `name`; compiles to nothing."""
    return checkpoint_name(x, name)


def capture(model: Callable[..., PyTree], *inputs: PyTree) -> tuple[PyTree, dict[str, Array]]:
    """`model(*inputs)`, and all activities that the model tagged on the way.

    Works under `jit`, `vmap` and `grad`. Tags inside a `lax.scan`, `lax.cond` or `lax.map` are
    not seen, since their values do not exist outside of the loop.

    Raises ValueError if one name is tagged twice.
    """
    closed, shape = jax.make_jaxpr(model, return_shape=True)(*inputs)
    found: dict[str, Array] = {}
    flat = _evaluate(closed.jaxpr, closed.consts, jax.tree.leaves(inputs), found)
    return jax.tree.unflatten(jax.tree.structure(shape), flat), found


def _evaluate(jaxpr: Jaxpr, consts: list, inputs: list, found: dict[str, Array]) -> list[Any]:
    """The interpreter: every equation is bound as it stands, tags are noted."""
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs], strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else values[atom]

    for equation in jaxpr.eqns:
        operands = [read(atom) for atom in equation.invars]
        name = equation.primitive.name
        if name in ("jit", "pjit"):
            inner = equation.params["jaxpr"]
            results = _evaluate(inner.jaxpr, inner.consts, operands, found)
        else:
            functions, params = equation.primitive.get_bind_params(equation.params)
            results = equation.primitive.bind(*functions, *operands, **params)
            if not equation.primitive.multiple_results:
                results = [results]
        if name == "name":
            tagged = equation.params["name"]
            if tagged in found:
                raise ValueError(f"capture met the tag {tagged!r} twice; give each its own name.")
            found[tagged] = results[0]
        values.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]
