"""Whether all that a run folder holds is as it was written."""

import os
from pathlib import Path

from ._checkpoints import SUFFIX
from ._errors import FolderError, RunError, one_line
from ._folder import ABOUT, CHECKPOINTS, FORMAT, MANIFEST, UNSEALED, read_about
from ._host import SEAL
from ._manifest import check_seal, damage, read_sealed
from ._safetensors import SEAL_AT


def check_folder(path: str | os.PathLike[str]) -> list[str]:
    """What has changed in a run folder since it was written, a sentence each; nothing is mended.

    All files count: those under the manifest of a finished run, every checkpoint that is kept, the
    tables of tunings and `run.json`. Nothing is unpacked or run, so the folder may be anyone's.

    Raises:
        FolderError: there is no run folder.
    """
    folder = Path(path).absolute()
    if not (folder / ABOUT).exists() and not (folder / MANIFEST).exists():
        raise FolderError(f"{folder} is no run folder: it has no {ABOUT}")
    found = []
    version = FORMAT
    try:
        about = read_about(folder)
        version = about["format"]
        finished = about["finished"] is not None
    except RunError as error:
        found.append(one_line(error))
        finished = (folder / MANIFEST).exists()
    kept, inner = folder / CHECKPOINTS, []
    if version > 1 and kept.is_dir():
        inner += _sealed([kept / ABOUT])
        inner += [said for arm in sorted(kept.iterdir()) if arm.is_dir() for said in _kept(arm)]
    # Once a run is finished its checkpoints stay, and then one that is gone is missed too.
    skip = UNSEALED
    if version < FORMAT or inner or not kept.is_dir():
        skip = (CHECKPOINTS, *UNSEALED)
    if finished and (broken := damage(folder, folder / MANIFEST, skip=skip, old=version == 1)):
        found.append(f"{folder} is damaged: {broken}")
    if version > 1:
        found += _sealed(sorted((folder / "tuning").glob("*.json")))
    return found + inner


def _sealed(paths: list[Path]) -> list[str]:
    found = []
    for path in paths:
        try:
            read_sealed(path)
        except (OSError, ValueError) as error:
            found.append(f"{path} is damaged: {one_line(error)}")
    return found


def _kept(folder: Path) -> list[str]:
    """What is wrong with all that is kept of an arm.

    A checkpoint is a file that holds its seal. What the host has computed, and a checkpoint of
    format 2, is a folder with a seal beside it.
    """
    found = []
    seals = {path.name.split(".")[0] for path in folder.glob(f"*{SEAL}")}
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            found += [] if path.name in seals else _kept(path)
        elif path.suffix == SUFFIX and path.is_file():
            try:
                with path.open("rb") as file:
                    check_seal(file, SEAL_AT)
            except (OSError, ValueError) as error:
                found.append(f"{path} is damaged: {one_line(error)}")
        elif not path.name.endswith(SEAL):
            found.append(f"{path} has no seal, or was not finished")
    for name in sorted(seals):
        if broken := damage(folder / name, folder / f"{name}{SEAL}"):
            found.append(f"{folder / name} is damaged: {broken}")
    return found
