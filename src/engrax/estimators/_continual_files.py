"""A `ContinualClassifier` on disk: arrays as safetensors, the rest as JSON; nothing is code."""

import hashlib
import numbers
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from engrax.core import is_key
from engrax.lab import read_json, write, write_json

from ._continual_report import Held
from ._continual_training import shapes_of
from ._plain import from_plain, plain

FORMAT = 1
"""The version of the layout; a folder of another version is refused."""

DESCRIPTION, ARRAYS = "model.json", "model.safetensors"


def save(model: Any, path: str | os.PathLike[str]) -> None:
    """Writes both files, each whole or not at all; the description last, with the arrays' hash."""
    folder = Path(path)
    labels = _listed(model.classes_)
    kind, key, place, *_ = model._random.get_state()
    assert kind == "MT19937"
    arrays = {"random": np.asarray(key, np.uint32), "heads": model._head_of.astype(np.int64)}
    arrays |= {f"state.{name}": plain(leaf) for name, leaf in _named(model._state)}
    for task, parts in enumerate(model._held.y):
        if parts:
            arrays[f"held.{task}.x"], arrays[f"held.{task}.y"] = model._held.rows(task)
    content = save_arrays({name: np.array(array, order="C") for name, array in arrays.items()})
    about = {
        "format": FORMAT,
        "parameters": {
            name: _value(v) for name, v in (model.get_params(deep=False) | model._made).items()
        },
        "features": model.n_features_in_,
        "columns": [str(name) for name in getattr(model, "feature_names_in_", ())],
        "classes": labels,
        "labels": model.classes_.dtype.kind
        if labels and isinstance(labels[0], str)
        else model.classes_.dtype.str,
        "heads": model._heads,
        "trained": np.flatnonzero(model._trained).tolist(),
        "tasks": [task if isinstance(task, str | None) else int(task) for task in model.tasks_],
        "accuracies": [[_number(a) for a in row] for row in model._held.ended],
        "loss": _number(model.loss_),
        "drawn": int(place),
        "arrays": hashlib.sha256(content).hexdigest(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / ARRAYS, content)
    write_json(folder / DESCRIPTION, about)


def load(cls: type, path: str | os.PathLike[str], strategy: Any, learner: Any) -> Any:
    """The model of a folder."""
    folder = Path(path)
    about = _description(folder)
    arrays = _arrays(folder / ARRAYS, about)
    try:
        parameters = _parameters(about, {"strategy": strategy, "learner": learner})
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{folder} cannot be loaded: {error}") from error
    try:
        return _filled(cls(**parameters), about, arrays)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise ValueError(
            f"{folder} does not describe a ContinualClassifier: {error}; save the model again"
        ) from error


def _parameters(about: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    parameters = dict(about["parameters"])
    for name, given in own.items():
        if (parameters[name] is None) != (given is not None):
            whose = "one of its maker's, give it" if given is None else "its own, do not give one"
            raise ValueError(f"the model's {name} is {whose} to `load`")
        parameters[name] = given if parameters[name] is None else parameters[name]
    parameters["hidden_layer_sizes"] = tuple(parameters["hidden_layer_sizes"])
    return parameters


def _filled(model: Any, about: dict[str, Any], arrays: dict[str, np.ndarray]) -> Any:
    """The model with what the files hold, all of it checked."""
    model._check_parameters()
    model.n_features_in_ = _count(about["features"])
    if about["columns"]:
        model.feature_names_in_ = np.array(about["columns"], object)
        _must(len(model.feature_names_in_) == model.n_features_in_, "as many names as columns")
    model.classes_ = _labels(about["classes"], about["labels"])
    # Every head has weights, so that a small file cannot ask for many.
    model._heads, stored = _count(about["heads"]), sum(a.nbytes for a in arrays.values())
    _must(4 * model._heads <= stored, "weights for each head")
    model._head_of = arrays.pop("heads")
    wanted = np.arange(len(model.classes_))
    _must(model._head_of.dtype == np.int64, "whole numbers for heads")
    _must(np.array_equal(np.sort(model._head_of), wanted), "one head for each class")
    _must(len(wanted) <= model._heads, "a head for each class")
    model._trained = np.isin(np.arange(model._heads), about["trained"])
    model.tasks_ = list(about["tasks"])
    _must(model.tasks_ and all(isinstance(t, int | str | None) for t in model.tasks_), "tasks")
    model._made = model._structure()
    model.loss_ = float("nan") if about["loss"] is None else float(about["loss"])
    model._random = np.random.RandomState()
    model._random.set_state(("MT19937", arrays.pop("random"), _count(about["drawn"], 0), 0, 0.0))
    model._held = _held(about, arrays, model)
    shapes = shapes_of(model._wrapped(), model._buffer())
    model._state = from_plain(shapes, _leaves(shapes, arrays))
    return model


def _leaves(shapes: Any, arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The state's arrays in the order of its leaves, each as it has to be."""
    leaves = []
    for name, shape in _named(shapes):
        # A key's data as JAX stores them.
        spec = jax.eval_shape(jax.random.key_data, shape) if is_key(shape) else shape
        found = arrays.pop(f"state.{name}")
        right = (found.shape, found.dtype) == (spec.shape, spec.dtype)
        _must(right, f"{name} of shape {spec.shape} and type {spec.dtype}")
        leaves.append(found)
    _must(not arrays, f"no {next(iter(arrays), '')}")
    return leaves


def _held(about: dict[str, Any], arrays: dict[str, np.ndarray], model: Any) -> Held:
    held, tasks = Held(), len(model.tasks_)
    rows = [[float("nan") if a is None else float(a) for a in row] for row in about["accuracies"]]
    _must([len(row) for row in rows] == list(range(1, tasks)), "an accuracy for each task")
    held.ended = rows
    for task in range(tasks):
        held.begin()
        if f"held.{task}.x" in arrays:
            x, y = (arrays.pop(f"held.{task}.{part}") for part in "xy")
            good = x.shape == (len(y), model.n_features_in_) and y.ndim == 1 and len(y)
            _must(good and x.dtype == np.float32 and y.dtype == np.int32, "rows held back")
            _must(y.min() >= 0 and y.max() < len(model.classes_), "labels of rows held back")
            held.add(x, y)
    return held


def _description(folder: Path) -> dict[str, Any]:
    path = folder / DESCRIPTION
    try:
        about = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(
            f"{folder} holds no ContinualClassifier: it has no {DESCRIPTION}; name the folder that "
            "`save` was given"
        ) from None
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read ({error}); copy it again") from error
    found = about.get("format") if isinstance(about, dict) else None
    if not isinstance(about, dict) or found != FORMAT:
        raise ValueError(
            f"{path} has format {found!r} and this version of Engrax reads format {FORMAT}"
        )
    return about


def _arrays(path: Path, about: dict[str, Any]) -> dict[str, np.ndarray]:
    try:
        content = path.read_bytes()
    except (OSError, MemoryError) as error:
        raise ValueError(f"{path} cannot be read ({error}); copy it again") from None
    if hashlib.sha256(content).hexdigest() != about.get("arrays"):
        raise ValueError(
            f"{path} is damaged, or not the file that {DESCRIPTION} was written with; copy both "
            "again"
        )
    try:
        return load_arrays(content)
    # A dtype that NumPy does not have, such as bfloat16, is a KeyError.
    except (SafetensorError, ValueError, KeyError) as error:
        raise ValueError(f"{path} is damaged ({error}); copy it again") from error


def _named(tree: Any) -> list[tuple[str, Any]]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [(jax.tree_util.keystr(path, simple=True, separator="."), leaf) for path, leaf in leaves]


def _value(value: Any) -> Any:
    """A parameter as JSON has it; None for what is the maker's own, and for a generator."""
    if isinstance(value, str | bool | None):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    return [int(n) for n in value] if isinstance(value, tuple | list) else None


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _listed(labels: np.ndarray) -> list[Any]:
    found = labels.tolist()
    if not all(isinstance(label, str | int | float | bool) for label in found):
        raise ValueError(
            f"labels such as {next(a for a in found if not isinstance(a, str | int | float))!r} "
            "cannot be saved; use text or numbers"
        )
    return found


def _labels(listed: list[Any], kind: str) -> np.ndarray:
    text = kind in ("U", "O")
    dtype = np.dtype(object if kind == "O" else str if kind == "U" else kind)
    _must(text or (dtype.kind in "biuf" and dtype.itemsize <= 8), "labels that are text or numbers")
    _must(all(isinstance(a, str if text else int | float) for a in listed), "plain labels")
    labels = np.array(listed, dtype)
    _must(labels.ndim == 1 and len(listed) > 0, "a list of labels")
    _must(np.array_equal(np.unique(labels), labels), "labels in order")
    return labels


def _count(value: Any, least: int = 1) -> int:
    _must(type(value) is int and value >= least, f"a whole number of at least {least}")
    return value


def _must(right: Any, wanted: str) -> None:
    if not right:
        raise ValueError(f"expected {wanted}")
