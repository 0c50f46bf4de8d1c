"""`engrax list`: the installed studies, without importing one."""

from engrax._registry import first_line, studies

from ._errors import UsageError


def list_studies(args: list[str]) -> int:
    """Prints one line a study."""
    if {"-h", "--help"} & set(args):
        print("usage: engrax list\n\nLists the installed studies, one line each.")
        return 0
    if args:
        raise UsageError(f"engrax list takes no arguments, got {args[0]!r}")
    found = studies()
    if not found:
        print("no study is installed")
    width = max(map(len, found), default=0)
    for name, entry in found.items():
        print(f"{name:{width}}  {first_line(entry)}".rstrip())
    return 0
