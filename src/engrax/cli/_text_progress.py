"""Where training stands: a bar on a terminal, a line a report in a log."""

from engrax.text import Report

from ._bar import Bar


class TrainingBar(Bar):
    """Shows what `train_language_model` reports."""

    def __init__(self) -> None:
        super().__init__(width=24)
        self.task = self.bar.add_task("compiling", total=None)

    def update(self, report: Report) -> None:
        """Takes one report."""
        said = (
            f"training {report.training_bits:.3f}, validation {report.validation_bits:.3f} "
            "bits per byte"
        )
        self.bar.update(self.task, description=said, completed=report.step, total=report.steps)
        self.log(f"step {report.step} of {report.steps}: {said}")
