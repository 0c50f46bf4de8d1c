"""`engrax show STUDY`: what it claims, by which rules, at which scales."""

import dataclasses
from typing import Any

from rich.console import Console
from rich.table import Table

from engrax.lab import Study, format_rule, judge_part

from ._errors import UsageError
from ._installed import installed
from ._parse import console_width


def show(args: list[str]) -> int:
    """Prints a study."""
    if {"-h", "--help"} & set(args):
        print("usage: engrax show STUDY\n\nPrints a study's paper, claims, rules and scales.")
        return 0
    if len(args) != 1:
        raise UsageError(f"engrax show takes one study, got {len(args)} arguments")
    study = installed(args[0])
    _print_head(study)
    _print_claims(study)
    _print_scales(study)
    return 0


def _print_head(study: Study) -> None:
    paper = study.paper
    year = "" if str(paper.year) in paper.venue else str(paper.year)
    where = ", ".join(part for part in (paper.authors, paper.venue, year) if part)
    print(f"{study.name}: {paper.title}\n{where}")
    if paper.arxiv:
        print(f"https://arxiv.org/abs/{paper.arxiv}")
    print(f"\n{study.summary}\n")


def _print_claims(study: Study) -> None:
    for claim in study.claims:
        mark = " (headline)" if claim.name == study.headline else ""
        print(f"{claim.name}{mark}  {claim.text}")
        for name, part in claim.parts.items():
            rule = format_rule(judge_part(name, part, [0.0]))
            print(f"    {name}: {rule} ({part.interval}, {100 * part.rule.level:g} %)")
        if claim.paper:
            print(f"    paper: {claim.paper}")
        print(f"    arms: {', '.join(claim.arms)}")
    print()


def _print_scales(study: Study) -> None:
    table = Table("option", *study.scales, box=None, pad_edge=False)
    columns = [_fields(config) for config in study.scales.values()]
    for name in columns[0]:
        table.add_row(f"--{name.replace('_', '-')}", *(str(column[name]) for column in columns))
    Console(width=console_width(), highlight=False).print(table)
    if study.smoke:
        print(f"\nAt smoke the arms of {', '.join(study.smoke)} are made, if no claim is named.")


def _fields(config: Any, prefix: str = "") -> dict[str, Any]:
    found = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        name = f"{prefix}{field.name}"
        found |= _fields(value, f"{name}.") if dataclasses.is_dataclass(value) else {name: value}
    return found
