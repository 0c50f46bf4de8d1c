"""What a checkpoint's arrays promise, compared with what is wanted before anything is unpacked."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts

_MAGIC = b"\x28\xb5\x2f\xfd"
_WIDTHS = (1, 2, 4, 8)


def check_arrays(path: Path, largest: int) -> None:
    """Refuses a checkpoint whose arrays, or pieces of them, unpack to more than `largest` bytes.

    TensorStore asks for as much memory as a file tells it to, and ends the process if there is not
    so much.

    **Raises:** `ValueError` that names the array.
    """
    base = {"driver": "file", "path": f"{path}/"}
    store = ts.KvStore.open({"driver": "ocdbt", "base": base}).result()
    names = [key.decode() for key in store.list().result()]
    sizes = {
        name.removesuffix("/.zarray"): _size(name, store[name], largest)
        for name in names
        if name.endswith("/.zarray")
    }
    for name in names:
        array, _, piece = name.rpartition("/")
        if piece.startswith("."):
            continue
        unpacked = _unpacked(store[name])
        if unpacked is None or unpacked > sizes.get(array, 0):
            raise ValueError(f"a piece of {array} unpacks to {unpacked or 'unknown'} bytes")


def _size(name: str, text: bytes, largest: int) -> int:
    """Bytes of one piece of an array."""
    try:
        about: dict[str, Any] = json.loads(text)
        item = np.dtype(about["dtype"])
        sizes = [item.itemsize * math.prod(map(int, about[key])) for key in ("shape", "chunks")]
        packed = about["compressor"]["id"] == "zstd" and not about.get("filters")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{name} does not describe an array: {error}") from error
    if item.hasobject or not packed:
        raise ValueError(f"{name} describes an array that no checkpoint holds")
    if max(sizes) > largest:
        raise ValueError(
            f"{name} promises {max(sizes)} bytes, and no array has more than {largest}"
        )
    return sizes[1]


def _unpacked(packed: bytes) -> int | None:
    """The size that a Zstandard frame declares and is held to; `None` if it declares none."""
    if len(packed) < 6 or packed[:4] != _MAGIC:
        return None
    flag, whole, dictionary = packed[4] >> 6, packed[4] & 0x20, packed[4] & 3
    if not flag and not whole:
        return None
    at = 5 + (not whole) + (0, 1, 2, 4)[dictionary]
    size = int.from_bytes(packed[at : at + _WIDTHS[flag]], "little")
    return size + 256 if flag == 1 else size
