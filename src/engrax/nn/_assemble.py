"""Modules put together from their fields, past a constructor that would draw new ones."""

import dataclasses
from typing import Any, TypeVar

import equinox as eqx

M = TypeVar("M", bound=eqx.Module)


def assemble(kind: type[M], **fields: Any) -> M:
    """The module of this class with these fields, all of them."""
    made = object.__new__(kind)
    names = {field.name for field in dataclasses.fields(kind)}
    if names != set(fields):
        raise TypeError(f"{kind.__name__} has the fields {sorted(names)}, got {sorted(fields)}.")
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


def replaced(module: M, **fields: Any) -> M:
    """The module with some fields exchanged, also ones without arrays."""
    old = {field.name: getattr(module, field.name) for field in dataclasses.fields(module)}
    return assemble(type(module), **{**old, **fields})
