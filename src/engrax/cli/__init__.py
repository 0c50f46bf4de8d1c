"""The command `engrax`.

What goes wrong is one line on stderr, and one of these exit codes:

====  ==========================================================================================
   0  done; a claim that fails is a result, not an error
   1  the run failed, or data, a folder or a file is not what it should be
   2  the command line is wrong: unknown study, claim, scale, option or value
   3  done and kept, but a run became non-finite, so a claim over it is open at best
 130  interrupted; what was finished is kept, and the line says how to go on
====  ==========================================================================================

With `ENGRAX_TRACEBACK=1` an error shows where it was raised.
"""

import importlib
import os
import sys
from collections.abc import Sequence

from engrax._registry import unknown

from ._errors import UsageError

OK, FAILED, USAGE, DIVERGED, INTERRUPTED = 0, 1, 2, 3, 130

COMMANDS = {
    "list": "list_studies",
    "show": "show",
    "run": "run",
    "report": "report",
    "track": "track",
    "data": "data",
    "check": "check",
    "bench": "bench",
    "text": "text",
}
"""Command -> the function of the module `_<command>` that runs it."""

HELP = """\
usage: engrax COMMAND ...

  list                  installed studies
  show STUDY            its paper, claims, rules and configurations
  run STUDY [options]   measure its claims; `engrax run STUDY --help` lists every option
  report [RUN...]       draw figures and page of finished runs again (of all in runs/)
  track [RUN...]        send runs to MLflow, or what its server did not take before
  data                  data sets: what is found where, with checksum
  check                 whether this installation can run studies, in seven lines
  text COMMAND ...      train, use and look into language models; `engrax text` lists how
  bench [TOPIC]         timings against other libraries, from a clone of the repository

engrax --version prints the version. Exit codes: 0 done, 1 failed, 2 wrong command line,
3 done but a run became non-finite, 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; never raises but for ENGRAX_TRACEBACK=1."""
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(args)
    except BrokenPipeError:  # `engrax list | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        return _fail(INTERRUPTED, "interrupted")
    except SystemExit as stop:  # --help
        return stop.code if isinstance(stop.code, int) else OK
    except Exception as error:
        if os.environ.get("ENGRAX_TRACEBACK"):
            raise
        return _fail(*_explain(error))


def _dispatch(args: list[str]) -> int:
    command, rest = (args[0], args[1:]) if args else ("--help", [])
    if command in ("-h", "--help", "help"):
        print(HELP, end="")
        return OK
    if command in ("-V", "--version"):
        from engrax import __version__

        print(f"engrax {__version__}")
        return OK
    if command not in COMMANDS:
        raise UsageError(unknown("command", command, COMMANDS))
    # Each command imports what it needs: `engrax list` does not wait for JAX.
    return getattr(importlib.import_module(f"engrax.cli._{command}"), COMMANDS[command])(rest)


def _explain(error: Exception) -> tuple[int, str]:
    """The exit code of an error and its sentence."""
    if isinstance(error, UsageError):
        return USAGE, str(error)
    if "engrax.lab" in sys.modules:  # no error of the lab without the lab
        from engrax.lab import Interrupted, RunError, UnknownName

        if isinstance(error, UnknownName):
            return USAGE, str(error)
        if isinstance(error, Interrupted):
            return INTERRUPTED, str(error)
        if isinstance(error, RunError):
            return FAILED, str(error)
    # Components refuse bad values, and `engrax.tasks` bad files, by these, in one sentence.
    if (isinstance(error, ValueError) or "engrax" in type(error).__module__) and "\n" not in str(
        error
    ):
        return FAILED, str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return FAILED, f"the system refused: {where}{error.strerror}"
    first = str(error).strip().partition("\n")[0]
    name = type(error).__name__
    return FAILED, f"unexpected {name}: {first} (ENGRAX_TRACEBACK=1 shows where)"


def _fail(code: int, sentence: str) -> int:
    print(f"engrax: {sentence}", file=sys.stderr)
    return code
