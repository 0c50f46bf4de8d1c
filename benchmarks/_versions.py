"""Which version of a peer was timed."""

import importlib.metadata
import os
import re
import subprocess
from pathlib import Path

from . import _bdh_reference, _kan_peers

PACKAGES = {
    "eager PyTorch": "torch",
    "PyTorch": "torch",
    "plain PyTorch": "torch",
    "NumPy": "numpy",
    "plain JAX": "jax",
    "hopfieldnetwork": "hopfieldnetwork",
    "pykan": "pykan",
    "engrax": "engrax",
    "our ": "engrax",
    "the same system": "engrax",
}
"""How the name of a peer begins -> the package that it is."""
CHECKOUTS = {"pathwaycom/bdh": _bdh_reference.folder, "efficient-kan": _kan_peers.folder}
"""The same -> the folder of the user's checkout."""


def version_of(peer: str) -> str:
    """The version of a peer by its name in the table; empty where nothing says it."""
    for begin, folder in CHECKOUTS.items():
        if peer.startswith(begin):
            return revision(folder())
    if stated := re.search(r" (\d+(?:\.\d+)+\S*?),", f"{peer},"):
        return stated[1]
    for begin, package in PACKAGES.items():
        if peer.startswith(begin):
            return importlib.metadata.version(package)
    if peer.startswith("Brian 2") and "ENGRAX_BRIAN" in os.environ:
        ask = "import importlib.metadata as m; print(m.version('brian2'))"
        return _said([os.environ["ENGRAX_BRIAN"], "-c", ask])
    return ""


def revision(folder: Path) -> str:
    """The commit of a checkout, short."""
    return _said(["git", "-C", str(folder), "rev-parse", "--short=10", "HEAD"])


def _said(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
