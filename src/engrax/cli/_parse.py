"""Arguments from dataclasses by tyro, whose boxes become one line."""

import contextlib
import difflib
import io
import os
import re
import shutil
import sys
from typing import TypeVar
from unittest import mock

import tyro

from ._errors import UsageError

T = TypeVar("T")

_WIDE = "1000"


def parse(kind: type[T], args: list[str], *, prog: str, description: str = "") -> T:
    """An instance of the dataclass `kind` from arguments.

    Raises:
        UsageError: the arguments do not fit; one sentence, with the option that may be meant.
        SystemExit: `--help` was asked for and printed.
    """
    config = (tyro.conf.FlagCreatePairsOff, tyro.conf.HelptextFromCommentsOff)
    if {"-h", "--help"} & set(args):
        return tyro.cli(kind, args=args, prog=prog, description=description, config=config)
    boxes = io.StringIO()
    with (
        contextlib.redirect_stderr(boxes),
        contextlib.redirect_stdout(boxes),
        mock.patch.dict(os.environ, {"COLUMNS": _WIDE}),  # boxes that do not break their lines
    ):
        try:
            return tyro.cli(kind, args=args, prog=prog, config=config)
        except SystemExit as stop:
            code = stop.code
    if not code:  # pragma: no cover - tyro printed something that was asked for
        sys.stdout.write(boxes.getvalue())
        raise SystemExit(0)
    raise UsageError(_sentence(boxes.getvalue(), kind, prog))


def _sentence(boxes: str, kind: type, prog: str) -> str:
    text = _first_paragraph(boxes)
    found = re.match(r"Unrecognized options: (.*)", text)
    if not found:
        return f"{text[:1].lower()}{text[1:].rstrip('.')}; see {prog} --help"
    option = found[1].split(",")[0].strip().partition("=")[0]
    near = difflib.get_close_matches(option, _options(kind, prog), 1)
    hint = f"did you mean {near[0]}? " if near else ""
    what = "option" if option.startswith("-") else "argument"
    return f"unknown {what} {option!r}: {hint}{prog} --help lists what there is"


def _first_paragraph(boxes: str) -> str:
    """The message inside tyro's box: the lines between its first two rules."""
    lines = [line.strip(" │|") for line in boxes.splitlines()]
    rules = [i for i, line in enumerate(lines) if re.fullmatch(r"[╭╰─\-╮╯ ]{3,}", line)]
    if len(rules) >= 2:
        lines = lines[rules[0] + 1 : rules[1]]
    return " ".join(line for line in lines if line)


def _options(kind: type, prog: str) -> list[str]:
    """All long options that tyro would accept."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        tyro.cli(kind, args=["--help"], prog=prog, config=(tyro.conf.FlagCreatePairsOff,))
    return sorted(set(re.findall(r"(?<![\w-])--[a-z][\w.-]*", out.getvalue())))


def console_width() -> int:
    """Columns for tables: those of the terminal, and enough for a log file."""
    return shutil.get_terminal_size((120, 24)).columns
