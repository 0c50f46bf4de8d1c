"""Formats of scientific software: SVHN's MATLAB files, and NumPy arrays; nothing is unpickled."""

from pathlib import Path

import numpy as np

from ._errors import DataFileError
from ._records import Arrays

ARRAY_NAMES = ("x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy")


def read_svhn(folder: Path) -> Arrays:
    """SVHN's cropped digits: images (examples, 3, 32, 32) and labels 0 to 9.

    The files keep images as (rows, columns, channels, examples), and the digit 0 as label 10.
    """
    from scipy.io import loadmat  # 0.1 s, and only here
    from scipy.io.matlab import MatReadError

    arrays = []
    for part in ("train", "test"):
        path = folder / f"{part}_32x32.mat"
        try:
            found = loadmat(path, variable_names=["X", "y"])
            x, y = np.asarray(found["X"]), np.asarray(found["y"]).reshape(-1)
        # All of these come of files that are cut short or are something else; the HDF5 form
        # of the format is not implemented.
        except (
            MatReadError,
            OSError,
            ValueError,
            KeyError,
            TypeError,
            NotImplementedError,
        ) as error:
            raise DataFileError(
                f"{path} is no MATLAB file with the arrays X and y; get it again from its source."
            ) from error
        if x.ndim != 4 or x.dtype != np.uint8 or x.shape[3] != len(y) or not len(y):
            raise DataFileError(
                f"{path} holds X of shape {x.shape} and {len(y)} labels, where (32, 32, 3, "
                "examples) and as many labels are expected; get it again from its source."
            )
        if y.min() < 1 or y.max() > 10:
            raise DataFileError(
                f"{path} has labels from {y.min()} to {y.max()}, where only 1 to 10 exist; get it "
                "again from its source."
            )
        arrays += [np.ascontiguousarray(x.transpose(3, 2, 0, 1)), (y % 10).astype(np.int32)]
    return arrays[0], arrays[1], arrays[2], arrays[3]


def read_arrays(folder: Path) -> Arrays:
    """Images as bytes (examples, ...) and labels from 0, each a `.npy` file."""
    arrays = []
    for name in ARRAY_NAMES:
        path = folder / name
        try:
            # Mapped first: a header that promises more than the file holds asks for no memory.
            arrays.append(np.array(np.lib.format.open_memmap(path, mode="r")))
        except (OSError, ValueError, EOFError, OverflowError) as error:
            raise DataFileError(
                f"{path} is no plain NumPy array; save it with numpy.save, without objects."
            ) from error
    for x, y in (arrays[:2], arrays[2:]):
        if x.dtype != np.uint8 or not np.issubdtype(y.dtype, np.integer) or y.ndim != 1:
            raise DataFileError(
                f"{folder} holds images of type {x.dtype} and labels of type {y.dtype} and shape "
                f"{y.shape}; save images as uint8 and labels as integers (examples,)."
            )
        if len(x) != len(y) or not len(y) or y.min() < 0:
            raise DataFileError(
                f"{folder} holds {len(x)} images and {len(y)} labels, where as many labels as "
                "images, from 0, are expected; save them again."
            )
    return arrays[0], arrays[1].astype(np.int32), arrays[2], arrays[3].astype(np.int32)
