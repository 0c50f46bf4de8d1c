"""Where data sets are kept, and what is said of each."""

import os
from pathlib import Path
from typing import NamedTuple

import platformdirs


def cache_folder() -> Path:
    """Where data sets are looked for first and downloads go.

    `$ENGRAX_DATA` where it is set, else the folder `data` in the user's cache of Engrax. Each
    data set has its own folder inside, by its name.
    """
    chosen = os.environ.get("ENGRAX_DATA")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("engrax")) / "data"


class Availability(NamedTuple):
    """What `available` says of one data set."""

    name: str
    found: str | None
    """The folder it was found in, or None."""
    problem: str | None
    """What is wrong with it, in one sentence, or None."""
    checksum: str | None
    """`Dataset.checksum` or `Text.checksum`, or None where it could not be read."""
    license: str
    how: str
    """How to get it."""
