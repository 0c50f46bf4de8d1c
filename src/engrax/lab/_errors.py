"""What can go wrong in a run: each error is one sentence that says what to do."""


class RunError(Exception):
    """A run cannot start, go on, or be read."""


class UnknownName(RunError):  # noqa: N818 - reads better where it is caught
    """A study, claim, scale or arm that does not exist."""


class FolderError(RunError):
    """A folder that is not the run it should be, or that cannot be written."""


class Interrupted(RunError):  # noqa: N818 - nothing went wrong
    """The run was asked to stop; all it had is kept.

    **Fields:** `folder`: where the run goes on from; `command`: how, where that is known.
    """

    def __init__(self, folder: object, command: str = "") -> None:
        how = f"; go on with: {command}" if command else ""
        super().__init__(f"stopped; all finished work is in {folder}{how}")
        self.folder, self.command = folder, command


def one_line(error: BaseException) -> str:
    """The first line of what an error says, or what kind of error it is."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
