"""A model on disk: weights as safetensors, everything else as JSON; nothing in them is code."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool
from safetensors import SafetensorError
from safetensors.numpy import load, save

from engrax.lab import read_json, write, write_json

from ._architecture import VOCAB, Architecture, architecture_from
from ._errors import TextError

FORMAT = 1
"""The version of the layout of `model.json`; a file of another version is refused."""

DESCRIPTION, WEIGHTS = "model.json", "model.safetensors"

Shapes = dict[str, tuple[tuple[int, ...], str]]


def save_model(
    folder: Path,
    architecture: Architecture,
    model: Any,
    seen: Bool[np.ndarray, " vocab"],
    history: dict[str, Any],
) -> None:
    """Writes both files, each whole or not at all; the description last, with the weights' hash.

    **Raises:** `OSError` when the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = save({name: np.asarray(leaf) for name, leaf in _arrays(model).items()})
    about = {
        "format": FORMAT,
        "architecture": dataclasses.asdict(architecture),
        "seen": np.flatnonzero(seen).tolist(),
        "history": history,
        "weights": hashlib.sha256(weights).hexdigest(),
    }
    write(folder / WEIGHTS, weights)
    write_json(folder / DESCRIPTION, about)


def load_model(folder: Path) -> tuple[Architecture, Any, Bool[np.ndarray, " vocab"], dict]:
    """Architecture, model, the bytes it has seen in training, and its history.

    The description says which shapes the weights have, so weights of another model are refused
    before they are read; a program is never built from the file.

    **Raises:** `TextError` when the folder holds no model, or a file is damaged or of another.
    """
    about = _description(folder)
    architecture = architecture_from(about.get("architecture"), str(folder / DESCRIPTION))
    seen, history = about.get("seen"), about.get("history")
    if not (
        isinstance(seen, list)
        and all(type(byte) is int and 0 <= byte < VOCAB for byte in seen)
        and isinstance(history, dict)
    ):
        raise TextError(f"{folder / DESCRIPTION} does not describe a language model")
    found = _weights(folder / WEIGHTS)
    # Some layers make tables as long as these while they are built, whatever holds their weights.
    if 4 * max(architecture.neurons if architecture.hatchling else 0, architecture.width) > len(
        found.content
    ):
        raise TextError(
            f"{folder / WEIGHTS} belongs to another model: it is too short for the sizes in "
            f"{DESCRIPTION}; copy both files from the same run"
        )
    skeleton = _skeleton(architecture, folder)
    expected = _shapes(skeleton)
    _check_shapes(folder / WEIGHTS, expected, found)
    if hashlib.sha256(found.content).hexdigest() != about.get("weights"):
        raise TextError(
            f"{folder / WEIGHTS} is not the file that {DESCRIPTION} was written with; copy both "
            "from the same run"
        )
    leaves, tree = jax.tree.flatten(skeleton)
    names = iter(expected)
    filled = [
        jnp.asarray(found.arrays[next(names)]) if isinstance(leaf, jax.ShapeDtypeStruct) else leaf
        for leaf in leaves
    ]
    mask = np.isin(np.arange(VOCAB), seen)
    return architecture, tree.unflatten(filled), mask, history


@dataclasses.dataclass(frozen=True)
class _Weights:
    content: bytes
    arrays: dict[str, np.ndarray]


def _description(folder: Path) -> dict[str, Any]:
    path = folder / DESCRIPTION
    try:
        about = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        raise TextError(
            f"{folder} holds no language model: it has no {DESCRIPTION}; name the folder of a run "
            "of `engrax text train`"
        ) from None
    except (ValueError, OSError) as error:
        raise TextError(f"{path} cannot be read ({error}); copy it again") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        found = about.get("format") if isinstance(about, dict) else None
        raise TextError(
            f"{path} has format {found!r} and this version of Engrax reads format {FORMAT}"
        )
    return about


def _weights(path: Path) -> _Weights:
    try:
        content = path.read_bytes()
        arrays = load(content)
    except FileNotFoundError:
        raise TextError(f"{path} is missing; copy it from where the model was trained") from None
    # A dtype that NumPy does not have, such as bfloat16, is a KeyError.
    except (SafetensorError, ValueError, KeyError, OSError, MemoryError) as error:
        raise TextError(
            f"{path} is cut short or damaged ({error}); copy it again from where the model was "
            "trained"
        ) from error
    return _Weights(content, arrays)


def _skeleton(architecture: Architecture, folder: Path) -> Any:
    """The model as shapes alone: nothing is allocated, whatever sizes the file asks for."""
    try:
        return eqx.filter_eval_shape(architecture.builder, key=jr.key(0))
    except ValueError as error:
        raise TextError(f"{folder / DESCRIPTION} does not describe a model: {error}") from error


def _check_shapes(path: Path, expected: Shapes, found: _Weights) -> None:
    for name, (shape, dtype) in expected.items():
        array = found.arrays.get(name)
        if array is None or (array.shape, array.dtype.name) != (shape, dtype):
            what = "nothing" if array is None else f"{array.dtype.name}{array.shape}"
            raise TextError(
                f"{path} belongs to another model: {name} should be {dtype}{shape} and is {what}; "
                "copy both files from the same run"
            )
    if extra := sorted(found.arrays.keys() - expected.keys()):
        raise TextError(
            f"{path} belongs to another model: it holds {extra[0]}, which this one has not; copy "
            "both files from the same run"
        )


def _arrays(model: Any) -> dict[str, Array]:
    """The arrays of a model by name."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(model)
    return {_name(path): leaf for path, leaf in leaves if eqx.is_array(leaf)}


def _shapes(skeleton: Any) -> Shapes:
    leaves, _ = jax.tree_util.tree_flatten_with_path(skeleton)
    return {
        _name(path): (leaf.shape, leaf.dtype.name)
        for path, leaf in leaves
        if isinstance(leaf, jax.ShapeDtypeStruct)
    }


def _name(path: tuple) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")
