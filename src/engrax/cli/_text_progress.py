"""Where training stands: a bar on a terminal, a line a report in a log."""

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

from engrax.text import Report


class TrainingBar:
    """Shows what `train_language_model` reports, on stderr; stdout is for results."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, file=sys.stderr)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.task = self.bar.add_task("compiling", total=None)

    def __enter__(self) -> "TrainingBar":
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def update(self, report: Report) -> None:
        """Takes one report."""
        said = (
            f"training {report.training_bits:.3f}, validation {report.validation_bits:.3f} "
            "bits per byte"
        )
        self.bar.update(self.task, description=said, completed=report.step, total=report.steps)
        if not self.console.is_terminal:
            self.console.print(
                f"step {report.step} of {report.steps}: {said}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )

    def warn(self, sentence: str) -> None:
        """Prints a sentence above the bar."""
        self.console.print(f"engrax: {sentence}", highlight=False, soft_wrap=True, markup=False)
