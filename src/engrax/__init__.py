"""Engrax: brain-inspired learning in JAX."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .lab import load_run as load_run

__version__ = "0.1.0"

__all__ = ["__version__", "load_run"]


def __getattr__(name: str) -> Any:
    # The lab brings plotting and file formats along; whoever wants a layer should not wait for it.
    if name == "load_run":
        from .lab import load_run

        return load_run
    raise AttributeError(f"module 'engrax' has no attribute {name!r}")
