"""The public PyTorch BDH, from the folder of a user's own checkout, with our weights in it."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

VARIABLE = "ENGRAX_BDH_REFERENCE"


class Size(NamedTuple):
    """A model and the text of one training step."""

    n: int
    d: int
    time: int
    batch: int
    heads: int = 4
    layers: int = 6
    vocab: int = 256

    def __str__(self) -> str:
        return f"n {self.n}, d {self.d}, T {self.time}, batch {self.batch}"


SIZES = {"small": Size(2048, 64, 256, 8), "large": Size(8192, 256, 512, 4)}


def folder() -> Path:
    """Where the checkout lies; ends the program with one line where it does not."""
    given = sys.argv[1] if len(sys.argv) > 1 else os.environ.get(VARIABLE, "")
    place = Path(given)
    if not given or not (place / "bdh.py").is_file():
        said = f"{given!r} holds no bdh.py" if given else "no folder was given"
        sys.exit(
            f"The benchmark of BDH needs your own checkout of github.com/pathwaycom/bdh, and {said}"
            f"; set {VARIABLE} to its folder, or run `python -m benchmarks.bdh FOLDER`."
        )
    return place


def module(place: Path) -> ModuleType:
    """The file `bdh.py` of the checkout."""
    spec = importlib.util.spec_from_file_location("bdh_reference", place / "bdh.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules["bdh_reference"] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def reference(place: Path, size: Size, model: Any = None) -> Any:
    """The reference at this size, without dropout; with the weights of `model` if given."""
    import torch

    theirs = module(place)
    config = theirs.BDHConfig(
        n_layer=size.layers,
        n_embd=size.d,
        dropout=0.0,
        n_head=size.heads,
        mlp_internal_dim_multiplier=size.n // size.d,
        vocab_size=size.vocab,
    )
    net = theirs.BDH(config)
    if model is not None:
        with torch.no_grad():
            for name, ours in weights_of(model).items():
                net.get_parameter(name).copy_(torch.tensor(np.array(ours)))
    return net


def weights_of(model: Any) -> dict[str, Any]:
    """Our weights, or gradients in their place, under the names and in the shapes of the other."""
    return {
        "encoder": model.enc,
        "encoder_v": model.enc_v,
        "decoder": model.dec.reshape(-1, model.dec.shape[-1]),
        "embed.weight": model.embedding,
        "lm_head": model.head,
    }
