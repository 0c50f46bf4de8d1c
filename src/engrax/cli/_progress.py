"""Where a run stands: a bar on a terminal, a line an arm in a log."""

from engrax.lab import Progress as Where

from ._bar import Bar


class Display(Bar):
    """Shows what `run_study` reports."""

    def __init__(self) -> None:
        super().__init__(width=32)
        self.tasks: dict[tuple[str, str], int] = {}

    def update(self, where: Where) -> None:
        """Takes one report."""
        name = (where.arm, where.phase)
        if name not in self.tasks:
            self._open(name, where)
        self.bar.update(self.tasks[name], completed=where.tick)  # pyright: ignore[reportArgumentType] - rich's task ids are integers

    def _open(self, name: tuple[str, str], where: Where) -> None:
        for done in self.tasks.values():
            self.bar.update(done, visible=False)  # pyright: ignore[reportArgumentType] - as above
        of = f"arm {where.position + 1} of {where.arms}"
        text = f"{where.arm} ({of}), {where.phase}" if where.arm else where.phase
        self.log(text)
        self.tasks[name] = self.bar.add_task(text, total=where.ticks)
