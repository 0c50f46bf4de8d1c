"""The binary formats of CIFAR-10, CIFAR-100 and STL-10: bytes without a header."""

from pathlib import Path

import numpy as np
from jaxtyping import Int32, UInt8

from ._errors import DataFileError
from ._files import read_bytes

Arrays = tuple[
    UInt8[np.ndarray, "train ..."],
    Int32[np.ndarray, "train"],
    UInt8[np.ndarray, "test ..."],
    Int32[np.ndarray, "test"],
]
"""Inputs and labels of the training part, then of the test part."""

CIFAR10_TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))


def _rows(path: Path, length: int) -> UInt8[np.ndarray, "rows length"]:
    content = read_bytes(path)
    if not content or len(content) % length:
        raise DataFileError(
            f"{path} has {len(content)} bytes, which is not a whole number of records of {length} "
            "bytes; delete the file and unpack its archive again."
        )
    return np.frombuffer(content, np.uint8).reshape(-1, length)


def _labels(
    raw: UInt8[np.ndarray, "examples"], lowest: int, classes: int, path: Path
) -> Int32[np.ndarray, "examples"]:
    if raw.min() < lowest or raw.max() >= lowest + classes:
        raise DataFileError(
            f"{path} has labels from {raw.min()} to {raw.max()}, where only {lowest} to "
            f"{lowest + classes - 1} exist; check that it is the binary version of the data set."
        )
    return raw.astype(np.int32) - lowest


def _cifar(
    path: Path, label: int, labels: int, classes: int
) -> tuple[UInt8[np.ndarray, "examples 3 32 32"], Int32[np.ndarray, "examples"]]:
    """Records of `labels` label bytes, of which byte `label` counts, and a 3 x 32 x 32 image."""
    rows = _rows(path, labels + 3 * 32 * 32)
    return rows[:, labels:].reshape(-1, 3, 32, 32), _labels(rows[:, label], 0, classes, path)


def read_cifar10(folder: Path) -> Arrays:
    """CIFAR-10's binary version: images (examples, 3, 32, 32) and labels 0 to 9."""
    parts = [_cifar(folder / name, 0, 1, 10) for name in CIFAR10_TRAIN]
    x, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return x, y, *_cifar(folder / "test_batch.bin", 0, 1, 10)


def read_cifar100(folder: Path) -> Arrays:
    """CIFAR-100's binary version: images (examples, 3, 32, 32) and fine labels 0 to 99."""
    return (
        *_cifar(folder / "train.bin", 1, 2, 100),
        *_cifar(folder / "test.bin", 1, 2, 100),
    )


def read_stl10(folder: Path) -> Arrays:
    """STL-10's labeled parts: images (examples, 3, 96, 96) and labels 0 to 9.

    The files count labels from 1 and store each channel column by column; here labels start at 0
    and images are upright.
    """
    arrays = []
    for part in ("train", "test"):
        images = _rows(folder / f"{part}_X.bin", 3 * 96 * 96).reshape(-1, 3, 96, 96)
        path = folder / f"{part}_y.bin"
        labels = _labels(_rows(path, 1)[:, 0], 1, 10, path)
        if len(labels) != len(images):
            raise DataFileError(
                f"{path} has {len(labels)} labels for {len(images)} images; unpack the archive of "
                "STL-10 again."
            )
        arrays += [np.ascontiguousarray(images.transpose(0, 1, 3, 2)), labels]
    return arrays[0], arrays[1], arrays[2], arrays[3]
