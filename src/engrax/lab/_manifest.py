"""Files written whole or not at all, and seals that show every change to what was written."""

import contextlib
import hashlib
import io
import json
import os
import re
from pathlib import Path
from typing import Any

OPEN = "0" * 64
"""What stands in place of the hash while a file is hashed that holds its own."""

_LARGEST_JSON = 1 << 26  # bytes; what is written here stays under a megabyte


def sha256(path: Path) -> str:
    """The hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(path: Path, *content: bytes | memoryview | str) -> None:
    """Writes a file under another name, flushes it to disk, and then renames it.

    **Raises:** `OSError` that names a file; what was there before still is.
    """
    aside = path.with_name(f".{path.name}.part")
    try:
        with aside.open("wb") as file:
            for piece in content:
                file.write(piece.encode() if isinstance(piece, str) else piece)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # as of a full disk
            error.filename = str(path)
        raise


def write_json(path: Path, content: Any) -> None:
    """Writes JSON that a diff can read: a line a field, and a list of numbers on one line."""
    write(path, _readable(content))


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Writes JSON whose last field, `sha256`, is the hash of the file with zeros in its place."""
    text = _readable({**content, "sha256": OPEN}).encode()
    write(path, *sealed(text.rindex(OPEN.encode()), text))


def sealed(at: int, first: bytes, *rest: bytes | memoryview) -> list[bytes | memoryview]:
    """The pieces of a file with its hash at `at` of the first, where zeros have kept its place."""
    digest = hashlib.sha256(first)
    for piece in rest:
        digest.update(piece)
    return [first[:at] + digest.hexdigest().encode() + first[at + len(OPEN) :], *rest]


def check_seal(file: io.IOBase, at: int) -> None:
    """Compares a file with the hash that it holds at `at`, in bounded memory.

    **Raises:** `ValueError` if one bit has changed.
    """
    before, stored = file.read(at), file.read(len(OPEN))
    digest = hashlib.sha256(before + OPEN.encode())
    while piece := file.read(1 << 20):
        digest.update(piece)
    if digest.hexdigest().encode() != stored:
        raise ValueError("it has changed since it was written")


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
    if not isinstance(stored, str) or len(stored) != len(OPEN):
        raise ValueError("it has no seal")
    text = path.read_bytes()
    check_seal(io.BytesIO(text), max(0, text.rfind(stored.encode())))
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
