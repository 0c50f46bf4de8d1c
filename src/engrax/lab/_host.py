"""What an arm computes on the host, kept like a checkpoint so that no session does it again."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import xarray as xr

from ._checkpoints import FIRST_COST, SHARE
from ._errors import one_line
from ._manifest import damage, seal, write
from ._netcdf import content, read_dataset

DATA = "data.nc"
SEAL = ".sha256.json"
"""What the name of a folder's seal, which stands beside it, ends with."""


def computed_once(
    folder: Path,
    compute: Callable[[], xr.Dataset],
    *,
    every: float | None = None,
    warn: Callable[[str], None],
) -> xr.Dataset:
    """What `compute` gives, or has given an earlier session, under a seal.

    **Arguments:** `every`: seconds from which on it is worth keeping; as much work as a checkpoint
    waits for if `None`.

    **Raises:** `OSError` where it cannot be kept.
    """
    sealed = folder.with_name(f"{folder.name}{SEAL}")
    if sealed.exists():
        broken = damage(folder, sealed)
        if not broken:
            try:
                return read_dataset(folder / DATA)
            except (OSError, ValueError, KeyError, TypeError) as error:
                broken = one_line(error)
        warn(f"{folder.name} of {folder.parent.name} is damaged ({broken}), and computed again")
    begun = time.monotonic()
    data = compute()
    if time.monotonic() - begun < (SHARE * FIRST_COST if every is None else every):
        return data
    sealed.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write(folder / DATA, content(data))
    seal(folder, sealed)
    return data
