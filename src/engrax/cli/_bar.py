"""A bar on a terminal, lines in a log: what all long commands show of where they stand."""

import sys
from types import TracebackType
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Shown = TypeVar("Shown", bound="Bar")


class Bar:
    """Shows progress on stderr; stdout is for results. `with` draws it and takes it away."""

    def __init__(self, width: int) -> None:
        """A bar of `width` characters."""
        self.console = Console(stderr=True, file=sys.stderr)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=width),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    def __enter__(self: Shown) -> Shown:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def warn(self, sentence: str) -> None:
        """Prints a sentence above the bar."""
        self._print(f"engrax: {sentence}")

    def log(self, line: str) -> None:
        """Prints a line where there is no terminal that shows the bar."""
        if not self.console.is_terminal:
            self._print(line)

    def _print(self, line: str) -> None:
        self.console.print(line, highlight=False, soft_wrap=True, markup=False)
