"""Other people's Kolmogorov-Arnold nets in PyTorch, with our weights in them."""

import importlib.util
import itertools
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

VARIABLE = "ENGRAX_EFFICIENT_KAN"
_FILE = Path("src") / "efficient_kan" / "kan.py"


def folder() -> Path:
    """Where the checkout lies; ends the program with one line where it does not."""
    given = sys.argv[1] if len(sys.argv) > 1 else os.environ.get(VARIABLE, "")
    place = Path(given)
    if not given or not (place / _FILE).is_file():
        said = f"{given!r} holds no {_FILE.as_posix()}" if given else "no folder was given"
        sys.exit(
            "The benchmark of Kolmogorov-Arnold nets needs your own checkout of "
            f"github.com/Blealtan/efficient-kan, and {said}; set {VARIABLE} to its folder, or run "
            "`python -m benchmarks.kan FOLDER`."
        )
    return place


def module(place: Path) -> ModuleType:
    """The file of the checkout."""
    spec = importlib.util.spec_from_file_location("efficient_kan_reference", place / _FILE)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules["efficient_kan_reference"] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def efficient_kan(place: Path, model) -> Any:
    """efficient-kan's net with the weights of ours: no scale of its own for each spline."""
    import torch

    widths = [model.layers[0].coefficients.shape[2]]
    widths += [layer.coefficients.shape[0] for layer in model.layers]
    kan = module(place)
    made = torch.nn.Sequential(
        *(
            kan.KANLinear(a, b, enable_standalone_scale_spline=False)
            for a, b in itertools.pairwise(widths)
        )
    )
    with torch.no_grad():
        for theirs, ours in zip(made, model.layers, strict=True):
            coefficients = np.asarray(ours.coefficients).transpose(0, 2, 1)
            theirs.spline_weight.copy_(torch.tensor(coefficients))
            theirs.base_weight.copy_(torch.tensor(np.asarray(ours.base_weight)))
    return made


def pykan(widths: tuple[int, ...], *, fast: bool) -> Any:
    """pykan's net with the same grids, or None where it is not installed; weights are its own.

    `fast` is its documented way to speed: `.speed()`, which leaves out the symbolic branch.
    """
    if importlib.util.find_spec("kan") is None:
        return None
    from kan import KAN

    # A fresh list: pykan changes the one it is given.
    made = KAN(width=list(widths), grid=5, k=3, seed=0, auto_save=False)
    return made.speed() if fast else made
