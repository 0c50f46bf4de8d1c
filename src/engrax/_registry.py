"""Where studies are found, without importing one: for answers that should not wait for JAX."""

import ast
import difflib
import importlib.metadata
import importlib.util
from collections.abc import Iterable
from pathlib import Path

ENTRY_POINTS = "engrax.studies"
"""The entry-point group in which any installed package may register a study."""


def studies() -> dict[str, importlib.metadata.EntryPoint]:
    """The installed studies by name, none of them imported."""
    found = importlib.metadata.entry_points(group=ENTRY_POINTS)
    # Once the package `importlib_metadata` is imported, entries are of its own kind.
    kind = importlib.metadata.EntryPoint
    plain = (kind(entry.name, entry.value, entry.group) for entry in found)
    return {entry.name: entry for entry in sorted(plain, key=lambda entry: entry.name)}


def first_line(entry: importlib.metadata.EntryPoint) -> str:
    """The first line of a study module's docstring, read from its source; empty if it has none."""
    try:
        spec = importlib.util.find_spec(entry.module)
        source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
        text = ast.get_docstring(ast.parse(source)) or ""
    except (ImportError, OSError, SyntaxError, ValueError):
        return ""
    return text.partition("\n")[0]


def unknown(kind: str, name: str, names: Iterable[str]) -> str:
    """The sentence for a name that is none of `names`: what may have been meant, what there is."""
    names = list(names)
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"unknown {kind} {name!r}: {hint}there is {', '.join(names) or 'none'}"
