"""Whether all that a run folder holds is as it was written."""

import os
from pathlib import Path

from ._errors import FolderError, RunError, one_line
from ._folder import ABOUT, CHECKPOINTS, MANIFEST, UNSEALED, read_about
from ._manifest import damage, read_sealed


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
    old = False
    try:
        about = read_about(folder)
        old = about["format"] == 1
        finished = about["finished"] is not None
    except RunError as error:
        found.append(one_line(error))
        finished = (folder / MANIFEST).exists()
    if finished and (broken := damage(folder, folder / MANIFEST, skip=UNSEALED, old=old)):
        found.append(f"{folder} is damaged: {broken}")
    if not old:
        kept = folder / CHECKPOINTS
        copies = [kept / ABOUT] if kept.is_dir() else []
        found += _sealed([*copies, *sorted((folder / "tuning").glob("*.json"))])
        found += _checkpoints(kept)
    return found


def _sealed(paths: list[Path]) -> list[str]:
    found = []
    for path in paths:
        try:
            read_sealed(path)
        except (OSError, ValueError) as error:
            found.append(f"{path} is damaged: {one_line(error)}")
    return found


def _checkpoints(folder: Path) -> list[str]:
    """Each checkpoint is a folder with a seal beside it, at any depth but not within another."""
    found = []
    if not folder.is_dir():
        return found
    seals = {path.name.split(".")[0] for path in folder.glob("*.sha256.json")}
    for path in sorted(folder.iterdir()):
        if path.name in seals:
            continue
        if path.is_dir() and _holds_files(path):
            found.append(f"{path} has no seal, or was not finished")
        elif path.is_dir():
            found += _checkpoints(path)
    for name in sorted(seals):
        if broken := damage(folder / name, folder / f"{name}.sha256.json"):
            found.append(f"{folder / name} is damaged: {broken}")
    return found


def _holds_files(folder: Path) -> bool:
    return any(p.is_file() and not p.name.endswith(".sha256.json") for p in folder.iterdir())
