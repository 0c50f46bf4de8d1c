"""`python -m engrax.lab.readme` writes the table of studies into README.md, from results/."""

from pathlib import Path

from engrax.lab._ledger import write_table

if __name__ == "__main__":
    changed = write_table(Path("README.md"), Path("results"))
    print("README.md: table of studies written" if changed else "README.md: up to date")
