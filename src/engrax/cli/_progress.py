"""Where a run stands: a bar on a terminal, a line an arm in a log."""

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from engrax.lab import Progress as Where


class Display:
    """Shows what `run_study` reports, on stderr; stdout is for results."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, file=sys.stderr)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.tasks: dict[tuple[str, str], int] = {}

    def __enter__(self) -> "Display":
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def update(self, where: Where) -> None:
        """Takes one report."""
        name = (where.arm, where.phase)
        if name not in self.tasks:
            self._open(name, where)
        self.bar.update(self.tasks[name], completed=where.tick)  # pyright: ignore[reportArgumentType] - rich's task ids are integers

    def warn(self, sentence: str) -> None:
        """Prints a sentence above the bar."""
        self.console.print(f"engrax: {sentence}", highlight=False, soft_wrap=True, markup=False)

    def _open(self, name: tuple[str, str], where: Where) -> None:
        for done in self.tasks.values():
            self.bar.update(done, visible=False)  # pyright: ignore[reportArgumentType] - as above
        of = f"arm {where.position + 1} of {where.arms}"
        text = f"{where.arm} ({of}), {where.phase}" if where.arm else where.phase
        if not self.console.is_terminal:
            self.console.print(text, highlight=False, markup=False)
        self.tasks[name] = self.bar.add_task(text, total=where.ticks)
