"""SHA-256 seals over folders, and files written whole or not at all."""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any


def sha256(path: Path) -> str:
    """The hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(path: Path, content: bytes | memoryview | str) -> None:
    """Writes a file under another name, flushes it to disk, and then renames it."""
    aside = path.with_name(f".{path.name}.part")
    try:
        with aside.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Any) -> None:
    """Writes JSON that a diff can read: a line a field, and a list of numbers on one line."""
    text = json.dumps(content, indent=1, sort_keys=False, ensure_ascii=False)
    # A string in JSON holds no line break, so this touches nothing but layout.
    flat = re.sub(r"\[\n *([^\[\]{}]*?)\n *\]", _on_one_line, text)
    write(path, flat + "\n")


def _on_one_line(found: re.Match[str]) -> str:
    return "[" + re.sub(r" *\n *", " ", found[1]) + "]"


def seal(folder: Path, to: Path, *, skip: tuple[str, ...] = ()) -> None:
    """Writes the hash of every file below `folder` to `to`, but for the parts named in `skip`."""
    write_json(to, {name: sha256(folder / name) for name in _files(folder, (*skip, to.name))})


def damage(folder: Path, sealed: Path, *, skip: tuple[str, ...] = ()) -> str:
    """What no longer agrees with the seal, in a few words; empty if all does."""
    try:
        kept = json.loads(sealed.read_text())
        there = _files(folder, (*skip, sealed.name))
    except (OSError, ValueError) as error:
        return f"its seal {sealed.name} cannot be read: {error}"
    if not isinstance(kept, dict):
        return f"its seal {sealed.name} is no list of hashes"
    kept = {name: value for name, value in kept.items() if name.split("/")[0] not in skip}
    for name in kept:
        if name not in there:
            return f"{name} is missing"
        if sha256(folder / name) != kept[name]:
            return f"{name} has changed"
    extra = [name for name in there if name not in kept]
    return f"{extra[0]} does not belong to it" if extra else ""


def _files(folder: Path, skip: tuple[str, ...]) -> list[str]:
    found = (p.relative_to(folder) for p in sorted(folder.rglob("*")) if p.is_file())
    return [p.as_posix() for p in found if p.parts[0] not in skip]
