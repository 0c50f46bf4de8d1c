"""A tree of arrays as one safetensors file with a seal in its header."""

import io
import json
import math
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import PyTree

from engrax.core import is_key

from ._errors import one_line
from ._manifest import OPEN, check_seal, sealed

_METADATA = "__metadata__"
_LENGTH = 8  # bytes of the number that says how long the header is

SEAL_AT = _LENGTH + len(f'{{"{_METADATA}":{{"sha256":"')
"""Where the hash stands in a file, which has zeros there while it is hashed."""

_SPARE = 1 << 20  # bytes by which a header may be longer than it should be, and still be compared

_TYPES = {
    **{f"{kind}{n}": f"{kind[0]}{n}".upper() for kind in ("int", "uint") for n in (8, 16, 32, 64)},
    **{f"float{n}": f"F{n}" for n in (16, 32, 64)},
    **{"bool": "BOOL", "bfloat16": "BF16", "complex64": "C64"},
    **{"float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "float8_e8m0fnu": "F8_E8M0"},
}
"""What safetensors calls a dtype; any other is kept as bytes, and named in the metadata."""

Leaf = jax.Array | np.ndarray | np.generic | jax.ShapeDtypeStruct


def to_safetensors(tick: int, kept: PyTree) -> list[bytes | memoryview]:
    """The pieces of a file: its header, and each array as it lies in memory.

    The library that safetensors come from would copy all of it twice.

    **Raises:** `TypeError` where an array holds Python objects.
    """
    header = _encoded(_described(tick, kept)[0])
    plain = (jr.key_data(leaf) if is_key(leaf) else leaf for leaf in jax.tree.leaves(kept))
    arrays = [np.asarray(leaf, order="C") for leaf in plain]
    return sealed(SEAL_AT, header, *(a.reshape(-1).view(np.uint8).data for a in arrays))


def from_safetensors(content: bytes, like: PyTree) -> tuple[int, PyTree]:
    """The tick and the tree of a file, in the form of `like` and on the host.

    **Raises:** `ValueError` in a few words where a bit has changed since it was written, or the
    names, shapes or dtypes are not those of `like`.
    """
    check_seal(io.BytesIO(content), SEAL_AT)
    end = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    if end > len(_encoded(_described(0, like)[0])) + _SPARE:
        raise ValueError(f"its header promises {end - _LENGTH} bytes, far more than are wanted")
    try:
        found = json.loads(content[_LENGTH:end])
        tick = int(found[_METADATA]["tick"])
        found[_METADATA]["sha256"] = OPEN
        wanted, size = _described(tick, like)
        wrong = _difference(found, wanted)
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError("its header names no tick") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its header cannot be read: {one_line(error)}") from error
    if wrong:
        raise ValueError(wrong)
    if len(content) - end != size:
        raise ValueError(f"its arrays have {len(content) - end} bytes and should have {size}")
    leaves, form = jax.tree.flatten(like)
    arrays = []
    for leaf in map(_form, leaves):
        # A copy, so that it can be written to and the rest of the file can go.
        arrays.append(np.ndarray(leaf.shape, leaf.dtype, content, end).copy())
        end += arrays[-1].nbytes
    return tick, form.unflatten(map(_typed, leaves, arrays))


def largest(like: PyTree) -> int:
    """Bytes that a file in the form of `like` cannot exceed.

    **Raises:** `TypeError` as `to_safetensors`.
    """
    header, size = _described(0, like)
    return len(_encoded(header)) + _SPARE + size


def _described(tick: int, tree: PyTree) -> tuple[dict[str, Any], int]:
    """What the header of a file says, and the bytes of all its arrays."""
    metadata, at = {"sha256": OPEN, "tick": str(tick)}, 0
    described: dict[str, Any] = {_METADATA: metadata}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        # Not the shorter form a.b, which stands for ["a"]["b"] and for ["a.b"].
        name, form = jax.tree_util.keystr(path), _form(leaf)
        if form.dtype.hasobject:
            raise TypeError(f"a checkpoint cannot keep {name}: it holds Python objects, no numbers")
        shape, end = list(form.shape), at + math.prod(form.shape) * form.dtype.itemsize
        kind = _TYPES.get(str(form.dtype))
        if kind is None:
            metadata[f"dtype of {name}"] = str(form.dtype)
            kind, shape = "U8", [*shape, form.dtype.itemsize]
        described[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, end]}
        at = end
    return described, at


def _encoded(described: dict[str, Any]) -> bytes:
    text = json.dumps(described, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # as all writers do, so that arrays begin at a multiple of 8
    return len(text).to_bytes(_LENGTH, "little") + text


def _difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """The first entry in which two headers differ, in words; empty if in none."""
    for name in (*wanted, *found):
        if found.get(name) != wanted.get(name):
            a, b = (str(header.get(name, "missing"))[:200] for header in (found, wanted))
            return f"{name[:200]} is {a} and should be {b}"
    return ""


def _form(leaf: Leaf) -> Leaf:
    """What has the shape and the dtype in which a leaf is kept: that of their data for keys."""
    return jax.eval_shape(jr.key_data, leaf) if is_key(leaf) else leaf


def _typed(like: Leaf, found: np.ndarray) -> jax.Array | np.ndarray:
    """A leaf that was kept, a typed key again where `like` has one."""
    if not is_key(like):
        return found
    return jr.wrap_key_data(jnp.asarray(found), impl=jr.key_impl(jnp.empty(0, like.dtype)))
