"""Files written whole or not at all, and seals that show every change to what was written."""

import contextlib
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

_OPEN = "0" * 64
_LARGEST_JSON = 1 << 26  # bytes; what is written here stays under a megabyte


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
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Any) -> None:
    """Writes JSON that a diff can read: a line a field, and a list of numbers on one line."""
    write(path, _readable(content))


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Writes JSON whose last field, `sha256`, is the hash of the file with zeros in its place."""
    text = _readable({**content, "sha256": _OPEN})
    digest = hashlib.sha256(text.encode()).hexdigest()
    write(path, digest.join(text.rsplit(_OPEN, 1)))


def read_json(path: Path) -> Any:
    """JSON of a length that can be right.

    **Raises:** `OSError`, and `ValueError` where it is none.
    """
    with path.open("rb") as file:
        text = file.read(_LARGEST_JSON + 1)
    if len(text) > _LARGEST_JSON:
        raise ValueError(f"it is longer than {_LARGEST_JSON} bytes")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_sealed(path: Path) -> dict[str, Any]:
    """What `write_sealed` was given, if not one bit of the file has changed since.

    **Raises:** `OSError`, and `ValueError` in a few words where it is not as it was written.
    """
    content = read_json(path)
    stored = content.pop("sha256", None) if isinstance(content, dict) else None
    if not isinstance(stored, str) or len(stored) != len(_OPEN):
        raise ValueError("it has no seal")
    before, found, after = path.read_bytes().rpartition(stored.encode())
    if not found or hashlib.sha256(before + _OPEN.encode() + after).hexdigest() != stored:
        raise ValueError("it has changed since it was written")
    return content


def _readable(content: Any) -> str:
    text = json.dumps(content, indent=1, sort_keys=False, ensure_ascii=False)
    # A string in JSON holds no line break, so this touches nothing but layout.
    return re.sub(r"\[\n *([^\[\]{}]*?)\n *\]", _on_one_line, text) + "\n"


def _on_one_line(found: re.Match[str]) -> str:
    return "[" + re.sub(r" *\n *", " ", found[1]) + "]"


def seal(folder: Path, to: Path, *, skip: tuple[str, ...] = ()) -> None:
    """Writes the hash of every file below `folder` to `to`, but for the parts named in `skip`."""
    write_sealed(
        to, {"files": {name: sha256(folder / name) for name in _files(folder, (*skip, to.name))}}
    )


def damage(folder: Path, sealed: Path, *, skip: tuple[str, ...] = (), old: bool = False) -> str:
    """What no longer agrees with the seal, in a few words; empty if all does.

    **Arguments:** `old`: the seal may be a plain list of hashes, as format 1 had it.
    """
    try:
        kept = read_json(sealed)
        if not old or "files" in kept:
            kept = read_sealed(sealed)["files"]
        there = _files(folder, (*skip, sealed.name))
        if not isinstance(kept, dict):
            return f"its seal {sealed.name} is no list of hashes"
        kept = {name: value for name, value in kept.items() if name.split("/")[0] not in skip}
        for name in kept:
            if name not in there:
                return f"{name} is missing"
            if sha256(folder / name) != kept[name]:
                return f"{name} has changed"
    except (OSError, ValueError, KeyError) as error:
        return f"its seal {sealed.name} cannot be trusted: {error}"
    extra = [name for name in there if name not in kept]
    return f"{extra[0]} does not belong to it" if extra else ""


def _files(folder: Path, skip: tuple[str, ...]) -> list[str]:
    found = (p.relative_to(folder) for p in sorted(folder.rglob("*")) if p.is_file())
    return [p.as_posix() for p in found if p.parts[0] not in skip]
