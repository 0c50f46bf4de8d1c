"""`engrax data`: what is found where."""

from rich.console import Console
from rich.table import Table

from engrax.tasks import available

from ._errors import UsageError
from ._jax import configure
from ._parse import console_width


def data(args: list[str]) -> int:
    """Prints a row a data set; nothing is downloaded."""
    if {"-h", "--help"} & set(args):
        print("usage: engrax data\n\nLists data sets: where each was found, and its checksum.")
        return 0
    if args:
        raise UsageError(f"engrax data takes no arguments, got {args[0]!r}")
    configure()
    table = Table(box=None, pad_edge=False)
    for column in ("data set", "found in", "SHA-256", "license"):
        table.add_column(column, overflow="fold")
    missing = []
    for row in available():
        checksum = (row.checksum or "")[:12]
        table.add_row(row.name, row.found or "not found", checksum, row.license)
        if row.found is None:
            missing.append(f"{row.name}: {row.how}")
        elif row.problem:
            missing.append(f"{row.name}: {row.problem}")
    Console(width=console_width(), highlight=False, markup=False).print(table)
    if missing:
        print("\nTo get what is missing:")
        print("\n".join(f"  {line}" for line in missing))
    return 0
