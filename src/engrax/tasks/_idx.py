"""The IDX format of MNIST and its relatives, read strictly."""

import math
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from ._errors import DataFileError
from ._files import check_sha256, read_bytes, read_start
from ._records import Arrays

_UNSIGNED_BYTES = 0x08
_MOST_DIMENSIONS = 4
_SMALL = 1 << 20
_LARGEST = 1 << 30  # bytes; MNIST and its relatives stay under 47 MB
IDX_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def read_idx(path: str | Path, *, checksum: str | None = None) -> UInt8[np.ndarray, "..."]:
    """The array in an IDX file of unsigned bytes, compressed by gzip or not.

    The file starts with two zero bytes, one byte for the type (0x08: unsigned bytes) and one for
    the number of dimensions; then come the sizes as big-endian 32-bit integers and the values,
    last dimension fastest. The content must have exactly the length that its header announces,
    and, where `checksum` is given, that SHA-256 after decompression.

    **Raises:** `DataFileError` for a wrong magic number, a header that announces another length
    than the file has, another checksum, or a file that is cut short or damaged.
    """
    path = Path(path)
    shape = _announced(read_start(path, 4 + 4 * _MOST_DIMENSIONS))
    length = 4 + 4 * len(shape) + math.prod(shape)
    if length > _LARGEST:
        raise DataFileError(
            f"{path} announces {' x '.join(map(str, shape))} values, and no data set of this kind "
            f"has more than {_LARGEST}; get the file again from its source."
        )
    content = read_bytes(path, limit=max(length, _SMALL))
    if checksum is not None:
        check_sha256(content, checksum, path)
    if len(content) < 4 or content[0] or content[1] or content[2] != _UNSIGNED_BYTES:
        raise DataFileError(
            f"{path} starts with {bytes(content[:4]).hex(' ') or 'nothing'} and not with 00 00 08, "
            "as an IDX file of unsigned bytes does; get the file again from its source."
        )
    dimensions = content[3]
    start = 4 + 4 * dimensions
    if not 1 <= dimensions <= _MOST_DIMENSIONS or len(content) < start:
        raise DataFileError(
            f"{path} announces {dimensions} dimensions in a file of {len(content)} bytes, where an "
            f"IDX file has 1 to {_MOST_DIMENSIONS} of four bytes each; get the file again from "
            "its source."
        )
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if math.prod(shape) != len(content) - start:
        raise DataFileError(
            f"{path} announces {' x '.join(map(str, shape))} values and holds "
            f"{len(content) - start}; delete the file and get it again."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _announced(start: bytes) -> tuple[int, ...]:
    """The sizes in the first bytes of a file; none where they are no such header."""
    if len(start) < 8 or start[:3] != bytes((0, 0, _UNSIGNED_BYTES)):
        return ()
    return struct.unpack_from(f">{min(len(start) // 4 - 1, start[3])}I", start, 4)


def idx_path(folder: Path, name: str) -> Path:
    """Where `name` is in `folder`: compressed, as these files are published, or not."""
    packed = folder / f"{name}.gz"
    return packed if packed.is_file() else folder / name


def read_idx_folder(folder: Path, *, checksums: Mapping[str, str] | None = None) -> Arrays:
    """The four files of MNIST or a relative: images (examples, rows, columns) and labels 0 to 9."""
    arrays = []
    for images, labels in (IDX_NAMES[:2], IDX_NAMES[2:]):
        x, y = (
            read_idx(idx_path(folder, name), checksum=(checksums or {}).get(name))
            for name in (images, labels)
        )
        if x.ndim != 3 or y.ndim != 1 or len(x) != len(y) or not len(x) or y.max() > 9:
            raise DataFileError(
                f"{idx_path(folder, images)} and {idx_path(folder, labels)} hold arrays of shape "
                f"{x.shape} and {y.shape}, where as many images as labels from 0 to 9 are expected;"
                " get both files again from their source."
            )
        arrays += [x, y.astype(np.int32)]
    return arrays[0], arrays[1], arrays[2], arrays[3]
