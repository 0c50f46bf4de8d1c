"""Small real data sets that come inside packages Engrax depends on."""

import importlib.util
from pathlib import Path

import numpy as np

from ._errors import DataFileError
from ._files import check_sha256, read_bytes
from ._records import Arrays

_TEST_SHARE = 5


def package_folder(package: str, *parts: str) -> Path | None:
    """The folder `parts` inside an installed package, found without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]).joinpath(*parts)


def read_table(path: Path, *, checksum: str, side: int) -> Arrays:
    """Images (examples, side, side) from a table of comma-separated pixels, label last.

    The table has no test part of its own, so one is cut that never changes: within each class,
    every fifth image in the order of the file.
    """
    content = read_bytes(path, limit=1 << 27)
    check_sha256(content, checksum, path)
    rows = np.fromstring(content.replace(b"\n", b",").decode("ascii"), sep=",", dtype=np.float32)
    table = rows.reshape(-1, side * side + 1)
    if not np.array_equal(table, table.astype(np.uint8)):
        raise DataFileError(f"{path} holds values that are no bytes; install its package again.")
    x = table[:, :-1].astype(np.uint8).reshape(-1, side, side)
    y = table[:, -1].astype(np.int32)
    order_in_class = np.zeros(len(y), np.int64)
    for label in np.unique(y):
        members = y == label
        order_in_class[members] = np.arange(members.sum())
    test = order_in_class % _TEST_SHARE == _TEST_SHARE - 1
    return x[~test], y[~test], x[test], y[test]
