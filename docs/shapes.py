"""Keeps shapes strings: Griffe would read `Float[Array, "time *n"]` as a product of two names."""

import ast
from typing import Any

import griffe
import jaxtyping

DTYPES = {name for name in dir(jaxtyping) if name[0].isupper()}


class Shapes(griffe.Extension):
    """Puts a space before each shape, as one name has it anyway: then it is no expression."""

    def on_node(self, *, node: ast.AST | griffe.ObjectNode, **_: Any) -> None:
        """Changes the tree of a module before anything in it is read."""
        if isinstance(node, ast.Module):
            for inner in ast.walk(node):
                match inner:
                    case ast.Subscript(
                        value=ast.Name(name),
                        slice=ast.Tuple(elts=[_, ast.Constant(str()) as shape]),
                    ) if name in DTYPES:
                        shape.value = f" {shape.value.strip()}"
